package uplink

import (
	"context"
	"encoding/hex"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"portillon/daemon/journal"
	"portillon/daemon/uplink/brokertest"
	"portillon/wire"
)

// monotonic is a simulated clock of the computer, which advances only when the test moves it.
type monotonic struct{ atomic.Int64 }

func (m *monotonic) pass(d time.Duration) { m.Add(d.Milliseconds()) }

// configWithClock returns the result of config, with a separate clock that the test moves.
func configWithClock(t testing.TB, url string) (Config, *monotonic) {
	m := &monotonic{}
	m.pass(time.Hour)
	c := config(t, url)
	c.Mono, c.ProbeMax = m.Load, 200*time.Millisecond
	return c, m
}

// waitForHealth waits until the uplink's health satisfies the condition.
func waitForHealth(t testing.TB, u *Uplink, what string, is func(Health) bool) Health {
	t.Helper()
	poll := time.Tick(2 * time.Millisecond)
	for end := time.Now().Add(deadline); ; <-poll {
		h := u.Health()
		if is(h) {
			return h
		}
		if time.Now().After(end) {
			t.Fatalf("the health is not %s: %+v", what, h)
		}
	}
}

// startAnsweringHub starts a hub that answers each state with an acknowledgement, but accepts no records.
func startAnsweringHub(t testing.TB, url string) mqtt.Client {
	s, _ := hubKey(t)
	var c mqtt.Client
	ready := make(chan mqtt.Client, 1)
	c = watch(t, url, topics.State("laser"), func(_ string, retained bool, _ []byte) {
		c := <-ready
		ready <- c
		a, err := wire.SignAck(wire.Ack{Site: "lab", Machine: "laser"}, s)
		if err != nil {
			t.Error(err)
		}
		c.Publish(topics.Ack("laser"), 1, true, a)
	})
	ready <- c
	return c
}

func TestBrokerThatDropsRecordsIsDistinguishedFromAMissingHub(t *testing.T) {
	drop := func(b *brokertest.Broker) {
		b.Decide = func(m brokertest.Message) brokertest.Fate {
			if isRecords(m) {
				return brokertest.Swallow
			}
			return brokertest.Deliver
		}
	}
	for _, c := range []struct {
		name   string
		set    func(*brokertest.Broker)
		hub    bool
		want   Why
		online bool // the state shortly before an acknowledgement is overdue
	}{
		{"the broker drops records", drop, true, RecordsDropped, true},
		{"no hub is running", nil, false, NoAnswer, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := broker(t, c.set)
			j := memoryJournal(t)
			conf, clock := configWithClock(t, b.URL())
			grow(t, j, 3)
			if c.hub {
				startAnsweringHub(t, b.URL())
			}
			u, _ := run(t, conf, j, Handlers{})
			u.SetState(wire.State{Machine: "laser", Journal: 3})
			waitForHealth(t, u, "connected", func(h Health) bool { return h.Broker && h.Hub == c.online })
			waitForHealth(t, u, string(c.want), func(h Health) bool { clock.pass(time.Second); return h.Why == c.want })
			clock.pass(Overdue)
			h := waitForHealth(t, u, "overdue", func(h Health) bool { return h.Overdue && h.Why == c.want })
			if h.Hub || h.Since.IsZero() {
				t.Errorf("%+v", h)
			}
		})
	}
}

func TestIdleMachineDetectsThatTheHubIsGone(t *testing.T) {
	b := broker(t, nil)
	j := memoryJournal(t)
	conf, clock := configWithClock(t, b.URL())
	conf.Probe = 50 * time.Millisecond
	hub := startAnsweringHub(t, b.URL())
	u, _ := run(t, conf, j, Handlers{})
	u.SetState(wire.State{Machine: "laser"})
	waitForHealth(t, u, "answered", func(h Health) bool { return h.Hub && h.Owed == 0 })
	hub.Disconnect(0)
	waitForHealth(t, u, "asked", func(h Health) bool { return h.Owed > 0 })
	clock.pass(Overdue)
	waitForHealth(t, u, "overdue", func(h Health) bool { return h.Overdue && !h.Hub && h.Why == NoAnswer })
	startAnsweringHub(t, b.URL())
	waitForHealth(t, u, "answered again", func(h Health) bool { return h.Hub && h.Owed == 0 })
}

