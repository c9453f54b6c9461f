package daemon

import (
	"time"

	"portillon/daemon/control"
	"portillon/daemon/panel"
	"portillon/policy"
)

// HubHealth is how the way to the hub stands. The zero value is a hub that has not answered yet.
type HubHealth struct {
	Acknowledges bool // the hub acknowledges what it is sent
	Broker       bool // the broker is connected
	// Since is since when the hub has owed an acknowledgement: for the oldest record that it does not hold, or a
	// question that it has not answered; zero: it owes none. Owed is the same as a duration, on a clock that nobody
	// sets.
	Since   time.Time
	Owed    time.Duration
	Overdue bool   // it has owed one for so long that people are told
	Why     string // the reason as a code; empty: none is known
	Detail  string // more about it, for an operator
}

// followHub looks at the way to the hub, and logs when an acknowledgement becomes overdue, for another reason, and
// when it comes.
func (m *engine) followHub() {
	if m.cfg.HubHealth == nil {
		return
	}
	h, was := m.cfg.HubHealth(), m.model.links.hub
	m.model.links.hub = h
	m.cfg.Panel.SetHubOnline(h.Acknowledges)
	switch {
	case h.Overdue && (!was.Overdue || h.Why != was.Why):
		m.cfg.Logger.Warn("hub does not acknowledge", "for", h.Owed.Round(time.Second), "why", h.Why, "detail", h.Detail)
	case was.Overdue && !h.Overdue:
		m.cfg.Logger.Info("hub acknowledges again")
	}
}

// hubNote is what a member reads while the hub acknowledges nothing; empty where it does. They need to do nothing.
func (m *views) hubNote() policy.Text {
	if m.model.links.hub.Overdue {
		return panel.RecordsKept()
	}
	return policy.Text{}
}

// silentScreen is the first of the machine's own screens that does not report itself; empty: all of them do.
func (m *views) silentScreen() string {
	for _, s := range m.model.links.screens {
		if s.Silent > 0 {
			return s.Addr.String()
		}
	}
	return ""
}

// hubStatus adds to a status how the way to the hub stands.
func (m *views) hubStatus(s *control.Status) {
	h := m.model.links.hub
	s.Hub, s.Broker = h.Acknowledges, h.Broker
	if h.Owed > 0 {
		s.Unacked = &control.Unacked{Since: m.model.rules.siteTime(h.Since), Seconds: int64(h.Owed / time.Second), Overdue: h.Overdue,
			Why: h.Why, Detail: h.Detail}
	}
}
