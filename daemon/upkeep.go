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

// wear is what the machine has been through.
func (m *Machine) wear() policy.Wear {
	w := policy.Wear{Now: m.Now(), Ran: m.ran(), Done: m.Done}
	if m.Trusted() {
		w.Clock = policy.Trusted
	}
	return w
}

// ran are the machine's running hours: of the busy input where there is one, else of the relay.
func (m *Machine) ran() time.Duration {
	if m.HasBusy {
		return m.state.Ran.Busy
	}
	return m.state.Ran.Relay
}

// due is what the machine needs.
func (m *Machine) due() []policy.Work {
	mach, known := m.site()
	if !known {
		return nil
	}
	return mach.Due(m.wear())
}

// upkeep tags the machine out for what is due and blocks, once nobody is at work, and takes such tags off once it is
// done. What is new to the policy counts from now.
func (m *Machine) upkeep(ctx context.Context) {
	mach, known := m.site()
	if !known {
		return
	}
	m.begin(mach)
	want := map[string]policy.Work{}
	for _, w := range m.due() {
		if w.Over && w.Block {
			want[duePrefix+w.Kind] = w
		}
	}
	for id, w := range want {
		if !m.state.Running() && m.state.Phase != session.Awaiting && !slices.ContainsFunc(m.state.Tags, func(t session.Tag) bool { return t.ID == id }) {
			m.step(ctx, session.AddTag{Tag: session.Tag{ID: id, Reason: m.speak(panel.MaintenanceTagReason(mach.KindName(w.Kind))), Since: m.Now()}})
		}
	}
	for _, t := range slices.Clone(m.state.Tags) {
		kind, due := strings.CutPrefix(t.ID, duePrefix)
		if _, still := want[t.ID]; due && !still && t.By == "" && len(m.state.Pending) == 0 && (m.Trusted() || m.settled(mach, kind)) {
			m.step(ctx, session.RemoveTag{ID: t.ID})
		}
	}
}

// begin counts what is new to the policy from now, and from now too what was done while nobody knew when: by a clock
// that was not set.
func (m *Machine) begin(mach *policy.Machine) {
	if !m.Trusted() {
		return
	}
	for _, u := range mach.Maintenance {
		d, known := m.Done[u.Kind]
		if known && !d.At.IsZero() && !d.At.After(m.Now()) {
			continue
		}
		if !known {
			d.Ran = m.ran()
		}
		d.At = m.Now()
		m.Done[u.Kind] = d
		m.begun = append(m.begun, u.Kind)
	}
}

// settled reports whether a kind of maintenance is not due whatever the time is: it counts hours alone, or has just
// been done.
func (m *Machine) settled(mach *policy.Machine, kind string) bool {
	i := slices.IndexFunc(mach.Maintenance, func(u policy.Upkeep) bool { return u.Kind == kind })
	d, known := m.Done[kind]
	return i < 0 || mach.Maintenance[i].Every == 0 || known && d.At.IsZero()
}

// doneNow is a kind of maintenance that was done at this moment; without a clock, at a time that is found out later
// (begin).
func (m *Machine) doneNow() policy.Done {
	d := policy.Done{Ran: m.ran()}
	if m.Trusted() {
		d.At = m.Now()
	}
	return d
}

// facts are what must outlive the daemon with a record.
func (m *Machine) facts(r session.Record) map[string][]byte {
	facts := map[string][]byte{}
	for _, kind := range m.begun {
		facts[FactDone+kind] = mustJSON(m.Done[kind])
	}
	switch b := r.Body.(type) {
	case wire.TagBody:
		facts[FactTags] = mustJSON(m.state.Tags)
		if r.Kind == wire.Untagged {
			facts[FactRemoved+b.Tag] = []byte("1")
			if m.alone(b.Tag) {
				facts[FactAwaits] = nil
			}
		}
	case wire.StartBody, wire.FaultBody, wire.EndBody, wire.ReportBody, wire.PowerBody:
		facts[FactHours] = mustJSON(m.state.Ran)
	case wire.InterventionBody:
		facts[FactHours] = mustJSON(m.state.Ran)
		facts[FactDone+b.What] = mustJSON(m.doneNow())
	}
	return facts
}

// kept notes what a record that is on the disk now has changed.
func (m *Machine) kept(r session.Record) {
	m.begun = nil
	switch b := r.Body.(type) {
	case wire.InterventionBody:
		m.Done[b.What] = m.doneNow()
		m.askToAttest(r, b)
	case wire.TagBody:
		if r.Kind == wire.Untagged {
			m.RemovedTags[b.Tag] = true
			m.Awaits = m.Awaits && !m.alone(b.Tag)
		}
	}
}

// remaining are the minutes of the session under way until its end, rounded up; 0: there is none, or it has no end.
func (m *Machine) remaining() int {
	if !m.state.Running() || m.state.Until.IsZero() {
		return 0
	}
	return max(1, int((m.state.Until.Sub(m.Now())+time.Minute-1)/time.Minute))
}

// hours are the machine's, in tenths.
func (m *Machine) hours() float64 {
	return float64(m.ran()/(6*time.Minute)) / 10
}

// keepEvery is how much of a session's hours a power cut may take.
const keepEvery = time.Minute

// keep writes down how far the session under way has come: should nobody live to record its end, the next daemon knows.
// It also finds out that a journal which refused a start takes records again.
func (m *Machine) keep() {
	now, facts := m.Now(), map[string][]byte{FactHours: mustJSON(m.state.Ran)}
	switch {
	case m.state.Running() && now.Sub(m.counted) >= keepEvery:
		u := UnderWay{Session: m.state.Session, Seconds: int64(now.Sub(m.state.Since) / time.Second)}
		if m.Trusted() {
			u.At = now
		}
		facts[FactUnderWay] = mustJSON(u)
	case m.state.Broken && len(m.state.Pending) == 0 && now.Sub(m.counted) >= session.RetryEvery:
		// a start was refused for it, and nothing else waits
	default:
		return
	}
	m.counted = now
	m.disk.Store(max(1, int64(time.Since(m.born))))
	err := m.Journal.Keep(facts)
	m.turned()
	m.disk.Store(0)
	if err != nil {
		m.Logger.Warn("hours were not kept", "why", err)
		return
	}
	m.sound()
}

// sound notes that the journal takes what it is given.
func (m *Machine) sound() {
	if m.state.Broken {
		m.state, _ = session.Next(m.state, session.Input{Now: m.Now(), Event: session.Recorded{}})
	}
}

// UnderWay is how far a session had come when it was last looked at.
type UnderWay struct {
	Session string    `json:"session"`
	Seconds int64     `json:"seconds"`
	At      time.Time `json:"at"` // zero: by a clock that nobody vouched for
}
