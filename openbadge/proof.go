package openbadge

import (
	"crypto/ed25519"
	"crypto/sha256"
	"strings"
)

// suite is the only cryptosuite of this form: W3C Data Integrity EdDSA Cryptosuites 1.0, section 3.2.
const suite = "eddsa-rdfc-2022"

// document is a credential whose proofs are being checked: it is put into canonical form once, whatever the number of proofs.
type document struct {
	words object
	terms *active
	quads []quad // what it says, its proofs apart
	hash  []byte
	err   error
}

// open reads the document's words: each must be known.
func open(words object) (*document, error) {
	terms, _, err := contexts(words["@context"])
	if err != nil {
		return nil, err
	}
	quads, err := toRDF(without(words, "proof"), terms)
	return &document{words: words, terms: terms, quads: quads}, err
}

// digest is the hash of the document without its proofs.
func (d *document) digest() ([]byte, error) {
	if d.hash == nil && d.err == nil {
		d.hash, d.err = canonicalHash(d.quads)
	}
	return d.hash, d.err
}

func canonicalHash(quads []quad) ([]byte, error) {
	text, err := canonicalise(quads)
	if err != nil {
		return nil, err
	}
	h := sha256.Sum256(text)
	return h[:], nil
}

// signedHash is what an eddsa-rdfc-2022 proof signs: the hash of its options, then the hash of the document, both canonical.
func (d *document) signedHash(options object) ([]byte, error) {
	quads, err := toRDF(without(options, "proofValue"), d.terms)
	if err != nil {
		return nil, err
	}
	opts, err := canonicalHash(quads)
	if err != nil {
		return nil, err
	}
	doc, err := d.digest()
	if err != nil {
		return nil, err
	}
	return append(opts, doc...), nil
}

// supported reports whether the proof is of the suite that this version verifies.
func supported(p object) error {
	if t := str(p, "type"); t != "DataIntegrityProof" || str(p, "cryptosuite") != suite {
		return fault("unsupported-proof", "a proof of type %.40q, suite %.40q: this version verifies %s", t, str(p, "cryptosuite"), suite)
	}
	if p["previousProof"] != nil {
		return fault("unsupported-proof", "a proof that follows another: this version reads no chains")
	}
	return nil
}

// checkProof verifies one proof with the keys that count for the issuer. The error is a Fault.
func checkProof(d *document, p object, keys []ed25519.PublicKey) error {
	for k, v := range p {
		if k == "@context" {
			return fault("unknown-context", "a context within the proof is not read: contexts are not signed")
		}
		if _, ok := v.(string); !ok && v != nil {
			// Nested nodes could take over what is said here, as in a credential (see silent); no proof needs them.
			return fault("malformed", "the proof's %.40q is no text", k)
		}
	}
	if str(p, "proofPurpose") != "assertionMethod" {
		return fault("bad-signature", "the proof's purpose is %.40q, not assertionMethod", str(p, "proofPurpose"))
	}
	if str(p, "verificationMethod") == "" {
		return fault("malformed", "the proof does not name its verificationMethod")
	}
	sig, ok := decode58(strings.TrimPrefix(str(p, "proofValue"), "z"))
	if !ok || !strings.HasPrefix(str(p, "proofValue"), "z") || len(sig) != ed25519.SignatureSize {
		return fault("bad-signature", "the proofValue is no Ed25519 signature in base58btc")
	}
	hash, err := d.signedHash(p)
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
