package wire

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

func signedWithCard(t *testing.T, card []byte) []byte {
	t.Helper()
	s, _ := keys(t)
	c, err := CardSigner("biklab", card)
	if err != nil {
		t.Fatal(err)
	}
	b, err := SignManifest(manifest(), s, c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestManifestNamesTheCardKeyOfItsBundle(t *testing.T) {
	card := bytes.Repeat([]byte{0x5a}, 32)
	_, v := keys(t)
	m, err := OpenManifest(signedWithCard(t, card), v)
	if err != nil || m.CardCheck != "893e17fc" { // another program computed this HMAC-SHA-256
		t.Fatalf("%q %v", m.CardCheck, err)
	}
	if err := CheckCardKey(m, card); err != nil {
		t.Error(err)
	}
	err = CheckCardKey(m, bytes.Repeat([]byte{0x6b}, 32))
	if other := (*OtherCardKey)(nil); !errors.As(err, &other) || other.Bundle != "893e17fc" ||
		other.Here == other.Bundle ||
		!strings.Contains(err.Error(), other.Bundle) ||
		!strings.Contains(err.Error(), other.Here) {
		t.Error(err)
	}
	if err := CheckCardKey(Manifest{}, card); err != nil {
		t.Error("a bundle of an older program:", err)
	}
}

// Every machine has the card key, so a reader must never accept the check of the card key as the site's signature.
func TestManifestSignedOnlyWithTheCardKeyIsRefused(t *testing.T) {
	_, v := keys(t)
	c, _ := CardSigner("biklab", bytes.Repeat([]byte{0x5a}, 32))
	b, err := SignManifest(manifest(), c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenManifest(b, v); codeOf(err) != "bad-signature" {
		t.Error(err)
	}
}

// A release that does not know the check of the card key opens a manifest with only the package for signed notes.
func TestOlderReleaseAcceptsAManifestWithACardKeyCheck(t *testing.T) {
	_, v := keys(t)
	n, err := note.Open(signedWithCard(t, bytes.Repeat([]byte{0x5a}, 32)), v)
	if err != nil || len(n.Sigs) != 1 || len(n.UnverifiedSigs) != 1 || n.UnverifiedSigs[0].Name != "card.biklab" {
		t.Fatalf("%+v %v", n, err)
	}
}

func TestRefusedManifestNamesItsSigner(t *testing.T) {
	data := signedWithCard(t, bytes.Repeat([]byte{0x5a}, 32))
	_, err := OpenManifest(data, note.VerifierList())
	if codeOf(err) != "bad-signature" || !strings.Contains(err.Error(), "signed by ") ||
		strings.Contains(err.Error(), "card.") {
		t.Error(err)
	}
}

func FuzzSignatures(f *testing.F) {
	f.Add([]byte("text\n\n— a AAAAAAA=\n— card.biklab AAAAAAAA\n"))
	f.Add([]byte("\n\n— "))
	f.Fuzz(func(t *testing.T, data []byte) {
		if got := signatures(data); len(got) > 100 {
			t.Error(len(got))
		}
		if c := cardCheck(data, "biklab"); c != "" && len(c) != 8 {
			t.Error(c)
		}
		signedBy(data)
	})
}
