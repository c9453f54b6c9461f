package daemon

import (
	"context"
	"slices"
	"strings"
	"time"

	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// What the machine needs, and how long it has run.

// duePrefix begins the names of tags that the machine puts on itself for maintenance which is due.
const duePrefix = "due:"

// wearNow is what the machine has been through.
func (m *model) wearNow() policy.Wear {
	w := policy.Wear{Now: m.cfg.Now(), Ran: m.ran(), Done: m.upkeep.done}
	if m.cfg.Trusted() {
		w.Clock = policy.Trusted
	}
	return w
}

// ran are the machine's running hours: of the busy input where there is one, else of the relay.
func (m *model) ran() time.Duration {
	if m.cfg.HasBusy {
		return m.state.Runtime.Ran.Busy
	}
	return m.state.Runtime.Ran.Relay
}

// due is what the machine needs.
func (m *model) due() []policy.Work {
	mach, known := m.rules.machine()
	if !known {
		return nil
	}
	return mach.Due(m.wearNow())
}

// upkeep tags the machine out for what is due and blocks, once nobody is at work, and takes such tags off once it is
// done. What is new to the policy counts from now.
func (m *periodic) upkeep(ctx context.Context) {
	mach, known := m.engine.model.rules.machine()
	if !known {
		return
	}
	if m.cfg.Trusted() {
		m.engine.model.upkeep.begin(mach, m.engine.model.ran(), m.cfg.Now())
	}
	want := map[string]policy.Work{}
	for _, w := range m.engine.model.due() {
		if w.Over && w.Block {
			want[duePrefix+w.Kind] = w
		}
	}
	for id, w := range want {
		if !m.engine.model.state.Running() && m.engine.model.state.Phase != session.Awaiting && !slices.ContainsFunc(m.engine.model.state.Holds.Tags, func(t session.Tag) bool { return t.ID == id }) {
			m.engine.apply(ctx, session.AddTag{Tag: session.Tag{ID: id, Reason: m.engine.model.rules.inSiteLanguage(panel.MaintenanceTagReason(mach.KindName(w.Kind))), Since: m.cfg.Now()}})
		}
	}
	for _, t := range slices.Clone(m.engine.model.state.Holds.Tags) {
		kind, due := strings.CutPrefix(t.ID, duePrefix)
		if _, still := want[t.ID]; due && !still && t.By == "" && len(m.engine.model.state.Ledger.Pending) == 0 && (m.cfg.Trusted() || m.engine.model.upkeep.isSettled(mach, kind)) {
			m.engine.apply(ctx, session.RemoveTag{ID: t.ID})
		}
	}
}

// doneNow is a kind of maintenance that was done at this moment; without a clock, at a time that is found out later
// (begin).
func (m *model) doneNow() policy.Done {
	d := policy.Done{Ran: m.ran()}
	if m.cfg.Trusted() {
		d.At = m.cfg.Now()
	}
	return d
}

// facts are what must outlive the daemon with a record.
func (m *model) facts(r session.Record) map[string][]byte {
	facts := map[string][]byte{}
	for _, kind := range m.upkeep.begun {
		facts[FactDone+kind] = mustJSON(m.upkeep.done[kind])
	}
	switch b := r.Body.(type) {
	case wire.TagBody:
		facts[FactTags] = mustJSON(m.state.Holds.Tags)
		if r.Kind == wire.Untagged {
			facts[FactRemoved+b.Tag] = []byte("1")
			if m.alone(b.Tag) {
				facts[FactAwaits] = nil
			}
		}
	case wire.StartBody, wire.FaultBody, wire.EndBody, wire.ReportBody, wire.PowerBody:
		facts[FactHours] = mustJSON(m.state.Runtime.Ran)
	case wire.InterventionBody:
		facts[FactHours] = mustJSON(m.state.Runtime.Ran)
		facts[FactDone+b.What] = mustJSON(m.doneNow())
	}
	return facts
}

// afterCommit notes what a record that is on the disk now has changed.
func (m *engine) afterCommit(r session.Record) {
	m.model.upkeep.begun = nil
	switch b := r.Body.(type) {
	case wire.InterventionBody:
		m.model.upkeep.done[b.What] = m.model.doneNow()
		m.model.expireAttests()
		m.model.attests.add(r, b)
	case wire.TagBody:
		if r.Kind == wire.Untagged {
			m.model.journal.removedTags[b.Tag] = true
			m.model.journal.awaits = m.model.journal.awaits && !m.model.alone(b.Tag)
		}
	}
}

// remaining are the minutes of the session under way until its end, rounded up; 0: there is none, or it has no end.
func (m *model) remaining() int {
	if !m.state.Running() || m.state.Current.Until.IsZero() {
		return 0
	}
	return max(1, int((m.state.Current.Until.Sub(m.cfg.Now())+time.Minute-1)/time.Minute))
}

// hours are the machine's, in tenths.
func (m *model) hours() float64 {
	return float64(m.ran()/(6*time.Minute)) / 10
}

// keepEvery is how much of a session's hours a power cut may take.
const keepEvery = time.Minute

// keep writes down how far the session under way has come: should nobody live to record its end, the next daemon knows.
// It also finds out that a journal which refused a start takes records again.
func (m *periodic) keep() {
	now, facts := m.cfg.Now(), map[string][]byte{FactHours: mustJSON(m.engine.model.state.Runtime.Ran)}
	switch {
	case m.engine.model.state.Running() && now.Sub(m.engine.model.journal.counted) >= keepEvery:
		u := UnderWay{Session: m.engine.model.state.Current.Session, Seconds: int64(now.Sub(m.engine.model.state.Current.Since) / time.Second)}
		if m.cfg.Trusted() {
			u.At = now
		}
		facts[FactUnderWay] = mustJSON(u)
	case m.engine.model.state.Ledger.Broken && len(m.engine.model.state.Ledger.Pending) == 0 && now.Sub(m.engine.model.journal.counted) >= session.RetryEvery:
		// a start was refused for it, and nothing else waits
	default:
		return
	}
	m.engine.model.journal.counted = now
	err := m.engine.live.duringCommit(func() error { return m.cfg.Journal.Keep(facts) })
	if err != nil {
		m.cfg.Logger.Warn("hours were not kept", "why", err)
		return
	}
	m.engine.markJournalHealthy()
}

// markJournalHealthy notes that the journal takes what it is given.
func (m *engine) markJournalHealthy() {
	if m.model.state.Ledger.Broken {
		m.model.state, _ = session.Next(m.model.state, session.Input{Now: m.cfg.Now(), Event: session.Recorded{}})
	}
}

// UnderWay is how far a session had come when it was last looked at.
type UnderWay struct {
	Session string    `json:"session"`
	Seconds int64     `json:"seconds"`
	At      time.Time `json:"at"` // zero: by a clock that nobody vouched for
}
