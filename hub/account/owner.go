package account

import (
	"context"
	"crypto/subtle"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
)

// ownerFile holds the code of the first owner until the code is used.
const ownerFile = "owner-code"

// Ownership creates the first owner, who can then assign all other roles.
type Ownership struct {
	core     *core
	limits   *throttle
	hasher   *hasher
	rights   *rights
	rows     *accountRows
	browsers *browsers
	folder   string // folder of the file ownerFile
}

// FirstOwner returns the code for creating the first owner, to be shown on the terminal of the hub's computer. The code
// is stored in a file that only the hub's user can read, so that a restarted hub returns the same code; made reports
// that the code is new. Once there is an owner, the code is empty and the file is removed.
func (s *Ownership) FirstOwner() (code string, made bool, err error) {
	path := filepath.Join(s.folder, ownerFile)
	n, err := otherOwners(context.Background(), s.core.site, "")
	if err != nil {
		return "", false, err
	}
	if n > 0 {
		return "", false, removeIfThere(path)
	}
	if code, err = s.storedCode(); err != nil || code != "" {
		return code, false, err
	}
	if code, err = s.core.newCode(typedCode); err != nil {
		return "", false, err
	}
	return grouped(code), true, writePrivate(path, grouped(code)+"\n")
}

// storedCode reads the code from its file; empty: the file is missing, or contains no code.
func (s *Ownership) storedCode() (string, error) {
	b, err := os.ReadFile(filepath.Join(s.folder, ownerFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	code := ungrouped(strings.TrimSpace(string(b)))
	if err != nil || len(code) != typedCode {
		return "", err
	}
	return grouped(code), nil
}

// removeIfThere removes a file. A missing file is not an error.
func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// writePrivate writes a file that only its owner can read (mode 0600). After a crash the file is complete or absent:
// the data is written to a temporary file in the same folder, synced, and renamed.
func writePrivate(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".owner-*") // CreateTemp sets mode 0600
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

// Redeem creates the first owner from the code of FirstOwner and signs the owner in. It works once: afterwards there is
// an owner and no code. The error is ErrCode for a wrong code, *fault.Invalid for an invalid name or password (the code
// stays valid), and *Throttled after ten wrong codes from an address.
func (s *Ownership) Redeem(ctx context.Context, code, name, password string) (actor.Actor, error) {
	if err := s.limits.guess(ctx); err != nil {
		return actor.Actor{}, err
	}
	want, err := s.storedCode()
	if err != nil {
		return actor.Actor{}, err
	}
	// The codes are compared in constant time.
	if want == "" || subtle.ConstantTimeCompare(hashOf(ungrouped(want)), hashOf(ungrouped(code))) != 1 {
		return actor.Actor{}, ErrCode
	}
	if faults := append(checkName(name), checkPassword(password, name)...); faults != nil {
		return actor.Actor{}, errors.Join(&fault.Invalid{Faults: faults}, s.limits.goodGuess(ctx))
	}
	x, err := s.rows.fresh(Account{Name: name, Site: actor.Owner})
	if err != nil {
		return actor.Actor{}, err
	}
	if x.password, err = s.hasher.hashAlone(ctx, plain(password)); err != nil {
		return actor.Actor{}, err
	}
	v := visitorOf(ctx)
	a := actor.Actor{Account: x.ID, Name: name, Site: actor.Owner, Request: v.request, Address: v.address}
	err = s.core.site.Write(ctx, func(tx *store.Tx) error {
		// If two requests redeem the code at once, the second request finds an owner.
		if n, err := otherOwners(ctx, tx, ""); err != nil || n > 0 {
			return errors.Join(ErrCode, err)
		}
		if err := s.rows.unique(ctx, tx, x); err != nil {
			return err
		}
		return s.rows.insertAudited(ctx, tx, a, x)
	})
	if err != nil {
		return actor.Actor{}, err
	}
	if err := removeIfThere(filepath.Join(s.folder, ownerFile)); err != nil {
		s.core.log.Error("owner code cannot be removed", "err", err) // harmless: an owner exists
	}
	if err := errors.Join(s.limits.goodGuess(ctx), s.browsers.begin(ctx, x, "password")); err != nil {
		return actor.Actor{}, err
	}
	return s.rights.actorOf(ctx, x)
}
