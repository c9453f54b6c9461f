package openbadge

import (
	"crypto/md5" //nolint:gosec // identity hashes of old badges use MD5, and nothing here is protected by MD5
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"portillon/openbadge/internal/ld"
)

// Badge contains the content of a credential. Callers must not trust a Badge unless its Verdict is Valid.
type Badge struct {
	ID string `json:"id"`
	// a second id that a badge may have in Open Badges 2.0, by which it can be revoked
	UID             string    `json:"uid,omitempty"`
	Name            string    `json:"name,omitempty"`
	IssuerID        string    `json:"issuer"`
	IssuerName      string    `json:"issuer_name,omitempty"`
	AchievementID   string    `json:"achievement"`
	AchievementName string    `json:"achievement_name,omitempty"`
	Description     string    `json:"description,omitempty"`
	Criteria        string    `json:"criteria,omitempty"`
	Image           string    `json:"image,omitempty"` // image of the achievement, as a URL or a data URL
	ValidFrom       time.Time `json:"valid_from,omitzero"`
	ValidUntil      time.Time `json:"valid_until,omitzero"` // zero: no end
	// date on which the holder earned the badge; no check uses this date
	Awarded     time.Time  `json:"awarded,omitzero"`
	Subject     string     `json:"subject,omitempty"` // value of credentialSubject.id
	Identifiers []Identity `json:"identifiers,omitempty"`
	// the badge's status entries; the badge is valid only if all of them are good
	Status   []StatusEntry `json:"status,omitempty"`
	Evidence []Evidence    `json:"evidence,omitempty"`
}

// StatusEntry is the position of a badge in a status list.
type StatusEntry struct {
	Type    string `json:"type"`
	List    string `json:"list"` // URL of the status list
	Purpose string `json:"purpose,omitempty"`
	Index   int64  `json:"index,omitempty"`
	Size    int64  `json:"size,omitempty"` // number of bits of an entry; 0 means one bit
}

// Identity is an IdentityObject: the recipient of the badge, as plain text or hashed. A Badge has no Identity for an
// object with an invalid value of hashed.
type Identity struct {
	Type string `json:"type"` // such as emailAddress
	// the value as plain text, or sha256$… or md5$… and the hash of the value followed by the salt
	Hash   string `json:"hash"`
	Hashed bool   `json:"hashed,omitempty"`
	Salt   string `json:"salt,omitempty"`
}

// Evidence is an issuer's description of how the badge was earned.
type Evidence struct {
	ID          string `json:"id,omitempty"`
	Name        string `json:"name,omitempty"`
	Description string `json:"description,omitempty"`
	Narrative   string `json:"narrative,omitempty"`
	Genre       string `json:"genre,omitempty"`
	Audience    string `json:"audience,omitempty"`
}

// Recipient is a person who may be the holder of a badge, with all known addresses and ids.
type Recipient struct {
	Emails   []string
	Subjects []string
}

// IsFor reports whether the badge belongs to the person r. A badge belongs to r if the subject's id is an id of r, or
// if an e-mail address of the subject is an address of r. IsFor ignores case on both sides of the @, because issuers
// and members may write the same address differently. For a hashed address, IsFor tries the address of r as given and
// in lower case. IsFor tries no other spelling of the address (dots, +tags), because another spelling may be the
// address of another person.
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

// matches reports whether the identity is the given e-mail address, as plain text or as a hash.
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

// parseBadge returns the badge in a document, or a Fault if a required value is missing.
func parseBadge(doc object) (*Badge, error) {
	b, kind, err := readCredential(doc)
	if err != nil {
		return b, err
	}
	if kind != BadgeKind {
		return b, fault("not-an-open-badge", "type is not OpenBadgeCredential")
	}
	return b, b.readBadge(doc)
}

// readCredential reads the properties of every verifiable credential: kind, issuer, dates and status. If there is an
// error, the returned badge usually still has its dates.
func readCredential(doc object) (*Badge, Kind, error) {
	b := &Badge{ID: ld.Str(doc, "id"), Name: textAt(doc, "name")}
	kind := kindOf(doc)
	if err := b.readDates(doc, kind); err != nil {
		return b, kind, err
	}
	if kind == "" {
		return b, kind, fault("not-an-open-badge", "type is not VerifiableCredential")
	}
	switch i := doc["issuer"].(type) {
	case string:
		b.IssuerID = i
	case object:
		b.IssuerID, b.IssuerName = ld.Str(i, "id"), textAt(i, "name")
	}
	if b.IssuerID == "" {
		return b, kind, fault("not-an-open-badge", "the issuer's id is missing")
	}
	b.Subject = ld.Str(singleObject(doc["credentialSubject"]), "id")
	return b, kind, b.readStatus(doc)
}

// kindOf returns the kind of a document from its types, or "" if the document is not a verifiable credential. A
// credential that has further types beside the badge's type is still a badge.
func kindOf(doc object) Kind {
	switch t := doc["type"]; {
	case !hasText(t, "VerifiableCredential"):
		return ""
	case hasText(t, "OpenBadgeCredential"), hasText(t, "AchievementCredential"):
		return BadgeKind
	case hasText(t, "EndorsementCredential"):
		return EndorsementKind
	case hasText(t, "BitstringStatusListCredential"):
		return StatusListKind
	}
	return CredentialKind
}

