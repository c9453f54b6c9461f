package openbadge

import (
	"crypto"
	"crypto/ed25519"
	"strings"
)

// Issuer is one whose badges count, and the only keys that count for it.
type Issuer struct {
	ID   string   // issuer.id as it stands in its credentials: a DID or a URL
	Keys []string // see CheckKey
}

// pin is a key that counts for an issuer.
type pin struct {
	key crypto.PublicKey // ed25519.PublicKey; *ecdsa.PublicKey on P-256 or P-384; *rsa.PublicKey
	id  string           // the verification method that its document gives it; empty: any name will do
}

// pins are the keys of an issuer. Where the caller pins only what cannot be used or read, nobody can say whose signature it is.
func (q *inquiry) pins(id string) ([]pin, error) {
	var keys []pin
	found, unusable := false, ""
	for _, i := range q.o.Trust {
		if i.ID != id {
			continue
		}
		found = true
		for _, s := range i.Keys {
			if k, ok := parseMultikey(s); ok {
				keys = append(keys, pin{key: k})
			} else {
				unusable = s
			}
		}
	}
	switch {
	case !found:
		return nil, fault("issuer-not-trusted", "nobody trusts %.200q here", id)
	case len(keys) == 0 && unusable != "":
		return nil, fault("trust-unusable", "%.100q, pinned to %.100q, is no Ed25519 key", unusable, id)
	}
	return keys, nil
}

// checkSignature tries the pinned keys. A key that only the presenter names is tried too, for the sake of a true reason: it never counts.
func checkSignature(method string, pins []pin, verifies func(crypto.PublicKey) bool) error {
	named, hasNamed := methodKey(method)
	for _, p := range pins {
		if (!hasNamed || same(p.key, named)) && (p.id == "" || p.id == method) && verifies(p.key) {
			return nil
		}
	}
	if hasNamed && verifies(named) {
		return fault("key-not-pinned", "it is signed well, with a key that is not pinned to the issuer: %.100q", method)
	}
	return fault("bad-signature", "no pinned key of the issuer has signed this")
}

func same(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// methodKey is the key that a verification method carries in its own name, if it does.
func methodKey(method string) (crypto.PublicKey, bool) {
	if k, ok := parseMultikey(method); ok {
		return k, true
	}
	_, frag, ok := strings.Cut(method, "#")
	if !ok {
		return nil, false
	}
	return parseMultikey(frag)
}

// verifyEd25519 is a checkSignature's verifier for the one kind of key that this suite takes.
func verifyEd25519(k crypto.PublicKey, message, sig []byte) bool {
	e, ok := k.(ed25519.PublicKey)
	return ok && len(sig) == ed25519.SignatureSize && ed25519.Verify(e, message, sig)
}
