package daemoncmd

import "golang.org/x/sys/unix"

// writable asks, as whoever runs this, whether files can be made in a folder, and makes none.
func writable(dir string) error {
	return unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
}
