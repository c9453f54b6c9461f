package openbadge

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"portillon/openbadge/bake"
	"portillon/openbadge/internal/ld"
)

// MaxBytes is the maximum size of a credential, in bytes. A credential with an embedded image has a few hundred KB.
const MaxBytes = ld.MaxBytes

// MaxListBytes is the maximum size of a status list, in bytes.
const MaxListBytes = ld.MaxListBytes

// Fault is the reason why a document is rejected or cannot be checked. The code of a Fault is one of Codes.
type Fault = ld.Fault

// fault returns a Fault with a detail for operators.
func fault(code, format string, a ...any) error { return ld.Faultf(code, format, a...) }

// object is a JSON object. The numbers of an object have the type json.Number.
type object = ld.Object

// Skew is the tolerance for an issuer's fast clock.
const Skew = 5 * time.Minute

// Options contains the settings of a verification and the sources of its documents.
type Options struct {
	Trust     []Issuer
	At        time.Time  // time for which the badge is verified; if zero, dates are not checked
	Documents Resolver   // source of keys and hosted documents; if nil, all of them are unreachable
	Status    Resolver   // source of status lists; if nil, the status of the badge is not checked
	Refresh   Resolver   // source of refreshed badges; if nil, the badge is verified as it was presented
	Recipient *Recipient // person to whom the badge must belong; if nil, the recipient is not checked
	Strict    bool       // treat each warning about the conformance to Open Badges 3.0 as a reason for the verdict invalid
	Allow     Allow
}

// Allow lists the rules that a caller may relax. The zero Allow relaxes no rule.
type Allow struct {
	// ShortStatusLists accepts lists with fewer than 131,072 entries (Bitstring Status List 1.0, section 2.2). Some
	// platforms publish such lists.
	ShortStatusLists bool
}

// State is the result of a verification. The zero State is Invalid.
type State uint8

const (
	Invalid       State = iota
	Indeterminate       // the verifier's own sources are unreachable or unusable, which the presenter cannot cause
	Valid
)

// String returns valid, indeterminate or invalid.
func (s State) String() string {
	switch s {
	case Valid:
		return "valid"
	case Indeterminate:
		return "indeterminate"
	}
	return "invalid"
}

// MarshalText returns the text of String.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Verdict is the result of a verification, with the outcome of every check in order.
type Verdict struct {
	State    State     `json:"verdict"`
	Reasons  []Reason  `json:"reasons"`
	Checks   []Check   `json:"checks"`
	Warnings []Warning `json:"warnings,omitempty"` // requirements of the standard that the badge does not meet
	Kind     Kind      `json:"kind,omitempty"`     // kind of the document
	// form of the document: "ob3 json", "ob3 jwt", "ob2 json" or "ob2 jws"
	Form string `json:"form,omitempty"`
	// format of the picture that contained the badge: "png" or "svg"; empty: no picture
	Baked     string    `json:"baked,omitempty"`
	Assurance Assurance `json:"assurance,omitempty"` // how the package has established that the badge is valid
	Badge     *Badge    `json:"badge,omitempty"`     // content of the badge; nil if it could not be read
}

// Kind is the kind of a document.
type Kind string

// These are the kinds of documents of Open Badges. Verify accepts only BadgeKind.
const (
	BadgeKind       Kind = "badge"       // an OB 3.0 credential or an OB 2.0 assertion
	ClassKind       Kind = "badge-class" // OB 2.0
	ProfileKind     Kind = "profile"     // OB 2.0
	EndorsementKind Kind = "endorsement"
	StatusListKind  Kind = "status-list"
	CredentialKind  Kind = "credential" // another verifiable credential
	DocumentKind    Kind = "document"   // another document of Open Badges 2.0, such as a key or an alignment
)

// Assurance says which evidence shows that a badge is valid.
type Assurance string

const (
	Signed Assurance = "signed" // the badge is signed with a key that is pinned to the issuer
	Hosted Assurance = "hosted" // the issuer's web address has confirmed the badge
)

// Reason is a reason why a badge is not valid.
type Reason struct {
	Code   string `json:"code"` // one of Codes
	FR     string `json:"fr"`
	EN     string `json:"en"`
	Detail string `json:"detail,omitempty"`
}

