package keyboard

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"portillon/rfid"
)

// pipeReader returns a Reader on a pipe instead of a device, with a clock that shows now.
func pipeReader(t *testing.T, f Format, now time.Duration) (*Reader, *os.File) {
	t.Helper()
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r := newReader(in, f, func() time.Duration { return now })
	t.Cleanup(func() { r.Close(); out.Close() })
	return r, out
}

// A pipe may split an event, although the kernel never does. The reader accepts split events, and treats a closed pipe
// as an unplugged reader.
func TestReaderAcceptsEventsInAnySplit(t *testing.T) {
	r, out := pipeReader(t, Hex, 0)
	go func() {
		for b := encodeEvents(typed("62E3086CED\n"), r.size); len(b) > 0; b = b[7:] {
			if len(b) < 7 {
				out.Write(b)
				break
			}
			out.Write(b[:7])
		}
		out.Close()
	}()
	tap, err := r.Read(t.Context())
	if err != nil || tap.UID.Hex() != "62E3086CED" || tap.At.IsZero() {
		t.Fatal(tap.UID.Hex(), err)
	}
	if _, err := r.Read(t.Context()); err == nil || strings.Contains(err.Error(), "62E3") {
		t.Fatal(err)
	}
}

// A missing Enter must be reported within one second after the first card, before the person types the next card.
func TestLineWithoutEnterIsReportedBeforeTheNextCard(t *testing.T) {
	now := time.Duration(0)
	r, out := pipeReader(t, Hex, 0)
	r.now, r.quiet = func() time.Duration { return now }, time.Millisecond
	said := make(chan rfid.Unread, 8)
	r.Unread = func(u rfid.Unread) { said <- u }
	out.Write(encodeEvents(typed("62E3086CED"), r.size))
	now = 2 * time.Second
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { _, err := r.Read(ctx); done <- err }()
	if u := <-said; u.Raw != "62E3086CED" || !strings.Contains(u.Why, "no Enter or Tab") {
		t.Errorf("%q of %q", u.Why, u.Raw)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if len(said) > 0 {
		t.Error("it is said twice")
	}
}

func TestPartialLineSurvivesTheEndOfAContext(t *testing.T) {
	r, out := pipeReader(t, Hex, 0)
	b := encodeEvents(typed("62E3086CED\n"), r.size)
	half := len(b)/2 + 5 // splits an event, as only a pipe can do
	out.Write(b[:half])
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		start := time.Now()
		if _, err := r.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("a read ended %v after it began, its context after 10 ms", d)
		}
		cancel()
	}
	out.Write(b[half:])
	if tap, err := r.Read(t.Context()); err != nil || tap.UID.Hex() != "62E3086CED" {
		t.Fatal(tap.UID.Hex(), err)
	}
}

func TestCloseEndsARead(t *testing.T) {
	r, _ := pipeReader(t, Hex, 0)
	failed := make(chan error)
	go func() { _, err := r.Read(t.Context()); failed <- err }()
	r.Close()
	if err := <-failed; !errors.Is(err, os.ErrClosed) {
		t.Fatal(err)
	}
}

func TestCardTypedTwiceIsOneTap(t *testing.T) {
	r, out := pipeReader(t, Hex, 0)
	out.Write(encodeEvents(typed("62E3086CED\n62E3086CED\n01000734E0\n"), r.size))
	for _, want := range []string{"62E3086CED", "01000734E0"} {
		if tap, err := r.Read(t.Context()); err != nil || tap.UID.Hex() != want {
			t.Fatal(tap.UID.Hex(), err)
		}
	}
}

// If the process was suspended or busy for more than two seconds, the person who tapped may have left.
func TestStaleLineGivesNoTap(t *testing.T) {
	r, out := pipeReader(t, Hex, time.Minute)
	out.Write(encodeEvents(delayed(time.Minute-stale-time.Millisecond, typed("62E3086CED\n")), r.size))
	out.Write(encodeEvents(delayed(time.Minute-stale, typed("01000734E0\n")), r.size))
	if tap, err := r.Read(t.Context()); err != nil || tap.UID.Hex() != "01000734E0" {
		t.Fatal(tap.UID.Hex(), err)
	}
}

func TestOpenRefusesAnythingButAnInputDevice(t *testing.T) {
	f := t.TempDir() + "/file"
	os.WriteFile(f, nil, 0o600)
	for _, path := range []string{f, f + "x", "/dev/null"} {
		if _, err := Open(path, Hex); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
