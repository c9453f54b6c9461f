package daemon

import (
	"slices"
	"time"

	"portillon/daemon/control"
	"portillon/wire"
)

// maxUnknown bounds the unknown cards that the machine remembers: an emulator makes up ten a second. The oldest is
// forgotten first. 64 answers fit into the line of the control socket: each has about 180 bytes.
const maxUnknown = 64

// unknownCards are the unknown cards that were tapped, in memory alone: after a restart only their sealed records are
// left.
type unknownCards struct {
	shown string // the code of the last one; empty: there is no bundle
	taps  uint64
	cards []control.UnknownCard // the last tapped last
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
