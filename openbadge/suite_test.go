package openbadge

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/openbadge/internal/ld"
)

// signer contains a signing key of any kind and the key's verification method.
type signer struct {
	method string
	public crypto.PublicKey
	sign   func(t testing.TB, message []byte) []byte
}

func edwardsSigner(k *Key) signer {
	return signer{
		k.methodID(k.DID()),
		k.private.Public(),
		func(t testing.TB, m []byte) []byte { return ed25519.Sign(k.private, m) },
	}
}

// nistSigner returns a signer with an ECDSA key on the given curve. The argument h is the hash algorithm that belongs
// to the curve.
func nistSigner(t testing.TB, curve elliptic.Curve, h crypto.Hash) signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{"https://lab.example/#key-1", &k.PublicKey, func(t testing.TB, m []byte) []byte {
		r, s, err := ecdsa.Sign(rand.Reader, k, hashOf(h, m))
		if err != nil {
			t.Fatal(err)
		}
		n := (curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, n)), s.FillBytes(make([]byte, n))...)
	}}
}

// proveWith adds a proof made by a signer to a document. The proof also covers the proofs that its previousProof
// names. The function change modifies the proof before signing.
func proveWith(t testing.TB, d object, by signer, suite string, change ...func(p object)) object {
	t.Helper()
	p := object{
		"type":               "DataIntegrityProof",
		"cryptosuite":        suite,
		"created":            today.Format(time.RFC3339),
		"verificationMethod": by.method,
		"proofPurpose":       "assertionMethod",
	}
	for _, f := range change {
		f(p)
	}
	c, err := suiteOf(p)
	if err != nil {
		t.Fatal(err)
	}
	var previous []object
	for _, x := range ld.List(d["proof"]) {
		if o := x.(object); hasText(p["previousProof"], ld.Str(o, "id")) {
			previous = append(previous, o)
		}
	}
	h := crypto.SHA256
	if with, ok := c.scheme(by.public); ok {
		h = with.hash
	}
	m, err := c.message(open(t, d), p, previous, h)
	if err != nil {
		t.Fatal(err)
	}
	p["proofValue"] = "z" + encode58(by.sign(t, m))
	d["proof"] = append(ld.List(d["proof"]), p)
	return p
}

// unsigned returns a badge of an unknown issuer that has no proof.
func unsigned(t testing.TB) object {
	t.Helper()
	return ld.Without(parse(t, issued(t, key(t))["JSON"]), "proof")
}

