package session

import (
	"slices"
	"time"

	"portillon/policy"
	"portillon/wire"
)

// step is one call of Next being worked out.
type step struct {
	State
	in   Input
	out  []Effect
	told []Effect // announcing comes last
}

// Next is the whole session: what the machine becomes, and what is to be done, in order.
func Next(s State, in Input) (State, []Effect) {
	before := s
	s.Tags, s.Faults, s.Pending = slices.Clone(s.Tags), slices.Clone(s.Faults), slices.Clone(s.Pending)
	t := &step{State: s, in: in}
	switch e := in.Event.(type) {
	case Recorded: // the corridor may say so between two effects of one step, which goes on
		t.Broken = len(t.Pending) > 0
		return t.State, nil
	case RecordFailed:
		t.recordFailed(e.Record)
		return t.State, append(t.out, t.told...)
	}
	t.quiet = false
	t.count()
	t.event()
	t.out = append(t.out, t.told...)
	t.remember(before)
	return t.State, t.out
}

func (t *step) event() {
	switch e := t.in.Event.(type) {
	case Tap:
		t.tap(e)
	case Away:
		t.away(e.Member)
	case Stranger:
		t.stranger(e)
	case RefusedCard:
		t.refuseCard(e)
	case ChooseRole:
		t.chooseRole(e)
	case Log:
		t.log(e)
	case Attest:
		t.attest(e)
	case Extend:
		t.extend(e.Decision)
	case PowerOff:
		t.powerOff(e.By)
	case Report:
		t.report(e)
	case Vouch:
		t.vouch(e)
	case AddTag:
		t.addTag(e)
	case RemoveTag:
		t.removeTag(e)
	case Stop:
		t.stop(e)
	case Busy:
		t.busy(e.Working)
	case Broke:
		t.broke(e)
	case Mended:
		t.mended(e)
	case Reader:
		t.reader(e)
	case Tick:
		t.tick()
	case Shutdown:
		t.shutdown()
	}
}

func (t *step) do(e ...Effect) { t.out = append(t.out, e...) }

func (t *step) tell(x Tell) { t.told = append(t.told, x) }

func (t *step) tap(e Tap) {
	if e.Member == "" {
		t.stranger(Stranger{Decision: e.Decision, Basis: e.Basis})
		return
	}
	if t.down {
		return
	}
	if t.flaps(e.Member) {
		// A fault, a tag or a full disk matters more, and is on the panel already.
		if t.Phase != Fault && t.Phase != TaggedOut && !t.Broken && len(t.Pending) == 0 {
			t.tell(Tell{Say: AlreadyRead, Member: e.Member})
		}
		return
	}
	switch t.Phase {
	case On, EndingSoon, Finishing:
		t.tapWhileOn(e)
	case Maintenance:
		t.tapInMaintenance(e)
	case Awaiting:
		t.tapWhileAwaiting(e)
	default:
		if !t.praised(e) {
			t.answer(e)
		}
	}
}

// away ends the session whose card stood in the slot.
func (t *step) away(m policy.MemberID) {
	c := wire.CauseTap
	if t.Supervisor != "" {
		c = wire.CauseSupervisor
	}
	if !t.Running() || t.Phase == Finishing || m != "" && m != t.Holder() {
		return
	}
	t.taps = [3]tapped{} // whoever puts a card back at once means it
	t.endOrFinish(c)
}

// stranger changes nothing, whatever runs: a card that nobody has is refused.
func (t *step) stranger(e Stranger) {
	if t.down {
		return
	}
	if t.refusedAnew("") {
		body := wire.RefusedBody{Reasons: t.reasons(e.Decision), Role: nearestRole(e.Decision), Sealed: e.Sealed}
		body.Basis = fit(e.Basis, body)
		t.record(Record{Kind: wire.Refused, Body: body})
	}
	t.tell(Tell{Say: Denied, Decision: e.Decision})
}

// acted notes whose tap was acted on. The last few are kept: a learner's card and the mentor's may flap together.
func (t *step) acted(m policy.MemberID) {
	old := t.taps
	t.taps[0] = tapped{m, t.in.Now}
	for i, n := 0, 1; i < len(old) && n < len(t.taps); i++ {
		if old[i].by != m {
			t.taps[n] = old[i]
			n++
		}
	}
}

