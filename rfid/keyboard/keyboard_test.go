package keyboard

import (
	"encoding/binary"
	"strings"
	"testing"

	"portillon/rfid"
)

func key(code uint16) []Event {
	return []Event{{evKey, code, 1}, {evSyn, synReport, 0}, {evKey, code, 0}, {evSyn, synReport, 0}}
}

var codes = map[rune]uint16{'1': 2, '2': 3, '3': 4, '4': 5, '5': 6, '6': 7, '7': 8, '8': 9, '9': 10, '0': 11, '\n': 28,
	'A': 30, 'B': 48, 'C': 46, 'D': 32, 'E': 18, 'F': 33, 'Z': 44, '^': 42}

func typed(s string) (out []Event) {
	for _, r := range s {
		out = append(out, key(codes[r])...)
	}
	return out
}

func read(f Format, ev []Event) string {
	d := Decoder{Format: f}
	var out []string
	for _, e := range ev {
		if u, ok := d.Push(e); ok {
			out = append(out, u.Hex())
		}
	}
	return strings.Join(out, " ")
}

func TestLinesBecomeCards(t *testing.T) {
	dropped := []Event{{evSyn, synDropped, 0}}
	for _, c := range []struct {
		name string
		f    Format
		ev   []Event
		want string
	}{
		{"ten decimal digits", Decimal, typed("0007616768\n"), "00743900"},
		{"the same from the keypad", Decimal, append(append(append(key(82), key(82)...), append(key(71), key(80)...)...), key(96)...), "00000048"},
		{"hexadecimal", Hex, typed("62E3086CED\n"), "62E3086CED"},
		{"with shift held for letters", Hex, typed("62^E3086C^E^D\n"), "62E3086CED"},
		{"two cards", Hex, typed("62E3086CED\n01000734E0\n"), "62E3086CED 01000734E0"},
		{"another key spoils the line, and only that", Hex, typed("62EZ3086CED\n01000734E0\n"), "01000734E0"},
		{"an Enter alone", Decimal, typed("\n\n"), ""},
		{"a letter in a decimal number", Decimal, typed("00A7616768\n"), ""},
		{"too long", Hex, typed(strings.Repeat("6", 25) + "\n01000734E0\n"), "01000734E0"},
		{"odd", Hex, typed("62E3086CE\n"), ""},
		{"events lost at the start: the end of a line is not a card", Decimal, append(dropped, typed("6768\n0007616768\n")...), "00743900"},
		{"events lost in the middle", Decimal, append(append(typed("00076"), append(dropped, Event{evSyn, synReport, 0})...), typed("16768\n")...), ""},
		{"autorepeat", Decimal, append(append(typed("000761676"), Event{evKey, 9, 1}, Event{evKey, 9, 2}, Event{evKey, 9, 2}), typed("\n")...), "00743900"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := read(c.f, c.ev); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// The kernel's struct has two sizes; both are read on any machine.
func TestEventsOfBothSizes(t *testing.T) {
	for _, size := range []int{size64, size32} {
		var b []byte
		for _, e := range typed("0007616768\n") {
			raw := make([]byte, size)
			binary.NativeEndian.PutUint16(raw[size-8:], e.Type)
			binary.NativeEndian.PutUint16(raw[size-6:], e.Code)
			binary.NativeEndian.PutUint32(raw[size-4:], uint32(e.Value))
			b = append(b, raw...)
		}
		if got := read(Decimal, events(append(b, 1, 2, 3), size)); got != "00743900" {
			t.Errorf("size %d: %q", size, got)
		}
	}
}

func FuzzDecoder(f *testing.F) {
	raw := func(ev []Event) (b []byte) {
		for _, e := range ev {
			x := make([]byte, size32)
			binary.NativeEndian.PutUint16(x[8:], e.Type)
			binary.NativeEndian.PutUint16(x[10:], e.Code)
			binary.NativeEndian.PutUint32(x[12:], uint32(e.Value))
			b = append(b, x...)
		}
		return b
	}
	f.Add(raw(typed("62E3086CED\n")), true)
	f.Add(raw(append([]Event{{evSyn, synDropped, 0}}, typed("0007616768\n")...)), false)
	f.Fuzz(func(t *testing.T, b []byte, hex bool) {
		d := Decoder{}
		if hex {
			d.Format = Hex
		}
		for _, e := range events(b, size32) {
			if u, ok := d.Push(e); ok && u == (rfid.UID{}) {
				t.Fatal("no card, and a tap")
			}
		}
		if len(d.line) > maxLine {
			t.Fatal("the line grows")
		}
	})
}
