package rfid

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A card stands in the slot and holds the relay on. The reader fails; meanwhile the card is exchanged for any other.
// When the reader is back, somebody must learn that the slot no longer holds the first card.
func TestCardExchangedWhileTheReaderWasDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		f := &field{}
		out := make(chan Event, 100)
		done := make(chan bool)
		go func() {
			defer close(done)
			Watch(ctx, func() (Reader, error) { return Polling{Chip: f, Slot: true}.Reader(), nil }, out)
		}()
		<-time.After(3 * time.Second)
		f.put(léa)
		<-time.After(20 * time.Second)
		f.mu.Lock()
		f.err = errors.New("a loose wire")
		f.mu.Unlock()
		<-time.After(time.Second)
		f.put(nour)
		f.mu.Lock()
		f.err = nil
		f.mu.Unlock()
		<-time.After(5 * time.Minute)
		cancel()
		<-done
		close(out)
		in, other := false, false
		for e := range out {
			in = in || e.Tap.UID == léa && !e.Tap.Away
			other = other || in && e.Tap.UID == nour && e.Tap.Slot && e.Tap.Lies
		}
		if !in || !other {
			t.Errorf("Léa's card came: %v; after another took its place, that this one lies there was said: %v", in, other)
		}
	})
}

// A proof takes its time, and nobody looks meanwhile.
func TestCardThatIsSlowToProveItselfIsOneTap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		chip := strongField{&field{card: léa}}
		slow := func(ctx context.Context, c Channel, u UID) (Proof, error) {
			<-time.After(1100 * time.Millisecond)
			return AES, nil
		}
		taps := 0
		for r := (Polling{Chip: chip, Prove: slow}).Reader(); ; taps++ {
			if _, err := r.Read(ctx); err != nil {
				break
			}
		}
		if taps != 1 {
			t.Errorf(
				"a card that lay there for twenty seconds is %d taps: every one past the session's Flap switches the relay",
				taps,
			)
		}
	})
}

// held is a chip that nobody asks for a moment: the process was stopped, or had no processor, for longer than Gone.
type held struct {
	*field
	looks int
}

func (h *held) Poll(ctx context.Context) (UID, bool, error) {
	if h.looks++; h.looks == 50 {
		<-time.After(1200 * time.Millisecond)
	}
	return h.field.Poll(ctx)
}

// A card was forgotten on the reader after its session. The Pi is busy for a second. Nobody tapped.
func TestForgottenCardIsNoTapAfterAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		taps := 0
		for r := (Polling{Chip: &held{field: &field{card: léa}}}).Reader(); ; taps++ {
			if _, err := r.Read(ctx); err != nil {
				break
			}
		}
		if taps != 1 {
			t.Errorf("%d taps: the second starts a session before nobody", taps)
		}
	})
}
