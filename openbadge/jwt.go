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
	"math"
	"slices"
	"strings"
	"time"

	"portillon/openbadge/internal/ld"
)

// jwt is a VC-JWT (Open Badges 3.0, section 8.2; VC-JOSE), or the JWS of an Open Badges 2.0 assertion.
type jwt struct {
	alg, kid string
	jwk      object // the key in the header only identifies the key that signed; the package never trusts it
	payload  object
	signed   []byte
	sig      []byte
}

// parseJWT decodes a compact token of at most the given number of bytes. parseJWT does not check the signature.
func parseJWT(b []byte, most int) (*jwt, error) {
	if len(b) > most {
		return nil, fault("too-complex", "%d bytes, want at most %d", len(b), most)
	}
	parts := bytes.SplitN(b, []byte("."), 6)
	if len(parts) != 3 || bytes.ContainsAny(b, "\r\n~") { // Go's base64 decoder ignores line ends, so reject them first
		return nil, foreignTokenFault(b, parts)
	}
	var raw [3][]byte
	for i, p := range parts {
		var err error
		if raw[i], err = base64.RawURLEncoding.Strict().DecodeString(string(p)); err != nil {
			return nil, fault("malformed", "invalid JWT: part %d is not base64url", i+1)
		}
	}
	h, err := ld.Parse(raw[0])
	if err != nil {
		return nil, err
	}
	_, crit := h["crit"]
	if _, b64 := h["b64"]; crit || b64 {
		return nil, fault("unsupported-form", "JWT header has critical extensions (RFC 7515, section 4.1.11)")
	}
	if err := checkTokenType(h["typ"]); err != nil {
		return nil, err
	}
	payload, err := ld.ParseList(raw[1], maxListValues)
	if most <= MaxBytes {
		payload, err = ld.Parse(raw[1])
	}
	if err != nil {
		return nil, err
	}
	return &jwt{
		ld.Str(h, "alg"),
		ld.Str(h, "kid"),
		ld.Obj(h, "jwk"),
		payload,
		b[:len(parts[0])+1+len(parts[1])],
		raw[2],
	}, nil
}

// checkTokenType returns an error if the typ in the token's header is not a type of badges. The value of typ is a
// media type in upper or lower case, with or without "application/" (RFC 7515, section 4.1.9).
func checkTokenType(v any) error {
	typ, ok := v.(string)
	if v != nil && !ok {
		return fault("malformed", "typ in the JWT header is not a text")
	}
	switch kind := strings.TrimPrefix(strings.ToLower(typ), "application/"); {
	case slices.Contains(tokenTypes[:], kind):
		return nil
	case strings.Contains(kind, "sd-jwt"):
		return fault("unsupported-form", "selective disclosure (SD-JWT, RFC 9901) is not supported: ask for a VC-JWT")
	default:
		return fault("unsupported-form", "token has type %.40q, want one of %q", typ, tokenTypes[1:])
	}
}

// tokenTypes lists the accepted values of typ for badges: no value; JWT (Open Badges 3.0, section 8.2); the current
// and the former type of VC-JOSE; and JOSE, which only means that the token is compact.
var tokenTypes = [...]string{"", "jwt", "vc+jwt", "vc+ld+jwt", "vc+ld+json+jwt", "jose"}

// claims lists the registered claims that may be beside the credential (RFC 7519, section 4.1; RFC 7800: cnf).
var claims = [...]string{"iss", "jti", "sub", "nbf", "exp", "iat", "aud", "cnf"}

// credential returns the payload of the token without its registered claims. In the data model 1.1, the credential is
// the value of vc (Verifiable Credentials Data Model 1.1, section 6.3.1). In both models, claims supply the values
// that the credential lacks (Open Badges 3.0, "JSON Web Token Claims": each "MUST be used to set the value" of its
// property). If a claim and a value of the credential are both present, compareClaims compares them.
func (t *jwt) credential() (object, error) {
	doc := t.payload
	if vc := doc["vc"]; vc != nil {
		o, ok := vc.(object)
		if !ok {
			return nil, fault("malformed", "vc is not an object")
		}
		return t.addClaims(maps.Clone(o))
	}
	doc = maps.Clone(doc)
	for _, c := range claims {
		delete(doc, c)
	}
	if isOpenBadges2(doc) || isOpenBadges1(doc) {
		return doc, nil
	}
	return t.addClaims(doc)
}

