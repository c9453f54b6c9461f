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

// soundMost is the maximum size, in bytes, of a database of which Open checks all pages. The check of a larger
// database would delay the start by minutes: the records of 20 machines take about 360 MB a year (daemon/journal).
const soundMost = 512 << 20

// damageRemedy returns a sentence with the remedy for a damaged database. The remedy is a backup, because only a
// backup contains members, badges and accounts; machines send missing records again (daemon/uplink).
func damageRemedy(path string) string {
	return fmt.Sprintf(
		"stop the hub and restore a backup (portillon-hub restore BACKUP FOLDER), or, without a backup, move the "+
			"file away: the hub creates an empty one, and the machines send their records again: "+
			"mv %[1]s %[1]s.damaged; rm -f %[1]s-wal %[1]s-shm",
		path,
	)
}

// Named adds the database file's name and the remedy to an SQLite error. Named returns other errors unchanged.
func Named(path string, err error) error { return dberror.Wrap(path, damageRemedy(path), err) }

// named does the same as Named in a deferred call.
func named(path string, err *error) { *err = Named(path, *err) }

// opened adds the database file's name to an error that Open returns.
func opened(path string, err *error) {
	if *err != nil {
		*err = fmt.Errorf("database %s: %w", path, Named(path, *err))
	}
}

// CureDamage returns the remedy for damaged rows of the database at path.
func CureDamage(path string) string { return damageRemedy(path) }

// createFile creates the database file, readable only by its owner, and the folder of the file, if they do not exist.
func createFile(path string) error {
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

// moveFolders renames a folder that has the name of SQLite's log or log index, which would stop SQLite. If a folder
// has the name of the database itself, moveFolders returns an error.
func moveFolders(path string) error {
	if fi, err := os.Stat(path); err == nil && fi.IsDir() {
		return &dberror.Error{
			Path: path,
			Kind: dberror.Damaged,
			Cure: damageRemedy(path),
			Err:  errors.New("path is a folder, want a file"),
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

// checkFile checks that the file is a database of this program, before anything is written to it. If mayBeEmpty is
// true, checkFile also accepts a file without tables.
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
	// Read the values that identify the file, and whether the file has tables.
	var app, tables int
	err = errors.Join(r.QueryRowContext(ctx, "PRAGMA application_id").Scan(&app),
		r.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables))
	switch {
	case err != nil:
		return fmt.Errorf("cannot read the file as a database: %w", err)
	case tables == 0 && mayBeEmpty:
		return nil
	case tables == 0:
		return errors.New("database is empty: the hub has not run yet")
	case app != applicationID:
		return fmt.Errorf("database belongs to another program: application id is %#x, want %#x", app, applicationID)
	}
	if err := checkVersion(ctx, r, mayBeEmpty); err != nil {
		return err
	}
	// Check all pages only when the database is opened for writing.
	if mayBeEmpty && fi.Size() <= soundMost {
		return searchDamage(ctx, path, r)
	}
	return nil
}

// checkVersion rejects a schema that is newer than this program. If upgrade is true, checkVersion accepts an older
// schema, which Open then upgrades.
func checkVersion(ctx context.Context, r *sql.DB, upgrade bool) error {
	newest, err := newestMigration()
	if err != nil {
		return err
	}
	var is int64
	err = r.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied").
		Scan(&is)
	if err != nil {
		return fmt.Errorf("cannot read the version of the database: %w", err)
	}
	switch {
	case is > newest:
		return fmt.Errorf(
			"database has schema version %d, this program supports versions up to %d: use a newer portillon-hub",
			is,
			newest,
		)
	case is < newest && !upgrade:
		return fmt.Errorf("database has schema version %d, want %d: start the hub of this release once", is, newest)
	}
	return nil
}

// searchDamage searches all pages for damage, so that the start reports a damaged database once, before statements
// fail.
func searchDamage(ctx context.Context, path string, db *sql.DB) error {
	var said string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&said); err != nil {
		return err
	}
	if said != "ok" {
		return &dberror.Error{Path: path, Kind: dberror.Damaged, Cure: damageRemedy(path), Err: errors.New(said)}
	}
	return nil
}
