//go:build !linux

package daemoncmd

import "errors"

func diskFree(string) (uint64, error) {
	return 0, errors.New("free disk space can be read on Linux only")
}
