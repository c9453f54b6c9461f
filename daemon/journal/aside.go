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

// IsMissing reports whether what lies at path can't be a journal, so that a new one may begin in its place: a folder, a
// file without the head of a journal, or a write-ahead log whose file is gone. Nothing at all, another machine's
// journal, a later release's, and what can't be read for now are none of these.
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

// MendOrSetAside is Mend. Where nothing is left of the journal, it moves what lies in its place aside, so that a new
// journal can begin there; begun says so, and Kept where it is now.
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

// SetAside moves the journal at path, whatever it is, and its log to another name, which it returns. No daemon may
// have it open.
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
