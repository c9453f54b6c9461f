package daemon

import (
	"slices"
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
	m.followHub()
	m.expireAttests()
	m.Panel.Show(m.view())
	m.Panel.SetNote(m.footnote())
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

// siteTime is a moment in the site's time zone, as the panel shows it; before the first bundle, in this computer's.
func (m *Machine) siteTime(t time.Time) time.Time {
	if zone := m.clock().Zone; m.Roster != nil && zone != nil {
		return t.In(zone)
	}
	return t.Local()
}

func (m *Machine) view() panel.View {
	v := m.phase()
	v.Offers, v.Visitor = m.offers()
	if m.state.Session != "" && m.state.Role != policy.NoRole {
		v.Role = panel.RoleName(m.state.Role)
	}
	return v
}

// phase is the machine's state as a sign and a sentence.
func (m *Machine) phase() panel.View {
	s, c, now := m.state, m.clock(), m.Now()
	s.Since, s.Until = m.wall(s.Since), m.wall(s.Until)
	switch s.Phase {
	case session.On:
		switch {
		case s.Supervisor != "":
			return c.Supervised(m.name(s.Member), m.name(s.Supervisor), s.Since, s.Until)
		case s.Role == policy.Host:
			return c.Workshop(m.name(s.Member), s.Since, s.Until)
		}
		return c.On(m.name(s.Member), s.Since, s.Until)
	case session.EndingSoon:
		return c.Ending(now, s.Until, s.Limits.Extend > 0)
	case session.Finishing:
		return panel.Finishing()
	case session.Cooling:
		return m.calls(c.Cooling(now, s.Until))
	case session.Awaiting:
		return panel.Awaiting(m.name(s.Member), s.Since, s.Until, m.mentors(s.Member))
	case session.Maintenance:
		if s.Dark {
			return panel.PoweredOff(m.name(s.Member))
		}
		return panel.Maintenance(m.name(s.Member), m.name(s.Assistant))
	case session.TaggedOut:
		return c.TaggedOut(m.wall(s.Tags[0].Since), m.reason(s.Tags[0]), s.Tags[0].Role)
	case session.Fault:
		return panel.Fault(s.Faults[0])
	}
	return m.calls(m.idle())
}

// wall is a moment as the machine's clock has it now. Moments of this life carry the time that passes (session),
// whatever the clock is set to; where it was set since, what is shown must be counted anew. Less than a second is no
// clock that was set.
func (m *Machine) wall(t time.Time) time.Time {
	now := m.Now()
	if t.IsZero() {
		return t
	}
	if anew := now.Add(t.Sub(now)).Round(0); anew.Sub(t.Round(0)).Abs() >= time.Second {
		return anew
	}
	return t
}

// calls adds that a mentor's card is waited for.
func (m *Machine) calls(v panel.View) panel.View {
	if p := m.state.Praise; p.Session != "" && !p.Open {
		if mach, known := m.site(); known && len(mach.Vouch) > 0 {
			v.Next = panel.CallMentor(m.name(p.Mentor), m.name(p.Learner))
		}
	}
	return v
}

// idle is the view of a machine that nobody has: something may keep it from being ready.
func (m *Machine) idle() panel.View {
	switch {
	case m.Roster == nil:
		return m.withoutList()
	case len(m.state.Pending) > 0 || m.state.Broken:
		return panel.CannotRecord()
	case m.state.ReaderDown:
		return panel.ReaderSilent(false)
	case !m.Trusted():
		mach, known := m.site()
		return panel.ClockNotSet(known && mach.Pass == 0)
	}
	return panel.Ready()
}

// withoutList says why the machine has no members' list.
func (m *Machine) withoutList() panel.View {
	switch {
	case m.damagedBundle() != "":
		return panel.DamagedList()
	case m.verifiesBundle():
		return panel.VerifyingList()
	}
	return panel.NoPolicy()
}

func (m *Machine) footnote() policy.Text {
	switch {
	case m.state.Running() && m.state.ReaderDown:
		v := panel.ReaderSilent(true)
		return policy.Text{FR: v.Line.FR + ". " + v.Next.FR, EN: v.Line.EN + ". " + v.Next.EN}
	case m.state.Running() && (m.state.Broken || len(m.state.Pending) > 0):
		return panel.CannotRecord().Line
	case m.state.Running() && len(m.state.Tags) > 0:
		return panel.TagNote(m.reason(m.state.Tags[0]), m.state.Phase == session.Maintenance)
	}
	if t := m.unsignedNote(); t != (policy.Text{}) {
		return t
	}
	if t := m.journalNote(); t != (policy.Text{}) {
		return t
	}
	if m.damagedBundle() != "" && m.Roster != nil && m.Roster.Version < m.bundle.Load().Version {
		return panel.EarlierList()
	}
	if next := m.attestNext(); next != (policy.Text{}) {
		return next
	}
	if t := m.membershipNote(); t != (policy.Text{}) {
		return t
	}
	if due := m.due(); len(due) > 0 {
		mach, _ := m.site()
		return panel.MaintenanceNote(mach.KindName(due[0].Kind), due[0].Over, due[0].ByHours, due[0].Remaining)
	}
	return m.hubNote()
}

// name is what the panel calls a member, as short as the site chose; or nothing.
func (m *Machine) name(id policy.MemberID) string {
	if id == "" || m.Roster == nil {
		return ""
	}
	p, ok := m.Roster.Person(id)
	if !ok {
		return string(id)
	}
	return m.Roster.Policy.Names.Of(p.Name)
}

// tell answers whoever stands at the machine; the state shows again after a while.
func (m *Machine) tell(t session.Tell) {
	switch t.Say {
	case session.Welcome, session.Ended:
		m.Panel.EndFlash()
	case session.Denied:
		m.Panel.Flash(m.refusal(t), flash)
	case session.CardRefused:
		m.Panel.Flash(m.cardRefused(t.Decision), flash)
	case session.Occupied:
		m.Panel.Flash(panel.Occupied(m.name(t.Member)), flash/2)
	case session.Logged:
		mach, _ := m.site()
		m.Panel.Flash(panel.Logged(m.name(t.Member), mach.KindName(t.What), m.attestNext()), flash/2)
	case session.Attested:
		mach, _ := m.site()
		m.Panel.Flash(panel.Attested(m.name(t.Member), mach.KindName(t.What)), flash/2)
	case session.Thanked:
		m.Panel.Flash(panel.Thanked(m.name(t.Member), wire.Problem(t.What) == wire.Dangerous, m.state.Running()), flash/2)
	case session.Vouched:
		m.Panel.Flash(panel.Vouched(m.name(t.Member)), flash/2)
	case session.WaitOver:
		m.Panel.Flash(panel.NoMentorCame(m.name(t.Member)), flash/2)
	case session.AlreadyRead:
		m.Panel.Flash(panel.AlreadyRead(), session.Flap)
	case session.CannotRecord:
		m.Panel.Flash(panel.CannotRecord(), flash)
	}
}

func (m *Machine) refusal(t session.Tell) panel.View {
	if m.Roster == nil {
		return m.withoutList()
	}
	if t.Member == "" {
		return panel.Unknown(m.unknown.shown)
	}
	said, why := m.explain(t.Member, t.Decision), policy.Code("")
	if codes := t.Decision.Codes(); len(codes) > 0 {
		why = codes[0]
	}
	if why == policy.TaggedOut && m.state.Phase == session.TaggedOut || why == policy.MachineFault && m.state.Phase == session.Fault {
		return m.phase() // what the panel says anyway, with its reason and what to do
	}
	switch why {
	case policy.NoBadge, policy.NeedsSupervisor, policy.NotRecent, policy.NotEnoughHours, policy.BadgeExpired:
		said.Next = panel.WithNames(said.Next, m.mentors(t.Member))
	}
	if why == policy.MembershipLapsed && !slices.Contains(t.Decision.Codes(), policy.TaggedOut) {
		return panel.MembershipEnded(m.name(t.Member), said.Fact, said.Next)
	}
	return panel.Refused(why, said.Fact, said.Next)
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
	s := wire.State{Machine: m.Machine, Phase: m.state.Phase.String(), Relay: m.relay, Tagged: len(m.state.Tags) > 0,
		Left: m.remaining(), Hours: m.hours(), Journal: m.Journal.Len(), SilentScreen: m.silentScreen(),
		Format: wire.Format, Program: m.Program, Generation: m.Journal.Generation()}
	if s.Clock = "untrusted"; m.Trusted() {
		s.Clock = "trusted"
	}
	if b := m.bundle.Load(); b != nil {
		s.Disk = wire.OneLine(b.Damage, 200)
		s.BundleRefused = wire.OneLine(m.refusedBundle(), 200)
	}
	if m.hub.Overdue {
		s.UnackedSince, s.UnackedWhy = m.hub.Since, m.hub.Why
	}
	if due := m.due(); len(due) > 0 && due[0].Over {
		s.Due = due[0].Kind
	}
	if m.Keys != nil {
		s.StateKeys = m.Keys()
	}
	if m.Roster != nil {
		s.Bundle = m.Roster.Version
		s.CardKey, s.OldCardKey = m.Roster.CardKeys()
	}
	return s
}
