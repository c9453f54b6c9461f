package openbadge

import (
	"crypto"
	"encoding/hex"
	"net/url"
	"path"
	"slices"
	"strings"

	"portillon/openbadge/internal/ld"
)

// ob2Context is the SHA-256 hash of the canonical JSON of the Open Badges 2.0 context; some documents embed this
// context. The package accepts no other embedded context, because it could change the meaning of a key such as
// "expires".
const ob2Context = "f0e3d4893d6d879fa78b384d58ead36bfc38a6891ff224efb410f59eb484f8df"

// isPublishedContext reports whether an embedded context is the published context.
func isPublishedContext(context any) bool {
	o, ok := context.(object)
	if !ok {
		return false
	}
	text, err := ld.JCS(o)
	return err == nil && hex.EncodeToString(hashOf(crypto.SHA256, text)) == ob2Context
}

// ob2Keys lists the keys of Open Badges 2.0 that this package reads, in lower case. The package rejects other
// spellings of these keys, because it would ignore their values.
var ob2Keys = [...]string{
	"allowedorigins", "badge", "claim", "criteria", "description", "email", "endorsement", "evidence", "expires",
	"hashed", "id", "identity", "image", "issuedon", "issuer", "name", "narrative", "publickey", "recipient",
	"revocationlist", "revocationreason", "revoked", "revokedassertions", "salt", "startswith", "type", "uid",
	"url", "verification", "verify",
}

// checkOB2Keys checks the context of a document, and returns an error if a key differs from a known key only by its
// spelling. Issuers may add other keys, and extensions have keys of their own.
func checkOB2Keys(doc object) error {
	for k, v := range doc {
		switch {
		case strings.HasPrefix(k, "extensions:"):
			if err := checkExtension(k, v); err != nil {
				return err
			}
		case strings.Contains(k, ":"):
			return fault("unknown-term", "the key %.60q could be an alias of a known key", k)
		case slices.Contains(ob2Keys[:], strings.ToLower(k)) && k != correctSpelling(strings.ToLower(k)):
			return fault("unknown-term", "%.60q is not a key of Open Badges 2.0", k)
		}
	}
	for _, c := range ld.List(doc["@context"]) {
		if s, ok := c.(string); ok && slices.Contains(ob2Contexts[:], s) || isPublishedContext(c) {
			continue
		} else if ok {
			return fault("unknown-context", "unknown context %.200q", s)
		}
		return fault("unknown-context", "the embedded context differs from the published one")
	}
	return nil
}

// correctSpelling returns the correct spelling of a key in ob2Keys.
func correctSpelling(lower string) string {
	for _, c := range camelCaseKeys {
		if strings.ToLower(c) == lower {
			return c
		}
	}
	return lower
}

// camelCaseKeys lists the keys in ob2Keys that have capitals.
var camelCaseKeys = [...]string{
	"allowedOrigins",
	"issuedOn",
	"publicKey",
	"revocationList",
	"revocationReason",
	"revokedAssertions",
	"startsWith",
}

// checkExtension checks the form of an extension (Open Badges 2.0, Extensions): an object with its own context and a
// type in addition to Extension. checkExtension ignores the content of an extension.
func checkExtension(name string, v any) error {
	for _, x := range ld.List(v) {
		o, ok := x.(object)
		types := ld.List(o["type"])
		known := slices.ContainsFunc(
			types,
			func(t any) bool { s, _ := t.(string); return strings.HasPrefix(s, "extensions:") },
		)
		if !ok || o["@context"] == nil || !hasText(o["type"], "Extension") || !known {
			return fault("malformed", "extension %.60q is incomplete, want a context and the types Extension and extensions:…",
				name)
		}
	}
	return nil
}

// ob2Types lists the types of Open Badges 2.0 and of its predecessors.
var ob2Types = map[string]Kind{
	"Assertion":          BadgeKind,
	"BadgeClass":         ClassKind,
	"Issuer":             ProfileKind,
	"Profile":            ProfileKind,
	"Endorsement":        EndorsementKind,
	"AlignmentObject":    DocumentKind,
	"Criteria":           DocumentKind,
	"Evidence":           DocumentKind,
	"Image":              DocumentKind,
	"IdentityObject":     DocumentKind,
	"CryptographicKey":   DocumentKind,
	"RevocationList":     DocumentKind,
	"VerificationObject": DocumentKind,
	"Extension":          DocumentKind,
}

