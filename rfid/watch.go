package rfid

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Event is what Watch says: a tap, or a change of the reader's health.
type Event struct {
	Tap   Tap   // the zero Tap: only the health has changed
	Alive bool  // the reader answers
	Err   error // why it does not

	Unread Unread // something came that is no card's number; the rest of the event says nothing
}

const (
	firstPause = 250 * time.Millisecond
	longPause  = 10 * time.Second
	// settle is three repeats of an RDM6300 (14 bytes at 9600 baud are 15 ms, a frame comes about every 65 ms).
	settle = 200 * time.Millisecond
)

// Watch keeps a reader open until ctx ends: it opens it, passes its taps to out, and when it fails says so once, closes
// it, and opens it again after a pause that doubles, with jitter, from 250 ms to 10 s, and is short again once a reader
// has lived for 10 s. It blocks while out is full.
//
// A card read in the first 200 ms lies there already, and that is no tap: when power returns, or a contactor's spark
// makes an adapter reconnect, a card that someone left on the reader must start no session and end none. The reader is
// said to be alive only after that, so whoever waits for it to be alive may tap at once.
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
		if alive && time.Since(since) >= longPause { // it worked: this is a new failure
			pause = firstPause
		}
		wait(ctx, pause+rand.N(pause/2))
		pause = min(2*pause, longPause)
	}
}

// serve is one life of a reader, from open to its failure.
func serve(ctx context.Context, open func() (Reader, error), out chan<- Event) (alive bool, err error) {
	r, err := open()
	if err != nil {
		return false, err
	}
	defer r.Close()
	if err := calm(ctx, r); err != nil {
		return false, err
	}
	if !send(ctx, out, Event{Alive: true}) {
		return true, ctx.Err()
	}
	if s, slot := r.(interface{ stands() UID }); slot && s.stands() != (UID{}) {
		send(ctx, out, Event{Alive: true, Tap: Tap{UID: s.stands(), At: time.Now(), Slot: true, Lies: true}})
	}
	return true, pass(ctx, r, out)
}

// calm reads, for a moment, the cards that lie there.
func calm(ctx context.Context, r Reader) error {
	moment, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	for moment.Err() == nil {
		if _, err := r.Read(moment); err != nil && (moment.Err() == nil || !errors.Is(err, moment.Err())) {
			return err
		}
	}
	return ctx.Err()
}

// pass reads taps until the reader fails.
func pass(ctx context.Context, r Reader, out chan<- Event) error {
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
