package openbadge

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"portillon/openbadge/internal/ld"
)

// ob2Contexts are the addresses of the context of Open Badges 2.0. The specification names two addresses of this
// context, and issuers use both.
var ob2Contexts = [...]string{"https://w3id.org/openbadges/v2", "https://openbadgespec.org/v2/context.json"}

// isOpenBadges2 reports whether a document has the context of Open Badges 2.0, as an address or as an embedded context.
func isOpenBadges2(doc object) bool {
	return slices.ContainsFunc(ld.List(doc["@context"]), func(c any) bool {
		if s, ok := c.(string); ok {
			return slices.Contains(ob2Contexts[:], s)
		}
		return isPublishedContext(c)
	})
}

// verifyOB2 verifies a document of Open Badges 2.0. Such a document is plain JSON, and a signature covers the bytes
// of the document. If the badge is not signed, only the document at the badge's own address is trusted.
func (q *inquiry) verifyOB2(doc object, token *jwt) {
	q.Form = "ob2 json"
	if token != nil {
		q.Form = "ob2 jws"
	}
	doc, err := withoutAliases(doc)
	if err == nil {
		err = checkOB2Keys(doc)
	}
	if !q.check("contexts", err) {
		return
	}
	kind, err := ob2Kind(doc)
	if q.Kind = kind; !q.check("type", err) {
		return
	}
	switch kind {
	case BadgeKind:
		q.verifyAssertion(doc, token)
	case ClassKind:
		q.check("badge-class", q.verifyClass(doc))
	case ProfileKind:
		q.check("profile", requireProfileProperties(doc))
	case EndorsementKind:
		q.check("endorsement", fault("unsupported-form", "an Open Badges 2.0 endorsement cannot be verified alone"))
	}
}

// verifyAssertion verifies a badge that is either signed or hosted at its own address.
func (q *inquiry) verifyAssertion(doc object, token *jwt) {
	hosted := token == nil
	if err := checkVerificationForm(doc, hosted); !q.check("form", err) {
		return
	}
	if hosted {
		err := q.requireHostingIssuer()
		if err == nil {
			doc, err = q.fetchHosted(doc)
		}
		if !q.check("hosted", err) {
			return
		}
	}
	b := &Badge{}
	if err := b.readAssertion(doc); !q.check("badge", err) {
		return
	}
	who, err := q.readClassAndIssuer(doc, b)
	if !q.check("issuer", err) {
		return
	}
	q.Badge = b
	if hosted {
		q.Assurance = Hosted
		q.proved = q.check("scope", who.requireHostedAddress(b.ID))
	} else {
		q.Assurance = Signed
		q.proved = q.check("proof", q.checkSignature2(doc, token, who))
		if list := ld.Str(who.profile, "revocationList"); list != "" {
			b.Status = []StatusEntry{{Type: RevocationList2Type, List: list}}
		}
	}
	q.checkValidity()
	q.noteUnchecked(doc)
	q.checkStatuses()
	q.checkRecipient()
}

// checkVerificationForm compares the property verification of an assertion with the form in which the assertion was
// presented (signed or plain JSON).
func checkVerificationForm(doc object, hosted bool) error {
	v, ok := doc["verification"].(object)
	if !ok {
		return fault("not-an-open-badge", "verification is missing")
	}
	isHosted := hasText(v["type"], "hosted") || hasText(v["type"], "HostedBadge")
	isSigned := hasText(v["type"], "signed") || hasText(v["type"], "SignedBadge")
	switch {
	case isHosted == isSigned:
		return fault("malformed", "verification is neither hosted nor signed, or both")
	case hosted && isSigned:
		return fault("no-proof", "the badge is declared as signed, but has no signature")
	case !hosted && isHosted:
		return fault("claims-mismatch", "the badge is declared as hosted, but has a signature")
	}
	return nil
}

