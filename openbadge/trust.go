package openbadge

import (
	"crypto"
	"crypto/ed25519"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"portillon/openbadge/internal/ld"
)

// Issuer is a trusted issuer. Only the keys in the field Keys are trusted for this issuer.
type Issuer struct {
	ID string // the value of issuer.id in the issuer's credentials: a DID or a URL
	// Each key has one of these kinds, which CheckKey detects by its form:
	//
	//	z6Mk…, did:key:z6Mk…         a multikey: Ed25519, P-256 or P-384
	//	did:web:lab.example          all keys in assertionMethod of its DID document
	//	https://lab.example/…        all keys in the document: a JWKS, a DID document, or an Open Badges profile.
	//	                             If it is the profile that ID names, its hosted badges count too
	//	-----BEGIN PUBLIC KEY-----…  a key in PEM: Ed25519, P-256, P-384, RSA of 2,048 to 8,192 bits
	//
	// Documents on the web are read through Options.Documents.
	Keys []string

	// StatusIssuers are the ids of other trusted issuers that may sign the status lists of this issuer's badges (Bitstring
	// Status List 1.0, section 2.2: the two "MAY be different"). The issuer's own lists are always accepted.
	StatusIssuers []string
}

// pin is a key that is trusted for an issuer.
type pin struct {
	key crypto.PublicKey // an ed25519.PublicKey, an *ecdsa.PublicKey on P-256 or P-384, or an *rsa.PublicKey
	// id of the verification method, or kid, in the document of the key; empty if any name is accepted
	id string
}

// CheckKey checks that a key in a trust file has one of the forms that Issuer lists. CheckKey makes no requests.
func CheckKey(s string) error {
	switch {
	case strings.HasPrefix(s, "-----BEGIN "):
		_, err := parsePEM(s)
		return err
	case strings.HasPrefix(s, "did:web:"):
		_, err := webDID(s)
		return err
	case strings.HasPrefix(s, "https://"):
		if u, err := url.Parse(s); err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
			return fmt.Errorf("invalid document address %q, want https://host/path", s)
		}
		return nil
	}
	if _, ok := parseMultikey(s); !ok {
		return fmt.Errorf(
			"invalid key %q, want did:key:z6Mk…, z6Mk…, did:web:host, https://… of a profile or JWKS, or a PEM public key",
			s,
		)
	}
	return nil
}

// webDID returns the address at which the document of a did:web is published (did:web method specification, section
// 2.5.2). Only the colon before a port may be escaped, so that readers of the DID see the real host and path.
func webDID(did string) (string, error) {
	parts := strings.Split(strings.TrimPrefix(did, "did:web:"), ":")
	host, ok := hostOfDID(parts[0])
	for _, p := range parts[1:] {
		ok = ok && p != "" && strings.Trim(p, ".") != "" && strings.Trim(p, plainChars) == ""
	}
	if !ok {
		return "", fmt.Errorf("invalid did:web %q, want did:web:host, did:web:host:path or did:web:host%%3A8443", did)
	}
	if len(parts) == 1 {
		return "https://" + host + "/.well-known/did.json", nil
	}
	return "https://" + host + "/" + strings.Join(parts[1:], "/") + "/did.json", nil
}

// plainChars are the characters of a DID without escapes (Decentralized Identifiers 1.0, section 3.1: idchar).
const plainChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"

