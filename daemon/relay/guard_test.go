package relay

import (
	"bufio"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// failingPin is a relay's pin that fails on request.
type failingPin struct {
	gpio.PinOut
	mu              sync.Mutex
	failOn, failOff error
	up              bool
	rises           int
}

func (b *failingPin) Out(l gpio.Level) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.failOn; l && err != nil {
		return err
	}
	if err := b.failOff; !l && err != nil {
		return err
	}
	if bool(l) && !b.up {
		b.rises++
	}
	b.up = bool(l)
	return nil
}

func (b *failingPin) breaks(on, off error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failOn, b.failOff = on, off
}

func (b *failingPin) high() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.up
}

func (b *failingPin) rose() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rises
}

// contact is a simulated input without edges.
type contact struct {
	gpio.PinIn
	high atomic.Bool
}

func (c *contact) Read() gpio.Level { return gpio.Level(c.high.Load()) }

func (c *contact) WaitForEdge(d time.Duration) bool { time.Sleep(d); return false }

// rig is a guard with its pins, and the daemon's ends of its pipes.
type rig struct {
	t           *testing.T
	pin         failingPin
	estop, busy contact
	more        func(*Pins) // changes the pins
	in          *io.PipeWriter
	cancel      context.CancelFunc
	done        chan error

	mu   sync.Mutex
	said []string
}

// Write implements io.Writer for the guard's output.
func (r *rig) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}

// runRig runs the function story with a guard in the simulated time of synctest, and then ends the guard.
func runRig(t *testing.T, prepare func(*rig), story func(*rig)) {
	synctest.Test(t, func(t *testing.T) {
		in, say := io.Pipe()
		ctx, cancel := context.WithCancel(context.Background())
		r := &rig{t: t, in: say, cancel: cancel, done: make(chan error, 1)}
		if prepare != nil {
			prepare(r)
		}
		pins := Pins{Relay: &r.pin, EStop: &r.estop, Busy: &r.busy}
		if r.more != nil {
			r.more(&pins)
		}
		go func() { r.done <- Guard(ctx, in, r, pins) }()
		synctest.Wait()
		story(r)
		cancel()
		in.Close()
		r.wait(time.Minute)
		if r.pin.high() {
			t.Error("the guard has ended, and the relay is closed")
		}
	})
}

func (r *rig) say(lines string) *rig {
	io.WriteString(r.in, lines)
	synctest.Wait()
	return r
}

// wait advances the clock without lines from the daemon.
func (r *rig) wait(d time.Duration) *rig {
	time.Sleep(d)
	synctest.Wait()
	return r
}

// live advances the clock while the daemon renews its lease.
func (r *rig) live(d time.Duration) *rig {
	for ; d > 0; d -= renewal {
		r.wait(min(d, renewal)).say("keep\n")
	}
	return r
}

func (r *rig) set(c *contact, high bool) *rig {
	c.high.Store(high)
	return r
}

func (r *rig) is(on bool, when string) *rig {
	r.t.Helper()
	if r.pin.high() != on {
		r.t.Fatalf("%s: the relay is closed: %v", when, r.pin.high())
	}
	return r
}

func (r *rig) heard(line string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.said, line)
}

func (r *rig) hears(line string) *rig {
	r.t.Helper()
	if !r.heard(line) {
		r.t.Fatalf("the guard did not say %q, but %q", line, r.said)
	}
	return r
}

// wantEnd waits until the guard ends, and checks that its error is want.
func (r *rig) wantEnd(want string) *rig {
	r.t.Helper()
	select {
	case err := <-r.done:
		if err == nil || !strings.Contains(err.Error(), want) {
			r.t.Fatalf("the guard ended with %v, not %q", err, want)
		}
	case <-time.After(10 * time.Second):
		r.t.Fatalf("the guard did not end with %q", want)
	}
	synctest.Wait()
	return r.is(false, "after the guard's end")
}

func TestGuardGreetsWithItsVersionAndAnOpenRelay(t *testing.T) {
	runRig(t, nil, func(r *rig) {
		if want := []string{"guard 3 0", "e-stop 0", "busy 0"}; !slices.Equal(r.said, want) {
			t.Errorf("said %q, want %q", r.said, want)
		}
	})
}

