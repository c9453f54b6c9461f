package daemon

import (
	"context"

	"portillon/rfid"
	"portillon/wire"
)

// reportOldKey tells the hub of a card that the bundle knows under the card key before alone, so that the hub binds it
// to the new one. A card is reported once for each bundle: if the report is lost, the next bundle brings another. The
// record is written after the tap was answered: it opens nothing, and nobody waits for it.
func (m *engine) reportOldKey(ctx context.Context, uid rfid.UID) {
	if m.model.rules.roster == nil || m.cfg.SealKey == nil || m.reported[uid] {
		return
	}
	number, old := m.model.rules.roster.UnderOldKey(uid)
	if !old {
		return
	}
	key := m.cfg.SealKey()
	if key == "" {
		return // the next tap finds one, perhaps
	}
	sealed, err := wire.SealNumber(key, m.cfg.Site, m.cfg.Machine, number.Bytes())
	if err != nil {
		m.cfg.Logger.Warn("card of the old key not sealed for the hub", "err", err)
		return
	}
	if m.reported == nil {
		m.reported = map[rfid.UID]bool{}
	}
	m.reported[uid] = true // at most one for each card of the bundle
	m.recordAlone(ctx, wire.CardRebound, wire.CardReboundBody{Sealed: sealed})
}
