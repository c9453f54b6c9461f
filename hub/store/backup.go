package store

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// BackUp writes a consistent copy of the database at path to the new file to. Another process may write the database
// during the copy. The copy is a single file without a write-ahead log.
func BackUp(ctx context.Context, path, to string) (err error) {
	defer named(path, &err)
	if _, err := os.Lstat(to); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s already exists, want the name of a new file", to)
	}
	if err := checkFile(ctx, path, false); err != nil {
		return fmt.Errorf("database %s: %w", path, err)
	}
	r, err := connect(path, true)
	if err != nil {
		return err
	}
	defer r.Close()
	c, err := r.Conn(ctx) // use one connection, because the pragma applies only to the connection that runs it
	if err != nil {
		return err
	}
	defer c.Close()
	// VACUUM INTO writes only the new file (sqlite.org/lang_vacuum.html, section 5), but the pragma query_only
	// forbids this statement, so turn the pragma off.
	if _, err := c.ExecContext(ctx, "PRAGMA query_only = 0"); err != nil {
		return err
	}
	if _, err := c.ExecContext(ctx, "VACUUM INTO $1", to); err != nil {
		return fmt.Errorf("copying the database failed: %w", err)
	}
	return syncFile(to)
}

// Check reads the whole database at path. Check fails if the database is damaged, belongs to another program or has a
// newer schema. No other process may have the database open.
func Check(ctx context.Context, path string) (err error) {
	if err := checkFile(ctx, path, true); err != nil {
		return fmt.Errorf("database %s: %w", path, Named(path, err))
	}
	return nil
}

// syncFile makes the file readable only by its owner, and waits until the file is on the disk.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Sync(), f.Close())
}
