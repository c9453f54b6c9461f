package daemon

import (
	"portillon/daemon/session"
	"portillon/rfid"
	"portillon/wire"
)

// oldKeyReport returns the record that reports a card which the bundle contains only under the previous card key. With
// this record, the hub can list the card under the new key. oldKeyReport returns false if no report is needed, or if
// the machine has no key to encrypt the number for the hub. Each card is reported once for each bundle, so if a report
// is lost, the card is reported again under the next bundle.
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
		return session.Record{}, false // the hub's key may be known when the card is tapped again
	}
	sealed, err := wire.SealNumber(key, e.cfg.Site, e.cfg.Machine, number.Bytes())
	if err != nil {
		e.cfg.Logger.Warn("card number under the old card key could not be encrypted for the hub", "err", err)
		return session.Record{}, false
	}
	if e.reported == nil {
		e.reported = map[rfid.UID]bool{}
	}
	e.reported[uid] = true // the map has at most one entry for each card of the bundle
	return session.Record{Kind: wire.CardRebound, Body: wire.CardReboundBody{Sealed: sealed}}, true
}

// noteUnknown stores an unknown card in the list, and returns the card's number encrypted for the hub. The result is
// empty if the hub's key is unknown.
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
		e.cfg.Logger.Warn("unknown card's number could not be encrypted for the hub", "err", err)
		return ""
	}
	return sealed
}
