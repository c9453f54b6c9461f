package keyboard

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/rfid"
)

func key(code uint16) []Event {
	return []Event{{evKey, code, 1, 0}, {evSyn, synReport, 0, 0}, {evKey, code, 0, 0}, {evSyn, synReport, 0, 0}}
}

var codes = map[rune]uint16{'1': 2, '2': 3, '3': 4, '4': 5, '5': 6, '6': 7, '7': 8, '8': 9, '9': 10, '0': 11, '\n': 28,
	'A': 30, 'B': 48, 'C': 46, 'D': 32, 'E': 18, 'F': 33, 'Z': 44, 'Q': 16, '^': 42, '\t': 15, ',': 51, 'M': 50}

func typed(s string) (out []Event) {
	for _, r := range s {
		out = append(out, key(codes[r])...)
	}
	return out
}

// delayed returns the events, delayed by d.
func delayed(d time.Duration, ev []Event) []Event {
	ev = slices.Clone(ev)
	for i := range ev {
		ev[i].At += d
	}
	return ev
}

// encodeEvents encodes events as the kernel does for a program whose long has size/3 bytes.
func encodeEvents(ev []Event, size int) (b []byte) {
	for _, e := range ev {
		sec, usec := uint64(e.At/time.Second), uint64(e.At%time.Second/time.Microsecond)
		if size == size64 {
			b = binary.NativeEndian.AppendUint64(binary.NativeEndian.AppendUint64(b, sec), usec)
		} else {
			b = binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(b, uint32(sec)), uint32(usec))
		}
		b = binary.NativeEndian.AppendUint16(binary.NativeEndian.AppendUint16(b, e.Type), e.Code)
		b = binary.NativeEndian.AppendUint32(b, uint32(e.Value))
	}
	return b
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

