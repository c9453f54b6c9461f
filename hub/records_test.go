package hub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub"
	"portillon/hub/broker"
	"portillon/hub/ledger"
	"portillon/hub/ledger/ledgertest"
	"portillon/wire"
)

// requireStored checks that the ledger contains each of m's n records once, unchanged.
func (o *runningHub) requireStored(m *ledgertest.Machine, n uint64) {
	o.t.Helper()
	requireStoredOnce(o.t, o.Ledger(), m, n)
}

func requireStoredOnce(t *testing.T, l *ledger.Ledger, m *ledgertest.Machine, n uint64) {
	t.Helper()
	want := uint64(0)
	all := m.Batch(1, n).Records
	err := l.Records(context.Background(), ledger.Query{Machine: m.ID}, func(e ledger.Entry) error {
		if want++; e.Seq != want || want > n || string(e.Leaf.Record) != string(all[want-1].Record) ||
			e.Leaf.Salt != all[want-1].Salt {
			return fmt.Errorf("record %d stands in the place of %d", e.Seq, want)
		}
		return nil
	})
	if err != nil || want != n {
		t.Fatalf("%d of %d records are held: %v", want, n, err)
	}
}

// mosquitto starts a Mosquitto broker and returns its URL.
func mosquitto(t *testing.T) string {
	t.Helper()
	path := "/usr/sbin/mosquitto"
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("mosquitto is not installed: apt-get install mosquitto")
		}
		t.Skip("mosquitto is not installed")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr)
	l.Close()
	conf := filepath.Join(t.TempDir(), "mosquitto.conf")
	write(
		t,
		conf,
		fmt.Sprintf("listener %d 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nlog_type none\n", addr.Port),
	)
	cmd := exec.Command(path, "-c", conf)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	poll := time.Tick(10 * time.Millisecond) // number of times that the test checks whether the broker listens
	for end := time.Now().Add(patience); ; <-poll {
		if c, err := net.Dial("tcp", addr.String()); err == nil {
			c.Close()
			return "tcp://" + addr.String()
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// The test stops the hub for a while. Records that the machine sends during that time are lost, and the machine sends
// them again.
func TestFiveThousandRecordsArriveOnceEach(t *testing.T) {
	if testing.Short() {
		t.Skip("short: fills a ledger, or waits for a process")
	}
	for _, outside := range []bool{false, true} {
		t.Run(map[bool]string{false: "broker inside", true: "mosquitto"}[outside], func(t *testing.T) {
			m := ledgertest.New(t, "biklab", "laser")
			m.Fill(5000)
			o := run(t, configure(t, []*ledgertest.Machine{m}, func(c *hub.Config) {
				if outside {
					c.MQTT = hub.MQTTConfig{Broker: mosquitto(t)}
				}
			}))
			c := dial(t, o.Broker())
			c.subscribe(c.topics.Ack("laser"))
			c.awaitAck(o, m, 0) // wait until the hub is connected to the broker
			for first := uint64(1); first <= 5000; first += 100 {
				data := m.Data(first, first+99)
				c.publish(c.topics.Records("laser"), data)
				c.publish(c.topics.Records("laser"), data)          // send the same records again
				c.publish(c.topics.Records("laser"), m.Data(1, 50)) // send the first records again
				if first%2000 == 1901 {                             // wait, so that fewer than maxUntaken batches are pending
					c.awaitAck(o, m, first+99)
				}
			}
			c.awaitAck(o, m, 5000)
			o.requireStored(m, 5000)
		})
	}
}

func TestMissingRecordsAreRequestedAgain(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	m.Fill(30)
	b, err := broker.Start(broker.Config{Dir: t.TempDir(), Site: "biklab"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c := dial(t, "tcp://"+b.Addr()) // the client connects before the hub, so the client receives every message once
	c.subscribe(c.topics.Ack("laser"))
	o := run(
		t,
		configure(t, []*ledgertest.Machine{m}, func(c *hub.Config) { c.MQTT = hub.MQTTConfig{Broker: "tcp://" + b.Addr()} }),
	)
	told := func(seq uint64) {
		t.Helper()
		a, err := wire.OpenAck(c.next().Payload(), note.VerifierList(o.key), "biklab", "laser")
		if err != nil || a.Seq != seq {
			t.Fatalf("told %d, %v; want %d", a.Seq, err, seq)
		}
	}
	told(0)
	for _, s := range []struct{ first, last, told uint64 }{{1, 10, 10}, {21, 30, 10}, {21, 30, 10}, {11, 20, 20},
		{21, 30, 30}, {5, 9, 30}} {
		c.publish(c.topics.Records("laser"), m.Data(s.first, s.last))
		told(s.told) // the acknowledgement requests the next record
	}
	o.requireStored(m, 30)
}

// The test kills a hub between the commit of records and their acknowledgement.
func TestHubAcknowledgesCommittedRecordsAfterACrash(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	m.Fill(12)
	c := configure(t, []*ledgertest.Machine{m})
	l, err := ledger.Open(c.Ledger(), "biklab", c.Keys())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Take("laser", m.Data(1, 12)); err != nil {
		t.Fatal(err)
	}
	l.Close()
	o := run(t, c)
	x := dial(t, o.Broker())
	x.subscribe(x.topics.Ack("laser"))
	x.awaitAck(o, m, 12)
	x.publish(x.topics.Records("laser"), m.Data(1, 12)) // a machine without an acknowledgement sends again
	x.awaitAck(o, m, 12)
	o.requireStored(m, 12)
}

// A real hub process is killed 12 times, 30 to 130 ms after each start, while records arrive. The broker keeps running.
// The machine relies only on acknowledgements.
func TestHubKilledRepeatedlyLosesNoRecord(t *testing.T) {
	if testing.Short() {
		t.Skip("short: fills a ledger, or waits for a process")
	}
	m := ledgertest.New(t, "biklab", "laser")
	b, err := broker.Start(broker.Config{Dir: t.TempDir(), Site: "biklab"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c := configure(t, []*ledgertest.Machine{m})
	config := filepath.Join(t.TempDir(), "hub.yaml")
	write(
		t,
		config,
		fmt.Sprintf(
			"portillon: 1\nsite: biklab\ndata: %s\nkey: %s\nmachines:\n  laser: { key: %q }\nmqtt: { broker: \"tcp://%s\" }\n",
			c.Data,
			c.Key,
			m.VKey,
			b.Addr(),
		),
	)
	key, err := c.Verifier()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	killed, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		keepKilling(ctx, t, config, 12, killed)
	}()
	defer func() { cancel(); <-ended }()
	machine := dial(t, "tcp://"+b.Addr())
	machine.subscribe(machine.topics.Ack("laser"))
	acked, over := uint64(0), false
	for !over || acked < m.Len() {
		select {
		case <-killed:
			over = true
		default:
			m.Fill(10)
		}
		machine.publish(machine.topics.Records("laser"), m.Data(acked+1, min(acked+50, m.Len())))
		select {
		case msg := <-machine.in:
			a, err := wire.OpenAck(msg.Payload(), note.VerifierList(key), "biklab", "laser")
			if err != nil || a.Seq < acked || a.Seq > m.Len() {
				t.Fatalf("acknowledged %d after %d: %v", a.Seq, acked, err)
			}
			acked = a.Seq
		case <-time.After(50 * time.Millisecond): // the record or its acknowledgement was lost, so send the record again
		}
	}
	l, err := ledger.OpenReadOnly(c.Ledger(), "biklab")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	requireStoredOnce(t, l, m, m.Len())
	t.Logf("%d records", m.Len())
}

// keepKilling starts and kills a hub process the given number of times. keepKilling then closes the channel enough,
// starts a last process, and lets this process run until ctx ends.
func keepKilling(ctx context.Context, t *testing.T, config string, times int, enough chan struct{}) {
	for i := 0; ctx.Err() == nil; i++ {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "PORTILLON_TEST_HUB="+config)
		if err := cmd.Start(); err != nil {
			t.Error(err)
			return
		}
		life := time.After(30*time.Millisecond + rand.N(100*time.Millisecond))
		if i == times {
			close(enough)
			life = nil
		}
		select {
		case <-life:
		case <-ctx.Done():
		}
		cmd.Process.Kill()
		cmd.Wait()
	}
}

func TestRefusedRecordsAreReportedAndNotAcknowledged(t *testing.T) {
	m, stranger := ledgertest.New(t, "biklab", "laser"), ledgertest.New(t, "biklab", "press")
	m.Fill(10)
	fork := m.Fork(5)
	fork.Fill(2)
	stranger.Fill(1)
	o := run(t, configure(t, []*ledgertest.Machine{m}))
	c := dial(t, o.Broker())
	c.subscribe("portillon/biklab/ack/+")
	c.awaitAck(o, m, 0)
	c.publish(c.topics.Records("laser"), m.Data(1, 10))
	c.awaitAck(o, m, 10)
	for _, data := range [][]byte{fork.Data(6, 7), []byte("no batch"), nil, []byte(strings.Repeat("[", 100000))} {
		c.publish(c.topics.Records("laser"), data)
	}
	c.publish(c.topics.Records("press"), stranger.Data(1, 1))
	o.awaitMachine(
		"laser",
		"in trouble",
		func(m hub.Machine) bool { return strings.HasPrefix(m.Trouble, "malformed") && m.Held == 10 },
	)
	c.publish(c.topics.Records("laser"), fork.Data(6, 7))
	o.awaitMachine("laser", "rolled back", func(m hub.Machine) bool { return strings.HasPrefix(m.Trouble, "rolled-back") })
	c.requireNoMessage()
	m.Fill(1)
	c.publish(c.topics.Records("laser"), m.Data(11, 11))
	c.awaitAck(o, m, 11)
	o.awaitMachine("laser", "well again", func(m hub.Machine) bool { return m.Trouble == "" && m.Held == 11 })
	o.requireStored(m, 11)
	if got := len(o.Machines()); got != 1 {
		t.Errorf("%d machines", got)
	}
}

func TestHubReconnectsWhenTheBrokerReturns(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	m.Fill(20)
	dir := t.TempDir()
	b, err := broker.Start(broker.Config{Dir: dir, Site: "biklab"})
	if err != nil {
		t.Fatal(err)
	}
	o := run(
		t,
		configure(t, []*ledgertest.Machine{m}, func(c *hub.Config) { c.MQTT = hub.MQTTConfig{Broker: "tcp://" + b.Addr()} }),
	)
	for i := range uint64(2) {
		c := dial(t, o.Broker())
		c.subscribe(c.topics.Ack("laser"))
		c.awaitAck(o, m, 10*i) // after the hub reconnects, the machine receives the number of stored records
		c.publish(c.topics.Records("laser"), m.Data(10*i+1, 10*i+10))
		c.awaitAck(o, m, 10*i+10)
		addr := b.Addr()
		b.Close()
		if b, err = broker.Start(broker.Config{Addr: addr, Dir: t.TempDir(), Site: "biklab"}); err != nil {
			t.Fatal(err)
		}
		defer b.Close()
	}
	o.requireStored(m, 20)
}

func TestHubReportsTheStateOfMachines(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	o := run(t, configure(t, []*ledgertest.Machine{m}))
	c := dial(t, o.Broker())
	c.subscribe(c.topics.Ack("laser"))
	c.awaitAck(o, m, 0)
	c.publish(c.topics.Availability("laser"), []byte(wire.Online))
	o.awaitMachine("laser", "online", func(m hub.Machine) bool { return m.Online })
	for _, bad := range []string{"", "{", `{"machine":"vinyl"}`, `{"machine":"laser","x":1}`, "[[["} {
		c.publish(c.topics.State("laser"), []byte(bad))
	}
	s, _ := json.Marshal(wire.State{Machine: "laser", Phase: "on", Relay: true, Bundle: 3, Journal: 9})
	c.publish(c.topics.State("laser"), s)
	o.awaitMachine("laser", "on", func(m hub.Machine) bool { return m.State != nil && m.State.Phase == "on" })
	c.publish(c.topics.Availability("laser"), []byte(wire.Offline))
	o.awaitMachine("laser", "offline", func(m hub.Machine) bool { return !m.Online })
}
