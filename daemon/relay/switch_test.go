package relay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// pipe is a pipe like the kernel's: writes succeed until the pipe is full. io.Pipe is not used, because its writers
// wait for a reader.
type pipe struct {
	full   chan []byte
	ended  chan struct{}
	end    sync.Once
	unread []byte
}

func newPipe() *pipe { return &pipe{full: make(chan []byte, 10000), ended: make(chan struct{})} }

func (p *pipe) Write(b []byte) (int, error) {
	select {
	case <-p.ended:
		return 0, io.ErrClosedPipe
	default:
	}
	select {
	case p.full <- slices.Clone(b):
		return len(b), nil
	case <-p.ended:
		return 0, io.ErrClosedPipe
	}
}

func (p *pipe) Read(b []byte) (int, error) {
	for len(p.unread) == 0 {
		select {
		case p.unread = <-p.full:
		default:
			select {
			case p.unread = <-p.full:
			case <-p.ended:
				if len(p.full) == 0 {
					return 0, io.EOF
				}
			}
		}
	}
	n := copy(b, p.unread)
	p.unread = p.unread[n:]
	return n, nil
}

func (p *pipe) Close() error {
	p.end.Do(func() { close(p.ended) })
	return nil
}

// fakeGuard is a guard that sends the lines of a test. The fake guard ends when it is killed. Unless it is stuck, it
// also ends when its input ends.
type fakeGuard struct {
	in, out *pipe
	orders  *bufio.Reader // lines that the daemon has sent to the guard
	dead    chan struct{}
	once    sync.Once
	killed  atomic.Bool
	stuck   atomic.Bool
}

func newFake() (*fakeGuard, io.WriteCloser, io.Reader) {
	f := &fakeGuard{in: newPipe(), out: newPipe(), dead: make(chan struct{})}
	f.orders = bufio.NewReader(f.in)
	return f, f.in, f.out
}

func (f *fakeGuard) Kill() error {
	f.killed.Store(true)
	f.end()
	return nil
}

func (f *fakeGuard) end() {
	f.once.Do(func() {
		f.out.Close()
		f.in.Close()
		close(f.dead)
	})
}

func (f *fakeGuard) Wait() error {
	<-f.dead
	if f.killed.Load() {
		return errors.New("signal: killed")
	}
	return nil
}

func (f *fakeGuard) say(lines string) { io.WriteString(f.out, lines) }

// obey answers orders with reply, until the input ends.
func (f *fakeGuard) obey(reply func(order) string) {
	for {
		line, err := f.orders.ReadString('\n')
		if err != nil {
			if !f.stuck.Load() {
				f.end()
			}
			return
		}
		o, err := parseOrder(strings.TrimSuffix(line, "\n"))
		if err != nil {
			f.say("fault " + err.Error() + "\n")
			f.end()
			return
		}
		f.say(reply(o))
	}
}

// workingReply answers an order as a working guard does.
func workingReply(o order) string {
	if o.do == "keep" {
		return "alive\n"
	}
	return guardLine{say: "done", id: o.id, on: o.do == "on"}.String() + "\n"
}

func mute(order) string { return "" }

// withSwitch starts a Switch with a fake guard, runs the function story, and closes the Switch.
func withSwitch(
	t *testing.T,
	alive func() bool,
	reply func(order) string,
	story func(*testing.T, *Switch, *fakeGuard, chan Event),
) {
	synctest.Test(t, func(t *testing.T) {
		f, say, hear := newFake()
		events := make(chan Event, 64)
		go f.obey(reply)
		go f.say("guard 3 0\n")
		s, err := newSwitch(say, f, alive).begin(t.Context(), hear, events)
		if err != nil {
			t.Fatal(err)
		}
		story(t, s, f, events)
		s.Close()
		time.Sleep(time.Minute)
		select {
		case <-f.dead:
		default:
			t.Error("closed, and the guard lives")
		}
	})
}

