package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"portillon/dberror"
)

// soundMost is how long a file may be, in bytes, whose pages are all read at a start: 20 machines write some 360 MB in
// a year (daemon/journal), and a start must not take minutes.
const soundMost = 512 << 20

// cureDamage is what to do with a damaged database. Machines send again what a hub lacks of their records
// (daemon/uplink); members, badges and accounts come back from a backup alone.
func cureDamage(path string) string {
	return fmt.Sprintf(
		"stop the hub and restore a backup (portillon-hub restore BACKUP FOLDER), or, where there is none, move the "+
			"file away to begin an empty one, to which the machines send all that they have again: "+
			"mv %[1]s %[1]s.damaged; rm -f %[1]s-wal %[1]s-shm",
		path,
	)
}

// Named puts the file's name and what to do into an error that SQLite gave; other errors stay as they are.
func Named(path string, err error) error { return dberror.Wrap(path, cureDamage(path), err) }

func named(path string, err *error) { *err = Named(path, *err) }

// opened puts the file's name into an error of Open.
func opened(path string, err *error) {
	if *err != nil {
		*err = fmt.Errorf("database %s: %w", path, Named(path, *err))
	}
}

// CureDamage is what to do where rows of the database at path are damaged.
func CureDamage(path string) string { return cureDamage(path) }

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

// moveFolders moves away a folder that has the name of SQLite's log, or the log's index: it holds no page. In the
// place of the database itself a folder is refused.
func moveFolders(path string) error {
	if fi, err := os.Stat(path); err == nil && fi.IsDir() {
		return &dberror.Error{
			Path: path,
			Kind: dberror.Damaged,
			Cure: cureDamage(path),
			Err:  errors.New("found a folder, want a file"),
		}
	}
	for _, x := range []string{path + "-wal", path + "-shm"} {
		if fi, err := os.Lstat(x); err == nil && fi.IsDir() {
			if err := os.Rename(x, x+".folder"); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkFile looks whether the file is a database of this program, before anything is written to it. mayBeEmpty: a file
// without a table is one too.
func checkFile(ctx context.Context, path string, mayBeEmpty bool) error {
	fi, err := os.Stat(path)
	if err != nil {
		return err
	}
	if fi.Size() == 0 && mayBeEmpty {
		return nil
	}
	r, err := connect(path, true)
	if err != nil {
		return err
	}
	defer r.Close()
	var app, tables int
	err = errors.Join(r.QueryRowContext(ctx, "PRAGMA application_id").Scan(&app),
		r.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables))
	switch {
	case err != nil:
		return fmt.Errorf("the file cannot be read as a database: %w", err)
	case tables == 0 && mayBeEmpty:
		return nil
	case tables == 0:
		return errors.New("the database is empty: the hub has not run yet")
	case app != applicationID:
		return fmt.Errorf("the file is a database of another program: application id %#x, want %#x", app, applicationID)
	}
	if err := checkVersion(ctx, r, mayBeEmpty); err != nil {
		return err
	}
	if mayBeEmpty && fi.Size() <= soundMost {
		return sound(ctx, path, r)
	}
	return nil
}

// checkVersion refuses a schema that this program does not know. upgrade: an older one will be brought to the newest.
func checkVersion(ctx context.Context, r *sql.DB, upgrade bool) error {
	newest, err := newestMigration()
	if err != nil {
		return err
	}
	var is int64
	err = r.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied").
		Scan(&is)
	if err != nil {
		return fmt.Errorf("the database has no version: %w", err)
	}
	switch {
	case is > newest:
		return fmt.Errorf(
			"the database has the version %d, this program knows those up to %d: use a newer portillon-hub",
			is,
			newest,
		)
	case is < newest && !upgrade:
		return fmt.Errorf("the database has the version %d, want %d: start the hub of this release once", is, newest)
	}
	return nil
}

// sound looks for pages that do not fit together, so that a damaged database is named at the start and not by each
// statement that fails.
func sound(ctx context.Context, path string, db *sql.DB) error {
	var said string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&said); err != nil {
		return err
	}
	if said != "ok" {
		return &dberror.Error{Path: path, Kind: dberror.Damaged, Cure: cureDamage(path), Err: errors.New(said)}
	}
	return nil
}
