package daemon

import (
	"time"

	"portillon/daemon/session"
	"portillon/policy"
)

func (m *model) work(who policy.MemberID) session.Work { return m.state.WorkOf(who, m.cfg.Now()) }

// isMaintaining reports whether the member works at this machine as a maintainer, or ended such work a moment ago.
func (m *model) isMaintaining(who policy.MemberID) bool {
	w := m.work(who)
	return w.Session != "" && w.Endorser == who
}

// roleOf returns the role in which a member acts: the role of their session, or Learner without a session.
func (m *model) roleOf(who policy.MemberID) policy.Role {
	switch {
	case who == m.state.Current.Member && m.state.Current.Role != policy.NoRole:
		return m.state.Current.Role
	case who == m.state.Current.Supervisor:
		return policy.Mentor
	case m.isMaintaining(who):
		return policy.Maintainer
	}
	return policy.Learner
}

// minutesOf returns the duration of a maintenance so far in minutes, at least one.
func minutesOf(w session.Work, now time.Time) int {
	if w.Ended.IsZero() {
		w.Ended = now
	}
	return max(1, int(w.Ended.Sub(w.Since).Round(time.Minute)/time.Minute))
}

// maxMinutes returns the duration of the form's session in minutes, rounded up. Work in that session cannot have taken
// longer.
func (m *model) maxMinutes(f form) int {
	until := f.started // at the time when the form was opened, the session was running or had ended
	switch f.session {
	case m.state.Current.Session:
		until = m.cfg.Now()
	case m.state.Handed.Last.Session:
		until = m.state.Handed.Last.Ended
	}
	return max(1, int((until.Sub(f.since)+time.Minute-1)/time.Minute))
}

// isOpenerPresent reports whether the person who opened the form is still at the machine: either no other card was
// presented since, or the opener tapped again within the last minute.
func (m *model) isOpenerPresent(f form) bool {
	return m.presence.generation == f.At || m.currentMember() == f.opener
}

// attestID returns a new id for an intervention of this kind if the policy requires the endorser's confirmation, and ""
// otherwise.
func (m *model) attestID(kind string) string {
	if m.rules.roster == nil || !m.rules.roster.Policy.AsksToAttest(m.cfg.Machine, kind) {
		return ""
	}
	return m.cfg.NewID()
}