// hostOfDID returns the host of a did:web, with its port if it has one.
func hostOfDID(s string) (string, bool) {
	at := strings.IndexByte(s, '%')
	name, port := s, ""
	if at >= 0 {
		// Calculate the offset in s itself, because an upper-case copy can be longer ("ɐ" has two bytes, its capital has
		// three).
		if !strings.EqualFold(s[at:min(at+len("%3A"), len(s))], "%3A") {
			return "", false
		}
		name, port = s[:at], s[at+len("%3A"):]
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || strings.Trim(label, plainChars) != "" {
			return "", false
		}
	}
	if at < 0 {
		return name, true
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return name + ":" + port, err == nil && n > 0
}

// readPins returns the trusted keys of an issuer, or an error if none of them can be read. If only some keys cannot
// be read, readPins stores the error for unreadError: a signature that matches no readable key may still be made with
// an unreadable key.
func (q *inquiry) readPins(id string) ([]pin, error) {
	var all []pin
	found := false
	var unread error
	for _, i := range q.o.Trust {
		if i.ID != id {
			continue
		}
		found = true
		for _, s := range i.Keys {
			keys, err := q.readPin(s)
			if err != nil {
				unread = fault("trust-unusable", "%.100q, pinned to %.100q: %v", s, id, err)
			}
			all = append(all, keys...)
		}
	}
	q.unread = unread
	switch {
	case !found:
		return nil, fault("issuer-not-trusted", "no trusted issuer has the id %.200q", id)
	case len(all) == 0 && unread != nil:
		return nil, unread
	}
	return all, nil
}

// unreadError returns err, or, if unreadable pinned keys may be the cause of err, the fault of these keys. The
// unreadable keys cannot be the cause if the verification method itself contains the signing key and the signature is
// wrong.
func (q *inquiry) unreadError(method string, err error) error {
	_, named := methodKey(method)
	if q.unread != nil && (isFault(err, "key-not-pinned") || isFault(err, "bad-signature") && !named) {
		return q.unread
	}
	return err
}

// readPin returns the keys that one entry of Issuer.Keys names.
func (q *inquiry) readPin(s string) ([]pin, error) {
	if err := CheckKey(s); err != nil {
		return nil, err
	}
	switch {
	case strings.HasPrefix(s, "-----BEGIN "):
		k, err := parsePEM(s)
		return []pin{{key: k}}, err
	case strings.HasPrefix(s, "did:web:"):
		at, err := webDID(s)
		if err != nil {
			return nil, err
		}
		return q.publishedKeys(at, s)
	case strings.HasPrefix(s, "https://"):
		return q.publishedKeys(s, s)
	}
	k, _ := parseMultikey(s) // CheckKey has already checked the form of this key
	return []pin{{key: k}}, nil
}

// publishedKeys returns the keys that the document at a URL contains. The document must have the given id, unless it
// is a JWKS, because a JWKS has no id.
func (q *inquiry) publishedKeys(at, id string) ([]pin, error) {
	doc, err := q.trustedDocument(at)
	if err != nil {
		return nil, err
	}
	if _, isSet := doc["keys"].([]any); isSet && strings.HasPrefix(id, "https://") {
		return parseJWKS(doc)
	}
	if ld.Str(doc, "id") != id {
		return nil, fmt.Errorf("document at %s has the wrong id %.100q", at, ld.Str(doc, "id"))
	}
	keys := q.assertionMethods(doc, id)
	old, err := q.profileKeys(doc, id)
	if keys = append(keys, old...); len(keys) == 0 {
		if err == nil {
			err = fmt.Errorf("document at %s lists no key for signing badges", at)
		}
		return nil, err
	}
	return keys, nil
}

// trustedDocument returns the JSON document at an address that the trust settings name.
func (q *inquiry) trustedDocument(at string) (object, error) {
	data, err := q.requestDocument(at)
	if err != nil {
		return nil, err
	}
	doc, err := ld.Parse(data)
	if err == nil && isOpenBadges2(doc) {
		return withoutAliases(doc)
	}
	return doc, err
}

// assertionMethods returns the verification methods for assertions in a document (Controlled Identifiers 1.0, section
// 2.2) that belong to the document's owner and are neither revoked nor expired.
func (q *inquiry) assertionMethods(doc object, id string) []pin {
	known := map[string]object{}
	for _, x := range ld.List(doc["verificationMethod"]) {
		if m, ok := x.(object); ok {
			known[absoluteID(ld.Str(m, "id"), id)] = m
		}
	}
	var out []pin
	for _, x := range ld.List(doc["assertionMethod"]) {
		m, ok := x.(object)
		if s, isRef := x.(string); isRef {
			m, ok = known[absoluteID(s, id)], known[absoluteID(s, id)] != nil
		}
		if !ok || ld.Str(m, "controller") != id || q.hasPassed(m, "revoked") || q.hasPassed(m, "expires") {
			continue
		}
		if k, ok := keyOfMethod(m); ok {
			out = append(out, pin{k, absoluteID(ld.Str(m, "id"), id)})
		}
	}
	return out
}

// absoluteID returns the absolute form of an id; the id may be only a fragment.
func absoluteID(s, id string) string {
	if strings.HasPrefix(s, "#") {
		return id + s
	}
	return s
}

// keyOfMethod returns the key of a verification method, which contains a multikey or a JWK.
func keyOfMethod(m object) (crypto.PublicKey, bool) {
	if s := ld.Str(m, "publicKeyMultibase"); s != "" {
		return parseMultikey(s)
	}
	if j := ld.Obj(m, "publicKeyJwk"); j != nil {
		k, err := parseJWK(j)
		return k, err == nil
	}
	return nil, false
}

// hasPassed reports whether the time in the property key has passed. If Options.At is zero, hasPassed reports whether
// the property exists. If the time cannot be read, hasPassed returns true.
func (q *inquiry) hasPassed(m object, key string) bool {
	if m[key] == nil {
		return false
	}
	t, err := dateAt(m, key)
	return err != nil || q.o.At.IsZero() && key == "revoked" || !q.o.At.IsZero() && !t.After(q.o.At)
}

// profileKeys returns the keys of an Open Badges profile (Open Badges 2.0, CryptographicKey); the profile contains
// the keys or their addresses.
func (q *inquiry) profileKeys(doc object, id string) (out []pin, err error) {
	for _, x := range ld.List(doc["publicKey"]) {
		key, ok := x.(object)
		if at, isURL := x.(string); isURL {
			var e error
			if key, e = q.trustedDocument(at); e != nil || ld.Str(key, "id") != at {
				err = fmt.Errorf("cannot use the key at %.100q: %w", at, orElse(e, "the document has another id"))
				continue
			}
			ok = true
		}
		if !ok || ld.Str(key, "owner") != id {
			continue
		}
		if k, e := parsePEM(ld.Str(key, "publicKeyPem")); e == nil {
			out = append(out, pin{k, ld.Str(key, "id")})
		} else {
			err = e
		}
	}
	return out, err
}

// orElse returns err, or, if err is nil, a new error with the text what.
func orElse(err error, what string) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%s", what)
}

