package enrol

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"portillon/cmd/internal/daemoncmd"
)

// logBuffer collects the log lines of a daemon.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer

	socket string // path of the daemon's control socket
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// startDaemon runs portillond with the files of an enrolment, like the systemd unit, but with all files below another
// root folder.
func (e *Enrolment) startDaemon(t *testing.T, c daemoncmd.Config) *logBuffer {
	t.Helper()
	file := e.path(filepath.Join(e.Dir, c.Machine+".yaml"))
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	short, err := os.MkdirTemp("", "enrol") // the folder's name is short, because a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(short) })
	moved := strings.ReplaceAll(string(text), "/var/lib/portillon/"+c.Machine, c.Data)
	moved = strings.ReplaceAll(moved, "/tmp/portillon-enrol-test-pin", filepath.Join(short, "pin"))
	moved += "control: " + filepath.Join(short, "c.sock") + "\npanel: { listen: 127.0.0.1:0 }\n"
	file = filepath.Join(short, c.Machine+".yaml")
	write(t, file, moved)
	write(t, filepath.Join(short, "pin"), "0")
	credentials := filepath.Join(short, "credentials")
	for _, name := range []string{"card-key", c.Machine + ".machine-key", c.Machine + ".mqtt-password"} {
		b, err := os.ReadFile(filepath.Join(e.store(), "portillon."+name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(credentials, strings.TrimPrefix(name, c.Machine+".")), string(b))
	}
	cmd := exec.Command(os.Args[0], "-config", file)
	cmd.Env = append(os.Environ(), "PORTILLON_TEST_DAEMON=1", "CREDENTIALS_DIRECTORY="+credentials)
	said := &logBuffer{socket: filepath.Join(short, "c.sock")}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		select {
		case <-done:
		case <-time.After(soon):
			cmd.Process.Kill()
			<-done
		}
		if t.Failed() {
			t.Log(said)
		}
	})
	return said
}

// await polls until is returns true, because neither hub nor daemon notifies the test.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(2 * soon); !is(); {
		select {
		case <-end:
			t.Fatalf("not within %v: %s", 2*soon, what)
		case <-tick.C:
		}
	}
}

// After an enrolment, the daemon uses the files that the enrolment has written. The daemon sends its records to the hub
// over TLS, and verifies the hub's certificate with the hub's own authority. The daemon fetches the next bundle over
// HTTPS and identifies itself with the machine's certificate.
func TestEnrolledDaemonWorksWithItsHub(t *testing.T) {
	w := newWorld(t)
	e, c := w.enrolled(t, "laser")
	e.startDaemon(t, c)
	await(t, "records at the hub", func() bool {
		h, err := w.Ledger().Head("laser")
		return err == nil && h.Seq > 0
	})
	standing := func() uint64 {
		m, err := w.Enrol().Machines.Get(t.Context(), admin, "laser")
		if err != nil {
			t.Fatal(err)
		}
		return m.Standing.Bundle
	}
	await(t, "the machine works from bundle 1", func() bool { return standing() == 1 })
	members := filepath.Join(w.dir, "site", "members.yaml")
	text, err := os.ReadFile(members)
	if err != nil {
		t.Fatal(err)
	}
	// The new member is in a chunk that the machine must fetch.
	write(t, members, strings.Replace(string(text), "Member 0", "Renamed", 1))
	w.buildBundle(2)
	await(t, "the machine takes bundle 2", func() bool { return standing() == 2 })
	m, err := w.Enrol().Machines.Get(t.Context(), admin, "laser")
	if err != nil || m.Fetched != 2 || !m.Standing.Online || m.Standing.Clock != "trusted" {
		t.Errorf("%+v %v", m, err)
	}
	if err := w.Enrol().Orders.Tag(t.Context(), admin, "laser", "worn belt"); err != nil {
		t.Error("tag: ", err)
	}
	await(t, "the machine is tagged", func() bool {
		for _, m := range w.Machines() {
			if m.State != nil && m.State.Tagged {
				return true
			}
		}
		return false
	})
}
