package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/policy"
)

// Merge makes one member of two that are the same person. The first one stays, with what the second had besides:
// addresses, subjects, guardians, cards, badges, note. The later end of the membership counts, and a suspension of
// either. The second one's pseudonym is kept as the first one's former one, since records carry it.
func (s *Service) Merge(ctx context.Context, a actor.Actor, keep, drop policy.MemberID) (Member, error) {
	if err := a.May(actor.WriteMembers, about("")); err != nil { // about two members: the right must be for everybody
		return Member{}, err
	}
	if keep == drop {
		return Member{}, &fault.Invalid{Faults: []fault.Field{{Field: "drop", Given: string(drop),
			Wrong: "this is the member that stays",
			Right: "another member"}}}
	}
	err := s.write(ctx, a, actor.WriteMembers, func(c *change) (string, string, error) {
		k, err := one(ctx, c, keep)
		if err != nil {
			return "", "", err
		}
		d, err := one(ctx, c, drop)
		if err != nil {
			return "", "", err
		}
		if err := c.join(ctx, k, d); err != nil {
			return "", "", err
		}
		if s.o.Merged != nil {
			if err := s.o.Merged(ctx, c.Tx, a, keep, drop); err != nil {
				return "", "", err
			}
		}
		return auditName(keep), "merged with " + string(drop), nil
	})
	if err != nil {
		return Member{}, err
	}
	return s.read(ctx, a, keep)
}

func (c *change) join(ctx context.Context, k, d *record) error {
	k.Emails, k.Subjects = append(k.Emails, d.Emails...), append(k.Subjects, d.Subjects...)
	k.Guardians, k.files = append(k.Guardians, d.Guardians...), append(k.files, d.files...)
	k.Note = strings.TrimSpace(k.Note + "\n" + d.Note)
	k.Blocked, k.Gone = k.Blocked || d.Blocked, k.Gone && d.Gone
	if k.Until != (policy.Date{}) && k.Until.Before(d.Until) {
		k.Until = d.Until
	}
	if k.External == "" {
		k.External = d.External
	}
	faults := tidyMember(&k.Member)
	if n := len(k.Cards) + len(d.Cards); n > maxCards {
		faults = append(faults, fault.Field{Field: "cards", Wrong: fmt.Sprintf("both together have %d cards", n),
			Right: fmt.Sprintf("at most %d", maxCards)})
	}
	if len(faults) > 0 {
		return &fault.Invalid{Faults: faults}
	}
	// Places go on after those of the member that stays.
	if _, err := c.Exec(ctx, `UPDATE card SET member = $2, place = place + $4 WHERE site = $1 AND member = $3`,
		string(k.ID), string(d.ID), 1_000_000); err != nil {
		return err
	}
	if _, err := c.Exec(ctx, `UPDATE badge SET member = $2, place = place + $4 WHERE site = $1 AND member = $3`,
		string(k.ID), string(d.ID), 1_000_000); err != nil {
		return err
	}
	if _, err := c.forget(ctx, d, k.ID); err != nil {
		return err
	}
	return c.save(ctx, k)
}

// Erasure says what was removed of a person, in numbers: nothing here says who they were.
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
	Documents int             `json:"documents"` // hosted badges that were kept from the web
	// Stays says what is not removed, and why.
	Stays []string `json:"stays"`
}

// Erase removes a person's data. Their pseudonym stays, in the ledger and as one that nobody gets again.
func (s *Service) Erase(ctx context.Context, a actor.Actor, id policy.MemberID, version int64) error {
	if err := a.May(actor.EraseMembers, about(id)); err != nil {
		return err
	}
	return s.write(ctx, a, actor.EraseMembers, func(c *change) (string, string, error) {
		r, err := one(ctx, c, id)
		if err != nil {
			return "", "", err
		}
		if r.Version != version {
			return "", "", &fault.Conflict{What: "member", ID: string(id), Have: r.Version, Got: version}
		}
		addresses := append(slices.Clone(r.Emails), r.Guardians...)
		e, err := c.forget(ctx, r, "")
		if err != nil {
			return "", "", err
		}
		if s.o.Forget != nil {
			if err := s.o.Forget(ctx, c.Tx, a, id, addresses); err != nil {
				return "", "", err
			}
		}
		s.dropPreviews()
		c.Erased()
		return auditName(id), fmt.Sprintf("erased: %d addresses, %d cards, %d badges", e.Emails+e.Guardians, e.Cards,
			e.Badges), nil
	})
}

// Erased says what was removed of a member that was erased or merged.
func (s *Service) Erased(ctx context.Context, a actor.Actor, id policy.MemberID) (Erasure, error) {
	if err := a.May(actor.EraseMembers, about(id)); err != nil {
		return Erasure{}, err
	}
	rows, err := s.site.Query(ctx, `SELECT id, into_id, at, removed FROM former_member WHERE site = $1 AND id = $2`,
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

// Former is the member that a pseudonym was merged into; empty: it was not merged. For reports, which read records of
// both.
func (s *Service) Former(ctx context.Context) (map[policy.MemberID]policy.MemberID, error) {
	out := map[policy.MemberID]policy.MemberID{}
	rows, err := s.site.Query(ctx, `SELECT id, into_id FROM former_member WHERE site = $1 AND into_id <> ''`)
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

// forget removes every row of a member, and keeps the pseudonym. Cards and badges that were given to somebody else
// before are not the member's any more.
func (c *change) forget(ctx context.Context, r *record, into policy.MemberID) (Erasure, error) {
	e := Erasure{Member: r.ID, Names: 1, Emails: len(r.Emails), Subjects: len(r.Subjects), Guardians: len(r.Guardians),
		Notes: int(flag(r.Note != "")), External: int(flag(r.External != "")), Cards: len(r.Cards), Badges: len(r.Badges)}
	if into != "" { // they were moved
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
	if _, err := c.Exec(ctx, `DELETE FROM member_value WHERE site = $1 AND member = $2`, string(r.ID)); err != nil {
		return e, err
	}
	if _, err := c.Exec(ctx, `DELETE FROM member WHERE site = $1 AND id = $2`, string(r.ID)); err != nil {
		return e, err
	}
	c.touch(r.ID)
	return e, c.tombstone(ctx, &e, into)
}

// tombstone keeps the pseudonym, and those that were merged into it before.
func (c *change) tombstone(ctx context.Context, e *Erasure, into policy.MemberID) error {
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

// forgetDocuments removes what was kept from the web of the badges that stand at their own address.
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
