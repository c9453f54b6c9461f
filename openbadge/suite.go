package openbadge

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	_ "crypto/sha256" // this import registers the hashes of the suites
	_ "crypto/sha512"
	"math/big"
	"slices"
	"strings"

	"portillon/openbadge/internal/ld"
)

// issuedSuite is the cryptosuite of the proofs that this package issues.
const issuedSuite = "eddsa-rdfc-2022"

// cryptosuite is a signature method. cryptosuite says how a document and the options of its proof are converted to
// texts, and which kinds of keys sign the hashes of both texts.
type cryptosuite struct {
	typ, name string // values of type and cryptosuite in the proof
	json      bool   // true if the text is canonical JSON (RFC 8785), false if it is statements (RDFC-1.0)
	scheme    func(crypto.PublicKey) (scheme, bool)
}

// cryptosuites lists the supported suites: W3C Data Integrity EdDSA Cryptosuites 1.0 and ECDSA Cryptosuites 1.0,
// sections 3.2 and 3.3 of both. The second entry is the former name of the first suite, used by drafts. The third
// entry is a former type of proof with the same signature.
var cryptosuites = [...]cryptosuite{
	{"DataIntegrityProof", issuedSuite, false, ed25519Scheme},
	{"DataIntegrityProof", "eddsa-2022", false, ed25519Scheme},
	{"Ed25519Signature2020", "", false, ed25519Scheme},
	{"DataIntegrityProof", "eddsa-jcs-2022", true, ed25519Scheme},
	{"DataIntegrityProof", "ecdsa-rdfc-2019", false, ecdsaScheme},
	{"DataIntegrityProof", "ecdsa-jcs-2019", true, ecdsaScheme},
}

// suiteOf returns the suite that a proof names, or an error if the suite is not supported.
func suiteOf(p object) (*cryptosuite, error) {
	typ, name := ld.Str(p, "type"), ld.Str(p, "cryptosuite")
	for i := range cryptosuites {
		if c := &cryptosuites[i]; c.typ == typ && c.name == name && (name != "" || p["cryptosuite"] == nil) {
			return c, nil
		}
	}
	if name == "" {
		return nil, fault("unsupported-proof", "unsupported proof type %.40q", typ)
	}
	return nil, fault("unsupported-proof", "unsupported proof type %.40q with suite %.40q", typ, name)
}

// scheme is the signature method that belongs to one key. The key also determines the hash algorithm, so a proof
// cannot choose it.
type scheme struct {
	hash   crypto.Hash
	verify func(message, sig []byte) bool
}

// ed25519Scheme returns the scheme for Ed25519 keys, with SHA-256.
func ed25519Scheme(k crypto.PublicKey) (scheme, bool) {
	return scheme{crypto.SHA256, func(message, sig []byte) bool { return verifyEd25519(k, message, sig) }}, isEd25519(k)
}

// isEd25519 reports whether k is an Ed25519 key.
func isEd25519(k crypto.PublicKey) bool {
	_, ok := k.(ed25519.PublicKey)
	return ok
}

// ecdsaScheme returns the scheme for ECDSA keys: P-256 with SHA-256, P-384 with SHA-384 (ECDSA Cryptosuites 1.0,
// section 3).
func ecdsaScheme(k crypto.PublicKey) (scheme, bool) {
	e, ok := k.(*ecdsa.PublicKey)
	if !ok || e == nil {
		return scheme{}, false
	}
	h := crypto.SHA256
	switch e.Curve {
	case elliptic.P256():
	case elliptic.P384():
		h = crypto.SHA384
	default:
		return scheme{}, false
	}
	return scheme{h, func(message, sig []byte) bool { return verifyECDSA(e, hashOf(h, message), sig) }}, true
}

