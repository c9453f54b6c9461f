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
	// pulse is how often a heartbeat's line changes: 200 Hz. The charge pump's C1 is so small beside C2 that five stray
	// edges do not close the relay, and so small a C1 must be moved often (firmware-config/charge-pump.svg;
	// TestChargePumpHolds… there computes it). A pulse is a timer, a select and one ioctl. A late one harms nothing: the
	// pump bears 50 ms without any.
	pulse = 2500 * time.Microsecond
	// pumpRelease is how long a charge pump may hold its relay after the last beat. The drawing's values give 0.58 s at
	// most (firmware-config/circuit.PumpRelease; TestContactorIsGivenThePumpsTime compares the two).
	pumpRelease = 600 * time.Millisecond
	// contactorTime is how long the relay (K1 in firmware-config/wiring.svg, 10 ms: Omron G5LE), the contactor relay K2
	// (40 ms, check) and a contactor with its suppressor take one after the other: 73 ms and 24 ms for a Schneider
	// LC1D09BD with LAD4TBDL (check), up to 150 ms for large ones. A contactor with a plain diode takes some 6 to 10 times
	// as long to open: the margin bears that for a small one.
	contactorTime = 200 * time.Millisecond
	// openingTime is how long the Switch asks again while a contactor still opens: what a pump and a contactor take, and
	// less than the second after which the daemon's loop counts as hung.
	openingTime = pumpRelease + contactorTime
	// followMargin is for a busy Pi, and for a mirror contact that bounces.
	followMargin = 300 * time.Millisecond
	// flutter is how long a contactor may say otherwise at any other time: it bounces when the machine shakes.
	flutter = 100 * time.Millisecond
	// parting bounds how long the guard waits for its last word to be taken, the relay being open.
	parting = 100 * time.Millisecond
)

// ErrLost is why a guard ends whose daemon is gone.
var ErrLost = errors.New("the daemon is gone")

var errDeaf = errors.New("the daemon does not listen")

// followTime is how long a contactor may take to do as it is told, before the guard reports it. Behind a charge pump it
// opens later.
func followTime(heartbeat bool) time.Duration {
	if heartbeat {
		return pumpRelease + contactorTime + followMargin
	}
	return contactorTime + followMargin
}

// guard is a run of Guard. One goroutine owns it.
type guard struct {
	pins   Pins
	out    chan<- word
	deaf   bool // a word could not be said
	on     bool
	stops  map[string]bool // e-stop and door: open
	busy   bool
	finish time.Duration // how long a job may finish without the daemon
	cool   time.Duration // how long the extraction runs on
	lease  *time.Timer
	orphan *time.Timer  // the end of a job that finishes without the daemon
	fan    *time.Timer  // the end of the extraction
	check  *time.Timer  // when the contactor must agree
	beat   *time.Ticker // of the heartbeat
	level  gpio.Level   // of a heartbeat's line

	closed   bool // the contactor's own word
	checking bool // check runs
	lies     bool // the contactor does not agree with the relay
	compared bool // the daemon has been told whether it does

	orphaned bool // such a job is under way
	gone     bool // the daemon's pipe has ended
}

