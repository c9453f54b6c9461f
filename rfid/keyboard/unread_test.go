package keyboard

import (
	"strings"
	"testing"
	"time"
)

// If a reader of the wrong kind or configuration types a line, the decoder reports the line once, with a remedy and
// without the number.
func TestInvalidLineIsReportedWithItsRemedy(t *testing.T) {
	for _, c := range []struct {
		name string
		f    Format
		ev   []Event
		want string // part of the expected reason; "": the line is valid, so no reason is reported
		raw  string
	}{
		{"hexadecimal where decimal is configured", Decimal, typed("62E3086CED\n"), "format: hex", "62E3086CED"},
		{"decimal where hexadecimal is configured", Hex, typed("007616768\n"), "format: decimal", "007616768"},
		{"facility,number where hexadecimal is configured", Hex, typed("022,07638\n"), "format: decimal", "022,07638"},
		{"a facility that is none", Decimal, typed("256,00001\n"), "wiegand26", "256,00001"},
		{"another layout", Hex, typed("62EZ30\n"), "US English", "62E<key 44>30"},
		{"too long", Hex, typed(strings.Repeat("62", 13) + "\n"), "longer than 24", strings.Repeat("62", 13)},
		{"a number of more than 8 bytes", Decimal, typed("18446744073709551616\n"), "8 bytes", "18446744073709551616"},
		{"no Enter, and the next card", Hex, append(typed("62E3086CED"), delayed(3*time.Second, typed("6"))...),
			"no Enter or Tab", "62E3086CED"},
		{"lost events", Hex, []Event{{evSyn, synDropped, 0, 0}}, "lost key presses", ""},
		{"a good card", Hex, typed("62E3086CED\n"), "", ""},
		{"a key that was leant on", Decimal, typed("6\n"), "", ""},
		{"a key that was leant on, and no Enter", Decimal, append(typed("66"),
			delayed(3*time.Second, typed("6"))...), "", ""},
	} {
		d := Decoder{Format: c.f}
		var why, raw []string
		for _, e := range c.ev {
			d.Push(e)
			if u, ok := d.Unread(); ok {
				why, raw = append(why, u.Why), append(raw, u.Raw)
			}
		}
		if c.want == "" {
			if len(why) > 0 {
				t.Errorf("%s: %q is said", c.name, why)
			}
			continue
		}
		if len(why) != 1 || !strings.Contains(why[0], c.want) || raw[0] != c.raw {
			t.Errorf("%s: %q of %q, want %q of %q", c.name, why, raw, c.want, c.raw)
		}
		if c.raw != "" && strings.Contains(strings.Join(why, ""), c.raw) {
			t.Errorf("%s: the reason quotes the number", c.name)
		}
	}
}

// The test decodes reports that a real reader sent over USB, from github.com/riklaunim/pyusb-keyboard-alike issue 9.
// The USB usages 30 to 39 are the keys 1 to 0, which have the key codes 2 to 11 on Linux. Usage 40 is Enter, key code
// 28 (USB HID Usage Tables 1.5, section 10; drivers/hid/hid-input.c).
func TestPublishedReaderReportsAreDecoded(t *testing.T) {
	var ev []Event
	for _, usage := range []uint16{30, 31, 35, 34, 30, 34, 31, 31, 34, 35, 40} {
		code := usage - 28
		if usage == 40 {
			code = keyEnter
		}
		ev = append(ev, key(code)...)
	}
	if got := read(Decimal, ev); got != "4B68B100" { // 1265152256
		t.Errorf("got %s", got)
	}
}

func TestHeardIsCalledOncePerLine(t *testing.T) {
	d := Decoder{Format: Hex}
	var heard []string
	for _, e := range append(typed("62E3086CED\n01000734E0\t62EZ\n\n6\n0100"), delayed(3*time.Second, typed("\n"))...) {
		d.Push(e)
		if line, ok := d.Heard(); ok {
			heard = append(heard, line)
		}
	}
	if got := strings.Join(heard, " "); got != "62E3086CED 01000734E0 62E<key 44> 6 0100" {
		t.Errorf("heard %q", got)
	}
	for range 1000 {
		for _, e := range typed("Z") {
			d.Push(e)
		}
	}
	if len(d.raw) > maxRaw+len("<key 65535>") {
		t.Errorf("%d bytes of a line without end are kept", len(d.raw))
	}
}
