package relay

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"
)

const (
	// Lease is how long the relay stays closed if the daemon sends no line. The failure matrix requires that the relay
	// opens within 1 s. The remaining 100 ms cover the time that a busy Pi needs to wake a process, and the time that the
	// contact needs to move.
	Lease = 900 * time.Millisecond
	// renewal is the interval at which the daemon sends keep to renew the lease. The lease survives the loss of two
	// consecutive renewals.
	renewal = 250 * time.Millisecond
	// backlog is how many lines the guard queues for a daemon that does not read, in addition to the pipe's buffer (64 KiB
	// on Linux).
	backlog = 256
	// pulse is the interval between two edges of the heartbeat, which is a signal of 200 Hz. The charge pump's C1 is so
	// small compared with C2 that five stray edges do not close the relay. Therefore the guard must charge C1 often
	// (computed by TestChargePumpHolds… in firmware-config/circuit for charge-pump.svg). Each pulse costs the guard a
	// timer, a select and one ioctl. A late pulse is harmless, because the pump holds the relay for 50 ms without pulses.
	pulse = 2500 * time.Microsecond
	// pumpRelease is how long a charge pump may hold its relay after the last pulse. With the component values of the
	// drawing, this time is at most 0.58 s (firmware-config/circuit.PumpRelease; TestContactorBehindAPumpMayFollowLater
	// compares the two).
	pumpRelease = 600 * time.Millisecond
	// contactorTime is the total time of the relay (K1 in firmware-config/wiring.svg, 10 ms: Omron G5LE), the contactor
	// relay K2 (40 ms) and a contactor with its suppressor: 73 ms to close and 24 ms to open for a Schneider LC1D09BD with
	// LAD4TBDL, up to 150 ms for large ones. A contactor with a plain diode takes 6 to 10 times as long to open, which the
	// margin allows for a small contactor.
	contactorTime = 200 * time.Millisecond
	// openingTime is how long the Switch repeats an order while a contactor opens: the release time of a pump plus the
	// time of a contactor. openingTime must be less than one second, because the daemon's loop then counts as hung.
	openingTime = pumpRelease + contactorTime
	// followMargin is added because a Pi may be busy and a mirror contact bounces.
	followMargin = 300 * time.Millisecond
	// flutter is how long a contactor may differ from the relay when no order was given, because a contactor bounces when
	// the machine vibrates.
	flutter = 100 * time.Millisecond
	// parting is the longest time that the guard waits until the daemon has read its last line. The relay is already open
	// during this wait.
	parting = 100 * time.Millisecond
)

// ErrLost is the guard's error when its daemon has ended.
var ErrLost = errors.New("connection to the daemon lost")

var errDeaf = errors.New("daemon does not read the lines of the guard")

// followTime is the longest time that a contactor may take to follow an order before the guard reports it. A contactor
// behind a charge pump opens later, so followTime is longer.
func followTime(heartbeat bool) time.Duration {
	if heartbeat {
		return pumpRelease + contactorTime + followMargin
	}
	return contactorTime + followMargin
}

// guard is the state of a running Guard, used by one goroutine only.
type guard struct {
	pins      Pins
	words     *sender
	relay     *relayLine
	exhaust   *exhaust
	contactor *mirror
	job       *job
	lease     *time.Timer     // time at which the daemon's lease ends
	stops     map[string]bool // whether the e-stop and the door are open, by the name of the input
	gone      bool            // the daemon's pipe has ended
}

// Guard controls the pins until in ends, ctx is done, or an error occurs. Guard blocks until then, and the relay is
// open when Guard returns. After the return, one goroutine may remain blocked in in.Read, because the process is
// expected to exit.
func Guard(ctx context.Context, in io.Reader, out io.Writer, p Pins) error {
	words, spoken := make(chan guardLine, backlog), make(chan struct{})
	go func() { defer close(spoken); writeLines(out, words) }()
	g := newGuard(p.withoutNil(), words)
	err := g.control(ctx, in)
	if err != nil && !errors.Is(err, ErrLost) && ctx.Err() == nil {
		g.words.say(faultLine(err))
	}
	close(words)
	select {
	case <-spoken:
	case <-time.After(parting): // the guard does not wait for a daemon that does not read
	}
	return err
}

