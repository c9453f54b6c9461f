package policy

import (
	"slices"
	"strings"
	"time"
)

// Membership is the rule about the end of a member's membership (Member.Until). The zero Membership has no days of
// grace and keeps no role, so the member is refused from the day after the last day.
type Membership struct {
	Grace time.Duration // time after the last day in which the member may still use machines, in whole days
	Warn  time.Duration // how long before the last day the panel begins to remind the member, in whole days
	After []Role        // roles that a member with a lapsed membership keeps
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

// MembershipState is the state of a membership on a day. The zero state is a membership without an end.
type MembershipState uint8

const (
	Endless   MembershipState = iota
	Current                   // the membership ends in more than Warn days
	EndsSoon                  // the membership ends within Warn days
	InGrace                   // the last day has passed, but not the days of grace
	HasLapsed                 // the days of grace have passed; the member keeps only the roles in After
)

// On returns the state on the day today of a membership with the last day last. If last is the zero Date, the
// membership has no end.
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

// LastUse returns the last day on which the member may use machines: the last day plus the grace.
func (x Membership) LastUse(last Date) Date { return last.AddDays(days24(x.Grace)) }

func days24(d time.Duration) int { return int(d / (24 * time.Hour)) }

// DateOf returns the calendar day of a moment in a zone.
func DateOf(at time.Time, zone *time.Location) Date {
	y, m, d := at.In(zone).Date()
	return Date{y, m, d}
}

// Before reports whether d is an earlier day than o.
func (d Date) Before(o Date) bool { return d.all() < o.all() }

// Noon returns 12:00 of the day. Noon exists in every zone, also on days of a clock change.
func (d Date) Noon(zone *time.Location) time.Time {
	return time.Date(d.Year, d.Month, d.Day, 12, 0, 0, 0, zone)
}

// Known returns the time at which memberships are judged: the question's own time if the clock is trusted. Otherwise it
// returns the latest time that has certainly passed: when the bundle was made, or when the machine last wrote a record
// with a trusted clock. Therefore a member is not locked out after a power cut without a network, and a wrong clock
// does not end a membership.
func (q Question) Known() time.Time {
	switch {
	case q.Clock == Trusted:
		return q.At
	case q.LastTrusted.After(q.Issued):
		return q.LastTrusted
	}
	return q.Issued
}

// hasLapsed reports whether a member's membership and its days of grace have ended.
func (j *evaluator) hasLapsed(m *Member) bool {
	return m != nil && m.Until != (Date{}) && j.membership.On(DateOf(j.known, j.zone), m.Until) == HasLapsed
}

// MembershipOf returns the state and the last day of the membership of q's member.
func (p *Policy) MembershipOf(q Question) (MembershipState, Date) {
	if q.Member == nil {
		return Endless, Date{}
	}
	return p.Membership.On(DateOf(q.Known(), p.Zone), q.Member.Until), q.Member.Until
}

// CardState is the state of a member's card at the site. The zero CardState is a card in use.
type CardState uint8

const (
	ActiveCard   CardState = iota
	LostCard               // the card was reported lost, so a tap does not prove who taps
	BlockedCard            // the site refuses the card
	ReplacedCard           // the member has another card
)

var cardStateWords = [...]string{"active", "lost", "blocked", "replaced"}

func (c CardState) String() string { return word(cardStateWords[:], int(c)) }

// ParseCardState parses one of the words active, lost, blocked and replaced. For any other word it returns BlockedCard
// and an error.
func ParseCardState(s string) (CardState, error) {
	n, err := number("state of a card", cardStateWords[:], s)
	if err != nil || s == "" {
		return BlockedCard, err
	}
	return CardState(n), nil
}

// Alerts reports whether the staff must be notified that a card in this state was tapped. A replaced card is often
// tapped by habit, so a tap with it causes no notification.
func (c CardState) Alerts() bool { return c == LostCard || c == BlockedCard || c > ReplacedCard }

// kind returns the reason for which Decide refuses a card in this state. For an unknown state, kind returns the reason
// of a blocked card, so that Decide refuses the card.
func (c CardState) kind() ReasonKind {
	switch c {
	case LostCard:
		return OfLostCard
	case ReplacedCard:
		return OfReplacedCard
	}
	return OfBlockedCard
}
