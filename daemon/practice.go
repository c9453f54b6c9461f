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
	owed map[string]policy.Practice // practice from sessions that the previous daemon left unfinished, by session id
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

// after returns a member's practice after a record that ends a session of this member. It returns false if the record
// does not end a session, or if the session's duration is unknown. end is the time at which the session ended, or zero
// if the clock was not trusted.
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
		// The guard refused to close the relay, for example because the contactor was still opening. Such a start does not
		// count towards the member's quota of sessions.
		out.Sessions--
	}
	return out, true
}

// Practised returns a practice with one more session added. If the clock was not trusted (end is zero), the session
// counts for the last known day, and the date of the last practice does not change.
func Practised(p policy.Practice, end time.Time, took time.Duration) policy.Practice {
	if !end.IsZero() {
		return p.Used(end, took)
	}
	out := p.Using(p.Last, took)
	out.Sessions = p.Sessions + 1 // this holds whenever the session began
	return out
}
