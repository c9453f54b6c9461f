package training

import (
	"slices"
	"time"

	"portillon/policy"
)

// Training is a session at a machine in which a mentor shows people how to use the machine. People join with their
// cards or by name, and those whom the mentor has seen work receive the badge.
type Training struct {
	ID      string           `json:"id"`
	Machine policy.MachineID `json:"machine"`
	Badge   policy.BadgeID   `json:"badge"` // badge that the training leads to
	Leader  string           `json:"leader"`
	Checks  []string         `json:"checks"` // what the mentor confirms before badges are issued
	Opened  time.Time        `json:"opened"`
	Closed  time.Time        `json:"closed,omitzero"`  // zero: nobody has closed the training
	Awarded time.Time        `json:"awarded,omitzero"` // zero: no badge was issued
	Version int64            `json:"version"`
}

// openFor is the time after which a training no longer collects taps. awardFor is the time after the opening in which
// badges can be issued: a mentor who forgot can still do it the next day.
const (
	openFor  = 12 * time.Hour
	awardFor = 36 * time.Hour
)

// Until returns when the training stopped or stops collecting taps.
func (t Training) Until() time.Time {
	if end := t.Opened.Add(openFor); t.Closed.IsZero() || t.Closed.After(end) {
		return end
	}
	return t.Closed
}

// IsOpen reports whether people can join at a time.
func (t Training) IsOpen(now time.Time) bool {
	return t.Awarded.IsZero() && !now.Before(t.Opened) && now.Before(t.Until())
}

// MayAward reports whether badges can be issued at a time.
func (t Training) MayAward(now time.Time) bool {
	return t.Awarded.IsZero() && !now.Before(t.Opened) && now.Before(t.Opened.Add(awardFor))
}

// Tap is a card at the training's machine. Member is empty if no member has the card.
type Tap struct {
	Member policy.MemberID
	Card   Card // the unknown card; zero if Member is set
	At     time.Time
}

// Card is an unknown card that was tapped during a training.
type Card struct {
	Tap        string    `json:"tap"`  // id of the tap, with which the card is assigned
	Code       string    `json:"code"` // code that the machine displayed; empty: the hub cannot read the tap
	At         time.Time `json:"at"`
	Assignable bool      `json:"assignable"`
}

// Standing says whether a person can receive the badge.
type Standing string

// The function Standings returns all values.
const (
	Ready     Standing = "ready"
	Holder    Standing = "holder"     // the person has a valid badge of this kind
	Suspended Standing = "suspended"  // the person may not use machines
	NoAddress Standing = "no-address" // there is no address to which the badge could be issued
	Awarded   Standing = "awarded"    // the person received the badge in this training
)

// Standings returns all standings.
func Standings() []Standing { return []Standing{Ready, Holder, Suspended, NoAddress, Awarded} }

// Person is somebody in a training.
type Person struct {
	Member   policy.MemberID `json:"member"`
	Name     string          `json:"name"`
	Standing Standing        `json:"standing"`
	At       time.Time       `json:"at"` // when the person joined
}

// Member is what the directory knows about a person.
type Member struct {
	ID        policy.MemberID
	Name      string
	Suspended bool
	HasBadge  bool // the member has a valid badge of the kind that was asked for
	CanHold   bool // there is an address or a subject to which a badge can be issued
}

// standing returns whether a member can receive the badge of a training.
func (m Member) standing() Standing {
	switch {
	case m.Suspended:
		return Suspended
	case m.HasBadge:
		return Holder
	case !m.CanHold:
		return NoAddress
	}
	return Ready
}

// entry is a decision of the leader about one person.
type entry struct {
	member policy.MemberID
	state  state
	at     time.Time
}

// state is the state of an entry.
type state string

const (
	added   state = "in"
	removed state = "out"
	awarded state = "awarded"
)

// gather returns the members of a training in the order in which they joined, and the unknown cards, the last tapped
// first. A member is in the training if a card was tapped at the machine while the training was open, or if the leader
// added the member. The leader's decision is stronger than a tap. The leader of the training is not in the training,
// because the leader's taps supervise.
func gather(t Training, leader policy.MemberID, taps []Tap, entries []entry) (members, out []entry, cards []Card) {
	decided := map[policy.MemberID]bool{}
	for _, e := range entries {
		decided[e.member] = true
		if e.state == removed {
			out = append(out, e)
		} else {
			members = append(members, e)
		}
	}
	for _, x := range taps {
		switch {
		case x.At.Before(t.Opened) || !x.At.Before(t.Until()):
		case x.Member == "":
			cards = append(cards, x.Card)
		case x.Member != leader && !decided[x.Member]:
			decided[x.Member] = true
			members = append(members, entry{x.Member, added, x.At})
		}
	}
	slices.SortStableFunc(members, func(a, b entry) int { return a.at.Compare(b.at) })
	slices.SortStableFunc(cards, func(a, b Card) int { return b.At.Compare(a.At) })
	return members, out, cards
}

// awardable returns the badges that somebody who leads trainings at a machine may issue there, in the order of the
// policy: badges of the hub that let people use this machine. A badge that also opens a machine at which the person
// does not lead, or that makes mentors, hosts or maintainers anywhere, is left out: an administrator issues it.
func awardable(p *policy.Policy, issued []policy.BadgeID, leads func(policy.MachineID) bool,
	at policy.MachineID) (out []policy.BadgeID) {
	for _, b := range issued {
		if isUsed(p, at, b) && isHarmless(p, b, leads) {
			out = append(out, b)
		}
	}
	return out
}

// isUsed reports whether a grant for learners or users of a machine requires a badge.
func isUsed(p *policy.Policy, at policy.MachineID, b policy.BadgeID) bool {
	m, ok := p.Machine(at)
	return ok && slices.ContainsFunc(m.Grants, func(g policy.Grant) bool {
		return (g.Role == policy.Learner || g.Role == policy.User) && g.Needs.Names(b)
	})
}

// isHarmless reports whether the person leads at all machines that a badge opens, and whether the badge alone gives no
// role above that of a user.
func isHarmless(p *policy.Policy, b policy.BadgeID, leads func(policy.MachineID) bool) bool {
	alone := func(n policy.Need) bool { return sufficient(n, b) }
	for i := range p.Machines {
		m := &p.Machines[i]
		for _, g := range m.Grants {
			if g.Supervisor != nil && alone(*g.Supervisor) || g.Role > policy.User && alone(g.Needs) ||
				g.Needs.Names(b) && !leads(m.ID) {
				return false
			}
		}
	}
	return true
}

// sufficient reports whether a badge alone could meet a need. Needs of practice and ages count as met.
func sufficient(n policy.Need, b policy.BadgeID) bool {
	alone := func(n policy.Need) bool { return sufficient(n, b) }
	switch {
	case len(n.All) > 0:
		return !slices.ContainsFunc(n.All, func(n policy.Need) bool { return !alone(n) })
	case len(n.Any) > 0:
		return slices.ContainsFunc(n.Any, alone)
	}
	return n.Badge == b && b != ""
}