// duration returns how long the function do takes, and fails the test if do takes a second or more.
func duration(t *testing.T, do func()) time.Duration {
	t.Helper()
	start := time.Now()
	do()
	if d := time.Since(start); d >= time.Second {
		t.Errorf("took %v", d)
	}
	return time.Since(start)
}

func why(events chan Event) string {
	for e := range events {
		if e.What == Lost {
			return e.Why
		}
	}
	return ""
}

func TestSetReturnsWhenTheGuardHasConfirmed(t *testing.T) {
	slow := func(o order) string {
		if o.do != "keep" {
			time.Sleep(confirmation - time.Millisecond)
		}
		return workingReply(o)
	}
	withSwitch(t, yes, slow, func(t *testing.T, s *Switch, _ *fakeGuard, _ chan Event) {
		for _, on := range []bool{true, true, false, false, true} {
			var err error
			if d := duration(t, func() { err = s.Set(t.Context(), on, time.Hour, 0) }); err != nil ||
				d < confirmation-time.Millisecond {
				t.Errorf("%v after %v", err, d)
			}
		}
	})
}

func TestGuardThatDoesNotConfirmIsEnded(t *testing.T) {
	for name, f := range map[string]struct {
		reply func(order) string
		want  string
	}{
		"silent":            {mute, "did not answer"},
		"answers keep only": {func(o order) string { return "alive\n" }, "did not answer"},
		"another order":     {func(o order) string { return workingReply(order{do: o.do, id: o.id + 1}) }, "unexpected line"},
		"twice":             {func(o order) string { return workingReply(o) + workingReply(o) }, "unexpected line"},
		"nonsense":          {func(order) string { return "done\n" }, "invalid"},
		"no line feed":      {func(order) string { return strings.Repeat("x", 300) }, "longer than"},
		"greets again":      {func(order) string { return "guard 3 0\n" }, "unexpected line"},
		"gives up":          {func(order) string { return "fault the board burnt\n" }, "burnt"},
	} {
		t.Run(name, func(t *testing.T) {
			withSwitch(t, yes, f.reply, func(t *testing.T, s *Switch, g *fakeGuard, events chan Event) {
				g.stuck.Store(true)
				var err error
				duration(t, func() { err = s.Set(t.Context(), true, 0, 0) })
				if err == nil && name != "twice" {
					t.Error("no error")
				}
				if got := why(events); !strings.Contains(got, f.want) || !g.killed.Load() {
					t.Errorf("lost with %q, killed %v", got, g.killed.Load())
				}
				duration(t, func() { err = s.Set(t.Context(), true, 0, 0) })
				if err == nil {
					t.Error("a lost guard switched on")
				}
			})
		})
	}
}

func TestGuardThatDoesNotOpenTheRelayIsEnded(t *testing.T) {
	liar := func(o order) string {
		if o.do == "off" {
			return fmt.Sprintf("done %d 1\n", o.id)
		}
		return workingReply(o)
	}
	withSwitch(t, yes, liar, func(t *testing.T, s *Switch, _ *fakeGuard, events chan Event) {
		if err := s.Set(t.Context(), true, 0, 0); err != nil {
			t.Fatal(err)
		}
		if err := s.Set(t.Context(), false, 0, 0); err == nil || !strings.Contains(why(events), "did not open") {
			t.Error(err)
		}
	})
}

// A drop line must not be taken for the answer to the order that follows it.
func TestDropIsNotTheAnswerToAnOrder(t *testing.T) {
	dropping := func(o order) string {
		if o.do == "on" {
			return "drop lease\n" + workingReply(o)
		}
		return workingReply(o)
	}
	withSwitch(t, yes, dropping, func(t *testing.T, s *Switch, _ *fakeGuard, events chan Event) {
		if err := s.Set(t.Context(), true, 0, 0); err != nil {
			t.Error(err)
		}
		if e := <-events; e != (Event{What: Dropped, Why: "lease"}) {
			t.Errorf("%+v", e)
		}
	})
}

