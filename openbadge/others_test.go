package openbadge

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"portillon/openbadge/bake"
	"portillon/openbadge/internal/ld"
)

// wantOf is what this version says of the Open Badges 3.0 cases of expected.json, with the key in the proof's own name pinned to the
// issuer. Cases that it does not verify yet are refused by a name that begins with "unsupported".
var wantOf = map[string]string{
	"simple.json":                                    "valid",
	"simple.1ob":                                     "valid",
	"simple-did-key-method.json":                     "valid", // pinned here; see TestAKeyThatNobodyPinnedIsRefused
	"simple-did-web-method.json":                     "valid",
	"simple-multiple-proofs.json":                    "valid",
	"simple-context-alias.json":                      "valid",
	"simple-context-version.json":                    "valid",
	"simple_v1.json":                                 "invalid unsupported-form",
	"complete_v1.json":                               "invalid unsupported-form",
	"credential-status-revoked.json":                 "invalid unsupported-form",
	"bit-string-list/credential-status-revoked.json": "invalid unsupported-status",
	"bit-string-list/credential-status-revoked-blank-nodes.json":             "invalid unsupported-status",
	"bit-string-list/testlist":                                               "invalid unsupported-form",
	"simple-eddsa-2022.json":                                                 "invalid unsupported-form",
	"endorsement-valid.json":                                                 "invalid unsupported-form",
	"endorsement-err-schema-status-refresh.json":                             "invalid unsupported-form",
	"sd/derivedcredential.json":                                              "invalid unsupported-proof",
	"complete.json":                                                          "invalid unknown-context", // contexts within contexts
	"simple-noproof.json":                                                    "invalid unsupported-form",
	"simple-err-type.json":                                                   "invalid unknown-term",
	"simple-err-proof-method.json":                                           "invalid bad-signature",
	"simple-err-proof-value.json":                                            "invalid bad-signature",
	"simple-err-expired.json":                                                "invalid expired",
	"simple-err-issuer.json":                                                 "invalid not-an-open-badge",
	"simple-err-proof-method-no-scheme.json":                                 "invalid relative-iri",
	"simple-err-proof-method-unknown-scheme.json":                            "invalid bad-signature",
	"simple-err-proof-method-unknown-did-method.json":                        "invalid bad-signature",
	"simple-err-issued.json":                                                 "invalid not-an-open-badge not-yet-valid",
	"simple-err-context.json":                                                "invalid unknown-term",
	"simple-err-credential-subject-type.json":                                "invalid unknown-term",
	"simple-err-credential-subject-identifier-type.json":                     "invalid unknown-term",
	"simple-err-credential-subject-result-type.json":                         "invalid unknown-term",
	"simple-err-credential-subject-achievement-result-description-type.json": "invalid unknown-term",
	"simple-err-credential-subject-profile-type.json":                        "invalid unknown-term",
	"simple-err-evidence-type.json":                                          "invalid unknown-term",
	"simple-err-issuer-type.json":                                            "invalid unknown-term",
	"simple-err-issuer-parentorg-type.json":                                  "invalid unknown-term",
	"simple-err-issuer-otheridentifier-type.json":                            "invalid unknown-term",
	"simple-json.png":                                                        "valid", "simple-json.svg": "valid",
	"simple-jwt.png": "invalid unsupported-proof", "simple-jwt.svg": "invalid unsupported-proof",
	"simple-jwt_v1.png": "invalid unsupported-form", "simple-jwt_v1.svg": "invalid unsupported-form",
	"simple.jwt": "invalid unsupported-form", "velocity.jwt": "invalid unsupported-form",
}

func TestOthersCasesOneByOne(t *testing.T) {
	var cases []struct{ Path, Kind, Verdict, Reason string }
	if err := json.Unmarshal(file(t, shared(t, "expected.json")), &cases); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, c := range cases {
		if !strings.HasPrefix(c.Kind, "OB3") {
			continue
		}
		seen++
		data := file(t, shared(t, c.Path))
		got := codes(Verify(data, Options{Trust: pinItsOwn(data), At: today}))
		name := strings.TrimPrefix(c.Path, inspector+"/")
		want, listed := wantOf[name]
		if !listed || got != want {
			t.Errorf("%s: %s, want %s (there: %s: %s)", name, got, want, c.Verdict, c.Reason)
		}
	}
	if seen != len(wantOf) {
		t.Errorf("%d cases, %d are expected", seen, len(wantOf))
	}
}

