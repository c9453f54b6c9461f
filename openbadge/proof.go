package openbadge

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"strings"
	"time"

	"portillon/openbadge/internal/ld"
)

// suite is the only cryptosuite of this form: W3C Data Integrity EdDSA Cryptosuites 1.0, section 3.2.
const suite = "eddsa-rdfc-2022"

// signedHash is what an eddsa-rdfc-2022 proof signs: the hash of its options, then the hash of the document, both canonical.
func signedHash(d *ld.Document, options object) ([]byte, error) {
	opts, err := d.CanonicalOptions(ld.Without(options, "proofValue"), crypto.SHA256)
	if err != nil {
		return nil, err
	}
	text, err := d.Canonical(crypto.SHA256)
	if err != nil {
		return nil, err
	}
	first, second := sha256.Sum256(opts), sha256.Sum256(text)
	return append(first[:], second[:]...), nil
}

// proofs is content with one proof that a trusted key made. The badge ends when that proof does.
func (q *inquiry) proofs(d *ld.Document) error {
	proofs, err := supportedProofs(d.Words)
	if err != nil {
		return err
	}
	pins, err := q.pins(q.Badge.IssuerID)
	if err != nil {
		return err
	}
	var first error
	for _, p := range proofs {
		err := checkProof(d, p, pins)
		if err == nil {
			err = proofDates(p, q.Badge, q.o.At)
		}
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// supportedProofs are the proofs that this version can judge. Others beside them are passed over: any one proof suffices.
func supportedProofs(doc object) (out []object, err error) {
	all := ld.List(doc["proof"])
	if len(all) > 8 {
		return nil, fault("too-complex", "%d proofs", len(all))
	}
	err = fault("no-proof", "it is not signed")
	for _, x := range all {
		p, ok := x.(object)
		if !ok {
			return nil, fault("malformed", "a proof is no object")
		}
		if e := supported(p); e != nil {
			err = e
			continue
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		return nil, err
	}
	return out, nil
}

// supported reports whether the proof is of the suite that this version verifies.
func supported(p object) error {
	if t := ld.Str(p, "type"); t != "DataIntegrityProof" || ld.Str(p, "cryptosuite") != suite {
		return fault("unsupported-proof", "a proof of type %.40q, suite %.40q: this version verifies %s", t, ld.Str(p, "cryptosuite"), suite)
	}
	if p["previousProof"] != nil {
		return fault("unsupported-proof", "a proof that follows another: this version reads no chains")
	}
	return nil
}

// checkProof verifies one proof with the keys that count for the issuer. The error is a Fault.
func checkProof(d *ld.Document, p object, pins []pin) error {
	for k, v := range p {
		if k == "@context" {
			return fault("unknown-context", "a context within the proof is not read: contexts are not signed")
		}
		if _, ok := v.(string); !ok && v != nil {
			// Nested nodes could take over what is said here, as in a credential (see ld's silent); no proof needs them.
			return fault("malformed", "the proof's %.40q is no text", k)
		}
	}
	if ld.Str(p, "proofPurpose") != "assertionMethod" {
		return fault("bad-signature", "the proof's purpose is %.40q, not assertionMethod", ld.Str(p, "proofPurpose"))
	}
	if ld.Str(p, "verificationMethod") == "" {
		return fault("malformed", "the proof does not name its verificationMethod")
	}
	sig, ok := decode58(strings.TrimPrefix(ld.Str(p, "proofValue"), "z"))
	if !ok || !strings.HasPrefix(ld.Str(p, "proofValue"), "z") || len(sig) != ed25519.SignatureSize {
		return fault("bad-signature", "the proofValue is no Ed25519 signature in base58btc")
	}
	hash, err := signedHash(d, p)
	if err != nil {
		return err
	}
	return checkSignature(ld.Str(p, "verificationMethod"), pins, func(k crypto.PublicKey) bool { return verifyEd25519(k, hash, sig) })
}

func proofDates(p object, b *Badge, at time.Time) error {
	created, err := date(p, "created")
	if err != nil {
		return err
	}
	expires, err := date(p, "expires")
	switch {
	case err != nil:
		return err
	case at.IsZero():
	case !created.IsZero() && created.After(at.Add(Skew)):
		return fault("not-yet-valid", "its proof is dated %s", created.Format(time.RFC3339))
	case !expires.IsZero() && at.After(expires):
		return fault("expired", "its proof ended on %s", expires.Format(time.RFC3339))
	}
	if !expires.IsZero() && (b.ValidUntil.IsZero() || expires.Before(b.ValidUntil)) {
		b.ValidUntil = expires // for those who judge the dates later
	}
	return nil
}
