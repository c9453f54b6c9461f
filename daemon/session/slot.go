package session

import (
	"slices"
	"time"

	"portillon/policy"
	"portillon/rfid"
	"portillon/wire"
)

// TakenOut is how long a card must be out of its slot before it starts a session when it is inserted again. It applies
// if the previous session ended for a reason other than the card's removal. TakenOut is longer than any loss of contact
// that a reader itself causes.
const TakenOut = 3 * time.Second

// Cards contains the cards that were presented to the reader. The zero Cards means that no card was presented.
type Cards struct {
	Strength policy.CardStrength // the proof of the card that began the session or the wait
	// tappedAt is the time of that tap, as the reader reported it. The loop may have handled the tap at a later time.
	tappedAt time.Time
	session  []sessionCard // for each person in the session or the wait: the card that they tapped last
	slot     slot
}

// sessionCard is a card, together with the member who owned the card at the time of the tap. The owner does not change
// until the session ends, even if a new bundle assigns the card to another member.
type sessionCard struct {
	card  rfid.UID
	owner policy.MemberID
}

// slot is what is known about a reader's slot, in which a card stays. A reader without a slot has the zero slot.
type slot struct {
	asks     bool // true if the card that was just inserted counts as a tap
	occupied bool // true if the card in the slot was tapped by inserting it, so its session ends when the card is removed
	left     leftCard
}

// leftCard is a card that stays in the slot after its session has ended for a reason other than the card's removal. If
// the reader loses contact with that card for a moment, the machine must not start by itself.
type leftCard struct {
	card    rfid.UID // number of the card; zero: only the card's owner is known
	owner   policy.MemberID
	removed time.Time // time at which the card was removed; zero: the card is in the slot
}

type (
	// Inserted is a card in the reader's slot, with the member to whom the current bundle assigns the card; empty: nobody.
	// If the card counts as a tap, Cards.AsksPolicy returns true afterwards, and a Tap follows.
	Inserted struct {
		Card   rfid.UID
		Member policy.MemberID
		At     time.Time // time of the event, as the reader reported it
		// WasThere means that the card was already in the slot when the reader was opened. Such a card does not count as a
		// tap. However, if another card began the current session, that other card must have been removed.
		WasThere bool
	}
	// Removed is a card that was removed from the slot, with the member to whom the current bundle assigns the card. If
	// neither the card nor the member is set, the slot is empty. A session that needs this card in the slot ends.
	Removed struct {
		Card   rfid.UID
		Member policy.MemberID
		At     time.Time // time of the event, as the reader reported it; zero: now
	}
	// SessionCard is the tap of a card that was tapped earlier in the current session. Since then, a new bundle has
	// removed the card or assigned it to another member. The tap ends the session of the member who owned the card at the
	// start, and starts no session.
	SessionCard struct{ Card rfid.UID }
)

// Owner returns the member who tapped this card for the current session, or "" if nobody did.
func (s State) Owner(card rfid.UID) policy.MemberID {
	i := slices.IndexFunc(s.Cards.session, func(x sessionCard) bool { return x.card == card })
	if i < 0 || !s.Running() {
		return ""
	}
	return s.Cards.session[i].owner
}

// CardsInUse returns the cards that were tapped to start the current session or the wait.
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
		return // the card was in the slot all the time, and the reader only lost contact for a moment
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
	case t.state.Phase == Maintenance: // in the phase Maintenance, the tap of a mentor would make the mentor the helper
		t.removed(owner)
	default:
		Tap{Member: owner}.apply(t)
	}
}

// isLeft reports whether this card was left in the slot and is only detected again. A person has inserted the card if
// it was out of the slot for TakenOut, or if another card was in the slot since.
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

// removed ends the session if the session needs the card of this member in the slot. An empty slot ends any session.
func (t *step) removed(m policy.MemberID) {
	if !t.state.Running() || t.state.Phase == Finishing || m != "" && m != t.state.Holder() {
		return
	}
	t.state.recent.taps = [3]tapped{} // a member who inserts the card again at once does so on purpose, so this is a tap
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

// leave records, when a session ends, that its card is still in the slot. It records nothing if the session ended
// because the card was removed.
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

// orNow returns the time at, or the present time if at is zero.
func orNow(at, now time.Time) time.Time {
	if at.IsZero() {
		return now
	}
	return at
}
