package rdm6300

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"portillon/rfid"
	"portillon/rfid/rfidtest"
)

// Others have published these frames (Seeed's wiki, and forum posts on the RDM6300).
const (
	frameA = rfidtest.Frame
	frameB = "\x0201000734E0D2\x03"
)

func decode(s string) (out []string) {
	var d Decoder
	for i := range len(s) {
		if u, ok := d.Push(s[i]); ok {
			out = append(out, u.Hex())
		}
	}
	return out
}

func TestFramesAreFoundAmongNoise(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"one", frameA, "62E3086CED"},
		{"a published capture (forum.hobbycomponents.com viewtopic p=7544)", "\x02100086F44426\x03", "100086F444"},
		{"two", frameA + frameB, "62E3086CED 01000734E0"},
		{"noise before, between and after", "\xff\x00xyz" + frameA + "\x03\x03garbage" + frameB + "\x02\x02",
			"62E3086CED 01000734E0"},
		{"begun twice", "\x0262E30" + frameA, "62E3086CED"},
		{"cut in the middle", frameA[:9] + frameB, "01000734E0"},
		{"wrong checksum", "\x0262E3086CED09\x03", ""},
		{"one digit lost", "\x0262E3086CE08\x03", ""},
		{"one digit too many", "\x0262E3086CED088\x03", ""},
		{"two digits too many, the last in the checksum's place", "\x0262E3086CED08F8\x03", ""},
		{"not hexadecimal", "\x02G2E3086CED08\x03", ""},
		{"no end", "\x0262E3086CED08", ""},
		{"lower case", "\x0262e3086ced08\x03", "62E3086CED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.Join(decode(c.in), " "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestFrameWithAWrongChecksumIsReportedOnce(t *testing.T) {
	for in, want := range map[string]string{
		"\x0262E3086CED09\x03": `"62E3086CED09"`, "\x02G2E3086CED08\x03": `"G2E3086CED08"`,
		frameA: "", "\x0262E3086CE08\x03": "", "noise": "",
	} {
		var d Decoder
		for i := range len(in) {
			d.Push(in[i])
		}
		if u, ok := d.Unread(); ok != (want != "") || u.Raw != want || ok && !strings.Contains(u.Why, "checksum") {
			t.Errorf("%q: %q of %q", in, u.Why, u.Raw)
		}
		if _, again := d.Unread(); again {
			t.Errorf("%q: it is said twice", in)
		}
	}
}

func TestFrameWithAFlippedBitNeverGivesAnotherCard(t *testing.T) {
	for i := 1; i < 13; i++ {
		for bit := range 8 {
			b := []byte(frameA)
			b[i] ^= 1 << bit
			for _, u := range decode(string(b)) {
				if u != "62E3086CED" { // a bit that turns an upper-case digit into a lower-case digit changes no number
					t.Errorf("byte %d bit %d read as another card", i, bit)
				}
			}
		}
	}
}

func open(t *testing.T) (*os.File, *Reader) {
	t.Helper()
	m, path, err := rfidtest.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return m, r
}