// Each suite accepts certain kinds of keys, and the key determines the hash algorithm. A proof can choose neither the
// kind of key nor the hash.
func TestSuitesAcceptOnlyTheirOwnKeys(t *testing.T) {
	keys := map[string]signer{
		"Ed25519": edwardsSigner(key(t)),
		"P-256":   nistSigner(t, elliptic.P256(), crypto.SHA256),
		"P-384":   nistSigner(t, elliptic.P384(), crypto.SHA384),
		"P-256 with SHA-384": nistSigner(
			t,
			elliptic.P256(),
			crypto.SHA384,
		),
		"P-384 with SHA-256": nistSigner(t, elliptic.P384(), crypto.SHA256),
		"P-521":              nistSigner(t, elliptic.P521(), crypto.SHA256),
	}
	good := map[string]bool{"eddsa Ed25519": true, "ecdsa P-256": true, "ecdsa P-384": true}
	for i := range cryptosuites {
		for name, by := range keys {
			c := cryptosuites[i]
			if c.typ != "DataIntegrityProof" {
				continue
			}
			d := unsigned(t)
			proveWith(t, d, by, c.name)
			got := setOf(t, open(t, d), today, pin{key: by.public}).verify(0).issuerError()
			if family, _, _ := strings.Cut(c.name, "-"); good[family+" "+name] != (got == nil) ||
				got != nil && codeOf(got) != "bad-signature" {
				t.Errorf("%s by %s: %v", c.name, name, got)
			}
		}
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	d := unsigned(t)
	proveWith(t, d, keys["Ed25519"], issuedSuite)
	for _, k := range []crypto.PublicKey{&r.PublicKey, nil, (*ecdsa.PublicKey)(nil), "a key"} {
		p := ld.List(d["proof"])[0].(object)
		p["verificationMethod"] = "https://lab.example/#key-1"
		for _, name := range []string{issuedSuite, "ecdsa-rdfc-2019"} {
			p["cryptosuite"] = name
			if code := codeOf(setOf(t, open(t, d), today, pin{key: k}).verify(0).issuerError()); code != "bad-signature" {
				t.Errorf("%s with a %T: %q", name, k, code)
			}
		}
	}
}

// An ECDSA signature consists of r and s, each of which is as long as the curve's numbers and lies between zero and
// the curve's order.
func TestMalformedECDSASignaturesAreRejected(t *testing.T) {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		n, hash := (curve.Params().BitSize+7)/8, hashOf(crypto.SHA256, []byte("a message"))
		r, s, err := ecdsa.Sign(rand.Reader, k, hash)
		if err != nil {
			t.Fatal(err)
		}
		der, _ := ecdsa.SignASN1(rand.Reader, k, hash)
		order, fill := curve.Params().N, func(r, s *big.Int) []byte {
			return append(r.FillBytes(make([]byte, n)), s.FillBytes(make([]byte, n))...)
		}
		for name, c := range map[string]struct {
			sig  []byte
			want bool
		}{
			"r and s": {fill(r, s), true},
			// The standard does not require a low s (ECDSA Cryptosuites 1.0, section 3).
			"r and -s":       {fill(r, new(big.Int).Sub(order, s)), true},
			"no r":           {fill(new(big.Int), s), false},
			"no s":           {fill(r, new(big.Int)), false},
			"neither":        {make([]byte, 2*n), false},
			"r of the order": {fill(order, s), false},
			"s of the order": {fill(r, order), false},
			"a zero before":  {append([]byte{0}, fill(r, s)...), false},
			"a zero after":   {append(fill(r, s), 0), false},
			"a zero before each": {
				append(append([]byte{0}, r.FillBytes(make([]byte, n))...), append([]byte{0}, s.FillBytes(make([]byte, n))...)...),
				false,
			},
			"a zero before s": {append(append(r.FillBytes(make([]byte, n)), 0), s.FillBytes(make([]byte, n))...), false},
			"a byte less":     {fill(r, s)[1:], false},
			"ASN.1":           {der, false},
			"nothing":         {nil, false},
		} {
			if verifyECDSA(&k.PublicKey, hash, c.sig) != c.want {
				t.Errorf("%s, %s: %v", curve.Params().Name, name, !c.want)
			}
		}
	}
}