func TestLinesAreDecodedToCards(t *testing.T) {
	dropped := []Event{{evSyn, synDropped, 0, 0}}
	for _, c := range []struct {
		name string
		f    Format
		ev   []Event
		want string
	}{
		{"ten decimal digits", Decimal, typed("0007616768\n"), "00743900"},
		{"the same from the keypad", Decimal, append(append(append(key(82), key(82)...), append(key(71), key(80)...)...),
			key(96)...), "00000048"},
		{"hexadecimal", Hex, typed("62E3086CED\n"), "62E3086CED"},
		{"with shift held for letters", Hex, typed("62^E3086C^E^D\n"), "62E3086CED"},
		{"two cards", Hex, typed("62E3086CED\n01000734E0\n"), "62E3086CED 01000734E0"},
		{"another key spoils the line, and only that", Hex, typed("62EZ3086CED\n01000734E0\n"), "01000734E0"},
		{"an Enter alone", Decimal, typed("\n\n"), ""},
		{"a letter in a decimal number", Decimal, typed("00A7616768\n"), ""},
		{"too long", Hex, typed(strings.Repeat("6", 25) + "\n01000734E0\n"), "01000734E0"},
		{"odd", Hex, typed("62E3086CE\n"), ""},
		{"events lost at the start: the end of a line is not a card", Decimal,
			append(dropped, typed("6768\n0007616768\n")...), "00743900"},
		{"events lost in the middle", Decimal,
			append(append(typed("00076"), append(dropped, Event{evSyn, synReport, 0, 0})...), typed("16768\n")...), ""},
		{"events lost with the Enter: the next card counts all the same", Hex,
			append(append(dropped, typed("6CED")...), delayed(2*time.Second, typed("01000734E0\n"))...), "01000734E0"},
		{"events lost, and a report that is not whole", Decimal, slices.Concat(dropped,
			[]Event{{evKey, codes['7'], 1, 0}, {evKey, keyEnter, 1, 0}, {evSyn, synReport, 0, 0}}, typed("\n0007616768\n")),
			"00743900"},
		{"events lost, and an Enter before the next report is not the line's", Decimal,
			slices.Concat(dropped, []Event{{evKey, keyEnter, 1, 0}, {evSyn, synReport, 0, 0}}, typed("6768\n0007616768\n")),
			"00743900"},
		{"a key that was leant on", Decimal, typed("666\n"), ""},
		{"half a line does not wait for another card's", Decimal, append(typed("12345"),
			delayed(1100*time.Millisecond, typed("0007616768\n"))...), "00743900"},
		{"half a line and a late Enter", Decimal, append(typed("0007616768"), delayed(1100*time.Millisecond, typed("\n"))...),
			""},
		{"a slow reader", Decimal, append(append(typed("00076"), delayed(900*time.Millisecond, typed("16768"))...),
			delayed(1800*time.Millisecond, typed("\n"))...), "00743900"},
		{"a spoiled line is over after a second too", Hex, append(typed("62EZ30"),
			delayed(1100*time.Millisecond, typed("01000734E0\n"))...), "01000734E0"},
		{"a reader set to a French layout", Hex, typed("Q4B5C6D7\n"), "A4B5C6D7"},
		{"a French layout's digits are typed with shift", Decimal, typed("^0^0^0^7^6^1^6^7^6^8\n"), "00743900"},
		{"a French layout's comma", Decimal, typed("022M07638\n"), "161DD6"},
		{"a Tab in place of Enter", Hex, typed("62E3086CED\t01000734E0\t"), "62E3086CED 01000734E0"},
		{"a Tab and Enter", Hex, typed("62E3086CED\t\n"), "62E3086CED"},
		{"facility,number of 3 and 5 digits", Decimal, typed("022,07638\n"), "161DD6"},
		{"facility,number of 5 and 5 digits", Decimal, typed("00623,27706\n"), "026F6C3A"},
		{"two commas", Decimal, typed("022,07,638\n"), ""},
		{"facility,number too big", Decimal, typed("256,00001\n"), ""},
		{"facility,number where hexadecimal is configured", Hex, typed("022,07638\n"), ""},
		{"decimal, more than four bytes", Decimal, typed("424715775213\n"), "62E3086CED"},
		{"decimal, more than eight bytes", Decimal, typed("18446744073709551616\n0007616768\n"), "00743900"},
		{"autorepeat", Decimal, append(append(typed("000761676"), Event{evKey, 9, 1, 0}, Event{evKey, 9, 2, 0},
			Event{evKey, 9, 2, 0}), typed("\n")...), "00743900"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := read(c.f, c.ev); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// The key codes of the keypad begin with 7 to 9, and the key codes of the top row are in the order 1 to 0.
func TestDigitsOfTopRowAndKeypadAreDecoded(t *testing.T) {
	for i, code := range []uint16{11, 2, 3, 4, 5, 6, 7, 8, 9, 10, 82, 79, 80, 81, 75, 76, 77, 71, 72, 73} {
		// The codes are KEY_0 KEY_1 … KEY_9, KEY_KP0 KEY_KP1 … KEY_KP9.
		if got := digitOf(code); got != byte('0'+i%10) {
			t.Errorf("code %d is %q", code, got)
		}
	}
	for _, code := range []uint16{0, 1, 12, 14, 15, 44, 57, 74, 78, 83, 96, 0xffff} {
		if got := digitOf(code); got != 0 {
			t.Errorf("code %d is %q", code, got)
		}
	}
}

// The kernel's struct input_event has two sizes, and both must be decoded on any computer.
func TestEventsOfBothSizesAreDecoded(t *testing.T) {
	// The table has an event with a time after 2038, as a 32-bit program receives it.
	sent := delayed(4102444800*time.Second+999_999*time.Microsecond, typed("0007616768\n"))
	for _, size := range []int{size64, size32} {
		b := encodeEvents(sent, size)
		if got := splitEvents(append(b, 1, 2, 3), size); !slices.Equal(got, sent) {
			t.Errorf("size %d: %v", size, got)
		}
		if got := read(Decimal, splitEvents(b, size)); got != "00743900" {
			t.Errorf("size %d: %q", size, got)
		}
	}
}

// The test decodes the bytes that a little-endian kernel writes for key 7, to a 64-bit and to a 32-bit program
// (linux/input.h).
func TestKernelsBytesAreDecoded(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		return // a big-endian kernel writes the bytes in another order
	}
	want := []Event{{evKey, 8, 1, 3*time.Second + 500*time.Microsecond}}
	for size, raw := range map[int]string{
		size64: "\x03\x00\x00\x00\x00\x00\x00\x00\xf4\x01\x00\x00\x00\x00\x00\x00\x01\x00\x08\x00\x01\x00\x00\x00",
		size32: "\x03\x00\x00\x00\xf4\x01\x00\x00\x01\x00\x08\x00\x01\x00\x00\x00",
	} {
		if got := splitEvents([]byte(raw), size); !slices.Equal(got, want) {
			t.Errorf("size %d: %v", size, got)
		}
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add(encodeEvents(typed("62E3086CED\n"), size32), true)
	f.Add(encodeEvents(append([]Event{{evSyn, synDropped, 0, 0}}, typed("0007616768\n")...), size32), false)
	f.Add(encodeEvents(typed(strings.Repeat("6", 100)), size32), false)
	f.Add(encodeEvents(append(typed("12345"), delayed(3*time.Second, typed("0007616768\n"))...), size32), false)
	f.Fuzz(func(t *testing.T, b []byte, hex bool) {
		d := Decoder{}
		if hex {
			d.Format = Hex
		}
		for _, e := range splitEvents(b, size32) {
			if u, ok := d.Push(e); ok && u == (rfid.UID{}) {
				t.Fatal("no card, and a tap")
			}
		}
		if len(d.line) > maxLine {
			t.Fatal("the line grows")
		}
		// After any input, the decoder must still read a card that is presented twice.
		end := delayed(d.last+2*pause, typed("\n0007616768\n0007616768\n"))
		d.Format = Decimal
		var got []string
		for _, e := range append([]Event{{evSyn, synReport, 0, 0}}, end...) {
			if u, ok := d.Push(e); ok {
				got = append(got, u.Hex())
			}
		}
		if !slices.Equal(got, []string{"00743900", "00743900"}) {
			t.Fatalf("a good card is lost: %v", got)
		}
	})
}
