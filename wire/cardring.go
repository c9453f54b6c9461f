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

// A site changes its card key after the loss of a machine that had the key. During the change, machines have two keys:
// the new one and the previous one. The hub builds the bundle with the new key. The previous key is needed for cards of
// which the hub knows only the HMAC under that key. If a card's entry was computed with the previous key, the entry
// begins with the check value of that key. If a machine does not understand this mark, or does not have the previous
// key, the entry matches no card.

// MaxCardKeys is the largest number of card keys that a machine has: the current key and the previous key.
const MaxCardKeys = 2

// maxCardKeyText is the largest length of a card key, in hexadecimal digits. A new key has 64 hexadecimal digits.
const maxCardKeyText = 256

// CardKeys is the hub's answer when an enrolled machine requests card-keys.
type CardKeys struct {
	// Keys contains the keys in hexadecimal: first the current key, and then the previous key if the site is changing its
	// key.
	Keys []string `json:"keys"`
}

// Bytes returns the decoded keys. It returns an error if a key is malformed, or if there are too few or too many.
func (c CardKeys) Bytes() ([][]byte, error) {
	if len(c.Keys) == 0 || len(c.Keys) > MaxCardKeys {
		return nil, fmt.Errorf("card keys: answer contains %d keys, want 1 to %d", len(c.Keys), MaxCardKeys)
	}
	var out [][]byte
	for i, text := range c.Keys {
		b, err := hex.DecodeString(text)
		if err != nil || len(b) < 16 || len(text) > maxCardKeyText {
			return nil, fmt.Errorf("card keys: key %d is malformed, want 32 to %d hexadecimal digits", i+1, maxCardKeyText)
		}
		out = append(out, b)
	}
	return out, nil
}

// ChooseCardKey returns the key with which a bundle was built, and the other keys. If the bundle has no check value,
// because an older program built it, ChooseCardKey chooses the first key. If no key fits the bundle, the error is an
// *OtherCardKey that compares the first key.
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

// checkDigits is the length of a key's check value (keykind.CheckValue), in hexadecimal digits.
const checkDigits = 8

// MarkCard returns a card entry with the mark that says under which card key it was computed; check is the check value
// of that key.
func MarkCard(check, hash string) string { return check + ":" + hash }

// CutCard splits an entry of a member's cards into its mark and the HMAC. If the entry has no mark, check is empty.
func CutCard(entry string) (check, hash string) {
	check, hash, marked := strings.Cut(entry, ":")
	if !marked || len(check) != checkDigits {
		return "", entry
	}
	return check, hash
}

// IsCardEntry reports whether an entry of a member's cards is the HMAC of a whole card number, with or without a mark.
func IsCardEntry(entry string) bool {
	check, hash := CutCard(entry)
	if check != "" {
		if _, err := hex.DecodeString(check); err != nil || check != strings.ToLower(check) {
			return false
		}
	}
	return IsCardHash(hash)
}

// MarkOf returns the mark of card entries that were computed with this card key.
func MarkOf(key []byte) string { return keykind.CheckValue(key) }

// CardRebound is the kind of a record about the tap of a card of which the site knew only the HMAC under the previous
// card key. The body of such a record is CardReboundBody. With this record, the hub can assign the card to its member
// under the new key.
const CardRebound Kind = "card-rebound"

// CardReboundBody is the body of a card-rebound record.
type CardReboundBody struct {
	// Sealed is the card's number, encrypted for the hub (SealNumber). The hub computes both HMACs from the number, so a
	// machine that reports a false number cannot assign a card to a member.
	Sealed string `json:"sealed"`
}

// reboundCard is the plaintext of CardReboundBody.Sealed.
type reboundCard struct {
	Number string `json:"number"` // the card's number that the hub assigns to the member, in hexadecimal
}

// reboundInfo is the HPKE info with which a card's number is encrypted. The info ensures that the encrypted number is
// valid only for this machine and for this use.
func reboundInfo(site policy.SiteID, m policy.MachineID) []byte {
	return fmt.Appendf(nil, "portillon rebound card 1 %s %s", site, m)
}

// SealNumber encrypts a card's number for the hub, as SealCard encrypts an unknown card.
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
		return "", fmt.Errorf("encrypt the card number for the hub: %w", err)
	}
	box, err := hpke.Seal(key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), reboundInfo(site, m), plain)
	if err != nil {
		return "", fmt.Errorf("encrypt the card number for the hub: %w", err)
	}
	id := sha256.Sum256(raw)
	return base64.StdEncoding.EncodeToString(append(id[:sealKeyID], box...)), nil
}

// maxNumber is the largest size of a card's number, in bytes. Numbers of ISO/IEC 14443-3 have at most 10 bytes.
const maxNumber = 32

// OpenNumber decrypts the card's number that a machine has encrypted, with that key of keys which matches. If no key
// matches, the error is ErrNoSealKey.
func OpenNumber(sealed string, site policy.SiteID, m policy.MachineID, keys []SealKey) ([]byte, error) {
	plain, err := openSealed(sealed, reboundInfo(site, m), keys)
	if err != nil {
		return nil, err
	}
	var c reboundCard
	if err := json.Unmarshal(plain, &c); err != nil {
		return nil, errors.New("sealed number is not JSON")
	}
	b, err := hex.DecodeString(c.Number)
	if err != nil || len(b) == 0 || len(b) > maxNumber {
		return nil, fmt.Errorf("sealed number is malformed, want 1 to %d bytes in hexadecimal", maxNumber)
	}
	return b, nil
}