// requireHostingIssuer returns an error if no trusted issuer pins a profile address, so that no hosted badge could be
// valid. If no hosted badge could be valid, no address may be fetched, because the presenter chose the address.
func (q *inquiry) requireHostingIssuer() error {
	for _, i := range q.o.Trust {
		if slices.ContainsFunc(i.Keys, func(k string) bool { return strings.HasPrefix(k, "https://") }) {
			return nil
		}
	}
	return fault("issuer-not-trusted", "no trusted issuer's profile is pinned by its address, as hosted badges require")
}

// fetchHosted returns the assertion that is hosted at the badge's own address. From the presented copy of the
// assertion, fetchHosted uses only the address.
func (q *inquiry) fetchHosted(doc object) (object, error) {
	id := ld.Str(doc, "id")
	found, err := q.fetchDocument(id)
	if err != nil {
		return nil, err
	}
	if err := requireNotRevoked(found); err != nil {
		return nil, err
	}
	if ld.Str(found, "id") != id {
		return nil, fault("not-hosted", "the document at %.200q has the id %.200q", id, ld.Str(found, "id"))
	}
	if !isOpenBadges2(found) {
		return nil, fault("unknown-context", "the document at %.200q does not have the context of Open Badges 2.0", id)
	}
	if err := checkOB2Keys(found); err != nil {
		return nil, err
	}
	if kind, err := ob2Kind(found); err != nil || kind != BadgeKind {
		return nil, fault("not-hosted", "the document at %.200q is not an assertion", id)
	}
	return found, checkVerificationForm(found, true)
}

// requireNotRevoked checks the property revoked of an assertion (Open Badges 2.0, section 4.1: a boolean). The badge
// is not revoked only if the property is absent or false. The context defines revoked as xsd:boolean, so "true", 1
// and "1" also mean that the badge is revoked. Every other value is malformed.
func requireNotRevoked(doc object) error {
	switch v := doc["revoked"]; v {
	case nil, false:
		return nil
	case true, "true", "1", json.Number("1"):
		return fault("revoked", "%s", strings.TrimSpace(ld.Str(doc, "id")+" "+ld.Str(doc, "revocationReason")))
	default:
		return fault("malformed", "revoked is neither true nor false, so the badge may be revoked")
	}
}

// fetchDocument returns the document at an http or https address. The presenter may have chosen the address, so a
// document that does not exist makes the badge invalid.
func (q *inquiry) fetchDocument(at string) (object, error) {
	if !strings.HasPrefix(at, "https://") && !strings.HasPrefix(at, "http://") {
		return nil, fault("not-hosted", "%.200q is not a web address", at)
	}
	data, err := q.requestDocument(at)
	switch {
	case errors.Is(err, ErrGone):
		return nil, fault("revoked", "the document at %s was removed", at)
	case errors.Is(err, ErrNotFound):
		return nil, fault("not-hosted", "there is no document at %s", at)
	case err != nil:
		return nil, fault("hosted-unreachable", "%s: %v", at, err)
	}
	doc, err := ld.Parse(data)
	if err != nil {
		return nil, err
	}
	return withoutAliases(doc)
}

// requestDocument returns the document at an address, and always requests it with TLS (https). A folder of documents
// may contain the document under its original http address.
func (q *inquiry) requestDocument(at string) ([]byte, error) {
	data, err := q.resolve(q.o.Documents, withHTTPS(at))
	if err != nil && at != withHTTPS(at) {
		return q.resolve(q.o.Documents, at)
	}
	return data, err
}

// followReference returns the document that is embedded in a property, or fetches the document at the property's
// address. The result at is the address that was requested.
func (q *inquiry) followReference(v any) (doc object, at string, err error) {
	switch v := v.(type) {
	case string:
		doc, err = q.fetchDocument(v)
		if err == nil {
			err = checkOB2Keys(doc)
		}
		return doc, v, err
	case object:
		return v, ld.Str(v, "id"), checkOB2Keys(v)
	}
	return nil, "", fault("malformed", "want an address or a document")
}

