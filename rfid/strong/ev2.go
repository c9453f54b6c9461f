package strong

import (
	"context"
	"crypto/aes"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
)

// ev2 is a session with EV2 secure messaging (NT4H2421Gx §9.1).
type ev2 struct {
	c        *card
	no       byte // number of the key with which the session was opened
	ti       [4]byte
	ctr      uint16 // CmdCtr: number of commands sent in the session
	enc, mac block  // SesAuthENCKey, SesAuthMACKey
}

// ev2First runs AuthenticateEV2First and sends no capabilities (NT4H2421Gx §9.1.5; AN12196 §5.6).
func (c *card) ev2First(ctx context.Context, no byte, key block) (*ev2, error) {
	a, s, err := c.sendNative(ctx, insEV2First, no, 0)
	if err != nil {
		return nil, err
	}
	if s == swIllegal || s == swNoINS {
		return nil, errUnknownCommand
	}
	if err := checkPart1(a, s); err != nil {
		return nil, err
	}
	b := block(decryptCBC(key, block{}, a))
	rnd, err := c.newRndA()
	if err != nil {
		return nil, err
	}
	a, s, err = c.sendNative(ctx, insMore, encryptCBC(key, block{}, append(rnd[:], rotateLeft(b)...))...)
	if err != nil {
		return nil, err
	}
	if s != swOK || len(a) != 2*aes.BlockSize {
		return nil, checkPart2(a, s)
	}
	p := decryptCBC(key, block{}, a) // the plain text is TI ‖ RndA' ‖ PDcap2 ‖ PCDcap2
	if !isEqual(p[4:20], rotateLeft(rnd)) {
		return nil, fmt.Errorf("authenticate: %w", ErrAnswer)
	}
	n := &ev2{c: c, no: no, ti: [4]byte(p[:4])}
	n.enc, n.mac = sessionKeys(key, rnd, b)
	return n, nil
}

// checkPart1 checks the card's first answer, which contains RndB encrypted.
func checkPart1(a []byte, s status) error {
	switch {
	case s != swMore && s != swOK:
		return s.err("authenticate")
	case s == swMore && len(a) == aes.BlockSize+1: // in LRP mode, the byte AuthMode precedes RndB (§9.2.5)
		return fmt.Errorf("authenticate: %w: card is in LRP mode", ErrNotStrong)
	case s != swMore || len(a) != aes.BlockSize:
		return fmt.Errorf("authenticate: first answer has %d bytes and status %04X, want 16 and 91AF: %w",
			len(a), uint16(s), ErrAnswer)
	}
	return nil
}

// checkPart2 returns an error if the card's second answer does not contain RndA' encrypted.
func checkPart2(a []byte, s status) error {
	if s != swOK {
		return s.err("authenticate")
	}
	return fmt.Errorf("authenticate: second answer has %d bytes: %w", len(a), ErrAnswer)
}

// sessionKeys derives the session's two keys, which are the CMACs of SV1 and SV2 (NT4H2421Gx §9.1.7).
func sessionKeys(key, a, b block) (enc, mac block) {
	sv := append([]byte{0xA5, 0x5A, 0, 1, 0, 0x80}, a[:8]...)
	subtle.XORBytes(sv[8:], sv[8:], b[:6])
	sv = append(append(sv, b[6:]...), a[8:]...)
	enc = cmac(key, sv)
	sv[0], sv[1] = 0x5A, 0xA5
	return enc, cmac(key, sv)
}

// sign returns MACt, which consists of every second byte of a CMAC (NT4H2421Gx §9.1.3). The byte first is the code of
// the command, or the status of the answer.
func (n *ev2) sign(first byte, ctr uint16, data ...byte) []byte {
	m := append(binary.LittleEndian.AppendUint16([]byte{first}, ctr), n.ti[:]...)
	return odd(cmac(n.mac, append(m, data...)))
}

func odd(full block) []byte {
	t := make([]byte, 8)
	for i := range t {
		t[i] = full[2*i+1]
	}
	return t
}

