package openbadge

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"portillon/openbadge/internal/ld"
)

// ob2Contexts are the addresses of the context of Open Badges 2.0. The specification has two addresses, and issuers use
// both.
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

// verifyOB2 verifies a document of Open Badges 2.0. Such a document is plain JSON, and a signature covers the
// document's bytes. Without a signature, the document at the badge's own address counts.
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

// verifyAssertion verifies a badge that is signed or hosted at its own address.
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

// checkVerificationForm compares the verification property of an assertion with the form in which the assertion
// arrived.
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

// requireHostingIssuer returns an error if no hosted badge could be valid. In that case no address may be fetched,
// because the presenter chose the address.
func (q *inquiry) requireHostingIssuer() error {
	for _, i := range q.o.Trust {
		if slices.ContainsFunc(i.Keys, func(k string) bool { return strings.HasPrefix(k, "https://") }) {
			return nil
		}
	}
	return fault("issuer-not-trusted", "no trusted issuer's profile is pinned by its address, as hosted badges require")
}

// fetchHosted returns the assertion at its own address. fetchHosted uses only the address of the presented copy.
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

// requireNotRevoked checks the property revoked of an assertion (Open Badges 2.0, section 4.1: a boolean). Only an
// absent property or false means that the badge is not revoked. The context defines revoked as xsd:boolean, in which
// "true", 1 and "1" also mean true. Any other value is malformed.
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

// fetchDocument returns the document at an address. The presenter may have chosen the address, so a missing document
// makes the badge invalid.
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

// requestDocument returns the document at an address, requested with TLS. A folder of documents may have the document
// under the original http address.
func (q *inquiry) requestDocument(at string) ([]byte, error) {
	data, err := q.resolve(q.o.Documents, withHTTPS(at))
	if err != nil && at != withHTTPS(at) {
		return q.resolve(q.o.Documents, at)
	}
	return data, err
}

// followReference returns an embedded document, or fetches the document at an address. The result at is this address.
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

// issuer2 contains the profile of the badge's issuer in Open Badges 2.0.
type issuer2 struct {
	at      string // the address from which the profile was read
	pinned  bool   // whether the address is one of the issuer's pinned keys
	profile object
	id      string // id of the trusted issuer
}

// readClassAndIssuer reads the badge class of the assertion and the profile of the class's issuer into b. The profile
// must belong to a trusted issuer.
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
		return who, who.requireIssuerAddress(at) // a class at its own address must belong to the issuer
	}
	return who, nil
}

// fetchIssuer returns the profile of a class's issuer. From an embedded profile it uses only the address of the
// issuer's own profile.
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

// matchTrust looks for the trusted issuer with an id, and checks whether the address of the profile is pinned. If
// several entries have the id, matchTrust prefers an entry that pins the address.
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

// checkSignature2 checks the signature of a JWS with the key that the assertion names and the issuer's profile lists
// (Open Badges 2.0, section 8).
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
