package session

import (
	"slices"
	"time"

	"portillon/policy"
	"portillon/wire"
)

// step contains the intermediate state of one call of Next.
type step struct {
	state   State
	in      Input
	out     []Effect
	notices []Effect // notices for the person at the machine, which follow all other effects
}

// Next is the complete session logic: it returns the new state of the machine, and the effects to carry out, in order.
func Next(s State, in Input) (State, []Effect) {
	before := s
	// Copy the slices before changing them, because the caller may still use the state that it passed.
	s.Holds.Tags, s.Holds.Faults = slices.Clone(s.Holds.Tags), slices.Clone(s.Holds.Faults)
	s.Ledger.Pending = slices.Clone(s.Ledger.Pending)
	t := &step{state: s, in: in}
	switch e := in.Event.(type) {
	case Recorded: // this event may arrive while the daemon executes the effects of one step, so it does not end that step
		e.apply(t)
		return t.state, nil
	case RecordFailed:
		e.apply(t)
		return t.state, append(t.out, t.notices...)
	}
	t.state.Ledger.quiet, t.state.Cards.slot.asks = false, false
	t.state.Runtime.addTime(in.Now, t.state.Energised(), t.state.Activity.Busy)
	if in.Event != nil {
		in.Event.apply(t)
	}
	t.out = append(t.out, t.notices...)
	t.state.Ledger.remember(before, t.out)
	return t.state, t.out
}

func (t *step) do(e ...Effect) { t.out = append(t.out, e...) }

func (t *step) notify(x Notify) { t.notices = append(t.notices, x) }

func (e Tap) apply(t *step) {
	if e.Member == "" {
		Stranger{Decision: e.Decision, Basis: e.Basis}.apply(t)
		return
	}
	if t.state.down {
		return
	}
	e.handle(t)
	e.keepCard(t)
}

// handle processes a member's tap in the current phase.
func (e Tap) handle(t *step) {
	if t.state.recent.flaps(e.Member, t.in.Now) {
		// A fault, a tag or a full disk is more important than the tap, and the panel already shows it.
		isHeld := t.state.Phase == Fault || t.state.Phase == TaggedOut
		if !isHeld && !t.state.Ledger.Broken && len(t.state.Ledger.Pending) == 0 {
			t.notify(Notify{Notice: AlreadyRead, Member: e.Member})
		}
		return
	}
	switch t.state.Phase {
	case On, EndingSoon, Finishing:
		e.tapWhileOn(t)
	case Maintenance:
		e.inMaintenance(t)
	case Awaiting:
		e.whileAwaiting(t)
	default:
		if !e.answersVouchRequest(t) {
			t.answer(e)
		}
	}
}

// apply refuses a card that belongs to no member, and leaves the machine's state unchanged.
func (e Stranger) apply(t *step) {
	if t.state.down {
		return
	}
	if t.state.recent.isFirstRefusal("", t.in.Now) {
		body := wire.RefusedBody{Reasons: t.state.Holds.reasons(e.Decision), Role: nearestRole(e.Decision), Sealed: e.Sealed}
		body.Basis = fitBasis(e.Basis, body)
		t.record(Record{Kind: wire.Refused, Body: body})
	}
	t.notify(Notify{Notice: Denied, Decision: e.Decision})
}

// answer starts a session, or the wait for the supervisor, if the decision and the session's own rules allow it.
func (t *step) answer(e Tap) {
	switch d := e.Decision; {
	case d.Verdict == policy.Allow && t.mayStart(d.Role):
		t.state.Cards.Strength, t.state.Cards.tappedAt = e.Strength, e.At
		t.start(e.Member, "", d, e.Basis)
	case d.Verdict == policy.Await && t.mayStart(d.Role):
		t.state.recent.addTap(e.Member, t.in.Now)
		t.state.Cards.Strength, t.state.Cards.tappedAt = e.Strength, e.At
		c := &t.state.Current
		t.state.Phase, c.Member, c.Since, c.Until = Awaiting, e.Member, t.in.Now, t.in.Now.Add(AwaitFor)
	default:
		t.deny(e.Member, d, e.Basis)
	}
}

// mayStart reports whether the session's own rules allow a start, whatever the decision is: a fault stops everyone, a
// tag stops everyone except maintainers, and a start needs a role and an id.
func (t *step) mayStart(r policy.Role) bool {
	return !t.state.down && r != policy.NoRole && t.in.Session != "" &&
		len(t.state.Holds.Faults) == 0 && (len(t.state.Holds.Tags) == 0 || r == policy.Maintainer)
}

