package openbadge

import (
	"crypto/md5" //nolint:gosec // identity hashes of old badges use it; it protects nothing here
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"portillon/openbadge/internal/ld"
)

// Badge is what a credential says. None of it is believed but with a Valid verdict.
type Badge struct {
	ID              string        `json:"id"`
	Name            string        `json:"name,omitempty"`
	IssuerID        string        `json:"issuer"`
	IssuerName      string        `json:"issuer_name,omitempty"`
	AchievementID   string        `json:"achievement"`
	AchievementName string        `json:"achievement_name,omitempty"`
	Description     string        `json:"description,omitempty"`
	Criteria        string        `json:"criteria,omitempty"`
	ValidFrom       time.Time     `json:"valid_from,omitzero"`
	ValidUntil      time.Time     `json:"valid_until,omitzero"` // zero: no end
	Subject         string        `json:"subject,omitempty"`    // credentialSubject.id
	Identifiers     []Identity    `json:"identifiers,omitempty"`
	Status          []StatusEntry `json:"status,omitempty"` // each must hold
	Evidence        []Evidence    `json:"evidence,omitempty"`
}

// StatusEntry is where a badge's status stands.
type StatusEntry struct {
	Type    string `json:"type"`
	List    string `json:"list"` // the URL of the list
	Purpose string `json:"purpose,omitempty"`
	Index   int64  `json:"index,omitempty"`
}

// Identity is an IdentityObject: who the badge is for, in the clear or hashed.
type Identity struct {
	Type   string `json:"type"` // emailAddress, …
	Hash   string `json:"hash"` // the value, or sha256$… or md5$… of value ‖ salt
	Hashed bool   `json:"hashed,omitempty"`
	Salt   string `json:"salt,omitempty"`
}

// Evidence is what an issuer says a badge was earned by.
type Evidence struct {
	ID          string `json:"id,omitempty"`
	Name        string `json:"name,omitempty"`
	Description string `json:"description,omitempty"`
	Narrative   string `json:"narrative,omitempty"`
	Genre       string `json:"genre,omitempty"`
	Audience    string `json:"audience,omitempty"`
}

// Recipient is whoever a badge may be for.
type Recipient struct {
	Emails   []string
	Subjects []string
}

// IsFor reports whether the badge's recipient is r: by the subject's id, exactly, or by an e-mail address. Addresses are compared
// in lower case too, since issuers and members write the same one differently; a hash was made of one spelling, so both are tried.
func (b *Badge) IsFor(r Recipient) bool {
	for _, s := range r.Subjects {
		if s != "" && s == b.Subject {
			return true
		}
	}
	for _, e := range r.Emails {
		if e == "" {
			continue
		}
		if strings.EqualFold(strings.TrimPrefix(b.Subject, "mailto:"), e) && strings.HasPrefix(b.Subject, "mailto:") {
			return true
		}
		for _, id := range b.Identifiers {
			if id.matches(e) {
				return true
			}
		}
	}
	return false
}

func (i Identity) matches(email string) bool {
	if i.Type != "emailAddress" && i.Type != "email" {
		return false
	}
	if !i.Hashed {
		return strings.EqualFold(i.Hash, email)
	}
	for _, spelling := range []string{email, strings.ToLower(email)} {
		algorithm, want, _ := strings.Cut(i.Hash, "$")
		var got []byte
		switch algorithm {
		case "sha256":
			h := sha256.Sum256([]byte(spelling + i.Salt))
			got = h[:]
		case "md5":
			h := md5.Sum([]byte(spelling + i.Salt)) //nolint:gosec // as above
			got = h[:]
		default:
			return false
		}
		if strings.EqualFold(hex.EncodeToString(got), want) {
			return true
		}
	}
	return false
}

