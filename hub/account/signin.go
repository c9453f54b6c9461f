package account

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
)

// SignIn lets somebody in by name and password, and begins a session in the browser whose request ctx comes from.
// address is from where, empty: as Handler found it. It returns ErrWrong, *Throttled or *Busy.
//
// An unknown name costs the same work as a wrong password. What is refused before any password is hashed depends on the
// name as it was typed and on the address, never on whether there is such an account.
func (s *Service) SignIn(ctx context.Context, name, password, address string) (actor.Actor, error) {
	if len(name) > 200 || len(password) > maxPassword {
		return actor.Actor{}, ErrWrong
	}
	x, err := s.proven(ctx, name, password, address)
	if err != nil {
		return actor.Actor{}, err
	}
	if err := s.begin(ctx, x, "password"); err != nil {
		return actor.Actor{}, err
	}
	return s.actorOf(ctx, x)
}

// proven returns the account that a name and password are of.
func (s *Service) proven(ctx context.Context, name, password, address string) (row, error) {
	if address == "" {
		address = visitorOf(ctx).address
	}
	x, err := byName(ctx, s.site, name)
	if missing := (*fault.NotFound)(nil); err != nil && !errors.As(err, &missing) {
		return row{}, err
	}
	limits, err := s.passwordLimits(ctx, x.ID, name, address)
	if err != nil {
		return row{}, err
	}
	if err := s.allowed(ctx, s.site, limits...); err != nil {
		return row{}, err
	}
	leave, err := s.queue.enter(ctx)
	if err != nil {
		return row{}, err
	}
	defer leave()
	if err := s.spend(ctx, limits...); err != nil {
		return row{}, err
	}
	stored := x.password
	if shut, err := s.isShut(ctx, x); err != nil {
		return row{}, err
	} else if shut {
		stored = ""
	}
	right, upgrade := s.check(stored, plain(password))
	if !right {
		s.log.Info("sign-in refused", "name_hash", limits[0].key(), "address", network(address), "request",
			visitorOf(ctx).request)
		return row{}, ErrWrong
	}
	if upgrade {
		if x.password, err = s.newHash(plain(password)); err != nil {
			return row{}, err
		}
	}
	return x, s.signedIn(ctx, x, stored, address, limits)
}

// passwordLimits are the limits of an attempt. An address that an account signed in from before has one of its own, so
// that others who guess cannot keep the account's owner out.
func (s *Service) passwordLimits(ctx context.Context, id, name, address string) ([]limit, error) {
	r, from := s.rates(), network(address)
	first := limit{r.name, nameKey(name)}
	var seen int64
	err := s.site.QueryRow(ctx, `SELECT coalesce(max(seen), 0) FROM account_known WHERE site = $1 AND account = $2 AND
		address = $3`,
		id, knownAddress(id, from)).Scan(&seen)
	if err != nil {
		return nil, err
	}
	if seen > 0 {
		first = limit{r.known, id + "\x00" + from}
	}
	return []limit{first, {r.address, from}}, nil
}

func knownAddress(id, from string) string {
	return limit{rate{name: "known"}, id + "\x00" + from}.key()
}

// maxKnown is how many addresses an account has a limit of its own for.
const maxKnown = 20

// signedIn records a sign-in, unless the password was changed since it was compared.
func (s *Service) signedIn(ctx context.Context, x row, stored, address string, limits []limit) error {
	return s.site.Write(ctx, func(tx *store.Tx) error {
		done, err := tx.Exec(ctx, `UPDATE account SET seen = $3, password = $4 WHERE site = $1 AND id = $2 AND password = $5
			AND epoch = $6`,
			x.ID, s.now(), x.password, stored, x.epoch)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n != 1 {
			return errors.Join(ErrWrong, err)
		}
		if err := s.refund(ctx, tx, limits...); err != nil {
			return err
		}
		return s.know(ctx, tx, x.ID, address)
	})
}

