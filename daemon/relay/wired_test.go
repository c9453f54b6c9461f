package relay

import (
	"errors"
	"strings"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"

	"portillon/firmware-config/circuit"
)

// contactor is a simulated coil with its mirror contact, which follows the relay with a delay and can have faults.
type contactor struct {
	failingPin
	mirror contact
	lag    time.Duration
	welded bool // the contactor stays closed
	open   bool // the coil is broken
	mute   bool // the wire of the mirror contact is broken, so the pull-up makes the input high
}

// Out implements gpio.PinOut.
func (c *contactor) Out(l gpio.Level) error {
	closed := (bool(l) || c.welded) && !c.open || c.mute
	time.AfterFunc(c.lag, func() { c.mirror.high.Store(closed) })
	return c.failingPin.Out(l)
}

// runWithContactor runs the function story with a guard whose relay switches a contactor.
func runWithContactor(t *testing.T, c *contactor, story func(*rig)) {
	runRig(t, func(r *rig) {
		c.mirror.high.Store(c.welded || c.mute)
		r.more = func(p *Pins) { p.Relay, p.Contactor = c, &c.mirror }
	}, story)
}

func TestContactorThatFollowsIsNotAFault(t *testing.T) {
	c := &contactor{lag: 80 * time.Millisecond}
	runWithContactor(t, c, func(r *rig) {
		r.wait(time.Second)
		for range 3 {
			r.say("on 1 0 0\n").hears("done 1 1").live(5 * time.Second)
			if !c.failingPin.high() {
				t.Fatalf("the relay opened by itself: %q", r.said)
			}
			r.say("off 2\n").wait(5 * time.Second)
		}
		if r.heard("contactor 1") || r.heard("drop contactor") {
			t.Errorf("said %q", r.said)
		}
	})
}

// pumpedContactor is a contactor behind a charge pump and a relay. The contactor closes soon after the first pulses,
// and opens late after the last pulse.
type pumpedContactor struct {
	gpio.PinOut
	mirror      contact
	closes      time.Duration
	opens       time.Duration
	up, moving  bool
	rise, falls *time.Timer
}

// Out implements gpio.PinOut.
func (p *pumpedContactor) Out(l gpio.Level) error {
	if bool(l) == p.up {
		return nil
	}
	p.up = bool(l)
	if p.falls != nil {
		p.falls.Stop()
	}
	if !p.moving {
		p.rise = time.AfterFunc(p.closes, func() { p.mirror.high.Store(true) })
	}
	p.moving = true
	p.falls = time.AfterFunc(p.opens, func() { p.moving = false; p.rise.Stop(); p.mirror.high.Store(false) })
	return nil
}

// If a pump releases as late as the drawing allows, and a large contactor follows, the guard must not report a fault.
// If the contactor opens even later, the guard must report a fault.
func TestContactorBehindAPumpMayFollowLater(t *testing.T) {
	if pumpRelease != circuit.PumpRelease {
		t.Errorf("the guard counts with %v for a charge pump, the drawing with %v", pumpRelease, circuit.PumpRelease)
	}
	if late := followTime(true); late < circuit.PumpRelease+contactorTime || late > 1200*time.Millisecond {
		t.Errorf("a contactor behind a pump is given %v", late)
	}
	if openingTime >= time.Second { // the test fails after a second, when the daemon's loop would count as hung
		t.Errorf(
			"an order waits %v for a contactor that opens, and the daemon's loop counts as hung after a second",
			openingTime,
		)
	}
	for _, x := range []struct {
		name  string
		late  time.Duration
		fault bool
	}{{"in time", 0, false}, {"late", followMargin + 2*sample, true}} {
		t.Run(x.name, func(t *testing.T) {
			p := &pumpedContactor{closes: contactorTime, opens: circuit.PumpRelease + contactorTime + x.late}
			runRig(t, func(r *rig) {
				r.more = func(pins *Pins) { pins.Relay, pins.Contactor, pins.Heartbeat = p, &p.mirror, true }
			}, func(r *rig) {
				r.wait(time.Second)
				for range 3 {
					r.say("on 1 0 0\n").hears("done 1 1").live(5 * time.Second)
					r.say("off 2\n").wait(5 * time.Second)
				}
				if got := r.heard("contactor 1"); got != x.fault {
					t.Errorf("a fault was reported: %v; said %q", got, r.said)
				}
				if r.heard("drop contactor") {
					t.Errorf("the relay was opened under way: %q", r.said)
				}
			})
		})
	}
}

