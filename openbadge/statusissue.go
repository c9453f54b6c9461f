package openbadge

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"portillon/openbadge/internal/ld"
)

// These are the types of a bitstring status list (Bitstring Status List 1.0, section 2).
const (
	bitstringListType = "BitstringStatusList"
	bitstringType     = "BitstringStatusListCredential"
)

// MinStatusEntries is the smallest accepted number of entries of a list. In a shorter list, an index could reveal a
// person (Bitstring Status List 1.0, section 2.2).
const MinStatusEntries = 131_072

// StatusListDraft is the content of a bitstring status list before it is signed. The badges with an index in Set are
// revoked or suspended, as Purpose says.
type StatusListDraft struct {
	ID         string // https address at which the list will be published
	IssuerID   string // issuer of the badges; empty for the did:key of the key
	Purpose    string // what an entry that is set means: revocation or suspension; empty means revocation
	Size       int    // number of entries of the list, a multiple of 8; 0 means MinStatusEntries
	Set        []int
	ValidFrom  time.Time // start of validity; zero means the date of the proof
	ValidUntil time.Time // end of validity; zero means that the list has no end
	// how long readers may use the list before they read it again; 0 means that the list states no limit
	TTL time.Duration
}

// Entry returns the status entry to write into the badge that has this index in the list.
func (d StatusListDraft) Entry(index int) StatusEntry {
	return StatusEntry{Type: BitstringEntryType, List: d.ID, Purpose: d.purpose(), Index: int64(index)}
}

// RandomIndex returns a random index that no badge uses. The index must be random, because consecutive indexes would
// reveal the order in which badges were issued.
func (d StatusListDraft) RandomIndex(taken map[int]string) (int, error) {
	if len(taken) >= d.size()/2 { // in a list that is more than half full, the search for an unused index would take long
		return 0, fmt.Errorf("status list %s is half full: start another list", d.ID)
	}
	for {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(d.size())))
		if err != nil {
			return 0, err
		}
		if i := int(n.Int64()); taken[i] == "" {
			return i, nil
		}
	}
}

