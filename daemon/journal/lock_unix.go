//go:build unix

package journal

import (
	"errors"
	"os"
	"syscall"
)

// lock keeps other daemons out for as long as the file is open; the kernel lets go of it when the process dies. It is a
// file of its own: closing any descriptor of the database would drop SQLite's own locks (POSIX locks belong to the
// process).
func lock(path string) (*os.File, error) {
	if fi, err := os.Lstat(path); err == nil && fi.IsDir() {
		// the file holds nothing: whatever took its place is moved away
		if err := os.Rename(path, path+".folder"); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrInUse
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
