package keykind

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Found describes a text that a person entered as a key. The zero Found means that the text has no known form of a
// key.
type Found struct {
	Kind    Kind   // kind of the key; Unknown for a note key whose name does not include the kind
	Name    string // the name of the key for people, which is never a secret
	Private bool   // true: the text is the private half of a key, or a secret key of cards

	id   string // id is the part of a note key's name after the kind
	form form
}

type form uint8

const (
	formNone form = iota
	formNote
	formIssuer
	formHex
)

// maxKey is the longest text that Look reads, in bytes. An RSA key of 8,192 bits has about 6,500 bytes.
const maxKey = 16 << 10

// Look recognises the kind of a key by the key's form. If the text has no known form of a key, Look returns the zero
// Found.
func Look(text string) Found {
	text = strings.TrimSpace(text)
	if len(text) > maxKey {
		return Found{}
	}
	switch {
	case strings.HasPrefix(text, "PRIVATE+KEY+"):
		name, _, ok := strings.Cut(strings.TrimPrefix(text, "PRIVATE+KEY+"), "+")
		if _, err := note.NewSigner(text); err != nil || !ok {
			return Found{}
		}
		return noteKey(name, true)
	case strings.HasPrefix(text, "{"):
		return lookJSON(text)
	case strings.HasPrefix(text, "-----BEGIN "):
		return Found{
			Kind:    Issuer,
			Name:    "a key in PEM",
			Private: strings.Contains(text, "PRIVATE KEY-----"),
			form:    formIssuer,
		}
	case strings.HasPrefix(text, "did:"), strings.HasPrefix(text, "https://"), strings.HasPrefix(text, "z6Mk"),
		strings.HasPrefix(text, "zDna"), strings.HasPrefix(text, "z82L"):
		return Found{Kind: Issuer, Name: fmt.Sprintf("%.80s", oneLine(text)), form: formIssuer}
	}
	if v, err := note.NewVerifier(text); err == nil {
		return noteKey(v.Name(), false)
	}
	if b, err := hex.DecodeString(text); err == nil && len(b) >= aesBytes {
		return hexKey(b)
	}
	return Found{}
}

func noteKey(name string, private bool) Found {
	k, id := KindOf(name)
	return Found{Kind: k, Name: name, Private: private, id: id, form: formNote}
}

// aesBytes is the length of an AES-128 key, and the shortest length of a card key.
const aesBytes = 16

func hexKey(b []byte) Found {
	f := Found{Kind: Card, Name: "check value " + CheckValue(b), Private: true, form: formHex}
	if len(b) == aesBytes {
		f.Kind = Unknown // the text may be a card key or an AES key, which have the same form
	}
	return f
}

// lookJSON recognises an issuer's key: a file of portillon badge keygen, or a JWK (RFC 7517), single or in a set.
func lookJSON(text string) Found {
	var j struct {
		Type   string          `json:"type"`
		Public string          `json:"publicKeyMultibase"`
		Kty    string          `json:"kty"`
		D      string          `json:"d"`
		Keys   json.RawMessage `json:"keys"`
	}
	if json.Unmarshal([]byte(text), &j) != nil {
		return Found{}
	}
	switch {
	case j.Type == "Multikey":
		return Found{Kind: Issuer, Name: fmt.Sprintf("did:key:%.80s", oneLine(j.Public)), Private: true, form: formIssuer}
	case j.Type == "JsonWebKey":
		return Found{Kind: Issuer, Name: "an RSA key of badge keygen", Private: true, form: formIssuer}
	case j.Kty != "":
		return Found{Kind: Issuer, Name: "a JWK", Private: j.D != "", form: formIssuer}
	case len(j.Keys) > 0:
		return Found{Kind: Issuer, Name: "a JWK set", form: formIssuer}
	}
	return Found{}
}

// oneLine removes control characters, which could break a line or control a terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}

// CheckHash returns a hash that distinguishes card keys and reveals nothing else about a key: the first 4 bytes of
// HMAC-SHA-256(card key, "portillon card key check").
func CheckHash(card []byte) uint32 {
	h := hmac.New(sha256.New, card)
	h.Write([]byte("portillon card key check"))
	return binary.BigEndian.Uint32(h.Sum(nil))
}

// CheckValue returns CheckHash as 8 hexadecimal digits, which people compare.
func CheckValue(card []byte) string { return fmt.Sprintf("%08x", CheckHash(card)) }
