package rfid

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A card stands in the slot and holds the relay on. The reader fails; meanwhile the card is exchanged for any other. When the reader is back,
// somebody must learn that the slot no longer holds the first card.
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
		time.Sleep(3 * time.Second)
		f.put(léa)
		time.Sleep(20 * time.Second)
		f.mu.Lock()
		f.err = errors.New("a loose wire")
		f.mu.Unlock()
		time.Sleep(time.Second)
		f.put(nour)
		f.mu.Lock()
		f.err = nil
		f.mu.Unlock()
		time.Sleep(5 * time.Minute)
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
