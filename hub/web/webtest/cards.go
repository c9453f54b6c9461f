package webtest

import (
	"context"
	"strings"

	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/policy"
)

// AddCard adds a card to a member. AddCard returns an error if another member has the card.
func (d Directory) AddCard(_ context.Context, a actor.Actor, id policy.MemberID, c directory.Card) (directory.Card,
	error) {
	leave, err := d.Site.enter(a, actor.WriteCards, actor.Target{Member: id})
	if err != nil {
		return c, err
	}
	defer leave()
	m := d.Site.find(id)
	switch {
	case m == nil:
		return c, missing("member", string(id))
	case len(c.Number) < 4 || len(c.Number) > 64 || strings.Trim(strings.ToLower(c.Number), "0123456789abcdef") != "":
		return c, bad("number", c.Number, "not a card number", "04A2240B5C6D80")
	}
	c.ID, c.Last, c.Since = d.Site.next("c-new"), c.Number[len(c.Number)-4:], d.Site.now
	m.Cards = append(m.Cards, c)
	return c, nil
}

// Held lists cards sorted by member, 50 on each page.
func (d Directory) Held(_ context.Context, a actor.Actor, f directory.CardFilter,
	p directory.Page) (out []directory.HeldCard, next string, err error) {
	leave, err := d.Site.enter(a, actor.ReadMembers, actor.Target{})
	if err != nil {
		return nil, "", err
	}
	defer leave()
	past := p.After == ""
	for i := range d.Site.directory.members {
		m := &d.Site.directory.members[i]
		for _, c := range m.Cards {
			key := string(m.ID) + " " + c.ID
			if !past || f.State != "" && c.State != f.State || f.Idle && (c.State != directory.Active || !m.Blocked) ||
				!strings.Contains(strings.ToLower(m.Name+" "+c.Last), strings.ToLower(f.Text)) {
				past = past || key == p.After
				continue
			}
			if len(out) == 50 {
				last := out[len(out)-1]
				return out, string(last.Member) + " " + last.ID, nil
			}
			out = append(out, directory.HeldCard{Card: c, Member: m.ID, Name: m.Name})
		}
	}
	return out, "", nil
}

// SetCard changes the state of a card.
func (d Directory) SetCard(_ context.Context, a actor.Actor, id policy.MemberID, card string, st directory.CardState,
	note string) error {
	leave, err := d.Site.enter(a, actor.WriteCards, actor.Target{Member: id})
	if err != nil {
		return err
	}
	defer leave()
	m := d.Site.find(id)
	if m == nil {
		return missing("member", string(id))
	}
	switch st {
	case directory.Active, directory.Lost, directory.Blocked, directory.Replaced:
	default:
		return bad("state", string(st), "no state of a card", "active, lost, blocked or replaced")
	}
	for i := range m.Cards {
		if m.Cards[i].ID == card {
			m.Cards[i].State, m.Cards[i].Note, m.Cards[i].Since = st, note, d.Site.now
			return nil
		}
	}
	return missing("card", card)
}

// Unknown returns the unknown cards that were tapped.
func (d Directory) Unknown(_ context.Context, a actor.Actor, _ directory.Page) ([]directory.Tap, string, error) {
	leave, err := d.Site.enter(a, actor.ReadTaps, actor.Target{})
	if err != nil {
		return nil, "", err
	}
	defer leave()
	return append([]directory.Tap(nil), d.Site.directory.taps...), "", nil
}

// Assign gives an unknown card to a member, and removes its tap.
func (d Directory) Assign(_ context.Context, a actor.Actor, tap string, id policy.MemberID) (directory.Card, error) {
	leave, err := d.Site.enter(a, actor.WriteCards, actor.Target{Member: id})
	if err != nil {
		return directory.Card{}, err
	}
	defer leave()
	m := d.Site.find(id)
	if m == nil {
		return directory.Card{}, missing("member", string(id))
	}
	for i, t := range d.Site.directory.taps {
		if t.ID == tap && t.Assignable {
			c := directory.Card{ID: d.Site.next("c-new"), Last: t.Code[2:], State: directory.Active, Since: d.Site.now}
			m.Cards = append(m.Cards, c)
			d.Site.directory.taps = append(d.Site.directory.taps[:i:i], d.Site.directory.taps[i+1:]...)
			return c, nil
		}
	}
	return directory.Card{}, missing("tap", tap)
}

// AddBadges accepts any JSON as a badge.
func (d Directory) AddBadges(_ context.Context, a actor.Actor, id policy.MemberID, name string,
	data []byte) ([]directory.Badge, error) {
	leave, err := d.Site.enter(a, actor.WriteBadges, actor.Target{Member: id})
	if err != nil {
		return nil, err
	}
	defer leave()
	m := d.Site.find(id)
	switch {
	case m == nil:
		return nil, missing("member", string(id))
	case strings.HasSuffix(name, ".zip"):
		return []directory.Badge{{From: name, Refused: "not a badge"}}, nil
	case !strings.HasPrefix(string(data), "{"):
		return nil, bad("file", name, "not a badge", "JSON, JWT, PNG, SVG or ZIP")
	}
	b := d.Site.badge(string(id), "fdm-user", len(m.Badges))
	b.From = name
	m.Badges = append(m.Badges, b)
	return []directory.Badge{b}, nil
}

// AddBadgeURL accepts any https address, but fetches nothing.
func (d Directory) AddBadgeURL(_ context.Context, a actor.Actor, id policy.MemberID, url string) (directory.Badge,
	error) {
	leave, err := d.Site.enter(a, actor.WriteBadges, actor.Target{Member: id})
	if err != nil {
		return directory.Badge{}, err
	}
	defer leave()
	m := d.Site.find(id)
	switch {
	case m == nil:
		return directory.Badge{}, missing("member", string(id))
	case !strings.HasPrefix(url, "https://"):
		return directory.Badge{}, bad("url", url, "not an https address", "https://lab.example/badges/1")
	}
	b := d.Site.badge(string(id), "vinyl-user", len(m.Badges))
	b.From = url
	m.Badges = append(m.Badges, b)
	return b, nil
}

// RemoveBadge removes a badge from a member.
func (d Directory) RemoveBadge(_ context.Context, a actor.Actor, id policy.MemberID, badge string) error {
	leave, err := d.Site.enter(a, actor.WriteBadges, actor.Target{Member: id})
	if err != nil {
		return err
	}
	defer leave()
	if m := d.Site.find(id); m != nil {
		for i := range m.Badges {
			if m.Badges[i].ID == badge {
				m.Badges = append(m.Badges[:i:i], m.Badges[i+1:]...)
				return nil
			}
		}
	}
	return missing("badge", badge)
}
