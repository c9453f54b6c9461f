package session

import (
	"testing"
	"time"

	"portillon/policy"
	"portillon/wire"
)

// A card remains in the slot after its session was stopped, and a new bundle no longer contains the card. When the
// reader detects the card again, this is not a tap.
func TestCardLeftInTheSlotStartsNoSessionAfterANewBundleRemovesTheCard(t *testing.T) {
	w := newWorld()
	w.settings.HasBusy, w.settings.Vouch = false, false
	insertCard(w, Inserted{Card: cardOf(nour), Member: nour})
	w.do(FaultRaised{What: EStop}).do(FaultCleared{What: EStop})
	seen := Inserted{Card: cardOf(nour), At: w.now}
	if w.do(seen); w.Cards.AsksPolicy() {
		t.Error("the card that was left in the slot counts as a tap")
	}
	w.do(Removed{Card: cardOf(nour), At: w.now})
	w.now = w.now.Add(TakenOut)
	if w.do(Inserted{Card: cardOf(nour), At: w.now}); !w.Cards.AsksPolicy() {
		t.Error("the card was out for TakenOut, and its return counts as no tap")
	}
}

// When another, unknown card leaves the reader's field, the card in the slot does not count as removed.
func TestRemovalOfAnotherCardDoesNotRemoveTheCardInTheSlot(t *testing.T) {
	w := newWorld()
	w.settings.HasBusy, w.settings.Vouch = false, false
	insertCard(w, Inserted{Card: cardOf(nour), Member: nour})
	w.do(FaultRaised{What: EStop}).do(FaultCleared{What: EStop})
	w.do(Removed{Card: cardOf(karim), At: w.now})
	w.now = w.now.Add(TakenOut)
	if w.do(Inserted{Card: cardOf(nour), Member: nour, At: w.now}); w.Cards.AsksPolicy() {
		t.Error("the removal of another card made the one in the slot count as a tap")
	}
}

func TestRemovalOfTheCardDoesNotProlongAFinishingJob(t *testing.T) {
	w := newWorld()
	w.settings.Vouch = false
	insertCard(w, Inserted{Card: cardOf(nour), Member: nour})
	w.do(Busy{true}).wait(2 * time.Hour)
	until := w.Current.Until
	if w.Phase != Finishing {
		t.Fatal(w.Phase)
	}
	if w.do(Removed{Card: cardOf(nour), Member: nour, At: w.now.Add(Flap)}); w.Current.Until != until {
		t.Errorf("the job may run %v longer", w.Current.Until.Sub(until))
	}
	if w.do(Busy{false}); w.cause() != wire.CauseLimit {
		t.Errorf("the session ended by %q, want %q", w.cause(), wire.CauseLimit)
	}
}

func TestSessionIsNotExtendedIfThePolicyAllowsNoExtension(t *testing.T) {
	e := tapOf(nour)
	e.Decision.Limits.Extend = 0
	w := newWorld().do(e).wait(9 * time.Minute)
	if w.Phase != EndingSoon {
		t.Fatal(w.Phase)
	}
	// The machine is idle, and the policy allows no extension. An extension would restart the idle time, so it must be
	// refused.
	if w.do(Extend{allow(policy.User)}); w.Phase != EndingSoon || w.count(wire.Extended) != 0 || !w.told(NotNow) {
		t.Errorf("%s, %d extensions, told that it is refused: %v", w.Phase, w.count(wire.Extended), w.told(NotNow))
	}
}
