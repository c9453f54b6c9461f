package openbadge

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"portillon/openbadge/internal/ld"
)

// jwt is a VC-JWT (Open Badges 3.0, section 8.2; VC-JOSE) or the JWS of an Open Badges 2.0 assertion: header, payload, signature.
type jwt struct {
	alg, kid string
	jwk      object // a key that the header carries: it says which key signed, and never that it counts
	payload  object
	signed   []byte
	sig      []byte
}

// parseJWT reads the compact form. Which keys count is not its affair: a key in the header never does.
func parseJWT(b []byte) (*jwt, error) {
	if len(b) > MaxBytes {
		return nil, fault("too-complex", "%d bytes: at most %d are read", len(b), MaxBytes)
	}
	parts := bytes.SplitN(b, []byte("."), 4)
	if len(parts) != 3 || bytes.ContainsAny(b, "\r\n") { // Go's base64 passes over line ends
		return nil, fault("malformed", "it is neither JSON nor a JWT")
	}
	var raw [3][]byte
	for i, p := range parts {
		var err error
		if raw[i], err = base64.RawURLEncoding.Strict().DecodeString(string(p)); err != nil {
			return nil, fault("malformed", "it is no JWT: part %d is not base64url", i+1)
		}
	}
	h, err := ld.Parse(raw[0])
	if err != nil {
		return nil, err
	}
	_, crit := h["crit"]
	if _, b64 := h["b64"]; crit || b64 {
		return nil, fault("unsupported-form", "its header holds critical extensions (RFC 7515, section 4.1.11)")
	}
	switch ld.Str(h, "typ") {
	case "", "JWT", "jwt", "vc+jwt", "vc+ld+jwt":
	default:
		return nil, fault("unsupported-form", "a token of type %.40q", ld.Str(h, "typ"))
	}
	payload, err := ld.Parse(raw[1])
	if err != nil {
		return nil, err
	}
	return &jwt{ld.Str(h, "alg"), ld.Str(h, "kid"), ld.Obj(h, "jwk"), payload, b[:len(parts[0])+1+len(parts[1])], raw[2]}, nil
}

// claims are the registered claims that stand beside the credential (RFC 7519, section 4.1).
var claims = []string{"iss", "jti", "sub", "nbf", "exp", "iat", "aud"}

// credential is the payload without its claims; of the data model 1.1, what stands under vc, with what the claims say in its place
// (Verifiable Credentials Data Model 1.1, section 6.3.1).
func (t *jwt) credential() (object, error) {
	if t.payload["vc"] != nil {
		return t.enclosed()
	}
	doc := t.payload
	for _, c := range claims {
		doc = ld.Without(doc, c)
	}
	return doc, nil
}

func (t *jwt) enclosed() (object, error) {
	vc, ok := t.payload["vc"].(object)
	if !ok {
		return nil, fault("malformed", "vc is no object")
	}
	doc := maps.Clone(vc)
	set := func(o object, key string, v any) {
		if o[key] == nil && v != nil {
			o[key] = v
		}
	}
	set(doc, "id", t.payload["jti"])
	set(doc, "issuer", t.payload["iss"])
	if subject, ok := doc["credentialSubject"].(object); ok {
		subject = maps.Clone(subject)
		set(subject, "id", t.payload["sub"])
		doc["credentialSubject"] = subject
	}
	for claim, word := range map[string]string{"nbf": "issuanceDate", "exp": "expirationDate"} {
		if sec, ok := seconds(t.payload[claim]); ok {
			set(doc, word, time.Unix(sec, 0).UTC().Format(time.RFC3339))
		}
	}
	return doc, nil
}

// seconds is a NumericDate (RFC 7519, section 2) of a year that RFC 3339 can write, in whole seconds.
func seconds(v any) (int64, bool) {
	n, ok := v.(json.Number)
	sec, err := n.Int64()
	return sec, ok && err == nil && sec > 0 && sec < 253402300800
}

// token checks the envelope's signature with the pinned keys, and that the claims say what the credential says.
func (q *inquiry) token(t *jwt) error {
	pins, err := q.pins(q.Badge.IssuerID)
	if err != nil {
		return err
	}
	if err := q.open(t.kid, t.signedBy(pins)); err != nil {
		return err
	}
	return t.agrees(q.Badge)
}

// signedBy checks the signature with the given keys. The header's algorithm must be the one that the key is for.
func (t *jwt) signedBy(pins []pin) error {
	if !slices.Contains(algorithms[:], t.alg) {
		return fault("unsupported-proof", "a JWT signed with %.20q: %q are verified", t.alg, algorithms)
	}
	named, hasNamed := methodKey(t.kid)
	if k, err := parseJWK(t.jwk); err == nil && !hasNamed {
		named, hasNamed = k, true
	}
	return checkNamed(t.kid, named, hasNamed, pins, t.verifies)
}

// algorithms are the signatures that are verified (RFC 7518, section 3.1; RFC 8037; RFC 9864).
var algorithms = [...]string{"RS256", "ES256", "ES384", "EdDSA", "Ed25519"}

// verifies reports whether k made the signature, by the algorithm that the header names. No key takes two of them.
func (t *jwt) verifies(k crypto.PublicKey) bool {
	switch k := k.(type) {
	case ed25519.PublicKey:
		return (t.alg == "EdDSA" || t.alg == "Ed25519") && verifyEd25519(k, t.signed, t.sig)
	case *rsa.PublicKey:
		return t.alg == "RS256" && rsa.VerifyPKCS1v15(k, crypto.SHA256, sum(crypto.SHA256, t.signed), t.sig) == nil
	case *ecdsa.PublicKey:
		s, ok := nist(k)
		return ok && t.alg == map[crypto.Hash]string{crypto.SHA256: "ES256", crypto.SHA384: "ES384"}[s.hash] && s.verify(t.signed, t.sig)
	}
	return false
}

func (t *jwt) agrees(b *Badge) error {
	for claim, want := range map[string]string{"iss": b.IssuerID, "jti": b.ID, "sub": b.Subject} {
		got, there := t.payload[claim]
		if there && got != want {
			return fault("claims-mismatch", "%s is not what the credential says", claim)
		}
	}
	for claim, want := range map[string]time.Time{"nbf": b.ValidFrom, "exp": b.ValidUntil} {
		n, there := t.payload[claim]
		if !there {
			continue
		}
		num, ok := n.(json.Number)
		sec, err := num.Int64()
		if !ok || err != nil || sec != want.Unix() || want.IsZero() {
			return fault("claims-mismatch", "%s is not what the credential says", claim)
		}
	}
	return nil
}
