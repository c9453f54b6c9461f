package site

import (
	"portillon/rfid"
	"portillon/wire"
)

// cardHasher caches the HMACs of cards, so that each HMAC is computed only once. One build uses one cardHasher.
type cardHasher struct {
	key         []byte
	known, used map[string]string // old has the results of the previous build, now the results that this build uses

	knownUIDs, uids map[string]rfid.UID
}

// newCardHasher returns the cardHasher for a new build.
func (m *Memory) newCardHasher(key []byte) *cardHasher {
	if m == nil {
		m = &Memory{}
	}
	h := &cardHasher{key: key, used: make(map[string]string, len(m.cardHashes)),
		uids:      make(map[string]rfid.UID, len(m.uids)),
		knownUIDs: m.uids}
	if string(key) == m.cardKey {
		h.known = m.cardHashes
	}
	return h
}

// cached returns the cached result for what. If the cache has no result, cached calls make and stores the result.
func (h *cardHasher) cached(what string, make func() string) string {
	if x, ok := h.used[what]; ok {
		return x
	}
	x, ok := h.known[what]
	if !ok {
		x = make()
	}
	h.used[what] = x
	return x
}

// hash returns the same as cardHash, and caches the result.
func (h *cardHasher) hash(number string) string {
	return h.cached(number, func() string { return cardHash(h.key, number) })
}

// hashForm returns the same as wire.CardFormHash, and caches the result.
func (h *cardHasher) hashForm(use wire.CardForm, u rfid.UID) string {
	return h.cached(string(use)+" "+u.Hex(), func() string { return wire.CardFormHash(h.key, use, u.Bytes()) })
}

// parseNumber parses the number of a card. parseNumber returns false for an hmac: entry, which has no number.
func (h *cardHasher) parseNumber(text string) (rfid.UID, bool) {
	u, ok := h.knownUIDs[text]
	if !ok {
		var err error
		if u, err = rfid.ParseUID(text); err != nil {
			return rfid.UID{}, false
		}
	}
	h.uids[text] = u
	return u, true
}
