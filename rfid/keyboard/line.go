package keyboard

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"portillon/rfid"
)

// Decoder turns key presses into card numbers. The zero Decoder reads decimal numbers.
type Decoder struct {
	Format  Format
	line    []byte
	raw     []byte        // the line as text for reader tests, with other keys as <key CODE>
	spoiled bool          // the line is invalid: ignore its other keys up to Enter or Tab
	strange bool          // the line contains a key that occurs in no card's number
	dropped bool          // the kernel has lost events: skip to the next SYN_REPORT
	last    time.Duration // time of the line's last key
	unread  rfid.Unread   // fault of the last invalid line, until Unread returns it
	heard   string        // text of the last finished line, until Heard returns it
}

// maxRaw is the largest size of the text of a line for reader tests, in bytes.
const maxRaw = 80

// Push processes an event. When Enter or Tab ends a valid line, Push returns the card's number. Push discards an
// invalid line, and Unread then returns the reason.
func (d *Decoder) Push(e Event) (rfid.UID, bool) {
	switch {
	case e.Type == evSyn && e.Code == synDropped:
		d.line, d.spoiled, d.dropped, d.last = nil, true, true, e.At
		d.say("kernel lost key presses because this computer was too slow: present the card again")
	case e.Type == evSyn && e.Code == synReport:
		d.dropped = false
	case d.dropped || e.Type != evKey || e.Value != pressed:
	default:
		return d.press(e)
	}
	return rfid.UID{}, false
}

// Unread returns, once, the reason why the last line was refused.
func (d *Decoder) Unread() (u rfid.Unread, ok bool) {
	u, d.unread = d.unread, rfid.Unread{}
	return u, u.Why != ""
}

// Pending reports whether a line has begun but not ended.
func (d *Decoder) Pending() bool { return len(d.raw) > 0 || len(d.line) > 0 }

// Call Idle after a pause: Idle discards an incomplete line, because the rest of the line was lost, or the reader
// sends no Enter.
func (d *Decoder) Idle(now time.Duration) {
	if d.Pending() && (now-d.last).Abs() > pause {
		d.discardLine()
	}
}

// discardLine discards an incomplete line that is followed by a pause.
func (d *Decoder) discardLine() {
	if len(d.line) >= minLine || d.strange {
		d.say("no Enter or Tab follows the number within a second: set the reader to send Enter after each card")
	}
	d.clear()
}

func (d *Decoder) clear() {
	if len(d.raw) > 0 {
		d.heard = string(d.raw)
	}
	d.line, d.raw, d.spoiled, d.strange = nil, nil, false, false
}

// Heard returns, once, the text of the last finished line, valid or invalid. The line may be a card's number, so use
// Heard only in reader tests.
func (d *Decoder) Heard() (line string, ok bool) {
	line, d.heard = d.heard, ""
	return line, line != ""
}

func (d *Decoder) say(why string) {
	d.unread = rfid.Unread{Raw: string(d.raw), Why: why}
}

func (d *Decoder) press(e Event) (rfid.UID, bool) {
	if (e.At - d.last).Abs() > pause { // discard the line, so that its digits are not joined with the next card's
		d.discardLine()
	}
	d.last = e.At
	c := digitOf(e.Code)
	switch {
	case e.Code == keyEnter || e.Code == keyKPEnter || e.Code == keyTab:
		defer d.clear()
		switch {
		case d.strange:
			d.say("line contains a key that no number has: set the reader's keyboard layout to US English, " +
				"and no text before the number")
		case d.spoiled && len(d.line) >= maxLine:
			d.say(fmt.Sprintf("line is longer than %d characters", maxLine))
		case !d.spoiled:
			return d.number(string(d.line))
		}
		return rfid.UID{}, false
	case isModifier(e.Code):
		return rfid.UID{}, false
	case c == 0:
		d.spoiled, d.strange = true, true
	case len(d.line) >= maxLine:
		d.spoiled = true
	case !d.spoiled:
		d.line = append(d.line, c)
	}
	d.addRaw(c, e.Code)
	return rfid.UID{}, false
}

// addRaw adds a key to the text for reader tests.
func (d *Decoder) addRaw(c byte, code uint16) {
	switch {
	case len(d.raw) >= maxRaw:
	case c == 0:
		d.raw = fmt.Appendf(d.raw, "<key %d>", code)
	default:
		d.raw = append(d.raw, c)
	}
}

// isModifier reports whether a key is shift or caps lock, which some readers press for capital letters.
func isModifier(code uint16) bool { return code == 42 || code == 54 || code == 58 }

// minLine is the smallest length of a card's number, in characters. A shorter line comes from a key that somebody
// pressed by accident.
const minLine = 4

func (d *Decoder) number(line string) (rfid.UID, bool) {
	if len(line) < minLine {
		return rfid.UID{}, false
	}
	u, err := d.parse(line)
	if err != nil {
		d.say(err.Error())
	}
	return u, err == nil
}

func (d *Decoder) parse(line string) (rfid.UID, error) {
	facility, _, pair := strings.Cut(line, ",")
	letters := strings.ContainsAny(line, "ABCDEF")
	switch {
	case pair && d.Format == Hex:
		return rfid.UID{}, fmt.Errorf("line has two decimal numbers, hexadecimal is configured: set format: " +
			"decimal in machine.yaml")
	case pair:
		format := "wiegand26:" // a facility of 3 digits and a number of 5 digits
		if len(facility) == 5 {
			format = "wiegand34:" // a facility of 5 digits and a number of 5 digits
		}
		c, err := rfid.ParseCard(format + line)
		return c.Number, err
	case d.Format == Hex && len(line)%2 != 0:
		return rfid.UID{}, fmt.Errorf("odd number of digits (%d), hexadecimal is configured: if the reader types "+
			"decimal, format: decimal in "+"machine.yaml", len(line))
	case d.Format == Hex:
		return rfid.ParseUID(line)
	case letters:
		return rfid.UID{}, fmt.Errorf(
			"got letters where decimal is configured: the reader types hexadecimal, set format: hex " +
				"in machine.yaml",
		)
	}
	n, err := strconv.ParseUint(line, 10, 64)
	if err != nil {
		return rfid.UID{}, fmt.Errorf("decimal number of %d digits does not fit in 8 bytes", len(line))
	}
	b := binary.BigEndian.AppendUint64(nil, n)
	for len(b) > 4 && b[0] == 0 {
		b = b[1:]
	}
	return rfid.UIDOf(b)
}
