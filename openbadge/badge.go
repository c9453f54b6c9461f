package openbadge

import (
	"crypto/md5" //nolint:gosec // identity hashes of old badges use it; it protects nothing here
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"portillon/openbadge/internal/ld"
)

// Badge is the content of a credential. It must not be trusted without a Valid verdict.
type Badge struct {
	ID              string        `json:"id"`
	UID             string        `json:"uid,omitempty"` // Open Badges 2.0: a second id by which the badge may be revoked
	Name            string        `json:"name,omitempty"`
	IssuerID        string        `json:"issuer"`
	IssuerName      string        `json:"issuer_name,omitempty"`
	AchievementID   string        `json:"achievement"`
	AchievementName string        `json:"achievement_name,omitempty"`
	Description     string        `json:"description,omitempty"`
	Criteria        string        `json:"criteria,omitempty"`
	Image           string        `json:"image,omitempty"` // image of the achievement: a URL or a data URL
	ValidFrom       time.Time     `json:"valid_from,omitzero"`
	ValidUntil      time.Time     `json:"valid_until,omitzero"` // zero: no end
	Awarded         time.Time     `json:"awarded,omitzero"`     // when the badge was earned; no check uses it
	Subject         string        `json:"subject,omitempty"`    // credentialSubject.id
	Identifiers     []Identity    `json:"identifiers,omitempty"`
	Status          []StatusEntry `json:"status,omitempty"` // every one must be good
	Evidence        []Evidence    `json:"evidence,omitempty"`
}

// StatusEntry says in which list a badge's status is, and at which index.
type StatusEntry struct {
	Type    string `json:"type"`
	List    string `json:"list"` // the URL of the list
	Purpose string `json:"purpose,omitempty"`
	Index   int64  `json:"index,omitempty"`
	Size    int64  `json:"size,omitempty"` // bits of an entry; zero means one
}

// Identity is an IdentityObject: the recipient in plain text or hashed. One whose «hashed» is neither true nor false is
// left out.
type Identity struct {
	Type   string `json:"type"` // emailAddress, …
	Hash   string `json:"hash"` // the value, or sha256$… or md5$… of value ‖ salt
	Hashed bool   `json:"hashed,omitempty"`
	Salt   string `json:"salt,omitempty"`
}

// Evidence is a reason that the issuer gives for the award.
type Evidence struct {
	ID          string `json:"id,omitempty"`
	Name        string `json:"name,omitempty"`
	Description string `json:"description,omitempty"`
	Narrative   string `json:"narrative,omitempty"`
	Genre       string `json:"genre,omitempty"`
	Audience    string `json:"audience,omitempty"`
}

// Recipient is a person whom a badge may be for.
type Recipient struct {
	Emails   []string
	Subjects []string
}

// IsFor reports whether the badge's recipient is r: by the subject's id, exactly, or by an e-mail address. Case is
// ignored in addresses, on both sides of the @, because issuers and members often write the same address differently. A
// hash is compared with the given spelling and its lower case only. Other spellings (dots, +tags) are other people's
// addresses.
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

// read reads a badge from a document. A missing required part is a Fault.
func read(doc object) (*Badge, error) {
	b, kind, err := readCredential(doc)
	if err != nil {
		return b, err
	}
	if kind != BadgeKind {
		return b, fault("not-an-open-badge", "its type is not OpenBadgeCredential")
	}
	return b, b.readBadge(doc)
}

// readCredential reads the parts of any verifiable credential: kind, issuer, dates and status. The dates are set even
// with most errors.
func readCredential(doc object) (*Badge, Kind, error) {
	b := &Badge{ID: ld.Str(doc, "id"), Name: text(doc, "name")}
	kind := kindOf(doc)
	if err := b.readDates(doc, kind); err != nil {
		return b, kind, err
	}
	if kind == "" {
		return b, kind, fault("not-an-open-badge", "its type is not VerifiableCredential")
	}
	switch i := doc["issuer"].(type) {
	case string:
		b.IssuerID = i
	case object:
		b.IssuerID, b.IssuerName = ld.Str(i, "id"), text(i, "name")
	}
	if b.IssuerID == "" {
		return b, kind, fault("not-an-open-badge", "it lacks an issuer's id")
	}
	b.Subject = ld.Str(single(doc["credentialSubject"]), "id")
	return b, kind, b.readStatus(doc)
}

// kindOf is the kind of document by its types; empty: no verifiable credential. A badge counts as a badge whatever
// other types it has.
func kindOf(doc object) Kind {
	switch t := doc["type"]; {
	case !has(t, "VerifiableCredential"):
		return ""
	case has(t, "OpenBadgeCredential"), has(t, "AchievementCredential"):
		return BadgeKind
	case has(t, "EndorsementCredential"):
		return EndorsementKind
	case has(t, "BitstringStatusListCredential"):
		return StatusListKind
	}
	return CredentialKind
}

func (b *Badge) readBadge(doc object) error {
	subject, achievement, err := subjectOf(doc)
	if err != nil {
		return err
	}
	b.AchievementID, b.AchievementName = ld.Str(achievement, "id"), text(achievement, "name")
	if b.AchievementID == "" || b.ID == "" {
		return fault("not-an-open-badge", "it lacks an id, or an achievement's id")
	}
	b.Description, b.Criteria = text(achievement, "description"), text(single(achievement["criteria"]), "narrative")
	b.Image = image(achievement["image"])
	b.Awarded, _ = date(doc, "awardedDate")
	b.readRecipients(subject)
	b.readEvidence(doc)
	return nil
}

