package relay

import (
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// When two cards are exchanged in a slot, the daemon sends the orders off and on within milliseconds. The contactor
// needs 50 ms to open, or 500 ms with a charge pump.
func TestOrderWhileTheContactorOpensIsNotAFault(t *testing.T) {
	feedback := &contact{}
	runRig(t, func(r *rig) { r.more = func(p *Pins) { p.Contactor = feedback } }, func(r *rig) {
		r.wait(time.Second).say("on 1 0 0\n")
		feedback.high.Store(true)
		r.live(2 * time.Second)
		r.say("off 2\n").wait(10 * time.Millisecond).say("on 3 0 0\n")
		r.wait(40 * time.Millisecond)
		feedback.high.Store(false) // the contactor opens after 50 ms, as a working contactor does
		r.live(time.Second)
		r.mu.Lock()
		defer r.mu.Unlock()
		if slices.Contains(r.said, "contactor 1") {
			t.Errorf(
				"a sound contactor was called a liar (the daemon tags the machine out until a maintainer comes): %s",
				strings.Join(r.said, ", "),
			)
		}
	})
}

// glitchingEStop is an e-stop that reads as open once, without an edge on its line.
type glitchingEStop struct {
	gpio.PinIn
	now atomic.Bool
}

func (s *glitchingEStop) Read() gpio.Level                 { return gpio.Level(s.now.Swap(false)) }
func (s *glitchingEStop) WaitForEdge(d time.Duration) bool { time.Sleep(d); return false }

// If the guard refuses an order because of the e-stop, it must later report that the e-stop is closed, because the
// daemon treats the refusal as a fault until then.
func TestRefusalAfterAShortPulseIsFollowedByAnAllClear(t *testing.T) {
	s := &glitchingEStop{}
	runRig(t, func(r *rig) { r.more = func(p *Pins) { p.EStop = s } }, func(r *rig) {
		r.wait(time.Second)
		s.now.Store(true)
		r.say("on 1 0 0\n").live(10 * time.Second)
		r.mu.Lock()
		defer r.mu.Unlock()
		deny := slices.Index(r.said, "deny 1 e-stop")
		if deny < 0 {
			t.Fatal(r.said)
		}
		if after := append(r.said[:deny:deny], r.said[deny:]...); !slices.Contains(after[deny:], "e-stop 0") &&
			!slices.Contains(after, "e-stop 1") {
			t.Errorf(
				"the start was refused for the e-stop, and ten seconds later nothing has taken it back: %s",
				strings.Join(r.said, ", "),
			)
		}
	})
}

type nowhere struct{}

func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (nowhere) Close() error                { return nil }

type immortal struct{ kills atomic.Int32 }

func (d *immortal) Wait() error { return errors.New("never") }
func (d *immortal) Kill() error { d.kills.Add(1); return nil }

// Switch.end must kill a guard that does not exit, whichever of its two timers of equal duration fires first.
func TestSwitchKillsAGuardThatDoesNotExit(t *testing.T) {
	var in io.WriteCloser = nowhere{}
	for range 200 {
		d := &immortal{}
		if !newSwitch(in, d, nil).end(200*time.Microsecond) && d.kills.Load() == 0 {
			t.Fatalf(
				"the guard did not end and was killed %d times: it holds the relay as it was, and nobody tries again",
				d.kills.Load(),
			)
		}
	}
}
