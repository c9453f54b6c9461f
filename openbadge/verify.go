package openbadge

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"portillon/openbadge/bake"
	"portillon/openbadge/internal/ld"
)

// MaxBytes bounds a credential. Those with an embedded image have a few hundred KB.
const MaxBytes = ld.MaxBytes

// MaxListBytes bounds a status list.
const MaxListBytes = ld.MaxListBytes

// Fault is why a document is refused or cannot be judged. Its code is one of Codes.
type Fault = ld.Fault

func fault(code, format string, a ...any) error { return ld.Faultf(code, format, a...) }

// object is a JSON object; numbers are json.Number.
type object = ld.Object

// Skew is how far an issuer's clock may be ahead of ours.
const Skew = 5 * time.Minute

// Options are what a verdict depends on in addition to the bytes.
type Options struct {
	Trust     []Issuer
	At        time.Time  // zero: dates are not judged
	Documents Resolver   // keys and hosted documents; nil: none can be read
	Status    Resolver   // status lists; nil: the status is not judged
	Refresh   Resolver   // refresh services; nil: they are not used
	Recipient *Recipient // nil: the recipient is not judged
	Strict    bool       // warnings become reasons for an invalid verdict
	Allow     Allow
}

// Allow are the rules that a caller may relax. Zero: none.
type Allow struct {
	// ShortStatusLists accepts lists of fewer than 131,072 entries (Bitstring Status List 1.0, section 2.2), as some
	// platforms publish.
	ShortStatusLists bool
}

// State is the verdict. The zero State is Invalid.
type State uint8

const (
	Invalid       State = iota
	Indeterminate       // a document that the caller trusts could not be read; never caused by the presenter's choices
	Valid
)

func (s State) String() string {
	switch s {
	case Valid:
		return "valid"
	case Indeterminate:
		return "indeterminate"
	}
	return "invalid"
}

// MarshalText writes the state's word.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Verdict is the answer, with the outcome of every check in order.
type Verdict struct {
	State     State     `json:"verdict"`
	Reasons   []Reason  `json:"reasons"`
	Checks    []Check   `json:"checks"`
	Warnings  []Warning `json:"warnings,omitempty"`  // requirements of its standard that the badge does not meet
	Kind      Kind      `json:"kind,omitempty"`      // what the document is
	Form      string    `json:"form,omitempty"`      // the format: "ob3 json", "ob3 jwt", "ob2 json", "ob2 jws"
	Baked     string    `json:"baked,omitempty"`     // the image it was extracted from: "png", "svg"
	Assurance Assurance `json:"assurance,omitempty"` // what a valid verdict is based on
	Badge     *Badge    `json:"badge,omitempty"`     // the content, if it could be read
}

// Kind is what a document is.
type Kind string

// The documents of Open Badges. Only a BadgeKind opens anything: Verify refuses the others.
const (
	BadgeKind       Kind = "badge"       // an OB 3.0 credential or an OB 2.0 assertion
	ClassKind       Kind = "badge-class" // OB 2.0
	ProfileKind     Kind = "profile"     // OB 2.0
	EndorsementKind Kind = "endorsement"
	StatusListKind  Kind = "status-list"
	CredentialKind  Kind = "credential" // another verifiable credential
	DocumentKind    Kind = "document"   // another part of OB 2.0: a key, an alignment, …
)

// Assurance is what a valid verdict is based on.
type Assurance string

const (
	Signed Assurance = "signed" // a signature with a key that is pinned to the issuer
	Hosted Assurance = "hosted" // the badge was found at the issuer's own web address
)

// Reason is why a badge is not valid.
type Reason struct {
	Code   string `json:"code"` // one of Codes
	FR     string `json:"fr"`
	EN     string `json:"en"`
	Detail string `json:"detail,omitempty"`
}

// Check is the outcome of one check.
type Check struct {
	Name    string `json:"check"`            // form, contexts, proof, dates, badge, status, recipient, …
	Outcome string `json:"outcome"`          // ok, none, not judged, not used, out of reach, or a reason's code
	Detail  string `json:"detail,omitempty"` // more about a good outcome, for an operator
}

// Why is the codes and details of all reasons in one line, for an operator.
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

// Verify judges a badge in any supported form. Any other document is Invalid, however well it is signed.
func Verify(data []byte, o Options) Verdict {
	q := inquiry{Verdict: Verdict{State: Valid, Reasons: []Reason{}}, o: o}
	q.document(data)
	if other := q.Kind != BadgeKind && (q.Kind != "" || q.State == Valid); other && q.State != Invalid {
		q.check("badge", fault("not-an-open-badge", "it is of another kind: %s", q.Kind))
	}
	return q.Verdict
}

// VerifyDocument judges any document of Open Badges: a badge, an endorsement, a status list, a badge class, a profile,
// or another verifiable credential. Kind says which. Callers that need a badge must use Verify.
func VerifyDocument(data []byte, o Options) Verdict {
	q := inquiry{Verdict: Verdict{State: Valid, Reasons: []Reason{}}, o: o}
	q.document(data)
	return q.Verdict
}

// document extracts the document from its image and envelope, and judges it by the rules of its version.
func (q *inquiry) document(data []byte) {
	doc, token, err := q.unwrap(data)
	if err == nil {
		err = foreign(doc)
	}
	if !q.check("form", err) {
		return
	}
	if isOpenBadges2(doc) {
		q.openbadges2(doc, token)
		return
	}
	q.credential(doc, token)
}

