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

// maxStatuses bounds the lists that a badge may be on: revoked, suspended, and one more.
const maxStatuses = 4

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

// readEntry reads one credentialStatus. Of a kind that is not known only the name is read.
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

// readBitstringEntry: Bitstring Status List 1.0, section 2.1. statusListIndex is a text there; a number, as 1EdTech's
// own sample has it, says the same.
func readBitstringEntry(e StatusEntry, s object) (StatusEntry, error) {
	e.List, e.Purpose = ld.Str(s, "statusListCredential"), ld.Str(s, "statusPurpose")
	switch {
	case e.List == "" || e.Purpose == "":
		return e, fault("malformed", "credentialStatus: statusListCredential or statusPurpose is missing")
	case ld.Str(s, "id") == e.List:
		return e, fault("malformed", "credentialStatus: the id is the address of the list")
	}
	var ok bool
	if e.Index, ok = whole(s["statusListIndex"]); !ok {
		return e, fault("malformed", "credentialStatus: statusListIndex is not a whole number")
	}
	if s["statusSize"] != nil {
		if e.Size, ok = whole(s["statusSize"]); !ok || e.Size == 0 {
			return e, fault("malformed", "credentialStatus: statusSize is not a whole number")
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

// alone refuses a second node with n's id that says something, wherever it stands in the document. Statements have no
// place: a statusSize or a purpose could be moved there, would be signed alike, and would not be seen by those who read
// n.
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
		return fault("ambiguous", "two nodes with the id %.100q have content", id)
	}
	return nil
}

// speakers counts the nodes within v that have the id and say something.
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

// speaks reports whether a node says more than what it is.
func speaks(o object) bool {
	for k := range o {
		if k != "id" && k != "type" {
			return true
		}
	}
	return false
}

// unsupported is why an entry cannot be judged, whatever its list says.
func (e StatusEntry) unsupported() error {
	switch {
	case e.Type == RevocationListType, e.Type == RevocationList2Type, e.informs():
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

// informs reports whether an entry has nothing to say of whether the badge is good (Bitstring Status List 1.0, section
// 2.2).
func (e StatusEntry) informs() bool {
	return e.Type == BitstringEntryType && (e.Purpose == "message" || e.Purpose == "refresh")
}

// status judges each of the badge's statuses: all must hold. The lists are asked for only where the proof holds, or
// anybody could have us ask for anything.
func (q *inquiry) status() {
	if len(q.Badge.Status) == 0 {
		q.note("status", "none", "")
	}
	for _, e := range q.Badge.Status {
		switch err := e.unsupported(); {
		case err != nil:
			q.check("status", err)
		case e.informs():
			q.note("status", "not judged", "the purpose is only informative: "+e.Purpose)
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

// StatusList is a status list, read and believed. It is never changed, and may be used by many goroutines at once.
type StatusList struct {
	ID      string        // what it calls itself: for many issuers not the address where it stands
	Issuer  string        // empty for a 1EdTech list, which is nobody's but its address's
	TTL     time.Duration // after which its issuer wants it to be read again; zero: it does not say
	From    time.Time     // its issuer's validFrom: since when it is valid; zero: it does not say
	Until   time.Time     // when it ends; zero: it does not say
	purpose []string
	bits    bits
	revoked map[string]bool
	ob2     bool              // it is a RevocationList of Open Badges 2.0
	uids    map[string]bool   // of assertions that it revokes by their uid
	why     map[string]string // its reasons, by assertion

	speaksFor map[string]bool // issuers besides its own that let it speak of their badges
}

// ReadStatusList reads a status list of either kind, once for all the badges on it.
//
// A 1EdTech list is not signed: it is believed for standing at its address. A Bitstring Status List is a credential of
// its own, as JSON with a proof or as a JWT, and is verified as a badge is, with the keys of o.Trust and at the time
// o.At. It has no status of its own here. The error is a Fault: it is status-unusable.
//
// A ttl is not judged: only who fetched the list knows when. It is there for them as TTL.
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
		return nil, fault("status-unusable", "not a status list")
	case len(n.Badge.Status) > 0:
		return nil, fault("status-unusable", "the list has a credentialStatus itself, which is not supported")
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

// mayName are the issuers that let another sign the status lists of their badges.
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

// read takes a verified list's entries out of it (Bitstring Status List 1.0, section 2.2).
func (l *StatusList) read(doc object, a Allow) (err error) {
	s := ld.Obj(doc, "credentialSubject")
	if !has(s["type"], "BitstringStatusList") {
		return fault("malformed", "the subject is not a BitstringStatusList")
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

const maxTTL = 366 * 24 * time.Hour

// Judge says whether the status that e names is a good one for the badge: nil, or a Fault. Of the badge it reads ID,
// UID and IssuerID. A nil list is one that is out of reach.
//
// A list of another issuer's is status-unusable, unless the badge's issuer names that one among its StatusIssuers: both
// are our own settings, so a stranger's signature still says nothing. What protects against another list of the same
// issuer being served in this one's place is that the resolver asked for the address that the badge's issuer signed,
// the purpose and the range: the list's own id does not, since many issuers give it another one than its address.
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

func (l *StatusList) judgeRevoked(b *Badge, e StatusEntry) error {
	switch {
	case l.revoked == nil || l.ob2 != (e.Type == RevocationList2Type):
		return fault("status-unusable", "%s is not a %s", e.List, e.Type)
	case l.revoked[b.ID]:
		return fault("revoked", "%s", strings.TrimSpace(e.List+" "+l.why[b.ID]))
	case l.uids[b.ID]: // some write an assertion's id as its uid
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
			return nil, fmt.Errorf("entry %d has neither id nor uid", i+1)
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

// RevocationList is a list of revoked credentials, read.
type RevocationList struct {
	ID      string // where it stands
	revoked map[string]bool
}

// Revoked reports whether the credential is on the list.
func (l RevocationList) Revoked(id string) bool { return l.revoked[id] }

// maxRevoked bounds the values of a status list: three for each credential on it.
const maxRevoked = 150_000

// ParseRevocationList reads a 1EdTech revocation list: a credential is revoked if it is listed and «revoked» is true or
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
				"not a revocation list: entry %d has no id, or revoked is neither true nor false",
				i+1,
			)
		}
		if entry["revoked"] == nil || revoked {
			l.revoked[ld.Str(entry, "id")] = true
		}
	}
	return l, nil
}
