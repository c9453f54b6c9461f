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

// SignIn lets somebody in by name and password, and begins a session in the browser whose request ctx comes from.
// address is from where, empty: as Handler found it. It returns ErrWrong, *Throttled or *Busy.
//
// An unknown name costs the same work as a wrong password. What is refused before any password is hashed depends on the
// name as it was typed and on the address, never on whether there is such an account.
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

// proven returns the account that a name and password are of.
func (s *Passwords) proven(ctx context.Context, name, password, address string) (row, error) {
	if address == "" {
		address = visitorOf(ctx).address
	}
	x, err := byName(ctx, s.core.site, name)
	if missing := (*fault.NotFound)(nil); err != nil && !errors.As(err, &missing) {
		return row{}, err
	}
	limits, err := s.passwordLimits(ctx, x.ID, name, address)
	if err != nil {
		return row{}, err
	}
	if err := s.limits.allowed(ctx, s.core.site, limits...); err != nil {
		return row{}, err
	}
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
	right, upgrade := s.hasher.check(stored, plain(password))
	if !right {
		s.core.log.Info("sign-in refused", "name_hash", limits[0].key(), "address", network(address), "request",
			visitorOf(ctx).request)
		return row{}, ErrWrong
	}
	if upgrade {
		if x.password, err = s.hasher.newHash(plain(password)); err != nil {
			return row{}, err
		}
	}
	return x, s.signedIn(ctx, x, stored, address, limits)
}

// passwordLimits are the limits of an attempt. An address that an account signed in from before has one of its own, so
// that others who guess cannot keep the account's owner out.
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

func knownAddress(id, from string) string {
	return limit{rate{name: "known"}, id + "\x00" + from}.key()
}

// maxKnown is how many addresses an account has a limit of its own for.
const maxKnown = 20

// signedIn records a sign-in, unless the password was changed since it was compared.
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

// know remembers that an account came from an address.
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

// ChangePassword sets one's own password, ends all other sessions, and gives this browser a new token. old is asked
// for, except where there is none or this browser signed in by a link or a code within a quarter of an hour.
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

// set stores a new password for the account as it was read.
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