// unwrap recognises the form. token is nil for JSON.
func (q *inquiry) unwrap(data []byte) (doc object, token *jwt, err error) {
	data = bytes.TrimSpace(data)
	switch {
	case bytes.HasPrefix(data, []byte("{")):
		q.Form = "ob3 json"
		doc, err = q.parse(data)
		return doc, nil, err
	case isWebPage(data):
		return nil, nil, fault("malformed", "a web page (HTML), and no badge: download the badge from it")
	case bake.Format(data) != "":
		return q.unbake(data)
	}
	q.Form = "ob3 jwt"
	if token, err = parseJWT(data, q.maxBytes()); err == nil {
		doc, err = token.credential()
	}
	return doc, token, err
}

// maxListValues bounds the values of a bitstring status list, which has one long text and a few others.
const maxListValues = 1000

// parse parses JSON within the bounds of a badge or a status list.
func (q *inquiry) parse(data []byte) (object, error) {
	if q.list {
		return ld.ParseList(data, maxListValues)
	}
	return ld.Parse(data)
}

func (q *inquiry) maxBytes() int {
	if q.list {
		return MaxListBytes
	}
	return MaxBytes
}

// credential judges a verifiable credential: Open Badges 3.0, on the data model 1.1 or 2.0.
func (q *inquiry) credential(doc object, token *jwt) {
	if q.judge(doc, token); q.Badge == nil {
		return
	}
	q.refresh(doc)
	q.status()
	if q.Kind == BadgeKind {
		q.recipient()
	} else {
		q.Badge = nil
	}
}

// judge decides what follows from a credential's bytes and its issuer's keys. q.Badge is nil if that is not enough to
// continue. Dates are judged before the rest of the content, so a well-signed document with other faults still gets a
// verdict on its dates.
func (q *inquiry) judge(doc object, token *jwt) {
	d, err := openCredential(doc, q.list)
	if !q.check("contexts", err) {
		return
	}
	if q.Badge, q.Kind, err = readCredential(doc); err != nil {
		q.check("badge", err)
		if !q.Badge.ValidFrom.IsZero() {
			q.dates()
		}
		q.Badge = nil
		return
	}
	q.Assurance = Signed
	if token != nil {
		q.proved = q.check("proof", q.token(token))
	} else {
		q.proved = q.check("proof", q.proofs(d))
	}
	q.dates()
	if !q.check(string(q.Kind), q.ofItsKind(doc)) {
		q.Badge = nil
		return
	}
	if q.Kind == BadgeKind {
		q.conforms(doc)
	}
	if token != nil && token.payload["cnf"] != nil {
		q.note("holder", "not judged", "cnf: the token is bound to a key of its holder's (RFC 7800)")
	}
	q.unjudged(doc)
}

// ofItsKind reads the parts that only this kind of document has.
func (q *inquiry) ofItsKind(doc object) error {
	switch q.Kind {
	case BadgeKind:
		return q.Badge.readBadge(doc)
	case EndorsementKind:
		return q.Badge.readEndorsement(doc)
	case StatusListKind:
		return new(StatusList).read(doc, q.o.Allow)
	}
	if doc["credentialSubject"] == nil {
		return fault("malformed", "it has no credentialSubject")
	}
	return nil
}

// unjudged notes what no verdict depends on: a schema would have to be fetched, and an endorsement is another issuer's
// credential.
func (q *inquiry) unjudged(doc object) {
	if doc["credentialSchema"] != nil {
		q.note("schema", "not judged", "")
	}
	for _, o := range [...]object{doc, ld.Obj(doc, "issuer"), single(single(doc["credentialSubject"])["achievement"])} {
		if o["endorsement"] != nil || o["endorsementJwt"] != nil {
			q.note("endorsements", "not judged", "")
			return
		}
	}
}

// check notes an outcome, and reports whether it was good.
func (q *inquiry) check(name string, err error) bool {
	if err == nil {
		q.note(name, "ok", "")
		return true
	}
	f := &Fault{Code: "malformed", Detail: err.Error()}
	errors.As(err, &f)
	state := Invalid
	if leavesOpen(f.Code) {
		state = Indeterminate
	}
	q.refuse(name, state, f.Code, f.Detail)
	return false
}

func (v *Verdict) note(name, outcome, detail string) {
	v.Checks = append(v.Checks, Check{name, outcome, detail})
}

func (v *Verdict) refuse(name string, s State, code, detail string) {
	if s == Invalid || v.State == Valid {
		v.State = s
	}
	w := wordsOf(code)
	v.note(name, code, "")
	v.Reasons = append(v.Reasons, Reason{code, w.fr, w.en, detail})
}

// Refuse adds a reason that only the caller can know.
func (v *Verdict) Refuse(s State, code, detail string) { v.refuse("recipient", s, code, detail) }

func (q *inquiry) dates() {
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

func (q *inquiry) recipient() {
	switch r := q.o.Recipient; {
	case r == nil:
		q.note("recipient", "not judged", "")
	case !q.Badge.IsFor(*r):
		q.refuse("recipient", Invalid, "wrong-recipient", "")
	default:
		q.note("recipient", "ok", "")
	}
}
