package strong

import (
	"context"
	"crypto/aes"
	"fmt"
)

// ev1 is a session with a DESFire EV1: one session key, and an IV that each message inherits from the message before.
type ev1 struct {
	c   *card
	no  byte
	key block
	iv  block
}

// authenticateAES runs AuthenticateAES. One CBC chain runs through all three messages of the authentication
// (libfreefare mifare_desfire.c, authenticate).
func (c *card) authenticateAES(ctx context.Context, no byte, key block) (*ev1, error) {
	a, s, err := c.sendNative(ctx, insAES, no)
	if err != nil {
		return nil, err
	}
	if err := checkPart1(a, s); err != nil {
		return nil, err
	}
	b := block(decryptCBC(key, block{}, a))
	rnd, err := c.newRndA()
	if err != nil {
		return nil, err
	}
	mine := encryptCBC(key, lastBlock(a), append(rnd[:], rotateLeft(b)...))
	a, s, err = c.sendNative(ctx, insMore, mine...)
	if err != nil {
		return nil, err
	}
	if s != swOK || len(a) != aes.BlockSize {
		return nil, checkPart2(a, s)
	}
	if !isEqual(decryptCBC(key, lastBlock(mine), a), rotateLeft(rnd)) {
		return nil, fmt.Errorf("authenticate: %w", ErrAnswer)
	}
	return &ev1{c: c, no: no, key: legacyKey(rnd, b)}, nil
}

// legacyKey returns the session's key, which contains the first and last quarters of RndA and RndB.
func legacyKey(a, b block) (k block) {
	copy(k[0:], a[:4])
	copy(k[4:], b[:4])
	copy(k[8:], a[12:])
	copy(k[12:], b[12:])
	return k
}

// cardUID runs GetCardUID. The card's answer is number ‖ CRC32(number ‖ status) ‖ zeros, encrypted, with the
// command's CMAC as IV.
func (n *ev1) cardUID(ctx context.Context) ([]byte, error) {
	n.iv = cmacFrom(n.key, n.iv, []byte{insCardUID})
	a, s, err := n.c.sendNative(ctx, insCardUID)
	if err != nil {
		return nil, err
	}
	if s != swOK {
		return nil, s.err("read the card's number (UID)")
	}
	if len(a) != aes.BlockSize {
		return nil, fmt.Errorf("read the card's number (UID): answer has %d bytes, want 16: %w", len(a), ErrAnswer)
	}
	p := decryptCBC(n.key, n.iv, a)
	n.iv = lastBlock(a)
	if u := p[:uidLen:uidLen]; !isEqual(p[uidLen:], padZeros(append(u, crc(u, []byte{byte(s)})...))[uidLen:]) {
		return nil, fmt.Errorf("read the card's number (UID): %w", ErrAnswer)
	}
	return p[:uidLen], nil
}

// changeOwn runs ChangeKey for the key that opened the session.
func (n *ev1) changeOwn(ctx context.Context, becomes block) error {
	_, s, err := n.c.sendNative(ctx, insChangeKey, append([]byte{n.no}, n.encryptedChange(becomes, siteKeyVersion)...)...)
	if err == nil && s != swOK {
		err = s.err("change a key")
	}
	return err
}

// encryptedChange returns the encrypted data of ChangeKey: new ‖ version ‖ CRC32(C4 ‖ number ‖ new ‖ version) ‖ zeros.
func (n *ev1) encryptedChange(becomes block, version byte) []byte {
	p := append(becomes[:], version)
	return encryptCBC(n.key, n.iv, padZeros(append(p, crc([]byte{insChangeKey, n.no}, p)...)))
}
