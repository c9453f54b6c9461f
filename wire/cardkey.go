package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"portillon/keykind"
	"portillon/policy"
)

// The manifest has a second signature line, which is the check of the card key. In this line, the key name is
// card.<site>, the key hash is keykind.CheckHash, and the signature is HMAC-SHA-256(card key, text). Programs that do
// not know this line ignore it, because readers of signed notes ignore signatures by unknown keys. The line identifies
// the card key of the bundle and authenticates nothing: every machine of the site holds the card key, so a reader must
// not accept this line as the site's signature.

// cardSigner implements note.Signer.
type cardSigner struct {
	name string
	key  []byte
}

func (c cardSigner) Name() string    { return c.name }
func (c cardSigner) KeyHash() uint32 { return keykind.CheckHash(c.key) }

func (c cardSigner) Sign(text []byte) ([]byte, error) {
	h := hmac.New(sha256.New, c.key)
	h.Write(text)
	return h.Sum(nil), nil
}

// CardSigner returns the signer that adds the check of the card key to a manifest.
func CardSigner(site policy.SiteID, card []byte) (note.Signer, error) {
	if site == "" || len(card) < 16 {
		return nil, fmt.Errorf("card key has %d bytes, want at least 16", len(card))
	}
	return cardSigner{"card." + string(site), card}, nil
}

// signature is a signature line of a note, without the signature's bytes.
type signature struct {
	name string
	hash uint32
}

// signatures returns the signature lines of a note, including invalid ones. The result has at most 100 lines, because
// golang.org/x/mod/sumdb/note accepts no more.
func signatures(data []byte) (out []signature) {
	text := string(data)
	for line := range strings.SplitSeq(text[strings.LastIndex(text, "\n\n")+1:], "\n") {
		rest, ok := strings.CutPrefix(line, "— ")
		name, encoded, ok2 := strings.Cut(rest, " ")
		b, err := base64.StdEncoding.DecodeString(encoded)
		if ok && ok2 && err == nil && len(b) > 4 && len(out) < 100 {
			out = append(out, signature{name, binary.BigEndian.Uint32(b)})
		}
	}
	return out
}

// cardCheck returns the check value of the card key in a signed manifest, or "" if the manifest has none.
func cardCheck(data []byte, site policy.SiteID) string {
	for _, s := range signatures(data) {
		if s.name == "card."+string(site) {
			return fmt.Sprintf("%08x", s.hash)
		}
	}
	return ""
}

// IsSignedBy reports whether a note has a signature line of this key. IsSignedBy does not verify the signature.
func IsSignedBy(data []byte, by interface {
	Name() string
	KeyHash() uint32
}) bool {
	return slices.Contains(signatures(data), signature{by.Name(), by.KeyHash()})
}

// Signers returns the names of the keys that signed a note, without the check of the card key. The result is empty if
// the note has no signature. Signers does not verify the signatures.
func Signers(data []byte) string {
	var names []string
	for _, s := range signatures(data) {
		if !strings.HasPrefix(s.name, "card.") && len(names) < 3 {
			names = append(names, fmt.Sprintf("%.80q", s.name))
		}
	}
	return strings.Join(names, " and ")
}

// signedBy returns the end of an error message, which names the signers of a refused note.
func signedBy(data []byte) string {
	if by := Signers(data); by != "" {
		return "; signed by " + by
	}
	return ""
}

// OtherCardKey is the error for a bundle that was built with a card key other than the machine's. With that bundle, all
// cards would be unknown.
type OtherCardKey struct {
	Bundle, Here string // check values of the bundle's card key and of the machine's card key
}

// Error implements error.
func (o *OtherCardKey) Error() string {
	return fmt.Sprintf("bundle was built with card key %s, the card key here is %s (check values): "+
		"want the same card key on all machines and in bundle build", o.Bundle, o.Here)
}

// CheckCardKey compares the machine's card key with the card key that the bundle was built with. A bundle without a
// check value is accepted, because an older program built it. If the card key is empty, which means that it could not
// be read, CheckCardKey compares nothing.
func CheckCardKey(m Manifest, card []byte) error {
	if here := keykind.CheckValue(card); m.CardCheck != "" && len(card) > 0 && m.CardCheck != here {
		return &OtherCardKey{m.CardCheck, here}
	}
	return nil
}