func (t *step) flaps(m policy.MemberID) bool {
	for _, x := range t.taps {
		if x.by == m && t.in.Now.Sub(x.at) < Flap {
			return true
		}
	}
	return false
}

func (t *step) answer(e Tap) {
	switch d := e.Decision; {
	case d.Verdict == policy.Allow && t.mayStart(d.Role):
		t.card = e.Card
		t.start(e.Member, "", d, e.Basis)
	case d.Verdict == policy.Await && t.mayStart(d.Role):
		t.acted(e.Member)
		t.card = e.Card
		t.Phase, t.Member, t.Since, t.Until = Awaiting, e.Member, t.in.Now, t.in.Now.Add(AwaitFor)
	default:
		t.deny(e.Member, d, e.Basis)
	}
}

// mayStart is the session's own refusal, whatever the decision says: a fault holds everyone, a tag all but maintainers,
// and a start without a role or an id is none.
func (t *step) mayStart(r policy.Role) bool {
	return !t.down && r != policy.NoRole && t.in.Session != "" &&
		len(t.Faults) == 0 && (len(t.Tags) == 0 || r == policy.Maintainer)
}

// deny tells a member why not, each time; it is written down now and then.
func (t *step) deny(m policy.MemberID, d policy.Decision, basis *policy.Basis) {
	if t.refusedAnew(m) {
		body := wire.RefusedBody{Reasons: t.reasons(d), Role: nearestRole(d)}
		body.Basis = fit(basis, body)
		t.record(Record{Kind: wire.Refused, Member: m, Body: body})
	}
	t.tell(Tell{Say: Denied, Member: m, Decision: d})
}

// nearestRole is the role of a refused decision, or the one that came nearest.
func nearestRole(d policy.Decision) policy.Role {
	if o, ok := d.Nearest(); ok && d.Role == policy.NoRole {
		return o.Role
	}
	return d.Role
}

// refusedAnew reports whether a refusal of m is to be written down, and notes that it is: not one just after another of
// the same member, nor one for whom there is no room.
func (t *step) refusedAnew(m policy.MemberID) bool {
	return t.anew(t.refused[:], RefusedEvery, m)
}

