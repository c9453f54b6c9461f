package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
)

// Erasures removes a person's data, and can report later what was removed.
type Erasures struct {
	core     *core
	previews *previewStore
	// forgetElsewhere is Options.Forget.
	forgetElsewhere func(ctx context.Context, tx *store.Tx, a actor.Actor, id policy.MemberID, addresses []string) error
}

// Erasure counts the data of a person that were removed. Erasure does not identify the person. The database stores it
// as JSON with the id.
type Erasure struct {
	Member    policy.MemberID `json:"member"`
	Into      policy.MemberID `json:"merged_into,omitempty"`
	At        time.Time       `json:"at"`
	Names     int             `json:"names"`
	Emails    int             `json:"emails"`
	Subjects  int             `json:"subjects"`
	Guardians int             `json:"guardians"`
	Notes     int             `json:"notes"`
	External  int             `json:"external_ids"`
	Cards     int             `json:"cards"`
	Badges    int             `json:"badges"`
	Documents int             `json:"documents"` // number of removed copies of hosted badges
	// Stays lists the data that are not removed, with the reasons.
	Stays []string `json:"stays"`
}

// Erase removes a person's data. The id stays in the ledger, and is never assigned again. In the same transaction,
// Options.Forget removes the data about the member that other packages store. The actor needs actor.EraseMembers
// about the member. The error is *fault.Conflict if the member has another version.
func (s *Erasures) Erase(ctx context.Context, a actor.Actor, id policy.MemberID, version int64) error {
	if err := a.May(actor.EraseMembers, about(id)); err != nil {
		return err
	}
	return s.core.write(ctx, a, actor.EraseMembers, func(c *change) (string, string, error) {
		r, err := loadOne(ctx, c, id)
		if err != nil {
			return "", "", err
		}
		if r.Version != version {
			return "", "", &fault.Conflict{What: "member", ID: string(id), Have: r.Version, Got: version}
		}
		addresses := append(slices.Clone(r.Emails), r.Guardians...)
		e, err := c.removeMember(ctx, r, "")
		if err != nil {
			return "", "", err
		}
		if s.forgetElsewhere != nil {
			if err := s.forgetElsewhere(ctx, c.Tx, a, id, addresses); err != nil {
				return "", "", err
			}
		}
		s.previews.clear()
		c.Erased()
		return auditName(id), fmt.Sprintf("erased: %d addresses, %d cards, %d badges", e.Emails+e.Guardians, e.Cards,
			e.Badges), nil
	})
}

// Erased reports which data of an erased or merged member the hub has removed, and which data it still stores for
// what reason. The actor needs actor.EraseMembers. The error is *fault.NotFound for an id that does not belong to a
// former member.
func (s *Erasures) Erased(ctx context.Context, a actor.Actor, id policy.MemberID) (Erasure, error) {
	if err := a.May(actor.EraseMembers, about(id)); err != nil {
		return Erasure{}, err
	}
	rows, err := s.core.site.Query(ctx, `SELECT id, into_id, at, removed FROM former_member WHERE site = $1 AND id = $2`,
		string(id))
	if err != nil {
		return Erasure{}, err
	}
	defer rows.Close()
	if !rows.Next() {
		return Erasure{}, errors.Join(rows.Err(), &fault.NotFound{What: "erased member", ID: clip(string(id), 64)})
	}
	var e Erasure
	var at int64
	var removed []byte
	if err := rows.Scan(&e.Member, &e.Into, &at, &removed); err != nil {
		return Erasure{}, err
	}
	who, into := e.Member, e.Into
	if err := json.Unmarshal(removed, &e); err != nil {
		return Erasure{}, err
	}
	e.Member, e.Into, e.At = who, into, fromMillis(at)
	e.Stays = []string{"the ledger's records, which carry the pseudonym alone and are signed by the machines",
		"earlier backups, until they are deleted",
		"the last bundle, until the next one is published and taken by each machine"}
	return e, rows.Err()
}