// pinItsOwn trusts what a credential says of itself: for tests alone.
func pinItsOwn(data []byte) []Issuer {
	if payload, _, err := bake.Extract(data); err == nil {
		data = payload
	}
	d, err := ld.Parse(data)
	if err != nil {
		return nil
	}
	id, _ := d["issuer"].(string)
	if id == "" {
		id = ld.Str(ld.Obj(d, "issuer"), "id")
	}
	for _, p := range ld.List(d["proof"]) {
		o, _ := p.(object)
		if k, ok := methodKey(ld.Str(o, "verificationMethod")); ok {
			return []Issuer{{id, []string{multikey(k.(ed25519.PublicKey))}}}
		}
	}
	return []Issuer{{id, example.Keys}}
}

// A bare did:key proves nothing about an issuer that is called by another name, nor does a key in the fragment of the issuer's URL.
func TestAKeyThatNobodyPinnedIsRefused(t *testing.T) {
	evil := key(t)
	for _, name := range []string{"simple.json", "simple-did-key-method.json"} {
		data := file(t, shared(t, inspector, name))
		if v := Verify(data, Options{Trust: pinItsOwn(data), At: today}); v.State != Valid {
			t.Fatalf("%s: %s", name, v.Why())
		}
		own := pinItsOwn(data)[0]
		for what, trust := range map[string][]Issuer{
			"another key":      {{own.ID, []string{evil.DID()}}},
			"another issuer":   {{own.ID + "/", own.Keys}},
			"no issuer at all": nil,
		} {
			if v := Verify(data, Options{Trust: trust, At: today}); v.State != Invalid {
				t.Errorf("%s, %s: %s", name, what, v.State)
			}
		}
	}
}

// examples are the words of the W3C's vectors, whose own context is a default vocabulary for anything at all.
var examples = ld.Extra{"https://www.w3.org/ns/credentials/examples/v2": {
	"AlumniCredential": "https://www.w3.org/ns/credentials/examples#AlumniCredential",
	"alumniOf":         "https://www.w3.org/ns/credentials/examples#alumniOf",
}}

func w3c(t *testing.T, name string) *ld.Document {
	t.Helper()
	d, err := ld.Parse(file(t, shared(t, "w3c+vc-di-eddsa", "TestVectors", name)))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := ld.OpenKnowing(d, examples)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// The W3C's vc-di-eddsa vectors from the document to the verdict on its proof: one proof, and sets of one and two.
func TestW3CProofsVerify(t *testing.T) {
	for name, n := range map[string]int{"eddsa-rdfc-2022/signedDataInt.json": 1, "proof-set-chain/signedProofSet1.json": 1, "proof-set-chain/signedProofSet2.json": 2} {
		d := w3c(t, name)
		proofs, err := supportedProofs(d.Words)
		if err != nil || len(proofs) != n {
			t.Fatalf("%s: %d proofs: %v", name, len(proofs), err)
		}
		for i, p := range proofs {
			k, ok := methodKey(ld.Str(p, "verificationMethod"))
			if !ok {
				t.Fatalf("%s: proof %d names no key", name, i)
			}
			if err := checkProof(d, p, []pin{{key: k}}); err != nil {
				t.Errorf("%s: proof %d: %v", name, i, err)
			}
			p["created"] = "2023-02-24T23:36:39Z"
			if err := checkProof(d, p, []pin{{key: k}}); !strings.Contains(errText(err), "bad-signature") {
				t.Errorf("%s: proof %d, a second later: %v", name, i, err)
			}
		}
	}
	d := w3c(t, "eddsa-rdfc-2022/signedDataInt.json")
	text, err := d.Canonical(crypto.SHA256)
	h := sha256.Sum256(text)
	if want := strings.TrimSpace(string(file(t, shared(t, "w3c+vc-di-eddsa/TestVectors/eddsa-rdfc-2022/docHashDataInt.txt")))); err != nil || hex.EncodeToString(h[:]) != want {
		t.Errorf("document: %x %v, want %s", h, err, want)
	}
}

// A link of a chain is named as unsupported; it is not called a forgery.
func TestChainsAreUnsupportedByName(t *testing.T) {
	d := w3c(t, "proof-set-chain/signedProofChain1.json")
	proofs, err := supportedProofs(d.Words)
	if err != nil || len(proofs) != 2 {
		t.Fatalf("%d proofs stand alone: %v", len(proofs), err)
	}
	for _, p := range ld.List(d.Words["proof"]) {
		if o := p.(object); o["previousProof"] != nil && !strings.Contains(errText(supported(o)), "unsupported-proof") {
			t.Errorf("%v", supported(o))
		}
	}
}
