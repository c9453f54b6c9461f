package daemoncmd

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/daemon/journal"
	"portillon/daemon/uplink"
	"portillon/hub"
	"portillon/hub/broker"
	"portillon/policy"
	"portillon/wire"
)

// The tests of this file connect the machine's uplink, the hub and a broker, because only all three together show the
// effect of an administrator's typo.

const wayDeadline = 60 * time.Second // time limit of all conditions for which a test waits

// connectedPair is a hub and a machine that are connected by a broker.
type connectedPair struct {
	t       *testing.T
	dir     string
	machine note.Signer
	pinned  string // public key of the machine in hub.yaml
	hubKeys note.Verifiers
	broker  string           // address of an external broker; empty: the hub's built-in broker
	journal *journal.Journal // the machine's journal; nil before startUplink
}

func newWay(t *testing.T) *connectedPair {
	skipIfShort(t, "starts a hub, a broker and a daemon")
	w := &connectedPair{t: t, dir: t.TempDir()}
	w.machine, w.pinned = w.key("laser.biklab")
	skey, vkey, err := note.GenerateKey(rand.Reader, "biklab")
	if err != nil {
		t.Fatal(err)
	}
	w.write("hub.key", skey+"\n")
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	w.hubKeys = note.VerifierList(v)
	return w
}

func (w *connectedPair) key(name string) (note.Signer, string) {
	w.t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		w.t.Fatal(err)
	}
	return s, vkey
}

