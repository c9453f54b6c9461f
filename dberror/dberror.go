// Package dberror says of an error of SQLite which file it concerns, what is wrong with it, and what somebody can do.
// SQLite's own words ("database disk image is malformed (11)") name neither.
//
// It knows the result codes of SQLite (sqlite.org/rescode.html) and nothing of what a database holds. Wrap leaves all
// other errors as they are.
package dberror

import (
	"errors"
	"fmt"
	"path/filepath"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// Kind is what an error means for whoever must act. The zero Kind is an error that is not SQLite's, or one of its
// others.
type Kind uint8

const (
	Other    Kind = iota
	Damaged       // SQLITE_CORRUPT, SQLITE_NOTADB: pages of the file do not fit together
	Full          // SQLITE_FULL
	ReadOnly      // SQLITE_READONLY, SQLITE_PERM
	IO            // SQLITE_IOERR: the disk did not do what it was asked
	Busy          // SQLITE_BUSY, SQLITE_LOCKED: another program holds the file
	Closed        // SQLITE_CANTOPEN: the file cannot be opened
)

// KindOf is the kind of the error that SQLite gave, however it is wrapped.
func KindOf(err error) Kind {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return Other
	}
	return kindOfCode(e.Code())
}

// kindOfCode judges the primary result code, which is the low byte of an extended one.
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

// Error is an error of SQLite with its file and what to do.
type Error struct {
	Path string
	Kind Kind
	Cure string // what somebody can do, with the command
	Err  error
}

// Error says what is wrong, with which file, and what to do.
func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s (%v); %s", e.Path, e.Kind, e.Err, e.Cure)
}

// Unwrap gives SQLite's own error.
func (e *Error) Unwrap() error { return e.Err }

// String says what is wrong.
func (k Kind) String() string {
	switch k {
	case Damaged:
		return "the file is damaged"
	case Full:
		return "the disk is full"
	case ReadOnly:
		return "the file or its disk is read-only"
	case IO:
		return "the disk reports an error"
	case Busy:
		return "another program holds the file"
	case Closed:
		return "the file cannot be opened"
	}
	return "the database cannot be used"
}

// Wrap names the file and the cure where err is SQLite's. ifDamaged is what to do with a damaged file of this kind; the
// other cures are the same for every database. An error that was wrapped before, and one that is not SQLite's, is
// returned as it is.
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
		return fmt.Sprintf("free some room, then records are taken again by themselves: df -h %s", dir)
	case ReadOnly:
		return fmt.Sprintf("see who owns it (ls -l %s), and mount its disk writable: sudo mount -o remount,rw %s", path, dir)
	case IO:
		return fmt.Sprintf("the memory card may be failing: sudo dmesg | tail, and copy %s to a new card", dir)
	case Busy:
		return fmt.Sprintf("end the program that holds it: sudo fuser -v %s", path)
	}
	return fmt.Sprintf("see what it is and who owns it: ls -l %s", path)
}