// An acknowledgement that the broker retains does not show that the hub is running.
func TestRetainedAcknowledgementDoesNotShowThatTheHubRuns(t *testing.T) {
	b := broker(t, nil)
	j := memoryJournal(t)
	s, _ := hubKey(t)
	grow(t, j, 3)
	b.Publish(topics.Ack("laser"), signedAckOf(t, j, nil, s), true)
	conf, clock := configWithClock(t, b.URL())
	u, _ := run(t, conf, j, Handlers{})
	u.SetState(wire.State{Machine: "laser", Journal: 3})
	waitForHealth(t, u, "asked", func(h Health) bool { return h.Broker && u.Acked() == 3 && h.Owed > 0 && !h.Hub })
	clock.pass(Overdue)
	waitForHealth(t, u, "overdue", func(h Health) bool { return h.Overdue && h.Why == NoAnswer })
}

func TestHealthReportsTheHubsRefusalUntilTheNextGoodAcknowledgement(t *testing.T) {
	b := broker(t, nil)
	j := memoryJournal(t)
	grow(t, j, 3)
	var batches atomic.Int64
	first, later := make(chan bool, 1), make(chan bool, 1)
	b.Decide = func(m brokertest.Message) brokertest.Fate {
		switch {
		case isRecords(m):
			batches.Add(1)
			replaceOldest(first, true)
		case strings.Contains(string(m.Payload), `"phase":"later"`):
			replaceOldest(later, true)
		}
		return brokertest.Deliver
	}
	conf, _ := configWithClock(t, b.URL())
	conf.Stall = deadline // the machine sends again only after an acknowledgement
	s, _ := hubKey(t)
	u, _ := run(t, conf, j, Handlers{})
	within(t, "a batch", first)
	for _, code := range []string{"malformed", "wrong-root", "bad-checkpoint"} {
		no := func(a *wire.Ack) { a.Seq, a.Root, a.Refused = 0, "", wire.NewAckRefused(code, "no trusted key") }
		b.Publish(topics.Ack("laser"), signedAckOf(t, j, no, s), true)
		h := waitForHealth(t, u, code, func(h Health) bool { return h.Code() == "hub-refuses/"+code })
		if h.Detail != "no trusted key" {
			t.Errorf("%+v", h)
		}
	}
	u.SetState(wire.State{Machine: "laser", Phase: "later"})
	within(t, "the state, after all that was sent before", later)
	if n := batches.Load(); n != 1 {
		t.Errorf("%d batches were sent to a hub that refuses", n)
	}
	b.Publish(
		topics.Ack("laser"),
		signedAckOf(t, j, func(a *wire.Ack) { root, _ := j.Root(3); a.Seq, a.Root = 3, hex.EncodeToString(root[:]) }, s),
		true,
	)
	waitForHealth(t, u, "well", func(h Health) bool { return h.Owed == 0 && h.Why == "" && h.Hub })
}

func TestHealthNamesEachFaultOfTheConnection(t *testing.T) {
	lose := func(b *brokertest.Broker) {
		b.Decide = func(m brokertest.Message) brokertest.Fate {
			if isRecords(m) {
				return brokertest.Lose
			}
			return brokertest.Deliver
		}
	}
	s, _ := hubKey(t)
	stranger, _ := keyPair(t, "hub", 7)
	for _, c := range []struct {
		name   string
		set    func(*brokertest.Broker)
		conf   func(*Config)
		act    func(*brokertest.Broker, *journal.Journal)
		want   Why
		detail string
	}{
		{"the broker denies the account",
			func(b *brokertest.Broker) { b.Refuse = func(string) byte { return 5 } }, nil, nil, BrokerAway,
			"ot Authorized"},
		{"the broker closes connections",
			lose, func(c *Config) { c.Timeout = 300 * time.Millisecond }, nil, BrokerCuts, "lost"},
		{"acknowledgement signed with another key", nil, nil, func(b *brokertest.Broker, j *journal.Journal) {
			b.Publish(topics.Ack("laser"), signedAckOf(t, j, nil, stranger), true)
		}, OtherHubKey, "no trusted key"},
		{"acknowledgement of another journal", nil, nil, func(b *brokertest.Broker, j *journal.Journal) {
			b.Publish(topics.Ack("laser"), signedAckOf(t, j, func(a *wire.Ack) { a.Root = strings.Repeat("0", 64) }, s), true)
		}, OtherJournal, "first 3 records"},
		{"acknowledgement of more records than the journal has", nil, nil, func(b *brokertest.Broker, j *journal.Journal) {
			b.Publish(topics.Ack("laser"), signedAckOf(t, j, func(a *wire.Ack) { a.Seq = 9 }, s), true)
		}, OtherJournal, "holds 9 records, this journal has 3"},
		{"a record larger than the limit", nil, func(c *Config) { c.BatchBytes = 100 }, nil, TooLarge, "record 1 makes"},
		{"an acknowledgement larger than the limit", nil, nil, func(b *brokertest.Broker, _ *journal.Journal) {
			b.Publish(topics.Ack("laser"), make([]byte, wire.MaxPacket), true)
		}, TooLarge, topics.Ack("laser")},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := broker(t, c.set)
			j := memoryJournal(t)
			grow(t, j, 3)
			conf, _ := configWithClock(t, b.URL())
			if c.conf != nil {
				c.conf(&conf)
			}
			if c.act != nil {
				c.act(b, j)
			}
			u, _ := run(t, conf, j, Handlers{})
			u.SetState(wire.State{Machine: "laser", Journal: 3})
			waitForHealth(t, u, string(c.want), func(h Health) bool {
				return h.Why == c.want && strings.Contains(h.Detail, c.detail)
			})
		})
	}
}

