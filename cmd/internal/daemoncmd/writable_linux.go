package daemoncmd

import "golang.org/x/sys/unix"

// writable checks that the current user can create files in a folder, without creating a file.
func writable(dir string) error {
	return unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
}
