package webtest

import (
	"context"

	"portillon/hub/actor"
	"portillon/hub/directory"
)

// ReportLost sets an active card of the actor's own member to lost.
func (d Directory) ReportLost(_ context.Context, a actor.Actor, card string) error {
	leave, err := d.Site.enter(a, actor.LoseOwnCard, actor.Target{Member: a.Member})
	if err != nil {
		return err
	}
	defer leave()
	m := d.Site.find(a.Member)
	if m == nil {
		return missing("member", string(a.Member))
	}
	for i := range m.Cards {
		if c := &m.Cards[i]; c.ID == card {
			if c.State == directory.Active {
				c.State, c.Since = directory.Lost, d.Site.now
				d.Site.log(a, actor.LoseOwnCard, "member "+string(m.ID), "card "+card+" is lost")
			}
			return nil
		}
	}
	return missing("card", card)
}
