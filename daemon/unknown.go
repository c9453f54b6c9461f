package daemon

import (
	"slices"
	"time"

	"portillon/daemon/control"
	"portillon/wire"
)

// maxUnknown is the largest number of stored unknown cards, because an emulator can present ten cards a second. The
// oldest card is dropped first. 64 cards of about 180 bytes each fit into a line of the control socket.
const maxUnknown = 64

// unknownCards are the unknown cards that were tapped. They are stored only in memory. After a restart only their
// encrypted numbers remain, in the journal's records.
type unknownCards struct {
	shown string // code of the last card; empty: there is no bundle
	taps  uint64
	cards []control.UnknownCard // in the order of their last taps
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
