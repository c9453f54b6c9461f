package daemon

import (
	"time"

	"portillon/daemon/session"
	"portillon/policy"
)

func (m *model) work(who policy.MemberID) session.Work { return m.state.WorkOf(who, m.cfg.Now()) }

// maintains reports whether somebody is at work here as a maintainer, or was a moment ago.
func (m *model) maintains(who policy.MemberID) bool {
	w := m.work(who)
	return w.Session != "" && w.Endorser == who
}

// roleOf is in which role a member speaks of the machine: the one of their session, else none that matters.
func (m *model) roleOf(who policy.MemberID) policy.Role {
	switch {
	case who == m.state.Current.Member && m.state.Current.Role != policy.NoRole:
		return m.state.Current.Role
	case who == m.state.Current.Supervisor:
		return policy.Mentor
	case m.maintains(who):
		return policy.Maintainer
	}
	return policy.Learner
}

// minutesOf are how long a maintenance took so far; at least one.
func minutesOf(w session.Work, now time.Time) int {
	if w.Ended.IsZero() {
		w.Ended = now
	}
	return max(1, int(w.Ended.Sub(w.Since).Round(time.Minute)/time.Minute))
}

// longest is how many minutes the session of a form has lasted, rounded up: no work in it took longer.
func (m *model) longest(f form) int {
	until := f.started // the session was under way, or over, when the form was opened
	switch f.session {
	case m.state.Current.Session:
		until = m.cfg.Now()
	case m.state.Handed.Last.Session:
		until = m.state.Handed.Last.Ended
	}
	return max(1, int((until.Sub(f.since)+time.Minute-1)/time.Minute))
}

// isStillTheirs reports whether no other card was presented since a form was opened, or its opener's own was, within
// the last minute.
func (m *model) isStillTheirs(f form) bool {
	return m.presence.generation == f.At || m.currentMember() == f.opener
}

// attestID is a fresh id for an intervention of this kind, where the policy asks its endorser to confirm it; else
// empty.
func (m *model) attestID(kind string) string {
	if m.rules.roster == nil || !m.rules.roster.Policy.AsksToAttest(m.cfg.Machine, kind) {
		return ""
	}
	return m.cfg.NewID()
}
