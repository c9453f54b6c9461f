package mfrc522

import (
	"bytes"
	"errors"

	"portillon/rfid"
)

// These are commands and constants that ISO/IEC 14443-3 defines. Section numbers in this file refer to that standard.
const (
	wupa       = 0x52 // 7 bits: wakes idle and halted cards (§6.4.1)
	shortFrame = 7
	hlta       = 0x50 // §6.4.3
	nvbNone    = 0x20 // starts anticollision with none of the number's bits known (§6.5.3)
	nvbAll     = 0x70 // SELECT (§6.5.3)
	cascadeTag = 0x88 // §6.5.4
	sakMore    = 0x04 // bit of SAK: the number continues at the next cascade level (§6.5.3)
)

// levels holds the SEL codes of the three cascade levels (§6.5.3).
var levels = [3]byte{0x93, 0x95, 0x97}

// crcA returns the CRC_A (ISO/IEC 14443-3 annex B), low byte first.
func crcA(b []byte) [2]byte {
	crc := uint16(0x6363)
	for _, x := range b {
		crc ^= uint16(x)
		for range 8 {
			odd := crc&1 != 0
			crc >>= 1
			if odd {
				crc ^= 0x8408
			}
		}
	}
	return [2]byte{byte(crc), byte(crc >> 8)}
}

func withCRC(b ...byte) []byte {
	crc := crcA(b)
	return append(b, crc[:]...)
}

// find wakes a card, reads its number and sends HLTA, so that the next find can wake the same card again.
func (b *bus) find() (rfid.UID, error) {
	if err := b.wake(); err != nil {
		return rfid.UID{}, err
	}
	number, err := b.readCascade()
	if err != nil {
		return rfid.UID{}, err
	}
	// Ignore the result of HLTA, because a card acknowledges HLTA by silence (§6.4.3). If a card missed HLTA, only the
	// second WUPA of the next find wakes it.
	_, _ = b.exchange(withCRC(hlta, 0), 0, 0)
	u, err := rfid.UIDOf(number)
	if rfid.Random(u) {
		return rfid.UID{}, errRandom
	}
	return u, err
}

// wake sends WUPA, and sends WUPA a second time if no card answers. If a reading was interrupted, the card is still
// in state READY or ACTIVE, and the first WUPA only sends it back to IDLE or HALT (§6.3).
func (b *bus) wake() error {
	_, err := b.exchange([]byte{wupa}, shortFrame, 2)
	if errors.Is(err, errNothing) {
		_, err = b.exchange([]byte{wupa}, shortFrame, 2)
	}
	return err
}

// readCascade reads a card's whole number, of 4, 7 or 10 bytes, over one to three cascade levels. SAK and the cascade
// tag must both say that the number continues, or both say that it is complete.
func (b *bus) readCascade() ([]byte, error) {
	var number []byte
	for i, sel := range levels {
		part, sak, err := b.readLevel(sel)
		if err != nil {
			return nil, err
		}
		last, more := i == len(levels)-1, sak&sakMore != 0
		// The byte 88 (cascade tag) is neither the first byte of a number nor the fourth byte of a seven-byte number
		// (§6.5.4, since Amendment 1 of 2005).
		tagged := !last && part[0] == cascadeTag
		switch {
		case more != tagged:
			return nil, errNothing
		case !more:
			return append(number, part...), nil
		}
		number = append(number, part[1:]...)
	}
	return nil, errNothing
}

// readLevel reads the four bytes of one cascade level and selects the card with SELECT. Only a card with these four
// bytes answers SELECT; its answer is the SAK.
func (b *bus) readLevel(sel byte) (part []byte, sak byte, err error) {
	got, err := b.exchange([]byte{sel, nvbNone}, 0, 5)
	if err != nil {
		return nil, 0, err
	}
	if got[0]^got[1]^got[2]^got[3] != got[4] { // BCC (§6.5.3)
		return nil, 0, errNothing
	}
	answer, err := b.exchange(withCRC(append([]byte{sel, nvbAll}, got...)...), 0, 3)
	if err != nil {
		return nil, 0, err
	}
	if !bytes.Equal(withCRC(answer[0]), answer) {
		return nil, 0, errNothing
	}
	return got[:4], answer[0], nil
}
