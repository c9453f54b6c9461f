package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"
)

const (
	// Lease is how long the relay stays closed without a word from the daemon (failure matrix: off within 1 s).
	// It is shorter than a second by what a busy Pi needs to wake a process and move a contact.
	Lease = 900 * time.Millisecond
	// renewal is how often the daemon says keep: two may be lost.
	renewal = 250 * time.Millisecond
	// backlog is how many words wait for a daemon that does not read, beyond what the pipe holds (64 KiB on Linux).
	backlog = 256
	// parting bounds how long the guard waits for its last word to be taken, the relay being open.
	parting = 100 * time.Millisecond
)

// ErrLost is why a guard ends whose daemon is gone.
var ErrLost = errors.New("the daemon is gone")

var errDeaf = errors.New("the daemon does not listen")

// guard is a run of Guard. One goroutine owns it.
type guard struct {
	pins   Pins
	out    chan<- word
	deaf   bool // a word could not be said
	on     bool
	estop  bool
	busy   bool
	finish time.Duration // how long a job may finish without the daemon
	lease  *time.Timer
	orphan *time.Timer // the end of a job that finishes without the daemon

	orphaned bool // such a job is under way
	gone     bool // the daemon's pipe has ended
}

// Guard holds the pins until in ends, ctx is done, or something is wrong; then the relay is open. It blocks.
// A goroutine stays behind in in.Read until that returns: the process is expected to end.
func Guard(ctx context.Context, in io.Reader, out io.Writer, p Pins) error {
	words, spoken := make(chan word, backlog), make(chan struct{})
	go func() { defer close(spoken); speak(out, words) }()
	g := &guard{pins: p.wired(), out: words, lease: stopped(), orphan: stopped()}
	err := g.hold(ctx, in)
	if err != nil && !errors.Is(err, ErrLost) && ctx.Err() == nil {
		g.say(fault(err))
	}
	close(words)
	select {
	case <-spoken:
	case <-time.After(parting): // a daemon that does not listen is not waited for
	}
	return err
}

func stopped() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// hold opens the relay, carries out what is said and seen, and opens the relay again.
func (g *guard) hold(ctx context.Context, in io.Reader) error {
	if err := g.open(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var watchers sync.WaitGroup
	defer watchers.Wait() // a look at an input is bounded; the relay is open by now
	defer cancel()
	defer g.open() // before anything else, whatever ends the guard
	g.say(word{say: "guard", id: version})
	inputs := make(chan input)
	for _, w := range []watched{{"e-stop", g.pins.EStop}, {"busy", g.pins.Busy}} {
		if w.pin == gpio.INVALID {
			continue // what is not wired never trips
		}
		high := bool(w.pin.Read()) // its level counts before the first order does
		if err := g.input(input{w.name, high}); err != nil {
			return err
		}
		watchers.Go(func() { w.watch(ctx, high, inputs) })
	}
	return g.run(ctx, listen(ctx, in), inputs)
}

func (g *guard) run(ctx context.Context, lines <-chan heard, inputs <-chan input) error {
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case l, ok := <-lines:
			err = g.hear(l, ok)
			if !ok {
				lines = nil
			}
		case <-g.lease.C:
			err = g.lost()
		case <-g.orphan.C:
			err = g.drop("job-late")
		case in := <-inputs:
			err = g.input(in)
		}
		switch {
		case err != nil:
			return err
		case g.gone && !g.on:
			return ErrLost
		case g.deaf:
			return errDeaf
		}
	}
}

func (g *guard) hear(l heard, ok bool) error {
	if !ok {
		g.gone = true
		return g.lost()
	}
	if l.err != nil {
		return l.err
	}
	o, err := parseOrder(l.line)
	if err != nil {
		return err
	}
	return g.obey(o)
}

// obey carries out an order. Whatever it says, it is a word: the lease begins anew, and a job that went on
// without the daemon has it back.
func (g *guard) obey(o order) error {
	g.orphaned = false
	g.orphan.Stop()
	g.lease.Stop()
	switch o.do {
	case "on":
		if err := g.close(o); err != nil {
			return err
		}
	case "off":
		if err := g.open(); err != nil {
			return err
		}
		g.say(word{say: "done", id: o.id})
	case "keep":
		g.say(word{say: "alive"})
	}
	if g.on {
		g.lease.Reset(Lease)
	}
	return nil
}

// close closes the relay unless the e-stop is open at this moment.
func (g *guard) close(o order) error {
	if g.estop || g.pins.EStop.Read() == gpio.High {
		err := g.open()
		g.say(word{say: "done", id: o.id})
		return err
	}
	if err := g.pins.Relay.Out(gpio.High); err != nil {
		return fmt.Errorf("the relay's pin: %w", err)
	}
	g.on, g.finish = true, o.finish
	g.say(word{say: "done", id: o.id, on: true})
	return nil
}

// open opens the relay.
func (g *guard) open() error {
	err := g.pins.Relay.Out(gpio.Low)
	g.on, g.orphaned = false, false
	g.lease.Stop()
	g.orphan.Stop()
	if err != nil {
		return fmt.Errorf("the relay's pin: %w", err)
	}
	return nil
}

// drop opens the relay unasked.
func (g *guard) drop(why string) error {
	if !g.on {
		return nil
	}
	err := g.open()
	g.say(word{say: "drop", why: why})
	return err
}

// lost opens the relay, or lets the job finish where the daemon's last order allowed it.
func (g *guard) lost() error {
	g.lease.Stop()
	if g.orphaned {
		return nil // the lease was missed first, and now the pipe has ended too
	}
	if g.on && g.finish > 0 && g.busy {
		g.orphaned = true
		g.orphan.Reset(g.finish)
		return nil
	}
	return g.drop("lease")
}

func (g *guard) input(in input) (err error) {
	switch in.name {
	case "e-stop":
		was := g.on
		if g.estop = in.high; g.estop && was {
			err = g.open() // before any word about it
		}
		g.say(word{say: "e-stop", on: in.high})
		if g.estop && was {
			g.say(word{say: "drop", why: "e-stop"})
		}
	case "busy":
		g.busy = in.high
		g.say(word{say: "busy", on: in.high})
		if !in.high && g.orphaned {
			err = g.drop("job-done")
		}
	}
	return err
}

// say tells the daemon without waiting for it.
func (g *guard) say(w word) {
	select {
	case g.out <- w:
	default:
		g.deaf = true
	}
}
