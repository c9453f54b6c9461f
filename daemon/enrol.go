package daemon

import (
	"slices"
	"time"

	"portillon/daemon/control"
	"portillon/rfid"
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

// noteUnknown remembers an unknown card, and seals it for the hub; empty: the hub's key is not known.
func (m *engine) noteUnknown(uid rfid.UID) string {
	m.model.unknown.shown = ""
	if m.model.rules.roster == nil {
		return ""
	}
	c := m.model.rules.roster.Unknown(uid)
	m.model.unknown.note(c, m.cfg.Now())
	if m.cfg.SealKey == nil {
		return ""
	}
	key := m.cfg.SealKey()
	if key == "" {
		return ""
	}
	sealed, err := wire.SealCard(key, m.cfg.Site, m.cfg.Machine, c)
	if err != nil {
		m.cfg.Logger.Warn("unknown card not sealed for the hub", "err", err)
		return ""
	}
	return sealed
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

// orderUnknown lists the unknown cards that were tapped within the life of their codes.
func (m *operator) orderUnknown() control.Reply {
	out := control.UnknownCards{Machine: string(m.cfg.Machine), Taps: m.engine.model.unknown.taps, Cards: []control.UnknownCard{}}
	for _, c := range m.engine.model.unknown.cards {
		if m.cfg.Now().Sub(c.At).Abs() < wire.CodeLife {
			c.At = m.engine.model.rules.siteTime(c.At)
			out.Cards = append(out.Cards, c)
		}
	}
	return control.Reply{OK: true, Unknown: &out}
}
