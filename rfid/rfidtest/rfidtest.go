// Package rfidtest has readers that do what a test wants, and a serial line that is not there.
package rfidtest

import (
	"context"
	"time"

	"portillon/rfid"
)

// Reader gives the taps and failures that are sent to it.
type Reader struct {
	Cards  chan rfid.UID
	Errors chan error
}

// New has room for a few taps.
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

// Frame is an RDM6300's frame of a published card (hardware notes of Seeed's reader): number 62E3086CED.
const Frame = "\x0262E3086CED08\x03"
