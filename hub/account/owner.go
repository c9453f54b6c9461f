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

// ownerFile is the name of the file that contains the code of the first owner until the code is used.
const ownerFile = "owner-code"

// Ownership creates the first owner, who can then assign all other roles.
type Ownership struct {
	core     *core
	limits   *throttle
	hasher   *hasher
	rights   *rights
	rows     *accountRows
	browsers *browsers
	folder   string // folder that contains the file ownerFile
}

// FirstOwner returns the code with which a person creates the first owner. The hub shows the code on the terminal of
// the hub's computer. The code is stored in a file that only the hub's user can read, so that a restarted hub returns
// the same code. made is true if this call created the code. Once an owner exists, FirstOwner removes the file and
// returns an empty code.
func (s *Ownership) FirstOwner() (code string, made bool, err error) {
	path := filepath.Join(s.folder, ownerFile)
	n, err := otherOwners(context.Background(), s.core.site, "")
	if err != nil {
		return "", false, err
	}
	if n > 0 {
		return "", false, removeIfExists(path)
	}
	if code, err = s.storedCode(); err != nil || code != "" {
		return code, false, err
	}
	if code, err = s.core.newCode(typedCode); err != nil {
		return "", false, err
	}
	return groupCode(code), true, writePrivate(path, groupCode(code)+"\n")
}

// storedCode reads the code from the file ownerFile. storedCode returns an empty code if the file is missing or
// contains no code.
func (s *Ownership) storedCode() (string, error) {
	b, err := os.ReadFile(filepath.Join(s.folder, ownerFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	code := parseTypedCode(strings.TrimSpace(string(b)))
	if err != nil || len(code) != typedCode {
		return "", err
	}
	return groupCode(code), nil
}

// removeIfExists removes a file. A missing file is not an error.
func removeIfExists(path string) error {
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

// Redeem creates the first owner if code is the code of FirstOwner, and signs the owner in. The code works only once.
// The error is ErrCode for a wrong code, *fault.Invalid for an invalid name or password (the code stays valid), and
// *Throttled after ten wrong codes from an address.
func (s *Ownership) Redeem(ctx context.Context, code, name, password string) (actor.Actor, error) {
	if err := s.limits.spendGuess(ctx); err != nil {
		return actor.Actor{}, err
	}
	want, err := s.storedCode()
	if err != nil {
		return actor.Actor{}, err
	}
	// The codes are compared in constant time.
	if want == "" || subtle.ConstantTimeCompare(hashOf(parseTypedCode(want)), hashOf(parseTypedCode(code))) != 1 {
		return actor.Actor{}, ErrCode
	}
	if faults := append(checkName(name), checkPassword(password, name)...); faults != nil {
		return actor.Actor{}, errors.Join(&fault.Invalid{Faults: faults}, s.limits.refundGuess(ctx))
	}
	x, err := s.rows.newRow(Account{Name: name, Site: actor.Owner})
	if err != nil {
		return actor.Actor{}, err
	}
	if x.password, err = s.hasher.enterAndHash(ctx, toNFKC(password)); err != nil {
		return actor.Actor{}, err
	}
	v := visitorOf(ctx)
	a := actor.Actor{Account: x.ID, Name: name, Site: actor.Owner, Request: v.request, Address: v.address}
	err = s.core.site.Write(ctx, func(tx *store.Tx) error {
		// If two requests redeem the code at once, the first request creates an owner and the second request fails
		// here.
		if n, err := otherOwners(ctx, tx, ""); err != nil || n > 0 {
			return errors.Join(ErrCode, err)
		}
		if err := s.rows.checkUnique(ctx, tx, x); err != nil {
			return err
		}
		return s.rows.insertAudited(ctx, tx, a, x)
	})
	if err != nil {
		return actor.Actor{}, err
	}
	if err := removeIfExists(filepath.Join(s.folder, ownerFile)); err != nil {
		// a remaining file is harmless, because no code works once an owner exists
		s.core.log.Error("removing the used owner code failed", "err", err)
	}
	if err := errors.Join(s.limits.refundGuess(ctx), s.browsers.beginSession(ctx, x, "password")); err != nil {
		return actor.Actor{}, err
	}
	return s.rights.actorOf(ctx, x)
}
