package openbadge

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"portillon/openbadge/internal/ld"
)

// Contexts of the badges that this package issues.
const (
	ContextVC         = ld.VC
	ContextOB         = ld.OB
	ContextExtensions = ld.Extensions
)

// Draft is a badge before it is signed.
type Draft struct {
	ID          string // absolute; empty: a new urn:uuid
	IssuerID    string // a DID or an https address; empty: the did:key of the key
	IssuerName  string
	Achievement Achievement
	Email       string // e-mail address of the recipient, stored as a hash with a new salt
	Subject     string // id of the recipient; may be empty
	ValidFrom   time.Time
	ValidUntil  time.Time     // zero: no end
	Status      string        // URL of the 1EdTech revocation list; empty: none
	Statuses    []StatusEntry // entries in bitstring status lists: see StatusListDraft
	Evidence    []Evidence
	HeaderKey   bool // include the public key in the header of a VC-JWT, as some wallets need; verifiers must not trust it
}

// Achievement is the badge class.
type Achievement struct{ ID, Name, Description, Criteria string }

// IssueJSON signs the draft as JSON, with an eddsa-rdfc-2022 proof dated created. The key must be Ed25519.
func IssueJSON(d Draft, k *Key, created time.Time) ([]byte, error) {
	doc, err := d.document(k)
	if err != nil {
		return nil, err
	}
	return prove(doc, d.issuer(k), k, created)
}

// prove adds the issuer's proof to a document.
func prove(doc object, issuer string, k *Key, created time.Time) ([]byte, error) {
	if k.private == nil {
		return nil, errors.New("an RSA key cannot sign JSON: issue a VC-JWT, or use an Ed25519 key")
	}
	signing, err := ld.OpenList(doc) // doc may be a status list; readable checks a badge again
	if err != nil {
		return nil, err
	}
	p := object{"type": "DataIntegrityProof", "cryptosuite": suite, "created": created.UTC().Format(time.RFC3339),
		"verificationMethod": k.method(issuer), "proofPurpose": "assertionMethod"}
	hash, err := signedHash(signing, p)
	if err != nil {
		return nil, err
	}
	p["proofValue"] = "z" + encode58(ed25519.Sign(k.private, hash))
	doc["proof"] = []any{p}
	return indented(doc)
}

// IssueJWT signs the draft as a VC-JWT (Open Badges 3.0, section 8.2), with EdDSA, or RS256 for an RSA key. The claims
// are iss, jti and nbf, and also sub and exp if the badge has a subject's id and an end.
func IssueJWT(d Draft, k *Key) ([]byte, error) {
	doc, err := d.document(k)
	if err != nil {
		return nil, err
	}
	return envelop(doc, d.issuer(k), k, d.HeaderKey)
}

// envelop returns a document as a VC-JWT. The claims repeat values of the document.
func envelop(doc object, issuer string, k *Key, withKey bool) ([]byte, error) {
	doc["iss"], doc["jti"] = issuer, doc["id"]
	if sub := ld.Str(ld.Obj(doc, "credentialSubject"), "id"); sub != "" {
		doc["sub"] = sub
	}
	for claim, word := range map[string]string{"nbf": "validFrom", "exp": "validUntil"} {
		if t, err := date(doc, word); err == nil && !t.IsZero() {
			doc[claim] = t.Unix()
		}
	}
	header := object{"alg": k.Algorithm(), "typ": "JWT", "kid": k.method(issuer)}
	if withKey {
		header["jwk"] = k.jwk()
	}
	text := make([]string, 2)
	for i, part := range [...]object{header, doc} {
		b, err := json.Marshal(part)
		if err != nil {
			return nil, err
		}
		text[i] = b64(b)
	}
	signed := strings.Join(text, ".")
	sig, err := k.sign([]byte(signed))
	return []byte(signed + "." + b64(sig) + "\n"), err
}

var errNoIssuer = errors.New("an RSA key has no DID: set the issuer to a did:web or a web address")

// issuer returns the issuer's id of the draft or, if the draft has none, the DID of the key.
func (d Draft) issuer(k *Key) string {
	if d.IssuerID != "" {
		return d.IssuerID
	}
	return k.DID()
}

