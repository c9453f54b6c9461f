package daemon

import (
	"context"
	"slices"

	"portillon/daemon/panel"
	"portillon/daemon/roster"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/rfid"
)

// refused finds a card that the site refuses.
func (m *rules) refused(uid rfid.UID) (roster.RefusedCard, bool) {
	if m.roster == nil {
		return roster.RefusedCard{}, false
	}
	return m.roster.Refused(uid)
}

// refuseCard answers a card that the site refuses. Whoever holds it learns nothing but that, and stands at the
// machine as nobody.
func (m *engine) refuseCard(ctx context.Context, c roster.RefusedCard, card policy.CardStrength) {
	q := m.decider.question(c.Person.Member, nil, policy.NoRole)
	q.Card, q.CardState = card, c.State
	m.model.presence.leave()
	before := m.cfg.Journal.Len()
	d, basis := m.decider.judge(q)
	m.apply(ctx, session.RefusedCard{Member: c.Person.Member.ID, State: c.State, Since: c.Since, Decision: d, Basis: basis})
	if c.State.Alerts() && m.cfg.Journal.Len() > before {
		m.cfg.Logger.Warn("refused card tapped", "state", c.State.String(), "member", c.Person.Member.ID)
	}
}

// cardRefused is what the panel says of it.
func (m *views) cardRefused(d policy.Decision) panel.View {
	if m.model.rules.roster == nil {
		return m.withoutList()
	}
	said := policy.Explain(m.model.rules.roster.Policy, m.decider.question(nil, nil, policy.NoRole), d)
	return panel.Refused(policy.CardBlocked, said.Fact, said.Next)
}

// usesRefusedCard reports whether one of the cards that the session under way rests on has been lost or blocked
// since.
func (m *model) usesRefusedCard() bool {
	return slices.ContainsFunc(m.state.CardsInUse(), func(card rfid.UID) bool {
		c, refused := m.rules.refused(card)
		return refused && c.State.Alerts()
	})
}

// membershipNote tells the member whose session runs that their membership ends soon, or has ended. Empty: there
// is nothing to tell.
func (m *views) membershipNote() policy.Text {
	if !m.model.state.Running() {
		return policy.Text{}
	}
	p, known := m.model.rules.person(m.model.state.Current.Member)
	if !known {
		return policy.Text{}
	}
	rule, zone, c := m.model.rules.roster.Policy.Membership, m.model.rules.roster.Policy.Zone, m.model.rules.clock()
	switch state, last := m.model.rules.roster.Policy.MembershipOf(m.decider.question(p.Member, nil, policy.NoRole)); state {
	case policy.EndsSoon:
		return c.MembershipUntil(last.Noon(zone))
	case policy.InGrace:
		return c.MembershipOver(last.Noon(zone), rule.LastUse(last).Noon(zone))
	case policy.HasLapsed:
		return c.MembershipLapsed(last.Noon(zone))
	}
	return policy.Text{}
}
