// Package dberror adds the file, a description and a remedy to an error of SQLite. SQLite's own message, such as
// "database disk image is malformed (11)", contains neither file nor remedy.
//
// The package depends only on the result codes of SQLite (sqlite.org/rescode.html), not on a database's content. Wrap
// returns all other errors unchanged.
package dberror

import (
	"errors"
	"fmt"
	"path/filepath"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// Kind classifies an error by the remedy that a person must apply. The zero Kind means an error of another package, or
// another error of SQLite.
type Kind uint8

const (
	Other    Kind = iota
	Damaged       // SQLITE_CORRUPT, SQLITE_NOTADB: the file is damaged
	Full          // SQLITE_FULL: the disk is full
	ReadOnly      // SQLITE_READONLY, SQLITE_PERM: the file is not writable
	IO            // SQLITE_IOERR: the disk reported an error
	Busy          // SQLITE_BUSY, SQLITE_LOCKED: another program uses the file
	Closed        // SQLITE_CANTOPEN: the file cannot be opened
)

// KindOf returns the kind of a wrapped or unwrapped SQLite error.
func KindOf(err error) Kind {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return Other
	}
	return kindOfCode(e.Code())
}

// kindOfCode classifies the primary result code, which is the low byte of an extended code.
func kindOfCode(code int) Kind {
	switch code & 0xff {
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return Damaged
	case lib.SQLITE_FULL:
		return Full
	case lib.SQLITE_READONLY, lib.SQLITE_PERM:
		return ReadOnly
	case lib.SQLITE_IOERR:
		return IO
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return Busy
	case lib.SQLITE_CANTOPEN:
		return Closed
	}
	return Other
}

// Error is an error of SQLite together with the database file and a remedy.
type Error struct {
	Path string
	Kind Kind
	Cure string // what the person must do, with a command to run
	Err  error
}

// Error returns a text with the file, the problem and the remedy.
func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s (%v); %s", e.Path, e.Kind, e.Err, e.Cure)
}

// Unwrap returns SQLite's own error.
func (e *Error) Unwrap() error { return e.Err }

// String returns a description of the error.
func (k Kind) String() string {
	switch k {
	case Damaged:
		return "file is damaged"
	case Full:
		return "disk is full"
	case ReadOnly:
		return "file or its disk is read-only"
	case IO:
		return "disk reports an error"
	case Busy:
		return "another program uses the file"
	case Closed:
		return "file cannot be opened"
	}
	return "database cannot be used"
}

// Wrap adds the database file and a remedy to an error of SQLite. ifDamaged is the remedy that Wrap adds if the file
// is damaged; Wrap chooses every other remedy itself. Wrap returns an error unchanged if it is already wrapped or is
// not an error of SQLite.
func Wrap(path, ifDamaged string, err error) error {
	var done *Error
	kind := KindOf(err)
	if kind == Other || errors.As(err, &done) {
		return err
	}
	return &Error{Path: path, Kind: kind, Cure: cure(kind, path, ifDamaged), Err: err}
}

func cure(k Kind, path, ifDamaged string) string {
	dir := filepath.Dir(path)
	switch k {
	case Damaged:
		return ifDamaged
	case Full:
		return fmt.Sprintf("free disk space, then recording continues automatically: df -h %s", dir)
	case ReadOnly:
		return fmt.Sprintf("check the owner (ls -l %s), and mount the disk writable: sudo mount -o remount,rw %s", path, dir)
	case IO:
		return fmt.Sprintf("the SD card may be failing: run sudo dmesg | tail, and copy %s to a new card", dir)
	case Busy:
		return fmt.Sprintf("end the program that uses the file: sudo fuser -v %s", path)
	}
	return fmt.Sprintf("check the file's type and owner: ls -l %s", path)
}