func TestReaderDeliversTapsFromASerialLine(t *testing.T) {
	m, r := open(t)
	said := 0
	r.Unread = func(u rfid.Unread) { said++ }
	defer func() {
		if said != 1 {
			t.Errorf("%d frames were said to be wrong, want 1", said)
		}
	}()
	go func() {
		m.WriteString("\x0262E3086CED09\x03") // a wrong checksum
		// the bytes of a frame arrive one by one, and then the frame is repeated, as the module does
		for i := range len(frameA) {
			m.Write([]byte{frameA[i]})
		}
		m.WriteString(frameA + frameA + "noise" + frameB)
	}()
	for _, want := range []string{"62E3086CED", "01000734E0"} {
		tap, err := r.Read(t.Context())
		if err != nil || tap.UID.Hex() != want || tap.At.IsZero() {
			t.Fatalf("got %s %v, want %s", tap.UID.Hex(), err, want)
		}
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	_, r := open(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := r.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

func TestUnpluggedPortIsAnErrorAndANewPortWorks(t *testing.T) {
	m, r := open(t)
	m.Close()
	if _, err := r.Read(t.Context()); err == nil || strings.Contains(err.Error(), "62E3") {
		t.Fatal(err)
	}
	m, r = open(t)
	m.WriteString(frameB)
	if tap, err := r.Read(t.Context()); err != nil || tap.UID.Hex() != "01000734E0" {
		t.Fatal(tap, err)
	}
}

func TestPartialFrameSurvivesTheEndOfAContext(t *testing.T) {
	m, r := open(t)
	m.WriteString(frameB[:7])
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := r.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	m.WriteString(frameB[7:])
	if tap, err := r.Read(t.Context()); err != nil || tap.UID.Hex() != "01000734E0" {
		t.Fatal(tap, err)
	}
}

func TestCloseEndsARead(t *testing.T) {
	_, r := open(t)
	failed := make(chan error)
	go func() { _, err := r.Read(t.Context()); failed <- err }()
	r.Close()
	if err := <-failed; err == nil {
		t.Fatal("a closed reader read a card")
	}
}

func TestOpenDiscardsWaitingBytes(t *testing.T) {
	m, path, err := rfidtest.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	// the pseudo-terminal is open, and receives bytes, before the reader opens it
	held, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	m.WriteString(frameA)
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	m.WriteString(frameB)
	if tap, err := r.Read(t.Context()); err != nil || tap.UID.Hex() != "01000734E0" {
		t.Fatal(tap.UID.Hex(), err)
	}
}

func TestOpenErrorNamesThePort(t *testing.T) {
	f := t.TempDir() + "/file"
	os.WriteFile(f, nil, 0o600)
	for _, path := range []string{f, f + "x"} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// suspendedLine is a line whose bytes arrive while the process is suspended.
type suspendedLine struct {
	bytes   string
	stall   time.Duration
	flushed bool
	wait    time.Duration
}

func (s *suspendedLine) Read(p []byte) (int, error) {
	<-time.After(s.wait + s.stall)
	n := copy(p, s.bytes)
	s.bytes, s.stall = s.bytes[n:], 0
	return n, nil
}
func (s *suspendedLine) SetReadTimeout(d time.Duration) error { s.wait = d; return nil }
func (s *suspendedLine) ResetInputBuffer() error              { s.flushed = true; return nil }
func (s *suspendedLine) Close() error                         { return nil }

func TestCardReadWhileTheProcessWasSuspendedGivesNoTap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &suspendedLine{bytes: frameA, stall: 10 * time.Second}
		r, err := newReader("line", s)
		if err != nil || !s.flushed {
			t.Fatal("the line was not emptied", err)
		}
		tap, err := r.Read(t.Context())
		if err == nil || tap.UID != (rfid.UID{}) || strings.Contains(err.Error(), "62E3") {
			t.Fatal(tap.UID.Hex(), err)
		}
		if _, again := r.Read(t.Context()); again == nil {
			t.Error("the reader came back from the dead")
		}
	})
}

func TestStaleBytesGiveNoTap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := newReader("line", &suspendedLine{bytes: frameA + frameB, stall: time.Second})
		if tap, err := r.Read(t.Context()); err != nil || tap.UID.Hex() != "62E3086CED" {
			t.Fatal(err)
		}
		<-time.After(maxPause + time.Second)
		if tap, err := r.Read(t.Context()); err == nil {
			t.Fatal("a tap of three seconds ago: ", tap.UID.Hex())
		}
	})
}

// The test unplugs a serial port and plugs it in again under the same name in /dev/serial/by-id, as happens to the
// daemon.
func TestWatchFollowsALineThatIsReplaced(t *testing.T) {
	if testing.Short() {
		t.Skip("short: waits for a line that is replaced")
	}
	m, path, err := rfidtest.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	name := t.TempDir() + "/by-id"
	os.Symlink(path, name)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	events, done := make(chan rfid.Event), make(chan bool)
	go func() {
		rfid.Watch(ctx, func() (rfid.Reader, error) { return Open(name) }, events)
		close(done)
	}()
	next := func(what string, is func(rfid.Event) bool) {
		t.Helper()
		select {
		case e := <-events:
			if !is(e) {
				t.Fatalf("%s expected: %+v %s", what, e, e.Tap.UID.Hex())
			}
		case <-ctx.Done():
			t.Fatalf("%s did not come", what)
		}
	}
	alive := func(e rfid.Event) bool { return e.Alive && e.Tap == (rfid.Tap{}) }
	next("alive", alive)
	m.WriteString("\x0201\x00" + frameA + frameA + "\x02noise")
	next("tap", func(e rfid.Event) bool { return e.Tap.UID.Hex() == "62E3086CED" })
	m.Close()
	os.Remove(name)
	next("lost", func(e rfid.Event) bool { return !e.Alive && e.Err != nil })
	m, path, err = rfidtest.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	os.Symlink(path, name)
	next("alive again", alive)
	m.WriteString(frameA)
	next("tap again", func(e rfid.Event) bool { return e.Tap.UID.Hex() == "62E3086CED" })
	cancel()
	<-done
}

func FuzzDecoder(f *testing.F) {
	f.Add([]byte(frameA))
	f.Add([]byte(frameA[:5] + frameB + "\x02\x03"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, u := range decode(string(b)) {
			if len(u) != 10 {
				t.Fatalf("a card of %d digits", len(u))
			}
		}
		// After any input, the decoder must still read the next valid frame.
		if got := decode(string(b) + frameB); len(got) == 0 || got[len(got)-1] != "01000734E0" {
			t.Fatalf("after %q a good frame is lost: %v", b, got)
		}
	})
}
