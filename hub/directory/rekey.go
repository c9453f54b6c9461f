package directory

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/store"
	"portillon/policy"
)

// OldCard is a card that still depends on the previous card key. Machines accept the card until the change of the key
// ends; the member must tap the card once before then.
type OldCard struct {
	ID     string          `json:"id"`
	Member policy.MemberID `json:"member"`
	Name   string          `json:"name"`
	Last   string          `json:"last"` // last four digits of the number, as in Card
	State  CardState       `json:"state"`
	Since  time.Time       `json:"since,omitzero"`
}

// Rekeying binds cards to the new card key while the site changes its card key.
type Rekeying struct {
	core *core
}

// SetAsideCards marks the cards that are stored only as an HMAC. mark is the check value of the card key under which
// the HMACs were made, which is about to be replaced. The function with writes the new key in the same transaction, and
// returns the text of the audit entry. The actor needs actor.EnrolMachines.
func (s *Rekeying) SetAsideCards(
	ctx context.Context,
	a actor.Actor,
	mark string,
	with func(*store.Tx) (string, error),
) error {
	if err := a.May(actor.EnrolMachines, actor.Target{}); err != nil {
		return err
	}
	return s.core.write(ctx, a, actor.EnrolMachines, func(c *change) (string, string, error) {
		rows, err := c.Query(ctx, `UPDATE card SET number = 'hmac:' || $2 || ':' || substr(number, 6)
			WHERE site = $1 AND substr(number, 1, 5) = 'hmac:' AND length(number) = 69 RETURNING member`, mark)
		if err := c.touchAll(rows, err); err != nil {
			return "", "", err
		}
		detail, err := with(c.Tx)
		return "card-key", detail, err
	})
}

// EndOldCards sets the state of each active card that still depends on the card key with this check value to replaced.
// Such a card must be assigned again. The function with runs in the same transaction, and returns the text of the audit
// entry. The actor needs actor.EnrolMachines.
func (s *Rekeying) EndOldCards(
	ctx context.Context,
	a actor.Actor,
	mark string,
	with func(*store.Tx) (string, error),
) error {
	if err := a.May(actor.EnrolMachines, actor.Target{}); err != nil {
		return err
	}
	return s.core.write(ctx, a, actor.EnrolMachines, func(c *change) (string, string, error) {
		rows, err := c.Query(ctx, `UPDATE card SET state = 'replaced', since = $3
			WHERE site = $1 AND substr(number, 1, 14) = 'hmac:' || $2 || ':' AND state = 'active' RETURNING member`, mark,
			millis(c.now))
		if err := c.touchAll(rows, err); err != nil {
			return "", "", err
		}
		detail, err := with(c.Tx)
		return "card-key", detail, err
	})
}

// touchAll marks the members whose ids are in rows as changed, and closes rows.
func (c *change) touchAll(rows *sql.Rows, err error) error {
	var ids []policy.MemberID
	err = forEachRow(rows, err, func(rows *sql.Rows) error {
		var id policy.MemberID
		if err := rows.Scan(&id); err != nil {
			return err
		}
		ids = append(ids, id)
		return nil
	})
	slices.Sort(ids)
	c.touch(slices.Compact(ids)...)
	return err
}

// OldCards lists the cards that depend on the previous card key. The list is empty if the site is not changing its card
// key. The actor needs actor.EnrolMachines, and actor.ReadMembers to see names and digits.
func (s *Rekeying) OldCards(ctx context.Context, a actor.Actor) (out []OldCard, err error) {
	if err := a.May(actor.EnrolMachines, actor.Target{}); err != nil {
		return nil, err
	}
	mark := s.core.hashing.oldMark()
	if mark == "" {
		return nil, nil
	}
	x, err := s.core.index.current(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range x.entries {
		for _, c := range e.Cards {
			if markOf(c.Number) == mark {
				out = append(out, OldCard{c.ID, e.ID, e.Name, c.Last, c.State, c.Since})
				if a.May(actor.ReadMembers, actor.Target{}) != nil {
					out[len(out)-1].Name, out[len(out)-1].Last = "", ""
				}
			}
		}
	}
	return out, nil
}

// errNoRebind rolls back a transaction that would change nothing, so that the generation stays the same.
var errNoRebind = errors.New("no card with this number depends on the previous card key")

// Rebind binds the card with this number to the current card key if the card depends on the previous key, and reports
// whether it did so. The hub calculates both HMACs, so the sender of a number can bind only the card with that number.
// The hub does not store the number. The actor needs actor.WriteCards.
func (s *Rekeying) Rebind(ctx context.Context, a actor.Actor, number []byte) (bool, error) {
	if err := a.May(actor.WriteCards, actor.Target{}); err != nil {
		return false, err
	}
	if s.core.hashing.oldMark() == "" || s.core.hashing.hash == nil || s.core.hashing.oldHash == nil {
		return false, nil
	}
	old, now := hmacPrefix+s.core.hashing.oldHash(number), hmacPrefix+s.core.hashing.hash(number)
	err := s.core.write(ctx, a, actor.WriteCards, func(c *change) (string, string, error) {
		var id string
		var owner policy.MemberID
		var state CardState
		var since int64
		err := c.QueryRow(ctx, `SELECT id, member, state, since FROM card WHERE site = $1 AND number = $2`, old).
			Scan(&id, &owner, &state, &since)
		if errors.Is(err, sql.ErrNoRows) {
			return "", "", errNoRebind
		}
		if err != nil {
			return "", "", err
		}
		c.touch(owner)
		// If a person has added the same card a second time, by its number or by a tap, remove the old entry.
		for _, same := range []string{now, hex.EncodeToString(number), strings.ToUpper(hex.EncodeToString(number))} {
			other, err := c.ownerOfNumber(ctx, same)
			if err != nil {
				return "", "", err
			}
			if other == "" {
				continue
			}
			if other != owner {
				return "", "", fmt.Errorf("card %s of member %s is also a card of member %s, want one member", id, owner, other)
			}
			if state != Active { // give the remaining entry the state lost or blocked if the removed entry had it
				if _, err := c.Exec(ctx, `UPDATE card SET state = $3, since = $4
					WHERE site = $1 AND number = $2 AND state = 'active'`, same, string(state), since); err != nil {
					return "", "", err
				}
			}
			_, err = c.Exec(ctx, `DELETE FROM card WHERE site = $1 AND id = $2`, id)
			return auditName(owner), "card " + id + " removed: it stood twice", err
		}
		// If the card has only one entry, bind this entry to the new key.
		_, err = c.Exec(ctx, `UPDATE card SET number = $3 WHERE site = $1 AND id = $2`, id, now)
		return auditName(owner), "card " + id + " bound to the new card key", err
	})
	if errors.Is(err, errNoRebind) {
		return false, nil
	}
	return err == nil, err
}
