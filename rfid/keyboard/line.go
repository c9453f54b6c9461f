package keyboard

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"portillon/rfid"
)

// Decoder makes card numbers of key presses. The zero Decoder reads decimal numbers.
type Decoder struct {
	Format  Format
	line    []byte
	raw     []byte        // the line as a person may look at it, other keys as <code>
	spoiled bool          // the line cannot be a number: wait for its end
	strange bool          // it holds a key that no number has
	dropped bool          // the kernel lost events: nothing counts until the next report
	last    time.Duration // when the line last grew or was spoiled
	unread  rfid.Unread   // the last line that was no number, until Unread takes it
	heard   string        // the last line that ended, until Heard takes it
}

// maxRaw is how much of a line is kept for whoever tests a reader.
const maxRaw = 80

// Push takes an event and returns the card's number with the Enter or Tab that ends it. A line that is no number is
// thrown away, and Unread says why.
func (d *Decoder) Push(e Event) (rfid.UID, bool) {
	switch {
	case e.Type == evSyn && e.Code == synDropped:
		d.line, d.spoiled, d.dropped, d.last = nil, true, true, e.At
		d.say("the kernel lost key presses because this computer was too slow; present the card again")
	case e.Type == evSyn && e.Code == synReport:
		d.dropped = false
	case d.dropped || e.Type != evKey || e.Value != pressed:
	default:
		return d.press(e)
	}
	return rfid.UID{}, false
}

// Unread says once what was wrong with the last line that was no number.
func (d *Decoder) Unread() (u rfid.Unread, ok bool) {
	u, d.unread = d.unread, rfid.Unread{}
	return u, u.Why != ""
}

// Pending reports whether a line has begun that has no end yet.
func (d *Decoder) Pending() bool { return len(d.raw) > 0 || len(d.line) > 0 }

// Idle ends a line that a pause has followed: its other half was lost, or the reader sends no Enter.
func (d *Decoder) Idle(now time.Duration) {
	if d.Pending() && (now-d.last).Abs() > pause {
		d.end()
	}
}

// end throws the line away because a pause followed it.
func (d *Decoder) end() {
	if len(d.line) >= leastLine || d.strange {
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

// Heard gives once the last line that ended, number or not. It may be a card's number: only for whoever tests a reader.
func (d *Decoder) Heard() (line string, ok bool) {
	line, d.heard = d.heard, ""
	return line, line != ""
}

func (d *Decoder) say(why string) {
	d.unread = rfid.Unread{Raw: string(d.raw), Why: why}
}

func (d *Decoder) press(e Event) (rfid.UID, bool) {
	if (e.At - d.last).Abs() > pause { // the half of a line does not wait for another card's
		d.end()
	}
	d.last = e.At
	c := digitOf(e.Code)
	switch {
	case e.Code == keyEnter || e.Code == keyKPEnter || e.Code == keyTab:
		defer d.clear()
		switch {
		case d.strange:
			d.say("a key is pressed that no number has: set the reader's keyboard layout to US English, " +
				"and no text before the number")
		case d.spoiled && len(d.line) >= maxLine:
			d.say(fmt.Sprintf("line is longer than %d characters", maxLine))
		case !d.spoiled:
			return d.number(string(d.line))
		}
		return rfid.UID{}, false
	case modifier(e.Code):
		return rfid.UID{}, false
	case c == 0:
		d.spoiled, d.strange = true, true
	case len(d.line) >= maxLine:
		d.spoiled = true
	case !d.spoiled:
		d.line = append(d.line, c)
	}
	d.keep(c, e.Code)
	return rfid.UID{}, false
}

// keep notes a key for whoever tests a reader.
func (d *Decoder) keep(c byte, code uint16) {
	switch {
	case len(d.raw) >= maxRaw:
	case c == 0:
		d.raw = fmt.Appendf(d.raw, "<key %d>", code)
	default:
		d.raw = append(d.raw, c)
	}
}

// modifier are the shift keys and caps lock, which some readers press for capital letters.
func modifier(code uint16) bool { return code == 42 || code == 54 || code == 58 }

// leastLine is how many characters a number has at least: fewer are a key that was leant on.
const leastLine = 4

func (d *Decoder) number(line string) (rfid.UID, bool) {
	if len(line) < leastLine {
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
		return rfid.UID{}, fmt.Errorf("two decimal numbers with a comma come where hexadecimal is configured: format: " +
			"decimal in machine.yaml")
	case pair:
		format := "wiegand26:" // 3 and 5 digits
		if len(facility) == 5 {
			format = "wiegand34:" // 5 and 5 digits
		}
		c, err := rfid.ParseCard(format + line)
		return c.Number, err
	case d.Format == Hex && len(line)%2 != 0:
		return rfid.UID{}, fmt.Errorf("odd number of digits (%d) where hexadecimal is configured: if the reader types "+
			"decimal, format: decimal in "+"machine.yaml", len(line))
	case d.Format == Hex:
		return rfid.ParseUID(line)
	case letters:
		return rfid.UID{}, fmt.Errorf("letters come where decimal is configured: the reader types hexadecimal, format: hex " +
			"in machine.yaml")
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
