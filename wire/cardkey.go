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

// The check of the card key is a second signature line of the manifest: its key name is card.<site>, its key hash
// keykind.CheckHash, its signature HMAC-SHA-256(card key, text). Readers that do not know it ignore it, as those of
// signed notes ignore each signature of an unknown key. It says which card key the bundle was built with, and vouches
// for nothing: each machine of the site has the card key, so that no reader may take this line for the site's
// signature.

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

// CardSigner adds the check of the card key to a manifest.
func CardSigner(site policy.SiteID, card []byte) (note.Signer, error) {
	if site == "" || len(card) < 16 {
		return nil, fmt.Errorf("the card key has %d bytes, want at least 16", len(card))
	}
	return cardSigner{"card." + string(site), card}, nil
}

// signature is a signature line of a note.
type signature struct {
	name string
	hash uint32
}

// signatures are the signature lines of a note, whether they are valid or not: at most as many as a note may have
// (golang.org/x/mod/sumdb/note: 100).
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

// cardCheck is the check value in a signed manifest; empty: there is none.
func cardCheck(data []byte, site policy.SiteID) string {
	for _, s := range signatures(data) {
		if s.name == "card."+string(site) {
			return fmt.Sprintf("%08x", s.hash)
		}
	}
	return ""
}

// IsSignedBy reports whether a note has a signature line of this key. The signature itself is not checked.
func IsSignedBy(data []byte, by interface {
	Name() string
	KeyHash() uint32
}) bool {
	return slices.Contains(signatures(data), signature{by.Name(), by.KeyHash()})
}

// Signers returns the names of a note's signers, without the check of the card key; empty: none. The signatures are not
// checked.
func Signers(data []byte) string {
	var names []string
	for _, s := range signatures(data) {
		if !strings.HasPrefix(s.name, "card.") && len(names) < 3 {
			names = append(names, fmt.Sprintf("%.80q", s.name))
		}
	}
	return strings.Join(names, " and ")
}

// signedBy names the signers of a note that is refused.
func signedBy(data []byte) string {
	if by := Signers(data); by != "" {
		return "; it is signed by " + by
	}
	return ""
}

// OtherCardKey is a bundle that was built with another card key than the one at hand: all its cards would be unknown.
type OtherCardKey struct {
	Bundle, Here string // check values
}

func (o *OtherCardKey) Error() string {
	return fmt.Sprintf("the bundle was built with the card key with the check value %s, the card key here has %s: "+
		"want one and the same on each machine and in bundle build", o.Bundle, o.Here)
}

// CheckCardKey compares the card key at hand with the one that the bundle was built with. A bundle without a check
// value comes from an older program and is taken; a card key that could not be read is not compared.
func CheckCardKey(m Manifest, card []byte) error {
	if here := keykind.CheckValue(card); m.CardCheck != "" && len(card) > 0 && m.CardCheck != here {
		return &OtherCardKey{m.CardCheck, here}
	}
	return nil
}
