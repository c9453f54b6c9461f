package directory

import (
	"context"
	"slices"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/policy"
)

// Page selects a part of a list.
type Page struct {
	After string // cursor that the previous page returned; empty: begin with the first page
	Limit int    // number of rows: at most 500; 0 means 50
}

// limit returns the maximum number of rows of a page.
func (p Page) limit() int {
	if p.Limit <= 0 {
		return 50
	}
	return min(p.Limit, 500)
}

// maxMembers is the maximum number of members of a page, even if Page.Limit is larger: a member with five badges takes
// 2.3 KB of JSON, and a page should take at most 20 ms.
const maxMembers = 100

// These are the states by which a caller can filter a list of members.
const (
	StateCurrent = "current" // the member is neither suspended nor lapsed
	StateEnding  = "ending"  // the membership ends within 30 days
	StateLapsed  = "lapsed"  // the membership and its days of grace are over
	StateBlocked = "blocked" // a person or an import has suspended the member
	StateNoCard  = "no-card" // the member has no active card
	StateNoBadge = "no-badge"
)

// Filter selects the members of a list. A filter with only empty fields selects all members.
type Filter struct {
	// Text contains words. Each word must be in the name, an address, a guardian's address, the id or the external id,
	// or be the last digits of a card's number. The search looks in notes and in full numbers only if
	// the actor may read them.
	Text    string
	Machine policy.MachineID
	Badge   policy.BadgeID
	State   string // one of the constants StateCurrent to StateNoCard; empty: all states
}

// maxSearch is the maximum length of a search text, in bytes.
const maxSearch = 200

// List lists members by name, at most maxMembers at a time. next is the cursor of the next page; empty: this page is
// the last. List leaves out the checks of badges, which Get returns. The actor needs actor.ReadMembers for all machines
// and members.
func (s *Members) List(ctx context.Context, a actor.Actor, f Filter, page Page) ([]Member, string, error) {
	if err := a.May(actor.ReadMembers, about("")); err != nil {
		return nil, "", err
	}
	p, err := s.core.policy(ctx)
	if err != nil {
		return nil, "", err
	}
	x, err := s.core.index.current(ctx)
	if err != nil {
		return nil, "", err
	}
	keeps, err := s.filter(a, x, p, f)
	if err != nil {
		return nil, "", err
	}
	// Continue after the last member of the previous page.
	from := 0
	if page.After != "" {
		last := x.byID[policy.MemberID(page.After)]
		if last == nil {
			return nil, "", &fault.Invalid{Faults: []fault.Field{{Field: "after", Given: clip(page.After, 100),
				Wrong: "the member at the end of the page before is not there any more", Right: "begin again, without after"}}}
		}
		at, _ := slices.BinarySearchFunc(x.entries, last, order)
		from = at + 1
	}
	// Collect one page of members that match the filter.
	out := []Member{}
	most := min(page.limit(), maxMembers)
	for _, e := range x.entries[from:] {
		if !keeps(e) {
			continue
		}
		if len(out) == most {
			return out, string(out[len(out)-1].ID), nil
		}
		out = append(out, s.core.show(a, p, e.record))
	}
	return out, "", nil
}

// Count returns the number of members that match a filter, and the number of all members. The actor needs
// actor.ReadMembers.
func (s *Members) Count(ctx context.Context, a actor.Actor, f Filter) (some, all int, err error) {
	if err := a.May(actor.ReadMembers, about("")); err != nil {
		return 0, 0, err
	}
	p, err := s.core.policy(ctx)
	if err != nil {
		return 0, 0, err
	}
	x, err := s.core.index.current(ctx)
	if err != nil {
		return 0, 0, err
	}
	keeps, err := s.filter(a, x, p, f)
	if err != nil {
		return 0, 0, err
	}
	for _, e := range x.entries {
		if keeps(e) {
			some++
		}
	}
	return some, len(x.entries), nil
}

