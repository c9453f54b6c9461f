package openbadge

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	"portillon/openbadge/internal/ld"
)

// rsaPrivate returns the RSA key that all tests share.
func rsaPrivate(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	k, err := ParseKey([]byte(rsaKey))
	if err != nil {
		t.Fatal(err)
	}
	return k.rsa
}

// jwkOf returns a public key as a JWK.
func jwkOf(t testing.TB, k crypto.PublicKey, kid string) object {
	t.Helper()
	switch k := k.(type) {
	case ed25519.PublicKey:
		return object{"kty": "OKP", "crv": "Ed25519", "x": b64(k), "kid": kid}
	case *rsa.PublicKey:
		return object{"kty": "RSA", "n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes()), "kid": kid, "use": "sig"}
	case *ecdsa.PublicKey:
		raw, err := k.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		n := len(raw) / 2
		return object{"kty": "EC", "crv": k.Curve.Params().Name, "x": b64(raw[1 : n+1]), "y": b64(raw[n+1:]), "kid": kid}
	}
	t.Fatalf("%T", k)
	return nil
}

// token returns the usual draft of these tests as a VC-JWT. The header names the algorithm, and the function sign
// makes the signature.
func token(t testing.TB, issuer string, header object, sign func([]byte) []byte, change ...func(object)) []byte {
	t.Helper()
	d := draft()
	d.IssuerID = issuer
	doc, err := d.document(key(t))
	if err != nil {
		t.Fatal(err)
	}
	doc["iss"], doc["jti"] = issuer, doc["id"]
	for _, f := range change {
		f(doc)
	}
	h, _ := json.Marshal(header)
	p, _ := json.Marshal(doc)
	text := b64(h) + "." + b64(p)
	return []byte(text + "." + b64(sign([]byte(text))))
}

func signRS256(t testing.TB) func([]byte) []byte {
	return func(b []byte) []byte {
		h := sha256.Sum256(b)
		sig, err := rsa.SignPKCS1v15(rand.Reader, rsaPrivate(t), crypto.SHA256, h[:])
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
}

func signES(t testing.TB, k *ecdsa.PrivateKey, h crypto.Hash) func([]byte) []byte {
	return func(b []byte) []byte {
		r, s, err := ecdsa.Sign(rand.Reader, k, hashOf(h, b))
		if err != nil {
			t.Fatal(err)
		}
		n := (k.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, n)), s.FillBytes(make([]byte, n))...)
	}
}

// web is a Resolver that serves JSON documents from a map.
type web map[string]any

func (w web) Resolve(url string) ([]byte, error) {
	v, ok := w[url]
	if !ok {
		return nil, errors.New("out of reach")
	}
	if s, raw := v.(string); raw {
		return []byte(s), nil
	}
	return json.Marshal(v)
}

