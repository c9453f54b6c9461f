package openbadge

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"portillon/openbadge/bake"
	"portillon/openbadge/internal/ld"
)

// wantOf lists the expected verdicts on the Open Badges 3.0 cases of expected.json. The test pins the key that the
// proof's method names to the issuer. For unsupported cases, the reason begins with "unsupported".
var wantOf = map[string]string{
	"simple.json": "valid",
	"simple.1ob":  "valid",
	// the case is valid here because the test pins the key; see TestUnpinnedKeysAreRejected
	"simple-did-key-method.json":                                             "valid",
	"simple-did-web-method.json":                                             "valid",
	"simple-multiple-proofs.json":                                            "valid",
	"simple-context-alias.json":                                              "valid",
	"simple-context-version.json":                                            "valid",
	"simple_v1.json":                                                         "valid",
	"complete_v1.json":                                                       "invalid unknown-term",
	"credential-status-revoked.json":                                         "indeterminate status-unreachable",
	"bit-string-list/credential-status-revoked.json":                         "invalid revoked",
	"bit-string-list/credential-status-revoked-blank-nodes.json":             "invalid revoked",
	"bit-string-list/testlist":                                               "valid",
	"simple-eddsa-2022.json":                                                 "valid",
	"endorsement-valid.json":                                                 "valid",
	"endorsement-err-schema-status-refresh.json":                             "invalid bad-signature",
	"sd/derivedcredential.json":                                              "invalid unsupported-proof",
	"complete.json":                                                          "valid",
	"simple-noproof.json":                                                    "invalid no-proof not-an-open-badge",
	"simple-err-type.json":                                                   "invalid unknown-term",
	"simple-err-proof-method.json":                                           "invalid bad-signature",
	"simple-err-proof-value.json":                                            "invalid bad-signature",
	"simple-err-expired.json":                                                "invalid expired",
	"simple-err-issuer.json":                                                 "invalid not-an-open-badge",
	"simple-err-proof-method-no-scheme.json":                                 "invalid relative-iri",
	"simple-err-proof-method-unknown-scheme.json":                            "invalid bad-signature",
	"simple-err-proof-method-unknown-did-method.json":                        "invalid bad-signature",
	"simple-err-issued.json":                                                 "invalid not-yet-valid not-an-open-badge",
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
	"simple-jwt.png": "valid", "simple-jwt.svg": "valid",
	"simple-jwt_v1.png": "valid", "simple-jwt_v1.svg": "valid",
	"simple.jwt": "invalid unknown-context", "velocity.jwt": "invalid unknown-context",
}

// testList is the address of the status list of 1EdTech's test badges.
const testList = "https://raw.githubusercontent.com/1EdTech/digital-credentials-public-validator/refs/heads/main/" +
	"inspector-vc/src/test/resources/ob30/bit-string-list/testlist"

func TestVerdictsOnCasesOfOtherProjects(t *testing.T) {
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
		o := Options{Trust: pinItsOwn(data), At: today}
		if strings.Contains(c.Path, "status-revoked") {
			o.Status = lists{testList: string(file(t, shared(t, inspector, "bit-string-list/testlist")))}
		}
		got := codes(VerifyDocument(data, o))
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

// pinItsOwn pins the key that the credential itself names. Only a test may do this.
func pinItsOwn(data []byte) []Issuer {
	if payload, _, err := bake.Extract(data); err == nil {
		data = payload
	}
	if token, err := parseJWT(bytes.TrimSpace(data), MaxBytes); err == nil {
		return pinHeader(token)
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
			return []Issuer{{ID: id, Keys: []string{inPEM(k)}}}
		}
	}
	return []Issuer{{ID: id, Keys: example.Keys}}
}

// pinHeader pins the key in the header of a token. Only a test may do this.
func pinHeader(t *jwt) []Issuer {
	doc, _ := t.credential()
	id, _ := doc["issuer"].(string)
	if id == "" {
		id = ld.Str(ld.Obj(doc, "issuer"), "id")
	}
	k, err := parseJWK(t.jwk)
	if err != nil {
		return []Issuer{{ID: id, Keys: example.Keys}}
	}
	return []Issuer{{ID: id, Keys: []string{inPEM(k)}}}
}

// inPEM returns a public key in PEM format, because an administrator may pin a key in this format.
func inPEM(k crypto.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(k)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// A correct signature with a did:key proves nothing about an issuer with another id. A correct signature with a key
// in the fragment of the issuer's URL proves nothing either.
func TestUnpinnedKeysAreRejected(t *testing.T) {
	evil := key(t)
	for _, name := range []string{"simple.json", "simple-did-key-method.json"} {
		data := file(t, shared(t, inspector, name))
		if v := Verify(data, Options{Trust: pinItsOwn(data), At: today}); v.State != Valid {
			t.Fatalf("%s: %s", name, v.Why())
		}
		own := pinItsOwn(data)[0]
		for what, trust := range map[string][]Issuer{
			"another key":      {{ID: own.ID, Keys: []string{evil.DID()}}},
			"another issuer":   {{ID: own.ID + "/", Keys: own.Keys}},
			"no issuer at all": nil,
		} {
			if v := Verify(data, Options{Trust: trust, At: today}); v.State != Invalid {
				t.Errorf("%s, %s: %s", name, what, v.State)
			}
		}
	}
}
