//go:build !linux

package rfidtest

import (
	"errors"
	"os"
)

// OpenPTY refuses: pseudo-terminals are made the Linux way here.
func OpenPTY() (*os.File, string, error) {
	return nil, "", errors.New("pseudo-terminal: only on Linux")
}