func TestRefusalBecauseOfTheEStopKeepsTheGuard(t *testing.T) {
	refuses := func(o order) string {
		if o.do == "on" {
			return fmt.Sprintf("deny %d e-stop\n", o.id)
		}
		return workingReply(o)
	}
	withSwitch(t, yes, refuses, func(t *testing.T, s *Switch, _ *fakeGuard, _ chan Event) {
		if err := s.Set(t.Context(), true, 0, 0); !errors.Is(err, ErrEStop) {
			t.Error(err)
		}
		if err := s.Set(t.Context(), false, 0, 0); err != nil {
			t.Error(err)
		}
	})
}

func TestHangingGuardIsDetectedWithinThreeSeconds(t *testing.T) {
	var hung atomic.Bool
	hangs := func(o order) string {
		if hung.Load() {
			return ""
		}
		return workingReply(o)
	}
	withSwitch(t, yes, hangs, func(t *testing.T, s *Switch, g *fakeGuard, events chan Event) {
		time.Sleep(time.Hour)
		hung.Store(true)
		g.stuck.Store(true)
		start := time.Now()
		if got := why(events); got != "guard does not answer renewals" || time.Since(start) > 3*time.Second ||
			!g.killed.Load() {
			t.Errorf("%q after %v, killed %v", got, time.Since(start), g.killed.Load())
		}
	})
}

func TestLeaseIsRenewedOnlyWhileTheDaemonLives(t *testing.T) {
	var dead atomic.Bool
	var keeps atomic.Int64
	counts := func(o order) string {
		if o.do == "keep" {
			keeps.Add(1)
		}
		return workingReply(o)
	}
	withSwitch(t, func() bool { return !dead.Load() }, counts, func(t *testing.T, s *Switch, _ *fakeGuard, _ chan Event) {
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got, want := keeps.Load(), int64(10*time.Second/renewal); got != want {
			t.Errorf("%d keeps in ten seconds, want %d", got, want)
		}
		dead.Store(true)
		keeps.Store(0)
		time.Sleep(time.Hour)
		if got := keeps.Load(); got != 0 {
			t.Errorf("%d keeps of a daemon that is dead", got)
		}
		if err := s.Set(t.Context(), true, 0, 0); err != nil {
			t.Error(err)
		}
	})
}

func TestLeaseEndsWithoutAnAliveFunction(t *testing.T) {
	var keeps atomic.Int64
	withSwitch(
		t,
		nil,
		func(o order) string { keeps.Add(1); return workingReply(o) },
		func(t *testing.T, _ *Switch, _ *fakeGuard, _ chan Event) {
			time.Sleep(time.Minute)
			if got := keeps.Load(); got != 0 {
				t.Errorf("%d keeps", got)
			}
		},
	)
}

func TestSwitchingWithACancelledContextStopsTheGuardProcess(t *testing.T) {
	withSwitch(t, yes, mute, func(t *testing.T, s *Switch, g *fakeGuard, events chan Event) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Millisecond, cancel)
		if err := s.Set(ctx, true, 0, 0); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		why(events)
	})
}

// A card may be tapped while the daemon ends. The tap must not close the relay, and the relay must be open after the
// daemon has ended.
func TestOrderToCloseIsNotSentAfterTheContextEnded(t *testing.T) {
	var given atomic.Int64
	counts := func(o order) string {
		if o.do == "on" {
			given.Add(1)
		}
		return workingReply(o)
	}
	withSwitch(t, yes, counts, func(t *testing.T, s *Switch, g *fakeGuard, events chan Event) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Set(ctx, true, 0, 0); !errors.Is(err, context.Canceled) || given.Load() > 0 {
			t.Errorf("%v, and the relay was told to close %d times", err, given.Load())
		}
		if got := why(events); got != "context canceled" || g.killed.Load() {
			t.Errorf("lost with %q, killed %v", got, g.killed.Load())
		}
	})
}

