package ledger

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the driver «sqlite»

	"portillon/policy"
)

// applicationID marks a file as a ledger («PoLe»); schemaVersion is its form.
const (
	applicationID = 0x506f4c65
	schemaVersion = 1
)

// leaf and hash are SHA-256. records holds what was received, hashes the tree over each machine's records in tlog's order,
// checkpoints the machine's signed word on its newest size.
const schema = `
CREATE TABLE site (id TEXT NOT NULL);
CREATE TABLE records (
	machine TEXT NOT NULL, seq INTEGER NOT NULL, salt BLOB NOT NULL, record BLOB NOT NULL,
	kind TEXT NOT NULL, member TEXT NOT NULL, session TEXT NOT NULL, wall INTEGER NOT NULL, -- wall: milliseconds since 1970
	PRIMARY KEY (machine, seq)) WITHOUT ROWID;
CREATE INDEX records_kind ON records (kind, member);
CREATE TABLE hashes (machine TEXT NOT NULL, idx INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (machine, idx)) WITHOUT ROWID;
CREATE TABLE checkpoints (machine TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note BLOB NOT NULL) WITHOUT ROWID;
`

func openDB(path string, readOnly bool) (*sql.DB, error) {
	q := url.Values{"_pragma": {"busy_timeout(10000)", "foreign_keys(1)"}}
	if readOnly {
		q.Set("mode", "ro")
		q.Add("_pragma", "query_only(1)")
	} else {
		q.Set("_txlock", "immediate")
		q["_pragma"] = append(q["_pragma"], "journal_mode(WAL)", "synchronous(FULL)")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	return sql.Open("sqlite", (&url.URL{Scheme: "file", Path: abs, RawQuery: q.Encode()}).String())
}

// check looks whether the file is a ledger of this site, before anything is written to it.
func check(db *sql.DB, site policy.SiteID) (empty bool, err error) {
	var app, version, tables int
	err = errors.Join(db.QueryRow("PRAGMA application_id").Scan(&app), db.QueryRow("PRAGMA user_version").Scan(&version),
		db.QueryRow("SELECT count(*) FROM sqlite_schema").Scan(&tables))
	switch {
	case err != nil:
		return false, fmt.Errorf("it cannot be read as a ledger: %w", err)
	case app == 0 && version == 0 && tables == 0:
		return true, nil
	case app != applicationID:
		return false, errors.New("it is a database of something else")
	case version != schemaVersion:
		return false, fmt.Errorf("it has the form %d, this program knows %d", version, schemaVersion)
	}
	var of string
	if err := db.QueryRow("SELECT id FROM site").Scan(&of); err != nil {
		return false, fmt.Errorf("it names no site: %w", err)
	}
	if of != string(site) {
		return false, fmt.Errorf("it is the site %q's, not %q's", of, site)
	}
	return false, nil
}

func create(db *sql.DB, site policy.SiteID) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, s := range strings.SplitAfter(schema, ";\n") {
		if _, err := tx.Exec(s); err != nil {
			return err
		}
	}
	if _, err := tx.Exec("INSERT INTO site VALUES (?)", string(site)); err != nil {
		return err
	}
	if _, err := tx.Exec(fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, schemaVersion)); err != nil {
		return err
	}
	return tx.Commit()
}

// prepare makes the file, readable by its owner only, where there is none.
func prepare(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := moveFolders(path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}
