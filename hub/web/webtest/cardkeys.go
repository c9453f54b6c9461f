package webtest

import (
	"context"

	"portillon/hub/actor"
	"portillon/hub/cardkey"
	"portillon/hub/fault"
)

// CardKeys implements web.CardKeys for the card key of a site.
type CardKeys struct{ Site *Site }

// Status returns the state of the card key. Before the first change, the card key has version 1.
func (c CardKeys) Status(_ context.Context, a actor.Actor) (cardkey.Status, error) {
	leave, err := c.Site.enter(a, actor.EnrolMachines, actor.Target{})
	if err != nil {
		return cardkey.Status{}, err
	}
	defer leave()
	s := c.Site.cardKey
	if s.Version == 0 {
		s.Version, s.InForce = 1, "1a2b3c4d"
	}
	for i, m := range c.Site.machines {
		x := cardkey.Machine{ID: m.ID, HasKey: i == 0}
		if i > 0 {
			x.Why = []string{cardkey.ByHand, cardkey.Program, cardkey.Away}[i%3]
		}
		s.Machines = append(s.Machines, x)
	}
	return s, nil
}

// Rotate starts a change of the card key. After Rotate, one card of Léa still depends on the previous key.
func (c CardKeys) Rotate(_ context.Context, a actor.Actor, version int64, reason string) error {
	leave, err := c.Site.enter(a, actor.EnrolMachines, actor.Target{})
	if err != nil {
		return err
	}
	defer leave()
	switch {
	case reason == "":
		return bad("reason", "", "a reason is needed, on one line", "1 to 300 bytes")
	case version != max(c.Site.cardKey.Version, 1):
		return &fault.Conflict{What: "card-key", ID: "site", Have: max(c.Site.cardKey.Version, 1), Got: version}
	}
	c.Site.cardKey = cardkey.Status{
		Version: version + 1,
		InForce: "5e6f7081",
		Before:  "1a2b3c4d",
		Began:   c.Site.now,
		Who:     a.Name,
		Reason:  reason,
		Left:    1,
		Cards:   []cardkey.Card{{ID: "c1", Member: "m-lea", Name: "Léa Morvan", Last: "0001", State: "active"}},
	}
	return nil
}

// End completes the key change.
func (c CardKeys) End(_ context.Context, a actor.Actor, version int64) error {
	leave, err := c.Site.enter(a, actor.EnrolMachines, actor.Target{})
	if err != nil {
		return err
	}
	defer leave()
	if c.Site.cardKey.Before == "" {
		return bad("card-key", "", "no change-over is under way", "begin one")
	}
	c.Site.cardKey = cardkey.Status{Version: version + 1, InForce: c.Site.cardKey.InForce, Ended: c.Site.now}
	return nil
}