// The test tries each kind of pin with each kind of key.
func TestEveryKindOfPinIsTrusted(t *testing.T) {
	ed := key(t)
	edPublic := ed.private.Public()
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	const site = "https://lab.example/issuer"
	did := "did:web:lab.example:badges"
	didDoc := func(methods ...object) object {
		var ids []any
		for _, m := range methods {
			ids = append(ids, m["id"])
		}
		return object{"id": did, "verificationMethod": methods, "assertionMethod": ids}
	}
	method := func(k crypto.PublicKey) object {
		return object{"id": did + "#key-1", "type": "JsonWebKey", "controller": did, "publicKeyJwk": jwkOf(t, k, "")}
	}
	profile := object{"id": site, "type": "Profile", "publicKey": []any{site + "/key"}}
	pemKey := object{
		"id":           site + "/key",
		"type":         "CryptographicKey",
		"owner":        site,
		"publicKeyPem": inPEM(&rsaPrivate(t).PublicKey),
	}
	edSign := func(b []byte) []byte { return ed25519.Sign(ed.private, b) }
	for name, c := range map[string]struct {
		issuer, pin string
		docs        web
		token       []byte
	}{
		"did:key": {ed.DID(), ed.DID(), nil, token(t, ed.DID(), object{"alg": "EdDSA"}, edSign)},
		"PEM, RSA": {
			site,
			inPEM(&rsaPrivate(t).PublicKey),
			nil,
			token(t, site, object{"alg": "RS256"}, signRS256(t)),
		},
		"PEM, P-256": {
			site,
			inPEM(&p256.PublicKey),
			nil,
			token(t, site, object{"alg": "ES256"}, signES(t, p256, crypto.SHA256)),
		},
		"PEM, P-384": {
			site,
			inPEM(&p384.PublicKey),
			nil,
			token(t, site, object{"alg": "ES384"}, signES(t, p384, crypto.SHA384)),
		},
		"PEM, Ed25519": {site, inPEM(edPublic), nil, token(t, site, object{"alg": "Ed25519"}, edSign)},
		"JWKS": {
			site,
			site + "/keys",
			web{site + "/keys": object{"keys": []any{object{"kty": "oct"}, jwkOf(t, &rsaPrivate(t).PublicKey, "1")}}},
			token(t, site, object{"alg": "RS256", "kid": site + "/keys#1"}, signRS256(t)),
		},
		"did:web, JWK": {
			did,
			did,
			web{"https://lab.example/badges/did.json": didDoc(method(&p256.PublicKey))},
			token(t, did, object{"alg": "ES256", "kid": did + "#key-1"}, signES(t, p256, crypto.SHA256)),
		},
		"did:web, a multikey": {
			did,
			did,
			web{
				"https://lab.example/badges/did.json": didDoc(object{
					"id":                 "#" + ed.Multikey(),
					"type":               "Multikey",
					"controller":         did,
					"publicKeyMultibase": ed.Multikey(),
				}),
			},
			token(t, did, object{"alg": "EdDSA", "kid": did + "#" + ed.Multikey()}, edSign),
		},
		"did:web, within its purpose": {
			did,
			did,
			web{"https://lab.example/badges/did.json": object{"id": did, "assertionMethod": method(&p384.PublicKey)}},
			token(t, did, object{"alg": "ES384"}, signES(t, p384, crypto.SHA384)),
		},
		"profile, key elsewhere": {
			site,
			site,
			web{site: profile, site + "/key": pemKey},
			token(t, site, object{"alg": "RS256", "kid": site + "/key"}, signRS256(t)),
		},
		"profile, key within": {
			site,
			site,
			web{site: object{"id": site, "publicKey": pemKey}},
			token(t, site, object{"alg": "RS256"}, signRS256(t)),
		},
		"a header's own key, pinned": {
			site,
			inPEM(&rsaPrivate(t).PublicKey),
			nil,
			token(t, site, object{"alg": "RS256", "jwk": jwkOf(t, &rsaPrivate(t).PublicKey, "")}, signRS256(t)),
		},
	} {
		o := Options{Trust: []Issuer{{ID: c.issuer, Keys: []string{c.pin}}}, At: today, Documents: c.docs}
		if v := Verify(c.token, o); v.State != Valid || v.Form != "ob3 jwt" || v.Assurance != Signed {
			t.Errorf("%s: %s", name, v.Why())
		}
		if err := CheckKey(c.pin); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		o.Trust[0].ID = c.issuer + "/"
		if got := codes(Verify(c.token, o)); got != "invalid issuer-not-trusted" {
			t.Errorf("%s, for another issuer: %s", name, got)
		}
		if c.docs != nil {
			o.Trust[0].ID, o.Documents = c.issuer, nil
			if got := codes(Verify(c.token, o)); got != "indeterminate trust-unusable" {
				t.Errorf("%s, without a Resolver: %s", name, got)
			}
		}
	}
}

