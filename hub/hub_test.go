package hub_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"golang.org/x/mod/sumdb/note"

	"portillon/hub"
	"portillon/hub/ledger/ledgertest"
	"portillon/hub/store/storetest"
	"portillon/internal/testlog"
	"portillon/policy"
	"portillon/wire"
)

const patience = 15 * time.Second

// TestMain also runs the hub process that TestHubKilledRepeatedlyLosesNoRecord kills.
func TestMain(m *testing.M) {
	if path := os.Getenv("PORTILLON_TEST_HUB"); path != "" {
		c, err := hub.ReadConfig(path)
		if err == nil {
			err = hub.Run(context.Background(), c, hub.Options{})
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// runningHub is a running hub under test, with its keys.
type runningHub struct {
	*hub.Hub
	t      *testing.T
	config hub.Config
	key    note.Verifier
	stop   func()
	clock  *manualClock // the hub's clock, if the test set one
	log    *logText
}

// configure creates a hub's folder and returns its configuration; each change may modify the configuration.
func configure(t *testing.T, machines []*ledgertest.Machine, changes ...func(*hub.Config)) hub.Config {
	t.Helper()
	dir := storetest.Dir(t)
	skey, _, err := note.GenerateKey(rand.Reader, "portillon-hub")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "hub.key"), skey+"\n")
	c := hub.Config{
		Site: "biklab",
		Data: filepath.Join(dir, "data"),
		Key:  filepath.Join(dir, "hub.key"),
		MQTT: hub.MQTTConfig{Listen: "127.0.0.1:0"},
		HTTP: "127.0.0.1:0",
	}
	for _, m := range machines {
		c.Machines = append(c.Machines, hub.MachineConfig{ID: m.ID, Key: m.Key})
	}
	for _, f := range changes {
		f(&c)
	}
	return c
}

// run opens a hub and runs it until the test ends or calls stop.
func run(t *testing.T, c hub.Config) *runningHub {
	t.Helper()
	return runAt(t, c, nil)
}

// runAt is like run, with a clock.
func runAt(t *testing.T, c hub.Config, now func() time.Time) *runningHub {
	t.Helper()
	if testing.Short() {
		t.Skip("short: starts a hub with its broker")
	}
	storetest.Place(t, c.Data)
	text := &logText{}
	h, err := hub.New(c, hub.Options{Log: testlog.New(t, text), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	o := &runningHub{Hub: h, t: t, config: c, log: text}
	if o.key, err = c.Verifier(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	o.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error("run: ", err)
		}
		if err := h.Close(); err != nil {
			t.Error("close: ", err)
		}
	}
	t.Cleanup(o.stop)
	return o
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// client is the MQTT client of a machine.
type client struct {
	t      *testing.T
	c      mqtt.Client
	topics wire.Topics
	in     chan mqtt.Message
	last   mqtt.Message // records that the client published last, which sendAgain publishes again
}

// outgoingMessage is a message that the client publishes.
type outgoingMessage struct {
	mqtt.Message // the embedded interface is nil, because the hub calls only Topic and Payload
	topic        string
	data         []byte
}

func (p outgoingMessage) Topic() string   { return p.topic }
func (p outgoingMessage) Payload() []byte { return p.data }

// sendAgain publishes the last records again, as a machine does that has no acknowledgement: the broker inside this
// program may lose messages while the hub subscribes. The test fails after 200 tries.
func (c *client) sendAgain(tries int) {
	c.t.Helper()
	if tries > 200 { // each try waits for an acknowledgement or half a second
		c.t.Fatal("the hub does not acknowledge what it is sent")
	}
	if tries%4 == 3 && c.last != nil {
		c.must(c.c.Publish(c.last.Topic(), 1, false, c.last.Payload()))
	}
}

func dial(t *testing.T, url string, changes ...func(*mqtt.ClientOptions)) *client {
	t.Helper()
	c := &client{t: t, topics: wire.Topics{Site: "biklab"}, in: make(chan mqtt.Message, 10000)}
	o := mqtt.NewClientOptions().
		AddBroker(url).
		SetProtocolVersion(4).
		SetCleanSession(true).
		SetAutoReconnect(false).
		SetWriteTimeout(patience)
	o.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { c.in <- m })
	for _, f := range changes {
		f(o)
	}
	c.c = mqtt.NewClient(o)
	c.must(c.c.Connect())
	t.Cleanup(func() { c.c.Disconnect(0) })
	return c
}

func (c *client) must(tok mqtt.Token) {
	c.t.Helper()
	if !tok.WaitTimeout(patience) || tok.Error() != nil {
		c.t.Fatal("mqtt: ", tok.Error())
	}
}

func (c *client) subscribe(topics ...string) {
	c.t.Helper()
	for _, x := range topics {
		c.must(c.c.Subscribe(x, 1, nil))
	}
}

func (c *client) publish(topic string, data []byte) {
	c.t.Helper()
	if strings.HasSuffix(topic, "/records") {
		c.last = outgoingMessage{topic: topic, data: data}
	}
	c.must(c.c.Publish(topic, 1, false, data))
}

func (c *client) next() mqtt.Message {
	c.t.Helper()
	select {
	case m := <-c.in:
		return m
	case <-time.After(patience):
		c.t.Fatal("nothing came")
		return nil
	}
}

// deliver publishes records until the hub has stored them, as a machine does: the broker inside this program may lose
// messages while the hub subscribes.
func (c *client) deliver(o *runningHub, m *ledgertest.Machine, first, last uint64) {
	c.t.Helper()
	poll := time.Tick(20 * time.Millisecond)
	for end := time.Now().Add(patience); time.Now().Before(end); {
		c.publish(c.topics.Records(m.ID), m.Data(first, last))
		for range 50 {
			if slices.ContainsFunc(o.Machines(), func(x hub.Machine) bool { return x.ID == m.ID && x.Held >= last }) {
				return
			}
			<-poll
		}
	}
	c.t.Fatalf("the hub does not hold record %d of %s", last, m.ID)
}

// requireNoMessage checks that no message is pending: the client publishes a message to itself, which must be the next
// to arrive.
func (c *client) requireNoMessage() {
	c.t.Helper()
	c.subscribe("portillon/biklab/quiet")
	c.publish("portillon/biklab/quiet", []byte("quiet"))
	if m := c.next(); string(m.Payload()) != "quiet" {
		c.t.Errorf("%s came: %s", m.Topic(), m.Payload())
	}
}

// awaitMessage subscribes to a topic again and again until a message arrives: the broker inside this program may lose a
// retained message while another client replaces it.
func (c *client) awaitMessage(topic string) mqtt.Message {
	c.t.Helper()
	for i := range 2 * patience / time.Second {
		if i > 0 {
			c.subscribe(topic)
		}
		select {
		case m := <-c.in:
			return m
		case <-time.After(time.Second / 2):
		}
	}
	c.t.Fatalf("nothing is retained on %s", topic)
	return nil
}

// awaitAck waits until the hub acknowledges record number seq, and verifies each acknowledgement that arrives.
func (c *client) awaitAck(o *runningHub, m *ledgertest.Machine, seq uint64) {
	c.t.Helper()
	for tries := 0; ; tries++ {
		c.sendAgain(tries)
		msg := c.awaitMessage(c.topics.Ack(m.ID))
		if msg.Topic() != c.topics.Ack(m.ID) {
			continue
		}
		a, err := wire.OpenAck(msg.Payload(), note.VerifierList(o.key), "biklab", m.ID)
		if err != nil {
			c.t.Fatal(err)
		}
		if root := m.Root(a.Seq); a.Root != fmt.Sprintf("%x", root[:]) {
			c.t.Fatalf("acknowledged %d with a root that is not this journal's", a.Seq)
		}
		if a.Seq == seq {
			return
		}
		if a.Seq > seq {
			c.t.Fatalf("acknowledged %d, %d was sent", a.Seq, seq)
		}
	}
}

// awaitMachine waits until the hub's state of a machine satisfies the function is.
func (o *runningHub) awaitMachine(id policy.MachineID, what string, is func(hub.Machine) bool) {
	o.t.Helper()
	var last hub.Machine
	poll := time.Tick(5 * time.Millisecond)
	for end := time.Now().Add(patience); time.Now().Before(end); <-poll {
		for _, m := range o.Machines() {
			if last = m; m.ID == id && is(m) {
				return
			}
		}
	}
	o.t.Fatalf("%s is not %s: %+v", id, what, last)
}
