// Package rfid defines card numbers, taps and the interface of readers. The packages below rfid implement one kind of
// reader each.
package rfid

import (
	"context"
	"time"
)

// Tap is a card presented to a reader, reported once, however long the card stays.
type Tap struct {
	UID UID
	At  time.Time // has a monotonic reading if the reader's clock has one

	Proof    Proof // the card's proof beyond its number
	Unproven error // reason why a requested proof failed
	// Away means that the card was removed from the slot. With the zero UID, it means that the slot is empty. Only
	// readers with a slot set it.
	Away bool
	Slot bool // the reader has a slot, and the card is in it
	// Lies means that the card was in the slot when the reader was opened. Such a card is not a tap, only information.
	Lies bool
}

// Proof is the strength of a card's proof. With the zero Proof only the number is known, which anyone can copy.
type Proof uint8

const (
	NumberOnly Proof = iota
	AES              // the card proved that it holds a key of the site (rfid/strong)
)

// Reader delivers taps.
type Reader interface {
	// Read blocks until a card is presented, ctx is done, or the reader fails. A card that stays in the field is
	// reported once. After any error except the error of ctx, the reader is unusable, and the caller must close it and
	// open it again. Read must not be called concurrently. Close may be called during Read, and ends that Read.
	Read(ctx context.Context) (Tap, error)
	Close() error
}
