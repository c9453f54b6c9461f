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

// SignIn signs in a person by name and password, and begins a session in the browser whose request ctx belongs to.
// address is the client's address, for the rate limits; empty: the address that Requests found. The error is ErrWrong,
// *Throttled or *Busy.
//
// An unknown name costs the same work as a wrong password. Whether an attempt is refused before a password is hashed
// depends on the name as typed and on the address, never on whether such an account exists.
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

// proven returns the account with this name and password. It counts the attempt before it compares the password, and
// refunds the attempt if the password is right, so that parallel attempts cannot exceed a limit. The password of a shut
// account is compared with an empty hash: the response and its time equal those of a wrong password.
func (s *Passwords) proven(ctx context.Context, name, password, address string) (row, error) {
	if address == "" {
		address = visitorOf(ctx).address
	}
	x, err := byName(ctx, s.core.site, name)
	if missing := (*fault.NotFound)(nil); err != nil && !errors.As(err, &missing) {
		return row{}, err
	}
	// Refuse an address or name without remaining attempts, before any work is done.
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
	// Compare the password of a shut account with an empty hash, which no password matches.
	right, upgrade := s.hasher.check(stored, plain(password))
	if !right {
		s.core.log.Info("sign-in refused", "name_hash", limits[0].key(), "address", network(address), "request",
			visitorOf(ctx).request)
		return row{}, ErrWrong
	}
	// The stored hash has an outdated cost: store a new hash.
	if upgrade {
		if x.password, err = s.hasher.newHash(plain(password)); err != nil {
			return row{}, err
		}
	}
	return x, s.signedIn(ctx, x, stored, address, limits)
}

// passwordLimits returns the rate limits of an attempt: of the name and of the address. An address from which the
// account signed in before has a separate limit in place of the name's limit, so that guesses from other addresses
// cannot lock out the account's owner.
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

// knownAddress returns the key of an address that an account signed in from. The key is a hash, so that the database
// holds no list of a person's locations.
func knownAddress(id, from string) string {
	return limit{rate{name: "known"}, id + "\x00" + from}.key()
}

// maxKnown is the number of known addresses with a separate limit, per account.
const maxKnown = 20

// signedIn records a sign-in and refunds the attempt. The error is ErrWrong if the password or the sessions of the
// account changed since the password was compared.
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

// know records that an account signed in from an address, and removes the oldest addresses beyond maxKnown.
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

// ChangePassword sets the actor's own password, ends all other sessions, and gives this browser a new token. It
// requires the old password, unless the account has none or this browser signed in by a link or a code within the last
// 15 minutes. The error is *actor.Denied for an API token, *fault.Invalid for a password that is easy to guess, and
// ErrWrong, *Throttled or *Busy as for SignIn.
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

// set stores a new password for the account x. The error is *fault.Conflict if the account's sessions ended since x was
// read, so that of two changes at once one is refused. set ends all sessions and codes of the account and begins a new
// session in this browser. detail is the text of the audit entry.
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