// A proof that signs JSON must cover every property and the contexts. The package must still check the content
// against the contexts.
func TestProofsOverJSONCoverEveryProperty(t *testing.T) {
	k := key(t)
	by := edwardsSigner(k)
	contexts := func(urls ...any) func(object) { return func(p object) { p["@context"] = urls } }
	for name, c := range map[string]struct {
		before func(d object) // modifies the badge before the proof is made
		proof  func(p object)
		after  func(d object)
		want   string
	}{
		"as it is":                {want: "valid"},
		"a context of its own":    {proof: contexts(ContextVC, ContextOB, ContextExtensions), want: "valid"},
		"the first contexts":      {proof: contexts(ContextVC, ContextOB), want: "valid"},
		"the first context alone": {proof: func(p object) { p["@context"] = ContextVC }, want: "valid"},
		"a context added afterwards": {
			before: func(d object) { d["@context"] = []any{ContextVC, ContextOB}; delete(d, "credentialStatus") },
			proof:  contexts(ContextVC, ContextOB),
			after:  func(d object) { d["@context"] = []any{ContextVC, ContextOB, ContextExtensions} },
			want:   "valid",
		},
		"added, and the proof names none": {
			before: func(d object) { d["@context"] = []any{ContextVC, ContextOB}; delete(d, "credentialStatus") },
			after:  func(d object) { d["@context"] = []any{ContextVC, ContextOB, ContextExtensions} },
			want:   "invalid bad-signature",
		},
		"a context taken away": {
			proof:  contexts(ContextVC, ContextOB),
			before: func(d object) { delete(d, "credentialStatus") },
			after:  func(d object) { d["@context"] = []any{ContextVC} },
			want:   "invalid unknown-term",
		},
		"a list that is none": {
			after: func(d object) { d["type"] = []any{"OpenBadgeCredential", "VerifiableCredential"} },
			want:  "invalid bad-signature",
		},
		"a null that was not there": {after: func(d object) { d["evidence"] = nil }, want: "invalid bad-signature"},
		"one text instead of a list": {
			after: func(d object) { d["issuer"].(object)["type"] = "Profile" },
			want:  "invalid bad-signature",
		},
		"a word nobody knows": {after: func(d object) { d["role"] = "maintainer" }, want: "invalid unknown-term"},
		"another's proof beside it": {
			after: func(d object) { d["proof"] = append(ld.List(d["proof"]), object{"type": "Unheard"}) },
			want:  "valid",
		},
		"a changed option": {
			after: func(d object) { ld.List(d["proof"])[0].(object)["created"] = "2024-01-01T00:00:00Z" },
			want:  "invalid bad-signature",
		},
		"an option more": {
			after: func(d object) { ld.List(d["proof"])[0].(object)["nonce"] = "1" },
			want:  "invalid bad-signature",
		},
		"an end that was taken away": {
			proof: func(p object) { p["expires"] = today.Add(-time.Hour).Format(time.RFC3339) },
			after: func(d object) { delete(ld.List(d["proof"])[0].(object), "expires") },
			want:  "invalid bad-signature",
		},
		"domains and a challenge": {
			proof: func(p object) { p["domain"] = []any{"a.example", "b.example"}; p["challenge"] = "c" },
			want:  "valid",
		},
	} {
		d := parse(t, issued(t, k)["JSON"])
		delete(d, "proof")
		change := func(f func(object), o object) {
			if f != nil {
				f(o)
			}
		}
		change(c.before, d)
		proveWith(t, d, by, "eddsa-jcs-2022", func(p object) { change(c.proof, p) })
		change(c.after, d)
		b, _ := json.Marshal(d)
		if got := codes(Verify(
			b,
			Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.DID()}}}, At: today},
		)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// If a proof has its own context, this context must equal the document's context. Otherwise Verify must reject the
// proof before it calculates a hash.
func TestProofMustHaveTheContextOfTheDocument(t *testing.T) {
	d := unsigned(t)
	all := d["@context"].([]any)
	for name, c := range map[string]struct {
		own       any
		rdfc, jcs string
	}{
		"the same":           {all, "", ""},
		"the first":          {all[:1], "unknown-context", ""},
		"the first, as text": {all[0], "unknown-context", ""},
		"the second":         {all[1:2], "unknown-context", "unknown-context"},
		"one more":           {append(all[:len(all):len(all)], ContextVC), "unknown-context", "unknown-context"},
		"many":               {slices.Repeat(all, 9), "unknown-context", "unknown-context"},
		"none":               {[]any{}, "unknown-context", "unknown-context"},
		"null":               {nil, "unknown-context", "unknown-context"},
		"inline":             {object{"vu": "urn:x:vu"}, "unknown-context", "unknown-context"},
		"inline too":         {append(all[:1:1], object{"vu": "urn:x:vu"}), "unknown-context", "unknown-context"},
	} {
		for i, want := range map[int]string{0: c.rdfc, 3: c.jcs} {
			_, err := cryptosuites[i].message(
				open(t, d),
				object{"@context": c.own, "type": "DataIntegrityProof"},
				nil,
				crypto.SHA256,
			)
			if codeOf(err) != want {
				t.Errorf("%s, %s: %v, want %q", cryptosuites[i].name, name, err, want)
			}
		}
	}
	_, err := cryptosuites[3].message(
		open(t, d),
		object{"type": "DataIntegrityProof", "endsOn": "2020-01-01T00:00:00Z"},
		nil,
		crypto.SHA256,
	)
	if codeOf(err) != "unknown-term" {
		t.Errorf("a proof over JSON with an unknown term: %v", err)
	}
}

