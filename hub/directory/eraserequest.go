package directory

import (
	"context"
	"database/sql"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/policy"
)

// Members do not erase their own data by themselves: an erasure cannot be undone, a thief of a member's session could
// erase the proof of what the member earned, and for a minor the guardians decide. A member asks, and an administrator
// erases (Erase) or talks to the member.

// ErasureRequest is a member's request that an administrator erases the member's data.
type ErasureRequest struct {
	Member policy.MemberID
	Name   string
	At     time.Time
}

// Request records that the actor's own member asks for the erasure of the member's data. A second request changes
// nothing. The actor needs actor.AskErasure, which every member has. The error is *fault.NotFound for an account
// without a member.
func (s *Erasures) Request(ctx context.Context, a actor.Actor) error {
	return s.changeRequest(ctx, a, "erasure requested", `INSERT INTO erasure_request (site, member, at)
		VALUES ($1, $2, $3) ON CONFLICT (site, member) DO NOTHING`, string(a.Member), millis(s.core.now()))
}

// Withdraw removes the request of the actor's own member. The actor needs actor.AskErasure.
func (s *Erasures) Withdraw(ctx context.Context, a actor.Actor) error {
	return s.changeRequest(ctx, a, "erasure request withdrawn",
		`DELETE FROM erasure_request WHERE site = $1 AND member = $2`, string(a.Member))
}

// changeRequest runs a statement that adds or removes the request of the actor's own member. If the statement changes
// no row, changeRequest writes no audit entry.
func (s *Erasures) changeRequest(ctx context.Context, a actor.Actor, detail, statement string, args ...any) error {
	if err := a.May(actor.AskErasure, about(a.Member)); err != nil {
		return err
	}
	err := s.core.write(ctx, a, actor.AskErasure, func(c *change) (string, string, error) {
		if _, err := loadOne(ctx, c, a.Member); err != nil {
			return "", "", err
		}
		result, err := c.Exec(ctx, statement, args...)
		if err != nil {
			return "", "", err
		}
		n, err := result.RowsAffected()
		if err == nil && n == 0 {
			err = errUnchanged
		}
		return auditName(a.Member), detail, err
	})
	return ignoreUnchanged(err)
}

// Requested returns the time at which the actor's own member asked for the erasure; zero: the member did not ask. The
// actor needs actor.ReadOwn.
func (s *Erasures) Requested(ctx context.Context, a actor.Actor) (at time.Time, err error) {
	if err := a.May(actor.ReadOwn, about(a.Member)); err != nil {
		return at, err
	}
	if a.Member == "" {
		return at, &fault.NotFound{What: "member", ID: ""}
	}
	rows, err := s.core.site.Query(ctx, `SELECT at FROM erasure_request WHERE site = $1 AND member = $2`,
		string(a.Member))
	err = forEachRow(rows, err, func(rows *sql.Rows) error {
		var ms int64
		if err := rows.Scan(&ms); err != nil {
			return err
		}
		at = fromMillis(ms)
		return nil
	})
	return at, err
}

// Requests returns all open requests, the oldest first. The actor needs actor.EraseMembers; names are only for actors
// with actor.ReadMembers.
func (s *Erasures) Requests(ctx context.Context, a actor.Actor) (out []ErasureRequest, err error) {
	if err := a.May(actor.EraseMembers, about("")); err != nil {
		return nil, err
	}
	x, err := s.core.index.current(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := s.core.site.Query(ctx, `SELECT member, at FROM erasure_request WHERE site = $1 ORDER BY at, member`)
	err = forEachRow(rows, err, func(rows *sql.Rows) error {
		var r ErasureRequest
		var ms int64
		if err := rows.Scan(&r.Member, &ms); err != nil {
			return err
		}
		r.At = fromMillis(ms)
		if e := x.byID[r.Member]; e != nil && maySee(a, r.Member) == nil {
			r.Name = e.Name
		}
		out = append(out, r)
		return nil
	})
	return out, err
}

// moveRequest moves the request of the member drop to the member keep in a merge, so that the request is not lost.
func (c *change) moveRequest(ctx context.Context, keep, drop policy.MemberID) error {
	_, err := c.Exec(ctx, `INSERT INTO erasure_request (site, member, at)
		SELECT site, $2, at FROM erasure_request WHERE site = $1 AND member = $3
		ON CONFLICT (site, member) DO NOTHING`, string(keep), string(drop))
	return err
}
