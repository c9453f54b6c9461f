package uplink

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"time"
)

func TestMachinesReconnectWithinHalfAMinuteAfterAnOutage(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := config(t, "tcp://"+l.Addr().String())
	l.Close() // nothing listens on that port any more
	c.Timeout, c.Backoff, c.BackoffMax = 7*time.Second, 0, 0
	fired := make(chan time.Time)
	close(fired)
	for _, r := range []struct {
		random float64
		want   []time.Duration // expected pauses in milliseconds
	}{
		{0, []time.Duration{250, 500, 1000, 2000, 4000, 8000, 10000, 10000}},
		{1, []time.Duration{500, 1000, 2000, 4000, 8000, 16000, 20000, 20000}},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		var pauses []time.Duration
		c.Random = func() float64 { return r.random }
		c.After = func(d time.Duration) <-chan time.Time {
			if d == 2*c.Timeout { // the timeout for an answer plays no part, because the answer arrives in time
				return nil
			}
			if pauses = append(pauses, d/time.Millisecond); len(pauses) == len(r.want) {
				cancel()
			}
			return fired
		}
		u, err := New(c, newJournal(t), Handlers{})
		if err != nil {
			t.Fatal(err)
		}
		if err := u.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if pauses = pauses[:len(r.want)]; !slices.Equal(pauses, r.want) {
			t.Errorf("random %v: pauses of %v ms, want %v", r.random, pauses, r.want)
		}
	}
}

func TestPauseIsResetAfterAStableConnection(t *testing.T) {
	for _, c := range []struct {
		progress bool
		lasted   time.Duration
		want     bool
	}{
		{false, 0, false},
		{false, time.Minute - 1, false}, // a broker that closes the connection when records arrive
		{false, time.Minute, true},      // an idle machine
		{true, time.Second, true},
	} {
		if got := firstWait(c.progress, c.lasted); got != c.want {
			t.Errorf("progress %v after %v: %v, want %v", c.progress, c.lasted, got, c.want)
		}
	}
}
