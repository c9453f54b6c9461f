package session

import (
	"slices"
	"time"

	"portillon/policy"
	"portillon/wire"
)

// step is one call of Next being worked out.
type step struct {
	state   State
	in      Input
	out     []Effect
	notices []Effect // announcing comes last
}

// Next is the whole session: what the machine becomes, and what is to be done, in order.
func Next(s State, in Input) (State, []Effect) {
	before := s
	s.Holds.Tags, s.Holds.Faults, s.Ledger.Pending = slices.Clone(s.Holds.Tags), slices.Clone(s.Holds.Faults), slices.Clone(s.Ledger.Pending)
	t := &step{state: s, in: in}
	switch e := in.Event.(type) {
	case Recorded: // may come between two effects of one step, which goes on
		e.apply(t)
		return t.state, nil
	case RecordFailed:
		e.apply(t)
		return t.state, append(t.out, t.notices...)
	}
	t.state.Ledger.quiet, t.state.Cards.slot.asks = false, false
	t.state.Runtime.count(in.Now, t.state.Energised(), t.state.Activity.Busy)
	if in.Event != nil {
		in.Event.apply(t)
	}
	t.out = append(t.out, t.notices...)
	t.remember(before)
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

// handle does what a member's tap means in this phase.
func (e Tap) handle(t *step) {
	if t.state.recent.flaps(e.Member, t.in.Now) {
		// A fault, a tag or a full disk matters more, and is on the panel already.
		if t.state.Phase != Fault && t.state.Phase != TaggedOut && !t.state.Ledger.Broken && len(t.state.Ledger.Pending) == 0 {
			t.notify(Notify{Notice: AlreadyRead, Member: e.Member})
		}
		return
	}
	switch t.state.Phase {
	case On, EndingSoon, Finishing:
		e.whileOn(t)
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

// apply changes nothing, whatever runs: a card that nobody has is refused.
func (e Stranger) apply(t *step) {
	if t.state.down {
		return
	}
	if t.state.recent.isFirstRefusal("", t.in.Now) {
		body := wire.RefusedBody{Reasons: t.state.Holds.reasons(e.Decision), Role: nearestRole(e.Decision), Sealed: e.Sealed}
		body.Basis = fit(e.Basis, body)
		t.record(Record{Kind: wire.Refused, Body: body})
	}
	t.notify(Notify{Notice: Denied, Decision: e.Decision})
}

// answer begins a session, or a wait for the supervisor, where the decision and the session's own rules allow it.
func (t *step) answer(e Tap) {
	switch d := e.Decision; {
	case d.Verdict == policy.Allow && t.mayStart(d.Role):
		t.state.Cards.Strength, t.state.Cards.tappedAt = e.Strength, e.At
		t.start(e.Member, "", d, e.Basis)
	case d.Verdict == policy.Await && t.mayStart(d.Role):
		t.state.recent.acted(e.Member, t.in.Now)
		t.state.Cards.Strength, t.state.Cards.tappedAt = e.Strength, e.At
		t.state.Phase, t.state.Current.Member, t.state.Current.Since, t.state.Current.Until = Awaiting, e.Member, t.in.Now, t.in.Now.Add(AwaitFor)
	default:
		t.deny(e.Member, d, e.Basis)
	}
}

// mayStart is the session's own refusal, whatever the decision says: a fault holds everyone, a tag all but maintainers,
// and a start without a role or an id is none.
func (t *step) mayStart(r policy.Role) bool {
	return !t.state.down && r != policy.NoRole && t.in.Session != "" &&
		len(t.state.Holds.Faults) == 0 && (len(t.state.Holds.Tags) == 0 || r == policy.Maintainer)
}

// deny tells a member why not, each time; it is written down now and then.
func (t *step) deny(m policy.MemberID, d policy.Decision, basis *policy.Basis) {
	if t.state.recent.isFirstRefusal(m, t.in.Now) {
		body := wire.RefusedBody{Reasons: t.state.Holds.reasons(d), Role: nearestRole(d)}
		body.Basis = fit(basis, body)
		t.record(Record{Kind: wire.Refused, Member: m, Body: body})
	}
	t.notify(Notify{Notice: Denied, Member: m, Decision: d})
}

// nearestRole is the role of a refused decision, or the one that came nearest.
func nearestRole(d policy.Decision) policy.Role {
	if o, ok := d.Nearest(); ok && d.Role == policy.NoRole {
		return o.Role
	}
	return d.Role
}

// reasons are the decision's, with those of the session's own refusal where the decision did not know of them.
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
	t.state.recent.acted(m, t.in.Now)
	if supervisor != "" {
		t.state.recent.acted(supervisor, t.in.Now)
	}
	t.state.Current.Session, t.state.Current.Member, t.state.Current.Supervisor, t.state.Current.Assistant, t.state.Current.Others = t.in.Session, m, supervisor, "", d.Others
	t.state.Current.Since, t.state.Activity.Worked, t.state.Power.PoweredOff, t.state.VouchRequest = t.in.Now, t.in.Now, false, VouchRequest{}
	t.state.Handed = Handed{Last: t.state.Handed.Last}
	t.take(d)
	body := wire.StartBody{
		Role: d.Role, Grant: d.Grant, Badges: d.Badges, Accepted: fitAccepted(d.Accepted), Supervisor: supervisor,
		MaxSeconds: int64(d.Limits.Max / time.Second), Bundle: t.in.Bundle, Would: would(d), Card: proof(t.state.Cards.Strength),
	}
	body.Basis = fit(basis, body)
	// The record comes before the order to the relay: a session that is not on record never runs.
	t.record(Record{Kind: wire.SessionStart, Session: t.state.Current.Session, Member: m, Body: body})
	t.do(t.state.Current.relayOn(t.in.Settings))
	t.notify(Notify{Notice: Welcome, Member: m})
}

// proof is what the card proved, as records name it.
func proof(s policy.CardStrength) string {
	if s == policy.AES {
		return "aes"
	}
	return "uid"
}

// take makes the decision's role and limits those of the session. Limits count from its start, whichever role it began
// in.
func (t *step) take(d policy.Decision) {
	t.state.Current.Role, t.state.Current.Limits, t.state.Current.limit, t.state.Phase = d.Role, d.Limits, time.Time{}, On
	if d.Role == policy.Maintainer {
		t.state.Phase = Maintenance
	}
	if d.Limits.Max > 0 {
		t.state.Current.limit = t.state.Current.Since.Add(d.Limits.Max)
	}
	t.state.Current.Until = t.state.Current.limit
}

// would is what enforcement would have answered where the machine's mode lets members in regardless; else it is empty.
func would(d policy.Decision) string {
	if d.Would == d.Verdict {
		return ""
	}
	s := d.Would.String()
	for i, c := range d.Codes() {
		s += [2]string{": ", " "}[min(i, 1)] + string(c)
	}
	return s
}

// relayOn is the order that closes the relay for this session.
func (c *Current) relayOn(s Settings) Relay {
	// The guard keeps what it is told here for the whole session: a job must not go on alone while the member may have
	// become a maintainer, whose hands are in the machine.
	maintains := c.Role == policy.Maintainer || slices.Contains(c.Others, policy.Maintainer)
	r := Relay{On: true, Cool: s.Cooldown, FinishJob: s.FinishJob && !maintains}
	if r.FinishJob {
		r.Finish = FinishMax
	}
	return r
}

// whileOn ends the session for those whose it is. Where the job under way is to be finished, that is the first tap;
// a second one, in Finishing, ends it there and then.
func (e Tap) whileOn(t *step) {
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
	t.state.recent.acted(e.Member, t.in.Now)
	if c == wire.CauseSupervisor {
		t.askVouch(true)
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
		t.state.recent.acted(e.Member, t.in.Now)
		t.end(wire.CauseTap)
	case slices.Contains(e.Decision.Codes(), policy.CardBlocked):
		t.deny(e.Member, e.Decision, e.Basis)
	case e.Member == t.state.Current.Assistant:
		t.state.recent.acted(e.Member, t.in.Now)
		t.state.Current.Assistant = ""
		t.notify(Notify{Notice: Welcome, Member: t.state.Current.Member})
	default:
		t.state.recent.acted(e.Member, t.in.Now)
		t.state.Current.Assistant = e.Member
		body := wire.AssistBody{With: t.state.Current.Member}
		t.record(Record{Kind: wire.Assisted, Session: t.state.Current.Session, Member: e.Member, Body: body})
		t.notify(Notify{Notice: Welcome, Member: e.Member})
	}
}

func (e Tap) whileAwaiting(t *step) {
	learner := t.state.Current.Member
	switch s := e.Supervising; {
	case !t.in.Now.Before(t.state.Current.Until): // the wait was over before the tick that says so
		t.rest()
		t.answer(e)
	case e.Member == learner:
		t.state.recent.acted(e.Member, t.in.Now)
		t.rest()
	case s.Verdict == policy.Allow && t.mayStart(s.Role):
		t.state.Cards.tappedAt = e.At
		t.start(learner, e.Member, s, e.SupervisingBasis)
	case e.Decision.Verdict == policy.Allow:
		t.rest()
		t.answer(e)
	default: // the learner goes on waiting
		t.deny(e.Member, e.Decision, e.Basis)
	}
}

// handOver has another mentor answer for the learner from now on; the first one may go.
func (e Tap) handOver(t *step) {
	t.state.recent.acted(e.Member, t.in.Now)
	from := t.state.Current.Supervisor
	t.state.Current.Supervisor = e.Member
	body := wire.HandOverBody{
		From: from, To: e.Member, Badges: e.Supervising.Badges, Accepted: fitAccepted(e.Supervising.Accepted),
	}
	body.Basis = fit(e.SupervisingBasis, body)
	t.record(Record{Kind: wire.HandedOver, Session: t.state.Current.Session, Member: t.state.Current.Member, Body: body})
	t.notify(Notify{Notice: Welcome, Member: t.state.Current.Member})
}

func (e ChooseRole) apply(t *step) {
	d := e.Decision
	inUse := t.state.Phase == On || t.state.Phase == EndingSoon || t.state.Phase == Maintenance && !t.state.Power.PoweredOff
	offered := t.in.Now.Sub(t.state.Current.Since) < ChooseFor && d.Role != t.state.Current.Role && slices.Contains(t.state.Current.Others, d.Role)
	if !inUse || !offered || t.state.Current.Supervisor != "" || d.Verdict != policy.Allow || !t.mayStart(d.Role) {
		t.notify(Notify{Notice: NotNow, Member: t.state.Current.Member})
		return
	}
	others := append([]policy.Role{t.state.Current.Role}, t.state.Current.Others...)
	t.state.Current.Others = slices.DeleteFunc(others, func(r policy.Role) bool { return r == d.Role })
	t.state.Current.Assistant = ""
	t.take(d)
	body := wire.RoleBody{Role: d.Role, Badges: d.Badges, Accepted: fitAccepted(d.Accepted)}
	body.Basis = fit(e.Basis, body)
	t.record(Record{Kind: wire.RoleChanged, Session: t.state.Current.Session, Member: t.state.Current.Member, Body: body})
	t.notify(Notify{Notice: Welcome, Member: t.state.Current.Member})
}