func TestContactorThatDiffersFromTheOrderOpensTheRelay(t *testing.T) {
	t.Run("its coil is burnt", func(t *testing.T) {
		c := &contactor{open: true}
		runWithContactor(t, c, func(r *rig) {
			r.say("on 1 0 0\n").hears("done 1 1").wait(followTime(false)).hears("contactor 1").hears("drop contactor")
			if c.failingPin.high() {
				t.Error("the relay is closed")
			}
		})
	})
	t.Run("it falls open under way", func(t *testing.T) {
		c := &contactor{}
		runWithContactor(t, c, func(r *rig) {
			r.say("on 1 0 0\n").live(2 * time.Second)
			c.mirror.high.Store(false)
			r.say("keep\n").wait(settle + sample + flutter + sample).hears("drop contactor")
		})
	})
	t.Run("it is welded", func(t *testing.T) {
		c := &contactor{}
		runWithContactor(t, c, func(r *rig) {
			r.say("on 1 0 0\n").live(2 * time.Second)
			c.welded = true
			r.say("off 2\n").hears("done 2 0").wait(followTime(false) + sample).hears("contactor 1")
			r.say("on 3 0 0\n").hears("deny 3 contactor")
			c.mirror.high.Store(false)
			c.welded = false
			r.wait(settle + flutter + 2*sample).hears("contactor 0").say("on 4 0 0\n").hears("done 4 1")
		})
	})
	t.Run("its wire is broken", func(t *testing.T) {
		c := &contactor{mute: true}
		runWithContactor(t, c, func(r *rig) {
			r.say("on 1 0 0\n").
				hears("deny 1 moment").
				wait(time.Second).
				hears("contactor 1").
				say("on 2 0 0\n").
				hears("deny 2 contactor")
			if c.failingPin.high() {
				t.Error("the relay is closed")
			}
		})
	})
}

// A guard may end while its contactor differs from the order, and the contactor may be repaired before the next guard
// starts. Only the next guard can then report that the fault is over.
func TestFirstComparisonOfAGuardIsAlwaysReported(t *testing.T) {
	c := &contactor{}
	runWithContactor(t, c, func(r *rig) {
		r.wait(flutter).hears("contactor 0").wait(time.Minute)
		if n := strings.Count(strings.Join(r.said, "\n"), "contactor"); n != 1 {
			t.Errorf("said %q", r.said)
		}
	})
	t.Run("an order comes first", func(t *testing.T) {
		runWithContactor(t, &contactor{}, func(r *rig) { r.say("on 1 0 0\n").live(2 * time.Second).hears("contactor 0") })
	})
}

func TestMachineThatWorksWithAnOpenRelayIsNotSwitchedOn(t *testing.T) {
	runRig(t, nil, func(r *rig) {
		r.set(&r.busy, true).wait(sample).say("on 1 0 0\n").is(false, "it works already").hears("deny 1 runs")
		r.set(&r.busy, false).wait(2*settle).say("on 2 0 0\n").is(true, "it rests")
		r.set(&r.busy, true).wait(sample).say("on 3 0 0\n").is(true, "an order anew").hears("done 3 1")
	})
}

func TestOpenDoorOpensTheRelayAtOnce(t *testing.T) {
	var door contact
	runRig(t, func(r *rig) { r.more = func(p *Pins) { p.Door = &door } }, func(r *rig) {
		r.say("on 1 0 0\n").set(&door, true).wait(sample).is(false, "open").hears("door 1").hears("drop door")
		r.say("on 2 0 0\n").is(false, "still open").hears("deny 2 door")
		r.set(&door, false).wait(2*settle).hears("door 0").say("on 3 0 0\n").is(true, "closed")
	})
}

func TestExtractionRunsDuringAndAfterTheSession(t *testing.T) {
	var fan failingPin
	stories := map[string]func(*rig){
		"tapped out": func(r *rig) { r.say("off 2\n") },
		"e-stop":     func(r *rig) { r.set(&r.estop, true).wait(sample) },
		"lease":      func(r *rig) { r.wait(Lease) },
	}
	for name, end := range stories {
		fan = failingPin{}
		runRig(t, func(r *rig) { r.more = func(p *Pins) { p.Exhaust = &fan } }, func(r *rig) {
			if fan.high() {
				t.Error("it runs before the machine")
			}
			r.say("on 1 0 180000\n").live(time.Minute)
			if !fan.high() {
				t.Error("it does not run")
			}
			end(r)
			r.is(false, name).wait(179 * time.Second)
			if !fan.high() {
				t.Errorf("%s: it stopped too soon", name)
			}
			r.wait(2 * time.Second)
			if fan.high() {
				t.Errorf("%s: it does not stop", name)
			}
		})
	}
}

func TestHeartbeatTogglesTheLineOnlyWhileClosed(t *testing.T) {
	runRig(t, func(r *rig) { r.more = func(p *Pins) { p.Heartbeat = true } }, func(r *rig) {
		r.say("on 1 0 0\n")
		before := r.pin.rose()
		r.live(10 * time.Second)
		if n := r.pin.rose() - before; n < 1990 || n > 2010 {
			t.Errorf("%d rises in 10 s: the charge pump is drawn for 200 a second", n)
		}
		r.say("off 2\n")
		before = r.pin.rose()
		r.wait(10*time.Second).is(false, "off")
		if r.pin.rose() != before {
			t.Error("it beats while it is off")
		}
		r.say("on 3 0 0\n").wait(Lease+pulse).is(false, "the lease is missed").hears("drop lease")
		before = r.pin.rose()
		r.wait(time.Second)
		if r.pin.rose() != before {
			t.Error("it beats without a daemon")
		}
	})
}

// If the relay's line fails between two pulses, the guard ends.
func TestFailingHeartbeatIsAFault(t *testing.T) {
	runRig(t, func(r *rig) { r.more = func(p *Pins) { p.Heartbeat = true } }, func(r *rig) {
		r.say("on 1 0 0\n")
		r.pin.breaks(errors.New("the board burnt"), nil)
		r.wait(3 * pulse).wantEnd("burnt")
	})
}
