package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"portillon/wire"
)

// MendResult is the result of Mend.
type MendResult struct {
	SalvageResult
	Kept string // path of the damaged file
}

// Mend replaces a damaged journal with its readable records, and leaves the damaged file beside it under another name.
// No daemon may have the journal open. If no record can be read, or the file is another machine's journal, Mend changes
// nothing.
func Mend(ctx context.Context, path string, o Options, held HubCopy, now time.Time) (out MendResult, err error) {
	l, err := lock(path + ".lock")
	if err != nil {
		return out, fmt.Errorf("journal %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	to, origin := path+".salvaged", held.Generation.Origin(o.Site, o.Machine)
	if err := os.RemoveAll(to); err != nil { // left by an interrupted attempt
		return out, err
	}
	if out.SalvageResult, err = Salvage(ctx, path, to, origin, held); err != nil {
		return out, err
	}
	if base, _ := splitOrigin(out.Origin); base != wire.Origin(o.Site, o.Machine) {
		err := fmt.Errorf("journal %s: the file is the journal of %q, and this machine is "+
			"%q", path, out.Origin, wire.Origin(o.Site, o.Machine))
		return out, errors.Join(err, os.Remove(to))
	}
	if out.Kept, err = freeName(path, now); err != nil {
		return out, err
	}
	return out, exchange(path, to, out.Kept)
}

// freeName returns an unused name for the damaged file.
func freeName(path string, now time.Time) (string, error) {
	base := path + ".damaged-" + now.UTC().Format("20060102T150405Z")
	for i := range 100 {
		name := base
		if i > 0 {
			name = fmt.Sprintf("%s-%d", base, i)
		}
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name, nil
		}
	}
	return "", fmt.Errorf("%s: no unused name for the damaged file: a hundred names with the present second exist", base)
}

// mendedEnd is the suffix of the complete new file until it replaces the damaged one.
const mendedEnd = ".mended"

// exchange moves the damaged file and its log aside, and the new file into place. At no moment is a log beside a file
// to which the log does not belong. After a power cut between the two moves, finishExchange completes the exchange:
// without its log, the damaged file could be mistaken for a journal that lacks the newest records.
func exchange(path, to, kept string) error {
	if err := os.Link(path, kept); err != nil {
		if err := copyFile(path, kept); err != nil { // the file system has no hard links
			return err
		}
	}
	if err := os.Rename(to, path+mendedEnd); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return err
	}
	return replaceByMended(path, kept)
}

// finishExchange completes an exchange that was interrupted. The caller holds the journal's lock.
func finishExchange(path string, now func() time.Time) error {
	if fi, err := os.Lstat(path + mendedEnd); err != nil || !fi.Mode().IsRegular() {
		return nil
	}
	kept, err := freeName(path, now()) // the damaged file may already be renamed while its log is not
	if err != nil {
		return err
	}
	return replaceByMended(path, kept)
}

func replaceByMended(path, kept string) error {
	if err := os.Rename(path+"-wal", kept+"-wal"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Remove(path + "-shm"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(path+mendedEnd, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
