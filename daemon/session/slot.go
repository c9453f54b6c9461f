package session

import (
	"slices"
	"time"

	"portillon/policy"
	"portillon/rfid"
	"portillon/wire"
)

// TakenOut is the time for which a card must be out of its slot before inserting it starts a session again, after
// something other than its removal ended the previous session. TakenOut is longer than the longest loss of contact that
// a reader causes by itself.
const TakenOut = 3 * time.Second

// Cards contains the cards that were presented to the reader. The zero Cards means that no card was presented.
type Cards struct {
	Strength policy.CardStrength // what the card that began the session, or the wait, proved
	// tappedAt is the time of that card's tap, as reported by the reader. The loop may have handled the tap later.
	tappedAt time.Time
	session  []sessionCard // last card of each person in the session or the wait
	slot     slot
}

// sessionCard is a card, and its owner at the time of the tap. The owner does not change until the session ends, even
// if a new bundle assigns the card to another member.
type sessionCard struct {
	card  rfid.UID
	owner policy.MemberID
}

// slot is the known state of a reader in which a card stays. A reader without a slot has the zero slot.
type slot struct {
	asks     bool // the card that was just inserted counts as a tap
	occupied bool // a card was inserted and counted as a tap, so its session ends when the card is removed
	left     leftCard
}

// leftCard is the card that remains in the slot after something other than its removal ended the session. The machine
// must not start by itself because the reader lost contact with that card for a moment.
type leftCard struct {
	card    rfid.UID // zero: only the card's owner is known
	owner   policy.MemberID
	removed time.Time // when the card was removed; zero: the card is in the slot
}

type (
	// Inserted is a card in the reader's slot, and the member to whom the current bundle assigns the card; empty: nobody.
	// If the card counts as a tap, Cards.AsksPolicy returns true afterwards, and a Tap follows.
	Inserted struct {
		Card   rfid.UID
		Member policy.MemberID
		At     time.Time // time reported by the reader
		// WasThere means that the card was in the slot when the reader was opened. Such a card does not count as a tap.
		// But if another card began the current session, that other card was removed.
		WasThere bool
	}
	// Removed is a card that was removed from the slot, and the member to whom the current bundle assigns the card.
	// Without a card and a member, the slot is empty. A session that depends on this card ends.
	Removed struct {
		Card   rfid.UID
		Member policy.MemberID
		At     time.Time // time reported by the reader; zero: now
	}
	// SessionCard is the tap of a card that was already tapped for the current session, and that the current bundle no
	// longer contains or assigns to another member. The tap ends the session of the original owner, and starts no
	// session.
	SessionCard struct{ Card rfid.UID }
)

// Owner returns the member who tapped this card for the current session; empty: nobody.
func (s State) Owner(card rfid.UID) policy.MemberID {
	i := slices.IndexFunc(s.Cards.session, func(x sessionCard) bool { return x.card == card })
	if i < 0 || !s.Running() {
		return ""
	}
	return s.Cards.session[i].owner
}

// CardsInUse returns the cards with which the current session, or the wait, was started.
func (s State) CardsInUse() []rfid.UID {
	var out []rfid.UID
	for _, x := range s.Cards.session {
		out = append(out, x.card)
	}
	return out
}

// AsksPolicy reports whether the card that was just inserted into the slot counts as a tap.
func (c Cards) AsksPolicy() bool { return c.slot.asks }

func (e Inserted) apply(t *step) {
	holder := t.state.Holder()
	switch {
	case t.state.Running() && (e.Member == holder || t.state.Owner(e.Card) == holder):
		return // the card was in the slot all the time, and the reader lost contact for a moment
	case t.state.Running(): // another card is in the slot, so the card of the session was removed
		t.removed("")
	}
	if e.WasThere || t.state.Cards.slot.isLeft(e, t.in.Now) {
		return
	}
	t.state.Cards.slot.asks, t.state.Cards.slot.occupied = true, true
}

func (e Removed) apply(t *step) {
	if !e.At.IsZero() && e.At.Before(t.state.Cards.tappedAt) {
		return // the reader's event is older than the tap
	}
	none := rfid.UID{}
	empty := e.Card == none && e.Member == ""
	left := &t.state.Cards.slot.left
	if empty || e.Card != none && e.Card == left.card || e.Member != "" && e.Member == left.owner {
		left.removed = orNow(e.At, t.in.Now)
	}
	owner := t.state.Owner(e.Card)
	if owner == "" {
		owner = e.Member
	}
	if empty || owner != "" {
		t.removed(owner)
	}
}

func (e SessionCard) apply(t *step) {
	owner := t.state.Owner(e.Card)
	switch {
	case owner == "":
	case t.state.Phase == Maintenance: // in Maintenance, a mentor's tap would make the mentor the assistant
		t.removed(owner)
	default:
		Tap{Member: owner}.apply(t)
	}
}

// isLeft reports whether this is the card that was left in the slot, detected again. If the card was out for TakenOut,
// or if the card in the slot is another card, a person inserted the card.
func (s *slot) isLeft(e Inserted, now time.Time) bool {
	x := s.left
	if e.Card != x.card && (e.Member == "" || e.Member != x.owner) {
		s.left = leftCard{}
		return false
	}
	if x.removed.IsZero() || orNow(e.At, now).Sub(x.removed) < TakenOut {
		s.left.removed = time.Time{}
		return true
	}
	s.left = leftCard{}
	return false
}

// removed ends the session if the session depends on the card of this member. An empty slot ends any session.
func (t *step) removed(m policy.MemberID) {
	if !t.state.Running() || t.state.Phase == Finishing || m != "" && m != t.state.Holder() {
		return
	}
	t.state.recent.taps = [3]tapped{} // inserting the card again at once is a deliberate tap
	cause := wire.CauseTap
	if t.state.Current.Supervisor != "" {
		cause = wire.CauseSupervisor
	}
	t.endOrFinish(cause)
}

// keepCard stores the last card of each person in the session or the wait.
func (e Tap) keepCard(t *step) {
	if e.Card == (rfid.UID{}) {
		return
	}
	has := func(m policy.MemberID) bool { return m == t.state.Current.Member || m == t.state.Current.Supervisor }
	t.state.Cards.session = slices.DeleteFunc(slices.Clone(t.state.Cards.session),
		func(x sessionCard) bool { return x.owner == e.Member || !has(x.owner) })
	if has(e.Member) {
		t.state.Cards.session = append(t.state.Cards.session, sessionCard{e.Card, e.Member})
	}
}

// leave records, at the end of a session, that the session's card is still in the slot, unless the session ended
// because that card was removed.
func (c *Cards) leave(holder policy.MemberID, takenOut bool) {
	if c.slot.occupied && !takenOut {
		c.slot.left = leftCard{owner: holder}
		if i := slices.IndexFunc(c.session, func(x sessionCard) bool { return x.owner == holder }); i >= 0 {
			c.slot.left.card = c.session[i].card
		}
	}
	c.slot.occupied, c.session = false, nil
}

// endsByRemoval reports whether the session ends because its card was removed.
func (t *step) endsByRemoval() bool {
	switch t.in.Event.(type) {
	case Removed, Inserted:
		return true
	case SessionCard:
		return t.state.Phase == Maintenance
	}
	return false
}

// orNow returns the time at, or now if at is zero.
func orNow(at, now time.Time) time.Time {
	if at.IsZero() {
		return now
	}
	return at
}
