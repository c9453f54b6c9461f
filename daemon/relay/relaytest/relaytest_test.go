package relaytest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"portillon/daemon/relay"
	"portillon/daemon/relay/gpio/sim"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("RELAYTEST_GUARD"); dir != "" {
		w := relay.Wiring{Relay: "sim:" + filepath.Join(dir, "pin"), EStop: "sim:" + filepath.Join(dir, "estop")}
		p, err := w.Open()
		if err == nil {
			relay.Guard(context.Background(), os.Stdin, os.Stdout, p)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

type switcher interface {
	Set(ctx context.Context, on bool, finish, cool time.Duration) error
}

// bench is a relay, real or fake, together with functions that cause its events.
type bench struct {
	switcher
	estop  func(open bool)
	lose   func()
	lit    func() bool
	events chan relay.Event
}

func fakes(*testing.T) bench {
	events := make(chan relay.Event, 64)
	s := New(events)
	return bench{s, s.EStop, func() { s.Lose("") }, s.On, events}
}

func trues(t *testing.T) bench {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "RELAYTEST_GUARD="+dir)
	events := make(chan relay.Event, 64)
	s, err := relay.Start(t.Context(), cmd, func() bool { return true }, events)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	<-events // discard the event that reports the e-stop's first level
	return bench{s, func(open bool) { sim.Drive(filepath.Join(dir, "estop"), open) }, func() { cmd.Process.Kill() },
		func() bool { on, _ := sim.Level(filepath.Join(dir, "pin")); return on }, events}
}

// next returns the next event, without its text for the operator.
func (b bench) next(t *testing.T) relay.Event {
	t.Helper()
	select {
	case e := <-b.events:
		if e.What == relay.Lost {
			e.Why = ""
		}
		return e
	case <-time.After(5 * time.Second):
		t.Fatal("nothing happened")
	}
	return relay.Event{}
}

// The test runs the same sequence with the real relay and with the fake.
func TestFakeHasTheContractOfTheRealSwitch(t *testing.T) {
	for name, kind := range map[string]func(*testing.T) bench{"true": trues, "fake": fakes} {
		t.Run(name, func(t *testing.T) {
			b := kind(t)
			set := func(on bool, want error) {
				t.Helper()
				if err := b.Set(t.Context(), on, time.Hour, 0); !errors.Is(err, want) || b.lit() != (on && want == nil) {
					t.Fatalf("set %v: %v, and the relay is closed: %v", on, err, b.lit())
				}
			}
			set(true, nil)
			set(true, nil)
			set(false, nil)
			set(true, nil)
			b.estop(true)
			if got, want := []relay.Event{b.next(t), b.next(t)}, []relay.Event{
				{What: relay.EStop, On: true},
				{What: relay.Dropped, Why: "e-stop"},
			}; !slices.Equal(
				got,
				want,
			) {
				t.Fatalf("%+v", got)
			}
			set(true, relay.ErrEStop)
			b.estop(false)
			if e := b.next(t); e != (relay.Event{What: relay.EStop}) {
				t.Fatalf("%+v", e)
			}
			set(true, nil)
			b.lose()
			if e := b.next(t); e != (relay.Event{What: relay.Lost}) {
				t.Fatalf("%+v", e)
			}
			if err := b.Set(t.Context(), true, 0, 0); !errors.Is(err, relay.ErrNoGuard) || b.lit() {
				t.Errorf("without a guard: %v, %v", err, b.lit())
			}
		})
	}
}

func TestFakeFailsOnRequest(t *testing.T) {
	events := make(chan relay.Event, 8)
	s, broken := New(events), errors.New("broken")
	s.Fail(nil, broken)
	if err := s.Set(t.Context(), true, time.Minute, 0); err != nil || !s.On() {
		t.Error(err)
	}
	if err := s.Set(t.Context(), true, 0, 0); !errors.Is(err, broken) || s.On() {
		t.Error(err, s.On())
	}
	if want := []Order{{true, time.Minute, 0}, {true, 0, 0}}; !slices.Equal(s.Orders(), want) {
		t.Errorf("orders %+v", s.Orders())
	}
	s.Set(t.Context(), true, 0, 0)
	s.Drop()
	s.Drop()
	if s.On() || len(events) != 1 {
		t.Errorf("on %v, %d events", s.On(), len(events))
	}
}

func TestZeroFakeRefusesToClose(t *testing.T) {
	if err := new(Switch).Set(t.Context(), true, 0, 0); !errors.Is(err, relay.ErrNoGuard) {
		t.Error(err)
	}
}
