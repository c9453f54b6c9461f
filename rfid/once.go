package rfid

import "time"

// Once turns repeated readings into taps. A card that stays in the field is one tap, even if a second card is beside it
// and the reader alternates between the two. A different card is a tap immediately. The zero Once uses Gone as its gap.
// Once has no clock: the caller passes the time.
type Once struct {
	Gap   time.Duration // a card that was not read for this time has left; 0: Gone
	cards [together]sight
}

type sight struct {
	uid UID
	at  time.Time
}

// Gone is the time without a reading after which a card has left. Gone is longer than the slowest reader's repeat
// (libraries for the RDM6300 wait 220 to 300 ms for the next frame) and than a disturbance of the field, and shorter
// than the time a person needs to tap twice.
const Gone = time.Second

// together is how many cards Once distinguishes within one gap, for cards in one wallet. With more cards, Once forgets
// the card that was not read for the longest time.
const together = 4

// Tap reports whether a card read at now is a new tap. If the clock was set back by a gap or more, the reading is also
// a new tap. Otherwise the card would be ignored until the clock reaches the old time.
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
