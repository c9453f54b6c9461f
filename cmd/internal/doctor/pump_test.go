//go:build linux

package doctor

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"portillon/cmd/internal/daemoncmd"
	"portillon/daemon/control"
	"portillon/daemon/relay/gpio/sim"
	"portillon/firmware-config/circuit"
)

// simulatedPump simulates the charge pump of the drawing, whose relay switches a contactor. The test controls the
// pump's simulated time.
type simulatedPump struct {
	t      *testing.T
	p      *circuit.Pump
	high   bool
	at     time.Time // end of the simulated time
	since  time.Time // time at which the coil last changed
	coil   bool
	closed bool
}

// lag is the time that the contactor needs to open or to close.
const lag = 50 * time.Millisecond

func (c *simulatedPump) advance() {
	for now := time.Now(); c.at.Before(now); {
		d := min(now.Sub(c.at), 5*time.Millisecond)
		if _, _, err := c.p.Hold(c.high, d.Seconds()); err != nil {
			c.t.Fatal(err)
		}
		c.at = c.at.Add(d)
		// The relay closes at 75 % of its nominal voltage and opens at 10 %.
		if v := c.p.Coil(); v > 3.75 != c.coil && (v > 3.75 || v < 0.5) {
			c.coil, c.since = !c.coil, c.at
		}
		if c.at.Sub(c.since) >= lag {
			c.closed = c.coil
		}
	}
}

// Drive implements PumpBench.
func (c *simulatedPump) Drive(high bool) error {
	c.advance()
	c.high = high
	return nil
}

// Closed implements PumpBench.
func (c *simulatedPump) Closed() bool { c.advance(); return c.closed }

// Stopped implements PumpBench.
func (c *simulatedPump) Stopped() bool { return false }

// drawnPump returns the charge pump of the drawing, with these faulty components.
func drawnPump(t *testing.T, corner circuit.Corner, faults ...circuit.Fault) *simulatedPump {
	t.Helper()
	svg, err := os.ReadFile("../../../firmware-config/charge-pump.svg")
	if err != nil {
		t.Fatal(err)
	}
	d, err := circuit.Read(svg)
	if err != nil {
		t.Fatal(err)
	}
	p, err := circuit.NewPump(d.Circuits["pump"], corner, true, faults...)
	if err != nil {
		t.Fatal(err)
	}
	return &simulatedPump{t: t, p: p, at: time.Now(), since: time.Now()}
}

func open(part string) circuit.Fault    { return circuit.Fault{Part: part} }
func shorted(part string) circuit.Fault { return circuit.Fault{Part: part, Short: true} }

func TestEachFaultOfThePumpIsReportedAndAHealthyPumpPasses(t *testing.T) {
	if testing.Short() {
		t.Skip("short: tries every answer of the hardware")
	}
	ordinary := circuit.Corner{Middle: true, Diodes: circuit.Fresh, Strong: true}
	for _, x := range []struct {
		name   string
		corner circuit.Corner
		faults []circuit.Fault
		want   string
	}{
		{"as drawn", ordinary, nil, "for the heartbeat alone"},
		{"the weakest transistor, cold", circuit.Corner{Middle: true, Diodes: circuit.Cold}, nil, "for the heartbeat alone"},
		{"C1 bridged", ordinary, []circuit.Fault{shorted("C1a"), shorted("C1b")}, "C1 is shorted or bridged"},
		{"half of C1 and of C2 gone", ordinary, []circuit.Fault{shorted("C1a"), open("C2a")}, "stray edges close the relay"},
		{"D1 broken", ordinary, []circuit.Fault{open("D1")}, "The heartbeat does not close"},
		{"Q1 shorted", ordinary, []circuit.Fault{{Part: "Q1", Short: true, Pins: [2]int{1, 2}}},
			"closed while the line is at rest"},
		{"R2a broken", ordinary, []circuit.Fault{open("R2a")}, "after the last beat, want at most 800ms"},
		{"R2a and R2b broken", ordinary, []circuit.Fault{open("R2a"), open("R2b")}, "closed"},
	} {
		t.Run(x.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := drawnPump(t, x.corner, x.faults...)
				r, err := RunPumpTest(t.Context(), b)
				if err != nil {
					t.Fatal(err)
				}
				found := JudgePump(r)
				var said []string
				for _, f := range found {
					said = append(said, f.Fact.EN+" "+f.Cure.EN)
				}
				if !strings.Contains(strings.Join(said, "\n"), x.want) || (found[0].State == Well) != (x.faults == nil) {
					t.Errorf("%+v: %q, want %q", r, said, x.want)
				}
				if b.high {
					t.Error("the line was left high")
				}
			})
		})
	}
}

// immediatePump is a pump whose contactor follows the line immediately, so that the test reaches the heartbeat.
type immediatePump struct {
	high, stop atomic.Bool
	fails      atomic.Bool
}

// Drive implements PumpBench.
func (o *immediatePump) Drive(high bool) error {
	o.high.Store(high)
	if o.fails.Load() {
		return errors.New("the board burnt")
	}
	return nil
}

// Closed implements PumpBench.
func (o *immediatePump) Closed() bool { return o.high.Load() }

