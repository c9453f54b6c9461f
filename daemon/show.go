package daemon

import (
	"time"

	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// flash is how long an answer stays before the panel shows the machine's state again.
const flash = 9 * time.Second

// show tells the panel and the hub where the machine stands.
func (m *Machine) show() {
	m.Panel.Show(m.view())
	m.Panel.Note(m.footnote())
	if m.Uplink != nil {
		m.Uplink.SetState(m.wireState())
	}
}

func (m *Machine) clock() panel.Clock {
	if m.Roster == nil {
		return panel.Clock{Zone: time.UTC}
	}
	return panel.Clock{Zone: m.Roster.Policy.Zone}
}

func (m *Machine) view() panel.View {
	s, c, now := m.state, m.clock(), m.Now()
	v := panel.Ready()
	switch s.Phase {
	case session.On:
		v = c.On(m.name(s.Member), s.Since, s.Until)
		if s.Supervisor != "" {
			v = c.Supervised(m.name(s.Member), m.name(s.Supervisor), s.Since, s.Until)
		}
	case session.EndingSoon:
		v = c.Ending(now, s.Until)
	case session.Finishing:
		v = panel.Finishing()
	case session.Cooling:
		v = c.Cooling(now, s.Until)
	case session.Awaiting:
		v = panel.Awaiting(m.name(s.Member), s.Since, s.Until)
	case session.Maintenance:
		v = panel.Maintenance(m.name(s.Member), m.name(s.Assistant))
	case session.TaggedOut:
		v = c.TaggedOut(s.Tags[0].Since, s.Tags[0].Reason)
	case session.Fault:
		v = panel.Fault(s.Faults[0])
	default:
		v = m.idle()
	}
	for _, r := range s.Others {
		v.Roles = append(v.Roles, panel.Choice{Role: r, Label: panel.RoleName(r)})
	}
	return v
}

// idle is the view of a machine that nobody has: something may keep it from being ready.
func (m *Machine) idle() panel.View {
	switch {
	case m.Roster == nil:
		return panel.NoPolicy()
	case len(m.state.Pending) > 0 || m.state.Broken:
		return panel.CannotRecord()
	case m.state.ReaderDown:
		return panel.Silent(false)
	}
	return panel.Ready()
}

func (m *Machine) footnote() policy.Text {
	switch {
	case m.state.Running() && m.state.ReaderDown:
		v := panel.Silent(true)
		return policy.Text{FR: v.Line.FR + ". " + v.Next.FR, EN: v.Line.EN + ". " + v.Next.EN}
	case m.state.Running() && (m.state.Broken || len(m.state.Pending) > 0):
		return panel.CannotRecord().Line
	}
	return policy.Text{}
}

// name is what the panel calls a member: the first name that the roster gives, or nothing.
func (m *Machine) name(id policy.MemberID) string {
	if id == "" || m.Roster == nil {
		return ""
	}
	p, ok := m.Roster.Person(id)
	if !ok {
		return string(id)
	}
	return p.FirstName()
}

// tell answers whoever stands at the machine; the state shows again after a while.
func (m *Machine) tell(t session.Tell) {
	switch t.Say {
	case session.Welcome, session.Ended:
		m.Panel.Settle()
	case session.Denied:
		m.Panel.Flash(m.refusal(t), flash)
	case session.Occupied:
		m.Panel.Flash(panel.Occupied(m.name(t.Member)), flash/2)
	case session.Logged:
		m.Panel.Flash(panel.Logged(m.name(t.Member), t.What), flash/2)
	case session.WaitOver:
		m.Panel.Flash(panel.NobodyCame(m.name(t.Member)), flash/2)
	case session.CannotRecord:
		m.Panel.Flash(panel.CannotRecord(), flash)
	}
}

func (m *Machine) refusal(t session.Tell) panel.View {
	if m.Roster == nil {
		return panel.NoPolicy()
	}
	if t.Member == "" {
		return panel.Unknown(m.unknown)
	}
	said := m.explain(t.Member, t.Decision)
	return panel.Refused(said.Fact, said.Next)
}

func (m *Machine) explain(id policy.MemberID, d policy.Decision) policy.Sentence {
	q := m.question(nil, nil, policy.NoRole)
	if p, ok := m.Roster.Person(id); ok {
		q.Member = p.Member
	}
	return policy.Explain(m.Roster.Policy, q, d)
}

// wireState is the machine as MQTT may know it: nothing of a person.
func (m *Machine) wireState() wire.State {
	s := wire.State{Machine: m.Machine, Phase: m.state.Phase.String(), Relay: m.relay, Tagged: len(m.state.Tags) > 0, Journal: m.Journal.Len()}
	if m.Roster != nil {
		s.Bundle = m.Roster.Version
	}
	return s
}
