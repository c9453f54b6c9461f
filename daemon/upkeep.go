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
	model := m.model
	mach, known := model.rules.machine()
	if !known {
		return
	}
	if m.cfg.Trusted() {
		model.upkeep.begin(mach, model.ran(), m.cfg.Now())
	}
	want := map[string]bool{}
	for _, w := range model.due() {
		if !w.Over || !w.Block {
			continue
		}
		id := duePrefix + w.Kind
		want[id] = true
		inUse := model.state.Running() || model.state.Phase == session.Awaiting
		if !inUse && !model.isTagged(id) {
			reason := model.rules.inSiteLanguage(panel.MaintenanceTagReason(mach.KindName(w.Kind)))
			m.engine.apply(ctx, session.AddTag{Tag: session.Tag{ID: id, Reason: reason, Since: m.cfg.Now()}})
		}
	}
	m.removeDone(ctx, mach, want)
}

// removeDone takes off the tags of maintenance that has been done. Want are the tags that must hang.
func (m *periodic) removeDone(ctx context.Context, mach *policy.Machine, want map[string]bool) {
	model := m.model
	for _, t := range slices.Clone(model.state.Holds.Tags) {
		kind, isDue := strings.CutPrefix(t.ID, duePrefix)
		if !isDue || want[t.ID] || t.By != "" || len(model.state.Ledger.Pending) > 0 {
			continue
		}
		if m.cfg.Trusted() || model.upkeep.isSettled(mach, kind) { // without a clock, only what no date makes due
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
func (m *model) facts(r session.Record) factSet {
	var facts factSet
	for _, kind := range m.upkeep.begun {
		facts.put(FactDone+kind, m.upkeep.done[kind])
	}
	switch b := r.Body.(type) {
	case wire.TagBody:
		facts.put(FactTags, m.state.Holds.Tags)
		if r.Kind == wire.Untagged {
			facts.set(FactRemoved+b.Tag, []byte("1"))
			if m.alone(b.Tag) {
				facts.set(FactAwaits, nil)
			}
		}
	case wire.StartBody, wire.FaultBody, wire.EndBody, wire.ReportBody, wire.PowerBody:
		facts.put(FactHours, m.state.Runtime.Ran)
	case wire.InterventionBody:
		facts.put(FactHours, m.state.Runtime.Ran)
		facts.put(FactDone+b.What, m.doneNow())
	}
	return facts
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

// keepHours writes down how far the session under way has come: should power fail before its end is recorded, the next
// daemon knows. It also finds out that a journal which refused a start takes records again.
func (m *periodic) keepHours() {
	now := m.cfg.Now()
	var facts factSet
	facts.put(FactHours, m.model.state.Runtime.Ran)
	ledger := &m.model.state.Ledger
	switch {
	case m.model.state.Running() && now.Sub(m.model.journal.counted) >= keepEvery:
		u := UnderWay{
			Session: m.model.state.Current.Session,
			Seconds: int64(now.Sub(m.model.state.Current.Since) / time.Second),
		}
		if m.cfg.Trusted() {
			u.At = now
		}
		facts.put(FactUnderWay, u)
	case ledger.Broken && len(ledger.Pending) == 0 && now.Sub(m.model.journal.counted) >= session.RetryEvery:
		// a start was refused for it, and nothing else waits
	default:
		return
	}
	m.model.journal.counted = now
	err := facts.err
	if err == nil {
		err = m.engine.live.duringCommit(func() error { return m.cfg.Journal.Keep(facts.values) })
	}
	if err != nil {
		m.cfg.Logger.Warn("running hours not kept", "err", err)
		return
	}
	m.engine.markJournalHealthy()
}

// UnderWay is how far a session had come when it was last looked at.
type UnderWay struct {
	Session string    `json:"session"`
	Seconds int64     `json:"seconds"`
	At      time.Time `json:"at"` // zero: by a clock that nobody vouched for
}
