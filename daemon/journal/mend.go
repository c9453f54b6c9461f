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

// MendResult is what Mend did.
type MendResult struct {
	SalvageResult
	Kept string // where the damaged file is now
}

// Mend puts what is left of a damaged journal in its place, and keeps the damaged file beside it under another name. No
// daemon may have it open. Where nothing is left, or the file is another machine's journal, nothing is changed.
func Mend(ctx context.Context, path string, o Options, held HubCopy, now time.Time) (out MendResult, err error) {
	l, err := lock(path + ".lock")
	if err != nil {
		return out, fmt.Errorf("journal %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	to, origin := path+".salvaged", held.Generation.Origin(o.Site, o.Machine)
	if err := os.RemoveAll(to); err != nil { // of a try that was cut off
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

// freeName is a name for the damaged file that nothing has.
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
	return "", fmt.Errorf("%s: a hundred damaged files have the present second in their names", base)
}

// mendedEnd ends the name of a whole new file while it takes the place of a damaged one.
const mendedEnd = ".mended"

// exchange moves the damaged file and its log away, and the new file into their place. A log never lies beside a file
// that is not its own. After a power cut between the two moves, finishExchange does the rest: without its log the
// damaged file would pass for a journal that lacks the newest records.
func exchange(path, to, kept string) error {
	if err := os.Link(path, kept); err != nil {
		if err := copyFile(path, kept); err != nil { // a file system without hard links
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

// finishExchange ends an exchange that was cut off. The journal's lock is held.
func finishExchange(path string, now func() time.Time) error {
	if fi, err := os.Lstat(path + mendedEnd); err != nil || !fi.Mode().IsRegular() {
		return nil
	}
	kept, err := freeName(path, now()) // the damaged file has a name already, its log may not
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
