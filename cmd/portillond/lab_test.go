package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/daemon/control"
	"portillon/daemon/relay/gpio/sim"
)

// The tests of this package run the real programs: portillond with its guard on a simulated pin, the operator's tool,
// and, if a test needs a broker, mosquitto. The tests wait for events with a time limit, and never sleep for an
// estimated time.

var bin struct {
	once sync.Once
	dir  string
	err  error
}

// program builds the programs once and returns the path of the named program.
func program(t testing.TB, name string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("short: builds the programs and runs them as processes")
	}
	bin.once.Do(func() {
		if bin.dir, bin.err = os.MkdirTemp("", "portillond-test"); bin.err != nil {
			return
		}
		out, err := exec.Command("go", "build", "-o", bin.dir, "portillon/cmd/portillond", "portillon/cmd/portillon").
			CombinedOutput()
		if err != nil {
			bin.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if bin.err != nil {
		t.Fatal(bin.err)
	}
	return filepath.Join(bin.dir, name)
}

func TestMain(m *testing.M) {
	code := m.Run()
	if bin.dir != "" {
		os.RemoveAll(bin.dir)
	}
	os.Exit(code)
}

// lab is a folder that contains all files of a site with one machine.
type lab struct {
	t       testing.TB
	site    string
	dir     string
	hubKey  string // public key of the hub
	machine string // public key of the machine
	reader  string
	broker  string

	cmd  *exec.Cmd
	said *lockedBuffer // standard output of the daemon
	log  *lockedBuffer
	done chan error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newLab(t *testing.T, policy, members string, badges map[string][]byte) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir(), site: "test", reader: "{ kind: none }"}
	l.write("site/policy.yaml", []byte(policy))
	l.write("site/members.yaml", []byte(members))
	for name, b := range badges {
		l.write("site/badges/"+name, b)
	}
	l.furnish()
	return l
}

// furnish creates the keys and the first bundle of a site in the lab's folder.
func (l *lab) furnish() {
	l.t.Helper()
	l.write("card.key", []byte(strings.Repeat("5a", 32)))
	l.hubKey = l.key("hub.key", "portillon-test")
	l.machine = l.key("machine.key", "laser.test")
	l.buildBundle(1)
	l.t.Cleanup(l.kill)
}

func (l *lab) path(name string) string { return filepath.Join(l.dir, name) }

func (l *lab) write(name string, b []byte) {
	l.t.Helper()
	if err := os.MkdirAll(filepath.Dir(l.path(name)), 0o755); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(l.path(name), b, 0o600); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) key(file, name string) string {
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		l.t.Fatal(err)
	}
	l.write(file, []byte(skey))
	return vkey
}

// buildBundle writes the site's bundle to the bundle file, as an operator does.
func (l *lab) buildBundle(version int) {
	l.t.Helper()
	// Remove the file first, because «bundle build» does not overwrite a bundle of another key.
	next := l.path("next.bundle")
	out, err := exec.Command(program(l.t, "portillon"), "bundle", "build", l.path("site"), "--key", l.path("hub.key"),
		"--card-key", l.path("card.key"),
		"--version", fmt.Sprint(version), "-o", next).
		CombinedOutput()
	if err != nil {
		l.t.Fatalf("bundle build: %v\n%s", err, out)
	}
	if err := os.Rename(next, l.path("site.bundle")); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) config() string {
	mqtt := ""
	if l.broker != "" {
		mqtt = fmt.Sprintf("mqtt: { broker: %q, hub-key: %q }\n", l.broker, l.hubKey)
	}
	return fmt.Sprintf(`portillon: 1
site: %s
machine: laser
data: data
control: %s
card-key: card.key
machine-key: machine.key
bundle: { key: %q, file: site.bundle }
reader: %s
relay: { pin: "sim:pin", e-stop: "sim:estop" }
panel: { listen: "127.0.0.1:0" }
clock: trusted
%s`, l.site, l.socket(), l.hubKey, l.reader, mqtt)
}