// addClaims adds to the credential those values that only the claims contain. doc belongs to the caller and must not
// be changed.
func (t *jwt) addClaims(doc object) (object, error) {
	set := func(o object, key string, v any) {
		if o[key] == nil && v != nil {
			o[key] = v
		}
	}
	set(doc, "id", t.payload["jti"])
	set(doc, "issuer", t.payload["iss"])
	for word, claim := range map[string]string{"issuer": "iss", "credentialSubject": "sub"} {
		if o := singleObject(doc[word]); o != nil && t.payload[claim] != nil {
			o = maps.Clone(o)
			set(o, "id", t.payload[claim])
			doc[word] = o
		}
	}
	from, until := "validFrom", "validUntil"
	if hasText(doc["@context"], modelOne) {
		from, until = "issuanceDate", "expirationDate"
	}
	// The claim iat is the time at which the issuer made the token. Use iat as the start only if no other value gives a
	// start.
	for _, c := range [...]struct{ claim, word string }{{"nbf", from}, {"iat", from}, {"exp", until}} {
		v := t.payload[c.claim]
		if v == nil {
			continue
		}
		at, ok := numericDate(v)
		if !ok {
			return nil, fault("claims-mismatch", "%s is not a time in seconds (RFC 7519, section 2: NumericDate)", c.claim)
		}
		set(doc, c.word, at.Format(time.RFC3339Nano))
	}
	return doc, nil
}

// numericDate converts a NumericDate (RFC 7519, section 2), which must be in the years 1 to 9999. numericDate accepts
// any JSON number, for example 1.7408196e9, and keeps fractions of a second down to microseconds.
func numericDate(v any) (time.Time, bool) {
	n, ok := v.(json.Number)
	f, err := n.Float64()
	const first, last = -62135596800, 253402300800 // range of the years 1 to 9999, in seconds since 1970
	if !ok || err != nil || f <= first || f >= last {
		return time.Time{}, false
	}
	whole := math.Floor(f)
	return time.Unix(int64(whole), int64((f-whole)*1e6)*1000).UTC(), true
}

// checkToken checks the token's signature with the pinned keys, and compares the claims with the credential.
func (q *inquiry) checkToken(t *jwt) error {
	pins, err := q.readPins(q.Badge.IssuerID)
	if err != nil {
		return err
	}
	if err := q.unreadError(t.kid, t.checkSignature(pins)); err != nil {
		return err
	}
	return t.compareClaims(q.Badge)
}

// checkSignature verifies the token's signature with the given keys. The algorithm that the header names must be the
// algorithm of the key.
func (t *jwt) checkSignature(pins []pin) error {
	if !slices.Contains(algorithms[:], t.alg) {
		return fault("unsupported-proof", "JWT is signed with %.20q, want one of %q", t.alg, algorithms)
	}
	named, hasNamed := methodKey(t.kid)
	if k, err := parseJWK(t.jwk); err == nil && !hasNamed {
		named, hasNamed = k, true
	}
	return tryNamed(t.kid, named, hasNamed, pins, t.verifies)
}

// algorithms lists the supported signature algorithms (RFC 7518, section 3.1; RFC 8037; RFC 9864).
var algorithms = [...]string{"RS256", "ES256", "ES384", "EdDSA", "Ed25519"}

// verifies reports whether the key k made the signature with the algorithm that the header names. Each kind of key
// has exactly one algorithm.
func (t *jwt) verifies(k crypto.PublicKey) bool {
	switch k := k.(type) {
	case ed25519.PublicKey:
		return (t.alg == "EdDSA" || t.alg == "Ed25519") && verifyEd25519(k, t.signed, t.sig)
	case *rsa.PublicKey:
		return t.alg == "RS256" && rsa.VerifyPKCS1v15(k, crypto.SHA256, hashOf(crypto.SHA256, t.signed), t.sig) == nil
	case *ecdsa.PublicKey:
		s, ok := ecdsaScheme(k)
		return ok && t.alg == map[crypto.Hash]string{
			crypto.SHA256: "ES256",
			crypto.SHA384: "ES384",
		}[s.hash] && s.verify(t.signed, t.sig)
	}
	return false
}

// compareClaims compares the token's claims with the values in the badge.
func (t *jwt) compareClaims(b *Badge) error {
	for claim, want := range map[string]string{"iss": b.IssuerID, "jti": b.ID, "sub": b.Subject} {
		if got := t.payload[claim]; got != nil && got != want {
			return fault("claims-mismatch", "%s differs from the credential", claim)
		}
	}
	for claim, want := range map[string]time.Time{"nbf": b.ValidFrom, "exp": b.ValidUntil} {
		v := t.payload[claim]
		if v == nil {
			continue
		}
		if at, ok := numericDate(v); !ok || at.Unix() != want.Unix() || want.IsZero() {
			return fault("claims-mismatch", "%s differs from the credential", claim)
		}
	}
	return nil
}
