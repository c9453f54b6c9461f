package journal

import (
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite" // also registers the driver "sqlite"
	lib "modernc.org/sqlite/lib"

	"portillon/wire"
)

const (
	// appID is "Prtl" and marks the file as a journal of Portillon (SQLite file format §1.3.14, offset 68).
	appID = 0x5072746c
	// version is the version of the schema (offset 60). A file of version 1 has no generation. Such a file is read and
	// written without a conversion and stays at version 1.
	version        = 2
	withGeneration = 2
)

// schema stores the tree's hashes in the row of the record that completed them. The column hashes holds the hash of the
// leaf, then the hashes of the subtrees that the record completes, upwards. Therefore a record needs only one row. The
// columns salt and record are NULL once a body is erased. The hash of the leaf remains.
const schema = `
CREATE TABLE journal (origin TEXT NOT NULL, generation TEXT NOT NULL) STRICT;
CREATE TABLE records (
	seq     INTEGER PRIMARY KEY,
	kind    TEXT NOT NULL,
	session TEXT,
	member  TEXT,
	salt    BLOB,
	record  BLOB,
	hashes  BLOB NOT NULL
) STRICT;
CREATE INDEX lives ON records (seq) WHERE kind IN ('session-start', 'session-end');
CREATE TABLE facts (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE cursors (sink TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`

// create makes an empty journal at path, where no file exists. The file is written under another name and renamed, so
// that after a power cut path holds a complete journal or nothing.
func create(path, origin string, g wire.Generation) error {
	switch _, err := os.Lstat(path); {
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if _, err := os.Lstat(path + "-wal"); err == nil {
		return fmt.Errorf("the file is missing, but its log %s-wal exists: put the file back, or move the log away too, to "+
			"begin an empty journal", filepath.Base(path))
	}
	aside := path + ".new"
	for _, left := range []string{aside, aside + "-journal"} { // left by an interrupted attempt
		if err := os.Remove(left); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := build(aside, origin, g); err != nil {
		return errors.Join(fmt.Errorf("create: %w", err), os.Remove(aside))
	}
	if err := os.Rename(aside, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func build(path, origin string, g wire.Generation) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	db, err := sql.Open(
		"sqlite",
		dsn(
			path,
			"rw",
			"synchronous(FULL)",
			fmt.Sprintf("application_id(%d)", appID),
			fmt.Sprintf("user_version(%d)", version),
		),
	)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	_, err = db.Exec("BEGIN;" + schema)
	if err == nil {
		_, err = db.Exec("INSERT INTO journal (origin, generation) VALUES (?, ?)", origin, string(g))
	}
	if err == nil {
		_, err = db.Exec("COMMIT")
	}
	return errors.Join(err, db.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// checkHeader reads the first 100 bytes (SQLite file format §1.3) before SQLite opens the file.
func checkHeader(path string) error {
	_, err := readHeader(path)
	return err
}

// readHeader checks the header and returns the version of the schema.
func readHeader(path string) (form uint32, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var h [100]byte
	n, err := io.ReadFull(f, h[:])
	if n == 0 && errors.Is(err, io.EOF) {
		return 0, errors.New("the file is empty, so it is no journal, and was not modified: move it away to " +
			"begin an empty journal")
	}
	if err != nil || !isHead(h[:]) {
		return 0, fmt.Errorf("%w: the file is not a journal of Portillon, and was not modified", ErrUnread)
	}
	if form = binary.BigEndian.Uint32(h[60:]); form < 1 || form > version {
		return 0, fmt.Errorf("%w: schema version is %d, this program supports versions 1 to %d; the file was not "+
			"modified", ErrUnread, form, version)
	}
	return form, nil
}

// isHead reports whether a file's first 100 bytes are those of a journal.
func isHead(h []byte) bool {
	return string(h[:16]) == "SQLite format 3\x00" && binary.BigEndian.Uint32(h[68:]) == appID
}

// inspect opens the file read-only, so that a file that is refused is not modified.
func inspect(path, origin string) (err error) {
	if err := checkHeader(path); err != nil {
		return err
	}
	s := newStore(path, Options{})
	s.readOnly = true
	defer func() { err = errors.Join(err, s.db.close()) }()
	if err := s.attach("ro"); err != nil {
		return err
	}
	if base := strings.TrimSuffix(s.origin, "/"+string(s.generation)); base != origin {
		return fmt.Errorf("journal belongs to %q, want %q; the file was not modified", s.origin, origin)
	}
	return s.load()
}

// wrapReadError wraps a read error with its cause: either the file is damaged, or something else prevents reading.
func wrapReadError(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) && e.Code()&0xff != lib.SQLITE_CORRUPT && e.Code()&0xff != lib.SQLITE_NOTADB {
		return fmt.Errorf("%w: %w", ErrUnread, err)
	}
	return fmt.Errorf("%w, and was not modified: %w", ErrDamaged, err)
}

func dsn(path, mode string, pragmas ...string) string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(),
		RawQuery: "mode=" + mode + "&" + url.Values{"_pragma": pragmas}.Encode()}
	return u.String()
}