// Stopped implements PumpBench.
func (o *immediatePump) Stopped() bool { return o.stop.Load() }

func TestPumpTestAlwaysLeavesTheLineLow(t *testing.T) {
	if testing.Short() {
		t.Skip("short: tries every answer of the hardware")
	}
	for name, end := range map[string]func(*immediatePump, context.CancelFunc){
		"the emergency stop is pressed": func(o *immediatePump, _ context.CancelFunc) { o.stop.Store(true) },
		"it is ended":                   func(_ *immediatePump, cancel context.CancelFunc) { cancel() },
		"the line fails":                func(o *immediatePump, _ context.CancelFunc) { o.fails.Store(true) },
	} {
		for after := time.Second; after < 27*time.Second; after += 900 * time.Millisecond {
			synctest.Test(t, func(t *testing.T) {
				o := &immediatePump{}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var r Reaction
				var err error
				done := make(chan struct{})
				go func() { defer close(done); r, err = RunPumpTest(ctx, o) }()
				<-time.After(after)
				synctest.Wait()
				end(o, cancel)
				<-done
				if o.high.Load() {
					t.Errorf("%s after %v: the line was left high", name, after)
				}
				if !r.Stopped && err == nil {
					t.Errorf("%s after %v: %+v", name, after, r)
				}
				if r.Stopped && JudgePump(r)[0].State != Unknown {
					t.Errorf("%s after %v is judged as a finding", name, after)
				}
			})
		}
	}
}

func TestPumpTestIsRefusedIfUnsafeOrWithoutFeedback(t *testing.T) {
	c, s := healthyPi(t)
	c.Relay.Heartbeat, c.Relay.Feedback = true, "gpio:pinctrl-/23"
	s.Status = func(context.Context) (control.Status, error) { return control.Status{}, errors.New("no daemon") }
	none := func(daemoncmd.Config) (PumpBench, func(), error) {
		t.Error("the line was taken")
		return nil, nil, errors.New("taken")
	}
	for _, x := range []struct {
		name   string
		change func(*daemoncmd.Config, *System)
		lamp   bool
		want   string
	}{
		{"no pump", func(c *daemoncmd.Config, _ *System) { c.Relay.Heartbeat = false }, true, "mode: heartbeat"},
		{"no feedback", func(c *daemoncmd.Config, _ *System) { c.Relay.Feedback = "" }, true, "no “feedback”"},
		{"no lamp", func(*daemoncmd.Config, *System) {}, false, "the machine could start"},
		{"a daemon runs", func(_ *daemoncmd.Config, s *System) {
			s.Status = func(context.Context) (control.Status, error) { return control.Status{}, nil }
		}, true, "portillond runs for “laser”"},
	} {
		c, s := c, s
		x.change(&c, &s)
		found := Pump(t.Context(), c, s, x.lamp, none)
		if len(found) != 1 || found[0].State != Unknown || !strings.Contains(found[0].Fact.EN, x.want) ||
			found[0].Fact.FR == "" || found[0].Cure.FR == "" {
			t.Errorf("%s: %+v, want %q", x.name, found, x.want)
		}
	}
	found := Pump(t.Context(), c, s, true, func(daemoncmd.Config) (PumpBench, func(), error) {
		return nil, nil,
			errors.New("line 17 is busy")
	})
	if len(found) != 1 || found[0].State != Unknown || !strings.Contains(found[0].Fact.EN, "busy") {
		t.Errorf("a line that is held: %+v", found)
	}
}

// The pump test uses the pins that machine.yaml names. The pump's line is low from the beginning and is released at the
// end.
func TestPumpTestUsesThePinsOfTheMachineFile(t *testing.T) {
	dir := t.TempDir()
	c, _ := healthyPi(t)
	c.Relay = daemoncmd.RelayConfig{Pin: "sim:" + dir + "/relay", Feedback: "sim:" + dir + "/mirror", EStop: "sim:" + dir +
		"/stop", Heartbeat: true}
	b, done, err := OpenPump(c)
	if err != nil {
		t.Fatal(err)
	}
	line := func() string { text, _ := os.ReadFile(dir + "/relay"); return strings.TrimSpace(string(text)) }
	if line() != "0" || b.Closed() || b.Stopped() {
		t.Errorf("at first: line %q, closed %v, stopped %v", line(), b.Closed(), b.Stopped())
	}
	sim.Drive(dir+"/mirror", true)
	sim.Drive(dir+"/stop", true)
	if err := b.Drive(true); err != nil || line() != "1" || !b.Closed() || !b.Stopped() {
		t.Errorf("driven: line %q, closed %v, stopped %v, %v", line(), b.Closed(), b.Stopped(), err)
	}
	if done(); line() != "0" {
		t.Errorf("let go with the line %q", line())
	}
	c.Relay.EStop = ""
	if b, done, err = OpenPump(c); err != nil || b.Stopped() {
		t.Fatalf("without an emergency stop: %v", err)
	}
	done()
	if c.Relay.Pin = "gpio:nothing-/17"; true {
		if _, _, err := OpenPump(c); err == nil {
			t.Error("a line that is not there was taken")
		}
	}
}
