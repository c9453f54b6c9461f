package daemon

import (
	"context"
	"time"

	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
)

// Attestations: where the policy's evidence is endorsed at-the-time, the maintainer in whose session an intervention
// was logged confirms it with one touch at the machine's own screen, within a minute of their own tap. The intervention
// is on record either way, and a maintainer who sends the form themself has confirmed it by that. What nobody confirms
// until ten minutes after the session stays unconfirmed; so does what waits when the daemon ends.

// attestID is a fresh id for an intervention of this kind, where the policy asks its endorser to confirm it; else
// empty.
func (m *model) attestID(kind string) string {
	if m.rules.roster == nil || !m.rules.roster.Policy.AsksToAttest(m.cfg.Machine, kind) {
		return ""
	}
	return m.cfg.NewID()
}

// attest writes down that an endorser, who stands at the machine and touched "endorse", confirms an intervention.
func (m *PanelActions) attest(ctx context.Context, id string, who policy.MemberID) error {
	m.engine.model.expireAttests()
	a, ok := m.engine.model.attests.find(id, who)
	if !ok {
		return panel.NotNow
	}
	n := m.cfg.Journal.Len()
	m.engine.apply(ctx, session.Attest{By: who, Session: a.session, Intervention: a.id, What: a.kind})
	if err := m.engine.writtenSince(n); err != nil {
		return err
	}
	m.engine.model.attests.remove(id)
	m.engine.show()
	return nil
}

// decline drops the question: the intervention stays on record, unconfirmed.
func (m *PanelActions) decline(id string, who policy.MemberID) error {
	m.engine.model.expireAttests()
	a, ok := m.engine.model.attests.find(id, who)
	if !ok {
		return panel.NotNow
	}
	m.engine.model.attests.remove(id)
	m.cfg.Logger.Warn("endorser declined an intervention", "kind", a.kind, "member", a.by, "endorser", who)
	m.engine.show()
	return nil
}

// attestNext says whose card is wanted for what waits; empty: nothing waits. While the session runs that card ends it.
func (m *views) attestNext() policy.Text {
	if len(m.model.attests.waiting) == 0 {
		return policy.Text{}
	}
	a := m.model.attests.waiting[0]
	return panel.WaitsForEndorser(m.model.rules.name(a.endorser), m.model.state.Running() && m.model.state.Current.Session == a.session)
}

// attestOffers are the two buttons of an intervention that waits.
func (m *views) attestOffers(a toAttest) []panel.Offer {
	mach, _ := m.model.rules.machine()
	return []panel.Offer{panel.OfferAttest(a.id, mach.KindName(a.kind), a.minutes), panel.OfferDecline(a.id)}
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
