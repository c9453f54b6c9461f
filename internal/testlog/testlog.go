// Package testlog provides a logger for tests that may be used after the test has ended. It drops later lines, because
// writing to the test's own output would then panic. Such lines come from the embedded broker and from a guard that is
// exiting.
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

// Writer returns the writer of New's logger.
func Writer(t testing.TB, others ...io.Writer) io.Writer {
	w := &writer{to: io.MultiWriter(append([]io.Writer{t.Output()}, others...)...)}
	t.Cleanup(w.end)
	return w
}

type writer struct {
	mu sync.Mutex
	to io.Writer // nil after the test has ended
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
