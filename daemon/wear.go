package daemon

import (
	"time"

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