// issuer2 contains the profile of an Open Badges 2.0 issuer, and what is known about its address.
type issuer2 struct {
	at      string // the address from which the profile was read; empty for an embedded profile
	pinned  bool   // the trusted issuer pins the address of the profile
	profile object
	id      string // id of the trusted issuer to whom the profile belongs
}

// readClassAndIssuer reads the assertion's badge class and the profile of the class's issuer, and stores their
// content in b. The profile must belong to a trusted issuer.
func (q *inquiry) readClassAndIssuer(doc object, b *Badge) (*issuer2, error) {
	class, at, err := q.followReference(doc["badge"])
	if err != nil {
		return nil, err
	}
	if err := b.readClass(class, at); err != nil {
		return nil, err
	}
	who, err := q.fetchIssuer(class)
	if err != nil {
		return nil, err
	}
	b.IssuerID, b.IssuerName = who.id, ld.Str(who.profile, "name")
	if _, elsewhere := doc["badge"].(string); elsewhere {
		return who, who.requireIssuerAddress(at) // a class that is at its own address must belong to the issuer
	}
	return who, nil
}

// fetchIssuer returns the profile of a class's issuer. If the profile is embedded, fetchIssuer uses only its address
// and fetches the profile from there.
func (q *inquiry) fetchIssuer(class object) (*issuer2, error) {
	at, _ := class["issuer"].(string)
	if at == "" {
		at = ld.Str(ld.Obj(class, "issuer"), "id")
	}
	who := &issuer2{at: at}
	if who.matchTrust(q.o.Trust, at); who.id == "" && !strings.HasPrefix(at, "http") {
		return nil, fault("issuer-not-trusted", "no trusted issuer has the id %.200q", at)
	}
	var err error
	if who.profile, err = q.fetchDocument(at); err != nil {
		return nil, err
	}
	if err = checkOB2Keys(who.profile); err == nil {
		err = requireProfileProperties(who.profile)
	}
	if err != nil {
		return nil, err
	}
	if who.matchTrust(q.o.Trust, ld.Str(who.profile, "id")); who.id == "" {
		return nil, fault("issuer-not-trusted", "no trusted issuer has the id %.200q", ld.Str(who.profile, "id"))
	}
	return who, nil
}

// matchTrust finds the trusted issuer with an id, and checks whether this issuer pins the address of the profile. If
// several trusted issuers have this id, matchTrust prefers an issuer that pins the address.
func (w *issuer2) matchTrust(trust []Issuer, name string) {
	for _, i := range trust {
		if i.ID != name || name == "" || w.pinned {
			continue
		}
		w.id = i.ID
		w.pinned = slices.ContainsFunc(
			i.Keys,
			func(k string) bool { return strings.HasPrefix(k, "https://") && k == withHTTPS(w.at) },
		)
	}
}

// withHTTPS returns an address with https in place of http.
func withHTTPS(at string) string {
	if rest, ok := strings.CutPrefix(at, "http://"); ok {
		return "https://" + rest
	}
	return at
}

// checkSignature2 checks the signature of a JWS. The assertion must name the key, and the issuer's profile must list
// the key (Open Badges 2.0, section 8).
func (q *inquiry) checkSignature2(doc object, token *jwt, who *issuer2) error {
	pins, err := q.readPins(who.id)
	if err != nil {
		return err
	}
	creator := ld.Str(ld.Obj(doc, "verification"), "creator")
	other := func(p pin) bool { return p.id != creator || creator == "" }
	if listed := slices.DeleteFunc(slices.Clone(pins), other); len(listed) > 0 {
		pins = listed
	} else if creator != "" && slices.ContainsFunc(pins, func(p pin) bool { return p.id != "" }) {
		return fault("key-not-pinned", "the issuer's profile does not list the key %.200q", creator)
	}
	return q.unreadError("", token.checkSignature(pins))
}
