package directory

import (
	"context"
	"slices"
	"strings"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/policy"
)

// CardFilter selects the cards of a list. A filter with only empty fields selects all cards.
type CardFilter struct {
	State CardState
	// Text contains words that the search looks for in the member's name, address and id, in the card's note, and at the
	// end of the card's number. The filter selects a card only if the search finds every word. The search looks in
	// notes and full numbers only if the actor may read them.
	Text string
	// Idle selects the active cards of members whose badges and membership permit no machine.
	Idle bool
}

// HeldCard is a card with the member who has it.
type HeldCard struct {
	Card
	Member policy.MemberID `json:"member"`
	Name   string          `json:"name"`
}

// Held lists the cards of all members, in the order of the members' names. next is the cursor of the next page; empty:
// this page is the last. The actor needs actor.ReadMembers, and further rights for card numbers and notes, as in
// Members.Get.
func (s *Cards) Held(ctx context.Context, a actor.Actor, f CardFilter, page Page) ([]HeldCard, string, error) {
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
	from, skip, err := x.cardAfter(page.After)
	if err != nil {
		return nil, "", err
	}
	out := make([]HeldCard, 0, page.limit())
	// The cursor contains a member and a card. Skip the cards of that member up to and including that card.
	for _, e := range x.entries[from:] {
		shown := Member{}
		for i := min(skip, len(e.Cards)); i < len(e.Cards); i++ {
			c := e.Cards[i]
			if !keeps(e, i) {
				continue
			}
			if len(out) == page.limit() {
				last := out[len(out)-1]
				return out, string(last.Member) + " " + last.ID, nil
			}
			if shown.ID == "" {
				shown = s.core.show(a, p, e.record)
			}
			at := slices.IndexFunc(shown.Cards, func(x Card) bool { return x.ID == c.ID })
			if at >= 0 { // at is negative if the cursor's card is not among the cards that the actor may see
				out = append(out, HeldCard{shown.Cards[at], shown.ID, shown.Name})
			}
		}
		skip = 0
	}
	return out, "", nil
}

// cardAfter returns the index of the entry at which a list continues after a cursor, and the number of cards of this
// entry to skip. If the card in the cursor was removed meanwhile, the list continues with the next member. If the
// member was removed, the error is *fault.Invalid.
func (x *index) cardAfter(after string) (entry, skip int, err error) {
	if after == "" {
		return 0, 0, nil
	}
	member, card, _ := strings.Cut(after, " ")
	last := x.byID[policy.MemberID(member)]
	if last == nil {
		return 0, 0, &fault.Invalid{Faults: []fault.Field{{Field: "after", Given: clip(after, 100),
			Wrong: "the member at the end of the page before is not there any more", Right: "begin again, without after"}}}
	}
	entry, _ = slices.BinarySearchFunc(x.entries, last, order)
	if at := slices.IndexFunc(last.Cards, func(c Card) bool { return c.ID == card }); at >= 0 {
		return entry, at + 1, nil
	}
	return entry + 1, 0, nil
}

// check returns *fault.Invalid for a text that is too long, or for an unknown card state.
func (f CardFilter) check() error {
	if len(f.Text) > maxSearch {
		return &fault.Invalid{Faults: []fault.Field{{Field: "text", Wrong: "the text has more than 200 bytes",
			Right: "a few words"}}}
	}
	if f.State == "" {
		return nil
	}
	if wrong, ok := checkState(f.State); !ok {
		return &fault.Invalid{Faults: []fault.Field{wrong}}
	}
	return nil
}

// filter returns the function by which a list selects cards. A search looks in notes and full numbers only if the
// actor may read them, because the result of a search reveals the content.
func (s *Cards) filter(a actor.Actor, x *index, p *policy.Policy,
	f CardFilter) (keeps func(e *entry, card int) bool, err error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	words := strings.Fields(foldText(f.Text))
	notes, numbers := a.May(actor.ReadNotes, about("")) == nil, a.May(actor.WriteCards, about("")) == nil
	says := func(e *entry, i int, w string) bool {
		text := e.cards[i]
		return strings.Contains(e.text, w) || strings.HasSuffix(text.last, w) ||
			numbers && len(w) >= 4 && strings.Contains(text.number, w) || notes && strings.Contains(text.note, w)
	}
	var busy map[policy.MemberID]bool
	if f.Idle {
		busy = x.allowedSomewhere(p, s.core.now())
	}
	return func(e *entry, i int) bool {
		c := e.Cards[i]
		if slices.ContainsFunc(words, func(w string) bool { return !says(e, i, w) }) {
			return false
		}
		return (f.State == "" || c.State == f.State) && (!f.Idle || c.State == Active && !busy[e.ID])
	}, nil
}
