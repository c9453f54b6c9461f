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

// Issuer is a trusted issuer with the only keys that count for it.
type Issuer struct {
	ID string // issuer.id in its credentials: a DID or a URL
	// Keys have one of these kinds, detected by their form:
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
	// Status List 1.0, section 2.2: the two "MAY be different"). The issuer's own lists always count.
	StatusIssuers []string
}

// pin is a key that counts for an issuer.
type pin struct {
	key crypto.PublicKey // ed25519.PublicKey; *ecdsa.PublicKey on P-256 or P-384; *rsa.PublicKey
	id  string           // verification method or kid in the key's document; empty: any name is accepted
}

// CheckKey checks that a key of a trust file has one of the forms that Issuer lists. It makes no requests.
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

// webDID returns the address of the document for a did:web (did:web method specification, section 2.5.2). Only the
// colon before a port is escaped, so that no escape can lead to another host or path than the visible one.
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
		// Compute the offset in s itself: an upper-case copy can be longer ("ɐ" has two bytes, its capital three).
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

// pins returns the keys of an issuer. It fails if no key can be read. If only some cannot be read, pins stores the
// error for open: a signature that matches no readable key may still be the issuer's.
func (q *inquiry) pins(id string) ([]pin, error) {
	var all []pin
	found := false
	var unread error
	for _, i := range q.o.Trust {
		if i.ID != id {
			continue
		}
		found = true
		for _, s := range i.Keys {
			keys, err := q.pin(s)
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

// open returns err, or the fault of the unreadable pinned keys if these keys may be the cause. They cannot be the cause
// if the method itself contains the signing key and the signature is wrong.
func (q *inquiry) open(method string, err error) error {
	_, named := methodKey(method)
	if q.unread != nil && (isFault(err, "key-not-pinned") || isFault(err, "bad-signature") && !named) {
		return q.unread
	}
	return err
}

// pin returns the keys of one entry of Issuer.Keys.
func (q *inquiry) pin(s string) ([]pin, error) {
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
		return q.published(at, s)
	case strings.HasPrefix(s, "https://"):
		return q.published(s, s)
	}
	k, _ := parseMultikey(s) // CheckKey has checked it
	return []pin{{key: k}}, nil
}

// published returns the keys in the document at a URL. The document must have the given id; a JWKS has none.
func (q *inquiry) published(at, id string) ([]pin, error) {
	doc, err := q.trusted(at)
	if err != nil {
		return nil, err
	}
	if _, isSet := doc["keys"].([]any); isSet && strings.HasPrefix(id, "https://") {
		return jwks(doc)
	}
	if ld.Str(doc, "id") != id {
		return nil, fmt.Errorf("the document at %s has the id %.100q", at, ld.Str(doc, "id"))
	}
	keys := q.methods(doc, id)
	old, err := q.profileKeys(doc, id)
	if keys = append(keys, old...); len(keys) == 0 {
		if err == nil {
			err = fmt.Errorf("the document at %s lists no key for signing badges", at)
		}
		return nil, err
	}
	return keys, nil
}

// trusted returns a JSON document that our trust settings name.
func (q *inquiry) trusted(at string) (object, error) {
	data, err := q.onTheWeb(at)
	if err != nil {
		return nil, err
	}
	doc, err := ld.Parse(data)
	if err == nil && isOpenBadges2(doc) {
		return ob2Plain(doc)
	}
	return doc, err
}

// methods returns the verification methods for assertions in a document (Controlled Identifiers 1.0, section 2.2) that
// belong to the document's owner and are neither revoked nor expired.
func (q *inquiry) methods(doc object, id string) []pin {
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
		if !ok || ld.Str(m, "controller") != id || q.over(m, "revoked") || q.over(m, "expires") {
			continue
		}
		if k, ok := methodsKey(m); ok {
			out = append(out, pin{k, absoluteID(ld.Str(m, "id"), id)})
		}
	}
	return out
}

// absoluteID completes an id that is only a fragment.
func absoluteID(s, id string) string {
	if strings.HasPrefix(s, "#") {
		return id + s
	}
	return s
}

// methodsKey returns the key of a verification method, in one of two forms.
func methodsKey(m object) (crypto.PublicKey, bool) {
	if s := ld.Str(m, "publicKeyMultibase"); s != "" {
		return parseMultikey(s)
	}
	if j := ld.Obj(m, "publicKeyJwk"); j != nil {
		k, err := parseJWK(j)
		return k, err == nil
	}
	return nil, false
}

// over reports whether the time at key has passed. Without a clock, it reports whether the key exists. An unreadable
// time counts as passed.
func (q *inquiry) over(m object, key string) bool {
	if m[key] == nil {
		return false
	}
	t, err := date(m, key)
	return err != nil || q.o.At.IsZero() && key == "revoked" || !q.o.At.IsZero() && !t.After(q.o.At)
}

// profileKeys returns the keys of an Open Badges profile (Open Badges 2.0, CryptographicKey), embedded or at their own
// addresses.
func (q *inquiry) profileKeys(doc object, id string) (out []pin, err error) {
	for _, x := range ld.List(doc["publicKey"]) {
		key, ok := x.(object)
		if at, isURL := x.(string); isURL {
			var e error
			if key, e = q.trusted(at); e != nil || ld.Str(key, "id") != at {
				err = fmt.Errorf("the key at %.100q: %w", at, orElse(e, "the document has another id"))
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

// orElse returns err, or a new error with the text what if err is nil.
func orElse(err error, what string) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%s", what)
}

// checkSignature tries the pinned keys. If one has the method that the presenter names, only that one is tried. A key
// that only the presenter names is also tried, to report the right reason, but never counts.
func checkSignature(method string, pins []pin, verifies func(crypto.PublicKey) bool) error {
	named, hasNamed := methodKey(method)
	return checkNamed(method, named, hasNamed, pins, verifies)
}

// checkNamed is checkSignature with the key of the method.
func checkNamed(
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
		if (!hasNamed || same(p.key, named)) && (!exact || p.id == method) && verifies(p.key) {
			return nil
		}
	}
	if hasNamed && verifies(named) {
		return fault("key-not-pinned", "the signature is correct, but its key is not pinned to the issuer: %.100q", method)
	}
	return fault("bad-signature", "no pinned key of the issuer made the signature")
}

// same reports whether two keys are equal.
func same(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// methodKey returns the key that a verification method contains in its own id, if there is one.
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

// verifyEd25519 checks an Ed25519 signature, and returns false for other kinds of keys.
func verifyEd25519(k crypto.PublicKey, message, sig []byte) bool {
	e, ok := k.(ed25519.PublicKey)
	return ok && len(sig) == ed25519.SignatureSize && ed25519.Verify(e, message, sig)
}
