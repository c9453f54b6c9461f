package policy

import (
	"slices"
	"strings"
	"time"
)

// Membership is how the end of a member's membership (Member.Until) counts. The zero Membership has no grace and
// spares no role: the day after the last day is the first one on which the member is refused.
type Membership struct {
	Grace time.Duration // whole days after the last day in which nothing is refused
	Warn  time.Duration // whole days before the last day from which on the member is told
	After []Role        // roles that a lapsed member keeps
}

func (x Membership) String() string {
	out := []string{"grace " + FormatDuration(x.Grace), "warn " + FormatDuration(x.Warn)}
	if x.Grace == 0 {
		out[0] = "grace 0d"
	}
	if x.Warn == 0 {
		out[1] = "warn 0d"
	}
	for i, r := range x.After {
		out = append(out, [2]string{"after ", ""}[min(i, 1)]+r.String())
	}
	return strings.Join(out, ", ")
}

// Keeps reports whether a lapsed member keeps the role.
func (x Membership) Keeps(r Role) bool { return slices.Contains(x.After, r) }

// MembershipState is where a membership stands on a day. The zero state is a membership without an end.
type MembershipState uint8

const (
	Endless   MembershipState = iota
	Current                   // it ends later than the site warns of
	EndsSoon                  // Warn days or less are left
	InGrace                   // the last day has passed, and nothing is refused yet
	HasLapsed                 // only the roles under After are left
)

// On is where a membership that has a last day stands on a day. The zero Date as last day is no end.
func (x Membership) On(today, last Date) MembershipState {
	if last == (Date{}) {
		return Endless
	}
	switch over := today.Number() - last.Number(); {
	case over > days24(x.Grace):
		return HasLapsed
	case over > 0:
		return InGrace
	case over >= -days24(x.Warn) && x.Warn > 0:
		return EndsSoon
	}
	return Current
}

// LastUse is the last day on which a member may use machines: the last day of the membership, and the grace.
func (x Membership) LastUse(last Date) Date { return last.AddDays(days24(x.Grace)) }

func days24(d time.Duration) int { return int(d / (24 * time.Hour)) }

// DateOf is the day of a moment, on the wall of a zone.
func DateOf(at time.Time, zone *time.Location) Date {
	y, m, d := at.In(zone).Date()
	return Date{y, m, d}
}

// Before reports whether d is an earlier day than o.
func (d Date) Before(o Date) bool { return d.all() < o.all() }

// Noon is a moment of the day that exists in every zone, whatever the clock is changed by.
func (d Date) Noon(zone *time.Location) time.Time {
	return time.Date(d.Year, d.Month, d.Day, 12, 0, 0, 0, zone)
}

// Known is the moment at which a membership is judged: the question's own, where the clock is trusted. Else it is
// the latest moment that is known to have passed: when the bundle was made, or when the machine last wrote a
// record with a trusted clock. A power cut without a network must lock nobody out, and a clock that is wrong ends
// no membership.
func (q Question) Known() time.Time {
	switch {
	case q.Clock == Trusted:
		return q.At
	case q.LastTrusted.After(q.Issued):
		return q.LastTrusted
	}
	return q.Issued
}

// hasLapsed reports whether a member's membership has ended, and the grace with it.
func (j *evaluator) hasLapsed(m *Member) bool {
	return m != nil && m.Until != (Date{}) && j.membership.On(DateOf(j.known, j.zone), m.Until) == HasLapsed
}

// MembershipOf is where the membership of q's member stands, and its last day.
func (p *Policy) MembershipOf(q Question) (MembershipState, Date) {
	if q.Member == nil {
		return Endless, Date{}
	}
	return p.Membership.On(DateOf(q.Known(), p.Zone), q.Member.Until), q.Member.Until
}

// CardState is what the site says of a card. The zero CardState is a card that is in use: what no member has is no
// question of its state.
type CardState uint8

const (
	ActiveCard   CardState = iota
	LostCard               // nobody knows where it is: whoever taps it is not its member
	BlockedCard            // the site refuses it, whoever taps it
	ReplacedCard           // the member has another one
)

var cardStateWords = [...]string{"active", "lost", "blocked", "replaced"}

func (c CardState) String() string { return word(cardStateWords[:], int(c)) }

// ParseCardState reads active, lost, blocked or replaced. Any other word is an error, and stands for a blocked card.
func ParseCardState(s string) (CardState, error) {
	n, err := number("state of a card", cardStateWords[:], s)
	if err != nil || s == "" {
		return BlockedCard, err
	}
	return CardState(n), nil
}

// Alerts reports whether somebody must hear that a card in this state was tapped. A replaced card is tapped out of
// habit.
func (c CardState) Alerts() bool { return c == LostCard || c == BlockedCard || c > ReplacedCard }

// kind is the reason for which a card in this state is refused. A state that does not exist is refused as a
// blocked card.
func (c CardState) kind() ReasonKind {
	switch c {
	case LostCard:
		return OfLostCard
	case ReplacedCard:
		return OfReplacedCard
	}
	return OfBlockedCard
}
