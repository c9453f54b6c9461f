package daemon

import (
	"fmt"
	"time"

	"portillon/daemon/control"
	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// wireState returns the state of the machine for MQTT, without personal data.
func (v *views) wireState() wire.State {
	s := wire.State{
		Machine:      v.cfg.Machine,
		Phase:        v.model.state.Phase.String(),
		Relay:        v.model.relay,
		Tagged:       len(v.model.state.Holds.Tags) > 0,
		Left:         v.model.remaining(),
		Hours:        v.model.hours(),
		Journal:      v.cfg.Journal.Len(),
		SilentScreen: silentScreen(v.model.links.screens),
		Format:       wire.Format,
		Program:      v.cfg.Program,
		Generation:   v.cfg.Journal.Generation(),
	}
	if s.Clock = "untrusted"; v.cfg.Trusted() {
		s.Clock = "trusted"
	}
	if b := v.model.links.bundle.Load(); b != nil {
		s.Disk = wire.OneLine(b.Damage, 200)
		s.BundleRefused = wire.OneLine(v.model.links.bundleRefusal(), 200)
	}
	if v.model.links.hub.Overdue {
		s.UnackedSince, s.UnackedWhy = v.model.links.hub.Since, v.model.links.hub.Why
	}
	if due := v.model.plannedWork(); len(due) > 0 && due[0].Over {
		s.Due = due[0].Kind
	}
	if v.cfg.Keys != nil {
		s.StateKeys = v.cfg.Keys()
	}
	if v.model.rules.roster != nil {
		s.Bundle = v.model.rules.roster.Version
		s.CardKey, s.OldCardKey = v.model.rules.roster.CardKeys()
	}
	return s
}

// silentScreen returns the first of the machine's own screens that sends no reports, or "" if all screens send reports.
func silentScreen(screens []panel.Screen) string {
	for _, s := range screens {
		if s.Silent > 0 {
			return s.Addr.String()
		}
	}
	return ""
}

// status returns the state of the machine for an operator, with the pseudonyms of members and sessions.
func (v *views) status() control.Status {
	s := v.model.state
	out := control.Status{
		Site:       string(v.cfg.Site),
		Machine:    string(v.cfg.Machine),
		Phase:      s.Phase.String(),
		Relay:      v.model.relay,
		Session:    s.Current.Session,
		Member:     string(s.Current.Member),
		Supervisor: string(s.Current.Supervisor),
		Assistant:  string(s.Current.Assistant),
		Since:      v.model.rules.siteTime(v.model.toWallTime(s.Current.Since)),
		Until:      v.model.rules.siteTime(v.model.toWallTime(s.Current.Until)),
		Tags:       tagLines(s.Holds.Tags),
		Faults:     faultNames(s.Holds.Faults),
		Reader:     v.cfg.Reader && !s.Holds.ReaderDown,
		NoReader:   !v.cfg.Reader,
		Alone:      v.cfg.Uplink == nil,
		Clock:      string(wire.ClockUntrusted),
		Journal:    v.cfg.Journal.Len(),
	}
	if s.Current.Role != policy.NoRole {
		out.Role = s.Current.Role.String()
	}
	if v.cfg.Trusted() {
		out.Clock = string(wire.ClockTrusted)
	}
	if v.model.rules.roster != nil {
		out.Bundle = v.model.rules.roster.Version
		for _, d := range v.model.rules.roster.Denied {
			out.Denied = append(out.Denied, fmt.Sprintf("%s: %v", d.Member, d.Why))
		}
	}
	if out.JournalDamage = v.journalTrouble(); v.model.journal.awaits {
		out.NewJournal = string(v.cfg.Journal.Generation())
	}
	out.BundleDamage, out.Screens = v.model.links.bundleDamage(), screenStatus(v.model.links.screens)
	hub := v.model.links.hub
	out.Hub, out.Broker, out.Unacked = hub.Acknowledges, hub.Broker, unacked(hub, v.model.rules)
	out.BundleRefused = v.model.links.bundleRefusal()
	if v.cfg.Acked != nil {
		out.Acked = v.cfg.Acked()
	}
	return out
}

// unacked describes, for an operator, the hub's acknowledgement that is missing; nil: none is missing.
func unacked(h HubHealth, r *rules) *control.Unacked {
	if h.Owed <= 0 {
		return nil
	}
	return &control.Unacked{
		Since:   r.siteTime(h.Since),
		Seconds: int64(h.Owed / time.Second),
		Overdue: h.Overdue,
		Why:     h.Why,
		Detail:  h.Detail,
	}
}

// screenStatus returns the state of the screens for an operator.
func screenStatus(screens []panel.Screen) (out []control.Screen) {
	for _, s := range screens {
		out = append(out, control.Screen{Address: s.Addr.String(), SilentSeconds: int64(s.Silent / time.Second)})
	}
	return out
}

func faultNames(faults []session.FaultKind) []string {
	var out []string
	for _, f := range faults {
		out = append(out, string(f))
	}
	return out
}

func tagLines(tags []session.Tag) []string {
	out := make([]string, len(tags))
	for i, t := range tags {
		out[i] = t.ID + " " + t.Reason
	}
	return out
}
