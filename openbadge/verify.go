package openbadge

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"
)

// Issuer is one whose badges count, and the only keys that count for it.
type Issuer struct {
	ID   string   // issuer.id as it stands in its credentials: a DID or a URL
	Keys []string // Ed25519: did:key:z6Mk… or z6Mk…
}

// Skew is how far an issuer's clock may be ahead of ours.
const Skew = 5 * time.Minute

// Options are what a verdict rests on besides the bytes.
type Options struct {
	Trust  []Issuer
	At     time.Time    // zero: dates are not judged
	Status StatusSource // nil: the status is not judged
}

// StatusSource gives the status list that stands at a URL, as it was last read; false: it is out of reach.
type StatusSource interface {
	StatusList(url string) ([]byte, bool)
}

// State is the verdict. The zero State is Invalid.
type State uint8

const (
	Invalid       State = iota
	Indeterminate       // our own sources are out of reach: never because of what the presenter chose
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

// Verdict is the answer, with every check's outcome in order.
type Verdict struct {
	State   State    `json:"verdict"`
	Reasons []Reason `json:"reasons"`
	Checks  []Check  `json:"checks"`
	Badge   *Badge   `json:"badge,omitempty"` // what the credential says, where it could be read
}

// Reason is why a badge is not valid.
type Reason struct {
	Code   string `json:"code"` // one of Codes
	FR     string `json:"fr"`
	EN     string `json:"en"`
	Detail string `json:"detail,omitempty"`
}

// Check is one thing that was looked at.
type Check struct {
	Name    string `json:"check"` // form, contexts, proof, dates, status
	Outcome string `json:"outcome"`
}

// Why is the reasons' codes and details in one line, for an operator.
func (v Verdict) Why() string {
	var b bytes.Buffer
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

// Verify judges a credential: OB 3.0 as JSON with an eddsa-rdfc-2022 proof, or as a VC-JWT signed with EdDSA; it finds out which.
// Anything else is Invalid, with a reason that says so.
func Verify(data []byte, o Options) Verdict {
	v := &Verdict{State: Valid, Reasons: []Reason{}}
	doc, token, err := parse(data)
	if !v.check("form", err) {
		return *v
	}
	d, err := open(doc)
	if !v.check("contexts", err) {
		return *v
	}
	if v.Badge, err = read(doc); !v.check("badge", err) {
		if !v.Badge.ValidFrom.IsZero() {
			v.dates(o.At)
		}
		v.Badge = nil
		return *v
	}
	if token != nil {
		v.check("proof", token.verify(doc, v.Badge, o))
	} else {
		v.check("proof", verifyProofs(d, v.Badge, o))
	}
	v.dates(o.At)
	v.status(o.Status)
	return *v
}

// parse finds out the form. token is nil where it is JSON.
func parse(data []byte) (doc object, token *jwt, err error) {
	data = bytes.TrimSpace(data)
	switch {
	case bytes.HasPrefix(data, []byte("{")):
		doc, err = parseJSON(data)
		return doc, nil, err
	case bytes.HasPrefix(data, []byte("\x89PNG")), bytes.HasPrefix(data, []byte("<")):
		return nil, nil, fault("unsupported-form", "an image or a page: this version reads the JSON or the JWT that is baked into it")
	}
	if token, err = parseJWT(data); err == nil {
		doc, err = token.credential()
	}
	return doc, token, err
}

func without(o object, key string) object {
	out := make(object, len(o))
	for k, v := range o {
		if k != key {
			out[k] = v
		}
	}
	return out
}

// check notes an outcome, and reports whether it was good.
func (v *Verdict) check(name string, err error) bool {
	if err == nil {
		v.Checks = append(v.Checks, Check{name, "ok"})
		return true
	}
	f := &Fault{"malformed", err.Error()}
	errors.As(err, &f)
	state := Invalid
	if f.Code == "trust-unusable" {
		state = Indeterminate
	}
	v.refuse(name, state, f.Code, f.Detail)
	return false
}

func (v *Verdict) refuse(name string, s State, code, detail string) {
	if s == Invalid || v.State == Valid {
		v.State = s
	}
	w := wordsOf(code)
	v.Checks = append(v.Checks, Check{name, code})
	v.Reasons = append(v.Reasons, Reason{code, w.fr, w.en, detail})
}

// keysOf are the pinned keys of an issuer. Where the caller pins only what is no key, nobody can say whose signature it is.
func keysOf(id string, o Options) ([]ed25519.PublicKey, error) {
	var keys []ed25519.PublicKey
	found, unusable := false, ""
	for _, i := range o.Trust {
		if i.ID != id {
			continue
		}
		found = true
		for _, s := range i.Keys {
			if k, ok := parseMultikey(s); ok {
				keys = append(keys, k)
			} else {
				unusable = s
			}
		}
	}
	switch {
	case !found:
		return nil, fault("issuer-not-trusted", "nobody trusts %.200q here", id)
	case len(keys) == 0 && unusable != "":
		return nil, fault("trust-unusable", "%.100q, pinned to %.100q, is no Ed25519 key", unusable, id)
	}
	return keys, nil
}

// verifyProofs is content with one proof that a trusted key made. The badge ends when that proof does.
func verifyProofs(d *document, b *Badge, o Options) error {
	proofs, err := supportedProofs(d.words)
	if err != nil {
		return err
	}
	keys, err := keysOf(b.IssuerID, o)
	if err != nil {
		return err
	}
	var first error
	for _, p := range proofs {
		err := checkProof(d, p, keys)
		if err == nil {
			err = proofDates(p, b, o.At)
		}
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// supportedProofs are the proofs that this version can judge. Others beside them are passed over: any one proof suffices.
func supportedProofs(doc object) (out []object, err error) {
	all := list(doc["proof"])
	if len(all) > 8 {
		return nil, fault("too-complex", "%d proofs", len(all))
	}
	err = fault("no-proof", "it is not signed")
	for _, x := range all {
		p, ok := x.(object)
		if !ok {
			return nil, fault("malformed", "a proof is no object")
		}
		if e := supported(p); e != nil {
			err = e
			continue
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		return nil, err
	}
	return out, nil
}

func proofDates(p object, b *Badge, at time.Time) error {
	created, err := date(p, "created")
	if err != nil {
		return err
	}
	expires, err := date(p, "expires")
	switch {
	case err != nil:
		return err
	case at.IsZero():
	case !created.IsZero() && created.After(at.Add(Skew)):
		return fault("not-yet-valid", "its proof is dated %s", created.Format(time.RFC3339))
	case !expires.IsZero() && at.After(expires):
		return fault("expired", "its proof ended on %s", expires.Format(time.RFC3339))
	}
	if !expires.IsZero() && (b.ValidUntil.IsZero() || expires.Before(b.ValidUntil)) {
		b.ValidUntil = expires // for those who judge the dates later
	}
	return nil
}

func (v *Verdict) dates(at time.Time) {
	switch b := v.Badge; {
	case at.IsZero():
		v.Checks = append(v.Checks, Check{"dates", "not judged"})
	case b.ValidFrom.After(at.Add(Skew)):
		v.refuse("dates", Invalid, "not-yet-valid", "valid from "+b.ValidFrom.Format(time.RFC3339))
	case !b.ValidUntil.IsZero() && at.After(b.ValidUntil):
		v.refuse("dates", Invalid, "expired", "valid until "+b.ValidUntil.Format(time.RFC3339))
	default:
		v.Checks = append(v.Checks, Check{"dates", "ok"})
	}
}

// RevocationListType is the one kind of status that this version reads: 1EdTech's Verifiable Credentials Revocation List 1.0.
const RevocationListType = "1EdTechRevocationList"

func (v *Verdict) status(src StatusSource) {
	b := v.Badge
	switch {
	case b.StatusID == "":
		v.Checks = append(v.Checks, Check{"status", "none"})
		return
	case b.StatusType != RevocationListType:
		v.refuse("status", Invalid, "unsupported-status", "a "+b.StatusType)
		return
	case src == nil:
		v.Checks = append(v.Checks, Check{"status", "not judged"})
		return
	}
	data, ok := src.StatusList(b.StatusID)
	if !ok {
		v.refuse("status", Indeterminate, "status-unreachable", b.StatusID)
		return
	}
	l, err := ParseRevocationList(data)
	switch {
	case err != nil:
		v.refuse("status", Indeterminate, "status-unreachable", err.Error())
	case l.Revoked(b.ID):
		v.refuse("status", Invalid, "revoked", b.StatusID)
	default:
		v.Checks = append(v.Checks, Check{"status", "ok"})
	}
}

// RevocationList is a list of revoked credentials, read.
type RevocationList struct {
	ID      string // where it stands
	revoked map[string]bool
}

// Revoked reports whether the credential is on the list.
func (l RevocationList) Revoked(id string) bool { return l.revoked[id] }

// maxRevoked bounds the values of a status list: three for each credential on it.
const maxRevoked = 150_000

// ParseRevocationList reads a 1EdTech revocation list: a credential is revoked if it is listed and «revoked» is true or absent.
func ParseRevocationList(b []byte) (RevocationList, error) {
	doc, err := parseBounded(b, maxRevoked)
	if err != nil {
		return RevocationList{}, fmt.Errorf("this is no revocation list: %w", err)
	}
	l := RevocationList{ID: str(doc, "id"), revoked: map[string]bool{}}
	if l.ID == "" || doc["revokedCredential"] == nil {
		return RevocationList{}, errors.New("this is no revocation list: it has no id or no revokedCredential")
	}
	for i, x := range list(doc["revokedCredential"]) {
		entry, ok := x.(object)
		revoked, isBool := entry["revoked"].(bool)
		if !ok || str(entry, "id") == "" || entry["revoked"] != nil && !isBool {
			return RevocationList{}, fmt.Errorf("this is no revocation list: entry %d has no id, or a revoked that is not true or false", i+1)
		}
		if entry["revoked"] == nil || revoked {
			l.revoked[str(entry, "id")] = true
		}
	}
	return l, nil
}

// Refuse adds a reason that only the caller can know: the badge is another's.
func (v *Verdict) Refuse(s State, code, detail string) { v.refuse("recipient", s, code, detail) }
