package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// CardForm is the use of an incomplete card number: it states at which machines and for which numbers a CardFormHash
// counts.
type CardForm string

// These are the uses of an incomplete card number. The text is part of the hashed data, so a change of the text would
// make existing entries unknown to machines.
const (
	// ShortForm is a number that has lost bits. The short form counts at machines whose readers may deliver such
	// numbers.
	ShortForm CardForm = "short"
	// PartForm is the part of a number that is printed on the card and written in members.yaml. The part form counts
	// for every whole number that ends in this part.
	PartForm CardForm = "part"
)

// CardFormHash returns the entry for an incomplete card number in a bundle: the first half of an HMAC-SHA-256 under the
// site's card key, in hexadecimal. The entry is listed among a member's cards. An older machine treats the entry as a
// card that nobody can tap. The prefix and the length distinguish the entry from the HMAC of any number.
func CardFormHash(key []byte, use CardForm, number []byte) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("portillon card form\x00" + string(use) + "\x00"))
	h.Write(number)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// IsCardForm reports whether an entry of a member's cards is a CardFormHash and not a whole card.
func IsCardForm(entry string) bool { return len(entry) == 2*16 }
