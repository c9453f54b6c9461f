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

// cardHash is the HMAC of a card's number, as the directory keeps it.
type cardHash func(number []byte) string

// hashes are the HMACs by which a card may be known, where the hub has the card key: during a change of the card
// key there are two.
func (s *cardHashing) hashes() (out []cardHash) {
	if s.hash != nil {
		out = append(out, s.hash)
	}
	if s.oldMark() != "" && s.oldHash != nil {
		out = append(out, s.oldHash)
	}
	return out
}

// oldMark is the mark of cards that hang on the card key before; empty: there is no change-over.
func (s *cardHashing) oldMark() string {
	if s.oldKey == nil {
		return ""
	}
	return s.oldKey()
}

// markOf is the mark of a card's number; empty: it has none.
func markOf(number string) string {
	entry, enrolled := strings.CutPrefix(number, hmacPrefix)
	if !enrolled {
		return ""
	}
	mark, _ := wire.CutCard(entry)
	return mark
}

// isDead reports whether a card was made with a card key that is not held any more.
func (s *cardHashing) isDead(c Card) bool {
	mark := markOf(c.Number)
	return mark != "" && mark != s.oldMark()
}