// IssueStatusList signs the list as a BitstringStatusListCredential: as JSON with an eddsa-rdfc-2022 proof, or as a
// VC-JWT if the key is RSA. created is the date that the proof states.
func IssueStatusList(d StatusListDraft, k *Key, created time.Time) ([]byte, error) {
	if d.IssuerID == "" {
		d.IssuerID = k.DID()
	}
	if d.ValidFrom.IsZero() {
		d.ValidFrom = created
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	out, err := d.sign(k, created)
	if len(out) > MaxListBytes {
		return nil, fmt.Errorf("status list has %d bytes, want at most %d", len(out), MaxListBytes)
	}
	return out, err
}

// sign returns the list as JSON with a proof, or as a token if the key is an RSA key.
func (d StatusListDraft) sign(k *Key, created time.Time) ([]byte, error) {
	if k.rsa != nil {
		return signToken(d.document(), d.IssuerID, k, false)
	}
	return addProof(d.document(), d.IssuerID, k, created)
}

// document returns the list without its proof.
func (d StatusListDraft) document() object {
	b := make(bits, d.size()/8)
	for _, i := range d.Set {
		b.set(int64(i), true)
	}
	subject := object{
		"id":            d.ID + "#list",
		"type":          bitstringListType,
		"statusPurpose": d.purpose(),
		"encodedList":   encodeBits(b),
	}
	if d.TTL > 0 {
		subject["ttl"] = json.Number(strconv.FormatInt(d.TTL.Milliseconds(), 10))
	}
	doc := object{"@context": []any{ContextVC}, "id": d.ID, "type": []any{"VerifiableCredential", bitstringType},
		"issuer": d.IssuerID, "validFrom": d.ValidFrom.UTC().Format(time.RFC3339), "credentialSubject": subject}
	if !d.ValidUntil.IsZero() {
		doc["validUntil"] = d.ValidUntil.UTC().Format(time.RFC3339)
	}
	return doc
}

// size returns the number of entries of the list.
func (d StatusListDraft) size() int {
	if d.Size == 0 {
		return MinStatusEntries
	}
	return d.Size
}

// purpose returns the purpose of the list's entries.
func (d StatusListDraft) purpose() string {
	if d.Purpose == "" {
		return "revocation"
	}
	return d.Purpose
}

// check returns an error for the first fault that it finds in the draft.
func (d StatusListDraft) check() error {
	switch p := d.purpose(); {
	case d.IssuerID == "":
		return errNoIssuer
	case !strings.HasPrefix(d.ID, "https://"):
		return fmt.Errorf("status list has the address %.100q, want an https address", d.ID)
	case p != "revocation" && p != "suspension":
		return fmt.Errorf("status list has the purpose %.40q, want revocation or suspension", p)
	case d.size() < MinStatusEntries || d.size() > 8*maxBits || d.size()%8 != 0:
		return fmt.Errorf("status list has %d entries, want a multiple of 8 between %d and %d",
			d.size(), MinStatusEntries, 8*maxBits)
	case !d.ValidUntil.IsZero() && !d.ValidUntil.After(d.ValidFrom):
		return errors.New("end of the status list is not after its start")
	}
	for _, i := range d.Set {
		if i < 0 || i >= d.size() {
			return fmt.Errorf("status list has no entry %d: the indexes of its %d entries begin with 0", i, d.size())
		}
	}
	return nil
}

// OpenStatusList reads a list that was signed with this key; the caller can change the list and sign it again.
// OpenStatusList rejects a list that someone else has changed, because the next signature would otherwise confirm
// this change.
func OpenStatusList(data []byte, k *Key) (StatusListDraft, error) {
	doc, err := openSigned(bytes.TrimSpace(data), k)
	if err != nil {
		return StatusListDraft{}, err
	}
	subject := ld.Obj(doc, "credentialSubject")
	b, err := decodeBits(ld.Str(subject, "encodedList"))
	if err != nil {
		return StatusListDraft{}, err
	}
	d := StatusListDraft{
		ID:       ld.Str(doc, "id"),
		IssuerID: ld.Str(doc, "issuer"),
		Purpose:  ld.Str(subject, "statusPurpose"),
		Size:     8 * len(b),
		Set:      b.setIndexes(),
	}
	if n, ok := subject["ttl"].(json.Number); ok {
		ms, _ := n.Int64()
		d.TTL = time.Duration(ms) * time.Millisecond
	}
	if d.ValidFrom, err = dateAt(doc, "validFrom"); err != nil {
		return d, err
	}
	if d.ValidUntil, err = dateAt(doc, "validUntil"); err != nil {
		return d, err
	}
	return d, d.check()
}

// openSigned returns a document if this key has signed exactly this content.
func openSigned(data []byte, k *Key) (object, error) {
	if k.rsa != nil {
		return openSignedToken(data, k.rsa)
	}
	doc, err := ld.ParseList(data, 1000)
	if err != nil {
		return nil, err
	}
	d, err := ld.OpenList(doc)
	if err != nil {
		return nil, err
	}
	proof := ld.Obj(object{"proof": append(ld.List(doc["proof"]), nil)[0]}, "proof")
	hash, err := signedHash(d, proof)
	if err != nil {
		return nil, err
	}
	sig, ok := decode58(strings.TrimPrefix(ld.Str(proof, "proofValue"), "z"))
	if !ok || !ed25519.Verify(k.private.Public().(ed25519.PublicKey), hash, sig) {
		return nil, errNotOurs
	}
	return doc, nil
}

// openSignedToken is openSigned for a token that was signed with an RSA key.
func openSignedToken(data []byte, k *rsa.PrivateKey) (object, error) {
	dot := bytes.LastIndexByte(data, '.')
	first := bytes.IndexByte(data, '.')
	if first < 0 || first == dot {
		return nil, errNotOurs
	}
	sig, err := base64.RawURLEncoding.DecodeString(string(data[dot+1:]))
	h := sha256.Sum256(data[:dot])
	if err != nil || rsa.VerifyPKCS1v15(&k.PublicKey, crypto.SHA256, h[:], sig) != nil {
		return nil, errNotOurs
	}
	payload, err := base64.RawURLEncoding.DecodeString(string(data[first+1 : dot]))
	if err != nil {
		return nil, errNotOurs
	}
	return ld.ParseList(payload, 1000)
}

var errNotOurs = errors.New("status list is not signed with this key, or was changed")

// setIndexes returns the indexes of the entries that are set.
func (b bits) setIndexes() (set []int) {
	for i := range b.len() {
		if b.at(i) {
			set = append(set, int(i))
		}
	}
	return set
}

// object returns the entry in the form in which a badge contains it (section 2.1), with the index as a text.
func (e StatusEntry) object() object {
	index := strconv.FormatInt(e.Index, 10)
	return object{
		"id":                   e.List + "#" + index,
		"type":                 BitstringEntryType,
		"statusPurpose":        e.Purpose,
		"statusListIndex":      index,
		"statusListCredential": e.List,
	}
}

// check returns an error if the entry is incomplete.
func (e StatusEntry) check() error {
	if e.Type != BitstringEntryType && e.Type != "" || !strings.HasPrefix(e.List, "https://") || e.Index < 0 ||
		e.Purpose == "" {
		return fmt.Errorf("status entry %+v is incomplete, want the https address of the list, a purpose and an index", e)
	}
	return nil
}
