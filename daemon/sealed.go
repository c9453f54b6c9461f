package daemon

import (
	"portillon/daemon/session"
	"portillon/rfid"
	"portillon/wire"
)

// oldKeyReport is the record that tells the hub of a card which the bundle knows under the previous card key alone, so
// that the hub binds the card to the new one; false: there is nothing to tell, or no key to seal the number with. Each
// card is reported once for each bundle: if the report is lost, the next bundle brings another.
func (e *engine) oldKeyReport(uid rfid.UID) (session.Record, bool) {
	if e.model.rules.roster == nil || e.cfg.SealKey == nil || e.reported[uid] {
		return session.Record{}, false
	}
	number, old := e.model.rules.roster.UnderOldKey(uid)
	if !old {
		return session.Record{}, false
	}
	key := e.cfg.SealKey()
	if key == "" {
		return session.Record{}, false // the next tap finds one, perhaps
	}
	sealed, err := wire.SealNumber(key, e.cfg.Site, e.cfg.Machine, number.Bytes())
	if err != nil {
		e.cfg.Logger.Warn("card of the old key not sealed for the hub", "err", err)
		return session.Record{}, false
	}
	if e.reported == nil {
		e.reported = map[rfid.UID]bool{}
	}
	e.reported[uid] = true // at most one for each card of the bundle
	return session.Record{Kind: wire.CardRebound, Body: wire.CardReboundBody{Sealed: sealed}}, true
}

// noteUnknown remembers an unknown card, and seals it for the hub; empty: the hub's key is not known.
func (e *engine) noteUnknown(uid rfid.UID) string {
	e.model.unknown.shown = ""
	if e.model.rules.roster == nil {
		return ""
	}
	c := e.model.rules.roster.Unknown(uid)
	e.model.unknown.note(c, e.cfg.Now())
	if e.cfg.SealKey == nil {
		return ""
	}
	key := e.cfg.SealKey()
	if key == "" {
		return ""
	}
	sealed, err := wire.SealCard(key, e.cfg.Site, e.cfg.Machine, c)
	if err != nil {
		e.cfg.Logger.Warn("unknown card not sealed for the hub", "err", err)
		return ""
	}
	return sealed
}