func newGuard(p Pins, words chan<- guardLine) *guard {
	return &guard{
		pins: p, words: &sender{out: words}, relay: newRelayLine(p), exhaust: &exhaust{pin: p.Exhaust, off: stopped()},
		contactor: &mirror{pin: p.Contactor, check: stopped()}, job: &job{late: stopped()},
		lease: stopped(), stops: map[string]bool{},
	}
}

func stopped() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// control opens the relay, processes orders and inputs, and opens the relay again at the end.
func (g *guard) control(ctx context.Context, in io.Reader) error {
	if err := g.open(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var watchers sync.WaitGroup
	defer watchers.Wait() // a read of an input takes a limited time, and the relay is already open
	defer cancel()
	defer g.exhaust.pin.Out(gpio.Low)
	defer g.open() // this deferred call runs first, whatever ends the guard
	g.words.say(guardLine{say: "guard", id: version})
	inputs := make(chan input)
	for _, w := range []watched{
		{"e-stop", g.pins.EStop},
		{"door", g.pins.Door},
		{"contactor", g.pins.Contactor},
		{"busy", g.pins.Busy},
	} {
		if w.pin == gpio.INVALID {
			continue // an input that is not wired never opens the relay
		}
		high := bool(w.pin.Read()) // read the level before the first order
		if err := g.handleInput(input{w.name, high}); err != nil {
			return err
		}
		watchers.Go(func() { w.watch(ctx, high, inputs) })
	}
	return g.run(ctx, listen(ctx, in), inputs)
}

func (g *guard) run(ctx context.Context, lines <-chan daemonLine, inputs <-chan input) error {
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case l, ok := <-lines:
			err = g.processLine(l, ok)
			if !ok {
				lines = nil
			}
		case <-g.lease.C:
			err = g.loseDaemon()
		case <-g.job.late.C:
			err = g.drop("job-late")
		case <-g.relay.beat.C:
			err = g.relay.toggle()
		case <-g.contactor.check.C:
			err = g.checkContactor()
		case <-g.exhaust.off.C:
			err = g.exhaust.set(false)
		case in := <-inputs:
			err = g.handleInput(in)
		}
		switch {
		case err != nil:
			return err
		case g.gone && !g.relay.on:
			return ErrLost
		case g.words.deaf:
			return errDeaf
		}
	}
}

