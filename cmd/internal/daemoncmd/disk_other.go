//go:build !linux

package daemoncmd

import "errors"

func diskFree(string) (uint64, error) {
	return 0, errors.New("free disk space cannot be read on this system, only on Linux")
}