func TestCloseOpensTheRelayBeforeItClosesThePipe(t *testing.T) {
	var last atomic.Value
	withSwitch(
		t,
		yes,
		func(o order) string { last.Store(o.do); return workingReply(o) },
		func(t *testing.T, s *Switch, g *fakeGuard, _ chan Event) {
			s.Set(t.Context(), true, time.Hour, 0)
			if err := s.Close(); err != nil || last.Load() != "off" || g.killed.Load() {
				t.Errorf("%v; the last order was %v, killed %v", err, last.Load(), g.killed.Load())
			}
			if err := s.Close(); err != nil {
				t.Error("again:", err)
			}
			if err := s.Set(t.Context(), true, 0, 0); err == nil {
				t.Error("a closed Switch switched on")
			}
		},
	)
}

func TestCloseReturnsWithinItsTimeLimit(t *testing.T) {
	withSwitch(t, yes, workingReply, func(t *testing.T, s *Switch, g *fakeGuard, _ chan Event) {
		g.stuck.Store(true)
		start := time.Now()
		if err := s.Close(); err == nil || !g.killed.Load() || time.Since(start) > farewell+time.Millisecond {
			t.Errorf("%v after %v, killed %v", err, time.Since(start), g.killed.Load())
		}
	})
}

// Orders must be executed even if the guard's events are not read.
func TestUnreadEventsDoNotBlockOrders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, say, hear := newFake()
		go f.obey(workingReply)
		go f.say("guard 3 0\n")
		events := make(chan Event)
		s, err := newSwitch(say, f, yes).begin(t.Context(), hear, events)
		if err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			f.say("e-stop 1\ndrop e-stop\ne-stop 0\n")
		}
		f.say("busy 1\n")
		if err := s.Set(t.Context(), true, 0, 0); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		var got []Event
		for range 4 {
			got = append(got, <-events)
		}
		if want := []Event{
			{EStop, true, ""}, {Dropped, false, "e-stop"}, {EStop, false, ""}, {Busy, true, ""},
		}; !slices.Equal(
			got,
			want,
		) {
			t.Errorf("%+v", got)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestStartErrorGivesTheGuardsReason(t *testing.T) {
	for line, want := range map[string]string{
		"fault line 17 of /dev/gpiochip0 is held by \"other\"\n": "held by",
		"guard 1\n":      "invalid",
		"guard 9 0\n":    "same version",
		"guard 3 1\n":    "same version",
		"done 1 1\n":     "same version",
		"alive":          "no first line within",
		"":               "no first line within",
		"Usage of guard": "no first line within",
	} {
		synctest.Test(t, func(t *testing.T) {
			f, say, hear := newFake()
			f.stuck.Store(true)
			go f.obey(mute)
			go func() {
				f.say(line)
				if strings.HasPrefix(line, "fault") {
					f.end()
				}
			}()
			_, err := newSwitch(say, f, yes).begin(t.Context(), hear, make(chan Event))
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v", line, err)
			}
			select {
			case <-f.dead:
			default:
				t.Errorf("%q: it lives", line)
			}
		})
	}
}

func TestZeroSwitchRefusesToClose(t *testing.T) {
	s := new(Switch)
	if err := s.Set(t.Context(), true, 0, 0); !errors.Is(err, ErrNoGuard) {
		t.Error("the zero Switch answered", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestFinishTimeIsAtMostMaxFinish(t *testing.T) {
	withSwitch(t, yes, workingReply, func(t *testing.T, s *Switch, _ *fakeGuard, _ chan Event) {
		for _, d := range []time.Duration{-1, MaxFinish + 1} {
			if err := s.Set(t.Context(), true, d, 0); err == nil {
				t.Errorf("%v was taken", d)
			}
		}
		if err := s.Set(t.Context(), true, MaxFinish, 0); err != nil {
			t.Error(err)
		}
	})
}
