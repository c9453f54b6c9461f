package directory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/policy"
	"portillon/wire"
)

// UnknownTap is the tap of an unknown card at a machine, from the machine's record. Card is the HMAC of the card's
// number, with a mark if it was made with the previous card key (wire.MarkCard). Card and Code are empty if the sealed
// number cannot be read or the card key is unknown. In that case Unknown lists the tap, but nobody can assign the
// card.
type UnknownTap struct {
	wire.EnrolCard
	Machine    policy.MachineID
	Generation wire.Generation
	Seq        uint64
	At         time.Time
}

// tapLife is the time for which a tap is listed and the card can be assigned. The code that the machine displays for
// the tap has the same lifetime.
const tapLife = wire.CodeLife

// tapGroup is a group of taps of one unknown card: the last tap, the number of taps, and the card's HMAC.
type tapGroup struct {
	Tap
	card string // HMAC of the card; empty: the HMAC is unknown
}

// recent returns the unknown cards that were tapped in the last 24 hours, the last tapped first. recent leaves out
// cards that have been assigned to a member.
func (s *Taps) recent(ctx context.Context) ([]tapGroup, error) {
	if s.taps == nil {
		return nil, nil
	}
	now := s.core.now()
	all, err := s.taps(ctx, now.Add(-tapLife))
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b UnknownTap) int { return b.At.Compare(a.At) })
	byKey := map[string]int{}
	var out []tapGroup
	// Group the taps by card. A tap without an HMAC forms a separate group, because its card cannot be recognised.
	for _, t := range all {
		if now.Sub(t.At).Abs() > tapLife {
			continue
		}
		key := t.Card
		if key == "" {
			key = fmt.Sprintf("%s %s %d", t.Machine, t.Generation, t.Seq)
		}
		if i, seen := byKey[key]; seen {
			out[i].Times++
			continue
		}
		byKey[key] = len(out)
		id := sha256.Sum256([]byte("tap " + key))
		out = append(out, tapGroup{Tap{ID: hex.EncodeToString(id[:12]), Machine: t.Machine, At: t.At, Code: t.Code, Times: 1,
			Assignable: wire.IsCardEntry(t.Card)}, t.Card})
	}
	return s.unassigned(ctx, out)
}

// unassigned returns those cards in all that belong to no member.
func (s *Taps) unassigned(ctx context.Context, all []tapGroup) ([]tapGroup, error) {
	x, err := s.core.index.current(ctx)
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, g := range all {
		if g.card != "" {
			wanted[g.card] = true
		}
	}
	known := map[string]bool{}
	for _, e := range x.entries {
		for _, c := range e.Cards {
			if len(c.Number) > len(hmacPrefix) && wanted[c.Number[len(hmacPrefix):]] {
				known[c.Number[len(hmacPrefix):]] = true
			}
		}
	}
	return slices.DeleteFunc(all, func(g tapGroup) bool { return known[g.card] }), nil
}

// Taps lists the unknown cards that were tapped at machines, and assigns them to members.
type Taps struct {
	core  *core
	cards *Cards
	taps  func(ctx context.Context, since time.Time) ([]UnknownTap, error) // nil: the hub has no records of taps
}

// Unknown lists the unknown cards of the last 24 hours, each once, the last tapped first. next is the cursor of the
// next page; empty: this page is the last. The actor needs actor.ReadTaps.
func (s *Taps) Unknown(ctx context.Context, a actor.Actor, page Page) ([]Tap, string, error) {
	if err := a.May(actor.ReadTaps, actor.Target{}); err != nil {
		return nil, "", err
	}
	all, err := s.recent(ctx)
	if err != nil {
		return nil, "", err
	}
	from := 0
	if page.After != "" {
		if from = slices.IndexFunc(all, func(g tapGroup) bool { return g.ID == page.After }) + 1; from == 0 {
			return nil, "", &fault.Invalid{Faults: []fault.Field{{Field: "after", Given: clip(page.After, 100),
				Wrong: "the tap at the end of the page before is not listed any more", Right: "begin again, without after"}}}
		}
	}
	rest := all[from:]
	out := make([]Tap, 0, min(len(rest), page.limit()))
	for _, g := range rest[:cap(out)] {
		out = append(out, g.Tap)
	}
	if len(rest) > len(out) {
		return out, out[len(out)-1].ID, nil
	}
	return out, "", nil
}

// Assign assigns the card of a tap to a member. Assign stores the card's HMAC, because the hub does not know the
// number. The actor needs actor.WriteCards about the member, and actor.ReadTaps. The error is *fault.NotFound if the
// tap is no longer listed, and *fault.Invalid if the machine did not seal the card's number for this hub.
func (s *Taps) Assign(ctx context.Context, a actor.Actor, tapID string, id policy.MemberID) (Card, error) {
	if err := a.May(actor.WriteCards, about(id)); err != nil {
		return Card{}, err
	}
	number, err := s.numberOf(ctx, a, tapID)
	if err != nil {
		return Card{}, err
	}
	return s.cards.AddCard(ctx, a, id, Card{Number: number})
}

// numberOf returns the number of a tapped card as the database stores it: "hmac:", followed by the card's HMAC. The
// actor needs actor.ReadTaps. The errors are those of Assign.
func (s *Taps) numberOf(ctx context.Context, a actor.Actor, tapID string) (string, error) {
	if err := a.May(actor.ReadTaps, actor.Target{}); err != nil {
		return "", err
	}
	all, err := s.recent(ctx)
	if err != nil {
		return "", err
	}
	at := slices.IndexFunc(all, func(g tapGroup) bool { return g.ID == tapID })
	if at < 0 {
		return "", &fault.NotFound{What: "tap", ID: clip(tapID, 64)}
	}
	if !all[at].Assignable {
		return "", &fault.Invalid{Faults: []fault.Field{{Field: "tap", Given: tapID,
			Wrong: "the machine did not seal this card for the hub",
			Right: "tap the card again once the machine is online, or add the card by its number"}}}
	}
	return hmacPrefix + all[at].card, nil
}