// know remembers that an account came from an address.
func (s *Service) know(ctx context.Context, tx *store.Tx, id, address string) error {
	_, err := tx.Exec(ctx, `INSERT INTO account_known (site, account, address, seen) VALUES ($1, $2, $3, $4)
		ON CONFLICT (site, account, address) DO UPDATE SET seen = excluded.seen`, id, knownAddress(id, network(address)),
		s.now())
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `DELETE FROM account_known WHERE site = $1 AND account = $2 AND address IN (SELECT address FROM
		account_known
		WHERE site = $1 AND account = $2 ORDER BY seen DESC LIMIT 1000000 OFFSET $3)`, id, maxKnown)
	return err
}

// FromSession returns who is signed in in the browser whose request ctx comes from; the zero Actor: nobody. Rights are
// those of this moment.
func (s *Service) FromSession(ctx context.Context) (actor.Actor, error) {
	x, ok, err := s.sessionAccount(ctx)
	if err != nil || !ok {
		return actor.Actor{}, err
	}
	return s.actorOf(ctx, x)
}

func (s *Service) sessionAccount(ctx context.Context) (row, bool, error) {
	if !visitorOf(ctx).session {
		return row{}, false, nil
	}
	id := s.sessions.GetString(ctx, keyAccount)
	if id == "" {
		return row{}, false, nil
	}
	x, err := byID(ctx, s.site, id)
	if missing := (*fault.NotFound)(nil); errors.As(err, &missing) {
		return row{}, false, nil
	}
	if err != nil {
		return row{}, false, err
	}
	if s.sessions.GetString(ctx, keyEpoch) != strconv.FormatInt(x.epoch, 10) {
		return row{}, false, nil
	}
	shut, err := s.isShut(ctx, x)
	return x, !shut, err
}

// earned are the roles that follow from a member's badges: mentor and maintainer of a machine, nothing else. Where they
// cannot be told, there are none.
func (s *Service) earned(ctx context.Context, m policy.MemberID) map[policy.MachineID]actor.Role {
	if m == "" || s.o.People.Roles == nil {
		return nil
	}
	roles, err := s.o.People.Roles(ctx, m)
	if err != nil {
		s.log.Warn("roles from badges cannot be told", "member", m, "err", err)
		return nil
	}
	roles = maps.Clone(roles)
	maps.DeleteFunc(roles, func(m policy.MachineID, r actor.Role) bool { return m == "" || !isMachineRole(r) })
	return roles
}

func isMachineRole(r actor.Role) bool { return r == actor.Mentor || r == actor.Maintainer }

// SignOut ends the session of the browser whose request ctx comes from.
func (s *Service) SignOut(ctx context.Context) error {
	if !visitorOf(ctx).session {
		return nil
	}
	return s.sessions.Destroy(ctx)
}

// own reports whether an actor is the owner of an account, and there in person: a token does not change passwords,
// sessions and tokens of its owner.
func own(a actor.Actor, id string) bool {
	return a.Account != "" && a.Account == id && a.Token == "" && a.Scopes == nil
}

// mayAccount allows one's own account, and others to those who may write accounts.
func mayAccount(a actor.Actor, id string) error {
	if own(a, id) {
		return nil
	}
	return a.May(actor.WriteAccounts, actor.Target{})
}

// Sessions are an account's browsers, the newest first.
func (s *Service) Sessions(ctx context.Context, a actor.Actor, id string) ([]Session, error) {
	if err := mayAccount(a, id); err != nil {
		return nil, err
	}
	x, err := byID(ctx, s.site, id)
	if err != nil {
		return nil, err
	}
	current := ""
	if visitorOf(ctx).session {
		current = string(hashOf(s.sessions.Token(ctx)))
	}
	rows, err := s.site.Query(ctx, `SELECT id, hash, made, seen, address, agent FROM account_session
		WHERE site = $1 AND account = $2 AND epoch = $3 AND expires > $4 AND seen + idle > $4 ORDER BY made DESC LIMIT 100`,
		id, x.epoch, s.now())
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
		one.Made, one.Seen, one.Current = at(made), at(seen), string(hash) == current
		out = append(out, one)
	}
	return out, rows.Err()
}

