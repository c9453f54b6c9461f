package daemon

import (
	"slices"

	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
)

func (v *views) view() panel.View {
	view := v.phaseView()
	view.Offers, view.Visitor = v.offers()
	if v.model.state.Current.Session != "" && v.model.state.Current.Role != policy.NoRole {
		view.Role = panel.RoleName(v.model.state.Current.Role)
	}
	return view
}

// phaseView returns the machine's state as a sign and a sentence.
func (v *views) phaseView() panel.View {
	s, c, now := v.model.state, v.model.rules.clock(), v.cfg.Now()
	s.Current.Since, s.Current.Until = v.model.toWallTime(s.Current.Since), v.model.toWallTime(s.Current.Until)
	switch s.Phase {
	case session.On:
		switch {
		case s.Current.Supervisor != "":
			return c.Supervised(
				v.model.rules.name(s.Current.Member),
				v.model.rules.name(s.Current.Supervisor),
				s.Current.Since,
				s.Current.Until,
			)
		case s.Current.Role == policy.Host:
			return c.Workshop(v.model.rules.name(s.Current.Member), s.Current.Since, s.Current.Until)
		}
		return c.On(v.model.rules.name(s.Current.Member), s.Current.Since, s.Current.Until)
	case session.EndingSoon:
		return c.Ending(now, s.Current.Until, s.Current.Limits.Extend > 0)
	case session.Finishing:
		return panel.Finishing()
	case session.Cooling:
		return v.withVouchCall(c.Cooling(now, s.Current.Until))
	case session.Awaiting:
		return panel.Awaiting(
			v.model.rules.name(s.Current.Member),
			s.Current.Since,
			s.Current.Until,
			v.decider.mentors(s.Current.Member),
		)
	case session.Maintenance:
		if s.Power.PoweredOff {
			return panel.PoweredOff(v.model.rules.name(s.Current.Member))
		}
		return panel.Maintenance(v.model.rules.name(s.Current.Member), v.model.rules.name(s.Current.Assistant))
	case session.TaggedOut:
		return c.TaggedOut(v.model.toWallTime(s.Holds.Tags[0].Since), v.reason(s.Holds.Tags[0]), s.Holds.Tags[0].Role)
	case session.Fault:
		return panel.Fault(string(s.Holds.Faults[0]))
	}
	return v.withVouchCall(v.idleView())
}

// withVouchCall adds to a view the request that a mentor present their card to vouch for a learner.
func (v *views) withVouchCall(view panel.View) panel.View {
	if p := v.model.state.VouchRequest; p.Session != "" && !p.Open {
		if mach, known := v.model.rules.machine(); known && len(mach.Vouch) > 0 {
			view.Next = panel.CallMentor(v.model.rules.name(p.Mentor), v.model.rules.name(p.Learner))
		}
	}
	return view
}

// idleView returns the view of a machine without a session. A tag, a fault or the clock may prevent a start.
func (v *views) idleView() panel.View {
	switch {
	case v.model.rules.roster == nil:
		return v.noRosterView()
	case len(v.model.state.Ledger.Pending) > 0 || v.model.state.Ledger.Broken:
		return panel.CannotRecord()
	case v.model.state.Holds.ReaderDown:
		return panel.ReaderSilent(false)
	case !v.cfg.Trusted():
		mach, known := v.model.rules.machine()
		return panel.ClockNotSet(known && mach.Pass == 0)
	}
	return panel.Ready()
}

func (v *views) refusal(t session.Notify) panel.View {
	if v.model.rules.roster == nil {
		return v.noRosterView()
	}
	if t.Member == "" {
		return panel.Unknown(v.model.unknown.shown)
	}
	said, why := v.decider.explain(t.Member, t.Decision), policy.Code("")
	if codes := t.Decision.Codes(); len(codes) > 0 {
		why = codes[0]
	}
	if why == policy.TaggedOut && v.model.state.Phase == session.TaggedOut ||
		why == policy.MachineFault && v.model.state.Phase == session.Fault {
		return v.phaseView() // the view for the machine's phase already contains the reason and the next step
	}
	switch why {
	case policy.NoBadge, policy.NeedsSupervisor, policy.NotRecent, policy.NotEnoughHours, policy.BadgeExpired:
		said.Next = panel.WithNames(said.Next, v.decider.mentors(t.Member))
	}
	if why == policy.MembershipLapsed && !slices.Contains(t.Decision.Codes(), policy.TaggedOut) {
		return panel.MembershipEnded(v.model.rules.name(t.Member), said.Fact, said.Next)
	}
	return panel.Refused(why, said.Fact, said.Next)
}

// cardRefused returns the view that answers the tap of a card that the site refuses.
func (v *views) cardRefused(d policy.Decision) panel.View {
	if v.model.rules.roster == nil {
		return v.noRosterView()
	}
	said := policy.Explain(v.model.rules.roster.Policy, v.decider.question(nil, nil, policy.NoRole), d)
	return panel.Refused(policy.CardBlocked, said.Fact, said.Next)
}
