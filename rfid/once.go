package rfid

import "time"

// Once turns repeated readings into taps. While a card stays in the field, its readings are one tap, even if a second
// card is beside it and the reader alternates between the two. A reading of a different card is a tap at once. The
// zero Once uses Gone as its gap. Once has no clock: the caller passes the time.
type Once struct {
	Gap   time.Duration // a card that no reading found for this time has left the field; 0: Gone
	cards [together]sight
}

type sight struct {
	uid UID
	at  time.Time
}

// Gone is the time without a reading after which a card has left. Gone is longer than the slowest reader waits before
// it repeats a card (libraries for the RDM6300 wait 220 to 300 ms for the next frame), longer than a disturbance of
// the field, and shorter than a person needs to tap twice.
const Gone = time.Second

// together is how many cards Once distinguishes within one gap, for several cards in one wallet. If more cards are in
// the field, Once forgets the card whose last reading is the oldest.
const together = 4

// Tap reports whether the reading of a card at the time now is a new tap. If the clock was set back by a gap or more,
// the reading is also a new tap. Without this rule, Once would ignore the card until the clock has caught up with the
// time before the change.
func (o *Once) Tap(u UID, now time.Time) bool {
	gap := o.Gap
	if gap == 0 {
		gap = Gone
	}
	at := 0
	for i, c := range o.cards {
		if c.uid == u {
			at = i
			break
		}
		if c.at.Before(o.cards[at].at) {
			at = i
		}
	}
	fresh := o.cards[at].uid != u || now.Sub(o.cards[at].at).Abs() >= gap
	o.cards[at] = sight{u, now}
	return fresh
}