func TestLeaseRunsFromTheLastLine(t *testing.T) {
	runRig(t, nil, func(r *rig) {
		r.say("on 1 0 0\n").hears("done 1 1")
		for range 10 { // the daemon renews the lease for longer than one lease
			r.wait(Lease-time.Millisecond).is(true, "within the lease").say("keep\n")
		}
		r.wait(Lease-time.Millisecond).is(true, "just before the lease's end")
		r.wait(time.Millisecond).is(false, "after the lease").hears("drop lease")
		r.live(5*time.Second).is(false, "after words that are no order")
		r.say("on 2 0 0\n").is(true, "after a new order")
	})
}

func TestAnswersHaveTheNumberOfTheirOrder(t *testing.T) {
	runRig(t, nil, func(r *rig) {
		r.say("off 7\n").hears("done 7 0").say("on 8 0 0\n").hears("done 8 1").say("on 9 5 0\n").hears("done 9 1")
		r.say("off 10\n").is(false, "off").hears("done 10 0").say("keep\n").hears("alive")
	})
}

func TestJobFinishesWhenItsDaemonIsLost(t *testing.T) {
	if testing.Short() {
		t.Skip("short: starts the guard as a process, or waits for its times")
	}
	lose := map[string]func(*rig){
		"a closed pipe":   func(r *rig) { r.in.Close() },
		"a missed lease":  func(*rig) {},
		"first the lease": func(r *rig) { r.wait(2 * Lease); r.in.Close() },
		"half an order":   func(r *rig) { r.say("off"); r.in.Close() },
	}
	for name, lost := range lose {
		t.Run(name, func(t *testing.T) {
			runRig(t, nil, func(r *rig) {
				r.say("on 1 3600000 0\n").set(&r.busy, true).wait(sample).live(time.Minute)
				lost(r)
				r.wait(30*time.Minute).is(true, "the machine is busy")
				r.set(&r.busy, false).wait(settle+3*sample).is(false, "the job is done").hears("drop job-done")
			})
		})
	}
}

func TestJobWithoutDaemonEndsAtItsLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("short: starts the guard as a process, or waits for its times")
	}
	runRig(t, nil, func(r *rig) {
		r.say("on 1 3600000 0\n").set(&r.busy, true).wait(sample)
		r.in.Close()
		r.wait(time.Hour-time.Millisecond).is(true, "just before the cap")
		r.wait(time.Millisecond).is(false, "at the cap").hears("drop job-late").wantEnd("connection to the daemon lost")
	})
}

func TestJobFinishesWithoutDaemonOnlyIfAllowedAndBusy(t *testing.T) {
	for _, c := range []struct {
		name, order string
		busy        bool
	}{{"idle", "on 1 3600000 0\n", false}, {"not allowed", "on 1 0 0\n", true}, {
		"no longer allowed",
		"on 1 3600000 0\non 2 0 0\n",
		true,
	}} {
		runRig(t, nil, func(r *rig) {
			r.say(c.order).set(&r.busy, c.busy).wait(sample).is(true, c.name)
			r.in.Close()
			r.wantEnd("connection to the daemon lost").hears("drop lease")
		})
	}
}

func TestLimitOfAJobRunsFromTheFirstLossOfTheDaemon(t *testing.T) {
	runRig(t, nil, func(r *rig) {
		// The daemon hangs first, and exits later.
		r.say("on 1 60000 0\n").set(&r.busy, true).wait(sample).wait(30*time.Second - sample)
		r.in.Close()
		r.wait(30*time.Second+Lease-time.Millisecond).is(true, "just before the cap")
		r.wait(time.Millisecond).is(false, "at the cap")
	})
}

func TestReturningDaemonRegainsItsJob(t *testing.T) {
	runRig(t, nil, func(r *rig) {
		r.say("on 1 60000 0\n").set(&r.busy, true).wait(sample).wait(30*time.Second).is(true, "alone")
		r.live(5*time.Minute).is(true, "the cap was for being alone")
		r.wait(time.Minute).is(true, "alone again").wait(2*Lease).is(false, "the cap runs anew")
		r.live(time.Minute).is(false, "and then it is off")
	})
}

