package broker_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"portillon/hub/broker"
	"portillon/wire"
)

// accounts returns the three accounts of a broker under test: hub, laser (a machine) and watcher. Each password is the
// account's name backwards.
func accounts() []broker.Account {
	return []broker.Account{
		{User: "hub", Password: "buh", As: broker.AsHub},
		{User: "laser", Password: "resal", As: broker.AsMachine, Machine: "laser"},
		{User: "watcher", Password: "rehctaw", As: broker.AsWatcher},
	}
}

// A startFunc is a function that starts a broker with a data folder. The function returns the broker's address and a
// function that stops the broker.
type startFunc func(t *testing.T, dir string, accounts []broker.Account) (addr string, stop func())

func inner(t *testing.T, dir string, accounts []broker.Account) (string, func()) {
	t.Helper()
	b, err := broker.Start(broker.Config{Dir: dir, Site: "biklab", Accounts: accounts})
	if err != nil {
		t.Fatal(err)
	}
	stop := func() { b.Close() }
	t.Cleanup(stop)
	return b.Addr(), stop
}

// startMosquitto starts Debian's mosquitto with the configuration that the README recommends.
func startMosquitto(t *testing.T, dir string, accounts []broker.Account) (string, func()) {
	t.Helper()
	path, err := exec.LookPath("mosquitto")
	if err != nil {
		path = "/usr/sbin/mosquitto"
	}
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("mosquitto is not installed: apt-get install mosquitto")
		}
		t.Skip("mosquitto is not installed")
	}
	addr := freeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	conf := fmt.Sprintf("listener %s 127.0.0.1\nset_tcp_nodelay true\nmax_packet_size %d\nallow_anonymous true\n", port,
		wire.MaxPacket+1)
	if len(accounts) > 0 {
		conf = writeACL(t, dir, addr, accounts)
		passwords(t, dir, accounts)
	}
	conf += "log_type none\n"
	if os.Geteuid() == 0 {
		conf += "user root\n" // mosquitto must not give up root, because only root can read the test's folder
	}
	write(t, filepath.Join(dir, "mosquitto.conf"), conf)
	cmd := exec.Command(path, "-c", filepath.Join(dir, "mosquitto.conf"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop := func() {
		if !stopped {
			stopped = true
			cmd.Process.Kill()
			cmd.Wait()
		}
	}
	t.Cleanup(stop)
	return addr, stop
}

// writeACL writes the access list that the command "portillon hub mosquitto-conf" generates, and returns the text of
// mosquitto.conf from the same command.
func writeACL(t *testing.T, dir, addr string, accounts []broker.Account) string {
	t.Helper()
	m := broker.Mosquitto{Site: "biklab", Hub: "hub", Watcher: "watcher", Listen: addr, Dir: dir, Data: dir}
	for _, a := range accounts {
		if a.As == broker.AsMachine {
			m.Machines = append(m.Machines, a.Machine)
		}
	}
	conf, err := m.Conf()
	if err != nil {
		t.Fatal(err)
	}
	acl, err := m.ACL()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, broker.MosquittoACL), acl)
	return conf
}

func passwords(t *testing.T, dir string, accounts []broker.Account) {
	t.Helper()
	path := filepath.Join(dir, broker.MosquittoPassword)
	var lines strings.Builder
	for _, a := range accounts {
		fmt.Fprintf(&lines, "%s:%s\n", a.User, a.Password)
	}
	write(t, path, lines.String())
	if out, err := exec.Command("mosquitto_passwd", "-U", path).CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_passwd: %v: %s", err, out)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestBrokersBehaveAsPortillonRequires(t *testing.T) {
	if testing.Short() {
		t.Skip("short: opens and closes many connections")
	}
	brokers := []struct {
		name  string
		start startFunc
	}{{"inside", inner}, {"mosquitto", startMosquitto}}
	for _, b := range brokers {
		t.Run(b.name, func(t *testing.T) {
			for _, c := range []struct {
				holds string
				check func(*testing.T, startFunc)
			}{
				{"retained messages reach later subscribers, and an empty message clears them", retained},
				{"a will is published after a lost connection, not after a DISCONNECT", will},
				{"messages of QoS 1 arrive in order, each at least once", order},
				{"unknown users and wrong passwords are refused", strangers},
				{"a machine publishes only its own messages", permissions},
				{"a watcher receives only states", watcher},
				{"permissions follow the table of topics", checkTopicTable},
				{"an account cannot use another's client id", checkClientIDs},
				{"the largest packet passes, one byte more does not", border},
				{"a client reconnects after a lost connection", reconnect},
				{"an oversized message reaches no client and does not stop the broker", tooLarge},
			} {
				t.Run(strings.ReplaceAll(c.holds, " ", "-"), func(t *testing.T) { c.check(t, b.start) })
			}
		})
	}
}

