package rfidtest

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// OpenPTY creates a pseudo-terminal. Bytes written to the returned file can be read from the device at path, as from
// a serial port. When the test closes the file, the serial port is unplugged. The terminal is in raw mode from the
// start: it neither echoes nor translates bytes.
func OpenPTY() (*os.File, string, error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, "", fmt.Errorf("open a pseudo-terminal: %w", err)
	}
	n, err := unlock(fd)
	if err != nil {
		unix.Close(fd)
		return nil, "", fmt.Errorf("open a pseudo-terminal: %w", err)
	}
	return os.NewFile(uintptr(fd), "ptmx"), fmt.Sprintf("/dev/pts/%d", n), nil
}

func unlock(fd int) (int, error) {
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return 0, err
	}
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS) // set raw mode at this end, because both ends share their settings
	if err != nil {
		return 0, err
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, t); err != nil {
		return 0, err
	}
	return unix.IoctlGetInt(fd, unix.TIOCGPTN)
}
