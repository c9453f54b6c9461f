package store

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// BackUp writes a copy of the database at path to the file to, which must not be there, while another process may be
// writing it. The copy is of one moment, and one file without a log.
func BackUp(ctx context.Context, path, to string) (err error) {
	defer named(path, &err)
	if _, err := os.Lstat(to); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s is there already", to)
	}
	if err := checkFile(ctx, path, false); err != nil {
		return fmt.Errorf("database %s: %w", path, err)
	}
	r, err := connect(path, true)
	if err != nil {
		return err
	}
	defer r.Close()
	c, err := r.Conn(ctx) // pragma and statement on one connection
	if err != nil {
		return err
	}
	defer c.Close()
	// VACUUM INTO writes the new file alone (sqlite.org/lang_vacuum.html §5), which query_only forbids too.
	if _, err := c.ExecContext(ctx, "PRAGMA query_only = 0"); err != nil {
		return err
	}
	if _, err := c.ExecContext(ctx, "VACUUM INTO $1", to); err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	return syncFile(to)
}

// Check reads the database at path, which no other process may have open, and refuses one that is damaged, of another
// program or of a newer schema.
func Check(ctx context.Context, path string) (err error) {
	if err := checkFile(ctx, path, true); err != nil {
		return fmt.Errorf("database %s: %w", path, Named(path, err))
	}
	return nil
}

// syncFile has the file on the disk, readable for its owner alone, before it returns.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Sync(), f.Close())
}
