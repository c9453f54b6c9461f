//go:build !linux

package daemoncmd

import "errors"

func diskFree(string) (uint64, error) {
	return 0, errors.New("the free room of a disk is read on Linux alone")
}
