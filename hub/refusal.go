package hub

import (
	"strings"
	"time"

	"portillon/hub/ledger"
	"portillon/policy"
	"portillon/wire"
)

const (
	// answerAgain is how soon after an acknowledgement a machine that publishes its state is sent another: with it
	// the machine knows that the hub lives. A machine that gets none asks again 10 s later (daemon/uplink:
	// Config.Stall).
	answerAgain = 5 * time.Second
	// tellAgain is how often a machine is told the same reason for which its records are refused.
	tellAgain = time.Minute
)

// refusal is what a machine is told of why its records are refused.
type refusal struct {
	code   ledger.Code // empty: they are not
	detail string
	told   map[ledger.Code]time.Time // when the machine was last told each reason; ledger.Code is a closed list
	shown  bool                      // the acknowledgement that is retained names a reason
}

// reads reports whether the machine reads acknowledgements that name a reason.
func (m *Machine) reads() bool { return m.State != nil && m.State.Format >= wire.AckRefusedFormat }

// refuse notes that a machine's batch was refused, and tells the machine.
func (ms *messages) refuse(l *link, id policy.MachineID, why *ledger.Refusal) error {
	tell := false
	ms.fleet.change(id, func(m *Machine) {
		now := ms.core.now()
		if m.Trouble != why.Error() || now.Sub(m.notes.troubleLogged).Abs() >= time.Minute {
			ms.core.log.Warn("records refused", "machine", id, "code", why.Code, "why", why.Detail)
			m.notes.troubleLogged = now
		}
		if m.notes.refusal.code != why.Code {
			m.TroubleSince = now
		}
		m.notes.refusal.code, m.notes.refusal.detail = why.Code, why.Detail
		m.Trouble, m.TroubleAt = why.Error(), now
		tell = m.mayTell(now)
	})
	if tell {
		return ms.acknowledge(l, id)
	}
	return nil
}

// mayTell reports whether the machine is to be told why its records are refused, and was not told of late.
func (m *Machine) mayTell(now time.Time) bool {
	last, ok := m.notes.refusal.told[m.notes.refusal.code]
	return m.reads() && m.notes.refusal.code != "" && (!ok || now.Sub(last).Abs() >= tellAgain)
}

// tellRefusal is what the next acknowledgement says of a refusal; nil: nothing. It notes that it is said.
func (m *Machine) tellRefusal(now time.Time) *wire.AckRefused {
	m.notes.refusal.shown = m.reads() && m.notes.refusal.code != ""
	if !m.notes.refusal.shown {
		return nil
	}
	if m.notes.refusal.told == nil {
		m.notes.refusal.told = map[ledger.Code]time.Time{}
	}
	m.notes.refusal.told[m.notes.refusal.code] = now
	return wire.NewAckRefused(string(m.notes.refusal.code), m.notes.refusal.detail)
}

// wantsAck reports whether a machine that has just published its state is sent an acknowledgement: it lacks records
// here, it wants to know that the hub lives, or the acknowledgement that the broker retains is not one that it can
// read.
func (m *Machine) wantsAck(now time.Time) bool {
	since := now.Sub(m.notes.acked).Abs()
	switch {
	case m.notes.refusal.shown && !m.reads():
		return true
	case m.reads() && m.notes.refusal.code != "":
		return m.mayTell(now)
	}
	return m.State.Journal > m.Held && since >= askAgain || m.reads() && since >= answerAgain
}

// screenNote is what was last logged of a machine's screens.
type screenNote struct {
	silent string
	at     time.Time
}

// screenEvery is how often a machine's screens are logged: a machine that changes its word all the time does not
// fill the log.
const screenEvery = 10 * time.Second

// noteScreen logs that a machine's own screen fell silent, or reports itself again.
func (fl *fleet) noteScreen(m *Machine, silent string, now time.Time) {
	if silent == m.notes.screen.silent || now.Sub(m.notes.screen.at).Abs() < screenEvery {
		return
	}
	if silent != "" {
		fl.core.log.Warn("screen silent", "machine", m.ID, "screen", silent)
	} else {
		fl.core.log.Info("screen reports again", "machine", m.ID, "screen", m.notes.screen.silent)
	}
	m.notes.screen = screenNote{silent, now}
}

// Refusal is the code and the sentence of Trouble; empty: the machine's last records were not refused.
func (m Machine) Refusal() (code, detail string) {
	code, detail, _ = strings.Cut(m.Trouble, ": ")
	return code, detail
}
