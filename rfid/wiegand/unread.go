package wiegand

import (
	"fmt"

	"portillon/rfid"
)

// leastFrame is how many bits a frame has at least that is worth a word: fewer are noise on the lines, or keys.
const leastFrame = 16

// Unread says once what was wrong with the last frame that was no number.
func (d *Decoder) Unread() (u rfid.Unread, ok bool) {
	u, d.unread = d.unread, rfid.Unread{}
	return u, u.Why != ""
}

// Heard gives once the last frame of at least 16 bits, number or not. It may hold a card's number: only for whoever
// tests a reader.
func (d *Decoder) Heard() (frame string, ok bool) {
	frame, d.heard = d.heard, ""
	return frame, frame != ""
}

// written is a frame as a person reads it, first bit first.
func written(bits uint64, n int) string { return fmt.Sprintf("%0*b (%d bits)", n, bits&(1<<n-1), n) }

// say notes why a frame of n bits is no number.
func (d *Decoder) say(bits uint64, n int, spoilt bool) {
	if n < leastFrame {
		return
	}
	why := "parity is wrong: look at the wires, or D0 and D1 are exchanged"
	switch {
	case spoilt && n >= longest:
		why = fmt.Sprintf("frame has more than %d bits: set the reader to 26, 34 or 37 bits", longest)
	case spoilt:
		why = "frame is damaged: bits were lost or came too close to each other; look at the wires"
	case CheckBits(n) != nil:
		why = CheckBits(n).Error()
	case d.Bits != 0 && n != d.Bits:
		why = fmt.Sprintf("frame has %d bits where machine.yaml says bits: %d", n, d.Bits)
	}
	d.unread = rfid.Unread{Raw: written(bits, n), Why: why}
}