// tryPins tries to verify a signature with the pinned keys. If the presenter names a method and a pinned key has this
// method, tryPins tries only this key. tryPins also tries a key that only the presenter names. Such a key is never
// accepted; the trial only serves to report the right reason.
func tryPins(method string, pins []pin, verifies func(crypto.PublicKey) bool) error {
	named, hasNamed := methodKey(method)
	return tryNamed(method, named, hasNamed, pins, verifies)
}

// tryNamed tries the pinned key that belongs to a verification method.
func tryNamed(
	method string,
	named crypto.PublicKey,
	hasNamed bool,
	pins []pin,
	verifies func(crypto.PublicKey) bool,
) error {
	exact := false
	for _, p := range pins {
		exact = exact || p.id != "" && p.id == method
	}
	for _, p := range pins {
		if (!hasNamed || equalKeys(p.key, named)) && (!exact || p.id == method) && verifies(p.key) {
			return nil
		}
	}
	if hasNamed && verifies(named) {
		return fault("key-not-pinned", "the signature is correct, but its key is not pinned to the issuer: %.100q", method)
	}
	return fault("bad-signature", "no pinned key of the issuer made the signature")
}

// equalKeys reports whether two keys are equal.
func equalKeys(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// methodKey returns the key that is contained in the id of a verification method, if there is one.
func methodKey(method string) (crypto.PublicKey, bool) {
	if k, ok := parseMultikey(method); ok {
		return k, true
	}
	_, frag, ok := strings.Cut(method, "#")
	if !ok {
		return nil, false
	}
	return parseMultikey(frag)
}

// verifyEd25519 checks an Ed25519 signature, and returns false if the key is of another kind.
func verifyEd25519(k crypto.PublicKey, message, sig []byte) bool {
	e, ok := k.(ed25519.PublicKey)
	return ok && len(sig) == ed25519.SignatureSize && ed25519.Verify(e, message, sig)
}
