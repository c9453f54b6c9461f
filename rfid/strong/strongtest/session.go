package strongtest

import (
	"bytes"
	"slices"
)

// sign returns the short MAC of EV2, which consists of every second byte of a CMAC.
func (c *Card) sign(first byte, data []byte) []byte {
	m := cmac(c.mac, [16]byte{}, slices.Concat([]byte{first, byte(c.ctr), byte(c.ctr >> 8)}, c.ti[:], data))
	var t []byte
	for i := 1; i < 16; i += 2 {
		t = append(t, m[i])
	}
	return t
}

// ivOf returns the initial vector of EV2 for one direction: A5 5A for commands, 5A A5 for answers.
func (c *Card) ivOf(a, b byte) [16]byte {
	v := slices.Concat([]byte{a, b}, c.ti[:], []byte{byte(c.ctr), byte(c.ctr >> 8)}, make([]byte, 8))
	return [16]byte(encryptCBC(c.enc, [16]byte{}, v))
}

// executeSecured executes a command with EV2 secure messaging.
func (c *Card) executeSecured(ins byte, data []byte) []byte {
	k := len(data) - 8
	if k < 0 || !bytes.Equal(data[k:], c.sign(ins, data[:k])) {
		return withStatus(0x911E)
	}
	data = data[:k]
	switch ins {
	case 0x51:
		if k != 0 {
			return withStatus(0x917E)
		}
		c.ctr++
		plain := append(append([]byte{}, c.UID[:]...), 0x80, 0, 0, 0, 0, 0, 0, 0, 0)
		return c.withMAC(encryptCBC(c.enc, c.ivOf(0x5A, 0xA5), plain))
	case 0x64:
		if k != 1 || int(data[0]) >= c.keys() {
			return withStatus(0x9140)
		}
		c.ctr++
		return c.withMAC([]byte{c.Versions[data[0]]})
	}
	return c.changeKey(data)
}

// withMAC returns a successful answer with its short MAC.
func (c *Card) withMAC(data []byte) []byte {
	return withStatus(0x9100, append(data, c.sign(0, data)...)...)
}

// changeKey executes ChangeKey with EV2 secure messaging.
func (c *Card) changeKey(data []byte) []byte {
	if len(data) != 33 || int(data[0]) >= c.keys() {
		return withStatus(0x917E)
	}
	if c.no != 0 {
		return withStatus(0x919D)
	}
	no, p := data[0], decryptCBC(c.enc, c.ivOf(0xA5, 0x5A), data[1:])
	// If the command changes the key of its own session, the command contains the new key itself, and the session ends.
	if no == c.no {
		if !bytes.Equal(p[17:], append([]byte{0x80}, make([]byte, 14)...)) {
			return withStatus(0x911E)
		}
		c.Keys[no], c.Versions[no], c.mode = [16]byte(p[:16]), p[16], 0
		return withStatus(0x9100)
	}
	// For another key, the command contains the XOR of the new and the old key, and a CRC of the new key.
	next := c.Keys[no]
	for i := range next {
		next[i] ^= p[i]
	}
	if !bytes.Equal(p[17:], append(append(crc32nxp(next[:]), 0x80), make([]byte, 10)...)) {
		return withStatus(0x911E)
	}
	c.Keys[no], c.Versions[no] = next, p[16]
	c.ctr++
	return c.withMAC(nil)
}

// uidEV1 executes GetCardUID in an EV1 session.
func (c *Card) uidEV1() []byte {
	c.iv = cmac(c.enc, c.iv, []byte{0x51})
	p := slices.Concat(c.UID[:], crc32nxp(append(append([]byte{}, c.UID[:]...), 0)), make([]byte, 5))
	e := encryptCBC(c.enc, c.iv, p)
	c.iv = [16]byte(e)
	return withStatus(0x9100, e...)
}

// changeKeyEV1 executes ChangeKey in an EV1 session, for the key that opened the session.
func (c *Card) changeKeyEV1(data []byte) []byte {
	if len(data) != 33 || data[0] != c.no {
		return withStatus(0x917E)
	}
	p := decryptCBC(c.enc, c.iv, data[1:])
	sum := crc32nxp(append([]byte{0xC4, data[0]}, p[:17]...))
	if !bytes.Equal(p[17:], append(sum, make([]byte, 11)...)) {
		return withStatus(0x911E)
	}
	c.Keys[c.no], c.Versions[c.no], c.mode = [16]byte(p[:16]), p[16], 0
	return withStatus(0x9100)
}