func retained(t *testing.T, start startFunc) {
	addr, _ := start(t, t.TempDir(), nil)
	a := connect(t, addr, "")
	a.publish("portillon/biklab/bundle", true, "first")
	a.publish("portillon/biklab/bundle", true, "second")
	waitForRetained(t, addr, "portillon/biklab/bundle", "second")
	a.publish("portillon/biklab/bundle", true, "")
	waitForRetained(t, addr, "portillon/biklab/bundle", "")
}

func will(t *testing.T, start startFunc) {
	addr, _ := start(t, t.TempDir(), nil)
	watch := connect(t, addr, "")
	watch.subscribe("portillon/biklab/+/availability", "portillon/biklab/end")
	polite := connect(t, addr, "portillon/biklab/vinyl/availability")
	polite.c.Disconnect(250)
	rude := connect(t, addr, "portillon/biklab/laser/availability")
	rude.cut()
	m := watch.next()
	if m.Topic() != "portillon/biklab/laser/availability" || string(m.Payload()) != "offline" {
		t.Errorf("got %q on %s", m.Payload(), m.Topic())
	}
	waitForRetained(t, addr, "portillon/biklab/+/availability", "offline")
}

// waitForRetained waits until a new subscriber of filter receives the retained messages want, or none if want is empty.
// The wait is needed because NATS retains a message only after acknowledging and delivering the message.
func waitForRetained(t *testing.T, addr, filter, want string) {
	t.Helper()
	var got string
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if got = readRetained(t, addr, filter); got == want {
			return
		}
	}
	t.Fatalf("a new subscriber of %s receives %q, want %q", filter, got, want)
}

// readRetained subscribes to filter with a new client, and returns the retained messages that the client receives, as
// one line of text.
func readRetained(t *testing.T, addr, filter string) string {
	t.Helper()
	c := connect(t, addr, "")
	defer c.c.Disconnect(0)
	c.subscribe(filter, "portillon/biklab/end")
	// Publish a last message: the subscriber receives all retained messages before this message.
	c.publish("portillon/biklab/end", false, "")
	var all []string
	for m := c.next(); m.Topic() != "portillon/biklab/end"; m = c.next() {
		if m.Retained() {
			all = append(all, string(m.Payload()))
		}
	}
	return strings.Join(all, " ")
}

func order(t *testing.T, start startFunc) {
	addr, _ := start(t, t.TempDir(), nil)
	hub := connect(t, addr, "")
	hub.subscribe("portillon/biklab/+/records")
	machine := connect(t, addr, "")
	const n = 500 // must be below 1,000, because mosquitto queues at most 1,000 messages for a subscriber by default
	var tokens []mqtt.Token
	for i := range n {
		tokens = append(tokens, machine.c.Publish("portillon/biklab/laser/records", 1, false, fmt.Sprint(i)))
	}
	for _, tok := range tokens {
		machine.must(tok)
	}
	for want := 0; want < n; {
		var got int
		fmt.Sscan(string(hub.next().Payload()), &got)
		if got > want {
			t.Fatalf("%d came before %d", got, want)
		}
		if got == want {
			want++
		}
	}
}

func strangers(t *testing.T, start startFunc) {
	addr, _ := start(t, t.TempDir(), accounts())
	for _, c := range []struct{ user, password string }{{"", ""}, {"laser", "wrong"}, {"nobody", "ydobon"},
		{"laser", ""}} {
		o := options(addr).SetUsername(c.user).SetPassword(c.password)
		tok := mqtt.NewClient(o).Connect()
		if !tok.WaitTimeout(patience) || tok.Error() == nil {
			t.Errorf("%q with %q was accepted", c.user, c.password)
		}
	}
	login(t, addr, "laser") // Check first that the broker runs and accepts an account that it knows
}

