package account

import (
	"context"
	"errors"
	"net/http"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
)

// Sessions manages signed-in browsers: it lists and ends an account's sessions, and returns the actor of a session.
type Sessions struct {
	core     *core
	rights   *rights
	browsers *browsers
}

// FromSession returns the actor who is signed in in the browser that sent the request of ctx, or the zero Actor if
// nobody is signed in. The actor has the rights that the account has now, even if they changed after the sign-in.
func (s *Sessions) FromSession(ctx context.Context) (actor.Actor, error) {
	x, ok, err := s.browsers.account(ctx)
	if err != nil || !ok {
		return actor.Actor{}, err
	}
	return s.rights.actorOf(ctx, x)
}

// ActorNow returns the current actor of a request's session, or the zero Actor if the session has ended since the
// request began. Long responses, such as event streams, call ActorNow repeatedly.
func (s *Sessions) ActorNow(r *http.Request) (actor.Actor, error) {
	ctx := r.Context()
	if !visitorOf(ctx).session {
		return actor.Actor{}, nil
	}
	v := visitorOf(ctx)
	v.background = true // an event stream does not extend the session, because nobody may be looking at the page
	_, alive, err := sessionStore{s.core}.FindCtx(context.WithValue(ctx, visitorKey, v), s.browsers.manager.Token(ctx))
	if err != nil || !alive {
		return actor.Actor{}, err
	}
	return s.FromSession(ctx)
}

// SignOut ends the session of the browser that sent the request of ctx. If ctx belongs to no browser, SignOut does
// nothing.
func (s *Sessions) SignOut(ctx context.Context) error {
	if !visitorOf(ctx).session {
		return nil
	}
	return s.browsers.manager.Destroy(ctx)
}

// Active lists the current sessions of an account, the newest first, at most 100. The session of the request itself is
// marked as current. The actor needs actor.WriteAccounts for another person's account.
func (s *Sessions) Active(ctx context.Context, a actor.Actor, id string) ([]Session, error) {
	if err := checkAccess(a, id); err != nil {
		return nil, err
	}
	x, err := byID(ctx, s.core.site, id)
	if err != nil {
		return nil, err
	}
	// Find the session of this request by the hash of the session's token.
	current := ""
	if visitorOf(ctx).session {
		current = string(hashOf(s.browsers.manager.Token(ctx)))
	}
	rows, err := s.core.site.Query(ctx, `SELECT id, hash, made, seen, address, agent FROM account_session
		WHERE site = $1 AND account = $2 AND epoch = $3 AND expires > $4 AND seen + idle > $4 ORDER BY made DESC LIMIT 100`,
		id, x.epoch, s.core.now())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Session
	for rows.Next() {
		var one Session
		var hash []byte
		var made, seen int64
		if err := rows.Scan(&one.ID, &hash, &made, &seen, &one.Address, &one.Agent); err != nil {
			return nil, err
		}
		one.Made, one.Seen, one.Current = timeOf(made), timeOf(seen), string(hash) == current
		out = append(out, one)
	}
	return out, rows.Err()
}

// End ends one session of an account. The error is *fault.NotFound if the account has no such session. The actor needs
// actor.WriteAccounts for another person's account.
func (s *Sessions) End(ctx context.Context, a actor.Actor, id, session string) error {
	if err := checkAccess(a, id); err != nil {
		return err
	}
	return s.core.site.Write(ctx, func(tx *store.Tx) error {
		done, err := tx.Exec(ctx, `DELETE FROM account_session WHERE site = $1 AND account = $2 AND id = $3`, id, session)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(&fault.NotFound{What: "session", ID: shorten(session, 60)}, err)
		}
		tx.Changed(store.Accounts)
		return s.core.audit(ctx, tx, a, actor.WriteAccounts, "account "+id, "session ended")
	})
}

// EndAll ends all sessions of an account, including the session of the request. API tokens stay valid. The actor needs
// actor.WriteAccounts for another person's account.
func (s *Sessions) EndAll(ctx context.Context, a actor.Actor, id string) error {
	if err := checkAccess(a, id); err != nil {
		return err
	}
	return s.core.site.Write(ctx, func(tx *store.Tx) error {
		x, err := byID(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := endSessions(ctx, tx, &x); err != nil {
			return err
		}
		return s.core.audit(ctx, tx, a, actor.WriteAccounts, "account "+id, "signed out everywhere")
	})
}
