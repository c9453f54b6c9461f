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

// These are the contexts of the badges that this package issues.
const (
	ContextVC         = ld.VC
	ContextOB         = ld.OB
	ContextExtensions = ld.Extensions
)

// Draft holds the content of a badge before it is signed.
type Draft struct {
	ID          string // the badge's id, an absolute IRI; empty means a new urn:uuid
	IssuerID    string // the issuer's id, a DID or an https address; empty means the did:key of the key
	IssuerName  string
	Achievement Achievement
	Email       string // e-mail address of the recipient; the badge contains only its hash, with a new salt
	Subject     string // id of the recipient; empty if an e-mail address names the recipient
	ValidFrom   time.Time
	ValidUntil  time.Time     // end of validity; zero means that the badge never expires
	Status      string        // URL of the 1EdTech revocation list; empty means no list
	Statuses    []StatusEntry // the badge's entries in bitstring status lists: see StatusListDraft
	Evidence    []Evidence
	HeaderKey   bool // include the public key in the header of a VC-JWT, as some wallets need; verifiers must not trust it
}

// Achievement describes the badge class of a draft.
type Achievement struct {
	ID, Name, Description, Criteria string
	Image                           string // address of the picture; empty: the class has no picture
	Alignments                      []Alignment
}

// Alignment is a competence of a framework that corresponds to a badge class (Open Badges 3.0, class Alignment).
type Alignment struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// object returns the achievement as a JSON object. object leaves out the picture and the alignments if there are none.
func (a Achievement) object() object {
	out := object{"id": a.ID, "type": []any{"Achievement"}, "name": a.Name, "description": a.Description,
		"criteria": object{"narrative": a.Criteria}}
	if a.Image != "" {
		out["image"] = object{"id": a.Image, "type": "Image"}
	}
	var aligned []any
	for _, x := range a.Alignments {
		aligned = append(aligned, object{"type": []any{"Alignment"}, "targetName": x.Name, "targetUrl": x.URL})
	}
	if aligned != nil {
		out["alignment"] = aligned
	}
	return out
}

// IssueJSON signs the draft as JSON, with an eddsa-rdfc-2022 proof. created is the date that the proof states. The
// key must be Ed25519.
func IssueJSON(d Draft, k *Key, created time.Time) ([]byte, error) {
	doc, err := d.document(k)
	if err != nil {
		return nil, err
	}
	return addProof(doc, d.issuer(k), k, created)
}

// addProof signs a document and adds the issuer's proof to it.
func addProof(doc object, issuer string, k *Key, created time.Time) ([]byte, error) {
	if k.private == nil {
		return nil, errors.New("RSA key cannot sign JSON: issue a VC-JWT, or use an Ed25519 key")
	}
	// use the size limit of a list, because doc may be a status list; requireReadable has already checked a badge
	signing, err := ld.OpenList(doc)
	if err != nil {
		return nil, err
	}
	p := object{"type": "DataIntegrityProof", "cryptosuite": issuedSuite, "created": created.UTC().Format(time.RFC3339),
		"verificationMethod": k.methodID(issuer), "proofPurpose": "assertionMethod"}
	hash, err := signedHash(signing, p)
	if err != nil {
		return nil, err
	}
	p["proofValue"] = "z" + encode58(ed25519.Sign(k.private, hash))
	doc["proof"] = []any{p}
	return indentedJSON(doc)
}

// IssueJWT signs the draft as a VC-JWT (Open Badges 3.0, section 8.2), with EdDSA, or RS256 for an RSA key. The token
// has the claims iss, jti and nbf. The token also has the claim sub if the badge has a subject's id, and the claim
// exp if the badge has an end.
func IssueJWT(d Draft, k *Key) ([]byte, error) {
	doc, err := d.document(k)
	if err != nil {
		return nil, err
	}
	return signToken(doc, d.issuer(k), k, d.HeaderKey)
}

// signToken signs a document and returns it as a VC-JWT. These claims repeat values of the document.
func signToken(doc object, issuer string, k *Key, withKey bool) ([]byte, error) {
	doc["iss"], doc["jti"] = issuer, doc["id"]
	if sub := ld.Str(ld.Obj(doc, "credentialSubject"), "id"); sub != "" {
		doc["sub"] = sub
	}
	for claim, word := range map[string]string{"nbf": "validFrom", "exp": "validUntil"} {
		if t, err := dateAt(doc, word); err == nil && !t.IsZero() {
			doc[claim] = t.Unix()
		}
	}
	header := object{"alg": k.Algorithm(), "typ": "JWT", "kid": k.methodID(issuer)}
	if withKey {
		header["jwk"] = k.publicJWK()
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

var errNoIssuer = errors.New("RSA key has no DID: set the issuer to a did:web or a web address")

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
	subject := object{"type": []any{"AchievementSubject"}, "achievement": d.Achievement.object()}
	if d.Subject != "" {
		subject["id"] = d.Subject
	}
	if d.Email != "" {
		salt := randomHex(8)
		h := sha256.Sum256([]byte(strings.ToLower(d.Email) + salt))
		subject["identifier"] = []any{
			object{"type": "IdentityObject", "hashed": true, "identityHash": "sha256$" + hex.EncodeToString(h[:]),
				"identityType": "emailAddress", "salt": salt},
		}
	}
	id := d.ID
	if id == "" {
		id = randomUUID()
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
		doc["evidence"] = evidenceObjects(d.Evidence)
	}
	return doc, requireReadable(doc)
}

// addStatus adds the draft's status entries to the credential. addStatus writes a single entry as an object, because
// most verifiers expect an object. addStatus writes several entries as an array.
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

// requireReadable verifies, before signing, that this package would accept the document.
func requireReadable(doc object) error {
	if _, err := ld.Open(doc); err != nil {
		return err
	}
	_, err := parseBadge(doc)
	return err
}

// evidenceObjects returns the draft's evidence as JSON objects, and leaves out empty values.
func evidenceObjects(all []Evidence) []any {
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

// check returns an error for the first fault that it finds in the draft.
func (d Draft) check(k *Key) error {
	switch a := d.Achievement; {
	case d.issuer(k) == "":
		return errNoIssuer
	case a.ID == "" || a.Name == "":
		return errors.New("achievement of the draft is incomplete, want an id and a name")
	case d.Email == "" && d.Subject == "":
		return errors.New("recipient of the draft is missing, want an e-mail address or a subject's id")
	case d.Email != "" && !strings.Contains(d.Email, "@"):
		return fmt.Errorf("invalid e-mail address %q", d.Email)
	case d.ValidFrom.IsZero():
		return errors.New("start of validity of the draft is missing")
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

// randomHex returns n random bytes in hexadecimal.
func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // crypto/rand.Read never fails since Go 1.24
	return hex.EncodeToString(b)
}

// randomUUID returns a random urn:uuid (RFC 9562, version 4).
func randomUUID() string {
	b := make([]byte, 16)
	rand.Read(b)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
