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
	schemaVersion = 2
)

// leaf and hash are SHA-256. records holds what was received, hashes the tree over the records of each journal in tlog's order,
// checkpoints the machine's signed word on its newest size. A journal is a machine and a generation. generations are a machine's journals
// in the order in which they were taken, by epoch; the last one is the one that grows. who, why and at (milliseconds since 1970) say who let
// a generation take the place of the one before; who is empty for a machine's first.
const schema = `
CREATE TABLE site (id TEXT NOT NULL);
CREATE TABLE generations (
	machine TEXT NOT NULL, epoch INTEGER NOT NULL, generation TEXT NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL, at INTEGER NOT NULL,
	PRIMARY KEY (machine, epoch), UNIQUE (machine, generation)) WITHOUT ROWID;
CREATE TABLE records (
	machine TEXT NOT NULL, generation TEXT NOT NULL, seq INTEGER NOT NULL, salt BLOB NOT NULL, record BLOB NOT NULL,
	kind TEXT NOT NULL, member TEXT NOT NULL, session TEXT NOT NULL, wall INTEGER NOT NULL, -- wall: milliseconds since 1970
	PRIMARY KEY (machine, generation, seq)) WITHOUT ROWID;
CREATE INDEX records_kind ON records (kind, member);
CREATE TABLE hashes (
	machine TEXT NOT NULL, generation TEXT NOT NULL, idx INTEGER NOT NULL, hash BLOB NOT NULL,
	PRIMARY KEY (machine, generation, idx)) WITHOUT ROWID;
CREATE TABLE checkpoints (
	machine TEXT NOT NULL, generation TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, note BLOB NOT NULL,
	PRIMARY KEY (machine, generation)) WITHOUT ROWID;
`

// migration makes a ledger of form 1 one of form 2: what it holds is each machine's journal of the empty generation. The statements
// of schema run between its two parts.
var migration = [2]string{`
DROP INDEX records_kind;
ALTER TABLE records RENAME TO old_records;
ALTER TABLE hashes RENAME TO old_hashes;
ALTER TABLE checkpoints RENAME TO old_checkpoints;
ALTER TABLE site RENAME TO old_site;
`, `
INSERT INTO site SELECT id FROM old_site;
INSERT INTO generations SELECT machine, 0, '', '', '', 0 FROM old_checkpoints;
INSERT INTO records SELECT machine, '', seq, salt, record, kind, member, session, wall FROM old_records;
INSERT INTO hashes SELECT machine, '', idx, hash FROM old_hashes;
INSERT INTO checkpoints SELECT machine, '', size, root, note FROM old_checkpoints;
DROP TABLE old_site;
DROP TABLE old_checkpoints;
DROP TABLE old_hashes;
DROP TABLE old_records;
`}

// tables are what is read of a ledger, by whatever form it has.
type tables struct{ generations, records, hashes, checkpoints string }

var (
	form2 = tables{"generations", "records", "hashes", "checkpoints"}
	// form1 shows a ledger of form 1, which is open for reading only, as one of form 2.
	form1 = tables{
		"(SELECT machine, 0 AS epoch, '' AS generation, '' AS who, '' AS why, 0 AS at FROM checkpoints)",
		"(SELECT *, '' AS generation FROM records)",
		"(SELECT *, '' AS generation FROM hashes)",
		"(SELECT *, '' AS generation FROM checkpoints)",
	}
)

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

// check looks whether the file is a ledger of this site, before anything is written to it. It returns the form; 0: the file is empty.
func check(db *sql.DB, site policy.SiteID) (version int, err error) {
	var app, tables int
	err = errors.Join(db.QueryRow("PRAGMA application_id").Scan(&app), db.QueryRow("PRAGMA user_version").Scan(&version),
		db.QueryRow("SELECT count(*) FROM sqlite_schema").Scan(&tables))
	switch {
	case err != nil:
		return 0, fmt.Errorf("it cannot be read as a ledger: %w", err)
	case app == 0 && version == 0 && tables == 0:
		return 0, nil
	case app != applicationID:
		return 0, errors.New("it is a database of something else")
	case version < 1 || version > schemaVersion:
		return 0, fmt.Errorf("it has the form %d, this program knows the forms 1 to %d", version, schemaVersion)
	}
	var of string
	if err := db.QueryRow("SELECT id FROM site").Scan(&of); err != nil {
		return 0, fmt.Errorf("it names no site: %w", err)
	}
	if of != string(site) {
		return 0, fmt.Errorf("it is the site %q's, not %q's", of, site)
	}
	return version, nil
}

// create makes the tables of an empty ledger.
func create(db *sql.DB, site policy.SiteID) error {
	return setUp(db, schema, "INSERT INTO site VALUES ('"+strings.ReplaceAll(string(site), "'", "''")+"')")
}

// migrate brings a ledger of form 1 to the newest form, in one transaction: a power cut leaves it as it was.
func migrate(db *sql.DB) error {
	if err := setUp(db, migration[0], schema, migration[1]); err != nil {
		return fmt.Errorf("it cannot be brought from form 1 to form %d, and was left as it is: %w", schemaVersion, err)
	}
	return nil
}

// setUp runs the statements and marks the file as a ledger of the newest form.
func setUp(db *sql.DB, texts ...string) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	texts = append(texts, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, schemaVersion))
	for _, text := range texts {
		for _, s := range strings.SplitAfter(text, ";\n") {
			if strings.TrimSpace(s) == "" {
				continue
			}
			if _, err := tx.Exec(s); err != nil {
				return err
			}
		}
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
