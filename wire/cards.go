package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// CardForm says how an incomplete card number is used: at which machines, and for which numbers, a CardFormHash
// identifies the card.
type CardForm string

// These constants are the uses of an incomplete card number. The text is part of the hashed data, so a change of the
// text would make existing entries unknown to machines.
const (
	// ShortForm is a number in which bits of the card's number are missing. A short form identifies a card only at
	// machines whose readers may report such numbers.
	ShortForm CardForm = "short"
	// PartForm is the part of a card's number that is printed on the card and written in members.yaml. A part identifies
	// every card whose whole number ends in this part.
	PartForm CardForm = "part"
)

// CardFormHash returns the entry for an incomplete card number in a bundle: the first half of an HMAC-SHA-256 under the
// site's card key, in hexadecimal. The entry is listed among a member's cards. For an older machine, the entry matches
// no card. The prefix and the length of the entry distinguish it from the HMAC of a whole number.
func CardFormHash(key []byte, use CardForm, number []byte) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("portillon card form\x00" + string(use) + "\x00"))
	h.Write(number)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// IsCardForm reports whether an entry of a member's cards is a CardFormHash and not a whole card.
func IsCardForm(entry string) bool { return len(entry) == 2*16 }
