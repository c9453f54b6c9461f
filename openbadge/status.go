package openbadge

import (
	"errors"
	"fmt"

	"portillon/openbadge/internal/ld"
)

// RevocationListType is the one kind of status that this version reads: 1EdTech's Verifiable Credentials Revocation List 1.0.
const RevocationListType = "1EdTechRevocationList"

func (q *inquiry) status() {
	if len(q.Badge.Status) == 0 {
		q.note("status", "none", "")
	}
	for _, e := range q.Badge.Status {
		q.entry(e)
	}
}

// entry judges one of the badge's statuses.
func (q *inquiry) entry(e StatusEntry) {
	switch {
	case e.Type != RevocationListType:
		q.refuse("status", Invalid, "unsupported-status", "a "+e.Type)
		return
	case q.o.Status == nil:
		q.note("status", "not judged", "")
		return
	}
	data, err := q.resolve(q.o.Status, e.List)
	if err != nil {
		q.refuse("status", Indeterminate, "status-unreachable", e.List+": "+err.Error())
		return
	}
	l, err := ParseRevocationList(data)
	switch {
	case err != nil:
		q.refuse("status", Indeterminate, "status-unusable", err.Error())
	case l.Revoked(q.Badge.ID):
		q.refuse("status", Invalid, "revoked", e.List)
	default:
		q.note("status", "ok", "")
	}
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

// ParseRevocationList reads a 1EdTech revocation list: a credential is revoked if it is listed and «revoked» is true or absent.
func ParseRevocationList(b []byte) (RevocationList, error) {
	doc, err := ld.ParseBounded(b, maxRevoked)
	if err != nil {
		return RevocationList{}, fmt.Errorf("this is no revocation list: %w", err)
	}
	l := RevocationList{ID: ld.Str(doc, "id"), revoked: map[string]bool{}}
	if l.ID == "" || doc["revokedCredential"] == nil {
		return RevocationList{}, errors.New("this is no revocation list: it has no id or no revokedCredential")
	}
	for i, x := range ld.List(doc["revokedCredential"]) {
		entry, ok := x.(object)
		revoked, isBool := entry["revoked"].(bool)
		if !ok || ld.Str(entry, "id") == "" || entry["revoked"] != nil && !isBool {
			return RevocationList{}, fmt.Errorf("this is no revocation list: entry %d has no id, or a revoked that is not true or false", i+1)
		}
		if entry["revoked"] == nil || revoked {
			l.revoked[ld.Str(entry, "id")] = true
		}
	}
	return l, nil
}
