package account

import (
	"context"
	"crypto/subtle"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
)

// ownerFile holds the code of the first owner until somebody used it.
const ownerFile = "owner-code"

// FirstOwner gives the code with which somebody becomes the first owner, for the terminal. It stands in a file that its
// owner alone reads, so that a hub that is started again gives the same; made reports that it is new. Once there is an
// owner, the code is empty and the file gone.
func (s *Service) FirstOwner() (code string, made bool, err error) {
	path := filepath.Join(s.o.Folder, ownerFile)
	n, err := otherOwners(context.Background(), s.site, "")
	if err != nil {
		return "", false, err
	}
	if n > 0 {
		return "", false, removeIfThere(path)
	}
	if code, err = s.ownerCode(); err != nil || code != "" {
		return code, false, err
	}
	if code, err = s.newCode(typedCode); err != nil {
		return "", false, err
	}
	return grouped(code), true, writePrivate(path, grouped(code)+"\n")
}

// ownerCode reads the file; empty: there is none that can be used.
func (s *Service) ownerCode() (string, error) {
	b, err := os.ReadFile(filepath.Join(s.o.Folder, ownerFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	code := ungrouped(strings.TrimSpace(string(b)))
	if err != nil || len(code) != typedCode {
		return "", err
	}
	return grouped(code), nil
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// writePrivate writes a file that its owner alone reads. It is whole or not there.
func writePrivate(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".owner-*") // CreateTemp makes it 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// Redeem makes the first owner from the code of FirstOwner, and signs them in. It works once: afterwards there is an
// owner, and no code.
func (s *Service) Redeem(ctx context.Context, code, name, password string) (actor.Actor, error) {
	if err := s.guess(ctx); err != nil {
		return actor.Actor{}, err
	}
	want, err := s.ownerCode()
	if err != nil {
		return actor.Actor{}, err
	}
	if want == "" || subtle.ConstantTimeCompare(hashOf(ungrouped(want)), hashOf(ungrouped(code))) != 1 {
		return actor.Actor{}, ErrCode
	}
	if faults := append(checkName(name), checkPassword(password, name)...); faults != nil {
		return actor.Actor{}, errors.Join(&fault.Invalid{Faults: faults}, s.goodGuess(ctx))
	}
	x, err := s.fresh(Account{Name: name, Site: actor.Owner})
	if err != nil {
		return actor.Actor{}, err
	}
	if x.password, err = s.hashAlone(ctx, plain(password)); err != nil {
		return actor.Actor{}, err
	}
	v := visitorOf(ctx)
	a := actor.Actor{Account: x.ID, Name: name, Site: actor.Owner, Request: v.request, Address: v.address}
	err = s.site.Write(ctx, func(tx *store.Tx) error {
		if n, err := otherOwners(ctx, tx, ""); err != nil || n > 0 {
			return errors.Join(ErrCode, err)
		}
		if err := s.unique(ctx, tx, x); err != nil {
			return err
		}
		return s.insertAudited(ctx, tx, a, x)
	})
	if err != nil {
		return actor.Actor{}, err
	}
	if err := removeIfThere(filepath.Join(s.o.Folder, ownerFile)); err != nil {
		s.log.Error("owner code cannot be removed", "err", err) // it is of no use: there is an owner
	}
	if err := errors.Join(s.goodGuess(ctx), s.begin(ctx, x, "password")); err != nil {
		return actor.Actor{}, err
	}
	return s.actorOf(ctx, x)
}

// guess counts an attempt with a code; goodGuess gives it back.
func (s *Service) guess(ctx context.Context) error { return s.spend(ctx, s.guessLimit(ctx)) }

func (s *Service) goodGuess(ctx context.Context) error {
	return s.site.Write(ctx, func(tx *store.Tx) error { return s.refund(ctx, tx, s.guessLimit(ctx)) })
}

func (s *Service) guessLimit(ctx context.Context) limit {
	return limit{s.rates().code, network(visitorOf(ctx).address)}
}

// resetLife is how long a code for a new password is valid.
const resetLife = time.Hour

// ResetCode makes a code with which an account sets a new password (ResetPassword), and ends what codes it had. Whoever
// asks gives it to the account's owner.
func (s *Service) ResetCode(ctx context.Context, a actor.Actor, id string) (code string, err error) {
	if err := a.May(actor.WriteAccounts, actor.Target{}); err != nil {
		return "", err
	}
	if code, err = s.newCode(typedCode); err != nil {
		return "", err
	}
	err = s.site.Write(ctx, func(tx *store.Tx) error {
		x, err := byID(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := s.resetWith(ctx, tx, x, code); err != nil {
			return err
		}
		return s.Audit(ctx, tx, a, actor.WriteAccounts, "account "+id, "code for a new password made")
	})
	return grouped(code), err
}

func (s *Service) resetWith(ctx context.Context, tx *store.Tx, x row, code string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM account_code WHERE site = $1 AND account = $2`, x.ID); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO account_code (site, hash, kind, account, member, address, browser, expires)
		VALUES ($1, $2, 'reset', $3, '', '', $4, $5)`, hashOf(code), x.ID, []byte{}, s.now()+resetLife.Milliseconds())
	return err
}

// Recover is ResetCode for root on the hub's computer, by the account's name: it also lets a disabled account sign in
// again, and ends its sessions and tokens. Only actor.Local may ask.
func (s *Service) Recover(ctx context.Context, a actor.Actor, name string) (code string, err error) {
	if a.Account != "local" {
		return "", &actor.Denied{Act: actor.WriteAccounts, Actor: a}
	}
	if code, err = s.newCode(typedCode); err != nil {
		return "", err
	}
	err = s.site.Write(ctx, func(tx *store.Tx) error {
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
		if err := s.resetWith(ctx, tx, x, code); err != nil {
			return err
		}
		return s.Audit(ctx, tx, a, actor.WriteAccounts, "account "+x.ID, "reset on the hub's computer")
	})
	return grouped(code), err
}

// ResetPassword sets a new password with a code of ResetCode, and signs in.
func (s *Service) ResetPassword(ctx context.Context, code, password string) (actor.Actor, error) {
	if err := s.guess(ctx); err != nil {
		return actor.Actor{}, err
	}
	var id string
	err := s.site.QueryRow(ctx, `SELECT account FROM account_code WHERE site = $1 AND hash = $2 AND kind = 'reset' AND
		expires > $3`,
		hashOf(ungrouped(code)), s.now()).Scan(&id)
	if err != nil {
		return actor.Actor{}, noRow(err)
	}
	x, err := byID(ctx, s.site, id)
	if err != nil {
		return actor.Actor{}, errors.Join(ErrCode, err)
	}
	if shut, err := s.isShut(ctx, x); err != nil || shut {
		return actor.Actor{}, errors.Join(ErrCode, err)
	}
	if faults := checkPassword(password, x.Name); faults != nil {
		return actor.Actor{}, errors.Join(&fault.Invalid{Faults: faults}, s.goodGuess(ctx))
	}
	// setPassword removes the account's codes in its transaction, and refuses an account that changed meanwhile: of two
	// who use the code at once, one is refused.
	a, err := s.actorOf(ctx, x)
	if err != nil {
		return actor.Actor{}, err
	}
	if err := s.setPassword(ctx, a, x, password, "password", "password set with a code"); err != nil {
		if lost := (*fault.Conflict)(nil); errors.As(err, &lost) {
			return actor.Actor{}, ErrCode
		}
		return actor.Actor{}, err
	}
	return a, s.goodGuess(ctx)
}
