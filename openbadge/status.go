package openbadge

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"portillon/openbadge/internal/ld"
)

// These are the types of status entries that the package supports.
const (
	RevocationListType  = "1EdTechRevocationList"    // 1EdTech, Verifiable Credentials Revocation List 1.0
	BitstringEntryType  = "BitstringStatusListEntry" // W3C, Bitstring Status List 1.0
	RevocationList2Type = "RevocationList"           // Open Badges 2.0
)

// maxStatuses is the largest accepted number of status entries of a badge: revocation, suspension, and two others.
const maxStatuses = 4

// readStatus reads the status entries of a credential.
func (b *Badge) readStatus(doc object) error {
	all := ld.List(doc["credentialStatus"])
	if len(all) > maxStatuses {
		return fault("too-complex", "%d statuses, want at most %d", len(all), maxStatuses)
	}
	for _, x := range all {
		s, ok := x.(object)
		if !ok {
			return fault("malformed", "credentialStatus is not an object")
		}
		if err := rejectSecondNode(doc, s); err != nil {
			return err
		}
		e, err := readEntry(s)
		if err != nil {
			return err
		}
		b.Status = append(b.Status, e)
	}
	return nil
}

// readEntry reads one entry of credentialStatus. For an unknown type of entry, only the type is read.
func readEntry(s object) (e StatusEntry, err error) {
	id, _ := s["id"].(string)
	if types := ld.List(s["type"]); len(types) == 1 {
		e.Type, _ = types[0].(string)
	}
	switch e.Type {
	case "":
		return e, fault("malformed", "credentialStatus has no type, or several")
	case BitstringEntryType:
		return readBitstringEntry(e, s)
	case RevocationListType:
		if id == "" {
			return e, fault("malformed", "credentialStatus: id is missing")
		}
	}
	e.List = id
	return e, nil
}

// readBitstringEntry reads an entry for a bitstring status list (Bitstring Status List 1.0, section 2.1).
// The standard requires that statusListIndex is a text. The index may also be a JSON number, as in 1EdTech's sample.
func readBitstringEntry(e StatusEntry, s object) (StatusEntry, error) {
	e.List, e.Purpose = ld.Str(s, "statusListCredential"), ld.Str(s, "statusPurpose")
	switch {
	case e.List == "" || e.Purpose == "":
		return e, fault("malformed", "credentialStatus: statusListCredential or statusPurpose is missing")
	case ld.Str(s, "id") == e.List:
		return e, fault("malformed", "credentialStatus: the id is the address of the list")
	}
	var ok bool
	if e.Index, ok = parseIndex(s["statusListIndex"]); !ok {
		return e, fault("malformed", "credentialStatus: statusListIndex is not a whole number")
	}
	if s["statusSize"] != nil {
		if e.Size, ok = parseIndex(s["statusSize"]); !ok || e.Size == 0 {
			return e, fault("malformed", "credentialStatus: statusSize is not a whole number")
		}
	}
	return e, nil
}

// parseIndex parses a non-negative integer, written with digits only, as a text or as a JSON number.
func parseIndex(v any) (int64, bool) {
	s, ok := v.(string)
	if n, isNumber := v.(json.Number); isNumber {
		s, ok = n.String(), true
	}
	if !ok || s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// rejectSecondNode returns an error if a second node of the document has the id of n and also has content. A
// signature does not cover the position of a statement. An attacker could therefore move the properties statusSize or
// statusPurpose to a second node. The signature would stay valid, and readers of n would miss the property.
func rejectSecondNode(doc, n object) error {
	id, named := n["id"].(string)
	if !named {
		return nil
	}
	others := countNodes(doc, id)
	if hasContent(n) {
		others--
	}
	if others > 0 {
		return fault("ambiguous", "two nodes with the id %.100q have content", id)
	}
	return nil
}

// countNodes counts the nodes in v that have this id and also have content.
func countNodes(v any, id string) (n int) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			n += countNodes(x, id)
		}
	case object:
		if v["id"] == id && hasContent(v) {
			n++
		}
		for _, x := range v {
			n += countNodes(x, id)
		}
	}
	return n
}

// hasContent reports whether a node has other properties than id and type.
func hasContent(o object) bool {
	for k := range o {
		if k != "id" && k != "type" {
			return true
		}
	}
	return false
}