// processLine processes a line from the daemon. ok is false once the daemon's pipe has ended.
func (g *guard) processLine(l daemonLine, ok bool) error {
	if !ok {
		g.gone = true
		return g.loseDaemon()
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

// obey executes an order. Each order proves that the daemon lives: it restarts the lease, and returns to the daemon the
// control of a job that continued without the daemon.
func (g *guard) obey(o order) error {
	g.job.reclaim()
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
		g.words.say(guardLine{say: "done", id: o.id})
	case "keep":
		g.words.say(guardLine{say: "alive"})
	}
	if g.relay.on {
		g.lease.Reset(Lease)
	}
	return nil
}

// close closes the relay unless an input forbids it now.
func (g *guard) close(o order) error {
	if why := g.obstacle(); why != "" {
		return g.deny(o, why)
	}
	if err := g.exhaust.set(true); err != nil {
		return err
	}
	wasOn := g.relay.on
	if err := g.relay.close(); err != nil {
		return err
	}
	if !wasOn {
		g.contactor.scheduleComparison(g.followTime())
	}
	g.job.finish, g.exhaust.after = o.finish, o.cool
	g.words.say(guardLine{say: "done", id: o.id, on: true})
	return nil
}

// deny opens the relay and sends the reason why the relay does not close. deny first sends the reason as an event, so
// that the later event that the reason has ended has its counterpart.
func (g *guard) deny(o order, why string) error {
	err := g.open()
	switch {
	case why == "contactor" && g.contactor.checking && !g.contactor.disagrees:
		why = string(ErrContactorOpening)
	case why == "contactor" && !g.contactor.disagrees:
		g.contactor.disagrees, g.contactor.closed = true, true
		g.words.say(guardLine{say: "contactor", on: true})
		g.contactor.scheduleComparison(flutter)
	case (why == "e-stop" || why == "door") && !g.stops[why]:
		// The input read high once without an edge, so the guard also reports that the input is low again. If somebody
		// pressed the e-stop, the guard reports it again.
		g.words.say(guardLine{say: why, on: true})
		defer g.words.say(guardLine{say: why})
	}
	g.words.say(guardLine{say: "deny", id: o.id, why: why})
	return err
}

// obstacle returns the reason why the relay must not close now, or "" if the relay may close. If a machine works while
// its relay is open, the machine gets power from another source.
func (g *guard) obstacle() string {
	switch {
	case g.stops["e-stop"] || g.pins.EStop.Read() == gpio.High:
		return "e-stop"
	case g.stops["door"] || g.pins.Door.Read() == gpio.High:
		return "door"
	case g.relay.on:
		return ""
	case g.contactor.disagrees || g.contactor.pin.Read() == gpio.High:
		return "contactor"
	case g.job.busy:
		return "runs"
	}
	return ""
}

// open opens the relay. The extraction continues for the time that the last order gave.
func (g *guard) open() error {
	wasOn := g.relay.on
	err := g.relay.open()
	if wasOn {
		g.contactor.scheduleComparison(g.followTime())
		g.exhaust.offLater()
	}
	g.job.reclaim()
	g.lease.Stop()
	return err
}

func (g *guard) followTime() time.Duration { return followTime(g.relay.heartbeat) }

// checkContactor opens the relay if the contactor has not followed the last order.
func (g *guard) checkContactor() error {
	if report := g.contactor.compare(g.relay.on); report {
		g.words.say(guardLine{say: "contactor", on: g.contactor.disagrees})
	}
	if g.contactor.disagrees {
		return g.drop("contactor")
	}
	return nil
}

// drop opens the relay without an order.
func (g *guard) drop(why string) error {
	if !g.relay.on {
		return nil
	}
	err := g.open()
	g.words.say(guardLine{say: "drop", why: why})
	return err
}

// loseDaemon handles the loss of the daemon: it opens the relay, or lets the job finish if the daemon's last order
// allowed that.
func (g *guard) loseDaemon() error {
	g.lease.Stop()
	switch {
	case g.job.orphaned: // the lease had ended earlier, and now the pipe has ended too
		return nil
	case g.relay.on && g.job.mayFinish():
		g.job.orphan()
		return nil
	}
	return g.drop("lease")
}

// handleInput processes a changed input.
func (g *guard) handleInput(in input) error {
	switch in.name {
	case "contactor":
		g.contactor.closed = in.high
		if !g.contactor.checking {
			g.contactor.scheduleComparison(flutter)
		}
		return nil
	case "busy":
		g.job.busy = in.high
		g.words.say(guardLine{say: "busy", on: in.high})
		if !in.high && g.job.orphaned {
			return g.drop("job-done")
		}
		return nil
	}
	return g.handleStop(in)
}

// handleStop processes a change of the e-stop or the door: it opens the relay, and then reports the change.
func (g *guard) handleStop(in input) (err error) {
	was := g.relay.on
	if g.stops[in.name] = in.high; in.high && was {
		err = g.open()
	}
	g.words.say(guardLine{say: in.name, on: in.high})
	if in.high && was {
		g.words.say(guardLine{say: "drop", why: in.name})
	}
	return err
}
