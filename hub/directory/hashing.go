package directory

import (
	"strings"

	"portillon/wire"
)

// cardHashing makes the HMACs of card numbers: Options.CardHash, OldCardKey and OldCardHash.
type cardHashing struct {
	hash    func(number []byte) string // nil: the hub has no card key
	oldKey  func() string              // nil: the card key is never changed
	oldHash func(number []byte) string
}

// cardHash is the HMAC of a card's number under one card key, as the directory keeps it after "hmac:".
type cardHash func(number []byte) string

// hashes are the HMACs by which a card may be known: none without a card key, two while the site changes it.
func (s *cardHashing) hashes() (out []cardHash) {
	if s.hash != nil {
		out = append(out, s.hash)
	}
	if s.oldMark() != "" && s.oldHash != nil {
		out = append(out, s.oldHash)
	}
	return out
}

// oldMark is the mark of cards that depend on the card key before: that key's check value. Empty: the site does not
// change its card key at this time.
func (s *cardHashing) oldMark() string {
	if s.oldKey == nil {
		return ""
	}
	return s.oldKey()
}

// markOf is the mark in a card's number ("hmac:", the mark, a colon, 64 digits); empty: there is none.
func markOf(number string) string {
	entry, enrolled := strings.CutPrefix(number, hmacPrefix)
	if !enrolled {
		return ""
	}
	mark, _ := wire.CutCard(entry)
	return mark
}

// isDead reports whether a card was enrolled with a card key that the hub no longer has: it opens nothing, and is in
// no bundle.
func (s *cardHashing) isDead(c Card) bool {
	mark := markOf(c.Number)
	return mark != "" && mark != s.oldMark()
}
