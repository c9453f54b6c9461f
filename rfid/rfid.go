// Package rfid says what a card, a tap and a reader are. A folder below it holds each kind of reader.
package rfid

import (
	"context"
	"time"
)

// Tap is a card presented to a reader, reported once however long the card stays.
type Tap struct {
	UID UID
	At  time.Time // with a monotonic reading where the reader's clock gives one

	Proof    Proof // what the card proved beyond its number
	Unproven error // why it proved nothing, where the reader asked it to
	// The card was taken out of its slot. Without a UID: the slot is empty. Only readers with a slot report this.
	Away bool
	Slot bool // the reader has a slot, and this is the card in it
	// The card already stood in the slot when the reader was opened. That is no tap: it says which card is there.
	Lies bool
}

// Proof is what a card has proven. The zero Proof is a number, which anyone can copy.
type Proof uint8

const (
	NumberOnly Proof = iota
	AES              // the card holds a key that the site gave it (rfid/strong)
)

// Reader delivers taps.
type Reader interface {
	// Read blocks until a card is presented, ctx is done, or the reader fails.
	// A card that stays in the field is reported once. After an error other than ctx's
	// the reader is dead: Close it and open another. One goroutine reads at a time;
	// Close may run at once with Read, and ends it.
	Read(ctx context.Context) (Tap, error)
	Close() error
}