// Check is the outcome of one check.
type Check struct {
	Name string `json:"check"` // what was checked: form, contexts, proof, dates, badge, status, recipient, …
	// outcome: ok, none, not judged, not used, out of reach, or the code of a reason
	Outcome string `json:"outcome"`
	Detail  string `json:"detail,omitempty"` // further information for an operator
}

// Why returns the codes and the details of all reasons as one line of text for an operator.
func (v Verdict) Why() string {
	var b strings.Builder
	for i, r := range v.Reasons {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(r.Code)
		if r.Detail != "" {
			b.WriteString(": " + r.Detail)
		}
	}
	return b.String()
}

// Verify verifies a badge in any supported form. The verdict on a document of another kind is Invalid, even if its
// signature is correct.
func Verify(data []byte, o Options) Verdict {
	q := inquiry{Verdict: Verdict{State: Valid, Reasons: []Reason{}}, o: o}
	q.document(data)
	if other := q.Kind != BadgeKind && (q.Kind != "" || q.State == Valid); other && q.State != Invalid {
		q.check("badge", fault("not-an-open-badge", "another kind of document: %s", q.Kind))
	}
	return q.Verdict
}

// VerifyDocument verifies any document of Open Badges: a badge, an endorsement, a status list, a badge class, a
// profile, or another verifiable credential. Verdict.Kind is the kind of the document. Callers must check
// Verdict.Kind before they use the document as a badge.
func VerifyDocument(data []byte, o Options) Verdict {
	q := inquiry{Verdict: Verdict{State: Valid, Reasons: []Reason{}}, o: o}
	q.document(data)
	return q.Verdict
}

// document extracts the document from its picture and token, and verifies it by the rules of its version.
func (q *inquiry) document(data []byte) {
	doc, token, err := q.unwrap(data)
	if err == nil {
		err = foreignFault(doc)
	}
	if !q.check("form", err) {
		return
	}
	if isOpenBadges2(doc) {
		q.verifyOB2(doc, token)
		return
	}
	q.verifyCredential(doc, token)
}

// unwrap detects the form of the data (picture, token or JSON) and decodes it. The argument token is nil if the
// document is JSON.
func (q *inquiry) unwrap(data []byte) (doc object, token *jwt, err error) {
	data = bytes.TrimSpace(data)
	switch {
	case bytes.HasPrefix(data, []byte("{")):
		q.Form = "ob3 json"
		doc, err = q.parse(data)
		return doc, nil, err
	case isWebPage(data):
		return nil, nil, fault("malformed", "a web page (HTML): download the badge from the page")
	case bake.Format(data) != "":
		return q.unbake(data)
	}
	q.Form = "ob3 jwt"
	if token, err = parseJWT(data, q.maxBytes()); err == nil {
		doc, err = token.credential()
	}
	return doc, token, err
}

// maxListValues is the largest accepted number of JSON values in a bitstring status list, which has one long text and
// few other values.
const maxListValues = 1000

// parse parses the JSON of a badge or of a status list.
func (q *inquiry) parse(data []byte) (object, error) {
	if q.list {
		return ld.ParseList(data, maxListValues)
	}
	return ld.Parse(data)
}

// maxBytes returns the largest accepted size of the document.
func (q *inquiry) maxBytes() int {
	if q.list {
		return MaxListBytes
	}
	return MaxBytes
}

// verifyCredential verifies a verifiable credential: Open Badges 3.0, in the data model 1.1 or 2.0.
func (q *inquiry) verifyCredential(doc object, token *jwt) {
	if q.checkCredential(doc, token); q.Badge == nil {
		return
	}
	q.refresh(doc)
	q.checkStatuses()
	if q.Kind == BadgeKind {
		q.checkRecipient()
	} else {
		q.Badge = nil
	}
}

