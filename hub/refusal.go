package hub

import (
	"strings"
	"time"

	"portillon/hub/ledger"
	"portillon/policy"
	"portillon/wire"
)

const (
	// answerAgain is the shortest time between two acknowledgements to a machine that publishes its state. The machine
	// uses acknowledgements to detect whether the hub is running. A machine that receives no acknowledgement
	// publishes its state again 10 s later (daemon/uplink: Config.Stall).
	answerAgain = 5 * time.Second
	// tellAgain is the shortest time between two messages in which the hub tells a machine the same reason for
	// refusing the machine's records.
	tellAgain = time.Minute
)

// refusal is the reason why the hub refuses a machine's records, and the times when the hub sent reasons to the
// machine.
type refusal struct {
	code   ledger.Code // empty: the last records were accepted
	detail string
	told   map[ledger.Code]time.Time // time when the hub last sent each reason (ledger.Code has few values)
	shown  bool                      // true: the retained acknowledgement on the broker contains a reason
}

// readsRefusals reports whether the machine's program understands acknowledgements that contain a reason.
func (m *Machine) readsRefusals() bool {
	return m.State != nil && m.State.Format >= wire.AckRefusedFormat
}

// refuse stores that a machine's batch was refused, and sends the reason to the machine.
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
		tell = m.isRefusalDue(now)
	})
	if tell {
		return ms.acknowledge(l, id)
	}
	return nil
}

// isRefusalDue reports whether the hub refuses the machine's records and has not sent the reason within tellAgain.
func (m *Machine) isRefusalDue(now time.Time) bool {
	last, ok := m.notes.refusal.told[m.notes.refusal.code]
	return m.readsRefusals() && m.notes.refusal.code != "" && (!ok || now.Sub(last).Abs() >= tellAgain)
}

// tellRefusal returns the reason for the next acknowledgement, and stores that it was sent; nil: no reason.
func (m *Machine) tellRefusal(now time.Time) *wire.AckRefused {
	m.notes.refusal.shown = m.readsRefusals() && m.notes.refusal.code != ""
	if !m.notes.refusal.shown {
		return nil
	}
	if m.notes.refusal.told == nil {
		m.notes.refusal.told = map[ledger.Code]time.Time{}
	}
	m.notes.refusal.told[m.notes.refusal.code] = now
	return wire.NewAckRefused(string(m.notes.refusal.code), m.notes.refusal.detail)
}

// wantsAck reports whether the hub must send an acknowledgement to a machine that has just published its state.
// wantsAck must if the hub lacks records of the machine, if the machine checks whether the hub is running, or if the
// machine cannot read the retained acknowledgement.
func (m *Machine) wantsAck(now time.Time) bool {
	since := now.Sub(m.notes.acked).Abs()
	switch {
	case m.notes.refusal.shown && !m.readsRefusals():
		return true
	case m.readsRefusals() && m.notes.refusal.code != "":
		return m.isRefusalDue(now)
	}
	return m.State.Journal > m.Held && since >= askAgain || m.readsRefusals() && since >= answerAgain
}

// screenNote is the last logged state of a machine's screen.
type screenNote struct {
	silent string
	at     time.Time
}

// screenEvery is the shortest time between two log lines about a machine's screen, so that a screen that often changes
// does not fill the log.
const screenEvery = 10 * time.Second

// noteScreen logs when a machine's screen stops reporting and when the screen reports again.
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

// Refusal splits Trouble into the code and the sentence; both are empty if the machine's last records were accepted.
func (m Machine) Refusal() (code, detail string) {
	code, detail, _ = strings.Cut(m.Trouble, ": ")
	return code, detail
}