// iv returns the initial vector for the encryption of a message (NT4H2421Gx §9.1.4). The bytes a and b are A5 5A for
// a command, and 5A A5 for the answer to a command.
func (n *ev2) iv(a, b byte, ctr uint16) (v block) {
	copy(v[:], append([]byte{a, b}, n.ti[:]...))
	binary.LittleEndian.PutUint16(v[6:], ctr)
	aesOf(n.enc).Encrypt(v[:], v[:])
	return v
}

// encryptData encrypts the data of a command in CommMode.Full.
func (n *ev2) encryptData(data []byte) []byte {
	return encryptCBC(n.enc, n.iv(0xA5, 0x5A, n.ctr), pad(data))
}

// sendAuthenticated sends a command with its MAC and verifies the answer's MAC. If a card refuses the command, its
// answer has no MAC, and the session ends.
func (n *ev2) sendAuthenticated(ctx context.Context, ins byte, doing string, data ...byte) ([]byte, error) {
	a, s, err := n.c.sendNative(ctx, ins, append(data[:len(data):len(data)], n.sign(ins, n.ctr, data...)...)...)
	if err != nil {
		return nil, err
	}
	n.ctr++
	if s != swOK {
		return nil, s.err(doing)
	}
	k := len(a) - 8
	if k < 0 || !isEqual(a[k:], n.sign(byte(s), n.ctr, a[:k]...)) {
		return nil, fmt.Errorf("%s: %w", doing, ErrAnswer)
	}
	return a[:k], nil
}

// cardUID sends GetCardUID in CommMode.Full.
func (n *ev2) cardUID(ctx context.Context) ([]byte, error) {
	a, err := n.sendAuthenticated(ctx, insCardUID, "read the card's number (UID)")
	if err != nil {
		return nil, err
	}
	if len(a) != aes.BlockSize {
		return nil, fmt.Errorf("read the card's number (UID): answer has %d bytes, want 16: %w", len(a), ErrAnswer)
	}
	u, ok := unpad(decryptCBC(n.enc, n.iv(0x5A, 0xA5, n.ctr), a))
	if !ok || len(u) != uidLen {
		return nil, fmt.Errorf("read the card's number (UID): %w", ErrAnswer)
	}
	return u, nil
}

// keyVersion sends GetKeyVersion in CommMode.MAC.
func (n *ev2) keyVersion(ctx context.Context, no byte) (byte, error) {
	a, err := n.sendAuthenticated(ctx, insKeyVersion, "read a key's version", no)
	if err == nil && len(a) != 1 {
		err = fmt.Errorf("read a key's version: answer has %d bytes, want 1: %w", len(a), ErrAnswer)
	}
	if err != nil {
		return 0, err
	}
	return a[0], nil
}

// siteKeyVersion is the version of every key that a site writes to a card. The keys of a card from the factory have
// version 0.
const siteKeyVersion = 1

// changeOther sends ChangeKey for a key other than the key that opened the session (AN12196 §5.16.1). The data of the
// command is the XOR of the two keys, the version and a CRC32.
func (n *ev2) changeOther(ctx context.Context, no byte, was, becomes block) error {
	var x block
	subtle.XORBytes(x[:], was[:], becomes[:])
	p := append(append(x[:], siteKeyVersion), crc(becomes[:])...)
	a, err := n.sendAuthenticated(ctx, insChangeKey, "change a key", append([]byte{no}, n.encryptData(p)...)...)
	if err == nil && len(a) != 0 {
		err = fmt.Errorf("change a key: answer has %d bytes, want 0: %w", len(a), ErrAnswer)
	}
	return err
}

// changeOwn sends ChangeKey for the key that opened the session (AN12196 §5.16.2). The answer has no MAC, because the
// session has ended.
func (n *ev2) changeOwn(ctx context.Context, becomes block) error {
	data := append([]byte{n.no}, n.encryptData(append(becomes[:], siteKeyVersion))...)
	_, s, err := n.c.sendNative(ctx, insChangeKey, append(data, n.sign(insChangeKey, n.ctr, data...)...)...)
	if err == nil && s != swOK {
		err = s.err("change a key")
	}
	return err
}
