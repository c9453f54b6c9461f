//go:build !linux

package keyboard

import (
	"errors"

	"portillon/rfid"
)

// Open refuses: there is no evdev here.
func Open(string, Format) (rfid.Reader, error) {
	return nil, errors.New("keyboard readers are read through Linux's evdev")
}
