package daemon

import (
	"slices"
	"time"

	"portillon/daemon/control"
	"portillon/wire"
)

// maxUnknown is the largest number of unknown cards that are stored, because an emulator can present ten cards a
// second. If there are more, the oldest card is dropped. One line of the control socket has room for 64 cards of about
// 180 bytes each.
const maxUnknown = 64

// unknownCards are the unknown cards that were tapped. They are stored only in memory. After a restart, only the
// journal's records contain these cards, with encrypted numbers.
type unknownCards struct {
	shown string // code of the card that was tapped last; empty: the machine has no bundle
	taps  uint64
	cards []control.UnknownCard // the cards, in the order of their last taps
}

func (u *unknownCards) note(c wire.EnrolCard, now time.Time) {
	u.shown = c.Code
	u.taps++
	u.cards = slices.DeleteFunc(u.cards, func(x control.UnknownCard) bool { return x.EnrolCard == c })
	if len(u.cards) >= maxUnknown {
		u.cards = slices.Delete(u.cards, 0, 1+len(u.cards)-maxUnknown)
	}
	u.cards = append(u.cards, control.UnknownCard{EnrolCard: c, At: now, Tap: u.taps})
}
