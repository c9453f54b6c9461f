// Package rfidtest provides a reader that tests control, and a simulated serial line.
package rfidtest

import (
	"context"
	"time"

	"portillon/rfid"
)

// Reader delivers the taps and failures that a test sends to the channels of the Reader.
type Reader struct {
	Cards  chan rfid.UID // Read returns each of these taps once
	Errors chan error    // Read returns each of these errors once
}

// New returns a Reader whose channel holds at most 16 taps.
func New() *Reader { return &Reader{make(chan rfid.UID, 16), make(chan error, 1)} }

// Read implements rfid.Reader.
func (r *Reader) Read(ctx context.Context) (rfid.Tap, error) {
	select {
	case u := <-r.Cards:
		return rfid.Tap{UID: u, At: time.Now()}, nil
	case err := <-r.Errors:
		return rfid.Tap{}, err
	case <-ctx.Done():
		return rfid.Tap{}, ctx.Err()
	}
}

// Close implements rfid.Reader.
func (r *Reader) Close() error { return nil }

// Frame is the RDM6300 frame of a card with number 62E3086CED, as published in the hardware notes of Seeed's reader.
const Frame = "\x0262E3086CED08\x03"
