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
func (m *engine) show() {
	m.followHub()
	m.model.expireAttests()
	m.cfg.Panel.Show(m.views.view())
	m.cfg.Panel.SetNote(m.views.footnote())
	if m.cfg.Uplink != nil {
		m.cfg.Uplink.SetState(m.views.wireState())
	}
}

func (m *rules) clock() panel.Clock {
	if m.roster == nil {
		return panel.Clock{Zone: time.UTC}
	}
	return panel.Clock{Zone: m.roster.Policy.Zone}
}

// siteTime is a moment in the site's time zone, as the panel shows it; before the first bundle, in this computer's.
func (m *rules) siteTime(t time.Time) time.Time {
	if zone := m.clock().Zone; m.roster != nil && zone != nil {
		return t.In(zone)
	}
	return t.Local()
}

func (m *views) view() panel.View {
	v := m.phaseView()
	v.Offers, v.Visitor = m.offers()
	if m.model.state.Current.Session != "" && m.model.state.Current.Role != policy.NoRole {
		v.Role = panel.RoleName(m.model.state.Current.Role)
	}
	return v
}

// phaseView is the machine's state as a sign and a sentence.
func (m *views) phaseView() panel.View {
	s, c, now := m.model.state, m.model.rules.clock(), m.cfg.Now()
	s.Current.Since, s.Current.Until = m.model.wall(s.Current.Since), m.model.wall(s.Current.Until)
	switch s.Phase {
	case session.On:
		switch {
		case s.Current.Supervisor != "":
			return c.Supervised(m.model.rules.name(s.Current.Member), m.model.rules.name(s.Current.Supervisor), s.Current.Since, s.Current.Until)
		case s.Current.Role == policy.Host:
			return c.Workshop(m.model.rules.name(s.Current.Member), s.Current.Since, s.Current.Until)
		}
		return c.On(m.model.rules.name(s.Current.Member), s.Current.Since, s.Current.Until)
	case session.EndingSoon:
		return c.Ending(now, s.Current.Until, s.Current.Limits.Extend > 0)
	case session.Finishing:
		return panel.Finishing()
	case session.Cooling:
		return m.withVouchCall(c.Cooling(now, s.Current.Until))
	case session.Awaiting:
		return panel.Awaiting(m.model.rules.name(s.Current.Member), s.Current.Since, s.Current.Until, m.decider.mentors(s.Current.Member))
	case session.Maintenance:
		if s.Power.PoweredOff {
			return panel.PoweredOff(m.model.rules.name(s.Current.Member))
		}
		return panel.Maintenance(m.model.rules.name(s.Current.Member), m.model.rules.name(s.Current.Assistant))
	case session.TaggedOut:
		return c.TaggedOut(m.model.wall(s.Holds.Tags[0].Since), m.reason(s.Holds.Tags[0]), s.Holds.Tags[0].Role)
	case session.Fault:
		return panel.Fault(string(s.Holds.Faults[0]))
	}
	return m.withVouchCall(m.idleView())
}

// wall is a moment as the machine's clock has it now. Moments of this life carry the time that passes (session),
// whatever the clock is set to; where it was set since, what is shown must be counted anew. Less than a second is no
// clock that was set.
func (m *model) wall(t time.Time) time.Time {
	now := m.cfg.Now()
	if t.IsZero() {
		return t
	}
	if anew := now.Add(t.Sub(now)).Round(0); anew.Sub(t.Round(0)).Abs() >= time.Second {
		return anew
	}
	return t
}

// withVouchCall adds that a mentor's card is waited for.
func (m *views) withVouchCall(v panel.View) panel.View {
	if p := m.model.state.VouchRequest; p.Session != "" && !p.Open {
		if mach, known := m.model.rules.machine(); known && len(mach.Vouch) > 0 {
			v.Next = panel.CallMentor(m.model.rules.name(p.Mentor), m.model.rules.name(p.Learner))
		}
	}
	return v
}

// idleView is the view of a machine that nobody has: something may keep it from being ready.
func (m *views) idleView() panel.View {
	switch {
	case m.model.rules.roster == nil:
		return m.withoutList()
	case len(m.model.state.Ledger.Pending) > 0 || m.model.state.Ledger.Broken:
		return panel.CannotRecord()
	case m.model.state.Holds.ReaderDown:
		return panel.ReaderSilent(false)
	case !m.cfg.Trusted():
		mach, known := m.model.rules.machine()
		return panel.ClockNotSet(known && mach.Pass == 0)
	}
	return panel.Ready()
}

// withoutList says why the machine has no members' list.
func (m *views) withoutList() panel.View {
	switch {
	case m.model.links.damagedBundle() != "":
		return panel.DamagedList()
	case m.model.links.verifiesBundle():
		return panel.VerifyingList()
	}
	return panel.NoPolicy()
}

func (m *views) footnote() policy.Text {
	switch {
	case m.model.state.Running() && m.model.state.Holds.ReaderDown:
		v := panel.ReaderSilent(true)
		return policy.Text{FR: v.Line.FR + ". " + v.Next.FR, EN: v.Line.EN + ". " + v.Next.EN}
	case m.model.state.Running() && (m.model.state.Ledger.Broken || len(m.model.state.Ledger.Pending) > 0):
		return panel.CannotRecord().Line
	case m.model.state.Running() && len(m.model.state.Holds.Tags) > 0:
		return panel.TagNote(m.reason(m.model.state.Holds.Tags[0]), m.model.state.Phase == session.Maintenance)
	}
	if t := m.unsignedNote(); t != (policy.Text{}) {
		return t
	}
	if t := m.journalNote(); t != (policy.Text{}) {
		return t
	}
	if m.model.links.damagedBundle() != "" && m.model.rules.roster != nil && m.model.rules.roster.Version < m.model.links.bundle.Load().Version {
		return panel.EarlierList()
	}
	if next := m.attestNext(); next != (policy.Text{}) {
		return next
	}
	if t := m.membershipNote(); t != (policy.Text{}) {
		return t
	}
	if due := m.model.due(); len(due) > 0 {
		mach, _ := m.model.rules.machine()
		return panel.MaintenanceNote(mach.KindName(due[0].Kind), due[0].Over, due[0].ByHours, due[0].Remaining)
	}
	return m.hubNote()
}

