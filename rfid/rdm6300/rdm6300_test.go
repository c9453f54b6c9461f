package rdm6300

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"portillon/rfid/rfidtest"
)

// Frames that others published (Seeed's wiki and forum posts on the RDM6300).
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

func TestFramesAreFoundInWhateverTheLineCarries(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"one", frameA, "62E3086CED"},
		{"two", frameA + frameB, "62E3086CED 01000734E0"},
		{"noise before, between and after", "\xff\x00xyz" + frameA + "\x03\x03garbage" + frameB + "\x02\x02", "62E3086CED 01000734E0"},
		{"begun twice", "\x0262E30" + frameA, "62E3086CED"},
		{"cut in the middle", frameA[:9] + frameB, "01000734E0"},
		{"wrong checksum", "\x0262E3086CED09\x03", ""},
		{"one digit lost", "\x0262E3086CE08\x03", ""},
		{"one digit too many", "\x0262E3086CED088\x03", ""},
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

func TestEveryFlippedBitIsCaughtOrIsAnotherFramesShape(t *testing.T) {
	for i := 1; i < 13; i++ {
		for bit := range 8 {
			b := []byte(frameA)
			b[i] ^= 1 << bit
			for _, u := range decode(string(b)) {
				if u != "62E3086CED" { // a flip between upper and lower case changes nothing
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

func TestReaderOnALine(t *testing.T) {
	m, r := open(t)
	go func() {
		for i := range len(frameA) { // byte by byte, then repeated as the module does
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

func TestUnpluggedLineIsAnErrorAndAReplacedOneWorks(t *testing.T) {
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

func FuzzDecoder(f *testing.F) {
	f.Add([]byte(frameA))
	f.Add([]byte(frameA[:5] + frameB + "\x02\x03"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, u := range decode(string(b)) {
			if len(u) != 10 {
				t.Fatalf("a card of %d digits", len(u))
			}
		}
		// After anything at all, a good frame is read.
		if got := decode(string(b) + frameB); len(got) == 0 || got[len(got)-1] != "01000734E0" {
			t.Fatalf("after %q a good frame is lost: %v", b, got)
		}
	})
}