// If the broker's message limit is smaller than a full batch, the machine sends smaller batches, and nothing else
// changes.
func TestBatchesShrinkUntilTheyFitTheBrokersLimit(t *testing.T) {
	b := broker(t, nil)
	j := memoryJournal(t)
	grow(t, j, 50)
	h := startHub(t, b.URL())
	conf, _ := configWithClock(t, b.URL())
	conf.BatchBytes = 3000
	b.Decide = func(m brokertest.Message) brokertest.Fate {
		if isRecords(m) && len(m.Payload) > conf.BatchBytes {
			t.Errorf("a message of %d bytes", len(m.Payload))
		}
		return brokertest.Deliver
	}
	run(t, conf, j, Handlers{})
	wantAllRecords(t, h, j)
}

// The machine sends each record once, although the state that the hub receives next names a record that the hub does
// not have yet.
func TestRecordIsSentBeforeTheStateThatNamesIt(t *testing.T) {
	b := broker(t, nil)
	order := make(chan string, 100)
	b.Decide = func(m brokertest.Message) brokertest.Fate {
		if isRecords(m) || m.Topic == topics.State("laser") && strings.Contains(string(m.Payload), `"journal":1`) {
			order <- m.Topic
		}
		return brokertest.Deliver
	}
	j := memoryJournal(t)
	conf, _ := configWithClock(t, b.URL())
	u, err := New(conf, j, Handlers{})
	if err != nil {
		t.Fatal(err)
	}
	grow(t, j, 1)
	u.SetState(wire.State{Machine: "laser", Journal: 1})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- u.Run(ctx) }()
	if first := within(t, "the first", order); first != topics.Records("laser") {
		t.Errorf("first came %s", first)
	}
	cancel()
	within(t, "the end", ended)
}

// The age is computed from the time in the record, so a restart of the daemon does not change the age.
func TestAgeOfTheOldestRecordSurvivesARestart(t *testing.T) {
	j := memoryJournal(t)
	grow(t, j, 3)
	conf, _ := configWithClock(t, "tcp://127.0.0.1:1")
	conf.Boot = "another"
	conf.Trusted = func() bool { return true }
	later := time.Now().Add(48 * time.Hour)
	conf.Now = func() time.Time { return later }
	u, err := New(conf, j, Handlers{})
	if err != nil {
		t.Fatal(err)
	}
	if h := u.Health(); h.Owed > time.Second { // the clock was not trusted when the records were written
		t.Errorf("%+v", h)
	}
	conf.Boot = "b" // the boot id that the journal's records contain
	conf.Mono = func() int64 { return journal.Uptime() + 3600*second }
	if u, err = New(conf, j, Handlers{}); err != nil {
		t.Fatal(err)
	}
	if h := u.Health(); h.Owed < time.Hour || h.Owed > time.Hour+time.Minute || !h.Overdue {
		t.Errorf("%+v", h)
	}
}