// Former returns the ids of merged members, each with the id of the member into which it was merged. Reports use
// these ids to count the records of both ids as those of one member.
func (s *Erasures) Former(ctx context.Context) (map[policy.MemberID]policy.MemberID, error) {
	out := map[policy.MemberID]policy.MemberID{}
	rows, err := s.core.site.Query(ctx, `SELECT id, into_id FROM former_member WHERE site = $1 AND into_id <> ''`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, into policy.MemberID
		if err := rows.Scan(&id, &into); err != nil {
			return nil, err
		}
		out[id] = into
	}
	return out, rows.Err()
}

// removeMember removes all rows of a member except the id. The parameter into is the member who received the data in
// a merge; empty: the member is erased. removeMember keeps the cards and badges that were moved to another member.
func (c *change) removeMember(ctx context.Context, r *record, into policy.MemberID) (Erasure, error) {
	e := Erasure{Member: r.ID, Names: 1, Emails: len(r.Emails), Subjects: len(r.Subjects), Guardians: len(r.Guardians),
		Notes: int(toInt(r.Note != "")), External: int(toInt(r.External != "")), Cards: len(r.Cards), Badges: len(r.Badges)}
	if into != "" { // keep the cards and badges, which now belong to the other member
		e.Emails, e.Subjects, e.Guardians, e.Notes, e.External, e.Cards, e.Badges = 0, 0, 0, 0, 0, 0, 0
	} else {
		n, err := c.forgetDocuments(ctx, r)
		if err != nil {
			return e, err
		}
		e.Documents = n
	}
	if _, err := c.Exec(ctx, `DELETE FROM badge_data WHERE site = $1
		AND id IN (SELECT id FROM badge WHERE site = $1 AND member = $2)`, string(r.ID)); err != nil {
		return e, err
	}
	if _, err := c.Exec(ctx, `DELETE FROM badge WHERE site = $1 AND member = $2`, string(r.ID)); err != nil {
		return e, err
	}
	if _, err := c.Exec(ctx, `DELETE FROM card WHERE site = $1 AND member = $2`, string(r.ID)); err != nil {
		return e, err
	}
	if _, err := c.Exec(ctx, `DELETE FROM erasure_request WHERE site = $1 AND member = $2`, string(r.ID)); err != nil {
		return e, err
	}
	if _, err := c.Exec(ctx, `DELETE FROM member_value WHERE site = $1 AND member = $2`, string(r.ID)); err != nil {
		return e, err
	}
	if _, err := c.Exec(ctx, `DELETE FROM member WHERE site = $1 AND id = $2`, string(r.ID)); err != nil {
		return e, err
	}
	c.touch(r.ID)
	return e, c.storeTombstone(ctx, &e, into)
}

// storeTombstone stores the id of a former member. If other members were merged into this member earlier,
// storeTombstone redirects the ids of those members to into.
func (c *change) storeTombstone(ctx context.Context, e *Erasure, into policy.MemberID) error {
	if into != "" {
		if _, err := c.Exec(ctx, `UPDATE former_member SET into_id = $3 WHERE site = $1 AND into_id = $2`,
			string(e.Member), string(into)); err != nil {
			return err
		}
	}
	removed, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, `INSERT INTO former_member (site, id, into_id, at, removed) VALUES ($1, $2, $3, $4, $5)`,
		string(e.Member), string(into), millis(c.now), removed)
	return err
}

// forgetDocuments removes the fetched copies of a member's hosted badges, and returns their number.
func (c *change) forgetDocuments(ctx context.Context, r *record) (int, error) {
	result, err := c.Exec(ctx, `DELETE FROM document WHERE site = $1 AND url <> '' AND url IN (
		SELECT hosted_at FROM badge WHERE site = $1 AND member = $2 UNION SELECT origin FROM badge WHERE site = $1 AND
			member = $2)`, string(r.ID))
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}
