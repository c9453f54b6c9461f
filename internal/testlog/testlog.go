// Package testlog gives tests a logger that may outlive them: what a goroutine logs once its test has ended is dropped,
// where the test's own output would panic. The broker inside, and the guard's last words, come that late.
package testlog

import (
	"io"
	"log/slog"
	"sync"
	"testing"
)

// New logs to the test's output, and to all others, until the test has ended.
func New(t testing.TB, others ...io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(Writer(t, others...), nil))
}

// Writer is what New writes to.
func Writer(t testing.TB, others ...io.Writer) io.Writer {
	w := &writer{to: io.MultiWriter(append([]io.Writer{t.Output()}, others...)...)}
	t.Cleanup(w.end)
	return w
}

type writer struct {
	mu sync.Mutex
	to io.Writer // nil once the test has ended
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
