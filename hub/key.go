package hub

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// publicHalf derives the verifier from a signing key of the note package: PRIVATE+KEY+name+hash+base64(1 ‖ seed), algorithm 1 being Ed25519.
func publicHalf(skey string) (note.Verifier, error) {
	bad := errors.New("it is no signing key: one line that begins with PRIVATE+KEY+")
	s, ok := strings.CutPrefix(skey, "PRIVATE+KEY+")
	name, rest, ok2 := strings.Cut(s, "+")
	_, encoded, ok3 := strings.Cut(rest, "+")
	seed, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || !ok2 || !ok3 || err != nil || len(seed) != 1+ed25519.SeedSize || seed[0] != 1 {
		return nil, bad
	}
	vkey, err := note.NewEd25519VerifierKey(name, ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey))
	if err != nil {
		return nil, bad
	}
	return note.NewVerifier(vkey)
}
