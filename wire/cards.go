package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// CardForm is the permitted use of a form of a card's number. See CardFormHash.
type CardForm string

// The uses. The text is a part of what is hashed: changing one makes every machine forget these forms.
const (
	// ShortForm is a number that has lost bits: it counts at a machine whose reader may give such numbers.
	ShortForm CardForm = "short"
	// PartForm is the part of a number that members.yaml names, as it is printed on the card: it counts for a whole number
	// that ends in it.
	PartForm CardForm = "part"
)

// CardFormHash is how a bundle carries a form of a card's number that is not the number: the first half of an
// HMAC-SHA-256 under the site's card key, in hexadecimal. It is listed among a member's cards. An older machine treats
// it as one more card, which no tap can match: the text before the number, and the length, distinguish it from the HMAC
// of any number.
func CardFormHash(key []byte, use CardForm, number []byte) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("portillon card form\x00" + string(use) + "\x00"))
	h.Write(number)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// IsCardForm reports whether an entry of a member's cards is a form of a card, not a card.
func IsCardForm(entry string) bool { return len(entry) == 2*16 }