// name is what the panel calls a member, as short as the site chose; or nothing.
func (m *rules) name(id policy.MemberID) string {
	if id == "" || m.roster == nil {
		return ""
	}
	p, ok := m.roster.Person(id)
	if !ok {
		return string(id)
	}
	return m.roster.Policy.Names.Of(p.Name)
}

// tell answers whoever stands at the machine; the state shows again after a while.
func (m *engine) flashResult(t session.Notify) {
	switch t.Notice {
	case session.Ended:
		if t.Role == policy.Maintainer { // who has read of the danger that was reported unsigned
			m.model.forms.dangerAt = time.Time{}
		}
		m.cfg.Panel.EndFlash()
	case session.Welcome:
		m.cfg.Panel.EndFlash()
	case session.Denied:
		m.cfg.Panel.Flash(m.views.refusal(t), flash)
	case session.CardRefused:
		m.cfg.Panel.Flash(m.views.cardRefused(t.Decision), flash)
	case session.Occupied:
		m.cfg.Panel.Flash(panel.Occupied(m.model.rules.name(t.Member)), flash/2)
	case session.Logged:
		mach, _ := m.model.rules.machine()
		m.cfg.Panel.Flash(panel.Logged(m.model.rules.name(t.Member), mach.KindName(t.What), m.views.attestNext()), flash/2)
	case session.Attested:
		mach, _ := m.model.rules.machine()
		m.cfg.Panel.Flash(panel.Attested(m.model.rules.name(t.Member), mach.KindName(t.What)), flash/2)
	case session.Thanked:
		m.cfg.Panel.Flash(panel.Thanked(m.model.rules.name(t.Member), wire.Problem(t.What) == wire.Dangerous, m.model.state.Running()), flash/2)
	case session.Vouched:
		m.cfg.Panel.Flash(panel.Vouched(m.model.rules.name(t.Member)), flash/2)
	case session.WaitOver:
		m.cfg.Panel.Flash(panel.NoMentorCame(m.model.rules.name(t.Member)), flash/2)
	case session.AlreadyRead:
		m.cfg.Panel.Flash(panel.AlreadyRead(), session.Flap)
	case session.CannotRecord:
		m.cfg.Panel.Flash(panel.CannotRecord(), flash)
	}
}

func (m *views) refusal(t session.Notify) panel.View {
	if m.model.rules.roster == nil {
		return m.withoutList()
	}
	if t.Member == "" {
		return panel.Unknown(m.model.unknown.shown)
	}
	said, why := m.decider.explain(t.Member, t.Decision), policy.Code("")
	if codes := t.Decision.Codes(); len(codes) > 0 {
		why = codes[0]
	}
	if why == policy.TaggedOut && m.model.state.Phase == session.TaggedOut || why == policy.MachineFault && m.model.state.Phase == session.Fault {
		return m.phaseView() // what the panel says anyway, with its reason and what to do
	}
	switch why {
	case policy.NoBadge, policy.NeedsSupervisor, policy.NotRecent, policy.NotEnoughHours, policy.BadgeExpired:
		said.Next = panel.WithNames(said.Next, m.decider.mentors(t.Member))
	}
	if why == policy.MembershipLapsed && !slices.Contains(t.Decision.Codes(), policy.TaggedOut) {
		return panel.MembershipEnded(m.model.rules.name(t.Member), said.Fact, said.Next)
	}
	return panel.Refused(why, said.Fact, said.Next)
}

// wireState is the machine as MQTT may know it: nothing of a person.
func (m *views) wireState() wire.State {
	s := wire.State{Machine: m.cfg.Machine, Phase: m.model.state.Phase.String(), Relay: m.model.relay, Tagged: len(m.model.state.Holds.Tags) > 0,
		Left: m.model.remaining(), Hours: m.model.hours(), Journal: m.cfg.Journal.Len(), SilentScreen: m.silentScreen(),
		Format: wire.Format, Program: m.cfg.Program, Generation: m.cfg.Journal.Generation()}
	if s.Clock = "untrusted"; m.cfg.Trusted() {
		s.Clock = "trusted"
	}
	if b := m.model.links.bundle.Load(); b != nil {
		s.Disk = wire.OneLine(b.Damage, 200)
		s.BundleRefused = wire.OneLine(m.model.links.refusedBundle(), 200)
	}
	if m.model.links.hub.Overdue {
		s.UnackedSince, s.UnackedWhy = m.model.links.hub.Since, m.model.links.hub.Why
	}
	if due := m.model.due(); len(due) > 0 && due[0].Over {
		s.Due = due[0].Kind
	}
	if m.cfg.Keys != nil {
		s.StateKeys = m.cfg.Keys()
	}
	if m.model.rules.roster != nil {
		s.Bundle = m.model.rules.roster.Version
		s.CardKey, s.OldCardKey = m.model.rules.roster.CardKeys()
	}
	return s
}
