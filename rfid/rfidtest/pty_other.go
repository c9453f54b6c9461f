//go:build !linux

package rfidtest

import (
	"errors"
	"os"
)

// OpenPTY returns an error: pseudo-terminals are implemented only for Linux.
func OpenPTY() (*os.File, string, error) {
	return nil, "", errors.New("open a pseudo-terminal: only implemented on Linux")
}