// read takes the badge out of the document. What is missing and must be there is a Fault; the dates are there all the same.
func read(doc object) (*Badge, error) {
	b := &Badge{ID: ld.Str(doc, "id"), Name: ld.Str(doc, "name")}
	if err := b.readDates(doc); err != nil {
		return b, err
	}
	for _, other := range [...]string{"EndorsementCredential", "BitstringStatusListCredential"} {
		if has(doc["type"], other) {
			return b, fault("unsupported-form", "it is an %s: this version reads badges", other)
		}
	}
	if !has(doc["type"], "VerifiableCredential") || !has(doc["type"], "OpenBadgeCredential") && !has(doc["type"], "AchievementCredential") {
		return b, fault("not-an-open-badge", "its type is not OpenBadgeCredential")
	}
	if err := b.readSubject(doc); err != nil {
		return b, err
	}
	switch i := doc["issuer"].(type) {
	case string:
		b.IssuerID = i
	case object:
		b.IssuerID, b.IssuerName = ld.Str(i, "id"), ld.Str(i, "name")
	}
	if b.IssuerID == "" || b.AchievementID == "" || b.ID == "" {
		return b, fault("not-an-open-badge", "it lacks an id, an issuer's id or an achievement's id")
	}
	if err := b.readStatus(doc); err != nil {
		return b, err
	}
	b.readEvidence(doc)
	return b, nil
}

func (b *Badge) readSubject(doc object) error {
	subject, ok := doc["credentialSubject"].(object)
	if !ok {
		return fault("not-an-open-badge", "it has no credentialSubject, or several")
	}
	achievement, ok := subject["achievement"].(object)
	if !ok || !has(subject["type"], "AchievementSubject") || !has(achievement["type"], "Achievement") {
		return fault("not-an-open-badge", "its subject is no AchievementSubject with one Achievement")
	}
	b.Subject, b.AchievementID, b.AchievementName = ld.Str(subject, "id"), ld.Str(achievement, "id"), ld.Str(achievement, "name")
	b.Description, b.Criteria = ld.Str(achievement, "description"), ld.Str(ld.Obj(achievement, "criteria"), "narrative")
	b.readRecipients(subject)
	return nil
}

func has(v any, want string) bool {
	for _, x := range ld.List(v) {
		if x == want {
			return true
		}
	}
	return false
}

func (b *Badge) readDates(doc object) (err error) {
	if doc["validFrom"] == nil {
		return fault("not-an-open-badge", "it has no validFrom")
	}
	if b.ValidFrom, err = date(doc, "validFrom"); err != nil {
		return err
	}
	b.ValidUntil, err = date(doc, "validUntil")
	return err
}

func date(doc object, key string) (time.Time, error) {
	v, there := doc[key]
	if !there || v == nil {
		return time.Time{}, nil
	}
	s, _ := v.(string)
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, fault("malformed", "%s: %.60q is no time with a zone", key, s)
	}
	return t, nil
}

// maxStatuses bounds the lists that a badge may be on: revoked, suspended, and one more.
const maxStatuses = 4

func (b *Badge) readStatus(doc object) error {
	all := ld.List(doc["credentialStatus"])
	if len(all) > maxStatuses {
		return fault("too-complex", "%d statuses", len(all))
	}
	for _, x := range all {
		s, ok := x.(object)
		if !ok {
			return fault("malformed", "credentialStatus is no object")
		}
		e := StatusEntry{List: ld.Str(s, "id")}
		if e.Type, _ = s["type"].(string); e.Type == "" && len(ld.List(s["type"])) == 1 {
			e.Type, _ = ld.List(s["type"])[0].(string)
		}
		if e.List == "" || e.Type == "" {
			return fault("malformed", "credentialStatus: it lacks an id or a type")
		}
		b.Status = append(b.Status, e)
	}
	return nil
}

func (b *Badge) readRecipients(subject object) {
	for _, v := range ld.List(subject["identifier"]) {
		o, ok := v.(object)
		if !ok || !has(o["type"], "IdentityObject") {
			continue
		}
		hashed, _ := o["hashed"].(bool)
		b.Identifiers = append(b.Identifiers, Identity{ld.Str(o, "identityType"), ld.Str(o, "identityHash"), hashed, ld.Str(o, "salt")})
	}
}

func (b *Badge) readEvidence(doc object) {
	for _, v := range ld.List(doc["evidence"]) {
		if o, ok := v.(object); ok {
			b.Evidence = append(b.Evidence, Evidence{ld.Str(o, "id"), ld.Str(o, "name"), ld.Str(o, "description"), ld.Str(o, "narrative"), ld.Str(o, "genre"), ld.Str(o, "audience")})
		}
	}
}
