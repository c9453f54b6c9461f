package directory

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/policy"
)

// OwnRecord is a record of a machine about the actor's own member: a tap, a session, a report, work or a confirmation.
type OwnRecord struct {
	Machine policy.MachineID `json:"machine"`
	At      time.Time        `json:"at"`
	Clock   string           `json:"clock"` // whether the machine trusted its clock
	Kind    string           `json:"kind"`
	Session string           `json:"session,omitempty"`
	// Body is the content of the record. Other members are replaced by anotherMember.
	Body json.RawMessage `json:"body,omitempty"`
}

// anotherMember replaces the ids of other members in the records of a member.
const anotherMember = "another member"

// Records returns all records of machines about the actor's own member, ordered by machine and time. The actor needs
// actor.ReadOwn. Records reads the whole ledger, which takes about a second for a million records.
func (s *Own) Records(ctx context.Context, a actor.Actor) ([]OwnRecord, error) {
	if err := a.May(actor.ReadOwn, about(a.Member)); err != nil {
		return nil, err
	}
	// Without a member, the ledger would return the records of all members.
	if a.Member == "" {
		return nil, &fault.NotFound{What: "member", ID: ""}
	}
	if s.records == nil {
		return nil, nil
	}
	all, err := s.records(ctx, a.Member)
	if err != nil {
		return nil, err
	}
	isMember, err := s.everyID(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		all[i].Body = hideOthers(all[i].Body, a.Member, isMember)
	}
	return all, nil
}

// everyID returns the ids of all members, including erased and merged members.
func (s *Own) everyID(ctx context.Context) (map[string]bool, error) {
	x, err := s.core.index.current(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for id := range x.byID {
		out[string(id)] = true
	}
	rows, err := s.core.site.Query(ctx, `SELECT id FROM former_member WHERE site = $1`)
	return out, forEachRow(rows, err, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		out[id] = true
		return err
	})
}

// hideOthers returns the content of a record without data of other members: their ids, the facts about a mentor, and
// sealed card numbers. For content that is not JSON, hideOthers returns nil.
func hideOthers(body json.RawMessage, own policy.MemberID, isMember map[string]bool) json.RawMessage {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return nil
	}
	out, err := json.Marshal(hide(v, string(own), isMember))
	if err != nil {
		return nil
	}
	return out
}

// namesMember lists the fields of records whose values are ids of members. These fields also hide ids that the
// directory never contained.
var namesMember = []string{"supervisor", "with", "endorser", "mentor", "from", "to", "claimed"}

// hide is hideOthers for a decoded value.
func hide(v any, own string, isMember map[string]bool) any {
	switch v := v.(type) {
	case string:
		if v != own && isMember[v] {
			return anotherMember
		}
	case []any:
		for i := range v {
			v[i] = hide(v[i], own, isMember)
		}
	case map[string]any:
		delete(v, "sealed")
		for k, x := range v {
			id, isText := x.(string)
			switch {
			case k == "supervisor" && !isText: // the facts about the mentor in the input of a decision
				delete(v, k)
			case isText && slices.Contains(namesMember, k) && id != own && id != "" && !isTime(id):
				v[k] = anotherMember
			default:
				v[k] = hide(x, own, isMember)
			}
		}
	}
	return v
}

// isTime reports whether a text is a time, as the field from of a badge in the input of a decision.
func isTime(s string) bool {
	_, err := time.Parse(time.RFC3339, s)
	return err == nil
}
