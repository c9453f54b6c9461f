package keyboard

import (
	"encoding/binary"
	"time"
)

// Linux input event types and codes (linux/input-event-codes.h).
const (
	evSyn      = 0x00
	evKey      = 0x01
	synReport  = 0
	synDropped = 3
	keyTab     = 15
	keyEnter   = 28
	keyKPEnter = 96
	pressed    = 1 // 0 is release, 2 is autorepeat
)

// digitOf is the character of a key, whatever layout a console would give it: 1…9, 0 on the top row and the keypad,
// A…F, and the comma of facility,number. A reader that is set to a French layout (AZERTY) presses Q's place for A and
// M's for the comma. No number holds Q or M, so these places have one meaning in both layouts; digits have the same
// places, with shift or without.
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

// letterOf is the character of a key that is no digit; 0: no number holds it.
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

// Event is struct input_event.
type Event struct {
	Type, Code uint16
	Value      int32
	At         time.Duration // on the clock that the device was told to use; the 32-bit struct has it modulo 2^32 s
}

// The sizes of struct input_event: its time is two longs, of 8 bytes in a 64-bit program and of 4 in a 32-bit one, also
// on a 64-bit kernel.
const (
	size64 = 24
	size32 = 16
)

// events splits bytes as the kernel delivers them into events of the given size; a rest is left out.
func events(b []byte, size int) []Event {
	var out []Event
	for ; len(b) >= size; b = b[size:] {
		e := b[size-8 : size]
		out = append(
			out,
			Event{
				binary.NativeEndian.Uint16(e),
				binary.NativeEndian.Uint16(e[2:]),
				int32(binary.NativeEndian.Uint32(e[4:])),
				at(b, size),
			},
		)
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
	// digits of one number; the card's bytes are that number, big endian, in 4 bytes or as many as it needs
	Decimal Format = iota
	Hex            // two digits a byte
)

const (
	// maxLine is longer than any card's number in either format.
	maxLine = 24
	// pause is longer than any reader waits between two keys (they send one every 1 to 20 ms), and shorter than from card
	// to card.
	pause = time.Second
)
