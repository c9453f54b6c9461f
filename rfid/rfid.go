// Package rfid defines card numbers, taps and the interface of readers. The packages below rfid implement one kind of
// reader each.
package rfid

import (
	"context"
	"time"
)

// Tap is a card presented to a reader. A reader reports a tap once, however long the card stays.
type Tap struct {
	UID UID
	At  time.Time // time of the tap; it has a monotonic reading if the reader's clock has one

	Proof    Proof // the strength of the proof that the card gave
	Unproven error // reason why the card's proof failed; nil: the proof succeeded, or none was requested
	// Away means that the card was removed from the slot. Away with the zero UID means that the slot is empty. Only
	// readers with a slot set Away.
	Away bool
	Slot bool // the reader has a slot, and the card is in it
	// Lies means that the card was in the slot when the reader was opened. A card with Lies is not a tap; its event only
	// says which card is in the slot.
	Lies bool
}

// Proof is the strength of a card's proof. With the zero Proof only the card's number is known, and anyone can copy a
// number.
type Proof uint8

const (
	NumberOnly Proof = iota
	AES              // the card proved that it holds a key of the site (rfid/strong)
)

// Reader delivers taps.
type Reader interface {
	// Read blocks until a card is presented, ctx is done, or the reader fails. If a card stays in the field, Read
	// returns its tap only once. After any error except the error of ctx, the reader is unusable, and the caller must
	// close it and open it again. Read must not be called concurrently. Another goroutine may call Close during Read;
	// the Read then ends.
	Read(ctx context.Context) (Tap, error)
	Close() error
}
