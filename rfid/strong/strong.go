// Package strong has a card prove that it holds a key which the site gave it, and that it is the card whose number it
// shows.
//
// It speaks to NTAG 424 DNA and to MIFARE DESFire EV1, EV2 and EV3, through any [rfid.Channel]. Sources, with the names
// used below: NXP NT4H2421Gx rev. 3.0 (NTAG 424 DNA), AN12196 (its examples), AN12343 (DESFire Light, whose messages
// EV2 and EV3 share), AN10922 (a key for each card); for DESFire EV1, whose manual is not public, libfreefare and what
// a real card said (vectors_test.go).
//
// # What is proven
//
// [Site.Prove] selects the application, authenticates with key 0 as diversified for the number that the card showed,
// and asks for the card's number inside the session. It accepts a number that both agree on, and nothing else. A copied
// number fails for want of the key; a card of the site that shows another member's number fails twice, by the key and
// by the number.
//
// # The key of a card
//
// Each card has its own keys, made from the site's by AN10922 §2.2 (AES-128): CMAC(site's key, 01 ‖ M), where M is
//
//	number (7 bytes, as ISO 14443-3 gives it) ‖ application ‖ number of the key (1 byte: 00 to 04) ‖
//	"portillon" (9 bytes ASCII)
//
// and application is D2760000850101 (NTAG 424 DNA: its DF name) or 504F52 (DESFire: the application's id as it is sent,
// least significant byte first). Whoever opens one card has that card's keys and no other's. Whoever has the site's key
// has them all.
//
// # Downgrade
//
// A card is asked for AuthenticateEV2First; only a DESFire that says it does not know that command (911C, 6D00) is
// asked for AuthenticateAES, as EV1 cards are. Nothing vouches for that answer: a made-up card can force the older
// command. It gains nothing, for the older one too is mutual and needs the same AES-128 key, and the number is still
// read under the session's key. What it loses is the MAC over each message: EV1 checks a CRC32 inside the cipher text,
// and only reading the number depends on it.
//
// # What it refuses
//
// Every answer is hostile. Wrong lengths, statuses out of place, a wrong MAC and anything that the key did not make are
// errors, one of the sentinels below. A card in LRP mode, a card with a random number, and numbers of 4 or 10 bytes are
// refused. A refused attempt counts on the card: an NTAG 424 DNA delays its answers after many in a row, and closes a
// key for good after about a thousand more refusals than successes make up for (NT4H2421Gx, failed authentication
// counter). So [Site.Prove] tries one key, once.
//
// It does not stop a relay, where two radios carry the messages of a real card that is elsewhere at that moment.
package strong

import (
	"errors"

	"portillon/rfid"
)

// Why a card has proven nothing. Errors of this package wrap one of them.
var (
	ErrNoKey     = errors.New("site key for cards is missing")
	ErrNotStrong = errors.New("this card cannot prove what it is: it is no NTAG 424 DNA and no DESFire with its own " +
		"number")
	ErrWrongKey = errors.New("the card does not hold this site's key")
	ErrCloned   = errors.New("the card's own number is not the number that it shows")
	ErrAnswer   = errors.New("the card's answer is not one that its key makes: replayed, damaged or made up")
	ErrLeft     = errors.New("the card left before it had answered")
	ErrLocked   = errors.New("the card answers slowly after too many wrong keys: leave it on the reader until it takes " +
		"one again")
	ErrForbidden = errors.New("the card's owner does not let this be changed")
)

// Kind is what a card is.
type Kind uint8

const (
	Unknown Kind = iota
	NTAG424      // NTAG 424 DNA
	DESFire      // MIFARE DESFire EV1, EV2 or EV3
)

// String is the kind's trade name.
func (k Kind) String() string {
	switch k {
	case NTAG424:
		return "NTAG 424 DNA"
	case DESFire:
		return "DESFire"
	}
	return "unknown card"
}

// app is what selects the application, and takes part in the keys.
func (k Kind) app() []byte {
	if k == DESFire {
		return []byte{0x50, 0x4F, 0x52} // "POR"
	}
	return []byte{0xD2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01} // NT4H2421Gx §8.2.2
}

// uidLen is the length of every number of these cards (ISO 14443-3, double size).
const uidLen = 7

func number(uid rfid.UID) ([]byte, error) {
	b := uid.Bytes()
	if len(b) != uidLen {
		return nil, errors.Join(ErrNotStrong,
			errors.New("these cards have a number of 7 bytes; one of 4 that begins with 08 is made up anew each time (random "+
				"ID)"))
	}
	return b, nil
}
