package mfrc522test

// Card is a card of ISO/IEC 14443-3 type A. A Card receives and sends bits, the lowest bit of each byte first. Parity
// bits are not simulated.
type Card struct {
	UID    []byte // 4, 7 or 10 bytes
	BadBCC bool   // the card sends a wrong check byte
	BadCRC bool   // the card sends SAK with a wrong CRC
	MoreAt int    // at this cascade level (1 to 3) the card claims in SAK that its number continues; 0: at no level
	DoneAt int    // at this cascade level (1 to 3) the card claims in SAK that its number is complete; 0: at no level

	state state
	star  bool // the card is in READY* or ACTIVE*: the card was woken from HALT and returns to HALT
	level int  // number of cascade levels at which the card was selected
}

type state uint8

const (
	idle state = iota
	ready
	active
	halted
)

// Halted reports whether the card received HLTA.
func (c *Card) Halted() bool { return c.state == halted }

// reset returns the card to the state IDLE or HALT after an unexpected frame (ISO/IEC 14443-3 §6.3).
func (c *Card) reset() []bool {
	c.state = idle
	if c.star {
		c.state = halted
	}
	return nil
}

// unpower resets the card, as happens when the field is off.
func (c *Card) unpower() { c.state, c.star, c.level = idle, false, 0 }

// parts returns the five bytes of each cascade level: first the cascade tag and the bytes of the number, then the check
// byte.
func (c *Card) parts() [][]byte {
	var all [][]byte
	u := c.UID
	for len(u) > 4 {
		all = append(all, []byte{0x88, u[0], u[1], u[2]})
		u = u[3:]
	}
	all = append(all, append([]byte(nil), u...))
	for i, p := range all {
		all[i] = append(p, p[0]^p[1]^p[2]^p[3])
		if c.BadBCC {
			all[i][4] ^= 0x10
		}
	}
	return all
}

// handle processes a frame and returns the card's answer; nil means that the card does not answer.
func (c *Card) handle(f []bool) []bool {
	if len(f) == 7 {
		return c.short(value(f))
	}
	switch c.state {
	case ready:
		return c.inReady(f)
	case active:
		if halt := withCRC(0x50, 0x00); equal(f, bits(halt)) {
			c.state = halted
			return nil
		}
		return c.reset()
	}
	return nil
}

func (c *Card) short(command byte) []bool {
	wakes := command == 0x52 && (c.state == idle || c.state == halted) || command == 0x26 && c.state == idle
	if !wakes {
		if c.state == ready || c.state == active {
			return c.reset()
		}
		return nil
	}
	c.star, c.state, c.level = c.state == halted, ready, 0
	return bits([]byte{map[int]byte{4: 0x04, 7: 0x44, 10: 0x84}[len(c.UID)], 0x00})
}

// inReady processes anticollision and SELECT frames, but only for the card's current cascade level.
func (c *Card) inReady(f []bool) []bool {
	parts := c.parts()
	if len(f) < 16 || c.level >= len(parts) || value(f[:8]) != [3]byte{0x93, 0x95, 0x97}[c.level] {
		return c.reset()
	}
	own, nvb := bits(parts[c.level]), value(f[8:16])
	if nvb == 0x70 {
		if !equal(f, bits(withCRC(append([]byte{0x93 + 2*byte(c.level), nvb}, parts[c.level]...)...))) {
			return c.reset()
		}
		return c.selected(len(parts))
	}
	known := f[16:]
	if n := int(nvb>>4)*8 + int(nvb&7); nvb < 0x20 || nvb > 0x67 || n != len(f) {
		return c.reset()
	}
	if !equal(known, own[:len(known)]) {
		return nil // the frame addresses a card with another number
	}
	return own[len(known):]
}

func (c *Card) selected(levels int) []bool {
	c.level++
	sak := byte(0x08)
	if c.level < levels {
		sak = 0x04
	} else {
		c.state = active
	}
	if c.level == c.MoreAt {
		sak |= 0x04
	}
	if c.level == c.DoneAt {
		sak &^= 0x04
	}
	answer := withCRC(sak)
	if c.BadCRC {
		answer[1] ^= 0x01
	}
	return bits(answer)
}

// bits returns the bits of some bytes, the lowest bit of each byte first.
func bits(b []byte) []bool {
	var out []bool
	for _, x := range b {
		for i := range 8 {
			out = append(out, x>>i&1 == 1)
		}
	}
	return out
}

func value(b []bool) (v byte) {
	for i, x := range b {
		if x {
			v |= 1 << i
		}
	}
	return v
}

func equal(a, b []bool) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// crc computes bit by bit the CRC that the chip and the cards use: x^16 + x^12 + x^5 + 1.
func crc(preset uint16, b []byte) uint16 {
	for _, bit := range bits(b) {
		odd := preset&1 == 1 != bit
		preset >>= 1
		if odd {
			preset ^= 0x8408
		}
	}
	return preset
}

func withCRC(b ...byte) []byte {
	c := crc(0x6363, b)
	return append(b, byte(c), byte(c>>8))
}
