package rfid

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A card in the slot keeps the relay on. The reader fails, and another card replaces the first card before the reader
// works again. When the reader works again, the daemon must receive the report that the first card was removed.
func TestCardExchangedWhileTheReaderFailedIsReported(t *testing.T) {
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

// The chip is not polled while a card runs its proof.
func TestCardWithASlowProofIsOneTap(t *testing.T) {
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

// stallingChip is a chip of which one Poll takes longer than Gone, as it does if the process is suspended.
type stallingChip struct {
	*field
	looks int
}

func (h *stallingChip) Poll(ctx context.Context) (UID, bool, error) {
	if h.looks++; h.looks == 50 {
		<-time.After(1200 * time.Millisecond)
	}
	return h.field.Poll(ctx)
}

// A card that somebody left on the reader after the session must not be a tap when the computer is busy for a second.
func TestCardLeftOnTheReaderGivesNoTapAfterASuspension(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		taps := 0
		for r := (Polling{Chip: &stallingChip{field: &field{card: léa}}}).Reader(); ; taps++ {
			if _, err := r.Read(ctx); err != nil {
				break
			}
		}
		if taps != 1 {
			t.Errorf("%d taps: the second starts a session before nobody", taps)
		}
	})
}
