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

// The kinds of status that are read.
const (
	RevocationListType  = "1EdTechRevocationList"    // 1EdTech's Verifiable Credentials Revocation List 1.0
	BitstringEntryType  = "BitstringStatusListEntry" // the W3C's Bitstring Status List 1.0
	RevocationList2Type = "RevocationList"           // Open Badges 2.0
)

// maxStatuses bounds the lists of one badge: revocation, suspension, and one more.
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
		if err := alone(doc, s); err != nil {
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

// readEntry reads one credentialStatus. Of an unknown type only the name is read.
func readEntry(s object) (e StatusEntry, err error) {
	id, _ := s["id"].(string)
	if types := ld.List(s["type"]); len(types) == 1 {
		e.Type, _ = types[0].(string)
	}
	switch e.Type {
	case "":
		return e, fault("malformed", "credentialStatus: it has no type, or several")
	case BitstringEntryType:
		return readBitstringEntry(e, s)
	case RevocationListType:
		if id == "" {
			return e, fault("malformed", "credentialStatus: it lacks an id")
		}
	}
	e.List = id
	return e, nil
}

// readBitstringEntry: Bitstring Status List 1.0, section 2.1. statusListIndex is a text there; a number, as 1EdTech's
// own sample has it, says the same.
func readBitstringEntry(e StatusEntry, s object) (StatusEntry, error) {
	e.List, e.Purpose = ld.Str(s, "statusListCredential"), ld.Str(s, "statusPurpose")
	switch {
	case e.List == "" || e.Purpose == "":
		return e, fault("malformed", "credentialStatus: it lacks a statusListCredential or a statusPurpose")
	case ld.Str(s, "id") == e.List:
		return e, fault("malformed", "credentialStatus: its id is the list's address")
	}
	var ok bool
	if e.Index, ok = whole(s["statusListIndex"]); !ok {
		return e, fault("malformed", "credentialStatus: statusListIndex is no whole number")
	}
	if s["statusSize"] != nil {
		if e.Size, ok = whole(s["statusSize"]); !ok || e.Size == 0 {
			return e, fault("malformed", "credentialStatus: statusSize is no whole number")
		}
	}
	return e, nil
}

// whole is a whole number, not negative, in digits alone: as a text or as a JSON number.
func whole(v any) (int64, bool) {
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

// alone refuses a second node with n's id and content of its own anywhere in the document. Signed statements have no
// position, so a statusSize or a purpose could be moved into such a node: it would still be signed, and readers of n
// would not see it.
func alone(doc, n object) error {
	id, named := n["id"].(string)
	if !named {
		return nil
	}
	others := speakers(doc, id)
	if speaks(n) {
		others--
	}
	if others > 0 {
		return fault("ambiguous", "%.100q says something in two places", id)
	}
	return nil
}

// speakers counts the nodes within v with this id and content of their own.
func speakers(v any, id string) (n int) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			n += speakers(x, id)
		}
	case object:
		if v["id"] == id && speaks(v) {
			n++
		}
		for _, x := range v {
			n += speakers(x, id)
		}
	}
	return n
}

// speaks reports whether a node has more than an id and a type.
func speaks(o object) bool {
	for k := range o {
		if k != "id" && k != "type" {
			return true
		}
	}
	return false
}

// unsupported is why an entry cannot be judged by any list.
func (e StatusEntry) unsupported() error {
	switch {
	case e.Type == RevocationListType, e.Type == RevocationList2Type, e.informs():
		return nil
	case e.Type != BitstringEntryType:
		return fault("unsupported-status", "a %.60s", e.Type)
	case e.Purpose != "revocation" && e.Purpose != "suspension":
		return fault("unsupported-status", "a status whose purpose is %.60q", e.Purpose)
	case e.Size > 1:
		return fault("unsupported-status", "a status of %d bits", e.Size)
	}
	return nil
}

// informs reports whether an entry does not affect whether the badge is good (Bitstring Status List 1.0, section 2.2).
func (e StatusEntry) informs() bool {
	return e.Type == BitstringEntryType && (e.Purpose == "message" || e.Purpose == "refresh")
}

// status judges each of the badge's statuses; all must be good. Lists are requested only if the proof is valid, so that
// forged badges cause no requests.
func (q *inquiry) status() {
	if len(q.Badge.Status) == 0 {
		q.note("status", "none", "")
	}
	for _, e := range q.Badge.Status {
		switch err := e.unsupported(); {
		case err != nil:
			q.check("status", err)
		case e.informs():
			q.note("status", "not judged", "its purpose is to inform: "+e.Purpose)
		case q.o.Status == nil:
			q.note("status", "not judged", "")
		case !q.proved:
			q.note("status", "not judged", "the proof does not hold")
		default:
			q.entry(e)
		}
	}
}

