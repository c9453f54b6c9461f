package daemon

import (
	"time"

	"portillon/rfid"
)

// engine applies events to the machine, and carries out the resulting effects.
type engine struct {
	cfg     *Config
	model   *model
	decider *decider
	views   *views
	live    *liveness
	unread  unreadInput // counts reader input that is not a card's number
	// Cards that the roster knows only under the old card key, and that were reported since the current bundle was
	// installed.
	reported map[rfid.UID]bool
}

func newEngine(c *Config) *engine {
	m := newModel(c)
	d := &decider{cfg: c, model: m}
	return &engine{cfg: c, model: m, decider: d, views: &views{cfg: c, model: m, decider: d}, live: newLiveness()}
}

// followHub reads the state of the communication with the hub, and logs when an acknowledgement becomes overdue, when
// the reason changes, and when the acknowledgement arrives.
func (e *engine) followHub() {
	if e.cfg.HubHealth == nil {
		return
	}
	h, was := e.cfg.HubHealth(), e.model.links.hub
	e.model.links.hub = h
	e.cfg.Panel.SetHubOnline(h.Acknowledges)
	switch {
	case h.Overdue && (!was.Overdue || h.Why != was.Why):
		e.cfg.Logger.Warn("hub does not acknowledge records", "for", h.Owed.Round(time.Second), "why", h.Why,
			"detail", h.Detail)
	case was.Overdue && !h.Overdue:
		e.cfg.Logger.Info("hub acknowledges records again")
	}
}

func (e *engine) applyPolicyToPanel() {
	if e.model.rules.roster == nil {
		return
	}
	if mach, ok := e.model.rules.roster.Policy.Machine(e.cfg.Machine); ok {
		e.cfg.Panel.SetMachine(
			mach.Name,
			e.model.rules.roster.Policy.Language,
			e.model.rules.roster.Policy.Zone,
			e.model.rules.roster.Policy.Look,
		)
		e.cfg.Panel.SetWording(mach.Plain)
	}
}
