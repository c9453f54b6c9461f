//go:build !pcsc

package machined

import "errors"

// OpenPCSC refuses: PC/SC needs libpcsclite, and a build of its own.
func OpenPCSC(string) (Talker, error) {
	return nil, errors.New("this program was built without PC/SC: go build -tags pcsc ./cmd/portillon, with libpcsclite-dev installed")
}