// checkSupported returns an error if the package cannot check this kind of entry with any list.
func (e StatusEntry) checkSupported() error {
	switch {
	case e.Type == RevocationListType, e.Type == RevocationList2Type, e.isInformative():
		return nil
	case e.Type != BitstringEntryType:
		return fault("unsupported-status", "unsupported status type %.60s", e.Type)
	case e.Purpose != "revocation" && e.Purpose != "suspension":
		return fault("unsupported-status", "unsupported status purpose %.60q", e.Purpose)
	case e.Size > 1:
		return fault("unsupported-status", "status has %d bits, want 1", e.Size)
	}
	return nil
}

// isInformative reports whether an entry only informs, so that it cannot make the badge invalid (Bitstring Status
// List 1.0, section 2.2).
func (e StatusEntry) isInformative() bool {
	return e.Type == BitstringEntryType && (e.Purpose == "message" || e.Purpose == "refresh")
}

// checkStatuses checks all statuses of the badge; the badge is valid only if all of them are good. checkStatuses
// requests lists only if the proof is correct. Otherwise a forged badge could make the verifier send a request to any
// address.
func (q *inquiry) checkStatuses() {
	if len(q.Badge.Status) == 0 {
		q.note("status", "none", "")
	}
	for _, e := range q.Badge.Status {
		switch err := e.checkSupported(); {
		case err != nil:
			q.check("status", err)
		case e.isInformative():
			q.note("status", "not judged", "the purpose is only informative: "+e.Purpose)
		case q.o.Status == nil:
			q.note("status", "not judged", "")
		case !q.proved:
			q.note("status", "not judged", "the proof does not hold")
		default:
			q.checkEntry(e)
		}
	}
}

// checkEntry requests the list that an entry names, and looks up the badge in this list.
func (q *inquiry) checkEntry(e StatusEntry) {
	data, err := q.resolve(q.o.Status, e.List)
	if err != nil {
		q.check("status", fault("status-unreachable", "%s: %v", e.List, err))
		return
	}
	list, err := q.statusList(data)
	if err == nil {
		err = list.Judge(q.Badge, e)
	}
	if !q.check("status", err) {
		return
	}
	detail := &q.Checks[len(q.Checks)-1].Detail
	if list.ID != e.List {
		*detail = fmt.Sprintf("the list calls itself %.200q", list.ID)
	}
	if list.Issuer != "" && list.Issuer != q.Badge.IssuerID {
		*detail = strings.TrimPrefix(*detail+", signed by "+list.Issuer, ", ")
	}
}

// StatusList is a verified status list. A StatusList never changes, so it may be used concurrently.
type StatusList struct {
	ID      string        // id that the list itself states; for many issuers it differs from the list's address
	Issuer  string        // issuer of the list; empty for a 1EdTech list, which has only an address
	TTL     time.Duration // time after which the list should be read again; zero if the list does not state one
	From    time.Time     // start of validity; zero if the list does not state one
	Until   time.Time     // end of validity; zero if the list does not state one
	purpose []string
	bits    bits
	revoked map[string]bool
	ob2     bool              // the list is a RevocationList of Open Badges 2.0
	uids    map[string]bool   // the assertions that the list revokes by their uid
	why     map[string]string // reason for each revocation, by the id of the assertion

	speaksFor map[string]bool // other issuers that allow this list's issuer to sign lists for their badges
}

// ReadStatusList reads a status list of any kind, for any number of badges.
//
// A 1EdTech list has no signature. Such a list is trusted because it was read from its own https address. A Bitstring
// Status List is itself a credential: JSON with a proof, or a JWT. A Bitstring Status List is verified like a badge,
// with the keys of o.Trust and at the time o.At, and must not have a status of its own. The error is a Fault with the
// code status-unusable.
//
// ReadStatusList does not check the ttl, because only the caller knows when the list was fetched. See TTL.
func ReadStatusList(data []byte, o Options) (*StatusList, error) {
	q := inquiry{o: o}
	return q.statusList(data)
}

