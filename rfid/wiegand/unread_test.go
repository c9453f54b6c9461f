package wiegand

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"portillon/rfid"
)

// Others have published these frames: a frame of 32 bits in issue 58 of
// github.com/monkeyboard/Wiegand-Protocol-Library-for-Arduino, and the frames of one card with 34 and with 26 bits in
// its issue 59.
const (
	bits32 = "10100100110111001100110000011101"
	bits34 = "0000000001101000111100010010011011"
	bits26 = "11101000111100010010011010"
)

func TestPublishedCardIsReadWith34And26Bits(t *testing.T) {
	for f, want := range map[string]string{bits34: "00D1E24D", bits26: "D1E24D"} {
		if got := decode(0, edgesOf(f, time.Second)); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %s", f, got, want)
		}
	}
}

func TestInvalidFrameIsReportedWithItsRemedy(t *testing.T) {
	flipped := "0" + bits26[1:]
	for _, c := range []struct {
		name  string
		bits  int
		frame string
		want  string // part of the expected reason; "": the frame is valid, so no reason is reported
		raw   string
	}{
		{"32 bits", 0, bits32, "34 bits", bits32 + " (32 bits)"},
		{"32 bits where 26 are configured", 26, bits32, "34 bits", bits32 + " (32 bits)"},
		{"34 bits where 26 are configured", 26, bits34, "bits: 26", bits34 + " (34 bits)"},
		{"24 bits: the parity was taken off", 0, bits26[1:25], "24 bits", bits26[1:25] + " (24 bits)"},
		{"wrong parity", 0, flipped, "parity", flipped + " (26 bits)"},
		{"more than is known", 0, strings.Repeat("01", 29), "more than 37", strings.Repeat("10", 18) + "1 (37 bits)"},
		{"a good frame", 0, bits26, "", ""},
		{"a key", 0, "0001", "", ""},
		{"noise", 0, "010101010101010", "", ""},
	} {
		d := Decoder{Bits: c.bits}
		for _, e := range edgesOf(c.frame, time.Second) {
			d.Push(e)
		}
		d.Idle()
		u, ok := d.Unread()
		if ok != (c.want != "") || !strings.Contains(u.Why, c.want) || c.want != "" && u.Raw != c.raw {
			t.Errorf("%s: %q of %q, want %q of %q", c.name, u.Why, u.Raw, c.want, c.raw)
		}
		if _, again := d.Unread(); again {
			t.Errorf("%s: it is said twice", c.name)
		}
	}
}

func TestUnsupportedFrameLengthsAreRefused(t *testing.T) {
	for bits := range 64 {
		_, err := New(nil, bits)
		if known := bits == 0 || bits == 26 || bits == 34 || bits == 37; (err == nil) != known ||
			(CheckBits(bits) == nil) != known {
			t.Errorf("%d bits: %v", bits, err)
		}
	}
}

// The Reader must pass each frame of 16 bits or more to Heard, valid or invalid, before it calls Unread.
func TestEachFrameIsPassedToHeardOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &scriptedLine{
			began: time.Now(),
			edges: append(append(edgesOf(bits32, time.Second), edgesOf("0001", 2*time.Second)...),
				edgesOf(bits26, 3*time.Second)...),
		}
		r, err := New(l, 0)
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		r.Heard = func(f string) { told = append(told, f) }
		r.Unread = func(u rfid.Unread) { told = append(told, "unread") }
		if tap, err := r.Read(t.Context()); err != nil || tap.UID.Hex() != "D1E24D" {
			t.Fatal(tap.UID.Hex(), err)
		}
		if got := strings.Join(told, ", "); got != bits32+" (32 bits), unread, "+bits26+" (26 bits)" {
			t.Errorf("told %s", got)
		}
	})
}
