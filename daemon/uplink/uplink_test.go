package uplink

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"portillon/daemon/journal"
	"portillon/daemon/uplink/brokertest"
	"portillon/internal/testlog"
	"portillon/wire"
)

func openJournal(t testing.TB, path string) *journal.Journal {
	t.Helper()
	s, _ := machineKey(t)
	j, err := journal.Open(path, journal.Options{Site: "lab", Machine: "laser", Signer: s, Boot: "b"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func newJournal(t testing.TB) *journal.Journal {
	return openJournal(t, filepath.Join(t.TempDir(), "journal.db"))
}

// memoryJournal returns a journal in a folder where commits are fast. This is enough because the tests of this file do
// not check durability.
func memoryJournal(t testing.TB) *journal.Journal {
	if _, err := os.Stat("/dev/shm"); err != nil {
		return newJournal(t)
	}
	dir, err := os.MkdirTemp("/dev/shm", "uplink")
	if err != nil {
		return newJournal(t)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return openJournal(t, filepath.Join(dir, "journal.db"))
}

func grow(t testing.TB, j *journal.Journal, n int) {
	t.Helper()
	for range n {
		if _, err := j.Append(journal.Entry{Kind: wire.Refused, Body: wire.RefusedBody{}}); err != nil {
			t.Fatal(err)
		}
	}
}

func config(t testing.TB, url string) Config {
	_, keys := hubKey(t)
	c := Config{Broker: url, Site: "lab", Machine: "laser", Keys: keys, Timeout: 2 * time.Second,
		Stall: 100 * time.Millisecond, StallMax: time.Second, Backoff: 5 * time.Millisecond,
		BackoffMax: 50 * time.Millisecond}
	c.Discovery.Topic, c.Discovery.Payload = topics.Discovery("laser", "Laser", "1")
	return c
}

// run starts an uplink, which stops at the end of the test or when stop is called. The function stop waits until the
// uplink has ended.
func run(t testing.TB, c Config, j *journal.Journal, h Handlers) (u *Uplink, stop func()) {
	t.Helper()
	if testing.Verbose() && c.Logger == nil {
		c.Logger = testlog.New(t)
	}
	u, err := New(c, j, h)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- u.Run(ctx); close(ended) }()
	stop = func() {
		cancel()
		if err := within(t, "the uplink's end", ended); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(stop)
	return u, stop
}

func broker(t testing.TB, set func(*brokertest.Broker)) *brokertest.Broker {
	t.Helper()
	b, err := brokertest.Listen()
	if err != nil {
		t.Fatal(err)
	}
	if set != nil {
		set(b)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// clientPrefix is the prefix of a machine's MQTT client id.
const clientPrefix = "portillon-"

// isRecords reports whether a message is a batch of records from the machine.
func isRecords(m brokertest.Message) bool {
	return m.Topic == topics.Records("laser") && len(m.Payload) > 0
}

// wantAllRecords checks that the hub holds all records of the journal, in order and once each.
func wantAllRecords(t *testing.T, h *hub, j *journal.Journal) {
	t.Helper()
	h.waitFor(int(j.Len()))
	root, err := j.Root(j.Len())
	if err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, r := range h.records {
		if rec, err := wire.ParseRecord(r); err != nil || rec.Seq != uint64(i+1) {
			t.Fatalf("place %d holds record %d: %v", i+1, rec.Seq, err)
		}
	}
	if got := treeHash(h); got != root.String() {
		t.Fatalf("the hub's tree is %s, the journal's %s", got, root)
	}
	t.Logf("%d records; %d came twice, %d batches after a gap", len(h.records), h.twice.Load(), h.gaps)
}

func TestNoRecordIsLostWithAMisbehavingBroker(t *testing.T) {
	if testing.Short() {
		t.Skip("short: sends thousands of records through a broker")
	}
	every := func(n int64, fate brokertest.Fate) func(*brokertest.Broker) {
		var count atomic.Int64
		return func(b *brokertest.Broker) {
			b.Decide = func(m brokertest.Message) brokertest.Fate {
				if isRecords(m) && count.Add(1)%n == 0 {
					return fate
				}
				return brokertest.Deliver
			}
		}
	}
	for _, c := range []struct {
		name string
		set  func(*brokertest.Broker)
	}{
		{"the broker works correctly", nil},
		{"the broker acknowledges and drops messages", every(3, brokertest.Swallow)},
		{"the broker drops messages and closes connections", every(3, brokertest.Lose)},
		{"the broker closes connections instead of a PUBACK", every(2, brokertest.CutLate)},
		{"the broker never sends a PUBACK", every(1, brokertest.Mute)},
		{"the broker sends some PUBACKs", every(2, brokertest.Mute)},
		{"the broker stops reading", every(4, brokertest.Stall)},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := broker(t, c.set)
			j := memoryJournal(t)
			h := startHub(t, b.URL())
			grow(t, j, 1000)
			conf := config(t, b.URL())
			conf.Timeout, conf.Batch = 300*time.Millisecond, 50
			u, _ := run(t, conf, j, Handlers{})
			grow(t, j, 500)
			u.Notify()
			wantAllRecords(t, h, j)
		})
	}
}

func TestAppendDoesNotWaitForAStalledBroker(t *testing.T) {
	if testing.Short() {
		t.Skip("short: sends thousands of records through a broker")
	}
	b := broker(t, func(b *brokertest.Broker) {
		b.Decide = func(m brokertest.Message) brokertest.Fate {
			if isRecords(m) {
				return brokertest.Stall
			}
			return brokertest.Deliver
		}
	})
	j := memoryJournal(t)
	grow(t, j, 2000)
	conf := config(t, b.URL())
	online := make(chan bool, 100)
	u, _ := run(t, conf, j, Handlers{Online: func(on bool) { replaceOldest(online, on) }})
	within(t, "the connection", online)
	for i := range 1000 {
		grow(t, j, 1)
		u.Notify()
		u.SetState(wire.State{Machine: "laser", Journal: uint64(i)})
	}
	if u.Acked() != 0 {
		t.Errorf("%d records count as held by a hub that does not exist", u.Acked())
	}
}

func TestDiscoveryIsPublishedAtEachConnection(t *testing.T) {
	b := broker(t, nil)
	j := memoryJournal(t)
	grow(t, j, 3)
	type said struct{ topic, payload string }
	heard := make(chan said, 100)
	watch(t, b.URL(), "#", func(topic string, _ bool, payload []byte) { heard <- said{topic, string(payload)} })
	conf := config(t, b.URL())
	u, err := New(conf, j, Handlers{})
	if err != nil {
		t.Fatal(err)
	}
	u.SetState(wire.State{Machine: "laser", Phase: "off", Journal: 3})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- u.Run(ctx) }()
	for _, expect := range []string{"first", "again"} {
		want := map[string]string{
			topics.Availability("laser"): wire.Online,
			topics.State(
				"laser"): `{"machine":"laser","phase":"off","relay":false,"tagged":false,"bundle":0,"journal":3}`,
			conf.Discovery.Topic:       string(conf.Discovery.Payload),
			topics.Records("laser"):    "",
			topics.Checkpoint("laser"): "",
		}
		for len(want) > 0 {
			s := within(t, fmt.Sprintf("%s: one of %v", expect, want), heard)
			if w, ok := want[s.topic]; ok && (w == "" || w == s.payload) {
				delete(want, s.topic)
			}
		}
		b.Cut(clientPrefix)
		for s := within(t, "the will", heard); s != (said{topics.Availability("laser"), wire.Offline}); {
			s = within(t, "the will", heard)
		}
	}
	cancel()
	within(t, "the end", ended)
}

func TestStoppingUplinkPublishesThatItIsOffline(t *testing.T) {
	b := broker(t, nil)
	online := make(chan bool, 4)
	_, stop := run(t, config(t, b.URL()), memoryJournal(t), Handlers{Online: func(on bool) { online <- on }})
	if !within(t, "the connection", online) {
		t.Fatal("offline before online")
	}
	stop()
	if got := string(b.Retained(topics.Availability("laser"))); got != wire.Offline {
		t.Errorf("after the goodbye the machine counts as %q", got)
	}
	if within(t, "the end of the connection", online) {
		t.Error("online after the end")
	}
}

// watch subscribes another client to a topic filter, and returns when the broker has acknowledged the subscription.
func watch(t testing.TB, url, filter string, f func(topic string, retained bool, payload []byte)) mqtt.Client {
	t.Helper()
	c := mqtt.NewClient(
		mqtt.NewClientOptions().
			AddBroker(url).
			SetClientID(fmt.Sprintf("watch-%d", time.Now().UnixNano())).
			SetAutoReconnect(false),
	)
	if tok := c.Connect(); !tok.WaitTimeout(deadline) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	if tok := c.Subscribe(filter, 1,
		func(_ mqtt.Client, m mqtt.Message) { f(m.Topic(), m.Retained(), m.Payload()) }); !tok.WaitTimeout(
		deadline,
	) ||
		tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	t.Cleanup(func() { c.Disconnect(0) })
	return c
}

func TestNewRefusesInvalidConfigurations(t *testing.T) {
	j := memoryJournal(t)
	for _, url := range []string{"", "localhost", "localhost:1883", "http://x:1", "ws://x:1", "tcp://x", "tcp://:",
		"\x00"} {
		if _, err := New(config(t, url), j, Handlers{}); err == nil {
			t.Errorf("the broker %q was taken", url)
		}
	}
	c := config(t, "tcp://localhost:1883")
	c.Keys = nil
	if _, err := New(c, j, Handlers{}); err == nil {
		t.Error("without the hub's key nothing can be believed")
	}
}
