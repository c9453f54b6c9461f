package account

import (
	"context"
	"errors"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
)

// resetLife is the time during which a code for a new password is valid.
const resetLife = time.Hour

// Recovery lets a person who lost a password set a new password with a code.
type Recovery struct {
	core      *core
	limits    *throttle
	rights    *rights
	passwords *Passwords
}

// ResetCode creates a code with which an account can set a new password within an hour (ResetPassword), and invalidates
// the account's earlier codes. The actor needs actor.WriteAccounts. The actor must give the code to the account's
// owner.
func (s *Recovery) ResetCode(ctx context.Context, a actor.Actor, id string) (code string, err error) {
	if err := a.May(actor.WriteAccounts, actor.Target{}); err != nil {
		return "", err
	}
	if code, err = s.core.newCode(typedCode); err != nil {
		return "", err
	}
	err = s.core.site.Write(ctx, func(tx *store.Tx) error {
		x, err := byID(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := s.storeCode(ctx, tx, x, code); err != nil {
			return err
		}
		return s.core.audit(ctx, tx, a, actor.WriteAccounts, "account "+id, "code for a new password made")
	})
	return groupCode(code), err
}

// storeCode replaces all codes of an account by a new code. Only the hash of the code is stored.
func (s *Recovery) storeCode(ctx context.Context, tx *store.Tx, x row, code string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM account_code WHERE site = $1 AND account = $2`, x.ID); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO account_code (site, hash, kind, account, member, address, browser, expires)
		VALUES ($1, $2, 'reset', $3, '', '', $4, $5)`, hashOf(code), x.ID, []byte{}, s.core.now()+resetLife.Milliseconds())
	return err
}

// Recover creates a code as ResetCode does, but finds the account by its name and only for root on the hub's computer.
// Recover also enables a disabled account, and ends the account's sessions and tokens. The actor must be actor.Local.
func (s *Recovery) Recover(ctx context.Context, a actor.Actor, name string) (code string, err error) {
	if a.Account != "local" {
		return "", &actor.Denied{Act: actor.WriteAccounts, Actor: a}
	}
	if code, err = s.core.newCode(typedCode); err != nil {
		return "", err
	}
	err = s.core.site.Write(ctx, func(tx *store.Tx) error {
		x, err := byName(ctx, tx, name)
		if err != nil {
			return err
		}
		x.Disabled = false
		x.Version++
		if err := update(ctx, tx, x); err != nil {
			return err
		}
		if err := endSessions(ctx, tx, &x); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM account_token WHERE site = $1 AND account = $2`, x.ID); err != nil {
			return err
		}
		if err := s.storeCode(ctx, tx, x, code); err != nil {
			return err
		}
		return s.core.audit(ctx, tx, a, actor.WriteAccounts, "account "+x.ID, "reset on the hub's computer")
	})
	return groupCode(code), err
}

// ResetPassword sets a new password with a code of ResetCode, and signs in. The error is ErrCode for a wrong, used or
// expired code, *fault.Invalid for a password that is easy to guess (the code stays valid), and *Throttled after ten
// wrong codes from an address.
func (s *Recovery) ResetPassword(ctx context.Context, code, password string) (actor.Actor, error) {
	if err := s.limits.spendGuess(ctx); err != nil {
		return actor.Actor{}, err
	}
	var id string
	err := s.core.site.QueryRow(ctx, `SELECT account FROM account_code WHERE site = $1 AND hash = $2 AND kind = 'reset' AND
		expires > $3`,
		hashOf(parseTypedCode(code)), s.core.now()).Scan(&id)
	if err != nil {
		return actor.Actor{}, convertMissingRow(err)
	}
	x, err := byID(ctx, s.core.site, id)
	if err != nil {
		return actor.Actor{}, errors.Join(ErrCode, err)
	}
	if shut, err := s.rights.isShut(ctx, x); err != nil || shut {
		return actor.Actor{}, errors.Join(ErrCode, err)
	}
	if faults := checkPassword(password, x.Name); faults != nil {
		return actor.Actor{}, errors.Join(&fault.Invalid{Faults: faults}, s.limits.refundGuess(ctx))
	}
	// Passwords.setPassword removes the account's codes and refuses an account that changed meanwhile. If two requests
	// use the code at once, only one request succeeds.
	a, err := s.rights.actorOf(ctx, x)
	if err != nil {
		return actor.Actor{}, err
	}
	if err := s.passwords.setPassword(ctx, a, x, password, "password", "password set with a code"); err != nil {
		if lost := (*fault.Conflict)(nil); errors.As(err, &lost) {
			return actor.Actor{}, ErrCode
		}
		return actor.Actor{}, err
	}
	return a, s.limits.refundGuess(ctx)
}
