//go:build !linux

package keyboard

import (
	"context"
	"errors"

	"portillon/rfid"
)

var errNoEvdev = errors.New("keyboard readers are read through Linux's evdev")

// Reader is never opened here.
type Reader struct {
	Unread func(rfid.Unread)
	Heard  func(line string)
}

// Open refuses: there is no evdev here.
func Open(string, Format) (*Reader, error) { return nil, errNoEvdev }

// Read refuses.
func (*Reader) Read(context.Context) (rfid.Tap, error) { return rfid.Tap{}, errNoEvdev }

// Close has nothing to close.
func (*Reader) Close() error { return nil }
