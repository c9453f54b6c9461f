package session

import (
	"slices"
	"time"

	"portillon/policy"
	"portillon/rfid"
	"portillon/wire"
)

// TakenOut is how long a card must have left its slot, after its session was ended by something else, before putting
// it in again starts anything. It is longer than a reader's glitch.
const TakenOut = 3 * time.Second

// Cards are the cards that were presented to the reader. The zero Cards: none was.
type Cards struct {
	Strength policy.CardStrength // what the card proved that began the session, or the wait
	// tappedAt is when that card was tapped, as the reader says; the loop may have handled the tap later.
	tappedAt time.Time
	session  []sessionCard // the last card of each who has the session, or waits
	slot     slot
}

// sessionCard is a card, and whose it was when it was tapped. Whatever a new bundle says of it, it is theirs until the
// session ends.
type sessionCard struct {
	card  rfid.UID
	owner policy.MemberID
}

// slot is what is known of a reader in which a card stays. The zero slot is also that of a reader without one.
type slot struct {
	asks     bool // the card that was just put in counts as a tap
	occupied bool // a card was put in that counted as a tap: the session that it began hangs on it
	left     leftCard
}

// leftCard is the card that stays in the slot after its session was ended by something else: the machine must not start
// by itself because the reader lost sight of that card for a moment.
type leftCard struct {
	card    rfid.UID // zero: its owner alone is known
	owner   policy.MemberID
	removed time.Time // when it was taken out; zero: it is there
}

type (
	// Inserted is a card in the reader's slot, and whose it is by the bundle in force; empty: nobody's. Where the card
	// counts as a tap, Cards.AsksPolicy says so afterwards, and a Tap follows.
	Inserted struct {
		Card   rfid.UID
		Member policy.MemberID
		At     time.Time // as the reader says
		// WasThere says that the card stood there when the reader was opened. That is no tap, but whoever has the machine
		// by another card has taken that one out.
		WasThere bool
	}
	// Removed is a card taken out of the slot, and whose it is by the bundle in force. Without a card and a member, the
	// slot is empty. The session that hangs on that card ends.
	Removed struct {
		Card   rfid.UID
		Member policy.MemberID
		At     time.Time // as the reader says; zero: now
	}
	// SessionCard is a card that was tapped for the session under way, and that the bundle in force does not know any
	// more, or as somebody else's. It ends what is its owner's, and begins nothing.
	SessionCard struct{ Card rfid.UID }
)

// Owner is who tapped this card for the session under way; empty: nobody did.
func (s State) Owner(card rfid.UID) policy.MemberID {
	i := slices.IndexFunc(s.Cards.session, func(x sessionCard) bool { return x.card == card })
	if i < 0 || !s.Running() {
		return ""
	}
	return s.Cards.session[i].owner
}

// CardsInUse are the cards on which the session under way, or the wait, rests.
func (s State) CardsInUse() []rfid.UID {
	var out []rfid.UID
	for _, x := range s.Cards.session {
		out = append(out, x.card)
	}
	return out
}

// AsksPolicy reports whether the card that was just put into the slot counts as a tap.
func (c Cards) AsksPolicy() bool { return c.slot.asks }

func (e Inserted) apply(t *step) {
	holder := t.state.Holder()
	switch {
	case t.state.Running() && (e.Member == holder || t.state.Owner(e.Card) == holder):
		return // it stood there all the time, and the reader did not see it for a moment
	case t.state.Running(): // another card stands there: the one that the session hangs on has left
		t.removed("")
	}
	if e.WasThere || t.state.Cards.slot.isLeft(e, t.in.Now) {
		return
	}
	t.state.Cards.slot.asks, t.state.Cards.slot.occupied = true, true
}

func (e Removed) apply(t *step) {
	if !e.At.IsZero() && e.At.Before(t.state.Cards.tappedAt) {
		return // what the reader said before the tap is no news
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
	case t.state.Phase == Maintenance: // there a tap of a mentor would make them the assistant
		t.removed(owner)
	default:
		Tap{Member: owner}.apply(t)
	}
}

// isLeft reports whether this is the card that was left in the slot, seen again. A card that was out for TakenOut, and
// any other card, was put in by somebody.
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

// removed ends the session that hangs on the card of this member; of an empty slot, any session.
func (t *step) removed(m policy.MemberID) {
	if !t.state.Running() || t.state.Phase == Finishing || m != "" && m != t.state.Holder() {
		return
	}
	t.state.recent.taps = [3]tapped{} // whoever puts a card back at once means it
	cause := wire.CauseTap
	if t.state.Current.Supervisor != "" {
		cause = wire.CauseSupervisor
	}
	t.endOrFinish(cause)
}

// keepCard remembers the last card of each who has the session, or waits.
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

// leave notes, at the end of a session, that the card on which it hung is still in its slot, unless the session ended
// because that card was taken out.
func (c *Cards) leave(holder policy.MemberID, takenOut bool) {
	if c.slot.occupied && !takenOut {
		c.slot.left = leftCard{owner: holder}
		if i := slices.IndexFunc(c.session, func(x sessionCard) bool { return x.owner == holder }); i >= 0 {
			c.slot.left.card = c.session[i].card
		}
	}
	c.slot.occupied, c.session = false, nil
}

// endsByRemoval reports whether the session ends because its card was taken out.
func (t *step) endsByRemoval() bool {
	switch t.in.Event.(type) {
	case Removed, Inserted:
		return true
	case SessionCard:
		return t.state.Phase == Maintenance
	}
	return false
}

// orNow is a moment that is known, or now.
func orNow(at, now time.Time) time.Time {
	if at.IsZero() {
		return now
	}
	return at
}