// statusList is ReadStatusList for a verification that is in progress.
func (q *inquiry) statusList(data []byte) (*StatusList, error) {
	if doc, err := ld.ParseList(data, maxRevoked); err == nil {
		if l, err := readRevocationList(doc); err == nil {
			return &StatusList{ID: l.ID, revoked: l.revoked}, nil
		}
		if l, err := readRevocationList2(doc); err == nil {
			return l, nil
		}
	}
	n := q.nestedInquiry()
	n.list = true
	doc, token, err := n.unwrap(data)
	if err != nil {
		return nil, unusable(err)
	}
	n.checkCredential(doc, token)
	switch {
	case n.State != Valid:
		return nil, fault("status-unusable", "%s", n.Why())
	case n.Kind != StatusListKind || n.Baked != "":
		return nil, fault("status-unusable", "not a status list")
	case len(n.Badge.Status) > 0:
		return nil, fault("status-unusable", "the list has a credentialStatus itself, which is not supported")
	}
	l := &StatusList{
		ID:        n.Badge.ID,
		Issuer:    n.Badge.IssuerID,
		From:      n.Badge.ValidFrom,
		Until:     n.Badge.ValidUntil,
		speaksFor: issuersThatAllow(q.o.Trust, n.Badge.IssuerID),
	}
	if err := l.readEntries(doc, n.o.Allow); err != nil {
		return nil, unusable(err)
	}
	return l, nil
}

// issuersThatAllow returns the issuers that allow the given issuer to sign status lists for their badges.
func issuersThatAllow(trust []Issuer, other string) map[string]bool {
	out := map[string]bool{}
	for _, i := range trust {
		if slices.Contains(i.StatusIssuers, other) {
			out[i.ID] = true
		}
	}
	return out
}

func unusable(err error) error { return fault("status-unusable", "%v", err) }

// readEntries reads the bits of a verified list (Bitstring Status List 1.0, section 2.2).
func (l *StatusList) readEntries(doc object, a Allow) (err error) {
	s := ld.Obj(doc, "credentialSubject")
	if !hasText(s["type"], "BitstringStatusList") {
		return fault("malformed", "the subject is not a BitstringStatusList")
	}
	if err := rejectSecondNode(doc, s); err != nil {
		return err
	}
	for _, p := range ld.List(s["statusPurpose"]) {
		if p, ok := p.(string); ok {
			l.purpose = append(l.purpose, p)
		}
	}
	if s["ttl"] != nil {
		ms, ok := parseIndex(s["ttl"])
		if !ok || ms > int64(maxTTL/time.Millisecond) {
			return fault("malformed", "ttl is not a whole number of milliseconds, or more than a year")
		}
		l.TTL = time.Duration(ms) * time.Millisecond
	}
	if l.bits, err = decodeBits(ld.Str(s, "encodedList")); err != nil {
		return fault("malformed", "%v", err)
	}
	if l.bits.len() < minEntries && !a.ShortStatusLists {
		return fault("malformed", "list has %d entries, want at least %d for privacy", l.bits.len(), minEntries)
	}
	return nil
}

// maxTTL is the longest accepted ttl, a year.
const maxTTL = 366 * 24 * time.Hour

// Judge returns nil if the list says that the status of the badge at entry e is good, and otherwise a Fault. Judge
// reads only the fields ID, UID and IssuerID of the badge. A nil list means that the list could not be read.
//
// Judge accepts a list of another issuer only if the badge's issuer names that issuer in StatusIssuers. For another
// list the fault is status-unusable, because the signature of another party proves nothing about this badge. An
// attacker could also present another list of the same issuer. To prevent this attack, the resolver requests the
// address that the badge's issuer signed, and Judge checks the list's purpose and the range of the index. The list's
// id cannot prevent this attack, because for many issuers the id differs from the address.
func (l *StatusList) Judge(b *Badge, e StatusEntry) error {
	if err := e.checkSupported(); err != nil || e.isInformative() {
		return err
	}
	switch {
	case l == nil:
		return fault("status-unreachable", "%s", e.List)
	case e.Type == RevocationListType, e.Type == RevocationList2Type:
		return l.judgeRevoked(b, e)
	case l.revoked != nil:
		return fault("status-unusable", "%s is a %s", e.List, RevocationListType)
	case l.Issuer != b.IssuerID && !l.speaksFor[b.IssuerID]:
		return fault("status-unusable", "%s is signed by %.100q, which is not in the status-issuers of the badge's issuer",
			e.List, l.Issuer)
	case !slices.Contains(l.purpose, e.Purpose):
		return fault("status-mismatch", "%s is not a list for %s", e.List, e.Purpose)
	case e.Index < 0 || e.Index >= l.bits.len():
		return fault("status-mismatch", "%s has %d entries, but the badge has entry %d", e.List, l.bits.len(),
			e.Index)
	case !l.bits.at(e.Index):
		return nil
	case e.Purpose == "suspension":
		return fault("suspended", "%s", e.List)
	}
	return fault("revoked", "%s", e.List)
}