// subjectOf is the only subject of a badge, and its achievement.
func subjectOf(doc object) (subject, achievement object, err error) {
	switch n := len(ld.List(doc["credentialSubject"])); {
	case n == 0:
		return nil, nil, fault("not-an-open-badge", "it has no credentialSubject")
	case n > 1:
		return nil, nil, fault("not-an-open-badge", "it has %d subjects, want one: a badge is one person's", n)
	}
	if subject = single(doc["credentialSubject"]); subject == nil {
		return nil, nil, fault("not-an-open-badge", "its credentialSubject is no object")
	}
	if !has(subject["type"], "AchievementSubject") {
		return nil, nil, fault("not-an-open-badge", "its subject is no AchievementSubject")
	}
	if n := len(ld.List(subject["achievement"])); n != 1 {
		return nil, nil, fault("not-an-open-badge", "its subject has %d achievements, want one", n)
	}
	if achievement = single(subject["achievement"]); !has(achievement["type"], "Achievement") {
		return nil, nil, fault("not-an-open-badge", "its subject's achievement is no Achievement")
	}
	return subject, achievement, nil
}

// single is the object v, alone or in a list of one, which are equivalent (JSON-LD 1.1, section 4.3); otherwise nil.
func single(v any) object {
	all := ld.List(v)
	if len(all) != 1 {
		return nil
	}
	o, _ := all[0].(object)
	return o
}

// readEndorsement: Open Badges 3.0, section B.1.11, EndorsementSubject. The comment itself is optional.
func (b *Badge) readEndorsement(doc object) error {
	subject := ld.Obj(doc, "credentialSubject")
	if b.ID == "" || ld.Str(subject, "id") == "" || !has(subject["type"], "EndorsementSubject") {
		return fault("malformed", "it is no endorsement: it lacks an id, or its subject is no EndorsementSubject with an id")
	}
	if _, isText := subject["endorsementComment"].(string); !isText && subject["endorsementComment"] != nil {
		return fault("malformed", "endorsementComment is no text")
	}
	return nil
}

// image is the id of an Image, or the plain text of older badges.
func image(v any) string {
	if o, ok := v.(object); ok {
		return ld.Str(o, "id")
	}
	s, _ := v.(string)
	return s
}

// text is the text of o at key, in any language. The data model 2.0 (section 11.1) also allows {"@value": …,
// "@language": …} and lists of them.
func text(o object, key string) string {
	for _, v := range ld.List(o[key]) {
		switch v := v.(type) {
		case string:
			return v
		case object:
			return ld.Str(v, "@value")
		}
	}
	return ""
}

func has(v any, want string) bool {
	for _, x := range ld.List(v) {
		if x == want {
			return true
		}
	}
	return false
}

// modelOne is the context of the data model 1.1, which has issuanceDate and expirationDate instead of validFrom and
// validUntil.
const modelOne = "https://www.w3.org/2018/credentials/v1"

// readDates reads the dates of both data models. Version 1.1 also has the words of 2.0; if both are present, the
// narrower period counts.
func (b *Badge) readDates(doc object, kind Kind) error {
	var at [4]time.Time
	for i, key := range [...]string{"validFrom", "issuanceDate", "validUntil", "expirationDate"} {
		var err error
		if at[i], err = date(doc, key); err != nil {
			return err
		}
	}
	b.ValidFrom, b.ValidUntil = at[0], at[2]
	if at[1].After(at[0]) {
		b.ValidFrom = at[1]
	}
	if !at[3].IsZero() && (at[2].IsZero() || at[3].Before(at[2])) {
		b.ValidUntil = at[3]
	}
	switch old := has(doc["@context"], modelOne); {
	case old && at[1].IsZero():
		return fault("not-an-open-badge", "it has no issuanceDate")
	case !old && b.ValidFrom.IsZero() && (kind == BadgeKind || kind == EndorsementKind):
		return fault("not-an-open-badge", "it has no validFrom")
	}
	return nil
}

// date is the time at key, or zero if there is none.
func date(doc object, key string) (time.Time, error) {
	v, there := doc[key]
	if !there || v == nil {
		return time.Time{}, nil
	}
	s, _ := v.(string)
	t, ok := parseStamp(s)
	if !ok {
		return time.Time{}, fault("malformed", "%s: %.60q is no time with a zone, as 2025-03-01T09:00:00Z", key, s)
	}
	return t, nil
}

func (b *Badge) readRecipients(subject object) {
	for _, v := range ld.List(subject["identifier"]) {
		o, ok := v.(object)
		if !ok || !has(o["type"], "IdentityObject") {
			continue
		}
		hashed, isBool := o["hashed"].(bool)
		if o["hashed"] != nil && !isBool {
			continue
		}
		b.Identifiers = append(b.Identifiers,
			Identity{ld.Str(o, "identityType"), ld.Str(o, "identityHash"), hashed, ld.Str(o, "salt")})
	}
}

// evidenceOf reads a node of evidence, which has the same keys in Open Badges 2.0 and 3.0.
func evidenceOf(o object) Evidence {
	return Evidence{
		ld.Str(o, "id"),
		ld.Str(o, "name"),
		ld.Str(o, "description"),
		ld.Str(o, "narrative"),
		ld.Str(o, "genre"),
		ld.Str(o, "audience"),
	}
}

func (b *Badge) readEvidence(doc object) {
	for _, v := range ld.List(doc["evidence"]) {
		if o, ok := v.(object); ok {
			b.Evidence = append(b.Evidence, evidenceOf(o))
		}
	}
}