// ob2Kind returns the kind of a document from its types. Each type of the document must be one of these types, or an
// absolute IRI that the issuer has defined.
func ob2Kind(doc object) (Kind, error) {
	kind := DocumentKind
	types := ld.List(doc["type"])
	if len(types) == 0 {
		return "", fault("malformed", "type is missing")
	}
	for _, x := range types {
		t, _ := x.(string)
		k, known := ob2Types[t]
		u, err := url.Parse(t)
		switch {
		case !known && (err != nil || !u.IsAbs() || u.Host == ""):
			return "", fault("unknown-term", "the type %.60q does not belong to Open Badges 2.0", t)
		case known && k != DocumentKind && kind != DocumentKind && kind != k:
			return "", fault("ambiguous", "the document is both a %s and a %s", kind, k)
		case known && k != DocumentKind:
			kind = k
		}
	}
	return kind, nil
}

// readAssertion reads the properties of the assertion, without its badge class and issuer.
func (b *Badge) readAssertion(doc object) (err error) {
	b.ID, b.UID = ld.Str(doc, "id"), ld.Str(doc, "uid")
	if err := requireNotRevoked(doc); err != nil {
		return err
	}
	if doc["issuedOn"] == nil {
		return fault("not-an-open-badge", "issuedOn is missing")
	}
	if b.ValidFrom, err = dateAt(doc, "issuedOn"); err != nil {
		return err
	}
	if b.ValidUntil, err = dateAt(doc, "expires"); err != nil {
		return err
	}
	image, _ := doc["image"].(string)
	if image == "" {
		image = ld.Str(ld.Obj(doc, "image"), "id")
	}
	switch {
	case b.ID == "":
		return fault("not-an-open-badge", "id is missing")
	case !b.ValidUntil.IsZero() && b.ValidUntil.Before(b.ValidFrom):
		return fault("malformed", "expires is before issuedOn")
	case strings.HasPrefix(image, "data:"):
		return fault("malformed", "the image of an assertion is embedded, want its address")
	}
	b.Image = image
	b.readEvidence2(doc)
	return b.readRecipient2(doc)
}

// readRecipient2 reads the recipient of an assertion.
func (b *Badge) readRecipient2(doc object) error {
	r, ok := doc["recipient"].(object)
	identity := ld.Str(r, "identity")
	hashed, isBool := r["hashed"].(bool)
	types := ld.List(r["type"])
	kind := ""
	if len(types) == 1 {
		kind, _ = types[0].(string)
	}
	if !ok || identity == "" || kind == "" || r["hashed"] != nil && !isBool {
		return fault("not-an-open-badge", "the recipient lacks identity or type, or hashed is neither true nor false")
	}
	if (kind == "id" || kind == "url") && !hashed {
		b.Subject = identity
	}
	b.Identifiers = []Identity{{Type: kind, Hash: identity, Hashed: hashed, Salt: ld.Str(r, "salt")}}
	return nil
}

// readEvidence2 reads the evidence and the narrative of an assertion.
func (b *Badge) readEvidence2(doc object) {
	for _, x := range ld.List(doc["evidence"]) {
		switch x := x.(type) {
		case string:
			b.Evidence = append(b.Evidence, Evidence{ID: x})
		case object:
			b.Evidence = append(b.Evidence, evidenceOf(x))
		}
	}
	if s := ld.Str(doc, "narrative"); s != "" {
		b.Evidence = append(b.Evidence, Evidence{Narrative: s})
	}
}

// readClass reads the badge class, which the assertion embeds or which was fetched from the address at.
func (b *Badge) readClass(class object, at string) error {
	if kind, err := ob2Kind(class); err != nil || kind != ClassKind {
		return fault("not-an-open-badge", "the assertion's badge is not a BadgeClass")
	}
	if err := requireClassProperties(class); err != nil {
		return err
	}
	b.AchievementID, b.AchievementName = ld.Str(class, "id"), ld.Str(class, "name")
	b.Description = ld.Str(class, "description")
	if b.AchievementID == "" {
		b.AchievementID = at
	}
	if b.Criteria, _ = class["criteria"].(string); b.Criteria == "" {
		c := ld.Obj(class, "criteria")
		if b.Criteria = ld.Str(c, "narrative"); b.Criteria == "" {
			b.Criteria = ld.Str(c, "id")
		}
	}
	b.Name = b.AchievementName
	return nil
}

