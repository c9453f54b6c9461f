package uplink

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/daemon/journal"
	"portillon/daemon/uplink/brokertest"
	"portillon/wire"
)

// signedAckOf returns a signed acknowledgement. Before signing, the function change modifies it.
func signedAckOf(t testing.TB, j *journal.Journal, change func(*wire.Ack), s note.Signer) []byte {
	t.Helper()
	root, err := j.Root(3)
	if err != nil {
		t.Fatal(err)
	}
	a := wire.Ack{Site: "lab", Machine: "laser", Seq: 3, Root: hex.EncodeToString(root[:]), Generation: j.Generation()}
	if change != nil {
		change(&a)
	}
	b, err := wire.SignAck(a, s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCursorMovesOnlyByTheHubsAcknowledgementOfThisJournal(t *testing.T) {
	j := memoryJournal(t)
	grow(t, j, 5)
	s, _ := hubKey(t)
	stranger, _ := keyPair(t, "hub", 9)
	machine, _ := machineKey(t)
	c := config(t, "tcp://127.0.0.1:1")
	u, err := New(c, j, Handlers{})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"nothing":                nil,
		"zeros":                  make([]byte, 300),
		"a stranger's":           signedAckOf(t, j, nil, stranger),
		"the machine's own":      signedAckOf(t, j, nil, machine),
		"another machine's":      signedAckOf(t, j, func(a *wire.Ack) { a.Machine = "vinyl" }, s),
		"another site's":         signedAckOf(t, j, func(a *wire.Ack) { a.Site = "bal" }, s),
		"past the end":           signedAckOf(t, j, func(a *wire.Ack) { a.Seq = 6 }, s),
		"past all numbers":       signedAckOf(t, j, func(a *wire.Ack) { a.Seq = 1<<64 - 1 }, s),
		"another journal's root": signedAckOf(t, j, func(a *wire.Ack) { a.Root = strings.Repeat("0", 64) }, s),
		"another generation's":   signedAckOf(t, j, func(a *wire.Ack) { a.Generation = "0123456789abcdef" }, s),
		"no generation":          signedAckOf(t, j, func(a *wire.Ack) { a.Generation = "" }, s),
		"no root":                signedAckOf(t, j, func(a *wire.Ack) { a.Root = "" }, s),
		"changed after signing":  bytes.Replace(signedAckOf(t, j, nil, s), []byte(`"seq":3`), []byte(`"seq":5`), 1),
	} {
		l := &link{u: u, flow: newFlow(0), logged: map[string]bool{}}
		if l.handleAck(signedAck{data, true}) || u.Acked() != 0 || l.flow.held != 0 {
			t.Errorf("%s: it was believed", name)
		}
		if n, err := j.Cursor(Sink); n != 0 || err != nil {
			t.Errorf("%s: the cursor is at %d, %v", name, n, err)
		}
	}
	l := &link{u: u, flow: newFlow(0), logged: map[string]bool{}}
	if !l.handleAck(signedAck{signedAckOf(t, j, nil, s), true}) || u.Acked() != 3 {
		t.Error("the hub's own word was not believed")
	}
	if n, err := j.Cursor(Sink); n != 3 || err != nil {
		t.Errorf("the cursor is at %d, %v", n, err)
	}
	// If an old acknowledgement is replayed, the machine sends records again, but the stored cursor does not move back.
	old := signedAckOf(t, j, func(a *wire.Ack) { a.Seq, a.Root = 0, "" }, s)
	if l.handleAck(signedAck{old, true}) || l.flow.held != 0 {
		t.Errorf("after an old word the flow is at %d", l.flow.held)
	}
	if n, err := j.Cursor(Sink); n != 3 || err != nil {
		t.Errorf("after an old word the cursor is at %d, %v", n, err)
	}
}

func TestRetainedCommandIsNeverExecuted(t *testing.T) {
	b := broker(t, nil)
	b.Publish(topics.Command("laser"), []byte("kept by a broker"), true)
	orders := make(chan string, 10)
	online := make(chan bool, 10)
	replies := make(chan string, 10)
	watch(t, b.URL(), topics.Reply("laser"), func(_ string, _ bool, p []byte) {
		if len(p) > 0 { // the machine clears the topic when it connects
			replies <- string(p)
		}
	})
	run(t, config(t, b.URL()), memoryJournal(t), Handlers{
		Online:  func(on bool) { online <- on },
		Command: func(_ context.Context, o []byte) []byte { orders <- string(o); return []byte("did " + string(o)) },
	})
	within(t, "the connection", online) // retained messages follow the SUBACK, so they arrive before this message
	b.Publish(topics.Command("laser"), []byte("now"), false)
	if got := within(t, "the command", orders); got != "now" {
		t.Errorf("the order %q was carried out", got)
	}
	if got := within(t, "the reply", replies); got != "did now" {
		t.Errorf("the reply is %q", got)
	}
}

// The broker retains a message that is too large on each topic that the machine subscribes to. The machine drops these
// messages and keeps its one connection, and the hub receives its records.
func TestTooLargeMessagesAreDroppedWithoutEndingTheConnection(t *testing.T) {
	var joined atomic.Int64
	b := broker(t, func(b *brokertest.Broker) {
		b.Joined = func(client string) {
			if strings.HasPrefix(client, clientPrefix) {
				joined.Add(1)
			}
		}
	})
	for _, topic := range []string{topics.Ack("laser"), topics.Command("laser"), topics.Bundle()} {
		b.Publish(topic, make([]byte, 3<<20), true)
	}
	j := memoryJournal(t)
	grow(t, j, 20)
	h := startHub(t, b.URL())
	got := make(chan string, 10)
	c := config(t, b.URL())
	var log syncBuffer
	c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	run(t, c, j, Handlers{Bundle: func(_ context.Context, m []byte) { got <- string(m) }})
	wantAllRecords(t, h, j)
	b.Publish(topics.Bundle(), []byte("manifest"), true)
	if m := within(t, "the manifest", got); m != "manifest" {
		t.Errorf("the bundle is %d bytes", len(m))
	}
	if n := joined.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
	for _, topic := range []string{topics.Ack("laser"), topics.Command("laser"), topics.Bundle()} {
		if want := "topic=" + topic + " bytes="; !strings.Contains(log.String(), want) {
			t.Errorf("the log does not name %s: %s", topic, log.String())
		}
	}
}

// syncBuffer is a buffer that is safe for concurrent use.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestMachineClearsForeignRetainedMessages(t *testing.T) {
	b := broker(t, nil)
	left := []string{topics.Records("laser"), topics.Reply("laser")}
	for _, topic := range left {
		b.Publish(topic, make([]byte, 1<<20), true)
	}
	cleared := make(chan string, 20)
	watch(t, b.URL(), "portillon/lab/laser/+", func(topic string, retained bool, p []byte) {
		if !retained && len(p) == 0 {
			replaceOldest(cleared, topic)
		}
	})
	run(t, config(t, b.URL()), memoryJournal(t), Handlers{})
	for range left {
		topic := within(t, "an empty message", cleared)
		if len(b.Retained(topic)) != 0 {
			t.Errorf("%s is still retained", topic)
		}
	}
}

