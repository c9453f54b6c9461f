package daemon

import (
	"context"
	"slices"
	"time"

	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// Attestations: where the policy's evidence is endorsed at-the-time, the maintainer in whose session an intervention
// was logged confirms it with one touch at the machine's own screen, within a minute of their own tap. The intervention
// is on record either way, and a maintainer who sends the form themself has confirmed it by that. What nobody confirms
// until ten minutes after the session stays unconfirmed; so does what waits when the daemon ends.

// attestsMost bounds what waits: more interventions of two sessions than a small screen offers kinds (file.MaxItems).
const attestsMost = 32

// toAttest is an intervention on record that waits for its endorser.
type toAttest struct {
	id           string // wire.InterventionBody.ID
	session      string
	by, endorser policy.MemberID
	kind         string
	minutes      int
	ends         time.Time
	asked        bool // the endorser's card was presented since
}

// attestID is a fresh id for an intervention of this kind, where the policy asks its endorser to confirm it; else
// empty.
func (m *Machine) attestID(kind string) string {
	if m.cfg.Roster == nil || !m.cfg.Roster.Policy.AsksToAttest(m.cfg.Machine, kind) {
		return ""
	}
	return m.cfg.NewID()
}

// askToAttest has an intervention that is on the disk now wait for its endorser.
func (m *Machine) askToAttest(r session.Record, b wire.InterventionBody) {
	if b.ID == "" || b.Attested || b.Endorser == "" || b.Endorser == r.Member {
		return
	}
	m.expireAttests()
	if len(m.attests) >= attestsMost {
		m.cfg.Logger.Warn("endorser not asked: too many interventions wait", "kind", b.What, "member", r.Member)
		return
	}
	m.attests = append(m.attests, toAttest{id: b.ID, session: r.Session, by: r.Member, endorser: b.Endorser, kind: b.What, minutes: b.Minutes, ends: m.cfg.Now().Add(formLife)})
}

// expireAttests drops what has waited for longer than formLife after the end of its session.
func (m *Machine) expireAttests() {
	now := m.cfg.Now()
	for i, a := range m.attests {
		if m.state.Running() && m.state.Current.Session == a.session {
			m.attests[i].ends = now.Add(formLife)
		}
	}
	m.attests = slices.DeleteFunc(m.attests, func(a toAttest) bool {
		if now.Before(a.ends) {
			return false
		}
		m.cfg.Logger.Warn("intervention was not endorsed in time", "kind", a.kind, "member", a.by, "endorser", a.endorser)
		return true
	})
}

// toAttest is the oldest intervention that waits for this member.
func (m *Machine) toAttest(id policy.MemberID) (toAttest, bool) {
	i := slices.IndexFunc(m.attests, func(a toAttest) bool { return id != "" && a.endorser == id && m.cfg.Now().Before(a.ends) })
	if i < 0 {
		return toAttest{}, false
	}
	return m.attests[i], true
}

// asksToAttest reports whether this card is the endorser's first since something waits for them: it only asks them
// about it.
func (m *Machine) asksToAttest(id policy.MemberID) bool {
	first := false
	for i, a := range m.attests {
		if a.endorser == id && !a.asked && m.cfg.Now().Before(a.ends) {
			m.attests[i].asked, first = true, true
		}
	}
	return first && m.state.Phase != session.Awaiting // whoever waits for a mentor has a minute
}

// attest writes down that an endorser, who stands at the machine and touched "endorse", confirms an intervention.
func (m *Machine) attest(ctx context.Context, id string, who policy.MemberID) error {
	a, ok := m.awaits(id, who)
	if !ok {
		return panel.NotNow
	}
	n := m.cfg.Journal.Len()
	m.step(ctx, session.Attest{By: who, Session: a.session, Intervention: a.id, What: a.kind})
	if err := m.saved(n); err != nil {
		return err
	}
	m.removeAttest(id)
	m.show()
	return nil
}

// decline drops the question: the intervention stays on record, unconfirmed.
func (m *Machine) decline(id string, who policy.MemberID) error {
	a, ok := m.awaits(id, who)
	if !ok {
		return panel.NotNow
	}
	m.removeAttest(id)
	m.cfg.Logger.Warn("endorser declined an intervention", "kind", a.kind, "member", a.by, "endorser", who)
	m.show()
	return nil
}

// awaits is the intervention of that id, where it waits for this member.
func (m *Machine) awaits(id string, who policy.MemberID) (toAttest, bool) {
	m.expireAttests()
	i := slices.IndexFunc(m.attests, func(a toAttest) bool { return a.id == id && a.endorser == who })
	if i < 0 {
		return toAttest{}, false
	}
	return m.attests[i], true
}

func (m *Machine) removeAttest(id string) {
	m.attests = slices.DeleteFunc(m.attests, func(a toAttest) bool { return a.id == id })
}

// attestNext says whose card is wanted for what waits; empty: nothing waits. While the session runs that card ends it.
func (m *Machine) attestNext() policy.Text {
	if len(m.attests) == 0 {
		return policy.Text{}
	}
	a := m.attests[0]
	return panel.WaitsForEndorser(m.name(a.endorser), m.state.Running() && m.state.Current.Session == a.session)
}

// attestOffers are the two buttons of an intervention that waits.
func (m *Machine) attestOffers(a toAttest) []panel.Offer {
	mach, _ := m.site()
	return []panel.Offer{panel.OfferAttest(a.id, mach.KindName(a.kind), a.minutes), panel.OfferDecline(a.id)}
}

// longest is how many minutes the session of a form has lasted, rounded up: no work in it took longer.
func (m *Machine) longest(f form) int {
	until := f.started // the session was under way, or over, when the form was opened
	switch f.session {
	case m.state.Current.Session:
		until = m.cfg.Now()
	case m.state.Handed.Last.Session:
		until = m.state.Handed.Last.Ended
	}
	return max(1, int((until.Sub(f.since)+time.Minute-1)/time.Minute))
}
