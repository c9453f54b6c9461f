package session

import (
	"testing"
	"time"

	"portillon/wire"
)

// The table lists what the session does at each event of a reader, for three kinds of readers: a reader that reports
// taps, a reader with a slot, and a reader with a slot that was reopened while a card was in the slot.
func TestSessionHandlesEachReaderEventAsInTheSlotTable(t *testing.T) {
	own, other := cardOf(nour), cardOf(karim)
	tap := func(w *world) { w.do(tapOf(nour)) }
	insert := func(w *world) { insertCard(w, Inserted{Card: own, Member: nour}) }
	stop := func(w *world) { w.do(FaultRaised{What: EStop}).do(FaultCleared{What: EStop}) }
	for _, x := range []struct {
		reader, name string
		before       []func(*world)
		event        func(*world) Event
		asks         bool // the card counts as a tap
		phase        Phase
	}{
		// With a reader without a slot, only another tap of the member ends a session.
		{"taps", "another member's card", []func(*world){tap}, always(tapOf(karim)), false, On},
		{"taps", "the member's card", []func(*world){tap}, always(tapOf(nour)), false, Cooling},

		// With a reader with a slot, the session lasts as long as the card stays in the slot.
		{"slot", "a card is put in", nil, always(Inserted{Card: own, Member: nour}), true, Off},
		{"slot", "a stranger's card is put in", nil, always(Inserted{Card: own}), true, Off},
		{"slot", "its card leaves", []func(*world){insert}, always(Removed{Card: own, Member: nour}), false, Cooling},
		{"slot", "its card leaves, and the bundle knows it no more", []func(*world){insert}, always(Removed{Card: own}),
			false, Cooling},
		{"slot", "its card leaves, and is another member's now", []func(*world){insert},
			always(Removed{Card: own, Member: zoe}), false, Cooling},
		{"slot", "another card leaves", []func(*world){insert}, always(Removed{Card: other, Member: karim}), false, On},
		{"slot", "a stranger's card leaves", []func(*world){insert}, always(Removed{Card: other}), false, On},
		{"slot", "it is empty", []func(*world){insert}, always(Removed{}), false, Cooling},
		{"slot", "it was empty before the tap", []func(*world){insert},
			func(w *world) Event { return Removed{Card: own, Member: nour, At: w.now.Add(-time.Minute)} }, false, On},
		{"slot", "its card is seen anew", []func(*world){insert}, always(Inserted{Card: own, Member: nour}), false, On},
		{"slot", "its card is seen anew, and the bundle knows it no more", []func(*world){insert},
			always(Inserted{Card: own}), false, On},
		{"slot", "another card is in it", []func(*world){insert}, always(Inserted{Card: other, Member: karim}), true,
			Cooling},
		{"slot", "the card of a stopped session is seen anew", []func(*world){insert, stop},
			always(Inserted{Card: own, Member: nour}), false, Cooling},
		{"slot", "it is seen anew after a glitch", []func(*world){insert, stop, removeFor(0)},
			always(Inserted{Card: own, Member: nour}), false, Cooling},
		{"slot", "it is put in again after TakenOut", []func(*world){insert, stop, removeFor(TakenOut)},
			always(Inserted{Card: own, Member: nour}), true, Cooling},
		{"slot", "another card comes after a stop", []func(*world){insert, stop},
			always(Inserted{Card: other, Member: karim}), true, Cooling},
		{"slot", "the card whose start failed is seen anew", []func(*world){failStart},
			always(Inserted{Card: own, Member: nour}), false, Off},
		{"slot", "its card is put in again at once", []func(*world){insert, removeFor(0)},
			always(Inserted{Card: own, Member: nour}), true, Cooling},

		// When a reader is reopened, a card that is already in the slot is not a tap.
		{"reopened", "a card stands there", nil, always(Inserted{Card: own, Member: nour, WasThere: true}), false, Off},
		{"reopened", "the same card stands there", []func(*world){insert},
			always(Inserted{Card: own, Member: nour, WasThere: true}), false, On},
		{"reopened", "another card stands there", []func(*world){insert},
			always(Inserted{Card: other, Member: karim, WasThere: true}), false, Cooling},
		{"reopened", "a stranger's card stands there", []func(*world){insert},
			always(Inserted{Card: other, WasThere: true}), false, Cooling},
	} {
		w := newWorld()
		w.settings.HasBusy, w.settings.Vouch = false, false
		for _, b := range x.before {
			b(w)
		}
		w.now = w.now.Add(Flap)
		w.atOnce(x.event(w))
		if w.Cards.AsksPolicy() != x.asks || w.Phase != x.phase || w.relay != (x.phase == On) {
			t.Errorf("%s, %s: counts as a tap %v, phase %v, relay %v; want %v, %v",
				x.reader, x.name, w.Cards.AsksPolicy(), w.Phase, w.relay, x.asks, x.phase)
		}
	}
}

func always(e Event) func(*world) Event { return func(*world) Event { return e } }

// insertCard sends the event Inserted, and a Tap if the card counts as a tap, as the daemon does.
func insertCard(w *world, e Inserted) {
	if e.At = w.now; w.do(e).Cards.AsksPolicy() {
		tap := tapOf(e.Member)
		tap.Card, tap.At = e.Card, w.now
		w.atOnce(tap)
	}
}

// removeFor removes the card from the slot for the given time.
func removeFor(d time.Duration) func(*world) {
	return func(w *world) {
		w.now = w.now.Add(Flap)
		w.atOnce(Removed{Card: cardOf(nour), Member: nour, At: w.now})
		w.now = w.now.Add(d)
	}
}

// failStart makes the record of the session's start fail.
func failStart(w *world) {
	w.full = func() bool { return true }
	insertCard(w, Inserted{Card: cardOf(nour), Member: nour})
	w.full = func() bool { return false }
}

// When a new bundle assigns a card to another member, the card still ends the session of the member who tapped it, and
// starts no session.
func TestReassignedCardEndsItsSessionAndBeginsNone(t *testing.T) {
	w := newWorld().tap(nour)
	if got := w.Owner(cardOf(nour)); got != nour {
		t.Fatalf("the card is %q's", got)
	}
	if w.do(SessionCard{Card: cardOf(karim)}); w.Phase != On {
		t.Errorf("a card of nobody here: %v", w.Phase)
	}
	w.do(SessionCard{Card: cardOf(nour)})
	w.ended(t, wire.CauseTap, 1)
	if w.Owner(cardOf(nour)) != "" || len(w.CardsInUse()) != 0 {
		t.Error("a card's number is kept for nothing")
	}
	w = newWorld().tap(ines)
	w.do(SessionCard{Card: cardOf(ines)})
	w.ended(t, wire.CauseTap, 1)
}