// EndSession ends one of an account's sessions.
func (s *Service) EndSession(ctx context.Context, a actor.Actor, id, session string) error {
	if err := mayAccount(a, id); err != nil {
		return err
	}
	return s.site.Write(ctx, func(tx *store.Tx) error {
		done, err := tx.Exec(ctx, `DELETE FROM account_session WHERE site = $1 AND account = $2 AND id = $3`, id, session)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(&fault.NotFound{What: "session", ID: shorten(session, 60)}, err)
		}
		tx.Changed(store.Accounts)
		return s.Audit(ctx, tx, a, actor.WriteAccounts, "account "+id, "session ended")
	})
}

// SignOutEverywhere ends all sessions of an account, this one too. Tokens stay.
func (s *Service) SignOutEverywhere(ctx context.Context, a actor.Actor, id string) error {
	if err := mayAccount(a, id); err != nil {
		return err
	}
	return s.site.Write(ctx, func(tx *store.Tx) error {
		x, err := byID(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := endSessions(ctx, tx, &x); err != nil {
			return err
		}
		return s.Audit(ctx, tx, a, actor.WriteAccounts, "account "+id, "signed out everywhere")
	})
}

// ChangePassword sets one's own password, ends all other sessions, and gives this browser a new token. old is asked
// for, except where there is none or this browser signed in by a link or a code within a quarter of an hour.
func (s *Service) ChangePassword(ctx context.Context, a actor.Actor, old, password string) error {
	if !own(a, a.Account) || a.Account == "local" {
		return &actor.Denied{Act: actor.WriteAccounts, Actor: a}
	}
	x, err := byID(ctx, s.site, a.Account)
	if err != nil {
		return err
	}
	if faults := checkPassword(password, x.Name); faults != nil {
		return &fault.Invalid{Faults: faults}
	}
	if x.password != "" && !s.justCame(ctx) {
		if len(old) > maxPassword {
			return ErrWrong
		}
		if x, err = s.proven(ctx, x.Name, old, a.Address); err != nil {
			return err
		}
	}
	return s.setPassword(ctx, a, x, password, s.sessionHow(ctx), "password changed")
}

// justCame reports whether this browser signed in by a link or a code a moment ago.
func (s *Service) justCame(ctx context.Context) bool {
	if how := s.sessionHow(ctx); how != "link" && how != "code" {
		return false
	}
	var made int64
	err := s.site.QueryRow(ctx, `SELECT made FROM account_session WHERE site = $1 AND hash = $2`,
		hashOf(s.sessions.Token(ctx))).Scan(&made)
	return err == nil && s.now()-made < linkLife.Milliseconds()
}

func (s *Service) sessionHow(ctx context.Context) string {
	if !visitorOf(ctx).session {
		return ""
	}
	return s.sessions.GetString(ctx, keyHow)
}

// setPassword stores a new password for the account as it was read.
func (s *Service) setPassword(ctx context.Context, a actor.Actor, x row, password, how, detail string) error {
	hash, err := s.hashAlone(ctx, plain(password))
	if err != nil {
		return err
	}
	err = s.site.Write(ctx, func(tx *store.Tx) error {
		done, err := tx.Exec(ctx, `UPDATE account SET password = $3 WHERE site = $1 AND id = $2 AND epoch = $4`, x.ID, hash,
			x.epoch)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n != 1 {
			return errors.Join(&fault.Conflict{What: "account", ID: x.ID, Have: x.Version, Got: x.Version}, err)
		}
		if _, err := tx.Exec(ctx, `DELETE FROM account_code WHERE site = $1 AND account = $2`, x.ID); err != nil {
			return err
		}
		if err := endSessions(ctx, tx, &x); err != nil {
			return err
		}
		return s.Audit(ctx, tx, a, actor.WriteAccounts, "account "+x.ID, detail)
	})
	if err != nil {
		return err
	}
	return s.begin(ctx, x, how)
}

// linkLife is how long an e-mail link is valid.
const linkLife = 15 * time.Minute