// reasons are the decision's, with those of the session's own refusal where the decision did not know of them.
func (t *step) reasons(d policy.Decision) []policy.Code {
	out := append([]policy.Code{}, d.Codes()...)
	add := func(held bool, c policy.Code) {
		if held && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	add(d.Verdict != policy.Deny && len(t.Faults) > 0, policy.MachineFault)
	add(d.Verdict != policy.Deny && len(t.Tags) > 0 && d.Role != policy.Maintainer, policy.TaggedOut)
	return out
}

func (t *step) start(m, supervisor policy.MemberID, d policy.Decision, basis *policy.Basis) {
	t.acted(m)
	if supervisor != "" {
		t.acted(supervisor)
	}
	t.Session, t.Member, t.Supervisor, t.Assistant, t.Others = t.in.Session, m, supervisor, "", d.Others
	t.Since, t.Worked, t.Dark, t.Handed, t.Praise = t.in.Now, t.in.Now, false, Handed{}, Praise{}
	t.take(d)
	body := wire.StartBody{Role: d.Role, Grant: d.Grant, Badges: d.Badges, Accepted: fitAccepted(d.Accepted), Supervisor: supervisor,
		MaxSeconds: int64(d.Limits.Max / time.Second), Bundle: t.in.Bundle, Would: would(d), Card: t.proof()}
	body.Basis = fit(basis, body)
	t.record(Record{Kind: wire.SessionStart, Session: t.Session, Member: m, Body: body})
	t.do(t.on())
	t.tell(Tell{Say: Welcome, Member: m})
}

// proof is what the card proved, as records name it.
func (t *step) proof() string {
	if t.card == "aes" {
		return t.card
	}
	return "uid"
}

// take makes the decision's role and limits those of the session. Limits count from its start, whichever role it began
// in.
func (t *step) take(d policy.Decision) {
	t.Role, t.Limits, t.limit, t.Phase = d.Role, d.Limits, time.Time{}, On
	if d.Role == policy.Maintainer {
		t.Phase = Maintenance
	}
	if d.Limits.Max > 0 {
		t.limit = t.Since.Add(d.Limits.Max)
	}
	t.Until = t.limit
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

func (t *step) on() Relay {
	// The guard keeps what it is told here for the whole session: nothing may finish its job alone under hands that became
	// a maintainer's.
	maintains := t.Role == policy.Maintainer || slices.Contains(t.Others, policy.Maintainer)
	r := Relay{On: true, Cool: t.in.Settings.Cooldown, FinishJob: t.in.Settings.FinishJob && !maintains}
	if r.FinishJob {
		r.Finish = FinishMax
	}
	return r
}

// tapWhileOn ends the session for those whose it is. Where the job under way is to be finished, that is the first tap;
// a second one, in Finishing, ends it there and then.
func (t *step) tapWhileOn(e Tap) {
	c := wire.CauseTap
	switch e.Member {
	case t.Member:
	case t.Supervisor:
		c = wire.CauseSupervisor
	default:
		if t.Supervisor == "" || t.Phase == Finishing || e.Supervising.Verdict != policy.Allow || e.Supervising.Role != t.Role {
			t.tell(Tell{Say: Occupied, Member: t.Member})
			return
		}
		t.handOver(e)
		return
	}
	t.acted(e.Member)
	if c == wire.CauseSupervisor {
		t.praise(true)
	}
	if t.Phase == Finishing {
		t.end(c)
		return
	}
	t.endOrFinish(c)
}

func (t *step) tapInMaintenance(e Tap) {
	switch {
	case e.Member == t.Member:
		t.acted(e.Member)
		t.end(wire.CauseTap)
	case slices.Contains(e.Decision.Codes(), policy.CardBlocked):
		t.deny(e.Member, e.Decision, e.Basis)
	case e.Member == t.Assistant:
		t.acted(e.Member)
		t.Assistant = ""
		t.tell(Tell{Say: Welcome, Member: t.Member})
	default:
		t.acted(e.Member)
		t.Assistant = e.Member
		t.record(Record{Kind: wire.Assisted, Session: t.Session, Member: e.Member, Body: wire.AssistBody{With: t.Member}})
		t.tell(Tell{Say: Welcome, Member: e.Member})
	}
}

func (t *step) tapWhileAwaiting(e Tap) {
	learner := t.Member
	switch s := e.Supervising; {
	case !t.in.Now.Before(t.Until): // the wait was over before the tick that says so
		t.rest()
		t.answer(e)
	case e.Member == learner:
		t.acted(e.Member)
		t.rest()
	case s.Verdict == policy.Allow && t.mayStart(s.Role):
		t.start(learner, e.Member, s, e.SupervisingBasis)
	case e.Decision.Verdict == policy.Allow:
		t.rest()
		t.answer(e)
	default: // the learner goes on waiting
		t.deny(e.Member, e.Decision, e.Basis)
	}
}

func (t *step) chooseRole(e ChooseRole) {
	d := e.Decision
	ok := (t.Phase == On || t.Phase == EndingSoon || t.Phase == Maintenance && !t.Dark) && t.Supervisor == "" &&
		t.in.Now.Sub(t.Since) < ChooseFor && d.Verdict == policy.Allow && d.Role != t.Role && slices.Contains(t.Others, d.Role) && t.mayStart(d.Role)
	if !ok {
		t.tell(Tell{Say: NotNow, Member: t.Member})
		return
	}
	others := append([]policy.Role{t.Role}, t.Others...)
	t.Others = slices.DeleteFunc(others, func(r policy.Role) bool { return r == d.Role })
	t.Assistant = ""
	t.take(d)
	body := wire.RoleBody{Role: d.Role, Badges: d.Badges, Accepted: fitAccepted(d.Accepted)}
	body.Basis = fit(e.Basis, body)
	t.record(Record{Kind: wire.RoleChanged, Session: t.Session, Member: t.Member, Body: body})
	t.tell(Tell{Say: Welcome, Member: t.Member})
}
