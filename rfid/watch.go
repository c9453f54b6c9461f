package rfid

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Event is a message from Watch: a tap, a change of the reader's health, or unread input.
type Event struct {
	Tap   Tap   // the zero Tap means that the event is about the reader's health
	Alive bool  // the reader works
	Err   error // reason why the reader does not work; nil: no failure

	Unread Unread // input that is not a card's number; if it is set, all other fields are zero
}

const (
	firstPause = 250 * time.Millisecond
	longPause  = 10 * time.Second
	// settle is longer than an RDM6300 needs to send a card three times (14 bytes at 9600 baud take 15 ms, and the
	// module sends a frame about every 65 ms).
	settle = 200 * time.Millisecond
)

// Watch keeps a reader open until ctx ends. Watch opens the reader and sends its taps to the channel out. When the
// reader fails, Watch reports the failure once, closes the reader, and reopens it after a pause. This pause doubles
// from 250 ms to 10 s, with jitter, and returns to 250 ms after a reader has worked for 10 s. Watch blocks while out
// is full.
//
// A card that is read in the first 200 ms already lay on the reader and is not a tap. When power returns, or when a
// spark of a relay makes a USB adapter reconnect, a card that was left on the reader must neither start nor end a
// session. Watch reports a reader as alive only after these 200 ms, so that a person who waits for Alive may tap at
// once.
func Watch(ctx context.Context, open func() (Reader, error), out chan<- Event) {
	pause, told := firstPause, false
	for ctx.Err() == nil {
		since := time.Now()
		alive, err := serve(ctx, open, out)
		if ctx.Err() != nil {
			return
		}
		if alive || !told {
			told = send(ctx, out, Event{Err: err})
		}
		if alive && time.Since(since) >= longPause { // the reader has worked for long, so this failure counts as the first
			pause = firstPause
		}
		wait(ctx, pause+rand.N(pause/2))
		pause = min(2*pause, longPause)
	}
}

// serve runs one reader from its opening to its failure.
func serve(ctx context.Context, open func() (Reader, error), out chan<- Event) (alive bool, err error) {
	r, err := open()
	if err != nil {
		return false, err
	}
	defer r.Close()
	if err := discardEarly(ctx, r); err != nil {
		return false, err
	}
	if !send(ctx, out, Event{Alive: true}) {
		return true, ctx.Err()
	}
	if s, slot := r.(interface{ cardInSlot() UID }); slot && s.cardInSlot() != (UID{}) {
		send(ctx, out, Event{Alive: true, Tap: Tap{UID: s.cardInSlot(), At: time.Now(), Slot: true, Lies: true}})
	}
	return true, forward(ctx, r, out)
}

// discardEarly discards the cards that the reader reads during the settle time.
func discardEarly(ctx context.Context, r Reader) error {
	moment, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	for moment.Err() == nil {
		if _, err := r.Read(moment); err != nil && (moment.Err() == nil || !errors.Is(err, moment.Err())) {
			return err
		}
	}
	return ctx.Err()
}

// forward sends the reader's taps to out until the reader fails.
func forward(ctx context.Context, r Reader, out chan<- Event) error {
	for {
		t, err := r.Read(ctx)
		if err != nil {
			return err
		}
		if !send(ctx, out, Event{Tap: t, Alive: true}) {
			return ctx.Err()
		}
	}
}

func send(ctx context.Context, out chan<- Event, e Event) bool {
	select {
	case out <- e:
		return true
	case <-ctx.Done():
		return false
	}
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