// document returns the credential without its proof.
func (d Draft) document(k *Key) (object, error) {
	if err := d.check(k); err != nil {
		return nil, err
	}
	subject := object{
		"type": []any{"AchievementSubject"},
		"achievement": object{"id": d.Achievement.ID, "type": []any{"Achievement"},
			"name": d.Achievement.Name, "description": d.Achievement.Description, "criteria": object{
				"narrative": d.Achievement.Criteria,
			}},
	}
	if d.Subject != "" {
		subject["id"] = d.Subject
	}
	if d.Email != "" {
		salt := random(8)
		h := sha256.Sum256([]byte(strings.ToLower(d.Email) + salt))
		subject["identifier"] = []any{
			object{"type": "IdentityObject", "hashed": true, "identityHash": "sha256$" + hex.EncodeToString(h[:]),
				"identityType": "emailAddress", "salt": salt},
		}
	}
	id := d.ID
	if id == "" {
		id = uuid()
	}
	doc := object{
		"@context": []any{ContextVC, ContextOB},
		"id":       id,
		"type":     []any{"VerifiableCredential", "OpenBadgeCredential"},
		"issuer": object{
			"id":   d.issuer(k),
			"type": []any{"Profile"},
			"name": d.IssuerName,
		},
		"validFrom":         d.ValidFrom.UTC().Format(time.RFC3339),
		"name":              d.Achievement.Name,
		"credentialSubject": subject,
	}
	if !d.ValidUntil.IsZero() {
		doc["validUntil"] = d.ValidUntil.UTC().Format(time.RFC3339)
	}
	d.addStatus(doc)
	if len(d.Evidence) > 0 {
		doc["evidence"] = evidence(d.Evidence)
	}
	return doc, readable(doc)
}

// addStatus adds the badge's status: one status as an object, which most verifiers expect, several as an array.
func (d Draft) addStatus(doc object) {
	var all []any
	if d.Status != "" {
		doc["@context"] = []any{ContextVC, ContextOB, ContextExtensions}
		all = append(all, object{"id": d.Status, "type": RevocationListType})
	}
	for _, e := range d.Statuses {
		all = append(all, e.object())
	}
	switch len(all) {
	case 0:
	case 1:
		doc["credentialStatus"] = all[0]
	default:
		doc["credentialStatus"] = all
	}
}

// readable checks that this package would accept the document that is about to be signed.
func readable(doc object) error {
	if _, err := ld.Open(doc); err != nil {
		return err
	}
	_, err := read(doc)
	return err
}

// evidence returns the evidence as JSON objects, without empty values.
func evidence(all []Evidence) []any {
	var out []any
	for _, e := range all {
		o := object{"type": []any{"Evidence"}}
		for key, s := range map[string]string{
			"id":          e.ID,
			"name":        e.Name,
			"description": e.Description,
			"narrative":   e.Narrative,
			"genre":       e.Genre,
			"audience":    e.Audience,
		} {
			if s != "" {
				o[key] = s
			}
		}
		out = append(out, o)
	}
	return out
}

// check returns the first fault of the draft.
func (d Draft) check(k *Key) error {
	switch a := d.Achievement; {
	case d.issuer(k) == "":
		return errNoIssuer
	case a.ID == "" || a.Name == "":
		return errors.New("achievement is incomplete, want an id and a name")
	case d.Email == "" && d.Subject == "":
		return errors.New("recipient is missing, want an e-mail address or a subject's id")
	case d.Email != "" && !strings.Contains(d.Email, "@"):
		return fmt.Errorf("invalid e-mail address %q", d.Email)
	case d.ValidFrom.IsZero():
		return errors.New("start of validity is missing")
	case !d.ValidUntil.IsZero() && !d.ValidUntil.After(d.ValidFrom):
		return errors.New("end of validity is not after its start")
	}
	for _, e := range d.Statuses {
		if err := e.check(); err != nil {
			return err
		}
	}
	return nil
}

// random returns n random bytes in hexadecimal.
func random(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails since Go 1.24
	return hex.EncodeToString(b)
}

// uuid returns a random urn:uuid (RFC 9562, version 4).
func uuid() string {
	b := make([]byte, 16)
	rand.Read(b)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
