package rfid

import (
	"context"
	"math/rand/v2"
	"time"
)

// Event is what Watch says: a tap, or a change of the reader's health.
type Event struct {
	Tap   Tap   // the zero Tap: only the health has changed
	Alive bool  // the reader answers
	Err   error // why it does not
}

const (
	firstPause = 250 * time.Millisecond
	longPause  = 10 * time.Second
)

// Watch keeps a reader open until ctx ends: it opens it, passes its taps to out, and when it fails says so once,
// closes it, and opens it again after a pause that doubles, with jitter, from 250 ms to 10 s. It blocks while out is full.
func Watch(ctx context.Context, open func() (Reader, error), out chan<- Event) {
	pause, healthy, told := firstPause, false, false
	for ctx.Err() == nil {
		r, err := open()
		if err == nil {
			if healthy, told = true, false; !send(ctx, out, Event{Alive: true}) {
				r.Close()
				return
			}
			var taps int
			taps, err = pass(ctx, r, out)
			r.Close()
			if taps > 0 {
				pause = firstPause
			}
		}
		if ctx.Err() != nil {
			return
		}
		if healthy || !told {
			told = send(ctx, out, Event{Err: err})
		}
		healthy = false
		wait(ctx, pause+rand.N(pause/2))
		pause = min(2*pause, longPause)
	}
}

// pass reads taps until the reader fails.
func pass(ctx context.Context, r Reader, out chan<- Event) (taps int, err error) {
	for {
		t, err := r.Read(ctx)
		if err != nil {
			return taps, err
		}
		taps++
		if !send(ctx, out, Event{Tap: t, Alive: true}) {
			return taps, ctx.Err()
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