// judgeRevoked is Judge for lists that name the revoked credentials, as in the 1EdTech list and in Open Badges 2.0.
func (l *StatusList) judgeRevoked(b *Badge, e StatusEntry) error {
	switch {
	case l.revoked == nil || l.ob2 != (e.Type == RevocationList2Type):
		return fault("status-unusable", "%s is not a %s", e.List, e.Type)
	case l.revoked[b.ID]:
		return fault("revoked", "%s", strings.TrimSpace(e.List+" "+l.why[b.ID]))
	case l.uids[b.ID]: // some issuers write the assertion's id in the place of its uid
		return fault("revoked", "%s", strings.TrimSpace(e.List+" "+l.why[b.ID]))
	case b.UID != "" && l.uids[b.UID]:
		return fault("revoked", "%s", strings.TrimSpace(e.List+" "+l.why[b.UID]))
	}
	return nil
}

// readRevocationList2 reads a RevocationList of Open Badges 2.0. Each entry is the id of an assertion, or an object
// that contains the id or the uid of an assertion.
func readRevocationList2(doc object) (*StatusList, error) {
	none := errors.New("document is not a RevocationList of Open Badges 2.0")
	if doc["revokedAssertions"] == nil {
		return nil, none
	}
	doc, err := withoutAliases(doc)
	if err != nil {
		return nil, err
	}
	if !hasText(doc["type"], "RevocationList") || ld.Str(doc, "id") == "" {
		return nil, none
	}
	l := &StatusList{
		ID:      ld.Str(doc, "id"),
		revoked: map[string]bool{},
		ob2:     true,
		uids:    map[string]bool{},
		why:     map[string]string{},
	}
	for i, x := range ld.List(doc["revokedAssertions"]) {
		o, _ := x.(object)
		id, isText := x.(string)
		if !isText {
			id = ld.Str(o, "id")
		}
		uid := ld.Str(o, "uid")
		if id == "" && uid == "" {
			return nil, fmt.Errorf("entry %d of the RevocationList has neither an id nor a uid", i+1)
		}
		if id != "" {
			l.revoked[id], l.why[id] = true, ld.Str(o, "revocationReason")
		}
		if uid != "" {
			l.uids[uid], l.why[uid] = true, ld.Str(o, "revocationReason")
		}
	}
	return l, nil
}

// RevocationList is a list of revoked credentials in 1EdTech's format.
type RevocationList struct {
	ID      string // id of the list, which is the list's address
	revoked map[string]bool
}

// Revoked reports whether the list says that the credential is revoked.
func (l RevocationList) Revoked(id string) bool { return l.revoked[id] }

// maxRevoked is the largest accepted number of JSON values in a status list. In the JSON of the list, each credential
// takes three values.
const maxRevoked = 150_000

// ParseRevocationList reads a 1EdTech revocation list. A credential is revoked if the list contains it with "revoked"
// true or without "revoked".
func ParseRevocationList(b []byte) (RevocationList, error) {
	doc, err := ld.ParseList(b, maxRevoked)
	if err != nil {
		return RevocationList{}, fmt.Errorf("document is not a revocation list: %w", err)
	}
	return readRevocationList(doc)
}

// readRevocationList reads a 1EdTech revocation list that is already decoded from JSON.
func readRevocationList(doc object) (RevocationList, error) {
	l := RevocationList{ID: ld.Str(doc, "id"), revoked: map[string]bool{}}
	if l.ID == "" || doc["revokedCredential"] == nil {
		return RevocationList{}, errors.New("document is not a revocation list: id or revokedCredential is missing")
	}
	for i, x := range ld.List(doc["revokedCredential"]) {
		entry, ok := x.(object)
		revoked, isBool := entry["revoked"].(bool)
		if !ok || ld.Str(entry, "id") == "" || entry["revoked"] != nil && !isBool {
			return RevocationList{}, fmt.Errorf(
				"document is not a revocation list: entry %d has no id, or revoked is neither true nor false",
				i+1,
			)
		}
		if entry["revoked"] == nil || revoked {
			l.revoked[ld.Str(entry, "id")] = true
		}
	}
	return l, nil
}