// socket returns the path of the control socket. The path must be short, because the path of a Unix socket has at most
// 107 bytes.
func (l *lab) socket() string { return l.path("s") }

// start runs portillond and waits until it is ready for a tap.
func (l *lab) start() {
	l.t.Helper()
	l.write("machine.yaml", []byte(l.config()))
	l.log, l.said = &lockedBuffer{}, &lockedBuffer{}
	l.cmd = exec.Command(program(l.t, "portillond"), "-config", l.path("machine.yaml"))
	l.cmd.Stderr = l.log
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := l.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	ready := make(chan bool, 1)
	l.done = make(chan error, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			fmt.Fprintln(l.said, lines.Text())
			if strings.HasPrefix(lines.Text(), "ready") {
				ready <- true
			}
		}
		l.done <- l.cmd.Wait()
	}()
	select {
	case <-ready:
	case err := <-l.done:
		l.t.Fatalf("portillond ended: %v\n%s", err, l.log)
	case <-time.After(30 * time.Second):
		l.t.Fatalf("portillond was not ready in 30 s\n%s", l.log)
	}
}

func (l *lab) signal(s syscall.Signal) {
	l.t.Helper()
	if err := l.cmd.Process.Signal(s); err != nil {
		l.t.Fatal(err)
	}
}

// waitForExit waits until the daemon has exited.
func (l *lab) waitForExit() error {
	l.t.Helper()
	select {
	case err := <-l.done:
		l.cmd = nil
		return err
	case <-time.After(20 * time.Second):
		l.t.Fatalf("portillond did not end\n%s", l.log)
		return nil
	}
}

func (l *lab) kill() {
	if l.cmd == nil {
		return
	}
	l.cmd.Process.Signal(syscall.SIGCONT)
	l.cmd.Process.Kill()
	select {
	case <-l.done:
	case <-time.After(10 * time.Second):
	}
	l.cmd = nil
	if l.t.Failed() {
		l.t.Logf("portillond said:\n%s", l.log)
	}
}

func (l *lab) ask(r control.Request) control.Reply {
	l.t.Helper()
	rep, err := control.Call(l.t.Context(), l.socket(), r)
	if err != nil {
		l.t.Fatalf("%+v: %v\n%s", r, err, l.log)
	}
	return rep
}

func (l *lab) status() control.Status {
	l.t.Helper()
	rep := l.ask(control.Request{Do: "status"})
	if rep.Status == nil {
		l.t.Fatalf("no status: %+v", rep)
	}
	return *rep.Status
}

// waitForReader waits until the daemon has opened the reader.
func (l *lab) waitForReader() {
	l.t.Helper()
	l.within(10*time.Second, "the reader answers", func() bool { return l.status().Reader })
}

// isOn reports whether the relay is on, according to the file of the simulated pin.
func (l *lab) isOn() bool {
	on, err := sim.Level(l.path("pin"))
	return err == nil && on
}

// within waits until holds returns true, and fails the test after the time d.
func (l *lab) within(d time.Duration, what string, holds func() bool) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), d)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			l.t.Fatalf("not within %v: %s\n%s", d, what, l.log)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// mosquitto starts a real broker on a free port and returns its address.
func mosquitto(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("mosquitto")
	if err != nil {
		path = "/usr/sbin/mosquitto"
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			if os.Getenv("CI") != "" {
				t.Fatal("mosquitto is not installed")
			}
			t.Skip("mosquitto is not installed: apt-get install mosquitto")
		}
	}
	n, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := n.Addr().String()
	n.Close()
	_, port, _ := net.SplitHostPort(addr)
	conf := filepath.Join(t.TempDir(), "mosquitto.conf")
	text := fmt.Sprintf("listener %s 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\npersistence false\n", port)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-c", conf)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	end, tick := time.After(10*time.Second), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for { // poll, because the broker does not report when it begins to listen
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return "tcp://" + addr
		}
		select {
		case <-end:
			t.Fatal("mosquitto does not answer")
		case <-tick.C:
		}
	}
}

func decode[T any](t *testing.T, b []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return v
}
