package directory

import (
	"strings"

	"portillon/wire"
)

// cardHashing calculates the HMACs of card numbers with the functions of Options.
type cardHashing struct {
	hash    func(number []byte) string // HMAC under the current card key; nil: the hub has no card key
	oldKey  func() string              // HMAC under the previous card key; nil: the card key is never changed
	oldHash func(number []byte) string
}

// cardHash is a function that returns the HMAC of a card's number under one card key, as the directory stores it after
// "hmac:".
type cardHash func(number []byte) string

// hashes returns one HMAC function for each card key in use: none if there is no card key, and two while the site
// changes the card key.
func (s *cardHashing) hashes() (out []cardHash) {
	if s.hash != nil {
		out = append(out, s.hash)
	}
	if s.oldMark() != "" && s.oldHash != nil {
		out = append(out, s.oldHash)
	}
	return out
}

// oldMark returns the mark of cards that depend on the previous card key: the check value of that key. oldMark is empty
// if the site is not changing its card key.
func (s *cardHashing) oldMark() string {
	if s.oldKey == nil {
		return ""
	}
	return s.oldKey()
}

// markOf returns the mark in a stored card number of the form "hmac:MARK:" with 64 digits; empty: the number has no
// mark.
func markOf(number string) string {
	entry, enrolled := strings.CutPrefix(number, hmacPrefix)
	if !enrolled {
		return ""
	}
	mark, _ := wire.CutCard(entry)
	return mark
}

// isDead reports whether a card is stored as an HMAC under a card key that the hub no longer has. Bundles do not
// contain such a card, so machines refuse it.
func (s *cardHashing) isDead(c Card) bool {
	mark := markOf(c.Number)
	return mark != "" && mark != s.oldMark()
}