// deny tells a member the reason for their refusal, at each tap. The number of recorded refusals is limited
// (RefusedEvery, RefusedMax).
func (t *step) deny(m policy.MemberID, d policy.Decision, basis *policy.Basis) {
	if t.state.recent.isFirstRefusal(m, t.in.Now) {
		body := wire.RefusedBody{Reasons: t.state.Holds.reasons(d), Role: nearestRole(d)}
		body.Basis = fitBasis(basis, body)
		t.record(Record{Kind: wire.Refused, Member: m, Body: body})
	}
	t.notify(Notify{Notice: Denied, Member: m, Decision: d})
}

// nearestRole returns the role of a refused decision, or, if the decision has no role, the role that came nearest to
// being allowed.
func nearestRole(d policy.Decision) policy.Role {
	if o, ok := d.Nearest(); ok && d.Role == policy.NoRole {
		return o.Role
	}
	return d.Role
}

// reasons returns the decision's codes, together with the session's own reasons, which the decision does not contain.
func (h *Holds) reasons(d policy.Decision) []policy.Code {
	out := append([]policy.Code{}, d.Codes()...)
	add := func(held bool, c policy.Code) {
		if held && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	add(d.Verdict != policy.Deny && len(h.Faults) > 0, policy.MachineFault)
	add(d.Verdict != policy.Deny && len(h.Tags) > 0 && d.Role != policy.Maintainer, policy.TaggedOut)
	return out
}

func (t *step) start(m, supervisor policy.MemberID, d policy.Decision, basis *policy.Basis) {
	t.state.recent.addTap(m, t.in.Now)
	if supervisor != "" {
		t.state.recent.addTap(supervisor, t.in.Now)
	}
	c := &t.state.Current
	c.Session, c.Member, c.Supervisor, c.Assistant = t.in.Session, m, supervisor, ""
	c.Since, c.Others = t.in.Now, d.Others
	t.state.Activity.Worked, t.state.Power.PoweredOff, t.state.VouchRequest = t.in.Now, false, VouchRequest{}
	t.state.Handed = Handed{Last: t.state.Handed.Last}
	t.useDecision(d)
	body := wire.StartBody{
		Role: d.Role, Grant: d.Grant, Badges: d.Badges, Accepted: fitAccepted(d.Accepted), Supervisor: supervisor,
		MaxSeconds: int64(
			d.Limits.Max / time.Second,
		), Bundle: t.in.Bundle, Would: wouldRefuse(d), Card: proofName(t.state.Cards.Strength),
	}
	body.Basis = fitBasis(basis, body)
	// Record the start before the order to the relay, so that a session never runs unrecorded.
	t.record(Record{Kind: wire.SessionStart, Session: t.state.Current.Session, Member: m, Body: body})
	t.do(t.state.Current.relayOn(t.in.Settings))
	t.notify(Notify{Notice: Welcome, Member: m})
}

// proofName returns the word by which records state what a card has proved.
func proofName(s policy.CardStrength) string {
	if s == policy.AES {
		return "aes"
	}
	return "uid"
}

// useDecision applies the decision's role and limits to the session. Limits are measured from the start of the session,
// even after a change of role.
func (t *step) useDecision(d policy.Decision) {
	t.state.Current.Role, t.state.Current.Limits, t.state.Current.limit, t.state.Phase = d.Role, d.Limits, time.Time{}, On
	if d.Role == policy.Maintainer {
		t.state.Phase = Maintenance
	}
	if d.Limits.Max > 0 {
		t.state.Current.limit = t.state.Current.Since.Add(d.Limits.Max)
	}
	t.state.Current.Until = t.state.Current.limit
}

// wouldRefuse returns the result that the decision would have had in the mode enforce. It returns "" unless the
// machine's mode admits refused members.
func wouldRefuse(d policy.Decision) string {
	if d.Would == d.Verdict {
		return ""
	}
	s := d.Would.String()
	for i, c := range d.Codes() {
		s += [2]string{": ", " "}[min(i, 1)] + string(c)
	}
	return s
}

// relayOn returns the order that closes the relay for this session.
func (c *Current) relayOn(s Settings) Relay {
	// The guard follows this order for the whole session. If the member may become a maintainer, a job must not continue
	// without the daemon, because a maintainer may have their hands in the machine.
	maintains := c.Role == policy.Maintainer || slices.Contains(c.Others, policy.Maintainer)
	r := Relay{On: true, Cool: s.Cooldown, FinishJob: s.FinishJob && !maintains}
	if r.FinishJob {
		r.Finish = FinishMax
	}
	return r
}

// tapWhileOn ends the session at a tap of its member or supervisor. If the current job may finish, the first tap starts
// Finishing, and a second tap ends the session at once.
func (e Tap) tapWhileOn(t *step) {
	c := wire.CauseTap
	switch e.Member {
	case t.state.Current.Member:
	case t.state.Current.Supervisor:
		c = wire.CauseSupervisor
	default:
		if t.state.Current.Supervisor == "" || t.state.Phase == Finishing ||
			e.Supervising.Verdict != policy.Allow || e.Supervising.Role != t.state.Current.Role {
			t.notify(Notify{Notice: Occupied, Member: t.state.Current.Member})
			return
		}
		e.handOver(t)
		return
	}
	t.state.recent.addTap(e.Member, t.in.Now)
	if c == wire.CauseSupervisor {
		t.requestVouch(true)
	}
	if t.state.Phase == Finishing {
		t.end(c)
		return
	}
	t.endOrFinish(c)
}

func (e Tap) inMaintenance(t *step) {
	switch {
	case e.Member == t.state.Current.Member:
		t.state.recent.addTap(e.Member, t.in.Now)
		t.end(wire.CauseTap)
	case slices.Contains(e.Decision.Codes(), policy.CardBlocked):
		t.deny(e.Member, e.Decision, e.Basis)
	case e.Member == t.state.Current.Assistant:
		t.state.recent.addTap(e.Member, t.in.Now)
		t.state.Current.Assistant = ""
		t.notify(Notify{Notice: Welcome, Member: t.state.Current.Member})
	default:
		t.state.recent.addTap(e.Member, t.in.Now)
		t.state.Current.Assistant = e.Member
		body := wire.AssistBody{With: t.state.Current.Member}
		t.record(Record{Kind: wire.Assisted, Session: t.state.Current.Session, Member: e.Member, Body: body})
		t.notify(Notify{Notice: Welcome, Member: e.Member})
	}
}

func (e Tap) whileAwaiting(t *step) {
	learner := t.state.Current.Member
	switch s := e.Supervising; {
	case !t.in.Now.Before(t.state.Current.Until): // the learner's wait has expired, although no tick has ended it yet
		t.setIdlePhase()
		t.answer(e)
	case e.Member == learner:
		t.state.recent.addTap(e.Member, t.in.Now)
		t.setIdlePhase()
	case s.Verdict == policy.Allow && t.mayStart(s.Role):
		t.state.Cards.tappedAt = e.At
		t.start(learner, e.Member, s, e.SupervisingBasis)
	case e.Decision.Verdict == policy.Allow:
		t.setIdlePhase()
		t.answer(e)
	default: // the learner continues to wait for a mentor
		t.deny(e.Member, e.Decision, e.Basis)
	}
}

// handOver makes another mentor responsible for the learner, so that the first mentor may leave.
func (e Tap) handOver(t *step) {
	t.state.recent.addTap(e.Member, t.in.Now)
	from := t.state.Current.Supervisor
	t.state.Current.Supervisor = e.Member
	body := wire.HandOverBody{
		From: from, To: e.Member, Badges: e.Supervising.Badges, Accepted: fitAccepted(e.Supervising.Accepted),
	}
	body.Basis = fitBasis(e.SupervisingBasis, body)
	t.record(Record{Kind: wire.HandedOver, Session: t.state.Current.Session, Member: t.state.Current.Member, Body: body})
	t.notify(Notify{Notice: Welcome, Member: t.state.Current.Member})
}

func (e ChooseRole) apply(t *step) {
	d := e.Decision
	phase, c := t.state.Phase, &t.state.Current
	inUse := phase == On || phase == EndingSoon || phase == Maintenance && !t.state.Power.PoweredOff
	offered := t.in.Now.Sub(c.Since) < ChooseFor && d.Role != c.Role && slices.Contains(c.Others, d.Role)
	if !inUse || !offered || c.Supervisor != "" || d.Verdict != policy.Allow || !t.mayStart(d.Role) {
		t.notify(Notify{Notice: NotNow, Member: t.state.Current.Member})
		return
	}
	others := append([]policy.Role{t.state.Current.Role}, t.state.Current.Others...)
	t.state.Current.Others = slices.DeleteFunc(others, func(r policy.Role) bool { return r == d.Role })
	t.state.Current.Assistant = ""
	t.useDecision(d)
	body := wire.RoleBody{Role: d.Role, Badges: d.Badges, Accepted: fitAccepted(d.Accepted)}
	body.Basis = fitBasis(e.Basis, body)
	t.record(Record{Kind: wire.RoleChanged, Session: t.state.Current.Session, Member: t.state.Current.Member, Body: body})
	t.notify(Notify{Notice: Welcome, Member: t.state.Current.Member})
}
