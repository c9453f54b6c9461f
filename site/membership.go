package site

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"portillon/openbadge"
	"portillon/policy"
	"portillon/rfid"
	"portillon/wire"
	"portillon/yamlfile"
)

// InactiveCard is a card that machines must refuse. An entry of cards: for such a card has the form { number:
// "04A1B2C3D4", state: lost, since: 2026-11-01 }.
type InactiveCard struct {
	Number string // number in hexadecimal, or an hmac: entry
	Part   bool   // Number may be only a part of the card's number (see Member.Parts)
	State  policy.CardState
	Since  policy.Date // first day of this state; zero: unknown
}

// cardEntry is an entry of cards:, as the YAML file contains it, with a number that is not parsed yet.
type cardEntry struct {
	number string
	state  policy.CardState
	since  policy.Date
}

// cardEntries reads the entries of cards:. An entry is a number, or a mapping with a number and a state.
func cardEntries(n yamlfile.Node) []cardEntry {
	nodes := []yamlfile.Node{n}
	if n.IsList() {
		nodes = n.List()
	}
	var out []cardEntry
	for _, x := range nodes {
		switch {
		case !x.IsMap() && (x.Present() || n.IsList()):
			out = append(out, cardEntry{number: x.Str()})
		case x.IsMap():
			out = append(out, cardWithState(x))
		}
	}
	return out
}

// cardWithState reads an entry that is a mapping. Faults of such an entry quote no value, because any value may be a
// card number in the wrong field.
func cardWithState(n yamlfile.Node) cardEntry {
	const form = `{ number: "04A1B2C3D4", state: lost, since: 2026-11-01 }`
	for _, p := range n.Pairs() {
		if !slices.Contains([]string{"number", "state", "since"}, p.Key) {
			n.Fault(form, "a key of this card is not known")
		}
	}
	e := cardEntry{number: n.Get("number").Required().Str(), since: parseDay(n.Get("since"))}
	s := n.Get("state")
	if !s.Present() {
		return e
	}
	word := s.Str()
	var err error
	if e.state, err = policy.ParseCardState(word); s.IsScalar() && (err != nil || word == "") {
		s.Fault("one of: active, lost, blocked, replaced", "the state of this card is not known")
	}
	return e
}

// keepCard adds a card with a parsed number to the member.
func (m *Member) keepCard(number rfid.Card, e cardEntry) { m.keep(number.Number.Hex(), number.Part, e) }

// keep adds a card to the member. The parameter hex is the card's number in hexadecimal, or its hmac: entry.
func (m *Member) keep(hex string, part bool, e cardEntry) {
	if e.state != policy.ActiveCard {
		m.Inactive = append(m.Inactive, InactiveCard{hex, part, e.state, e.since})
		return
	}
	m.Cards = append(m.Cards, hex)
	if part {
		m.Parts = append(m.Parts, hex)
	}
}

// allNumbers returns the numbers of all cards of the member, in any state.
func (m *Member) allNumbers() []string {
	out := slices.Clone(m.Cards)
	for _, c := range m.Inactive {
		out = append(out, c.Number)
	}
	return out
}

// parseDay parses a date such as 2026-09-30.
func parseDay(n yamlfile.Node) policy.Date {
	s := n.Str()
	if !n.IsScalar() {
		return policy.Date{}
	}
	d, err := policy.ParseDate(s)
	if err != nil || d.Year == 0 {
		n.Fault("as 2026-09-30", "this is no day of the calendar")
		return policy.Date{}
	}
	return d
}

// addTerms adds the end of the membership and the refused cards to the member's entry in the bundle.
func (m *Member) addTerms(w *wire.Member, key *cardHasher) {
	w.SetLastDay(m.Until)
	for _, c := range m.Inactive {
		w.CardStates = append(w.CardStates, c.wire(key.hash(c.Number)))
	}
}

// wire returns the entry of a bundle for the card, or for one of the card's forms.
func (c InactiveCard) wire(card string) wire.CardState {
	x := wire.CardState{Card: card, State: c.State.String()}
	if c.Since != (policy.Date{}) {
		x.Since = c.Since.String()
	}
	return x
}

// Ending is a membership or a badge of a member that ends soon.
type Ending struct {
	Member policy.MemberID
	Name   string
	Badge  policy.BadgeID // badge that ends; empty: the membership ends
	Last   policy.Date    // last day in the site's time zone
}

// endingWithin is the number of future days for which Build lists endings.
const endingWithin = 30

// endings lists the memberships and badges that end in the next 30 days, soonest first. endings includes memberships
// that have ended but are in their days of grace.
func (b *Built) endings(s *Site, at time.Time) {
	today := policy.DateOf(at, s.Policy.Zone)
	for _, m := range s.Members {
		if m.Until != (policy.Date{}) && s.Policy.Membership.On(today, m.Until) != policy.HasLapsed {
			b.addEnding(s, m, "", m.Until, at)
		}
	}
	slices.SortStableFunc(b.Ending, func(x, y Ending) int {
		switch {
		case x.Last.Before(y.Last):
			return -1
		case y.Last.Before(x.Last):
			return 1
		}
		return cmp.Compare(x.Name, y.Name)
	})
}

// addBadgeEndings adds an ending for a member's valid badge, for each badge of the policy that it satisfies.
func (b *Built) addBadgeEndings(s *Site, m Member, badge *openbadge.Badge, at time.Time) {
	if end := badge.ValidUntil; !end.IsZero() && !at.After(end) {
		for _, x := range Matches(s.Policy, badge) {
			b.addEnding(s, m, x.Badge, policy.DateOf(end, s.Policy.Zone), at)
		}
	}
}

// addEnding adds an ending if it is within the next 30 days and the member is not blocked.
func (b *Built) addEnding(s *Site, m Member, badge policy.BadgeID, last policy.Date, at time.Time) {
	if horizon := policy.DateOf(at.AddDate(0, 0, endingWithin), s.Policy.Zone); !m.Blocked && !horizon.Before(last) {
		b.Ending = append(b.Ending, Ending{Member: m.ID, Name: m.Name, Badge: badge, Last: last})
	}
}

// In returns the ending as one line of text in language l, for an administrator.
func (e Ending) In(l policy.Language, p *policy.Policy) string {
	what := policy.Text{FR: "adhésion", EN: "membership"}
	if e.Badge != "" {
		name := string(e.Badge)
		if b, ok := p.Badge(e.Badge); ok {
			name = b.Name.In(p.Language)
		}
		what = policy.Text{FR: "badge « " + name + " »", EN: "badge “" + name + "”"}
	}
	return fmt.Sprintf("%s  %s (%s), %s", e.Last, e.Name, e.Member, what.In(l))
}
