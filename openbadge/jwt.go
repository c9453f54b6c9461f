package openbadge

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"time"

	"portillon/openbadge/internal/ld"
)

// jwt is a VC-JWT (Open Badges 3.0, section 8.2; VC-JOSE): header, payload, signature. The payload is the credential, with
// registered claims beside its own words.
type jwt struct {
	alg, kid string
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
	return &jwt{ld.Str(h, "alg"), ld.Str(h, "kid"), payload, b[:len(parts[0])+1+len(parts[1])], raw[2]}, nil
}

// claims are the registered claims that stand beside the credential (RFC 7519, section 4.1).
var claims = []string{"iss", "jti", "sub", "nbf", "exp", "iat", "aud"}

// credential is the payload without its claims.
func (t *jwt) credential() (object, error) {
	if t.payload["vc"] != nil {
		return nil, fault("unsupported-form", "a VC-JWT of the data model 1.1: this version reads 2.0")
	}
	doc := t.payload
	for _, c := range claims {
		doc = ld.Without(doc, c)
	}
	return doc, nil
}

// token checks the envelope's signature with the pinned keys, and that the claims say what the credential says.
func (q *inquiry) token(t *jwt) error {
	if t.alg != "EdDSA" && t.alg != "Ed25519" {
		return fault("unsupported-proof", "a JWT signed with %.20q: this version verifies EdDSA", t.alg)
	}
	pins, err := q.pins(q.Badge.IssuerID)
	if err != nil {
		return err
	}
	err = checkSignature(t.kid, pins, func(k crypto.PublicKey) bool { return verifyEd25519(k, t.signed, t.sig) })
	if err != nil {
		return err
	}
	return t.agrees(q.Badge)
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