// A key in a document must belong to the document's owner, and must be neither revoked nor expired.
func TestKeysOutsideAssertionMethodAreNotTrusted(t *testing.T) {
	k := key(t)
	did := "did:web:lab.example"
	at := "https://lab.example/.well-known/did.json"
	method := func(change ...func(object)) object {
		m := object{"id": did + "#1", "type": "Multikey", "controller": did, "publicKeyMultibase": k.Multikey()}
		for _, f := range change {
			f(m)
		}
		return m
	}
	set := func(key string, v any) func(object) { return func(m object) { m[key] = v } }
	doc := func(m object) object {
		return object{"id": did, "verificationMethod": []any{m}, "assertionMethod": []any{did + "#1"}}
	}
	site := "https://lab.example/issuer"
	pemKey := func(change ...func(object)) object {
		m := object{"id": site + "#1", "owner": site, "publicKeyPem": inPEM(k.private.Public())}
		for _, f := range change {
			f(m)
		}
		return object{"id": site, "publicKey": m}
	}
	for name, c := range map[string]struct {
		pin  string
		docs web
		want string
	}{
		"as it should be":       {did, web{at: doc(method())}, "valid"},
		"in the future revoked": {did, web{at: doc(method(set("revoked", "2027-01-01T00:00:00Z")))}, "valid"},
		"revoked": {
			did,
			web{at: doc(method(set("revoked", "2026-01-01T00:00:00Z")))},
			"indeterminate trust-unusable",
		},
		"expired": {
			did,
			web{at: doc(method(set("expires", "2026-01-01T00:00:00Z")))},
			"indeterminate trust-unusable",
		},
		"revoked at no time": {did, web{at: doc(method(set("revoked", true)))}, "indeterminate trust-unusable"},
		"another's method": {
			did,
			web{at: doc(method(set("controller", "did:web:evil.example")))},
			"indeterminate trust-unusable",
		},
		"not for assertions": {
			did,
			web{at: object{"id": did, "verificationMethod": []any{method()}, "authentication": []any{did + "#1"}}},
			"indeterminate trust-unusable",
		},
		"another document": {
			did,
			web{
				at: object{
					"id":                 "did:web:evil.example",
					"verificationMethod": []any{method()},
					"assertionMethod":    []any{did + "#1"},
				},
			},
			"indeterminate trust-unusable",
		},
		"no document": {did, web{at: "<html>"}, "indeterminate trust-unusable"},
		"a document of lists": {
			did,
			web{at: `{"id":"did:web:lab.example","verificationMethod":[[],1,"x",null],"assertionMethod":[[],{}]}`},
			"indeterminate trust-unusable",
		},
		"a private key, published": {
			"https://lab.example/jwks",
			web{
				"https://lab.example/jwks": object{
					"keys": []any{object{"kty": "OKP", "crv": "Ed25519", "x": b64(k.private.Public().(ed25519.PublicKey)), "d": "AA"}},
				},
			},
			"indeterminate trust-unusable",
		},
		"a key for encryption": {
			"https://lab.example/jwks",
			web{
				"https://lab.example/jwks": object{
					"keys": []any{
						object{"kty": "OKP", "crv": "Ed25519", "x": b64(k.private.Public().(ed25519.PublicKey)), "use": "enc"},
					},
				},
			},
			"indeterminate trust-unusable",
		},
		"a profile's key": {site, web{site: pemKey()}, "valid"},
		"a profile's key of another": {
			site,
			web{site: pemKey(set("owner", "https://evil.example"))},
			"indeterminate trust-unusable",
		},
		"a profile by another name": {
			site,
			web{
				site: object{
					"id":        "https://evil.example",
					"publicKey": object{"owner": "https://evil.example", "publicKeyPem": inPEM(k.private.Public())},
				},
			},
			"indeterminate trust-unusable",
		},
		"a key by another name": {
			site,
			web{
				site:          object{"id": site, "publicKey": site + "/key"},
				site + "/key": object{"id": site, "owner": site, "publicKeyPem": inPEM(k.private.Public())},
			},
			"indeterminate trust-unusable",
		},
		"a set of keys under did:web": {
			did,
			web{at: object{"keys": []any{jwkOf(t, k.private.Public(), "")}}},
			"indeterminate trust-unusable",
		},
	} {
		data := token(
			t,
			"https://lab.example/any",
			object{"alg": "EdDSA"},
			func(b []byte) []byte { return ed25519.Sign(k.private, b) },
		)
		got := codes(
			Verify(
				data,
				Options{Trust: []Issuer{{ID: "https://lab.example/any", Keys: []string{c.pin}}}, At: today, Documents: c.docs},
			),
		)
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// In this test, one pinned document is unreachable, and another one is reachable. The verdict must be indeterminate,
// except in two cases: the reachable pin decides the verdict, or the verification method itself contains the signing
// key and the signature is wrong.
func TestVerdictIsIndeterminateIfAnUnreachablePinCouldDecide(t *testing.T) {
	near, far := key(t), key(t)
	issuer := "https://lab.example/any"
	trust := []Issuer{{ID: issuer, Keys: []string{near.DID(), "did:web:lab.example"}}}
	by := func(k *Key, kid string, spoil bool) []byte {
		return token(t, issuer, object{"alg": "EdDSA", "kid": kid}, func(b []byte) []byte {
			sig := ed25519.Sign(k.private, b)
			sig[0] ^= map[bool]byte{true: 1}[spoil]
			return sig
		})
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"by the key at hand":                 {by(near, "", false), "valid"},
		"by the key at hand, named":          {by(near, near.DID(), false), "valid"},
		"by another":                         {by(far, "", false), "indeterminate trust-unusable"},
		"by another, named":                  {by(far, far.DID(), false), "indeterminate trust-unusable"},
		"falsely by the key at hand, named":  {by(near, near.DID(), true), "invalid bad-signature"},
		"falsely by another, named":          {by(far, far.DID(), true), "invalid bad-signature"},
		"falsely by nobody":                  {by(far, "", true), "indeterminate trust-unusable"},
		"falsely, naming the key out there":  {by(far, "did:web:lab.example#1", true), "indeterminate trust-unusable"},
		"by another, in the name of the one": {by(far, near.DID(), false), "invalid bad-signature"},
	} {
		if got := codes(Verify(c.data, Options{Trust: trust, At: today, Documents: web{}})); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if got := codes(Verify(
		by(far, "", false),
		Options{Trust: trust[:0], At: today},
	)); got != "invalid issuer-not-trusted" {
		t.Errorf("verdict on a badge of an untrusted issuer: %s", got)
	}
}

// The key determines the algorithm of a signature. The header of a token must not be able to choose another
// algorithm.
func TestKeyDeterminesTheSignatureAlgorithm(t *testing.T) {
	const site = "https://lab.example/issuer"
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	ed := key(t)
	rsaPEM := inPEM(&rsaPrivate(t).PublicKey)
	all := []Issuer{{ID: site, Keys: []string{rsaPEM, inPEM(&p256.PublicKey), inPEM(&p384.PublicKey), ed.DID()}}}
	mac := func(secret string) func([]byte) []byte {
		return func(b []byte) []byte { h := hmac.New(sha256.New, []byte(secret)); h.Write(b); return h.Sum(nil) }
	}
	edSign := func(b []byte) []byte { return ed25519.Sign(ed.private, b) }
	for name, c := range map[string]struct {
		alg  string
		sign func([]byte) []byte
		want string
	}{
		"none":                         {"none", func([]byte) []byte { return nil }, "invalid unsupported-proof"},
		"HMAC with the public key":     {"HS256", mac(rsaPEM), "invalid unsupported-proof"},
		"HMAC that calls itself RS256": {"RS256", mac(rsaPEM), "invalid bad-signature"},
		"RS256 signed by P-256":        {"RS256", signES(t, p256, crypto.SHA256), "invalid bad-signature"},
		"ES256 signed by RSA":          {"ES256", signRS256(t), "invalid bad-signature"},
		"ES256 signed by P-384":        {"ES256", signES(t, p384, crypto.SHA384), "invalid bad-signature"},
		"ES384 signed by P-256":        {"ES384", signES(t, p256, crypto.SHA256), "invalid bad-signature"},
		"EdDSA signed by RSA":          {"EdDSA", signRS256(t), "invalid bad-signature"},
		"ES256 signed by Ed25519":      {"ES256", edSign, "invalid bad-signature"},
		"PS256":                        {"PS256", signRS256(t), "invalid unsupported-proof"},
		"rs256":                        {"rs256", signRS256(t), "invalid unsupported-proof"},
		"no algorithm":                 {"", signRS256(t), "invalid unsupported-proof"},
		"a signature of zeros":         {"ES256", func([]byte) []byte { return make([]byte, 64) }, "invalid bad-signature"},
		"RS256":                        {"RS256", signRS256(t), "valid"},
		"ES256":                        {"ES256", signES(t, p256, crypto.SHA256), "valid"},
		"ES384":                        {"ES384", signES(t, p384, crypto.SHA384), "valid"},
		"EdDSA":                        {"EdDSA", edSign, "valid"},
	} {
		if got := codes(Verify(token(t, site, object{"alg": c.alg}, c.sign), Options{Trust: all, At: today})); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// In a VC-JWT of the data model 1.1, some values are only in the token's claims. A value that is in the claims and in
// the credential must be equal in both.
func TestClaimsMustEqualTheCredential(t *testing.T) {
	const site = "https://lab.example/issuer"
	old := func(change func(claims, vc object)) []byte {
		return token(t, site, object{"alg": "RS256", "typ": "JWT"}, signRS256(t), func(p object) {
			vc := object{}
			for k, v := range p {
				if k != "iss" && k != "jti" {
					vc[k] = v
				}
				delete(p, k)
			}
			vc["@context"] = []any{"https://www.w3.org/2018/credentials/v1", ContextOB, ContextExtensions}
			delete(vc, "validFrom")
			delete(vc, "validUntil")
			delete(vc, "issuer")
			delete(vc, "id")
			p["vc"], p["iss"], p["jti"], p["nbf"], p["exp"], p["sub"] = vc, site, "urn:x:1", today.AddDate(-1, 0, 0).
				Unix(),
				today.AddDate(1, 0, 0).
					Unix(),
				"urn:uuid:6f2e33e5-7a29-4155-840a-59483ba10164"
			change(p, vc)
		})
	}
	for name, c := range map[string]struct {
		change func(claims, vc object)
		want   string
	}{
		"all in the claims": {func(p, vc object) {}, "valid"},
		"in both, alike": {
			func(p, vc object) { vc["id"], vc["issuer"] = "urn:x:1", object{"id": site, "type": "Profile"} },
			"valid",
		},
		"another issuer": {
			func(p, vc object) { vc["issuer"] = "https://evil.example" },
			"invalid issuer-not-trusted",
		},
		"another issuer outside": {
			func(p, vc object) { vc["issuer"], p["iss"] = site, "https://evil.example" },
			"invalid claims-mismatch",
		},
		"another id":         {func(p, vc object) { vc["id"] = "urn:x:2" }, "invalid claims-mismatch"},
		"another subject":    {func(p, vc object) { p["sub"] = "urn:x:2" }, "invalid claims-mismatch"},
		"no subject outside": {func(p, vc object) { delete(p, "sub") }, "valid"},
		"a later end outside": {
			func(p, vc object) { vc["expirationDate"] = "2026-12-01T00:00:00Z" },
			"invalid claims-mismatch",
		},
		"an end that is no time": {func(p, vc object) { p["exp"] = "never" }, "invalid claims-mismatch"},
		"no beginning":           {func(p, vc object) { delete(p, "nbf") }, "invalid not-an-open-badge"},
		"vc that is no object":   {func(p, vc object) { p["vc"] = []any{vc} }, "invalid malformed"},
		"an end that has passed": {func(p, vc object) { p["exp"] = today.Add(-time.Hour).Unix() }, "invalid expired"},
		"a year of five digits":  {func(p, vc object) { p["exp"] = 253402300801 }, "invalid claims-mismatch"},
	} {
		got := codes(
			Verify(
				old(c.change),
				Options{Trust: []Issuer{{ID: site, Keys: []string{inPEM(&rsaPrivate(t).PublicKey)}}}, At: today},
			),
		)
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestInvalidPinsAreRejected(t *testing.T) {
	small, _ := rsa.GenerateKey(rand.Reader, 1024)
	for _, s := range []string{"", "z6Mk", "did:key:", "zDnaekGZTbQBerwcehBSXLqAg6s55hVEBms1zFy89VHXtJSa", "did:web:",
		"did:web:lab.example:..", "did:web:lab example", "did:web:lab.example:a%2Fb", "did:web:a@lab.example",
		"https://",
		"http://lab.example/keys",
		"https://a:b@lab.example",
		"https://lab.example/keys#1",
		"-----BEGIN PUBLIC KEY-----",
		inPEM(key(t).private.Public()) + "more",
		strings.Replace(inPEM(key(t).private.Public()), "PUBLIC", "PRIVATE", 2)} {
		if err := CheckKey(s); err == nil {
			t.Errorf("%.60q is taken for a key", s)
		}
	}
	if small != nil {
		if err := CheckKey(inPEM(&small.PublicKey)); err == nil {
			t.Error("an RSA key of 1,024 bits was accepted")
		}
	}
	for want, in := range map[string]string{
		"https://lab.example/.well-known/did.json": "did:web:lab.example",
		"https://lab.example:8443/a/b/did.json":    "did:web:lab.example%3A8443:a:b",
	} {
		if got, err := webDID(in); got != want || err != nil {
			t.Errorf("%s: %s %v", in, got, err)
		}
	}
	for _, did := range []string{
		"did:web:ɐɐɐ%3A1",
		"did:web:ɐ%3a",
		"did:web:lab.example%3",
		"did:web:lab.example%",
		"did:web:lab.example%2F",
	} {
		if got, err := webDID(did); err == nil {
			t.Errorf("%s: accepted as %s", did, got)
		}
	}
	for name, j := range map[string]object{"no point": {
		"kty": "EC",
		"crv": "P-256",
		"x":   b64(make([]byte, 32)),
		"y":   b64(make([]byte, 32)),
	}, "another curve": {"kty": "EC", "crv": "secp256k1"},
		"short":              {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
		"even":               {"kty": "RSA", "n": b64(append([]byte{255}, make([]byte, 255)...)), "e": "AQAB"},
		"an exponent of one": {"kty": "RSA", "n": b64(rsaPrivate(t).N.Bytes()), "e": "AQ"}, "huge": {
			"kty": "RSA",
			"n":   strings.Repeat("_", 100000),
			"e":   "AQAB",
		}, "a huge exponent": {"kty": "RSA", "n": b64(rsaPrivate(t).N.Bytes()), "e": b64(make([]byte, 9))}} {
		if _, err := parseJWK(j); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// The test reads the keys of RFC 7517, appendix A.1, and of RFC 8037, appendix A.2.
func TestPublishedJWKsAreRead(t *testing.T) {
	const set = `{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
		"y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"},
		{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWK` +
		`RXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMic` +
		`AtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3` +
		`XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
		"e":"AQAB","alg":"RS256","kid":"2011-04-29"},
		{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
	doc, err := ld.Parse([]byte(set))
	if err != nil {
		t.Fatal(err)
	}
	pins, err := parseJWKS(doc)
	if err != nil || len(pins) != 2 || pins[0].id != "2011-04-29" || pins[0].key.(*rsa.PublicKey).E != 65537 ||
		!isEd25519(pins[1].key) {
		t.Errorf("%v %v", pins, err)
	}
}

func FuzzPins(f *testing.F) {
	f.Add(
		`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`,
		"https://lab.example/keys",
	)
	f.Add(
		`{"id":"did:web:lab.example","verificationMethod":[{"id":"#1","controller":"did:web:lab.example",`+
			`"publicKeyMultibase":"z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi"}],"assertionMethod":["#1"]}`,
		"did:web:lab.example",
	)
	f.Add(
		`{"id":"https://lab.example/i","publicKey":{"owner":"https://lab.example/i","publicKeyPem":"-----BEGIN PUBLIC `+
			`KEY-----\n-----END PUBLIC KEY-----"}}`,
		"https://lab.example/i",
	)
	f.Fuzz(func(t *testing.T, doc, at string) {
		q := inquiry{o: Options{Trust: []Issuer{{ID: "i", Keys: []string{at}}}, At: today, Documents: everywhere(doc)}}
		pins, err := q.readPins("i")
		if len(pins) == 0 && err == nil {
			t.Fatal("readPins returned neither a key nor an error")
		}
		for _, p := range pins {
			if p.key == nil {
				t.Fatal("readPins returned a pin without a key")
			}
		}
		CheckKey(doc)
		parsePEM(doc)
	})
}

// everywhere is a Resolver that returns the same document for every address.
type everywhere string

func (e everywhere) Resolve(string) ([]byte, error) { return []byte(e), nil }

func ExampleIssuer() {
	trust := []Issuer{
		{
			ID:   "did:key:z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi",
			Keys: []string{"did:key:z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi"},
		},
		{ID: "did:web:lab.example", Keys: []string{"did:web:lab.example"}},
		{ID: "https://lab.example/issuer", Keys: []string{"https://lab.example/issuer", "https://lab.example/jwks.json"}},
	}
	for _, i := range trust {
		for _, k := range i.Keys {
			fmt.Println(CheckKey(k))
		}
	}
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// <nil>
}

func FuzzWebDID(f *testing.F) {
	for _, s := range []string{
		"did:web:lab.example%3A8443:a",
		"did:web:ɐɐɐ%3A1",
		"did:web:evil.example%2F..",
		"did:web:",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, did string) {
		address, err := webDID(did)
		if err != nil {
			return
		}
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || path.Clean(u.Path) != u.Path {
			t.Errorf("%q leads to %q: %v", did, address, err)
		}
	})
}
