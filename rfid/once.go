package rfid

import "time"

// Once turns what a reader repeats into taps: a card that stays in the field is one tap, however often it is read.
// The zero Once works, with Gone as its gap. It is pure: time comes in.
type Once struct {
	Gap  time.Duration // how long a card must be unseen to be gone; 0: Gone
	last UID
	seen time.Time
}

// Gone is longer than the slowest reader's repeat (an RDM6300 repeats every 65 ms) and than a glitch of the field,
// and shorter than a person needs to tap twice.
const Gone = time.Second

// Tap reports whether a card read at now is a new tap.
func (o *Once) Tap(u UID, now time.Time) bool {
	gap := o.Gap
	if gap == 0 {
		gap = Gone
	}
	fresh := u != o.last || now.Sub(o.seen) >= gap
	o.last, o.seen = u, now
	return fresh
}