func TestEStopOpensTheRelayInEveryState(t *testing.T) {
	for name, before := range map[string]func(*rig){
		"in a session":   func(*rig) {},
		"finishing":      func(r *rig) { r.wait(2 * Lease) },
		"without daemon": func(r *rig) { r.in.Close(); r.wait(time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			runRig(t, nil, func(r *rig) {
				r.say("on 1 3600000 0\n").set(&r.busy, true).wait(sample)
				before(r)
				r.is(true, "before").set(&r.estop, true).wait(sample).is(false, "e-stop").hears("e-stop 1").hears("drop e-stop")
			})
		})
	}
}

func TestRelayStaysOpenWhileTheEStopIsOpen(t *testing.T) {
	runRig(t, nil, func(r *rig) {
		r.set(&r.estop, true).wait(sample)
		r.say("on 1 0 0\n").is(false, "ordered").hears("deny 1 e-stop")
		r.set(&r.estop, false).live(time.Second).is(false, "closed again").hears("e-stop 0")
		r.say("on 2 0 0\n").is(true, "ordered anew")
	})
}

func TestEStopIsReadBeforeTheRelayCloses(t *testing.T) {
	runRig(t, nil, func(r *rig) {
		r.set(&r.estop, true).say("on 1 0 0\n")
		if r.pin.rose() > 0 {
			t.Error("the relay closed for a moment")
		}
		r.hears("deny 1 e-stop")
	})
}

func TestInputThatIsHighAtTheStartIsReported(t *testing.T) {
	runRig(t, func(r *rig) { r.set(&r.estop, true) }, func(r *rig) {
		r.hears("e-stop 1").say("on 1 0 0\n").is(false, "e-stop open from the start")
	})
}

// The output of a current relay drops to low once or twice in each period of the mains.
func TestFlickeringInputCountsAsHigh(t *testing.T) {
	runRig(t, nil, func(r *rig) {
		r.say("on 1 3600000 0\n").set(&r.busy, true).wait(sample)
		r.in.Close()
		for range 50 {
			r.set(&r.busy, false).wait(settle-sample).set(&r.busy, true).wait(sample)
		}
		r.is(true, "flickering").set(&r.busy, false).wait(settle+3*sample).is(false, "at rest")
	})
}

func TestInputThatIsNotWiredNeverOpensTheRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pin := &failingPin{}
		in, say := io.Pipe()
		done := make(chan error, 1)
		go func() { done <- Guard(context.Background(), in, io.Discard, Pins{Relay: pin}) }()
		io.WriteString(say, "on 1 3600000 0\n")
		synctest.Wait()
		if !pin.high() {
			t.Error("an e-stop that is not wired holds the relay open")
		}
		say.Close() // the machine is not busy, so no job may finish
		if err := <-done; !errors.Is(err, ErrLost) || pin.high() {
			t.Error(err, pin.high())
		}
	})
}

func TestGuardWithoutARelayRefusesToClose(t *testing.T) {
	var said strings.Builder
	err := Guard(t.Context(), strings.NewReader("on 1 0 0\n"), &said, Pins{})
	if err == nil || !strings.HasPrefix(said.String(), "fault relay's pin") {
		t.Errorf("ended with %v, said %q", err, said.String())
	}
}

func TestInvalidLineEndsTheGuard(t *testing.T) {
	for _, line := range []string{"", "on", "on 1", "on 1 -1", "on 1 0 ", " on 1 0 0", "on 1 0\r", "on +1 0",
		"on 01 0 0", "on 1 1e3", "on 1 604800001 0",
		"on 1 99999999999999999999 0", "on 18446744073709551616 0 0", "ON 1 0", "off", "off x",
		"keep keep", "toggle", "\x00\xff", strings.Repeat("k", 4096)} {
		runRig(t, nil, func(r *rig) {
			r.say("on 1 3600000 0\n").set(&r.busy, true).wait(sample).is(true, "before")
			go io.WriteString(r.in, line+"\n")
			if line == strings.Repeat("k", 4096) {
				r.wantEnd("longer than")
			} else {
				r.wantEnd("invalid")
			}
			if last := r.said[len(r.said)-1]; !strings.HasPrefix(last, "fault ") {
				t.Errorf("%.20q: the last word was %q", line, last)
			}
		})
	}
}