func permissions(t *testing.T, start startFunc) {
	addr, _ := start(t, t.TempDir(), accounts())
	hub, laser := login(t, addr, "hub"), login(t, addr, "laser")
	hub.subscribe("portillon/biklab/#")
	// the hub's second subscription matches topics that its first subscription also matches
	hub.subscribe("portillon/biklab/+/records")
	for _, topic := range []string{
		"portillon/biklab/vinyl/records", "portillon/biklab/vinyl/state", "portillon/biklab/ack/laser",
		"portillon/biklab/laser/command",
		"portillon/biklab/bundle", "portillon/other/laser/records", "portillon/biklab/vinyl/command",
	} {
		// Brokers also acknowledge the messages that they drop.
		laser.c.Publish(topic, 1, false, "forged").WaitTimeout(patience)
	}
	laser.publish("portillon/biklab/laser/state", true, "true")
	if m := hub.next(); string(m.Payload()) != "true" {
		t.Fatalf("%q reached the hub on %s", m.Payload(), m.Topic())
	}
	laser.subscribe("portillon/biklab/laser/command", "portillon/biklab/ack/laser", "portillon/biklab/bundle")
	for _, topic := range []string{"portillon/biklab/laser/command", "portillon/biklab/ack/laser",
		"portillon/biklab/bundle"} {
		hub.publish(topic, false, "from the hub")
		if m := laser.next(); m.Topic() != topic {
			t.Errorf("%s came as %s", topic, m.Topic())
		}
	}
	laser.trySubscribe(
		"portillon/biklab/vinyl/command",
		"portillon/biklab/ack/vinyl",
		"portillon/#",
		"#",
		"portillon/biklab/+/records",
	)
	hub.publish("portillon/biklab/vinyl/command", false, "not for the laser")
	hub.publish("portillon/biklab/ack/vinyl", false, "not for the laser")
	hub.publish("portillon/biklab/laser/command", false, "end")
	for m := laser.next(); string(m.Payload()) != "end"; m = laser.next() {
		if string(m.Payload()) == "not for the laser" {
			t.Fatalf("the laser hears %s", m.Topic())
		}
	}
}

func watcher(t *testing.T, start startFunc) {
	addr, _ := start(t, t.TempDir(), accounts())
	hub, laser, w := login(t, addr, "hub"), login(t, addr, "laser"), login(t, addr, "watcher")
	w.subscribe("portillon/biklab/+/state", "portillon/biklab/+/availability", "homeassistant/#")
	w.trySubscribe("portillon/biklab/+/records", "portillon/biklab/+/reply")
	hub.subscribe("portillon/biklab/+/command", "portillon/biklab/+/state")
	w.c.Publish("portillon/biklab/laser/command", 1, false, "forged").WaitTimeout(patience)
	w.c.Publish("portillon/biklab/laser/state", 1, false, "forged").WaitTimeout(patience)
	laser.publish("portillon/biklab/laser/records", false, "a record")
	laser.publish("homeassistant/device/portillon_biklab_laser/config", true, "discovery")
	laser.publish("portillon/biklab/laser/state", true, "a state")
	got := []string{string(w.next().Payload()), string(w.next().Payload())} // in either order
	if slices.Sort(got); got[0] != "a state" || got[1] != "discovery" {
		t.Errorf("the watcher hears %q", got)
	}
	if m := hub.next(); string(m.Payload()) != "a state" {
		t.Errorf("%q reached the hub", m.Payload())
	}
}

func reconnect(t *testing.T, start startFunc) {
	addr, _ := start(t, t.TempDir(), nil)
	hub := connect(t, addr, "")
	hub.subscribe("portillon/biklab/+/records")
	for i := range 5 {
		machine := connectAs(t, addr, "portillon-laser") // every iteration of the loop connects with the same client id
		machine.publish("portillon/biklab/laser/records", false, fmt.Sprint(i))
		if m := hub.next(); string(m.Payload()) != fmt.Sprint(i) {
			t.Fatalf("got %q", m.Payload())
		}
		machine.cut()
	}
}

func tooLarge(t *testing.T, start startFunc) {
	addr, _ := start(t, t.TempDir(), nil)
	hub := connect(t, addr, "")
	hub.subscribe("portillon/biklab/+/records")
	machine := connect(t, addr, "")
	machine.c.Publish("portillon/biklab/laser/records", 1, false, make([]byte, 2*wire.MaxPacket)).WaitTimeout(patience)
	other := connect(t, addr, "")
	// Publish 512 KiB, the size of the largest batch of records.
	other.publish("portillon/biklab/vinyl/records", false, strings.Repeat("x", 512<<10))
	if m := hub.next(); len(m.Payload()) != 512<<10 {
		t.Errorf("%d bytes came", len(m.Payload()))
	}
}

const patience = 10 * time.Second
