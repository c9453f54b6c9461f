package broker_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"portillon/hub/broker"
	"portillon/wire"
)

// withVinyl returns the three accounts of the function accounts, and the account of a second machine, vinyl.
func withVinyl() []broker.Account {
	return append(accounts(), broker.Account{User: "vinyl", Password: "lyniv", As: broker.AsMachine, Machine: "vinyl"})
}

func run(t *testing.T, dir string, a []broker.Account) *broker.Broker {
	t.Helper()
	b, err := broker.Start(broker.Config{Dir: dir, Site: "biklab", Accounts: a})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func (c *client) isOpen() bool { return c.c.IsConnectionOpen() }

// canConnect reports whether the broker accepts a connection with these options.
func canConnect(t *testing.T, o *mqtt.ClientOptions) bool {
	t.Helper()
	c := mqtt.NewClient(o)
	tok := c.Connect()
	if !tok.WaitTimeout(patience) {
		t.Fatal("the broker does not answer")
	}
	c.Disconnect(0)
	return tok.Error() == nil
}

func TestAccountsCannotUseOtherClientIDs(t *testing.T) {
	if testing.Short() {
		t.Skip("short: opens and closes many connections")
	}
	b := run(t, t.TempDir(), withVinyl())
	laser := login(t, b.Addr(), "laser")
	topics := wire.Topics{Site: "biklab"}
	for _, c := range []struct {
		user, password, id string
		in                 bool
	}{
		{"vinyl", "lyniv", topics.ClientID("laser"), false},
		{"vinyl", "lyniv", topics.HubClientID(), false},
		{"vinyl", "lyniv", "", false},
		{"vinyl", "lyniv", "portillon-biklab-VINYL", false},
		{"vinyl", "lyniv", topics.ClientID("vinyl"), true},
		{"hub", "buh", topics.ClientID("laser"), false},
		{"hub", "buh", topics.HubClientID(), true},
		{"watcher", "rehctaw", topics.ClientID("laser"), false},
		{"watcher", "rehctaw", topics.HubClientID(), false},
		{"watcher", "rehctaw", "portillon-biklab-nobody", false},
		{"watcher", "rehctaw", "", true},
		{"watcher", "rehctaw", "homeassistant", true},
	} {
		o := options(b.Addr()).SetUsername(c.user).SetPassword(c.password).SetClientID(c.id)
		if got := canConnect(t, o); got != c.in {
			t.Errorf("%s with the client id %q: accepted is %v, want %v", c.user, c.id, got, c.in)
		}
	}
	if !laser.isOpen() {
		t.Error("laser lost its connection")
	}
	for _, a := range b.Accounts() {
		if a.User == "vinyl" && a.Refused["client id of another account"] != 4 {
			t.Errorf("vinyl: %+v", a)
		}
	}
}

// A killed hub leaves the sessions of clients on the disk. The next start must remove the sessions and must not remove
// retained messages.
func TestStartAfterAKillRemovesSessionsAndKeepsRetainedMessages(t *testing.T) {
	if testing.Short() {
		t.Skip("short: opens and closes many connections")
	}
	dir := t.TempDir()
	for i := range 4 {
		b := run(t, dir, accounts())
		got, err := b.Stored()
		if err != nil || got.Consumers > 0 || got.Messages > 1 {
			t.Fatalf("start %d: %+v is stored before anybody connects, %v", i, got, err)
		}
		hub := login(t, b.Addr(), "hub")
		hub.subscribe("portillon/biklab/+/records", "portillon/biklab/+/state")
		home := open(t, options(b.Addr()).SetUsername("watcher").SetPassword("rehctaw").SetClientID(fmt.Sprint("home-",
			i)).SetCleanSession(false))
		home.subscribe("portillon/biklab/+/state")
		if i == 0 {
			hub.publish("portillon/biklab/bundle", true, "manifest")
		}
		laser := login(t, b.Addr(), "laser")
		laser.subscribe("portillon/biklab/laser/command", "portillon/biklab/bundle")
		if m := laser.next(); string(m.Payload()) != "manifest" {
			t.Fatalf("start %d: %q is retained", i, m.Payload())
		}
		if got, err = b.Stored(); err != nil || got.Consumers < 4 {
			t.Fatalf("start %d: %+v is stored while clients are connected, %v", i, got, err)
		}
		left := t.TempDir() // Copy the files while the broker runs: a killed process would leave the same files
		if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		b.Close()
		dir = left
	}
}

func TestConnectionsOfAnAccountAreLimited(t *testing.T) {
	if testing.Short() {
		t.Skip("short: opens and closes many connections")
	}
	b := run(t, t.TempDir(), withVinyl())
	laser := login(t, b.Addr(), "laser")
	in := 0
	for range 26 {
		if canConnect(t, options(b.Addr()).SetUsername("vinyl").SetPassword("lyniv").SetClientID("portillon-biklab-vinyl")) {
			in++
		}
	}
	if in < 20 || in > 25 {
		t.Errorf("%d of 26 quick connects of one account were accepted, want about 20", in)
	}
	for range 20 { // New connections without a CONNECT must not close the connections of real clients.
		for range 20 {
			if c, err := net.Dial("tcp", b.Addr()); err == nil {
				defer c.Close()
			}
		}
	}
	hub := login(t, b.Addr(), "hub")
	hub.subscribe("portillon/biklab/+/records")
	laser.publish("portillon/biklab/laser/records", false, "a record")
	if m := hub.next(); string(m.Payload()) != "a record" {
		t.Errorf("%q", m.Payload())
	}
}

// A watcher may have 16 connections. After a connection ends, the broker accepts another connection.
func TestConcurrentConnectionsAreLimited(t *testing.T) {
	if testing.Short() {
		t.Skip("short: opens and closes many connections")
	}
	b := run(t, t.TempDir(), accounts())
	var last *client
	for i := range 16 {
		last = open(t, options(b.Addr()).SetUsername("watcher").SetPassword("rehctaw").SetClientID(fmt.Sprint("home-", i)))
	}
	more := options(b.Addr()).SetUsername("watcher").SetPassword("rehctaw").SetClientID("home-more")
	if canConnect(t, more) {
		t.Error("a 17th connection was accepted")
	}
	last.c.Disconnect(250)
	for end := time.Now().Add(patience); !canConnect(t, more); {
		if time.Now().After(end) {
			t.Fatal("no connection was accepted after one had ended")
		}
	}
}

// If too many connections send no CONNECT, the broker closes the oldest connection.
func TestNewConnectionsReplaceConnectionsThatSentNoConnect(t *testing.T) {
	b := run(t, t.TempDir(), nil)
	var all []net.Conn
	const most = 128 + 1 // the broker permits maxGreeting such connections, plus one because there is one account
	for range most + 1 {
		c, err := net.Dial("tcp", b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		all = append(all, c)
	}
	// The deadline is shorter than greetTime, because the broker closes every silent connection after greetTime.
	all[0].SetReadDeadline(time.Now().Add(3 * time.Second))
	if _, err := all[0].Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the first silent connection is still open: ", err)
	}
	last := all[most]
	last.SetDeadline(time.Now().Add(patience))
	last.Write([]byte("\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02me"))
	answer := make([]byte, 4)
	if _, err := last.Read(answer); err != nil || answer[3] != 0 {
		t.Errorf("% x, %v", answer, err)
	}
}

func TestSubscriptionsOfAConnectionAreLimited(t *testing.T) {
	b := run(t, t.TempDir(), accounts())
	laser := login(t, b.Addr(), "laser")
	for i := range 100 {
		laser.c.Subscribe(fmt.Sprintf("portillon/biklab/bundle/%d", i), 0, nil).WaitTimeout(time.Second)
		if !laser.isOpen() {
			return
		}
	}
	t.Error("100 subscriptions were taken")
}

// A client that requests MQTT 5 gets the return code for an unsupported version (MQTT 3.1.1, section 3.1.2.2).
func TestClientsThatRequestMQTT5GetReturnCode1(t *testing.T) {
	b := run(t, t.TempDir(), nil)
	c, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	c.Write([]byte("\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00"))
	answer := make([]byte, 4)
	if _, err := c.Read(answer); err != nil || answer[0] != 0x20 || answer[3] != 1 {
		t.Errorf("% x, %v", answer, err)
	}
}

func TestQoS2PublishesAreRejected(t *testing.T) {
	b := run(t, t.TempDir(), nil)
	c := connect(t, b.Addr(), "")
	if tok := c.c.Publish("a", 2, false, "x"); tok.WaitTimeout(patience) && tok.Error() == nil {
		t.Error("a publish of QoS 2 was completed")
	}
}