// readBadge reads the properties that only badges have.
func (b *Badge) readBadge(doc object) error {
	subject, achievement, err := subjectOf(doc)
	if err != nil {
		return err
	}
	b.AchievementID, b.AchievementName = ld.Str(achievement, "id"), textAt(achievement, "name")
	if b.AchievementID == "" || b.ID == "" {
		return fault("not-an-open-badge", "the id, or the achievement's id, is missing")
	}
	b.Description, b.Criteria = textAt(achievement, "description"), textAt(singleObject(achievement["criteria"]),
		"narrative")
	b.Image = imageID(achievement["image"])
	b.Awarded, _ = dateAt(doc, "awardedDate")
	b.readRecipients(subject)
	b.readEvidence(doc)
	return nil
}

// subjectOf returns the subject of a badge and the subject's achievement; a badge must have exactly one of each.
func subjectOf(doc object) (subject, achievement object, err error) {
	switch n := len(ld.List(doc["credentialSubject"])); {
	case n == 0:
		return nil, nil, fault("not-an-open-badge", "credentialSubject is missing")
	case n > 1:
		return nil, nil, fault("not-an-open-badge", "%d subjects, want one: a badge belongs to one person", n)
	}
	if subject = singleObject(doc["credentialSubject"]); subject == nil {
		return nil, nil, fault("not-an-open-badge", "credentialSubject is not an object")
	}
	if !hasText(subject["type"], "AchievementSubject") {
		return nil, nil, fault("not-an-open-badge", "the subject's type is not AchievementSubject")
	}
	if n := len(ld.List(subject["achievement"])); n != 1 {
		return nil, nil, fault("not-an-open-badge", "the subject has %d achievements, want one", n)
	}
	if achievement = singleObject(subject["achievement"]); !hasText(achievement["type"], "Achievement") {
		return nil, nil, fault("not-an-open-badge", "the achievement's type is not Achievement")
	}
	return subject, achievement, nil
}

// singleObject returns v if v is an object, or the only object of the list v, because both forms mean the same (JSON-LD
// 1.1, section 4.3). If v is anything else, singleObject returns nil.
func singleObject(v any) object {
	all := ld.List(v)
	if len(all) != 1 {
		return nil
	}
	o, _ := all[0].(object)
	return o
}

// readEndorsement checks an endorsement (Open Badges 3.0, section B.1.11, EndorsementSubject). The endorsement's
// comment is optional.
func (b *Badge) readEndorsement(doc object) error {
	subject := ld.Obj(doc, "credentialSubject")
	if b.ID == "" || ld.Str(subject, "id") == "" || !hasText(subject["type"], "EndorsementSubject") {
		return fault("malformed", "not an endorsement: want an id, and an EndorsementSubject with an id")
	}
	if _, isText := subject["endorsementComment"].(string); !isText && subject["endorsementComment"] != nil {
		return fault("malformed", "endorsementComment is not a text")
	}
	return nil
}

// imageID returns the id of an Image. In older badges, the image is a plain URL, which imageID returns unchanged.
func imageID(v any) string {
	if o, ok := v.(object); ok {
		return ld.Str(o, "id")
	}
	s, _ := v.(string)
	return s
}

// textAt returns the text of o at key, in any language. In the data model 2.0 (section 11.1) a text may also be
// {"@value": …, "@language": …}, or a list of such objects, of which textAt returns the first.
func textAt(o object, key string) string {
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

// hasText reports whether v is the text want, or a list that contains this text.
func hasText(v any, want string) bool {
	for _, x := range ld.List(v) {
		if x == want {
			return true
		}
	}
	return false
}

// modelOne is the context of the data model 1.1, which has issuanceDate and expirationDate in place of validFrom and
// validUntil.
const modelOne = "https://www.w3.org/2018/credentials/v1"

// readDates reads the validity dates of both data models. A badge of version 1.1 may also have the terms of version
// 2.0. If both are present, the badge is valid in the time that both periods have in common.
func (b *Badge) readDates(doc object, kind Kind) error {
	var at [4]time.Time
	for i, key := range [...]string{"validFrom", "issuanceDate", "validUntil", "expirationDate"} {
		var err error
		if at[i], err = dateAt(doc, key); err != nil {
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
	switch old := hasText(doc["@context"], modelOne); {
	case old && at[1].IsZero():
		return fault("not-an-open-badge", "issuanceDate is missing")
	case !old && b.ValidFrom.IsZero() && (kind == BadgeKind || kind == EndorsementKind):
		return fault("not-an-open-badge", "validFrom is missing")
	}
	return nil
}

// dateAt returns the time at key, or the zero time if the key is missing.
func dateAt(doc object, key string) (time.Time, error) {
	v, there := doc[key]
	if !there || v == nil {
		return time.Time{}, nil
	}
	s, _ := v.(string)
	t, ok := parseStamp(s)
	if !ok {
		return time.Time{}, fault("malformed", "%s: time %.60q, want a time with a zone, as 2025-03-01T09:00:00Z", key, s)
	}
	return t, nil
}

// readRecipients adds the identities of the subject. readRecipients skips malformed identities, so they match nobody.
func (b *Badge) readRecipients(subject object) {
	for _, v := range ld.List(subject["identifier"]) {
		o, ok := v.(object)
		if !ok || !hasText(o["type"], "IdentityObject") {
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

// evidenceOf reads one piece of evidence. readEvidence works for Open Badges 2.0 and 3.0, because evidence has the
// same keys in both.
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

// readEvidence reads all evidence of a badge.
func (b *Badge) readEvidence(doc object) {
	for _, v := range ld.List(doc["evidence"]) {
		if o, ok := v.(object); ok {
			b.Evidence = append(b.Evidence, evidenceOf(o))
		}
	}
}