// filter returns the function by which a list selects entries. A search looks in notes and full numbers only if the
// actor may read them, because the result of a search reveals the content. The error is *fault.Invalid if the text is
// too long or the state unknown.
func (s *Members) filter(a actor.Actor, x *index, p *policy.Policy, f Filter) (func(*entry) bool, error) {
	if len(f.Text) > maxSearch {
		return nil, &fault.Invalid{Faults: []fault.Field{{Field: "text", Wrong: "the text has more than 200 bytes",
			Right: "a few words"}}}
	}
	inState, ok := s.inState(p, f.State)
	if !ok {
		return nil, &fault.Invalid{Faults: []fault.Field{{Field: "state", Given: clip(f.State, 100),
			Wrong: "unknown state",
			Right: "current, ending, lapsed, blocked, no-card or no-badge"}}}
	}
	words := strings.Fields(foldText(f.Text))
	notes, numbers := a.May(actor.ReadNotes, about("")) == nil, a.May(actor.WriteCards, about("")) == nil
	var allowed map[policy.MemberID]bool
	if f.Machine != "" {
		allowed = x.allowed(p, f.Machine, s.core.now())
	}
	return func(e *entry) bool {
		for _, w := range words {
			if !strings.Contains(e.text, w) && (!notes || !strings.Contains(e.note, w)) && !e.hasCard(w, notes, numbers) {
				return false
			}
		}
		return (f.Machine == "" || allowed[e.ID]) && (f.Badge == "" || e.holds(p, f.Badge)) && inState(e)
	}, nil
}

// minCardWord is the minimum length of a word that a search of members compares with cards: shorter words are parts of
// names.
const minCardWord = 4

// hasCard reports whether a word of a search is in a card's number or note. notes and numbers say whether the actor may
// read notes and full numbers.
func (e *entry) hasCard(w string, notes, numbers bool) bool {
	return len(w) >= minCardWord && slices.ContainsFunc(e.cards, func(c cardText) bool {
		return w == c.last || numbers && strings.Contains(c.number, w) || notes && strings.Contains(c.note, w)
	})
}

// holds reports whether a member has a badge that satisfies badge b of the policy. An expired badge satisfies b too,
// because the list shows people who were trained.
func (e *entry) holds(p *policy.Policy, b policy.BadgeID) bool {
	return p != nil && slices.ContainsFunc(e.as(p).Holdings, func(h policy.Holding) bool { return h.Badge == b })
}

// endingDays is the number of future days that a list of endings covers.
const endingDays = 30

// inState returns a function that reports whether a member is in a state; false: the state is unknown. A suspended
// member is only in StateBlocked, not in StateEnding or StateCurrent.
func (s *Members) inState(p *policy.Policy, state string) (func(*entry) bool, bool) {
	today, membership := s.core.siteToday(p)
	soon := policy.DateOf(s.core.now().AddDate(0, 0, endingDays), zoneOf(p))
	lapsed := func(e *entry) bool { return membership.On(today, e.Until) == policy.HasLapsed }
	switch state {
	case "":
		return func(*entry) bool { return true }, true
	case StateBlocked:
		return func(e *entry) bool { return e.Blocked || e.Gone }, true
	case StateLapsed:
		return lapsed, true
	case StateCurrent:
		return func(e *entry) bool { return !e.Blocked && !e.Gone && !lapsed(e) }, true
	case StateEnding:
		return func(e *entry) bool {
			return !e.Blocked && !e.Gone && e.Until != (policy.Date{}) && !soon.Before(e.Until) && !lapsed(e)
		}, true
	case StateNoCard:
		return func(e *entry) bool {
			return !slices.ContainsFunc(e.Cards, func(c Card) bool { return c.State == Active })
		}, true
	case StateNoBadge:
		return func(e *entry) bool { return len(e.Badges) == 0 }, true
	}
	return nil, false
}

// zoneOf returns the time zone of the policy, or UTC if there is no policy.
func zoneOf(p *policy.Policy) *time.Location {
	if p == nil || p.Zone == nil {
		return time.UTC
	}
	return p.Zone
}
