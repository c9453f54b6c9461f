package wiegand

import (
	"fmt"

	"portillon/rfid"
)

// minFrame is the smallest length of a frame that is reported, in bits. A shorter frame is noise or a key press.
const minFrame = 16

// Unread returns, once, the reason why the last invalid frame was refused.
func (d *Decoder) Unread() (u rfid.Unread, ok bool) {
	u, d.unread = d.unread, rfid.Unread{}
	return u, u.Why != ""
}

// Heard returns, once, the last frame of at least 16 bits, valid or invalid. The frame may be a card's number, so use
// Heard only in reader tests.
func (d *Decoder) Heard() (frame string, ok bool) {
	frame, d.heard = d.heard, ""
	return frame, frame != ""
}

// formatFrame returns the bits of a frame as text, the first bit first.
func formatFrame(bits uint64, n int) string {
	return fmt.Sprintf("%0*b (%d bits)", n, bits&(1<<n-1), n)
}

// reportRefused records the reason why a frame of n bits is refused, until Unread returns the reason.
func (d *Decoder) reportRefused(bits uint64, n int, spoilt bool) {
	if n < minFrame {
		return
	}
	why := "parity is wrong: check the wires and whether D0 and D1 are exchanged"
	switch {
	case spoilt && n >= longest:
		why = fmt.Sprintf("frame has more than %d bits: set the reader to 26, 34 or 37 bits", longest)
	case spoilt:
		why = "frame is damaged: bits were lost or too close to each other; check the wires"
	case CheckBits(n) != nil:
		why = CheckBits(n).Error()
	case d.Bits != 0 && n != d.Bits:
		why = fmt.Sprintf("frame has %d bits, machine.yaml has bits: %d", n, d.Bits)
	}
	d.unread = rfid.Unread{Raw: formatFrame(bits, n), Why: why}
}