func TestNewestManifestReachesItsHandler(t *testing.T) {
	b := broker(t, nil)
	b.Publish(topics.Bundle(), []byte("retained"), true)
	got := make(chan string, 10)
	run(t, config(t, b.URL()), memoryJournal(t), Handlers{Bundle: func(_ context.Context, m []byte) { got <- string(m) }})
	if m := within(t, "the retained manifest", got); m != "retained" {
		t.Errorf("%q", m)
	}
	b.Publish(topics.Bundle(), []byte("newer"), true)
	if m := within(t, "the newer manifest", got); m != "newer" {
		t.Errorf("%q", m)
	}
}

// Commands that take long delay neither the records nor the end of the uplink, even if the queue of commands is full.
func TestSlowHandlersDelayNeitherRecordsNorTheEnd(t *testing.T) {
	b := broker(t, nil)
	j := memoryJournal(t)
	h := startHub(t, b.URL())
	begun := make(chan bool, 100)
	online := make(chan bool, 10)
	slow := func(ctx context.Context) { replaceOldest(begun, true); <-ctx.Done() }
	u, stop := run(t, config(t, b.URL()), j, Handlers{
		Online:  func(on bool) { replaceOldest(online, on) },
		Command: func(ctx context.Context, _ []byte) []byte { slow(ctx); return []byte("late") },
		Bundle:  func(ctx context.Context, _ []byte) { slow(ctx) },
	})
	within(t, "the connection", online)
	for range 50 {
		b.Publish(topics.Command("laser"), []byte("x"), false)
		b.Publish(topics.Bundle(), []byte("y"), false)
	}
	within(t, "a handler", begun)
	within(t, "the other handler", begun)
	grow(t, j, 300)
	u.Notify()
	wantAllRecords(t, h, j)
	stop()
}