// entry asks for an entry's list, and judges by it.
func (q *inquiry) entry(e StatusEntry) {
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

// StatusList is a verified status list. It never changes, so many goroutines may use it at once.
type StatusList struct {
	ID      string        // the list's own id, which for many issuers is not its address
	Issuer  string        // empty for a 1EdTech list, which is trusted by its address
	TTL     time.Duration // after this the issuer wants the list to be read again; zero: not stated
	From    time.Time     // validFrom; zero: not stated
	Until   time.Time     // when the list ends; zero: not stated
	purpose []string
	bits    bits
	revoked map[string]bool
	ob2     bool              // it is a RevocationList of Open Badges 2.0
	uids    map[string]bool   // of assertions that it revokes by their uid
	why     map[string]string // the reasons, by assertion

	speaksFor map[string]bool // other issuers that accept this list for their badges
}

// ReadStatusList reads and verifies a status list of either kind, once for all badges on it.
//
// A 1EdTech list is not signed; it is trusted because of its address. A Bitstring Status List is a credential, as JSON
// with a proof or as a JWT, and is verified like a badge, with the keys of o.Trust at the time o.At. Its own status is
// not checked. The error is a Fault with the code status-unusable.
//
// The ttl is not judged, because only the caller knows when the list was fetched; it is returned as TTL.
func ReadStatusList(data []byte, o Options) (*StatusList, error) {
	q := inquiry{o: o}
	return q.statusList(data)
}

func (q *inquiry) statusList(data []byte) (*StatusList, error) {
	if doc, err := ld.ParseList(data, maxRevoked); err == nil {
		if l, err := revocationList(doc); err == nil {
			return &StatusList{ID: l.ID, revoked: l.revoked}, nil
		}
		if l, err := revocationList2(doc); err == nil {
			return l, nil
		}
	}
	n := q.nested()
	n.list = true
	doc, token, err := n.unwrap(data)
	if err != nil {
		return nil, unusable(err)
	}
	n.judge(doc, token)
	switch {
	case n.State != Valid:
		return nil, fault("status-unusable", "%s", n.Why())
	case n.Kind != StatusListKind || n.Baked != "":
		return nil, fault("status-unusable", "it is no status list")
	case len(n.Badge.Status) > 0:
		return nil, fault("status-unusable", "the list has a status of its own, which is not asked for")
	}
	l := &StatusList{
		ID:        n.Badge.ID,
		Issuer:    n.Badge.IssuerID,
		From:      n.Badge.ValidFrom,
		Until:     n.Badge.ValidUntil,
		speaksFor: mayName(q.o.Trust, n.Badge.IssuerID),
	}
	if err := l.read(doc, n.o.Allow); err != nil {
		return nil, unusable(err)
	}
	return l, nil
}

// mayName returns the issuers that let another one sign the status lists of their badges.
func mayName(trust []Issuer, other string) map[string]bool {
	out := map[string]bool{}
	for _, i := range trust {
		if slices.Contains(i.StatusIssuers, other) {
			out[i.ID] = true
		}
	}
	return out
}

func unusable(err error) error { return fault("status-unusable", "%v", err) }

// read reads the entries of a verified list (Bitstring Status List 1.0, section 2.2).
func (l *StatusList) read(doc object, a Allow) (err error) {
	s := ld.Obj(doc, "credentialSubject")
	if !has(s["type"], "BitstringStatusList") {
		return fault("malformed", "its subject is no BitstringStatusList")
	}
	if err := alone(doc, s); err != nil {
		return err
	}
	for _, p := range ld.List(s["statusPurpose"]) {
		if p, ok := p.(string); ok {
			l.purpose = append(l.purpose, p)
		}
	}
	if s["ttl"] != nil {
		ms, ok := whole(s["ttl"])
		if !ok || ms > int64(maxTTL/time.Millisecond) {
			return fault("malformed", "its ttl is no whole number of milliseconds, or more than a year")
		}
		l.TTL = time.Duration(ms) * time.Millisecond
	}
	if l.bits, err = decodeBits(ld.Str(s, "encodedList")); err != nil {
		return fault("malformed", "%v", err)
	}
	if l.bits.len() < minEntries && !a.ShortStatusLists {
		return fault("malformed", "it has %d entries: fewer than %d tell too much of who is on it", l.bits.len(), minEntries)
	}
	return nil
}

const maxTTL = 366 * 24 * time.Hour

// Judge returns nil if the status of e is good for the badge, otherwise a Fault. It reads ID, UID and IssuerID of the
// badge. A nil list is one that could not be read.
//
// A list of another issuer is status-unusable, unless the badge's issuer names that issuer in StatusIssuers. Both are
// the caller's settings, so a stranger's signature has no effect. The issuer's other lists cannot be substituted for
// this one, because the resolver requested the address that the issuer signed, and purpose and range must fit. The
// list's own id does not protect, since for many issuers it differs from the address.
func (l *StatusList) Judge(b *Badge, e StatusEntry) error {
	if err := e.unsupported(); err != nil || e.informs() {
		return err
	}
	switch {
	case l == nil:
		return fault("status-unreachable", "%s", e.List)
	case e.Type == RevocationListType, e.Type == RevocationList2Type:
		return l.judgeRevoked(b, e)
	case l.revoked != nil:
		return fault("status-unusable", "%s: it is a %s", e.List, RevocationListType)
	case l.Issuer != b.IssuerID && !l.speaksFor[b.IssuerID]:
		return fault("status-unusable", "%s: it is signed by %.100q, whom the badge's issuer's status-issuers do not name",
			e.List, l.Issuer)
	case !slices.Contains(l.purpose, e.Purpose):
		return fault("status-mismatch", "%s: it is no list for %s", e.List, e.Purpose)
	case e.Index < 0 || e.Index >= l.bits.len():
		return fault("status-mismatch", "%s: it has %d entries, and the badge's would be the entry %d", e.List, l.bits.len(),
			e.Index)
	case !l.bits.at(e.Index):
		return nil
	case e.Purpose == "suspension":
		return fault("suspended", "%s", e.List)
	}
	return fault("revoked", "%s", e.List)
}

func (l *StatusList) judgeRevoked(b *Badge, e StatusEntry) error {
	switch {
	case l.revoked == nil || l.ob2 != (e.Type == RevocationList2Type):
		return fault("status-unusable", "%s: it is no %s", e.List, e.Type)
	case l.revoked[b.ID]:
		return fault("revoked", "%s", strings.TrimSpace(e.List+" "+l.why[b.ID]))
	case l.uids[b.ID]: // some issuers write the assertion's id as its uid
		return fault("revoked", "%s", strings.TrimSpace(e.List+" "+l.why[b.ID]))
	case b.UID != "" && l.uids[b.UID]:
		return fault("revoked", "%s", strings.TrimSpace(e.List+" "+l.why[b.UID]))
	}
	return nil
}

// revocationList2 reads a RevocationList of Open Badges 2.0: each entry is an assertion's id, or an object with its id
// or its uid.
func revocationList2(doc object) (*StatusList, error) {
	none := errors.New("not a RevocationList of Open Badges 2.0")
	if doc["revokedAssertions"] == nil {
		return nil, none
	}
	doc, err := ob2Plain(doc)
	if err != nil {
		return nil, err
	}
	if !has(doc["type"], "RevocationList") || ld.Str(doc, "id") == "" {
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
			return nil, fmt.Errorf("entry %d has no id of an assertion", i+1)
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

// RevocationList is a parsed list of revoked credentials.
type RevocationList struct {
	ID      string // the list's address
	revoked map[string]bool
}

// Revoked reports whether the credential is on the list.
func (l RevocationList) Revoked(id string) bool { return l.revoked[id] }

// maxRevoked bounds the values of a status list: three for each credential.
const maxRevoked = 150_000

// ParseRevocationList reads a 1EdTech revocation list. A credential is revoked if it is listed and «revoked» is true or
// absent.
func ParseRevocationList(b []byte) (RevocationList, error) {
	doc, err := ld.ParseList(b, maxRevoked)
	if err != nil {
		return RevocationList{}, fmt.Errorf("not a revocation list: %w", err)
	}
	return revocationList(doc)
}

func revocationList(doc object) (RevocationList, error) {
	l := RevocationList{ID: ld.Str(doc, "id"), revoked: map[string]bool{}}
	if l.ID == "" || doc["revokedCredential"] == nil {
		return RevocationList{}, errors.New("not a revocation list: id or revokedCredential is missing")
	}
	for i, x := range ld.List(doc["revokedCredential"]) {
		entry, ok := x.(object)
		revoked, isBool := entry["revoked"].(bool)
		if !ok || ld.Str(entry, "id") == "" || entry["revoked"] != nil && !isBool {
			return RevocationList{}, fmt.Errorf(
				"this is no revocation list: entry %d has no id, or a revoked that is not true or false",
				i+1,
			)
		}
		if entry["revoked"] == nil || revoked {
			l.revoked[ld.Str(entry, "id")] = true
		}
	}
	return l, nil
}
