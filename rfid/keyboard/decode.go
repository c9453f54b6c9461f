package keyboard

import (
	"encoding/binary"
	"time"
)

// These are types and codes of Linux input events (linux/input-event-codes.h).
const (
	evSyn      = 0x00
	evKey      = 0x01
	synReport  = 0
	synDropped = 3
	keyTab     = 15
	keyEnter   = 28
	keyKPEnter = 96
	pressed    = 1 // value of a key event: 0 is release, 1 is press, 2 is autorepeat
)

// digitOf returns the character of a key, independent of the console's layout: 1…9 and 0 on the top row and the keypad,
// A…F, and the comma of facility,number. A reader set to a French layout (AZERTY) sends the key code of Q for A and of
// M for the comma. These two key codes are unambiguous, because no card's number contains the letters Q or M. Digits
// have the same key codes in both layouts, with or without shift.
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
	return letterOf(code)
}

// letterOf returns the letter or the comma of a key; 0 if no number contains the character of the key.
func letterOf(code uint16) byte {
	switch code {
	case 30, 16: // KEY_A, KEY_Q
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
	case 51, 50, 121: // KEY_COMMA, KEY_M, KEY_KPCOMMA
		return ','
	}
	return 0
}

// Event is the kernel's struct input_event.
type Event struct {
	Type, Code uint16
	Value      int32
	// time of the event by the clock that EVIOCSCLOCKID chose; in the 32-bit struct the seconds wrap at 2^32
	At time.Duration
}

// These are the sizes of struct input_event. The time in the struct is two longs, which have 8 bytes in a 64-bit
// program, and 4 bytes in a 32-bit program, even on a 64-bit kernel.
const (
	size64 = 24
	size32 = 16
)

// splitEvents splits bytes from the kernel into events of the given size. splitEvents leaves out an incomplete last
// event.
func splitEvents(b []byte, size int) []Event {
	var out []Event
	for ; len(b) >= size; b = b[size:] {
		e := b[size-8 : size]
		out = append(
			out,
			Event{
				binary.NativeEndian.Uint16(e),
				binary.NativeEndian.Uint16(e[2:]),
				int32(binary.NativeEndian.Uint32(e[4:])),
				eventTime(b, size),
			},
		)
	}
	return out
}

// eventTime returns the event's time, which is stored as seconds and microseconds, each a long.
func eventTime(b []byte, size int) time.Duration {
	sec, usec := uint64(binary.NativeEndian.Uint32(b)), uint64(binary.NativeEndian.Uint32(b[4:]))
	if size == size64 {
		sec, usec = binary.NativeEndian.Uint64(b), binary.NativeEndian.Uint64(b[8:])
	}
	return time.Duration(sec)*time.Second + time.Duration(usec)*time.Microsecond
}

// Format is the format in which a reader types a card's number.
type Format uint8

const (
	// Decimal is one decimal number. The card's bytes are this number, big endian, in 4 bytes, or in more if the number
	// needs more.
	Decimal Format = iota
	Hex            // Hex is the card's bytes in hexadecimal, two digits a byte.
)

const (
	// maxLine is the largest length of a line, in characters. The text of every valid number is shorter.
	maxLine = 24
	// pause is longer than any reader waits between two keys (readers send a key every 1 to 20 ms), and shorter than
	// the time between two cards.
	pause = time.Second
)