// invalidData returns invalid data that a hostile broker might send.
func invalidData() map[string][]byte {
	long := []byte{0x30, 0xff, 0xff, 0xff, 0x7f, 0, 3, 'a', 'b', 'c'} // a PUBLISH whose header announces 268,435,455 bytes
	return map[string][]byte{
		"noise":                      []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"zeros":                      make([]byte, 64),
		"a length of too many bytes": {0x30, 0x80, 0x80, 0x80, 0x80, 0x80},
		"a huge message":             long,
		"a SUBACK of too many": append(
			[]byte{0x90, byte(3 + subscriptions), 0, 1},
			make([]byte, subscriptions+1)...),
		"a SUBACK without codes":         {0x90, 2, 0, 1},
		"a topic longer than its packet": {0x30, 4, 0xff, 0xff, 'a', 'b'},
		"a PUBLISH without topic":        {0x30, 2, 0, 0},
		"an empty PUBLISH":               {0x30, 0},
		"QoS 3":                          {0x36, 5, 0, 1, 'a', 0, 1},
		"QoS 2":                          {0x34, 5, 0, 1, 'a', 0, 1},
		"a second CONNACK":               {0x20, 2, 0, 0},
		"a CONNECT":                      {0x10, 2, 0, 0},
		"a PUBACK without an identifier": {0x40, 0},
		"a PUBREL":                       {0x62, 2, 0, 1},
		"a PUBREC":                       {0x50, 2, 0, 1},
		"a DISCONNECT":                   {0xe0, 0},
		"type 15":                        {0xf0, 0},
	}
}

func TestUplinkReconnectsAfterInvalidBytes(t *testing.T) {
	if testing.Short() {
		t.Skip("short: sends thousands of records through a broker")
	}
	for name, raw := range invalidData() {
		t.Run(name, func(t *testing.T) {
			var greeted atomic.Int64
			b := broker(t, func(b *brokertest.Broker) {
				b.Greet = func(client string) []byte {
					if strings.HasPrefix(client, clientPrefix) && greeted.Add(1) <= 2 {
						return raw
					}
					return nil
				}
			})
			j := memoryJournal(t)
			grow(t, j, 20)
			h := startHub(t, b.URL())
			conf := config(t, b.URL())
			conf.Timeout = 300 * time.Millisecond
			run(t, conf, j, Handlers{})
			wantAllRecords(t, h, j)
			if n := greeted.Load(); n < 3 {
				t.Errorf("%d connections: it was not noticed", n)
			}
		})
	}
}

func TestHostilePayloadsOnEveryTopicChangeNothing(t *testing.T) {
	b := broker(t, nil)
	j := memoryJournal(t)
	h := startHub(t, b.URL())
	var commands, bundles atomic.Int64
	online := make(chan bool, 10)
	u, _ := run(t, config(t, b.URL()), j, Handlers{
		Online:  func(on bool) { replaceOldest(online, on) },
		Command: func(_ context.Context, o []byte) []byte { commands.Add(1); return nil },
		Bundle:  func(_ context.Context, m []byte) { bundles.Add(1) },
	})
	within(t, "the connection", online)
	for _, topic := range []string{topics.Ack("laser"), topics.Command("laser"), topics.Bundle()} {
		for i, p := range [][]byte{nil, {0}, make([]byte, 1<<20), bytes.Repeat([]byte("\xff"), 1000),
			[]byte("portillon ack\n{}\n\n— hub AAAA\n"),
			[]byte(strings.Repeat("{", 100_000)), []byte(strings.Repeat("—", 10_000)),
			fmt.Appendf(nil, "portillon ack\n{\"seq\":%d}\n", 1<<62)} {
			b.Publish(topic, p, i%2 == 0)
		}
	}
	grow(t, j, 50)
	u.Notify()
	wantAllRecords(t, h, j)
}

func TestUplinkRetriesABrokerThatRefusesOrIsSilent(t *testing.T) {
	for name, set := range map[string]func(b *brokertest.Broker){
		"refuses":       func(b *brokertest.Broker) { b.Refuse = func(string) byte { return 5 } },
		"sends nothing": func(b *brokertest.Broker) { b.Silent = true },
	} {
		t.Run(name, func(t *testing.T) {
			tries := make(chan string, 10)
			b := broker(t, func(b *brokertest.Broker) {
				set(b)
				b.Joined = func(client string) { replaceOldest(tries, client) }
			})
			conf := config(t, b.URL())
			conf.Timeout = conf.Stall
			_, stop := run(t, conf, memoryJournal(t), Handlers{})
			for range 3 {
				within(t, "a try", tries)
			}
			stop()
		})
	}
}
