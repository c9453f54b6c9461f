package openbadge

import (
	"crypto/ed25519"
	"crypto/sha256"
	"strings"
)

// suite is the only cryptosuite of this form: W3C Data Integrity EdDSA Cryptosuites 1.0, section 3.2.
const suite = "eddsa-rdfc-2022"

// signedHash is what an eddsa-rdfc-2022 proof signs: the hash of its options, then the hash of the document, both canonical.
func signedHash(doc, options object, a *active) ([]byte, error) {
	opts := object{}
	for k, v := range options {
		if k != "proofValue" && k != "@context" {
			opts[k] = v
		}
	}
	bare := object{}
	for k, v := range doc {
		if k != "proof" {
			bare[k] = v
		}
	}
	var out []byte
	for _, o := range []object{opts, bare} {
		quads, err := toRDF(o, a)
		if err != nil {
			return nil, err
		}
		text, err := canonicalise(quads)
		if err != nil {
			return nil, err
		}
		h := sha256.Sum256([]byte(text))
		out = append(out, h[:]...)
	}
	return out, nil
}

// checkProof verifies one proof with the keys that count for the issuer. The error is a Fault.
func checkProof(doc, p object, a *active, keys []ed25519.PublicKey) error {
	if t := str(p, "type"); t != "DataIntegrityProof" || str(p, "cryptosuite") != suite {
		return fault("unsupported-proof", "a proof of type %.40q, suite %.40q: this version verifies %s", t, str(p, "cryptosuite"), suite)
	}
	if str(p, "proofPurpose") != "assertionMethod" {
		return fault("bad-signature", "the proof's purpose is %.40q, not assertionMethod", str(p, "proofPurpose"))
	}
	sig, ok := decode58(strings.TrimPrefix(str(p, "proofValue"), "z"))
	if !ok || !strings.HasPrefix(str(p, "proofValue"), "z") || len(sig) != ed25519.SignatureSize {
		return fault("bad-signature", "the proofValue is no Ed25519 signature in base58btc")
	}
	hash, err := signedHash(doc, p, a)
	if err != nil {
		return err
	}
	return checkSignature(str(p, "verificationMethod"), keys, func(k ed25519.PublicKey) bool { return ed25519.Verify(k, hash, sig) })
}

// checkSignature tries the pinned keys. A key that only the presenter names is tried too, for the sake of a true reason: it never counts.
func checkSignature(method string, pinned []ed25519.PublicKey, verifies func(ed25519.PublicKey) bool) error {
	named, hasNamed := methodKey(method)
	for _, k := range pinned {
		if (!hasNamed || k.Equal(named)) && verifies(k) {
			return nil
		}
	}
	if hasNamed && verifies(named) {
		return fault("key-not-pinned", "it is signed well, with a key that is not pinned to the issuer: %.100q", method)
	}
	return fault("bad-signature", "no pinned key of the issuer has signed this")
}

// methodKey is the key that a verification method carries in its own name, if it does.
func methodKey(method string) (ed25519.PublicKey, bool) {
	if k, ok := parseMultikey(method); ok {
		return k, true
	}
	_, frag, ok := strings.Cut(method, "#")
	if !ok {
		return nil, false
	}
	return parseMultikey(frag)
}
