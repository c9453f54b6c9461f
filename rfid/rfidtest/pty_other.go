//go:build !linux

package rfidtest

import (
	"errors"
	"os"
)

// OpenPTY returns an error, because only Linux has an implementation of pseudo-terminals here.
func OpenPTY() (*os.File, string, error) {
	return nil, "", errors.New("open a pseudo-terminal: only implemented on Linux")
}
