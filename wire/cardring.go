package wire

import (
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"portillon/keykind"
	"portillon/policy"
)

// A site changes its card key after a machine was lost that held it. During the change-over machines hold two keys: the
// new one, which the bundle is built with, and the one before, for cards of which the hub knows only the HMAC. Such an
// entry begins with the check value of the key before. A machine that does not know the mark, or has not that key,
// treats the entry as an unknown card, which no tap can match.

// MaxCardKeys is how many card keys a machine holds at most: the one in force, and the one before.
const MaxCardKeys = 2

// maxCardKeyText bounds a card key in hexadecimal, in digits. A new one has 64.
const maxCardKeyText = 256

// CardKeys is what a hub answers an enrolled machine that asks for card-keys.
type CardKeys struct {
	// Keys are in hexadecimal. The first is the one in force; the second, if any, is the one before.
	Keys []string `json:"keys"`
}

// Bytes are the keys, checked.
func (c CardKeys) Bytes() ([][]byte, error) {
	if len(c.Keys) == 0 || len(c.Keys) > MaxCardKeys {
		return nil, fmt.Errorf("card keys: there are %d, want 1 to %d", len(c.Keys), MaxCardKeys)
	}
	var out [][]byte
	for i, text := range c.Keys {
		b, err := hex.DecodeString(text)
		if err != nil || len(b) < 16 || len(text) > maxCardKeyText {
			return nil, fmt.Errorf("card keys: number %d is not a card key, want 32 to %d hexadecimal digits", i+1,
				maxCardKeyText)
		}
		out = append(out, b)
	}
	return out, nil
}

// ChooseCardKey finds the card key that a bundle was built with among those at hand, and gives the others beside it. A
// bundle without a check value comes from an older program: the first key counts. Where none fits, the error is an
// *OtherCardKey that names the first.
func ChooseCardKey(m Manifest, keys ...[]byte) (chosen []byte, others [][]byte, err error) {
	at := -1
	for i, k := range keys {
		if at < 0 && CheckCardKey(m, k) == nil {
			at = i
		}
	}
	if at < 0 {
		if len(keys) == 0 {
			return nil, nil, nil
		}
		return nil, nil, CheckCardKey(m, keys[0])
	}
	for i, k := range keys {
		if i != at && len(k) > 0 && string(k) != string(keys[at]) {
			others = append(others, k)
		}
	}
	return keys[at], others, nil
}

// checkDigits is the length of a check value of a key (keykind.CheckValue).
const checkDigits = 8

// MarkCard marks an entry of a member's cards as made with the card key that has this check value.
func MarkCard(check, hash string) string { return check + ":" + hash }

// CutCard takes an entry of a member's cards apart. check is empty where the entry is not marked.
func CutCard(entry string) (check, hash string) {
	check, hash, marked := strings.Cut(entry, ":")
	if !marked || len(check) != checkDigits {
		return "", entry
	}
	return check, hash
}

// IsCardEntry reports whether an entry of a member's cards is the HMAC of a whole number, marked or not.
func IsCardEntry(entry string) bool {
	check, hash := CutCard(entry)
	if check != "" {
		if _, err := hex.DecodeString(check); err != nil || check != strings.ToLower(check) {
			return false
		}
	}
	return IsCardHash(hash)
}

// MarkOf is the mark of entries that were made with a card key.
func MarkOf(key []byte) string { return keykind.CheckValue(key) }

// CardRebound is the kind of a record of a card that was known by its HMAC under the card key before, and was tapped:
// CardReboundBody. The hub binds it to the new key.
const CardRebound Kind = "card-rebound"

// CardReboundBody is the body of a card-rebound record.
type CardReboundBody struct {
	// Sealed is the card's number, which the hub alone can open (SealNumber). The hub calculates both HMACs by itself: a
	// machine that reports a false number binds nothing.
	Sealed string `json:"sealed"`
}

// reboundCard is what is sealed in a CardReboundBody.
type reboundCard struct {
	Number string `json:"number"` // as the card is bound, in hexadecimal
}

// reboundInfo binds a sealed number to the machine that sealed it, and keeps it apart from a sealed card.
func reboundInfo(site policy.SiteID, m policy.MachineID) []byte {
	return fmt.Appendf(nil, "portillon rebound card 1 %s %s", site, m)
}

// SealNumber encrypts a card's number for the hub, as SealCard does with an unknown card.
func SealNumber(public string, site policy.SiteID, m policy.MachineID, number []byte) (string, error) {
	raw, err := parseSealKey(public)
	if err != nil {
		return "", err
	}
	key, err := hpke.DHKEM(ecdh.X25519()).NewPublicKey(raw)
	if err != nil {
		return "", fmt.Errorf("seal key: %w", err)
	}
	plain, err := json.Marshal(reboundCard{hex.EncodeToString(number)})
	if err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	box, err := hpke.Seal(key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), reboundInfo(site, m), plain)
	if err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	id := sha256.Sum256(raw)
	return base64.StdEncoding.EncodeToString(append(id[:sealKeyID], box...)), nil
}

// maxNumber bounds a card's number, in bytes. ISO/IEC 14443-3 numbers have at most 10.
const maxNumber = 32

// OpenNumber opens the number that a machine sealed, with the one of keys that fits. Without it, the error is
// ErrNoSealKey.
func OpenNumber(sealed string, site policy.SiteID, m policy.MachineID, keys []SealKey) ([]byte, error) {
	plain, err := openSealed(sealed, reboundInfo(site, m), keys)
	if err != nil {
		return nil, err
	}
	var c reboundCard
	if err := json.Unmarshal(plain, &c); err != nil {
		return nil, errors.New("the sealed number is not JSON")
	}
	b, err := hex.DecodeString(c.Number)
	if err != nil || len(b) == 0 || len(b) > maxNumber {
		return nil, fmt.Errorf("the sealed number is malformed, want 1 to %d bytes in hexadecimal", maxNumber)
	}
	return b, nil
}
