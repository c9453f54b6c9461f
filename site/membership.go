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

// InactiveCard is a card that the site refuses: { number: "04A1B2C3D4", state: lost, since: 2026-11-01 } under
// cards:.
type InactiveCard struct {
	Number string // in hexadecimal, or hmac: and its HMAC
	Part   bool   // of the number, as Member.Parts
	State  policy.CardState
	Since  policy.Date // zero: it was not written down
}

// cardEntry is an entry of cards: as it stands in the file.
type cardEntry struct {
	number string
	state  policy.CardState
	since  policy.Date
}

// cardEntries reads numbers, each alone or with its state.
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

// cardWithState reads a mapping. Its faults quote nothing, since any of its values may be a card's number in the
// wrong place.
func cardWithState(n yamlfile.Node) cardEntry {
	const form = `{ number: "04A1B2C3D4", state: lost, since: 2026-11-01 }`
	for _, p := range n.Pairs() {
		if !slices.Contains([]string{"number", "state", "since"}, p.Key) {
			n.Fault(form, "a key of this card is not known")
		}
	}
	e := cardEntry{number: n.Get("number").Required().Str(), since: day(n.Get("since"))}
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

// keepCard adds a card whose number has been read.
func (m *Member) keepCard(number rfid.Card, e cardEntry) { m.keep(number.Number.Hex(), number.Part, e) }

// keep adds a card: its number in hexadecimal, or its hmac: entry.
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

// everyCard are the numbers of all cards, whatever their state.
func (m *Member) everyCard() []string {
	out := slices.Clone(m.Cards)
	for _, c := range m.Inactive {
		out = append(out, c.Number)
	}
	return out
}

// day is a day of one year, as 2026-09-30.
func day(n yamlfile.Node) policy.Date {
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

// terms writes down when, and with which cards, a member may use machines.
func (m *Member) terms(w *wire.Member, key *cardHasher) {
	w.SetLastDay(m.Until)
	for _, c := range m.Inactive {
		w.CardStates = append(w.CardStates, c.wire(key.card(c.Number)))
	}
}

// wire is what a bundle says of the card, or of a form of it.
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
	Badge  policy.BadgeID // empty: it is the membership
	Last   policy.Date    // the last day, at the site
}

// endingWithin is how far ahead Build looks, in days.
const endingWithin = 30

// endings lists what ends in the next 30 days, the soonest first. A membership that is over, but whose days of
// grace are not, is among them: it can be renewed still.
func (b *Built) endings(s *Site, at time.Time) {
	today := policy.DateOf(at, s.Policy.Zone)
	for _, m := range s.Members {
		if m.Until != (policy.Date{}) && s.Policy.Membership.On(today, m.Until) != policy.HasLapsed {
			b.ends(s, m, "", m.Until, at)
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

// badgeEnds notes the end of a badge that a member holds, and that is still valid: for each badge that it counts as.
func (b *Built) badgeEnds(s *Site, m Member, badge *openbadge.Badge, at time.Time) {
	if end := badge.ValidUntil; !end.IsZero() && !at.After(end) {
		for _, x := range Matches(s.Policy, badge) {
			b.ends(s, m, x.Badge, policy.DateOf(end, s.Policy.Zone), at)
		}
	}
}

// ends adds an ending, unless it is further ahead than Build looks, or the member is blocked.
func (b *Built) ends(s *Site, m Member, badge policy.BadgeID, last policy.Date, at time.Time) {
	if horizon := policy.DateOf(at.AddDate(0, 0, endingWithin), s.Policy.Zone); !m.Blocked && !horizon.Before(last) {
		b.Ending = append(b.Ending, Ending{Member: m.ID, Name: m.Name, Badge: badge, Last: last})
	}
}

// In is the ending as a line for the administrator.
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
