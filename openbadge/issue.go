package openbadge

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"portillon/openbadge/internal/ld"
)

// The contexts of what we issue.
const (
	ContextVC         = ld.VC
	ContextOB         = ld.OB
	ContextExtensions = ld.Extensions
)

// Draft is a badge to be issued.
type Draft struct {
	ID          string // absolute; empty: a fresh urn:uuid
	IssuerID    string // empty: the key's did:key
	IssuerName  string
	Achievement Achievement
	Email       string // the recipient; hashed with a fresh salt
	Subject     string // the recipient's id, if they have one
	ValidFrom   time.Time
	ValidUntil  time.Time // zero: no end
	Status      string    // the URL of the revocation list; empty: none
	Evidence    []Evidence
}

// Achievement is the class of a badge.
type Achievement struct{ ID, Name, Description, Criteria string }

// IssueJSON signs the draft as JSON with an eddsa-rdfc-2022 proof made at created.
func IssueJSON(d Draft, k *Key, created time.Time) ([]byte, error) {
	doc, err := d.document(k)
	if err != nil {
		return nil, err
	}
	signing, err := ld.Open(doc)
	if err != nil {
		return nil, err
	}
	p := object{"type": "DataIntegrityProof", "cryptosuite": suite, "created": created.UTC().Format(time.RFC3339),
		"verificationMethod": k.method(d.issuer(k)), "proofPurpose": "assertionMethod"}
	hash, err := signedHash(signing, p)
	if err != nil {
		return nil, err
	}
	p["proofValue"] = "z" + encode58(ed25519.Sign(k.private, hash))
	doc["proof"] = []any{p}
	b, err := json.MarshalIndent(doc, "", "  ")
	return append(b, '\n'), err
}

// IssueJWT signs the draft as a VC-JWT with EdDSA.
func IssueJWT(d Draft, k *Key) ([]byte, error) {
	doc, err := d.document(k)
	if err != nil {
		return nil, err
	}
	doc["iss"], doc["jti"], doc["nbf"] = d.issuer(k), doc["id"], d.ValidFrom.Unix()
	if d.Subject != "" {
		doc["sub"] = d.Subject
	}
	if !d.ValidUntil.IsZero() {
		doc["exp"] = d.ValidUntil.Unix()
	}
	header, err := json.Marshal(map[string]string{"alg": "EdDSA", "typ": "JWT", "kid": k.method(d.issuer(k))})
	if err != nil {
		return nil, err
	}
	payload, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	enc := base64.RawURLEncoding
	text := enc.EncodeToString(header) + "." + enc.EncodeToString(payload)
	return []byte(text + "." + enc.EncodeToString(ed25519.Sign(k.private, []byte(text))) + "\n"), nil
}

func (d Draft) issuer(k *Key) string {
	if d.IssuerID != "" {
		return d.IssuerID
	}
	return k.DID()
}

// document is the credential without its proof.
func (d Draft) document(k *Key) (object, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	subject := object{"type": []any{"AchievementSubject"}, "achievement": object{"id": d.Achievement.ID, "type": []any{"Achievement"},
		"name": d.Achievement.Name, "description": d.Achievement.Description, "criteria": object{"narrative": d.Achievement.Criteria}}}
	if d.Subject != "" {
		subject["id"] = d.Subject
	}
	if d.Email != "" {
		salt := random(8)
		h := sha256.Sum256([]byte(strings.ToLower(d.Email) + salt))
		subject["identifier"] = []any{object{"type": "IdentityObject", "hashed": true, "identityHash": "sha256$" + hex.EncodeToString(h[:]),
			"identityType": "emailAddress", "salt": salt}}
	}
	id := d.ID
	if id == "" {
		id = uuid()
	}
	doc := object{"@context": []any{ContextVC, ContextOB}, "id": id, "type": []any{"VerifiableCredential", "OpenBadgeCredential"},
		"issuer": object{"id": d.issuer(k), "type": []any{"Profile"}, "name": d.IssuerName}, "validFrom": d.ValidFrom.UTC().Format(time.RFC3339),
		"name": d.Achievement.Name, "credentialSubject": subject}
	if !d.ValidUntil.IsZero() {
		doc["validUntil"] = d.ValidUntil.UTC().Format(time.RFC3339)
	}
	if d.Status != "" {
		doc["@context"] = []any{ContextVC, ContextOB, ContextExtensions}
		doc["credentialStatus"] = object{"id": d.Status, "type": RevocationListType}
	}
	if len(d.Evidence) > 0 {
		doc["evidence"] = evidence(d.Evidence)
	}
	return doc, readable(doc)
}

// readable reports whether we would read what we are about to sign: every id absolute, and nothing missing.
func readable(doc object) error {
	if _, err := ld.Open(doc); err != nil {
		return err
	}
	_, err := read(doc)
	return err
}

func evidence(all []Evidence) []any {
	var out []any
	for _, e := range all {
		o := object{"type": []any{"Evidence"}}
		for key, s := range map[string]string{"id": e.ID, "name": e.Name, "description": e.Description, "narrative": e.Narrative, "genre": e.Genre, "audience": e.Audience} {
			if s != "" {
				o[key] = s
			}
		}
		out = append(out, o)
	}
	return out
}

func (d Draft) check() error {
	switch a := d.Achievement; {
	case a.ID == "" || a.Name == "":
		return errors.New("a badge needs an achievement with an id and a name")
	case d.Email == "" && d.Subject == "":
		return errors.New("a badge needs a recipient: an e-mail address or a subject's id")
	case d.Email != "" && !strings.Contains(d.Email, "@"):
		return fmt.Errorf("%q is no e-mail address", d.Email)
	case d.ValidFrom.IsZero():
		return errors.New("a badge needs the time from which it is valid")
	case !d.ValidUntil.IsZero() && !d.ValidUntil.After(d.ValidFrom):
		return errors.New("a badge ends after it begins")
	}
	return nil
}

func random(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails (Go 1.24)
	return hex.EncodeToString(b)
}

// uuid is a random urn:uuid (RFC 9562, version 4).
func uuid() string {
	b := make([]byte, 16)
	rand.Read(b)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
