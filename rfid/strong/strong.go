// Package strong verifies that a card holds a key of the site, and that the number which the card shows is its own
// number.
//
// The package supports NTAG 424 DNA and MIFARE DESFire EV1, EV2 and EV3, through any [rfid.Channel]. Sources, with
// the names used in this package: NXP NT4H2421Gx rev. 3.0 (NTAG 424 DNA), AN12196 (examples for it), AN12343 (DESFire
// Light, with the messages of EV2 and EV3), AN10922 (key diversification). NXP has not published the manual of
// DESFire EV1. The sources for EV1 are libfreefare and the answers of a real card (vectors_test.go).
//
// # What is verified
//
// [Site.Prove] selects the application, authenticates with the card's key 0, which it derives from the shown number,
// and reads the card's own number inside the session. The shown number and the card's own number must be equal. A
// copy of a card's number fails because the copy does not have the card's key. If a card of the site shows another
// member's number, both its key and its own number are wrong.
//
// # The key of a card
//
// Each card has its own keys, derived from the site's key by AN10922 §2.2 (AES-128): CMAC(site's key, 01 ‖ M), where M
// is
//
//	number (7 bytes, as ISO 14443-3 gives it) ‖ application ‖ number of the key (1 byte: 00 to 04) ‖
//	"portillon" (9 bytes ASCII)
//
// and application is D2760000850101 (NTAG 424 DNA: its DF name) or 504F52 (DESFire: the application's id as sent, least
// significant byte first). An attacker who extracts the keys of one card cannot derive the keys of other cards. An
// attacker who has the site's key can derive the keys of all cards.
//
// # Downgrade
//
// The package tries AuthenticateEV2First first. The package tries AuthenticateAES, the method of EV1 cards, only for
// a DESFire that reports AuthenticateEV2First as unknown (911C, 6D00). The card does not authenticate this report, so
// a forged card can force the package to use the older command. The attacker gains nothing by this: the older command
// is also a mutual authentication with the same AES-128 key, and the package still reads the number under the
// session's key. With EV1, messages have no MAC, only a CRC32 inside the cipher text. The missing MAC affects only
// the reading of the number.
//
// # What the package refuses
//
// The package trusts no answer of a card. The package returns an error, which wraps one of the errors below, for a
// wrong length, an unexpected status, a wrong MAC, and anything that was not computed with the key. The package
// refuses a card in LRP mode, a card with a random number, and numbers of 4 or 10 bytes. The card counts each failed
// attempt: an NTAG 424 DNA delays its answers after many failures in a row, and locks a key permanently when it has
// counted about a thousand more failures than successes (NT4H2421Gx, failed authentication counter). For this reason,
// [Site.Prove] tries only one key, and only once.
//
// The package does not prevent a relay attack, in which two radios forward the messages of a distant real card.
package strong

import (
	"errors"

	"portillon/rfid"
)

// These are the reasons why a card cannot give a proof. Every error of this package wraps one of these errors.
var (
	ErrNoKey     = errors.New("site has no AES key, so no card can be verified")
	ErrNotStrong = errors.New("card cannot prove its identity: neither an NTAG 424 DNA nor a DESFire with its own " +
		"number")
	ErrWrongKey = errors.New("card does not have this site's key")
	ErrCloned   = errors.New("card's own number differs from the number that it shows")
	ErrAnswer   = errors.New("card's answer was not computed with its key: replayed, damaged or forged")
	ErrLeft     = errors.New("card was removed before it answered")
	ErrLocked   = errors.New("card delays its answers after too many wrong keys: leave the card on the reader until it " +
		"accepts one again")
	ErrForbidden = errors.New("card's settings do not allow this change")
)

// Kind is the model of a card.
type Kind uint8

const (
	Unknown Kind = iota
	NTAG424      // NTAG 424 DNA
	DESFire      // MIFARE DESFire EV1, EV2 or EV3
)

// String returns the kind's trade name.
func (k Kind) String() string {
	switch k {
	case NTAG424:
		return "NTAG 424 DNA"
	case DESFire:
		return "DESFire"
	}
	return "unknown card"
}

// app returns the bytes with which a command selects the application. The bytes of the application's name are also
// part of the derived keys.
func (k Kind) app() []byte {
	if k == DESFire {
		return []byte{0x50, 0x4F, 0x52} // "POR"
	}
	return []byte{0xD2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01} // NT4H2421Gx §8.2.2
}

// uidLen is the length of the numbers of these cards, in bytes (ISO 14443-3, double size).
const uidLen = 7

func number(uid rfid.UID) ([]byte, error) {
	b := uid.Bytes()
	if len(b) != uidLen {
		return nil, errors.Join(ErrNotStrong,
			errors.New("card number must have 7 bytes; a number of 4 bytes that begins with 08 changes at each tap (random "+
				"ID)"))
	}
	return b, nil
}
