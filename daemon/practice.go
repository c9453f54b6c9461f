package daemon

import (
	"time"

	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// practice is what members have done at this machine, which this machine's own journal knows.
type practice struct {
	of   map[policy.MemberID]policy.Practice
	owed map[string]policy.Practice // of sessions that the last daemon left open, by their ids
}

func newPractice(of map[policy.MemberID]policy.Practice, owed []Owed) practice {
	p := practice{of: of, owed: map[string]policy.Practice{}}
	if p.of == nil {
		p.of = map[policy.MemberID]policy.Practice{}
	}
	for _, o := range owed {
		p.owed[o.Record.Session] = o.Practice
	}
	return p
}

// with adds to a member what they have done at this machine. It does not write to the member.
func (p *practice) with(member *policy.Member) *policy.Member {
	here, ok := p.of[member.ID]
	if !ok {
		return member
	}
	out := *member
	out.Practice = append([]policy.Practice{here}, member.Practice...)
	return &out
}

// after is the practice of a record's member once that record, the end of a session, is on the disk; false: the record
// is no end, or nobody knows how long its session was. End is when the session ended; zero: no clock can be believed.
func (p *practice) after(r session.Record, machine policy.MachineID, end time.Time) (policy.Practice, bool) {
	body, isEnd := r.Body.(wire.EndBody)
	if !isEnd || r.Kind != wire.SessionEnd {
		return policy.Practice{}, false
	}
	if o, owed := p.owed[r.Session]; owed {
		return o, o.Machine != ""
	}
	out := Practised(p.of[r.Member], end, time.Duration(body.Seconds)*time.Second)
	out.Machine = machine
	return out, true
}

// Practised is a practice after one more session. With no clock to believe (a zero end) the session counts on the day
// that is known last, and makes no practice newer than it was.
func Practised(p policy.Practice, end time.Time, took time.Duration) policy.Practice {
	if end.IsZero() {
		end = p.Last
	}
	return p.Used(end, took)
}