// requireClassProperties checks that a badge class has the required properties.
func requireClassProperties(class object) error {
	if ld.Str(class, "id") == "" || ld.Str(class, "name") == "" || class["criteria"] == nil || class["issuer"] == nil {
		return fault("not-an-open-badge", "the badge class lacks id, name, criteria or issuer")
	}
	return nil
}

// verifyClass checks the form of a badge class, and that its issuer is a profile. verifyClass verifies only the class
// itself, and no badge of the class.
func (q *inquiry) verifyClass(doc object) error {
	if err := requireClassProperties(doc); err != nil {
		return err
	}
	issuer, _, err := q.followReference(doc["issuer"])
	if err != nil {
		return err
	}
	return requireProfileProperties(issuer)
}

// requireProfileProperties checks that a document is a profile with the required properties.
func requireProfileProperties(doc object) error {
	if kind, err := ob2Kind(doc); err != nil || kind != ProfileKind {
		return fault("not-an-open-badge", "the issuer is not a Profile")
	}
	if ld.Str(doc, "id") == "" || ld.Str(doc, "name") == "" {
		return fault("not-an-open-badge", "the profile lacks id or name")
	}
	return nil
}

// requireHostedAddress checks that the issuer's profile allows the address of an assertion. A profile is trusted only
// if it was read from an address that is pinned to the issuer.
func (w *issuer2) requireHostedAddress(id string) error {
	if !w.pinned {
		return fault("key-not-pinned",
			"the issuer's profile at %.200q is not pinned, as hosted badges require", w.at)
	}
	return w.requireIssuerAddress(id)
}

// requireIssuerAddress checks that an address belongs to the issuer (Open Badges 2.0, VerificationObject). The
// profile's properties startsWith and allowedOrigins say which addresses are allowed. If both properties are absent,
// the address must have the same host as the profile.
func (w *issuer2) requireIssuerAddress(address string) error {
	u, ok := parsePlainAddress(address)
	if !ok {
		return fault("hosted-elsewhere", "%.200q is not a plain web address", address)
	}
	v := ld.Obj(w.profile, "verification")
	starts, origins := ld.List(v["startsWith"]), ld.List(v["allowedOrigins"])
	within := func(x any) bool {
		s, _ := x.(string)
		p, ok := parsePlainAddress(s)
		return ok && p.Host == u.Host && strings.HasPrefix(u.Path, p.Path)
	}
	from := func(x any) bool {
		s, _ := x.(string)
		p, ok := parsePlainAddress("https://" + strings.TrimPrefix(strings.TrimPrefix(s, "https://"), "http://"))
		return ok && p.Host == u.Host
	}
	home, known := parsePlainAddress(w.at)
	switch {
	case len(starts) > 0 && !slices.ContainsFunc(starts, within), len(origins) > 0 && !slices.ContainsFunc(origins, from):
		return fault("hosted-elsewhere", "%.200q is outside the addresses that the issuer's profile allows", address)
	case len(starts)+len(origins) == 0 && (!known || home.Host != u.Host):
		return fault("hosted-elsewhere", "%.200q is not on the issuer's host", address)
	}
	return nil
}

// parsePlainAddress parses an address that all parsers read in the same way: without user name, fragment, relative
// segments and escapes. An http and an https address are equal here, because the request always uses https.
func parsePlainAddress(s string) (*url.URL, bool) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil ||
		u.Fragment != "" || u.Opaque != "" || u.RawPath != "" || strings.ContainsAny(s, "\\%") {
		return nil, false
	}
	if clean := path.Clean("/" + u.Path); u.Path != "" && clean != strings.TrimSuffix(u.Path, "/") && clean != u.Path {
		return nil, false
	}
	u.Host = strings.ToLower(u.Host)
	return u, true
}
