package uplink

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"portillon/daemon/uplink/brokertest"
	"portillon/wire"
)

func TestEachCodeHasAnExplanation(t *testing.T) {
	const otherJournal = "the hub holds another journal of this machine"
	for code, want := range map[string]string{
		"":                             "the reason is not known",
		"broker-away":                  "the MQTT broker is not reached",
		"broker-cuts":                  "the broker ends the connection whenever records are sent",
		"records-dropped":              "the hub answers, but the records do not reach it",
		"no-answer":                    "the broker takes the messages, and the hub does not answer",
		"other-journal":                "the hub holds other records than this machine’s journal",
		"other-hub-key":                "the acknowledgements are signed with another key than the hub’s",
		"too-large":                    "a message is larger than the limit",
		"journal-unread":               "the machine’s journal cannot be read",
		"of-a-later-version":           "reason “of-a-later-version”",
		"hub-refuses/bad-checkpoint":   "the hub pins another key for this machine",
		"hub-refuses/other-machine":    "the records are another machine’s or another site’s",
		"hub-refuses/rolled-back":      otherJournal,
		"hub-refuses/forked":           otherJournal,
		"hub-refuses/other-generation": otherJournal,
		"hub-refuses/wrong-root":       "the hub refuses records that were damaged or changed on the way",
		"hub-refuses/malformed":        "the hub refuses records that were damaged or changed on the way",
		"hub-refuses/later":            "the hub refuses the records (later)",
	} {
		if fact, _ := Explain(code); fact.EN != want {
			t.Errorf("%q: %q, want %q", code, fact.EN, want)
		}
	}
}

func TestNewReportsAJournalThatCannotBeRead(t *testing.T) {
	j := memoryJournal(t)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := New(config(t, "tcp://127.0.0.1:1"), j, Handlers{}); err == nil {
		t.Error("the cursor of a closed journal was read")
	}
}

// configWithoutTimeouts returns a configuration in which no timeout ends or repeats anything during the test.
func configWithoutTimeouts(t *testing.T, url string) Config {
	c := config(t, url)
	c.Stall, c.StallMax, c.Probe, c.ProbeMax = time.Hour, time.Hour, time.Hour, time.Hour
	return c
}

func TestLostConnectionIsReplacedBeforeAnyTimeout(t *testing.T) {
	b := broker(t, nil)
	online := make(chan bool, 10)
	run(t, configWithoutTimeouts(t, b.URL()), memoryJournal(t), Handlers{Online: func(on bool) { online <- on }})
	within(t, "the connection", online)
	b.Cut(clientPrefix)
	if within(t, "its loss", online) || !within(t, "another connection", online) {
		t.Error("the handler was not told of the loss and of the next connection, in that order")
	}
}

func TestOnlyOneStateIsInFlight(t *testing.T) {
	var states atomic.Int64
	first, replied := make(chan bool, 1), make(chan bool, 1)
	b := broker(t, func(b *brokertest.Broker) {
		b.Decide = func(m brokertest.Message) brokertest.Fate {
			switch {
			case m.Topic == topics.State("laser"):
				states.Add(1)
				replaceOldest(first, true)
				return brokertest.Mute
			case m.Topic == topics.Reply("laser") && len(m.Payload) > 0:
				replaceOldest(replied, true)
			}
			return brokertest.Deliver
		}
	})
	u, _ := run(t, configWithoutTimeouts(t, b.URL()), memoryJournal(t), Handlers{
		Command: func(context.Context, []byte) []byte { return []byte("done") },
	})
	u.SetState(wire.State{Machine: "laser", Journal: 1})
	within(t, "the first state", first)
	u.SetState(wire.State{Machine: "laser", Journal: 2})
	b.Publish(topics.Command("laser"), []byte("now"), false) // the reply is sent after the messages that contain the state
	within(t, "the reply", replied)
	if n := states.Load(); n != 1 {
		t.Errorf("%d states were sent, and the broker has acknowledged none", n)
	}
}

func TestHubThatAnswersIsAskedAgainOnlyAfterTheProbeTime(t *testing.T) {
	b := broker(t, nil)
	startAnsweringHub(t, b.URL())
	c := config(t, b.URL())
	c.Stall, c.Probe, c.ProbeMax = 100*time.Millisecond, 177*time.Millisecond, 150*time.Millisecond
	probe, probed := c.Probe, make(chan bool, 1)
	c.After = func(d time.Duration) <-chan time.Time {
		if d == probe {
			replaceOldest(probed, true)
		}
		return time.After(d)
	}
	u, _ := run(t, c, memoryJournal(t), Handlers{})
	u.SetState(wire.State{Machine: "laser"})
	within(t, "a wait of Probe", probed)
}

// A record of an earlier boot may have a lower uptime than the present uptime. Only the boot id shows that the record
// is of another boot.
func TestRecordOfAnEarlierStartIsDatedByTheWallClock(t *testing.T) {
	now := moment{boot: "b", mono: 5000, wall: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), trusted: true}
	r := wire.Record{Boot: "a", Mono: 3000, Wall: now.wall.Add(-time.Hour), Clock: wire.ClockTrusted}
	if got, want := now.writeTime(r), 5000-time.Hour.Milliseconds(); got != want {
		t.Errorf("%d, want %d", got, want)
	}
}

// statesSent calls the function set with an uplink, makes the uplink publish a reply afterwards, and returns how many
// states were sent before the reply.
func statesSent(t *testing.T, set func(u *Uplink, sent <-chan bool)) int64 {
	var states atomic.Int64
	sent, replied := make(chan bool, 1), make(chan bool, 1)
	b := broker(t, func(b *brokertest.Broker) {
		b.Decide = func(m brokertest.Message) brokertest.Fate {
			switch {
			case m.Topic == topics.State("laser"):
				states.Add(1)
				replaceOldest(sent, true)
			case m.Topic == topics.Reply("laser") && len(m.Payload) > 0:
				replaceOldest(replied, true)
			}
			return brokertest.Deliver
		}
	})
	online := make(chan bool, 10)
	u, _ := run(t, configWithoutTimeouts(t, b.URL()), memoryJournal(t), Handlers{
		Online:  func(on bool) { online <- on },
		Command: func(context.Context, []byte) []byte { return []byte("done") },
	})
	within(t, "the connection", online)
	set(u, sent)
	b.Publish(topics.Command("laser"), []byte("now"), false)
	within(t, "the reply", replied)
	return states.Load()
}

func TestNoStateIsSentBeforeSetState(t *testing.T) {
	if n := statesSent(t, func(*Uplink, <-chan bool) {}); n != 0 {
		t.Errorf("%d states were sent", n)
	}
}

func TestEqualStateIsNotSentAgain(t *testing.T) {
	n := statesSent(t, func(u *Uplink, sent <-chan bool) {
		u.SetState(wire.State{Machine: "laser", Journal: 1})
		within(t, "the state", sent)
		u.SetState(wire.State{Machine: "laser", Journal: 1})
	})
	if n != 1 {
		t.Errorf("%d states were sent, want 1", n)
	}
}
