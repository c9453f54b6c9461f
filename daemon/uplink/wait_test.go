package uplink

import (
	"context"
	"errors"
	"testing"
	"time"

	"portillon/wire"
	"portillon/wire/mqtt"
)

func TestDefaultsAreAsDocumentedInConfig(t *testing.T) {
	c := defaults(Config{})
	for name, x := range map[string]struct{ got, want time.Duration }{
		"Timeout":    {c.Timeout, 10 * time.Second},
		"Stall":      {c.Stall, 10 * time.Second},
		"StallMax":   {c.StallMax, 5 * time.Minute},
		"Backoff":    {c.Backoff, 500 * time.Millisecond},
		"BackoffMax": {c.BackoffMax, 20 * time.Second},
		"Probe":      {c.Probe, 3 * time.Minute},
		"ProbeMax":   {c.ProbeMax, time.Minute},
	} {
		if x.got != x.want {
			t.Errorf("%s is %v by default, want %v", name, x.got, x.want)
		}
	}
	if c.Batch != wire.MaxBatchRecords || c.BatchBytes != wire.MaxBatch {
		t.Errorf("a message holds %d records in %d bytes by default", c.Batch, c.BatchBytes)
	}
	if c.Trusted() {
		t.Error("the machine's clock is trusted by default")
	}
}

func TestStallTimerStartsWhenAnAnswerIsDue(t *testing.T) {
	var started []time.Duration
	timer := stallTimer{wait: time.Second, shortest: time.Second, longest: 3 * time.Second,
		after: func(d time.Duration) <-chan time.Time {
			started = append(started, d)
			return make(chan time.Time)
		}}
	for _, step := range []struct {
		name    string
		do      func()
		running bool
		started int
		wait    time.Duration
	}{
		{"no answer is due", func() { timer.update(false) }, false, 0, time.Second},
		{"an answer is due", func() { timer.update(true) }, true, 1, time.Second},
		{"the answer is still due", func() { timer.update(true) }, true, 1, time.Second},
		{"the answer has arrived", func() { timer.update(false) }, false, 1, time.Second},
		{"another answer is due", func() { timer.update(true) }, true, 2, time.Second},
		{"the answer did not arrive", timer.elapsed, false, 2, 2 * time.Second},
		{"the answer is missing again", timer.elapsed, false, 2, 3 * time.Second},
		{"the hub has acknowledged records", timer.reset, false, 2, time.Second},
	} {
		step.do()
		if (timer.c != nil) != step.running || len(started) != step.started || timer.wait != step.wait {
			t.Errorf("%s: running %v, started %v, wait %v; want %v, %d times, %v",
				step.name, timer.c != nil, started, timer.wait, step.running, step.started, step.wait)
		}
	}
}

// stoppedUplink returns an uplink that is not running, with n records in its journal.
func stoppedUplink(t *testing.T, n int) (*Uplink, *monotonic) {
	c, clock := configWithClock(t, "tcp://127.0.0.1:1")
	j := memoryJournal(t)
	grow(t, j, n)
	u, err := New(c, j, Handlers{})
	if err != nil {
		t.Fatal(err)
	}
	return u, clock
}

func TestGoodAnswerEndsTheFaultThatTheUplinkFound(t *testing.T) {
	u, _ := stoppedUplink(t, 3)
	u.noteConnected()
	u.noteFault(OtherHubKey, "no trusted key")
	u.noteAnswer(wire.NewAckRefused("malformed", "record 2"), true, false)
	if h := u.Health(); h.Why != HubRefuses {
		t.Errorf("the hub refuses the records: %+v", h)
	}
	u.noteFault(OtherHubKey, "no trusted key")
	if u.noteAnswer(nil, true, false); u.Health().Owed == 0 || u.Health().Why != "" || u.Health().Detail != "" {
		t.Errorf("after a good answer, with records still owed: %+v", u.Health())
	}
}

func TestRecordsOfAnUnreadableJournalAreOverdueSinceTheFirstFailure(t *testing.T) {
	u, clock := stoppedUplink(t, 0)
	grow(t, u.j, 1)
	if err := u.j.Close(); err != nil {
		t.Fatal(err)
	}
	u.noteConnected()
	u.findOldestOwed()
	clock.pass(5 * time.Second)
	if u.findOldestOwed(); u.Health().Owed != 5*time.Second {
		t.Errorf("owed for %v, want 5s", u.Health().Owed)
	}
}

// If a connection brings no new acknowledgement, the next pause is longer.
func TestConnectionReportsWhetherTheHubAcknowledgedRecords(t *testing.T) {
	b := broker(t, nil)
	j := memoryJournal(t)
	grow(t, j, 3)
	startHub(t, b.URL())
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	u, err := New(configWithoutTimeouts(t, b.URL()), j, Handlers{Acked: func([]byte) { cancel() }})
	if err != nil {
		t.Fatal(err)
	}
	if progress, err := u.runConnection(ctx); !progress || !errors.Is(err, context.Canceled) {
		t.Errorf("progress %v, %v; want progress until the context ended", progress, err)
	}
}

// doneToken is the token of a publish that the broker has acknowledged, or that failed.
type doneToken struct{ err error }

func (doneToken) Done() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func (t doneToken) Error() error { return t.err }

func TestPublishThatFailsEndsTheConnection(t *testing.T) {
	lost := errors.New("connection lost")
	l := &link{state: statePublisher{token: doneToken{lost}}}
	if err := l.publishState(); !errors.Is(err, lost) {
		t.Errorf("the state was not published: %v", err)
	}
	l = &link{tokens: []mqtt.Token{doneToken{}, doneToken{lost}}}
	if err := l.removeAcknowledged(); !errors.Is(err, lost) {
		t.Errorf("records were not published: %v", err)
	}
}

func TestUplinkWaitsForTheBrokerOnceMaxUnackedPublishesAreUnacknowledged(t *testing.T) {
	l := &link{tokens: make([]mqtt.Token, 0, maxUnacked)}
	for range maxUnacked {
		if l.oldestUnacked() != nil {
			t.Fatalf("the uplink waits with %d publishes unacknowledged, want %d", len(l.tokens), maxUnacked)
		}
		l.tokens = append(l.tokens, doneToken{})
	}
	if l.oldestUnacked() == nil {
		t.Errorf("the uplink does not wait with %d publishes unacknowledged", len(l.tokens))
	}
}
