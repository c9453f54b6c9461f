package rfid

import "time"

// Once turns what a reader repeats into taps: a card that stays in the field is one tap, however often it is read, also
// while a second card lies beside it and the reader gives now the one, now the other. Another card is a tap at once.
// The zero Once works, with Gone as its gap. It is pure: time comes in.
type Once struct {
	Gap   time.Duration // how long a card must be unseen to be gone; 0: Gone
	cards [together]sight
}

type sight struct {
	uid UID
	at  time.Time
}

// Gone is longer than the slowest reader's repeat (libraries for the RDM6300 wait 220 to 300 ms for its next frame
// before they call a card gone) and than a glitch of the field, and shorter than a person needs to tap twice.
const Gone = time.Second

// together is how many cards are told apart in one gap: a wallet's worth. With more, the one longest unseen is
// forgotten.
const together = 4

// Tap reports whether a card read at now is a new tap. A clock that was set back by a gap or more makes a new tap too,
// so that no card is deaf until the old time comes round.
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