// signedHash must return the same bytes as the suite's own test vector.
func TestIssuedProofsMatchTheVectorOfTheSuite(t *testing.T) {
	d := open(t, unsigned(t))
	p := object{"type": "DataIntegrityProof", "cryptosuite": issuedSuite, "proofPurpose": "assertionMethod",
		"proofValue": "z1"}
	mine, err := signedHash(d, p)
	theirs, err2 := cryptosuites[0].message(d, ld.Without(p, "proofValue"), nil, crypto.SHA256)
	if err != nil || err2 != nil || !bytes.Equal(mine, theirs) || cryptosuites[0].name != issuedSuite || len(mine) != 64 {
		t.Errorf("%x %v, %x %v", mine, err, theirs, err2)
	}
}

// All canonical forms of a document must share one limit of work: forms for several hash algorithms, forms of JSON,
// and forms for chains.
func TestAllFormsOfADocumentShareOneLimit(t *testing.T) {
	badge := func(what string, inside any) *ld.Document {
		d := unsigned(t)
		ld.Obj(d, "credentialSubject")[what] = inside
		return open(t, d)
	}
	// Even one canonical form of this document nearly reaches the limit.
	wide := func() *ld.Document { return badge("source", parse(t, []byte(tree(3, 3)))) }
	long := func() *ld.Document { return badge("narrative", strings.Repeat("a", 900_000)) }
	statements := func(h crypto.Hash) func(*ld.Document) error {
		return func(d *ld.Document) error { _, err := d.Canonical(h); return err }
	}
	asJSON := func(d *ld.Document) error { _, err := d.JCS(d.Words); return err }
	after := func(d *ld.Document) error {
		d, err := d.With([]object{{"type": "DataIntegrityProof"}})
		if err == nil {
			_, err = d.Canonical(crypto.SHA256)
		}
		return err
	}
	for name, c := range map[string]struct {
		d     *ld.Document
		forms []func(*ld.Document) error
		last  string
	}{
		"the same form again": {
			wide(),
			[]func(*ld.Document) error{statements(crypto.SHA256), statements(crypto.SHA256), statements(crypto.SHA256)},
			"",
		},
		"another hash": {
			wide(),
			[]func(*ld.Document) error{statements(crypto.SHA256), statements(crypto.SHA384)},
			"too-complex",
		},
		"after a proof": {wide(), []func(*ld.Document) error{statements(crypto.SHA256), after}, "too-complex"},
		"a long text, twice": {
			long(),
			[]func(*ld.Document) error{statements(crypto.SHA256), statements(crypto.SHA384)},
			"",
		},
		"a long text, four times": {
			long(),
			[]func(*ld.Document) error{statements(crypto.SHA256), statements(crypto.SHA384), after, after},
			"too-complex",
		},
		"JSON, four times": {long(), []func(*ld.Document) error{asJSON, asJSON, asJSON, asJSON}, "too-complex"},
		"JSON and statements": {
			long(),
			[]func(*ld.Document) error{asJSON, asJSON, asJSON, statements(crypto.SHA256)},
			"too-complex",
		},
	} {
		for i, form := range c.forms {
			want := ""
			if i == len(c.forms)-1 {
				want = c.last
			}
			if err := form(c.d); codeOf(err) != want {
				t.Errorf("%s: form %d: %v, want %q", name, i, err, want)
			}
		}
	}
}
