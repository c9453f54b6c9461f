package keyboard

import (
	"encoding/binary"
	"strconv"
	"time"

	"portillon/rfid"
)

// Linux input event types and codes (linux/input-event-codes.h).
const (
	evSyn      = 0x00
	evKey      = 0x01
	synReport  = 0
	synDropped = 3
	keyEnter   = 28
	keyKPEnter = 96
	pressed    = 1 // 0 is release, 2 is autorepeat
)

// digitOf is the character of a key, whatever layout a console would give it: 1…9, 0 on the top row and the keypad, A…F.
func digitOf(code uint16) byte {
	switch {
	case code >= 2 && code <= 10: // KEY_1 … KEY_9
		return byte('1' + code - 2)
	case code == 11, code == 82: // KEY_0, KEY_KP0
		return '0'
	case code >= 71 && code <= 73: // KEY_KP7 … KEY_KP9
		return byte('7' + code - 71)
	case code >= 75 && code <= 77:
		return byte('4' + code - 75)
	case code >= 79 && code <= 81:
		return byte('1' + code - 79)
	}
	switch code {
	case 30:
		return 'A'
	case 48:
		return 'B'
	case 46:
		return 'C'
	case 32:
		return 'D'
	case 18:
		return 'E'
	case 33:
		return 'F'
	}
	return 0
}

// Event is struct input_event.
type Event struct {
	Type, Code uint16
	Value      int32
	At         time.Duration // on the clock that the device was told to use; the 32-bit struct has it modulo 2^32 s
}

// The sizes of struct input_event: its time is two longs, of 8 bytes in a 64-bit program and of 4 in a 32-bit one, also on a 64-bit kernel.
const (
	size64 = 24
	size32 = 16
)

// events splits bytes as the kernel delivers them into events of the given size; a rest is left out.
func events(b []byte, size int) []Event {
	var out []Event
	for ; len(b) >= size; b = b[size:] {
		e := b[size-8 : size]
		out = append(out, Event{binary.NativeEndian.Uint16(e), binary.NativeEndian.Uint16(e[2:]), int32(binary.NativeEndian.Uint32(e[4:])), at(b, size)})
	}
	return out
}

// at is the event's time: seconds and microseconds, each a long.
func at(b []byte, size int) time.Duration {
	sec, usec := uint64(binary.NativeEndian.Uint32(b)), uint64(binary.NativeEndian.Uint32(b[4:]))
	if size == size64 {
		sec, usec = binary.NativeEndian.Uint64(b), binary.NativeEndian.Uint64(b[8:])
	}
	return time.Duration(sec)*time.Second + time.Duration(usec)*time.Microsecond
}

// Format says how a reader types a card's number.
type Format uint8

const (
	Decimal Format = iota // digits of one number; the card's bytes are that number, big endian, in 4 bytes or as many as it needs
	Hex                   // two digits a byte
)

const (
	// maxLine is longer than any card's number in either format.
	maxLine = 24
	// pause is longer than any reader waits between two keys (they send one every 1 to 20 ms), and shorter than from card to card.
	pause = time.Second
)

// Decoder makes card numbers of key presses. The zero Decoder reads decimal numbers.
type Decoder struct {
	Format  Format
	line    []byte
	spoiled bool          // the line cannot be a number: wait for Enter
	dropped bool          // the kernel lost events: nothing counts until the next report
	last    time.Duration // when the line last grew or was spoiled
}

// Push takes an event and returns the card's number with the Enter that ends it. A line that is no number is thrown away.
func (d *Decoder) Push(e Event) (rfid.UID, bool) {
	switch {
	case e.Type == evSyn && e.Code == synDropped:
		d.line, d.spoiled, d.dropped, d.last = nil, true, true, e.At
	case e.Type == evSyn && e.Code == synReport:
		d.dropped = false
	case d.dropped || e.Type != evKey || e.Value != pressed:
	default:
		return d.press(e)
	}
	return rfid.UID{}, false
}

func (d *Decoder) press(e Event) (rfid.UID, bool) {
	if (e.At - d.last).Abs() > pause { // the half of a line does not wait for another card's
		d.line, d.spoiled = nil, false
	}
	d.last = e.At
	c := digitOf(e.Code)
	switch {
	case e.Code == keyEnter || e.Code == keyKPEnter:
		line, spoiled := d.line, d.spoiled
		d.line, d.spoiled = nil, false
		if !spoiled {
			return d.number(string(line))
		}
	case modifier(e.Code):
	case c == 0 || len(d.line) >= maxLine:
		d.spoiled = true
	default:
		d.line = append(d.line, c)
	}
	return rfid.UID{}, false
}

// modifier are the shift keys and caps lock, which some readers press for capital letters.
func modifier(code uint16) bool { return code == 42 || code == 54 || code == 58 }

func (d *Decoder) number(line string) (rfid.UID, bool) {
	if len(line) < 4 { // a key that was leant on
		return rfid.UID{}, false
	}
	if d.Format == Hex {
		u, err := rfid.ParseUID(line)
		return u, err == nil
	}
	n, err := strconv.ParseUint(line, 10, 64)
	if err != nil {
		return rfid.UID{}, false
	}
	b := binary.BigEndian.AppendUint64(nil, n)
	for len(b) > 4 && b[0] == 0 {
		b = b[1:]
	}
	u, err := rfid.UIDOf(b)
	return u, err == nil
}