func (w *connectedPair) write(name, text string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// mosquitto starts Debian's mosquitto with the files that portillon hub mosquitto-conf writes. Before the start, the
// function replaces typo[0] by typo[1] in the access list.
func (w *connectedPair) mosquitto(typo [2]string) {
	w.t.Helper()
	program, err := exec.LookPath("mosquitto")
	if err != nil {
		program = "/usr/sbin/mosquitto"
	}
	if _, err := os.Stat(program); err != nil {
		if os.Getenv("CI") != "" {
			w.t.Fatal("mosquitto is not installed: apt-get install mosquitto")
		}
		w.t.Skip("mosquitto is not installed")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	m := broker.Mosquitto{
		Site:     "biklab",
		Hub:      "hub",
		Watcher:  "watcher",
		Machines: []policy.MachineID{"laser"},
		Listen:   addr,
		Dir:      w.dir,
		Data:     w.dir,
	}
	acl, err := m.ACL()
	if err != nil {
		w.t.Fatal(err)
	}
	conf, err := m.Conf()
	if err != nil {
		w.t.Fatal(err)
	}
	wrong := strings.Replace(acl, typo[0], typo[1], 1)
	if typo[0] != typo[1] && wrong == acl {
		w.t.Fatalf("the access list has no %q:\n%s", typo[0], acl)
	}
	w.write(broker.MosquittoACL, wrong)
	passwords := w.write(broker.MosquittoPassword, "hub:h\nwatcher:w\nlaser:l\n")
	if out, err := exec.Command("mosquitto_passwd", "-U", passwords).CombinedOutput(); err != nil {
		w.t.Fatalf("mosquitto_passwd: %v: %s", err, out)
	}
	conf += "log_type none\n"
	if os.Geteuid() == 0 {
		conf += "user root\n" // run mosquitto as root, so that it can read the test's folder
	}
	cmd := exec.Command(program, "-c", w.write(broker.MosquittoConf, conf))
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	w.waitUntil("mosquitto", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	w.broker = "tcp://" + addr
}

// waitUntil polls until is returns true, because the broker is another process.
func (w *connectedPair) waitUntil(what string, is func() bool) {
	w.t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(wayDeadline); !is(); <-again.C {
		if time.Now().After(end) {
			w.t.Fatalf("%s did not come", what)
		}
	}
}

// startHub starts a hub. The hub's clock advances by ten seconds at each reading, so that the test does not wait for
// rate limits.
func (w *connectedPair) startHub() *hub.Hub {
	w.t.Helper()
	text := fmt.Sprintf("portillon: 1\nsite: biklab\ndata: data\nkey: hub.key\nmachines:\n  laser: { key: %q, "+
		"password-file: laser.password "+"}\n", w.pinned)
	w.write("laser.password", "l\n")
	w.write("hub.password", "h\n")
	if w.broker == "" {
		text += "mqtt: { listen: \"127.0.0.1:0\" }\n"
	} else {
		text = strings.Replace(text, ", password-file: laser.password", "", 1) +
			fmt.Sprintf("mqtt: { broker: %q, username: hub, password-file: hub.password }\n", w.broker)
	}
	c, err := hub.ReadConfig(w.write("hub.yaml", text))
	if err != nil {
		w.t.Fatal(err)
	}
	var mu sync.Mutex
	now := time.Now()
	h, err := hub.New(c, hub.Options{Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(10 * time.Second)
		return now
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.background(func(ctx context.Context) { h.Run(ctx) }, func() { h.Close() })
	return h
}

// background runs f in a goroutine until the test ends, and then calls the function after.
func (w *connectedPair) background(f func(context.Context), after func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); f(ctx) }()
	w.t.Cleanup(func() { cancel(); <-done; after() })
}

// startUplink starts the machine's uplink with the given number of records, and returns the uplink's clock.
func (w *connectedPair) startUplink(url string, records int) (*uplink.Uplink, *atomic.Int64) {
	w.t.Helper()
	j, err := journal.Open(filepath.Join(w.dir, "journal.db"), journal.Options{Site: "biklab", Machine: "laser",
		Signer: w.machine})
	if err != nil {
		w.t.Fatal(err)
	}
	for range records {
		if _, err := j.Append(journal.Entry{Kind: wire.Refused, Body: wire.RefusedBody{}}); err != nil {
			w.t.Fatal(err)
		}
	}
	w.journal = j
	clock := &atomic.Int64{}
	clock.Store(3_600_000)
	u, err := uplink.New(
		uplink.Config{
			Broker:       url,
			Username:     "laser",
			PasswordFile: w.write("machine.password", "l\n"),
			Site:         "biklab",
			Machine:      "laser",
			Keys:         w.hubKeys,
			Stall:        100 * time.Millisecond,
			StallMax:     time.Second,
			ProbeMax:     200 * time.Millisecond,
			Mono:         clock.Load,
		},
		j,
		uplink.Handlers{},
	)
	if err != nil {
		w.t.Fatal(err)
	}
	u.SetState(wire.State{Machine: "laser", Phase: "off", Journal: uint64(records), Format: wire.AckRefusedFormat})
	w.background(func(ctx context.Context) { u.Run(ctx) }, func() { j.Close() })
	return u, clock
}

// waitForReason waits until the uplink reports a reason. The machine's clock advances by a second at each check.
func (w *connectedPair) waitForReason(u *uplink.Uplink, clock *atomic.Int64, code string) {
	w.t.Helper()
	var h uplink.Health
	defer func() {
		if w.t.Failed() {
			w.t.Logf("%+v", h)
		}
	}()
	w.waitUntil(code, func() bool {
		clock.Add(1000)
		h = u.Health()
		return h.Code() == code && (code != "" || h.Hub && h.Owed == 0)
	})
	if code == "" {
		return
	}
	clock.Add(uplink.Overdue.Milliseconds())
	w.waitUntil("overdue", func() bool { h = u.Health(); return h.Overdue && !h.Hub && h.Broker && h.Code() == code })
}

func TestEachKindOfTypoInMosquittosAccessListIsReported(t *testing.T) {
	for _, c := range []struct {
		name    string
		typo    [2]string
		records int
		code    string
	}{
		{"none", [2]string{}, 3, ""},
		{"the machine may not publish records", [2]string{"topic write portillon/biklab/laser/records",
			"topic write portillon/biklab/laser/record"}, 3, "records-dropped"},
		{"the machine may not read acknowledgements", [2]string{"topic read portillon/biklab/ack/laser",
			"topic read portillon/biklab/ack/lasr"}, 3, "no-answer"},
		{"the same, and nobody uses the machine", [2]string{"topic read portillon/biklab/ack/laser",
			"topic read portillon/biklab/ack/lasr"}, 0, "no-answer"},
		{"the hub's account", [2]string{"topic readwrite portillon/biklab/#", "topic readwrite portillon/biklap/#"}, 3,
			"no-answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWay(t)
			w.mosquitto(c.typo)
			w.startHub()
			u, clock := w.startUplink(w.broker, c.records)
			w.waitForReason(u, clock, c.code)
			if c.code == "" && u.Acked() != 3 {
				t.Errorf("%d records are held", u.Acked())
			}
		})
	}
}

func TestMachineReportsThatTheHubDoesNotPinItsKey(t *testing.T) {
	w := newWay(t)
	_, w.pinned = w.key("laser.biklab")
	h := w.startHub()
	u, clock := w.startUplink(h.Broker(), 3)
	w.waitForReason(u, clock, "hub-refuses/bad-checkpoint")
	if fact, _ := uplink.Explain(u.Health().Code()); fact.EN != "the hub pins another key for this machine" {
		t.Error(fact.EN)
	}
	w.waitUntil("the refusal at the hub", func() bool {
		m := h.Machines()[0]
		code, _ := m.Refusal()
		return code == "bad-checkpoint" && !m.TroubleSince.IsZero()
	})
}

func TestHubWithItsOwnBrokerAcknowledgesTheMachinesRecords(t *testing.T) {
	w := newWay(t)
	h := w.startHub()
	u, clock := w.startUplink(h.Broker(), 3)
	w.waitForReason(u, clock, "")
	if u.Acked() != 3 {
		t.Errorf("%d records are held", u.Acked())
	}
}
