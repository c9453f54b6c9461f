package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// IsMissing reports whether no journal exists at path, so that a new journal may be created there: path is a folder, a
// file without the header of a journal, or the name of a write-ahead log whose file is lost. IsMissing returns false if
// nothing exists at path, if path is the journal of another machine or of a later release, and if the file cannot be
// read at the moment.
func IsMissing(path string) bool {
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		_, err := os.Lstat(path + "-wal")
		return err == nil
	case err != nil:
		return false
	case fi.IsDir():
		return true
	case !fi.Mode().IsRegular():
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var head [100]byte
	if _, err := io.ReadFull(f, head[:]); err != nil {
		return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	}
	return !isHead(head[:])
}

// MendOrSetAside calls Mend. If no record of the journal can be read, MendOrSetAside moves the file at path aside, so
// that a new journal can be created there. Then begun is true, and MendResult.Kept is the new name of the old file.
func MendOrSetAside(
	ctx context.Context,
	path string,
	o Options,
	held HubCopy,
	now time.Time,
) (out MendResult, begun bool, err error) {
	out, err = Mend(ctx, path, o, held, now)
	if err == nil || ctx.Err() != nil || !errors.Is(err, ErrNothingLeft) && !IsMissing(path) {
		return out, false, err
	}
	kept, aerr := SetAside(path, now)
	if aerr != nil {
		return out, false, errors.Join(err, aerr)
	}
	return MendResult{Kept: kept}, true, nil
}

// SetAside moves the file or folder at path, and its write-ahead log, to another name, and returns that name. No daemon
// may have the file open.
func SetAside(path string, now time.Time) (kept string, err error) {
	l, err := lock(path + ".lock")
	if err != nil {
		return "", fmt.Errorf("journal %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if kept, err = freeName(path, now); err != nil {
		return "", err
	}
	for _, end := range []string{"", "-wal"} {
		if err := os.Rename(path+end, kept+end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("journal %s: %w", path, err)
		}
	}
	if err := os.RemoveAll(path + "-shm"); err != nil {
		return "", fmt.Errorf("journal %s: %w", path, err)
	}
	return kept, syncDir(filepath.Dir(path))
}
