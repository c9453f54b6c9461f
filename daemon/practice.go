package daemon

import (
	"time"

	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// practice is the members' practice at this machine, from this machine's own journal.
type practice struct {
	of   map[policy.MemberID]policy.Practice
	owed map[string]policy.Practice // practice of sessions that the previous daemon left unfinished, by session id
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

// with returns a copy of the member with their practice at this machine. The original is not modified.
func (p *practice) with(member *policy.Member) *policy.Member {
	here, ok := p.of[member.ID]
	if !ok {
		return member
	}
	out := *member
	out.Practice = append([]policy.Practice{here}, member.Practice...)
	return &out
}

// after returns the practice of a record's member after that record, if it ends a session; false: the record does not
// end a session, or the session's duration is unknown. end is when the session ended; zero: the clock was not trusted.
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
	if body.Seconds == 0 {
		// The relay did not close: the guard refused, for example because the contactor was still opening. Such a start
		// uses up no session of a quota.
		out.Sessions--
	}
	return out, true
}

// Practised returns a practice with one more session added. Without a trusted clock (a zero end) the session counts on
// the last known day, and the date of the last practice does not change.
func Practised(p policy.Practice, end time.Time, took time.Duration) policy.Practice {
	if !end.IsZero() {
		return p.Used(end, took)
	}
	out := p.Using(p.Last, took)
	out.Sessions = p.Sessions + 1 // whenever the session began
	return out
}
