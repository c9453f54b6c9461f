package daemoncmd

import "golang.org/x/sys/unix"

// writable checks, as the current user, that files can be created in a folder. It creates none.
func writable(dir string) error {
	return unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
}
