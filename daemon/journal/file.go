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

	"modernc.org/sqlite" // also the driver "sqlite"
	lib "modernc.org/sqlite/lib"

	"portillon/wire"
)

const (
	// appID marks the file as ours (SQLite file format §1.3.14, offset 68): "Prtl".
	appID = 0x5072746c
	// version of the schema (offset 60). A file of version 1 has no generation. It is used as it is and stays of version
	// 1.
	version        = 2
	withGeneration = 2
)

// The tree's hashes stand in the row of the record that completed them: hashes is the leaf's, then those of the
// subtrees that it completes, upwards. So a record costs one row. salt and record are NULL once a body is erased; the
// leaf's hash stays.
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

// create makes an empty journal where there is no file. It is made aside and renamed, so that a power cut leaves a
// whole one or none.
func create(path, origin string, g wire.Generation) error {
	switch _, err := os.Lstat(path); {
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if _, err := os.Lstat(path + "-wal"); err == nil {
		return fmt.Errorf("the file is gone, but %s-wal is there: put the file back, or move that one away too, to "+
			"begin an empty journal", filepath.Base(path))
	}
	aside := path + ".new"
	for _, left := range []string{aside, aside + "-journal"} { // of an earlier try
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

// checkHeader reads the first 100 bytes (SQLite file format §1.3), before SQLite is let near the file.
func checkHeader(path string) error {
	_, err := readHeader(path)
	return err
}

// readHeader returns the version of the schema too.
func readHeader(path string) (form uint32, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var h [100]byte
	n, err := io.ReadFull(f, h[:])
	if n == 0 && errors.Is(err, io.EOF) {
		return 0, errors.New("the file is empty, which a journal never is; it was left as it is: move it away to " +
			"begin an empty journal")
	}
	if err != nil || !isHead(h[:]) {
		return 0, fmt.Errorf("%w: this is no journal of Portillon; it was left as it is", ErrUnread)
	}
	if form = binary.BigEndian.Uint32(h[60:]); form < 1 || form > version {
		return 0, fmt.Errorf("%w: its form is version %d, this program knows versions 1 to %d; it was left as it "+
			"is", ErrUnread, form, version)
	}
	return form, nil
}

// isHead reports whether a file's first 100 bytes are those of a journal.
func isHead(h []byte) bool {
	return string(h[:16]) == "SQLite format 3\x00" && binary.BigEndian.Uint32(h[68:]) == appID
}

// inspect looks at the file without a right to write: what is refused has not been touched.
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
		return fmt.Errorf("the journal is of %q, and this machine is %q; it was left as it is", s.origin, origin)
	}
	return s.load()
}

// torn says of an error that comes from reading whether the file is damaged, or something else keeps it from being
// read.
func torn(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) && e.Code()&0xff != lib.SQLITE_CORRUPT && e.Code()&0xff != lib.SQLITE_NOTADB {
		return fmt.Errorf("%w: %w", ErrUnread, err)
	}
	return fmt.Errorf("%w, and was left as it is: %w", ErrDamaged, err)
}

func dsn(path, mode string, pragmas ...string) string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(),
		RawQuery: "mode=" + mode + "&" + url.Values{"_pragma": pragmas}.Encode()}
	return u.String()
}
