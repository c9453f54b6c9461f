package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub"
	"portillon/keykind"
	"portillon/openbadge"
	"portillon/policy"
	"portillon/site"
	"portillon/wire"
)

// keyName returns the name of a new signing key: portillon:KIND:ID, or the given name, which does not contain the kind.
func keyName(id, kind, name string) (string, error) {
	k, ok := keykind.NoteKind(kind)
	if !ok {
		return "", wrong("--kind: %q is no kind of a signing key", kind).
			hinted("site, policy, hub or machine; an issuer's key: portillon badge " +
				"keygen; the AES key of cards: portillon card keygen; the card key: openssl rand -hex 32")
	}
	if name == "" {
		made, err := keykind.Name(k, id)
		if err != nil && k != keykind.Machine {
			return "", wrong("%q is no site's id", id).
				hinted("as policy.yaml has it under site: lower-case letters, digits and hyphens")
		}
		if err != nil {
			return "", wrong("%w", err).hinted("portillon bundle keygen laser.biklab --kind machine -o laser.key")
		}
		return made, nil
	}
	if !slug.MatchString(id) {
		return "", wrong("%q is no site's id", id).
			hinted("as policy.yaml has it under site: lower-case letters, digits and hyphens")
	}
	if strings.ContainsAny(name, "+ \t\n") {
		return "", wrong("%q is not a key's name", name).hinted("no spaces, no plus")
	}
	return name, nil
}

// checkKind rejects a key of the wrong kind. The argument path is the file of the key, or empty if the flag contains
// the key itself.
func checkKind(flag, path, text string, p keykind.Place) error {
	err := p.Check(text)
	switch {
	case err == nil:
		return nil
	case path == "":
		return wrong("%s: %w", flag, err)
	}
	return wrong("%s: %s: %w", flag, path, err)
}

// checkedSigner returns a check that rejects keys that must not sign the site's bundles: keys of other sites and of
// machines. The names of older machine keys do not contain the kind; checkedSigner recognises such a key by the name
// MACHINE.SITE, or because a hub.yaml names it.
func checkedSigner(path, hubFile string, kind keykind.Kind) func(*site.Site) error {
	return func(s *site.Site) error {
		b, err := os.ReadFile(path)
		if err != nil {
			return wrong("%w", err)
		}
		id := string(s.Policy.Site)
		if err := checkKind("--key", path, string(b), keykind.Place{Kind: kind, Private: true, ID: id}); err != nil {
			return err
		}
		public, err := keykind.PublicHalf(string(b))
		if err != nil {
			return wrong("--key: %s: %w", path, err)
		}
		want := "portillon:site:" + id
		if hubFile != "" {
			c, err := hub.ReadConfig(hubFile)
			if err != nil {
				return err
			}
			return hubPins(c, path, hubFile, public)
		}
		if m, ok := strings.CutSuffix(keykind.NameOf(public), "."+id); ok {
			if _, known := s.Policy.Machine(policy.MachineID(m)); known {
				return wrong("--key: %s: %q is the name of the key of the machine %s, want the site key, as %q", path,
					keykind.NameOf(public), m, want).
					hinted("no machine takes a bundle that is not signed by the key under bundle: in its file")
			}
		}
		return nil
	}
}

// hubPins compares the signing key with the keys that a hub.yaml names.
func hubPins(c hub.Config, path, hubFile, public string) error {
	v, err := note.NewVerifier(public)
	if err != nil {
		return wrong("--key: %s: %w", path, err)
	}
	same := func(x note.Verifier) bool { return x != nil && x.Name() == v.Name() && x.KeyHash() == v.KeyHash() }
	want := "the site key"
	if c.Bundle.Key != nil {
		want = "the site key \"" + c.Bundle.Key.Name() + "\""
	}
	for _, m := range c.Machines {
		if same(m.Key) {
			return wrong("--key: %s: %q is the key of the machine %s in %s, want %s", path, v.Name(), m.ID, hubFile, want)
		}
	}
	if c.Bundle.Key != nil && !same(c.Bundle.Key) {
		return wrong("--key: %s: the key %q does not sign the bundles of %s, want %s", path, v.Name(), hubFile, want)
	}
	return nil
}

// sameKeys compares the keys for the new bundle with those of the bundle file that the new bundle would overwrite. With
// a different signing key, every machine would reject the new bundle. With a different card key, machines would
// recognise no card.
func sameKeys(out string, o site.Order) error {
	b, err := os.ReadFile(out)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return wrong("%w", err)
	}
	text, m, err := wire.Peek(bytes.NewReader(b))
	if err != nil {
		return nil // allow the command to overwrite a file that is not a bundle
	}
	const hint = "to change the key on every machine, move the old bundle away first"
	if m.Site == "" || o.Signer == nil {
		return nil
	}
	if by := wire.Signers([]byte(text)); !wire.IsSignedBy([]byte(text), o.Signer) && by != "" {
		this := fmt.Sprintf("%q", o.Signer.Name())
		if this == by {
			this = "another one of that name"
		}
		return wrong("--key: the bundle %s is signed by %s, this key is %s", out, by, this).hinted(hint)
	}
	if err := wire.CheckCardKey(m, o.CardKey); err != nil {
		return wrong("--card-key: the bundle %s was built with the card key with the check value %s, this one has %s", out,
			m.CardCheck, keykind.CheckValue(o.CardKey)).
			hinted(hint)
	}
	return nil
}

// cardCheckOf returns a text with the check value of the bundle's card key, or "" if the bundle has no card key.
func cardCheckOf(m wire.Manifest, words string) string {
	if m.CardCheck == "" {
		return ""
	}
	return words + m.CardCheck
}

// readIssuerKey reads an issuer's private key. For a key of another kind, the error names that kind.
func readIssuerKey(path string) (*openbadge.Key, error) {
	k, err := openbadge.ReadKey(path)
	if err == nil {
		return k, nil
	}
	if b, rerr := os.ReadFile(path); rerr == nil {
		if err := checkKind("--key", path, string(b), keykind.Place{Kind: keykind.Issuer, Private: true}); err != nil {
			return nil, err
		}
	}
	return nil, err
}
