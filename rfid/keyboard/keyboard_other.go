//go:build !linux

package keyboard

import (
	"context"
	"errors"

	"portillon/rfid"
)

var errNoEvdev = errors.New("keyboard readers need evdev, which only Linux has")

// Reader is a placeholder: it cannot be opened on this system.
type Reader struct {
	Unread func(rfid.Unread)
	Heard  func(line string)
}

// Open returns an error, because this system has no evdev.
func Open(string, Format) (*Reader, error) { return nil, errNoEvdev }

// Read returns an error.
func (*Reader) Read(context.Context) (rfid.Tap, error) { return rfid.Tap{}, errNoEvdev }

// Close does nothing.
func (*Reader) Close() error { return nil }
