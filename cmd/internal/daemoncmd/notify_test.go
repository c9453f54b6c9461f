package daemoncmd

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// If the machine's loop hangs, the daemon sends no reports to systemd's watchdog. When the daemon stops, it reports to
// systemd that it is stopping.
func TestWatchdogGetsReportsOnlyWhileTheLoopRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	s, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "30000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	var alive atomic.Bool
	alive.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	go notifySystemd(ctx, alive.Load)
	next := func(wait time.Duration) string {
		b := make([]byte, 100)
		s.SetReadDeadline(time.Now().Add(wait))
		n, err := s.Read(b)
		if err != nil {
			return ""
		}
		return string(b[:n])
	}
	for _, want := range []string{"READY=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"} {
		if got := next(5 * time.Second); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	}
	alive.Store(false)
	for next(200*time.Millisecond) != "" { // discard the reports that the daemon has already sent
	}
	if got := next(300 * time.Millisecond); got != "" {
		t.Errorf("a dead loop said %q", got)
	}
	cancel()
	if got := next(5 * time.Second); got != "STOPPING=1" {
		t.Errorf("at the end: %q", got)
	}
}
