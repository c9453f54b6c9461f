package keykind

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Place is a place where a key is expected, such as a flag or a field of a file.
type Place struct {
	Kind    Kind
	Private bool
	ID      string // id that the name of a note key must contain: the site, or machine.site; empty: any id
}

// Wrong is the error for a key of the wrong kind in a place.
type Wrong struct {
	Given Found
	Want  Place
}

func (w *Wrong) Error() string {
	return fmt.Sprintf("%s was given, want %s", w.Given.title(), w.Want.title())
}

// title describes the key that was given, for the text of the error.
func (f Found) title() string {
	switch half := [2]string{"public half", "private half"}[bit(f.Private)]; {
	case f.form == formHex && f.Kind == Unknown:
		return "a card key or an AES key"
	case f.form == formHex:
		return fmt.Sprintf("the card key with the %s", f.Name)
	default:
		return fmt.Sprintf("the %s of the %s %q", half, f.Kind, f.Name)
	}
}

// title describes the key that belongs in the place, for the text of the error.
func (p Place) title() string {
	half := [2]string{"public half", "private half"}[bit(p.Private)]
	switch p.Kind {
	case Card:
		return "the card key: at least 32 hexadecimal digits"
	case AES:
		return "the AES key of card keygen: 32 hexadecimal digits"
	case Issuer:
		if p.Private {
			return "the issuer key that badge keygen made"
		}
		return "the public half of an issuer key"
	}
	id := p.ID
	if id == "" {
		id = map[Kind]string{Site: "SITE", Hub: "SITE", Policy: "SITE", Machine: "MACHINE.SITE"}[p.Kind]
	}
	word := strings.TrimSuffix(p.Kind.String(), " key")
	return fmt.Sprintf("the %s of the %s, as \"%s%s:%s\"", half, p.Kind, prefix, word, id)
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Check returns a *Wrong if text is a key of a kind that does not belong in the place. If text is not a key at all,
// Check returns nil, because the caller parses the text and reports the error.
func (p Place) Check(text string) error {
	f := Look(text)
	if f.form == formNone || p.fits(f) {
		return nil
	}
	return &Wrong{f, p}
}

func (p Place) fits(f Found) bool {
	switch p.Kind {
	case Card:
		return f.form == formHex
	case AES:
		return f.form == formHex && f.Kind == Unknown
	case Issuer:
		return f.form == formIssuer && f.Private == p.Private
	}
	if f.form != formNote || f.Private != p.Private {
		return false
	}
	kind := f.Kind == Unknown || f.Kind == p.Kind || (p.Kind == Hub || p.Kind == Policy) && f.Kind == Site
	return kind && (f.id == "" || p.ID == "" || f.id == p.ID)
}

// PublicHalf returns the public half of a note's signing key: PRIVATE+KEY+name+hash+base64(1 ‖ seed), where 1 means
// Ed25519 (golang.org/x/mod/sumdb/note). The error does not quote the key.
func PublicHalf(private string) (string, error) {
	bad := errors.New("text is not a signing key, want one line that begins with PRIVATE+KEY+")
	f := strings.SplitN(strings.TrimSpace(private), "+", 5)
	if len(f) != 5 || f[0] != "PRIVATE" || f[1] != "KEY" {
		return "", bad
	}
	b, err := base64.StdEncoding.DecodeString(f[4])
	if err != nil || len(b) != 1+ed25519.SeedSize || b[0] != 1 {
		return "", bad
	}
	public, err := note.NewEd25519VerifierKey(f[2], ed25519.NewKeyFromSeed(b[1:]).Public().(ed25519.PublicKey))
	if err != nil {
		return "", bad
	}
	if _, err := note.NewVerifier(public); err != nil {
		// Reject an empty name or a name with spaces, because no program could verify the signatures of such a
		// key.
		return "", fmt.Errorf("key name %.80q is invalid, want a name without spaces and plus signs", f[2])
	}
	return public, nil
}

// Same reports whether two public halves of note keys are the same key, ignoring their names.
func Same(a, b string) bool {
	x, y := strings.SplitN(a, "+", 3), strings.SplitN(b, "+", 3)
	return len(x) == 3 && len(y) == 3 && x[2] == y[2]
}

// NameOf returns the name in a public half, or "" if the text is not a public half.
func NameOf(public string) string {
	name, _, ok := strings.Cut(public, "+")
	if !ok {
		return ""
	}
	return name
}
