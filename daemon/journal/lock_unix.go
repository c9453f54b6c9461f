//go:build unix

package journal

import (
	"errors"
	"os"
	"syscall"
)

// lock excludes other daemons for as long as the returned file is open. The kernel releases the lock when the process
// dies. The lock is a separate file, because closing any descriptor of the database would release SQLite's own locks
// (POSIX locks belong to the process).
func lock(path string) (*os.File, error) {
	if fi, err := os.Lstat(path); err == nil && fi.IsDir() {
		// A folder at the path of the lock file can be moved away, because the lock file has no content.
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
