package wire

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"portillon/policy"
)

// CodeLife is how long an enrolment code is valid after the tap of the card.
const CodeLife = 24 * time.Hour

// codeLetters are the digits of Crockford's base 32 (crockford.com/base32.html), which does not use I, L, O and U.
const codeLetters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// codeLength is the length of an enrolment code in characters, each of which stands for 5 bits. A code has 30 bits.
const codeLength = 6

// maxCodeText is the largest length of a code as a person types it, in bytes, with blanks and hyphens.
const maxCodeText = 32

// EnrolCode returns the code that a panel shows for an unknown card: the first 30 bits of an HMAC-SHA-256 under the
// site's card key over "enrolment code" and the number that the reader reports. Without the card key, nobody can find
// the number from the code.
func EnrolCode(key, number []byte) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("enrolment code"))
	h.Write(number)
	bits := binary.BigEndian.Uint32(h.Sum(nil)) >> 2
	out := make([]byte, codeLength)
	for i := range out {
		out[codeLength-1-i] = codeLetters[bits>>(5*i)&31]
	}
	return string(out)
}

// ParseEnrolCode parses a code as a person types it. ParseEnrolCode ignores case, blanks and hyphens. It reads I and L
// as 1, and O as 0.
func ParseEnrolCode(s string) (string, error) {
	wrong := fmt.Errorf("%.40q is not a card code, want %d characters of %s", s, codeLength, codeLetters)
	if len(s) > maxCodeText {
		return "", wrong
	}
	s = strings.NewReplacer(" ", "", "\u00a0", "", "\t", "", "-", "", "I", "1", "L", "1", "O", "0").
		Replace(strings.ToUpper(s))
	if len(s) != codeLength || strings.Trim(s, codeLetters) != "" {
		return "", wrong
	}
	return s, nil
}

// EnrolCard contains what a machine sends to the hub about an unknown card. These data suffice to enrol the card, but
// do not contain the card's number. A person who has the card key can find a short number from Card by trying all
// numbers, so an EnrolCard is encrypted before it is sent (SealCard).
type EnrolCard struct {
	Code string `json:"code"` // the code for enrolment, from EnrolCode
	Card string `json:"hmac"` // the card's entry, as in Member.Cards
	// Key is the check value of the card key under which Code and Card were computed; empty: an older program computed
	// them.
	Key string `json:"key,omitempty"`
}

// check returns an error if a field does not have the form that machines write.
func (c EnrolCard) check() error {
	code, err := ParseEnrolCode(c.Code)
	if err != nil || code != c.Code || !IsCardHash(c.Card) || c.Key != "" && !IsCardEntry(MarkCard(c.Key, c.Card)) {
		return errors.New("sealed card is malformed, want a code and an HMAC of 64 hexadecimal digits")
	}
	return nil
}

// IsCardHash reports whether an entry of a member's cards is the HMAC of a whole number: 64 lower-case hexadecimal
// digits.
func IsCardHash(entry string) bool {
	b, err := hex.DecodeString(entry)
	return err == nil && len(b) == sha256.Size && entry == strings.ToLower(entry)
}

// sealKeyID is the number of bytes of SHA-256(public half) at the start of a sealed card. By these bytes, the hub finds
// the key that decrypts the card.
const sealKeyID = 8

// maxSealed is the largest length of a sealed card, in characters. A sealed card has 244 characters in base64. They
// encode the key id, the encapsulated key (32 bytes), the JSON (94 bytes) and the tag (16 bytes).
const maxSealed = 512

// sealInfo is the HPKE info of a sealed card (RFC 9180 §5.1). Because of the info, only a card from the machine that it
// names can be decrypted.
func sealInfo(site policy.SiteID, m policy.MachineID) []byte {
	return fmt.Appendf(nil, "portillon card 1 %s %s", site, m)
}

// SealCard encrypts c for the hub. public is the hub's public key, from the field Seal of an acknowledgement. The
// encryption is HPKE (RFC 9180) in base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305.
func SealCard(public string, site policy.SiteID, m policy.MachineID, c EnrolCard) (string, error) {
	raw, err := parseSealKey(public)
	if err != nil {
		return "", err
	}
	key, err := hpke.DHKEM(ecdh.X25519()).NewPublicKey(raw)
	if err != nil {
		return "", fmt.Errorf("seal key: %w", err)
	}
	plain, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("encrypt the card for the hub: %w", err)
	}
	box, err := hpke.Seal(key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), sealInfo(site, m), plain)
	if err != nil {
		return "", fmt.Errorf("encrypt the card for the hub: %w", err)
	}
	id := sha256.Sum256(raw)
	return base64.StdEncoding.EncodeToString(append(id[:sealKeyID], box...)), nil
}

// parseSealKey decodes the public half of a seal key.
func parseSealKey(public string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(public)
	if err != nil || len(b) != 32 {
		return nil, errors.New("seal key is not an X25519 key, want 32 bytes in base64")
	}
	return b, nil
}

// SealKey is a private key with which the hub decrypts sealed cards.
type SealKey struct{ k *ecdh.PrivateKey }

// NewSealKey returns the SealKey whose private half is b, which must be 32 random bytes.
func NewSealKey(b []byte) (SealKey, error) {
	k, err := ecdh.X25519().NewPrivateKey(b)
	if err != nil {
		return SealKey{}, fmt.Errorf("seal key has %d bytes, want 32", len(b))
	}
	return SealKey{k}, nil
}

// Public returns the public half of the key in base64, which the hub sends to machines.
func (s SealKey) Public() string {
	return base64.StdEncoding.EncodeToString(s.k.PublicKey().Bytes())
}

// ErrNoSealKey means that the hub does not have the key for a sealed card: the key was deleted, or it belongs to
// another hub.
var ErrNoSealKey = errors.New("no key for this sealed card: the key has been deleted")

// OpenCard decrypts the card that a machine has encrypted, with that key of keys which matches. If no key matches, the
// error is ErrNoSealKey.
func OpenCard(sealed string, site policy.SiteID, m policy.MachineID, keys []SealKey) (EnrolCard, error) {
	plain, err := openSealed(sealed, sealInfo(site, m), keys)
	if err != nil {
		return EnrolCard{}, err
	}
	var c EnrolCard
	if err := json.Unmarshal(plain, &c); err != nil {
		return EnrolCard{}, errors.New("sealed card is not JSON")
	}
	return c, c.check()
}

// openSealed decrypts data that a machine has encrypted for the hub. info must be the same as at the encryption.
func openSealed(sealed string, info []byte, keys []SealKey) ([]byte, error) {
	if len(sealed) > maxSealed {
		return nil, fmt.Errorf("sealed card has %d characters, want at most %d", len(sealed), maxSealed)
	}
	b, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil || len(b) <= sealKeyID {
		return nil, errors.New("sealed card is malformed, want base64 of a key id and a ciphertext")
	}
	for _, s := range keys {
		id := sha256.Sum256(s.k.PublicKey().Bytes())
		if !bytes.Equal(id[:sealKeyID], b[:sealKeyID]) {
			continue
		}
		key, err := hpke.NewDHKEMPrivateKey(s.k)
		if err != nil {
			return nil, fmt.Errorf("seal key: %w", err)
		}
		plain, err := hpke.Open(key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), info, b[sealKeyID:])
		if err != nil {
			return nil, fmt.Errorf("decrypt the sealed card: %w", err)
		}
		return plain, nil
	}
	return nil, ErrNoSealKey
}
