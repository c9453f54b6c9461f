package broker_test

import (
	"bytes"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"

	"portillon/hub/broker"
)

// logBuffer is a buffer that the broker may write while the test reads.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
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

func TestDeniedPublishesAndSubscriptionsAreReported(t *testing.T) {
	log := &logBuffer{}
	b, err := broker.Start(broker.Config{Dir: t.TempDir(), Site: "biklab", Accounts: withVinyl(),
		Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	laser, watcher, hub := login(t, b.Addr(), "laser"), login(t, b.Addr(), "watcher"), login(t, b.Addr(), "hub")

	// The broker must not report permitted packets.
	laser.publish("portillon/biklab/laser/records", false, "x")
	laser.publish("homeassistant/device/portillon_biklab_laser/config", true, "x")
	laser.subscribe("portillon/biklab/laser/command", "portillon/biklab/bundle", "portillon/biklab/ack/laser")
	watcher.publish("homeassistant/status", false, "x")
	watcher.subscribe("homeassistant/#", "portillon/biklab/+/state", "portillon/biklab/laser/availability")
	hub.publish("portillon/biklab/bundle", true, "x")
	hub.publish("portillon/biklab/laser/command", false, "x")
	hub.subscribe("portillon/biklab/#")

	// The broker must report forbidden packets. The broker acknowledges forbidden publishes, so that the test can send
	// one packet after the other.
	laser.publish("portillon/biklab/vinyl/records", false, "x")
	laser.publish("portillon/biklab/vinyl/records", false, "x")
	laser.trySubscribe("portillon/biklab/#")
	watcher.publish("portillon/biklab/laser/command", false, "x")
	hub.publish("portillon/other/bundle", false, "x")
	hub.trySubscribe("portillon/#")

	want := map[string]map[string]int{
		"laser":   {"publish denied": 2, "subscription denied": 1},
		"watcher": {"publish denied": 1},
		"hub":     {"publish denied": 1, "subscription denied": 1},
		"vinyl":   {}, "": {},
	}
	for _, a := range b.Accounts() {
		if !maps.Equal(a.Refused, want[a.User]) {
			t.Errorf("%q: %v, want %v", a.User, a.Refused, want[a.User])
		}
	}
	for _, line := range []string{
		`msg="broker refused a request" account=laser why="publish denied" ` +
			`detail="topic \"portillon/biklab/vinyl/records\"" count=1`,
		`msg="broker refused a request" account=laser why="subscription denied" ` +
			`detail="filter \"portillon/biklab/#\"" count=1`,
	} {
		if !strings.Contains(log.String(), line) {
			t.Errorf("%s is not in the log:\n%s", line, log)
		}
	}
}
