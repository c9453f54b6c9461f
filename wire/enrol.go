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

// CodeLife is how long an enrolment code can be used after the card was tapped.
const CodeLife = 24 * time.Hour

// codeLetters are the digits of Crockford's base 32 (crockford.com/base32.html): no I, L, O and U.
const codeLetters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// codeLength is the length of an enrolment code: 30 bits.
const codeLength = 6

// maxCodeText bounds what a person types for a code, with blanks and hyphens.
const maxCodeText = 32

// EnrolCode is the code of an unknown card, which its panel shows: the first 30 bits of an HMAC-SHA-256 under the
// site's card key over "enrolment code" and the number as the reader gives it. It cannot be turned back into the number
// without the key.
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

// ParseEnrolCode reads a code as a person types it: lower case, blanks and hyphens do not matter, I and L count as 1, O
// as 0.
func ParseEnrolCode(s string) (string, error) {
	wrong := fmt.Errorf("%.40q is no card code, want %d characters of %s", s, codeLength, codeLetters)
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

// EnrolCard is what the machine stores of an unknown card: enough to enrol it, without its number. Whoever has the card
// key can find a short number from Card by trying all numbers, so it travels sealed.
type EnrolCard struct {
	Code string `json:"code"` // EnrolCode
	Card string `json:"hmac"` // as in Member.Cards
	// Key is the check value of the card key that both were made with; empty: an older program does not say.
	Key string `json:"key,omitempty"`
}

// check refuses what no machine writes.
func (c EnrolCard) check() error {
	code, err := ParseEnrolCode(c.Code)
	if err != nil || code != c.Code || !IsCardHash(c.Card) || c.Key != "" && !IsCardEntry(MarkCard(c.Key, c.Card)) {
		return errors.New("the sealed card is malformed, want a code and an HMAC of 64 hexadecimal digits")
	}
	return nil
}

// IsCardHash reports whether an entry of a member's cards is the HMAC of a whole number: 64 lower-case hexadecimal
// digits.
func IsCardHash(entry string) bool {
	b, err := hex.DecodeString(entry)
	return err == nil && len(b) == sha256.Size && entry == strings.ToLower(entry)
}

// sealKeyID is how many bytes of SHA-256(public half) precede a sealed card, so that the hub finds the key.
const sealKeyID = 8

// maxSealed bounds a sealed card, in characters. One has 244: key id, encapsulated key (32), JSON (94 bytes), tag (16),
// in base64.
const maxSealed = 512

// sealInfo binds a sealed card to the machine that sealed it (RFC 9180 §5.1, info).
func sealInfo(site policy.SiteID, m policy.MachineID) []byte {
	return fmt.Appendf(nil, "portillon card 1 %s %s", site, m)
}

// SealCard encrypts c for the hub that holds the private half of public, the field Seal of an acknowledgement: HPKE
// (RFC 9180), base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305.
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
		return "", fmt.Errorf("seal: %w", err)
	}
	box, err := hpke.Seal(key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), sealInfo(site, m), plain)
	if err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	id := sha256.Sum256(raw)
	return base64.StdEncoding.EncodeToString(append(id[:sealKeyID], box...)), nil
}

// parseSealKey reads the public half of a seal key.
func parseSealKey(public string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(public)
	if err != nil || len(b) != 32 {
		return nil, errors.New("the seal key is no X25519 key, want 32 bytes in base64")
	}
	return b, nil
}

// SealKey is a private key that opens sealed cards.
type SealKey struct{ k *ecdh.PrivateKey }

// NewSealKey makes a SealKey of 32 random bytes.
func NewSealKey(b []byte) (SealKey, error) {
	k, err := ecdh.X25519().NewPrivateKey(b)
	if err != nil {
		return SealKey{}, fmt.Errorf("the seal key has %d bytes, want 32", len(b))
	}
	return SealKey{k}, nil
}

// Public is the half that machines get, in base64.
func (s SealKey) Public() string {
	return base64.StdEncoding.EncodeToString(s.k.PublicKey().Bytes())
}

// ErrNoSealKey says that the key with which a card was sealed is missing: it was deleted, or belongs to another hub.
var ErrNoSealKey = errors.New("the key of this sealed card has been deleted")

// OpenCard opens a sealed card of a machine with the one of keys that fits. Without it, the error is ErrNoSealKey.
func OpenCard(sealed string, site policy.SiteID, m policy.MachineID, keys []SealKey) (EnrolCard, error) {
	plain, err := openSealed(sealed, sealInfo(site, m), keys)
	if err != nil {
		return EnrolCard{}, err
	}
	var c EnrolCard
	if err := json.Unmarshal(plain, &c); err != nil {
		return EnrolCard{}, errors.New("the sealed card is no JSON")
	}
	return c, c.check()
}

// openSealed decrypts what a machine sealed for the hub.
func openSealed(sealed string, info []byte, keys []SealKey) ([]byte, error) {
	if len(sealed) > maxSealed {
		return nil, fmt.Errorf("the sealed card has %d characters, want at most %d", len(sealed), maxSealed)
	}
	b, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil || len(b) <= sealKeyID {
		return nil, errors.New("the sealed card is no base64 of a key id and a ciphertext")
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
			return nil, fmt.Errorf("the sealed card cannot be opened: %w", err)
		}
		return plain, nil
	}
	return nil, ErrNoSealKey
}
