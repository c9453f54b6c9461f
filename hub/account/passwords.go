package account

import (
	"context"
	"errors"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
)

// Passwords signs people in by name and password, and changes passwords.
type Passwords struct {
	core     *core
	limits   *throttle
	hasher   *hasher
	rights   *rights
	browsers *browsers
}

// SignIn signs somebody in by name and password, and begins a session in the browser whose request ctx comes from.
// address is the client's address, for the rate limits; empty: the one that Requests found. It returns ErrWrong,
// *Throttled or *Busy.
//
// An unknown name costs the same work as a wrong password. Whether an attempt is refused before a password is hashed
// depends on the name as it was typed and on the address, never on whether such an account exists.
func (s *Passwords) SignIn(ctx context.Context, name, password, address string) (actor.Actor, error) {
	if len(name) > 200 || len(password) > maxPassword {
		return actor.Actor{}, ErrWrong
	}
	x, err := s.proven(ctx, name, password, address)
	if err != nil {
		return actor.Actor{}, err
	}
	if err := s.browsers.begin(ctx, x, "password"); err != nil {
		return actor.Actor{}, err
	}
	return s.rights.actorOf(ctx, x)
}

// proven returns the account whose name and password these are. It counts the attempt before it compares the password
// and gives it back if the password is right, so that attempts in parallel cannot exceed a limit. A shut account is
// compared with an empty hash: the answer and its time are those of a wrong password.
func (s *Passwords) proven(ctx context.Context, name, password, address string) (row, error) {
	if address == "" {
		address = visitorOf(ctx).address
	}
	x, err := byName(ctx, s.core.site, name)
	if missing := (*fault.NotFound)(nil); err != nil && !errors.As(err, &missing) {
		return row{}, err
	}
	// Refuse an address or name that has no attempts left, before any work is done.
	limits, err := s.passwordLimits(ctx, x.ID, name, address)
	if err != nil {
		return row{}, err
	}
	if err := s.limits.allowed(ctx, s.core.site, limits...); err != nil {
		return row{}, err
	}
	// Wait for one of the few places where a password may be hashed.
	leave, err := s.hasher.queue.enter(ctx)
	if err != nil {
		return row{}, err
	}
	defer leave()
	if err := s.limits.spend(ctx, limits...); err != nil {
		return row{}, err
	}
	stored := x.password
	if shut, err := s.rights.isShut(ctx, x); err != nil {
		return row{}, err
	} else if shut {
		stored = ""
	}
	// A shut account takes part in the comparison with an empty hash, which no password matches.
	right, upgrade := s.hasher.check(stored, plain(password))
	if !right {
		s.core.log.Info("sign-in refused", "name_hash", limits[0].key(), "address", network(address), "request",
			visitorOf(ctx).request)
		return row{}, ErrWrong
	}
	// The stored hash is of another cost than the one in force: store a new one.
	if upgrade {
		if x.password, err = s.hasher.newHash(plain(password)); err != nil {
			return row{}, err
		}
	}
	return x, s.signedIn(ctx, x, stored, address, limits)
}

// passwordLimits are the rate limits of an attempt: of the name and of the address. An address from which the account
// signed in before has a limit of its own in place of the name's, so that somebody who guesses from elsewhere cannot
// keep the account's owner out.
func (s *Passwords) passwordLimits(ctx context.Context, id, name, address string) ([]limit, error) {
	r, from := rates(), network(address)
	first := limit{r.name, nameKey(name)}
	var seen int64
	err := s.core.site.QueryRow(ctx, `SELECT coalesce(max(seen), 0) FROM account_known WHERE site = $1 AND account = $2 AND
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

// knownAddress is the key of an address that an account signed in from. It is a hash: the database keeps no list of
// the places where somebody was.
func knownAddress(id, from string) string {
	return limit{rate{name: "known"}, id + "\x00" + from}.key()
}

// maxKnown is how many addresses an account has a limit of its own for.
const maxKnown = 20

// signedIn records a sign-in and gives the attempt back. It returns ErrWrong where the password or the sessions of the
// account were changed since the password was compared.
func (s *Passwords) signedIn(ctx context.Context, x row, stored, address string, limits []limit) error {
	return s.core.site.Write(ctx, func(tx *store.Tx) error {
		done, err := tx.Exec(ctx, `UPDATE account SET seen = $3, password = $4 WHERE site = $1 AND id = $2 AND password = $5
			AND epoch = $6`,
			x.ID, s.core.now(), x.password, stored, x.epoch)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n != 1 {
			return errors.Join(ErrWrong, err)
		}
		if err := s.limits.refund(ctx, tx, limits...); err != nil {
			return err
		}
		return s.know(ctx, tx, x.ID, address)
	})
}

// know remembers that an account signed in from an address, and forgets the oldest addresses beyond maxKnown.
func (s *Passwords) know(ctx context.Context, tx *store.Tx, id, address string) error {
	_, err := tx.Exec(ctx, `INSERT INTO account_known (site, account, address, seen) VALUES ($1, $2, $3, $4)
		ON CONFLICT (site, account, address) DO UPDATE SET seen = excluded.seen`, id, knownAddress(id, network(address)),
		s.core.now())
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `DELETE FROM account_known WHERE site = $1 AND account = $2 AND address IN (SELECT address FROM
		account_known
		WHERE site = $1 AND account = $2 ORDER BY seen DESC LIMIT 1000000 OFFSET $3)`, id, maxKnown)
	return err
}

// ChangePassword sets the actor's own password, ends all other sessions, and gives this browser a new token. It asks
// for the old password, except where there is none or where this browser signed in by a link or a code within the last
// 15 minutes. It returns *actor.Denied for an API token, *fault.Invalid for a password that is easy to guess, and
// ErrWrong, *Throttled or *Busy as SignIn does.
func (s *Passwords) ChangePassword(ctx context.Context, a actor.Actor, old, password string) error {
	if !own(a, a.Account) || a.Account == "local" {
		return &actor.Denied{Act: actor.WriteAccounts, Actor: a}
	}
	x, err := byID(ctx, s.core.site, a.Account)
	if err != nil {
		return err
	}
	if faults := checkPassword(password, x.Name); faults != nil {
		return &fault.Invalid{Faults: faults}
	}
	if x.password != "" && !s.browsers.justCame(ctx) {
		if len(old) > maxPassword {
			return ErrWrong
		}
		if x, err = s.proven(ctx, x.Name, old, a.Address); err != nil {
			return err
		}
	}
	return s.set(ctx, a, x, password, s.browsers.how(ctx), "password changed")
}

// set stores a new password for an account as it was read: *fault.Conflict where its sessions were ended meanwhile, so
// that of two changes at once one is refused. It ends all sessions and codes of the account and begins a new session
// in this browser. detail is the text of the audit entry.
func (s *Passwords) set(ctx context.Context, a actor.Actor, x row, password, how, detail string) error {
	hash, err := s.hasher.hashAlone(ctx, plain(password))
	if err != nil {
		return err
	}
	err = s.core.site.Write(ctx, func(tx *store.Tx) error {
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
		return s.core.audit(ctx, tx, a, actor.WriteAccounts, "account "+x.ID, detail)
	})
	if err != nil {
		return err
	}
	return s.browsers.begin(ctx, x, how)
}
