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

// SignIn signs in a person by name and password, and begins a session in the browser that sent the request of ctx. The
// parameter address is the client's network address, to which the rate limits apply. If address is empty, SignIn uses
// the address that Requests stored in ctx. The error is ErrWrong, *Throttled or *Busy.
//
// An unknown name costs the same work as a wrong password. The rate limits depend on the typed name and on the address,
// never on whether such an account exists.
func (s *Passwords) SignIn(ctx context.Context, name, password, address string) (actor.Actor, error) {
	if len(name) > 200 || len(password) > maxPassword {
		return actor.Actor{}, ErrWrong
	}
	x, err := s.verifyPassword(ctx, name, password, address)
	if err != nil {
		return actor.Actor{}, err
	}
	if err := s.browsers.beginSession(ctx, x, "password"); err != nil {
		return actor.Actor{}, err
	}
	return s.rights.actorOf(ctx, x)
}

// verifyPassword returns the account with this name and password. verifyPassword counts the attempt before it compares
// the password, so that parallel attempts cannot exceed a limit. If the password is right, recordSignIn refunds the
// attempt. The password of a disabled or blocked account is compared with an empty hash, so that the response and the
// response time are those of a wrong password.
func (s *Passwords) verifyPassword(ctx context.Context, name, password, address string) (row, error) {
	if address == "" {
		address = visitorOf(ctx).address
	}
	x, err := byName(ctx, s.core.site, name)
	if missing := (*fault.NotFound)(nil); err != nil && !errors.As(err, &missing) {
		return row{}, err
	}
	// Refuse an address or name that has no remaining attempts, before any work is done.
	limits, err := s.passwordLimits(ctx, x.ID, name, address)
	if err != nil {
		return row{}, err
	}
	if err := s.limits.check(ctx, s.core.site, limits...); err != nil {
		return row{}, err
	}
	// Wait in the queue, which limits how many passwords are hashed at a time.
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
	// Compare the password of a disabled or blocked account with an empty hash, which no password matches.
	right, upgrade := s.hasher.check(stored, toNFKC(password))
	if !right {
		s.core.log.Info("sign-in refused", "name_hash", limits[0].key(), "address", clientNetwork(address), "request",
			visitorOf(ctx).request)
		return row{}, ErrWrong
	}
	// The stored hash has outdated parameters: store a new hash.
	if upgrade {
		if x.password, err = s.hasher.newHash(toNFKC(password)); err != nil {
			return row{}, err
		}
	}
	return x, s.recordSignIn(ctx, x, stored, address, limits)
}

// passwordLimits returns the two rate limits of an attempt: the limit of the name and the limit of the address. An
// address from which the account signed in before has a separate limit in place of the name's limit, so that guesses
// from other addresses cannot lock out the account's owner.
func (s *Passwords) passwordLimits(ctx context.Context, id, name, address string) ([]limit, error) {
	r, from := rates(), clientNetwork(address)
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

// knownAddress returns the key under which the database stores an address from which the account has signed in. The key
// is a hash of the address, so that the database contains no list of a person's locations.
func knownAddress(id, from string) string {
	return limit{rate{name: "known"}, id + "\x00" + from}.key()
}

// maxKnown is the maximum number of known addresses that are stored per account.
const maxKnown = 20

// recordSignIn records a sign-in and refunds the attempt. The error is ErrWrong if the password or the sessions of the
// account changed since the password was compared.
func (s *Passwords) recordSignIn(ctx context.Context, x row, stored, address string, limits []limit) error {
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
		return s.recordAddress(ctx, tx, x.ID, address)
	})
}

// recordAddress records that an account signed in from an address, and removes the oldest addresses beyond maxKnown.
func (s *Passwords) recordAddress(ctx context.Context, tx *store.Tx, id, address string) error {
	_, err := tx.Exec(ctx, `INSERT INTO account_known (site, account, address, seen) VALUES ($1, $2, $3, $4)
		ON CONFLICT (site, account, address) DO UPDATE SET seen = excluded.seen`,
		id, knownAddress(id, clientNetwork(address)), s.core.now())
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `DELETE FROM account_known WHERE site = $1 AND account = $2 AND address IN (SELECT address FROM
		account_known
		WHERE site = $1 AND account = $2 ORDER BY seen DESC LIMIT 1000000 OFFSET $3)`, id, maxKnown)
	return err
}

// ChangePassword sets the actor's own password, ends all other sessions, and gives this browser a new token. The old
// password may be empty only if the account has no password or this browser signed in by a link or a code within the
// last 15 minutes. The error is *actor.Denied for an API token, *fault.Invalid for a password that is easy to guess,
// and ErrWrong, *Throttled or *Busy as for SignIn.
func (s *Passwords) ChangePassword(ctx context.Context, a actor.Actor, old, password string) error {
	if !isOwnSession(a, a.Account) || a.Account == "local" {
		return &actor.Denied{Act: actor.WriteAccounts, Actor: a}
	}
	x, err := byID(ctx, s.core.site, a.Account)
	if err != nil {
		return err
	}
	if faults := checkPassword(password, x.Name); faults != nil {
		return &fault.Invalid{Faults: faults}
	}
	if x.password != "" && !s.browsers.usedCodeRecently(ctx) {
		if len(old) > maxPassword {
			return ErrWrong
		}
		if x, err = s.verifyPassword(ctx, x.Name, old, a.Address); err != nil {
			return err
		}
	}
	return s.setPassword(ctx, a, x, password, s.browsers.signInMethod(ctx), "password changed")
}

// setPassword stores a new password for the account x. setPassword ends all sessions and codes of the account and
// begins a new session in this browser. The error is *fault.Conflict if the account's sessions ended since x was read,
// so that only one of two simultaneous changes succeeds. detail is the text of the audit entry.
func (s *Passwords) setPassword(ctx context.Context, a actor.Actor, x row, password, how, detail string) error {
	hash, err := s.hasher.enterAndHash(ctx, toNFKC(password))
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
	return s.browsers.beginSession(ctx, x, how)
}