// If the daemon crashes while it writes, the line «on 1 3600000» can arrive as «on 1 36».
func TestPartialLineSwitchesNothing(t *testing.T) {
	for _, half := range []string{"on 1 36 0", "on 1 0 0", "off 1", "k"} {
		runRig(t, nil, func(r *rig) {
			r.say(half)
			r.in.Close()
			r.wantEnd("connection to the daemon lost")
			if r.pin.rose() > 0 || r.heard("done 1 1") {
				t.Errorf("%q switched on", half)
			}
		})
	}
}

func TestFailingPinEndsTheGuardWithTheReason(t *testing.T) {
	burnt := errors.New("the board\nburnt")
	runRig(t, func(r *rig) { r.pin.breaks(burnt, nil) }, func(r *rig) {
		r.say("on 1 0 0\n").wantEnd("burnt").hears("fault relay's pin: the board burnt")
	})
	runRig(t, nil, func(r *rig) {
		r.say("on 1 0 0\n")
		r.pin.breaks(nil, burnt)
		r.say("off 2\n")
		if err := <-r.done; err == nil || r.heard("done 2 0") {
			t.Errorf("confirmed what failed: %v, %q", err, r.said)
		}
		r.pin.breaks(nil, nil)
		r.pin.Out(gpio.Low) // the process of the guard ends, and the kernel releases the pin
	})
}

func TestGuardOpensTheRelayWhenItsContextEnds(t *testing.T) {
	runRig(t, nil, func(r *rig) {
		r.say("on 1 3600000 0\n").set(&r.busy, true).wait(sample).is(true, "before").cancel()
		r.wantEnd("canceled")
	})
}

// If a daemon does not read the guard's lines, it does not learn that the e-stop has opened.
func TestRelayOpensWhenTheDaemonDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pin := &failingPin{}
		in, say := io.Pipe()
		mute, out := io.Pipe()
		done := make(chan error, 1)
		go func() { done <- Guard(context.Background(), in, out, Pins{Relay: pin}) }()
		go func() {
			io.WriteString(say, "on 1 0 0\n")
			for range 2 * backlog {
				io.WriteString(say, "keep\n")
			}
		}()
		if err := <-done; !errors.Is(err, errDeaf) || pin.high() {
			t.Error(err, pin.high())
		}
		in.Close()
		mute.Close()
	})
}

func FuzzGuard(f *testing.F) {
	for _, s := range []string{
		"on 1 0 0\nkeep\noff 2\n", "on 1 1000 0\nkeep", "\n\non 1 99999999999999999999 0\n", "keep\nkeep\n",
		"on 1 0 0\non 2 5 0", "on 1 0 0\n" + strings.Repeat("x", 300),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		pin := &failingPin{}
		var said strings.Builder
		if err := Guard(context.Background(), strings.NewReader(s), &said, Pins{Relay: pin}); err == nil || pin.high() {
			t.Fatalf("ended with %v, high %v", err, pin.high())
		}
		for l := range strings.Lines(said.String()) {
			if _, err := parseGuardLine(strings.TrimSuffix(l, "\n")); err != nil {
				t.Fatalf("the guard says what the daemon does not take: %v", err)
			}
		}
	})
}

func FuzzLines(f *testing.F) {
	for _, s := range []string{
		"on 1 0 0", "on 2 604800000 0", "off 3", "keep", "guard 3 0", "done 1 1", "deny 1 runs", "door 1",
		"contactor 0", "alive", "drop lease", "e-stop 1", "busy 0", "fault x", "done 1 2", "guard", "busy 256",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if o, err := parseOrder(s); err == nil && (o.String() != s || o.finish < 0 || o.finish > MaxFinish) {
			t.Errorf("%q became %+v", s, o)
		}
		if w, err := parseGuardLine(s); err == nil && w.String() != s {
			t.Errorf("%q became %+v", s, w)
		}
		if l, err := readLine(bufio.NewReaderSize(strings.NewReader(s), maxLine)); err == nil &&
			!strings.HasPrefix(s, l+"\n") {
			t.Errorf("%q was read as %q", s, l)
		}
	})
}