// checkCredential makes all checks that need no other document than the credential and the issuer's keys. If one of
// these checks fails, q.Badge remains nil. If a document has a correct signature but wrong content, the dates are
// checked first, so that the reasons include them.
func (q *inquiry) checkCredential(doc object, token *jwt) {
	d, err := openCredential(doc, q.list)
	if !q.check("contexts", err) {
		return
	}
	if q.Badge, q.Kind, err = readCredential(doc); err != nil {
		q.check("badge", err)
		if !q.Badge.ValidFrom.IsZero() {
			q.checkValidity()
		}
		q.Badge = nil
		return
	}
	q.Assurance = Signed
	if token != nil {
		q.proved = q.check("proof", q.checkToken(token))
	} else {
		q.proved = q.check("proof", q.checkProofs(d))
	}
	q.checkValidity()
	if !q.check(string(q.Kind), q.readByKind(doc)) {
		q.Badge = nil
		return
	}
	if q.Kind == BadgeKind {
		q.checkConformance(doc)
	}
	if token != nil && token.payload["cnf"] != nil {
		q.note("holder", "not judged", "cnf: the token is bound to a key of its holder's (RFC 7800)")
	}
	q.noteUnchecked(doc)
}

// readByKind reads the properties that a document of this kind must have.
func (q *inquiry) readByKind(doc object) error {
	switch q.Kind {
	case BadgeKind:
		return q.Badge.readBadge(doc)
	case EndorsementKind:
		return q.Badge.readEndorsement(doc)
	case StatusListKind:
		return new(StatusList).readEntries(doc, q.o.Allow)
	}
	if doc["credentialSubject"] == nil {
		return fault("malformed", "credentialSubject is missing")
	}
	return nil
}

// noteUnchecked records in the verdict which parts of the credential were not checked: a credentialSchema, because
// the package would have to fetch it, and an embedded endorsement, because it is a separate credential that the caller
// can verify.
func (q *inquiry) noteUnchecked(doc object) {
	if doc["credentialSchema"] != nil {
		q.note("schema", "not judged", "")
	}
	for _, o := range [...]object{doc, ld.Obj(doc, "issuer"),
		singleObject(singleObject(doc["credentialSubject"])["achievement"])} {
		if o["endorsement"] != nil || o["endorsementJwt"] != nil {
			q.note("endorsements", "not judged", "")
			return
		}
	}
}

// check records the outcome of a check, and reports whether the outcome was good.
func (q *inquiry) check(name string, err error) bool {
	if err == nil {
		q.note(name, "ok", "")
		return true
	}
	f := &Fault{Code: "malformed", Detail: err.Error()}
	errors.As(err, &f)
	state := Invalid
	if isIndeterminate(f.Code) {
		state = Indeterminate
	}
	q.refuse(name, state, f.Code, f.Detail)
	return false
}

// note adds the outcome of a check to the verdict.
func (v *Verdict) note(name, outcome, detail string) {
	v.Checks = append(v.Checks, Check{name, outcome, detail})
}

// refuse adds a reason against the badge to the verdict. The state invalid replaces the state indeterminate, but
// never the reverse.
func (v *Verdict) refuse(name string, s State, code, detail string) {
	if s == Invalid || v.State == Valid {
		v.State = s
	}
	w := wordsOf(code)
	v.note(name, code, "")
	v.Reasons = append(v.Reasons, Reason{code, w.fr, w.en, detail})
}

// Refuse adds a reason of the caller to the verdict, for a check that this package cannot make.
func (v *Verdict) Refuse(s State, code, detail string) { v.refuse("recipient", s, code, detail) }

// checkValidity checks the period of validity.
func (q *inquiry) checkValidity() {
	b, at := q.Badge, q.o.At
	switch {
	case at.IsZero():
		q.note("dates", "not judged", "")
	case b.ValidFrom.After(at.Add(Skew)):
		q.refuse("dates", Invalid, "not-yet-valid", "valid from "+b.ValidFrom.Format(time.RFC3339))
	case !b.ValidUntil.IsZero() && at.After(b.ValidUntil):
		q.refuse("dates", Invalid, "expired", "valid until "+b.ValidUntil.Format(time.RFC3339))
	default:
		q.note("dates", "ok", "")
	}
}

// checkRecipient checks that the badge belongs to the person whom Options.Recipient names.
func (q *inquiry) checkRecipient() {
	switch r := q.o.Recipient; {
	case r == nil:
		q.note("recipient", "not judged", "")
	case !q.Badge.IsFor(*r):
		q.refuse("recipient", Invalid, "wrong-recipient", "")
	default:
		q.note("recipient", "ok", "")
	}
}