// verifyECDSA checks a signature that consists of r and s, each as long as the curve's numbers (IEEE P1363).
// verifyECDSA rejects a zero, and a number that is not below the curve's order.
func verifyECDSA(k *ecdsa.PublicKey, hash, sig []byte) bool {
	n := (k.Curve.Params().BitSize + 7) / 8
	if len(sig) != 2*n {
		return false
	}
	return ecdsa.Verify(k, hash, new(big.Int).SetBytes(sig[:n]), new(big.Int).SetBytes(sig[n:]))
}

// hashOf returns the hash of b, calculated by the given algorithm.
func hashOf(h crypto.Hash, b []byte) []byte {
	w := h.New()
	w.Write(b)
	return w.Sum(nil)
}

// signedHash returns the bytes that an eddsa-rdfc-2022 proof signs.
func signedHash(d *ld.Document, options object) ([]byte, error) {
	return cryptosuites[0].message(d, options, nil, crypto.SHA256)
}

// message returns the bytes that a proof signs: the hash of the proof's own options, then the hash of the document
// together with the proofs to which p refers. Both parts, the options and the document, are hashed in canonical form.
func (c *cryptosuite) message(d *ld.Document, p object, previous []object, h crypto.Hash) ([]byte, error) {
	options, doc, err := c.texts(d, p, previous, h)
	if err != nil {
		return nil, err
	}
	return append(hashOf(h, options), hashOf(h, doc)...), nil
}

// texts returns a proof's options and the document in the form that the suite signs. For every suite, texts checks
// the terms of the options and of the document, so that readers of the JSON and readers of the statements see the
// same badge.
func (c *cryptosuite) texts(
	d *ld.Document,
	p object,
	previous []object,
	h crypto.Hash,
) (options, doc []byte, err error) {
	if err := c.checkContext(d, p); err != nil {
		return nil, nil, err
	}
	options, err = d.CanonicalOptions(withoutContext(ld.Without(p, "proofValue")), h)
	if err != nil {
		return nil, nil, err
	}
	if c.json {
		return jsonTexts(d, p, previous)
	}
	var bare []object
	for _, p := range previous {
		// the verification of p has already compared its context with the document's context
		bare = append(bare, withoutContext(p))
	}
	if d, err = d.With(bare); err != nil {
		return nil, nil, err
	}
	doc, err = d.Canonical(h)
	return options, doc, err
}

// withoutContext returns a copy of a proof without the property @context.
func withoutContext(p object) object { return ld.Without(p, "@context") }

// checkContext compares the context of a proof, which is optional, with the context of the document. For a suite that
// signs JSON, the proof's context may contain only the first few contexts of the document (EdDSA 1.0, section 3.3.2).
// For a suite that signs statements, the proof must have all contexts of the document, because statements depend on
// all contexts.
func (c *cryptosuite) checkContext(d *ld.Document, p object) error {
	v, there := p["@context"]
	if !there {
		return nil
	}
	own, all := ld.List(v), ld.List(d.Words["@context"])
	n := len(own)
	if n == 0 || n > len(all) || !slices.Equal(own, all[:n]) || n < len(all) && !c.json {
		return fault("unknown-context", "the context of the proof differs from that of the document")
	}
	return nil
}

// jsonTexts returns the texts for suites that sign JSON. In the document, jsonTexts replaces the proofs by the proofs
// to which p refers.
func jsonTexts(d *ld.Document, p object, previous []object) (options, doc []byte, err error) {
	words := ld.Without(d.Words, "proof")
	if p["@context"] != nil {
		words["@context"] = p["@context"]
	}
	if len(previous) > 0 {
		words["proof"] = ld.Values(previous)
	}
	if options, err = ld.JCS(ld.Without(p, "proofValue")); err != nil {
		return nil, nil, err
	}
	doc, err = d.JCS(words)
	return options, doc, err
}

// signatureOf decodes a proof's signature, which is written in base58btc with a multibase prefix.
func signatureOf(p object) ([]byte, error) {
	text, ok := strings.CutPrefix(ld.Str(p, "proofValue"), "z")
	sig, read := decode58(text)
	if !ok || !read {
		return nil, fault("bad-signature", "proofValue is not a signature in base58btc")
	}
	return sig, nil
}
