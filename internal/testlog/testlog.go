// Package testlog provides a logger for tests that may be used even after the test has ended. The logger drops lines
// that are logged later, because writing them to the output of the ended test would panic. The embedded broker, and a
// guard that is exiting, log such late lines.
package testlog

import (
	"io"
	"log/slog"
	"sync"
	"testing"
)

// New returns a logger that writes to the test's output and to others until the test has ended.
func New(t testing.TB, others ...io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(Writer(t, others...), nil))
}

// Writer returns a writer with the same behaviour as the logger of New.
func Writer(t testing.TB, others ...io.Writer) io.Writer {
	w := &writer{to: io.MultiWriter(append([]io.Writer{t.Output()}, others...)...)}
	t.Cleanup(w.end)
	return w
}

type writer struct {
	mu sync.Mutex
	to io.Writer // destination of the lines; nil after the test has ended
}

func (w *writer) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to = nil
}

// Write implements io.Writer.
func (w *writer) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.to == nil {
		return len(b), nil
	}
	return w.to.Write(b)
}
