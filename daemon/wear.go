package daemon

import (
	"time"

	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// This file computes the running hours, and when maintenance is due.

// wearNow returns the machine's present running hours and times of maintenance.
func (m *model) wearNow() policy.Wear {
	w := policy.Wear{Now: m.cfg.Now(), Ran: m.ran(), Done: m.upkeep.done}
	if m.cfg.Trusted() {
		w.Clock = policy.Trusted
	}
	return w
}

// ran returns the machine's running time: the time for which its busy input was on, or, without such an input, the time
// for which the relay was closed.
func (m *model) ran() time.Duration {
	if m.cfg.HasBusy {
		return m.state.Runtime.Ran.Busy
	}
	return m.state.Runtime.Ran.Relay
}

// plannedWork returns all planned maintenance of the machine, both maintenance that is due now and maintenance that is
// due later.
func (m *model) plannedWork() []policy.Work {
	mach, known := m.rules.machine()
	if !known {
		return nil
	}
	return mach.Due(m.wearNow())
}

// doneNow returns the present moment as the time of a maintenance. If the clock is not trusted, the time is zero, and
// the function upkeep.begin sets it later.
func (m *model) doneNow() policy.Done {
	d := policy.Done{Ran: m.ran()}
	if m.cfg.Trusted() {
		d.At = m.cfg.Now()
	}
	return d
}

// facts returns the facts that the journal must store together with a record.
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
			if m.isTagWithoutHub(b.Tag) {
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

// remaining returns the minutes until the end of the current session, rounded up; 0: no session is running, or the
// session has no time limit.
func (m *model) remaining() int {
	if !m.state.Running() || m.state.Current.Until.IsZero() {
		return 0
	}
	return max(1, int((m.state.Current.Until.Sub(m.cfg.Now())+time.Minute-1)/time.Minute))
}

// hours returns the machine's running time in hours, rounded to tenths.
func (m *model) hours() float64 {
	return float64(m.ran()/(6*time.Minute)) / 10
}