// Guard holds the pins until in ends, ctx is done, or something is wrong; then the relay is open. It blocks.
// A goroutine stays behind in in.Read until that returns: the process is expected to end.
func Guard(ctx context.Context, in io.Reader, out io.Writer, p Pins) error {
	words, spoken := make(chan word, backlog), make(chan struct{})
	go func() { defer close(spoken); speak(out, words) }()
	g := newGuard(p.wired(), words)
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

func newGuard(p Pins, words chan<- word) *guard {
	g := &guard{pins: p, out: words, stops: map[string]bool{}, lease: stopped(), orphan: stopped(), fan: stopped(), check: stopped(), beat: time.NewTicker(pulse)}
	g.beat.Stop()
	return g
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
	defer g.pins.Exhaust.Out(gpio.Low)
	defer g.open() // before anything else, whatever ends the guard
	g.say(word{say: "guard", id: version})
	inputs := make(chan input)
	for _, w := range []watched{{"e-stop", g.pins.EStop}, {"door", g.pins.Door}, {"contactor", g.pins.Contactor}, {"busy", g.pins.Busy}} {
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
		case <-g.beat.C:
			err = g.toggle()
		case <-g.check.C:
			err = g.compare()
		case <-g.fan.C:
			err = g.extract(false)
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

// close closes the relay unless something holds it open at this moment.
func (g *guard) close(o order) error {
	if why := g.obstacle(); why != "" {
		err := g.open()
		switch { // what holds the relay is said, so that it can be taken back
		case why == "contactor" && g.checking && !g.lies:
			why = string(ErrContactorOpening)
		case why == "contactor" && !g.lies:
			g.lies, g.closed = true, true
			g.say(word{say: "contactor", on: true})
			g.expect(flutter)
		case (why == "e-stop" || why == "door") && !g.stops[why]:
			// the pin said so once, and nobody heard an edge: a press will say so again
			g.say(word{say: why, on: true})
			defer g.say(word{say: why})
		}
		g.say(word{say: "deny", id: o.id, why: why})
		return err
	}
	if err := g.extract(true); err != nil {
		return err
	}
	if err := g.pins.Relay.Out(gpio.High); err != nil {
		return fmt.Errorf("the relay's pin: %w", err)
	}
	if !g.on {
		g.expect(followTime(g.pins.Heartbeat))
		g.pulsate()
	}
	g.on, g.finish, g.cool = true, o.finish, o.cool
	g.say(word{say: "done", id: o.id, on: true})
	return nil
}

// obstacle is why the relay must not close now. A machine that works though its relay is open is fed from elsewhere.
func (g *guard) obstacle() string {
	switch {
	case g.stops["e-stop"] || g.pins.EStop.Read() == gpio.High:
		return "e-stop"
	case g.stops["door"] || g.pins.Door.Read() == gpio.High:
		return "door"
	case g.on:
		return ""
	case g.lies || g.pins.Contactor.Read() == gpio.High:
		return "contactor"
	case g.busy:
		return "runs"
	}
	return ""
}

// pulsate starts a heartbeat where the relay wants one. The first level is high.
func (g *guard) pulsate() {
	if g.pins.Heartbeat {
		g.level = gpio.High
		g.beat.Reset(pulse)
	}
}

func (g *guard) toggle() error {
	if !g.on {
		return nil
	}
	g.level = !g.level
	if err := g.pins.Relay.Out(g.level); err != nil {
		return fmt.Errorf("the relay's pin: %w", err)
	}
	return nil
}

// open opens the relay.
func (g *guard) open() error {
	g.beat.Stop()
	err := g.pins.Relay.Out(gpio.Low)
	if g.on {
		g.expect(followTime(g.pins.Heartbeat))
		g.fan.Reset(g.cool)
	}
	g.on, g.orphaned = false, false
	g.lease.Stop()
	g.orphan.Stop()
	if err != nil {
		return fmt.Errorf("the relay's pin: %w", err)
	}
	return nil
}

// extract switches the extraction, which runs with the relay and on after it.
func (g *guard) extract(on bool) error {
	g.fan.Stop()
	if g.pins.Exhaust == gpio.INVALID {
		return nil
	}
	if err := g.pins.Exhaust.Out(gpio.Level(on)); err != nil {
		return fmt.Errorf("the extraction's pin: %w", err)
	}
	return nil
}

// expect has the contactor's word compared with the relay in d from now, where there is a contactor that speaks.
func (g *guard) expect(d time.Duration) {
	if g.pins.Contactor == gpio.INVALID {
		return
	}
	g.checking = true
	g.check.Reset(d)
}

// compare opens the relay when the contactor has not followed: it is welded, or its coil or its wire is broken. The
// first comparison speaks whatever it finds: the daemon may hold what a guard before this one said of the contactor.
func (g *guard) compare() error {
	g.checking, g.closed = false, bool(g.pins.Contactor.Read())
	if lies := g.closed != g.on; lies != g.lies || !g.compared {
		g.lies, g.compared = lies, true
		g.say(word{say: "contactor", on: lies})
	}
	if g.lies {
		return g.drop("contactor")
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

func (g *guard) input(in input) error {
	switch in.name {
	case "contactor":
		g.closed = in.high
		if !g.checking {
			g.expect(flutter)
		}
		return nil
	case "busy":
		g.busy = in.high
		g.say(word{say: "busy", on: in.high})
		if !in.high && g.orphaned {
			return g.drop("job-done")
		}
		return nil
	}
	return g.stop(in)
}

// stop is the e-stop's or the door's change: the relay opens before any word about it.
func (g *guard) stop(in input) (err error) {
	was := g.on
	if g.stops[in.name] = in.high; in.high && was {
		err = g.open()
	}
	g.say(word{say: in.name, on: in.high})
	if in.high && was {
		g.say(word{say: "drop", why: in.name})
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
