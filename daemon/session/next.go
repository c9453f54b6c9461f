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
	in  Input
	out []Effect
}

// Next is the whole session: what the machine becomes, and what is to be done, in order.
func Next(s State, in Input) (State, []Effect) {
	s.Tags, s.Faults, s.Pending = slices.Clone(s.Tags), slices.Clone(s.Faults), slices.Clone(s.Pending)
	t := &step{State: s, in: in}
	switch e := in.Event.(type) {
	case Tap:
		t.tap(e)
	case Stranger:
		t.deny("", e.Decision)
	case ChooseRole:
		t.chooseRole(e.Decision)
	case Log:
		t.log(e)
	case AddTag:
		t.addTag(e)
	case RemoveTag:
		t.removeTag(e)
	case Stop:
		t.stop()
	case Busy:
		t.busy(e.Working)
	case Broke:
		t.broke(e)
	case Mended:
		t.mended(e)
	case Reader:
		t.reader(e)
	case RecordFailed:
		t.recordFailed(e.Record)
	case Recorded:
		t.Broken = len(t.Pending) > 0
	case Tick:
		t.tick()
	case Shutdown:
		t.shutdown()
	}
	return t.State, t.out
}

func (t *step) do(e ...Effect) { t.out = append(t.out, e...) }

func (t *step) record(kind wire.Kind, session string, member policy.MemberID, body any) {
	t.do(Record{Kind: kind, Session: session, Member: member, Body: body})
}

func (t *step) tap(e Tap) {
	if e.Member == t.tapper && !t.Tapped.IsZero() && t.in.Now.Sub(t.Tapped) < Flap {
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
		t.answer(e)
	}
}

func (t *step) acted(m policy.MemberID) { t.Tapped, t.tapper = t.in.Now, m }

func (t *step) answer(e Tap) {
	switch {
	case t.down:
	case e.Decision.Verdict == policy.Allow && len(t.Pending) > 0:
		t.do(Tell{Say: CannotRecord})
	case e.Decision.Verdict == policy.Allow && t.mayStart(e.Decision.Role):
		t.start(e.Member, "", e.Decision)
	case e.Decision.Verdict == policy.Await && t.mayStart(policy.Learner):
		t.acted(e.Member)
		t.Phase, t.Member, t.Since, t.Until = Awaiting, e.Member, t.in.Now, t.in.Now.Add(t.await())
	default:
		t.deny(e.Member, e.Decision)
	}
}

// mayStart is the session's own refusal, whatever the decision says: a fault holds everyone, a tag all but maintainers.
func (t *step) mayStart(r policy.Role) bool {
	return len(t.Faults) == 0 && (len(t.Tags) == 0 || r == policy.Maintainer)
}

func (t *step) await() time.Duration {
	if t.in.Settings.Await > 0 {
		return t.in.Settings.Await
	}
	return DefaultAwait
}

func (t *step) deny(m policy.MemberID, d policy.Decision) {
	nearest, _ := d.Nearest()
	t.record(wire.Refused, "", m, wire.RefusedBody{Reasons: d.Codes(), Role: nearest.Role})
	t.do(Tell{Say: Denied, Member: m, Decision: d})
}

func (t *step) start(m, supervisor policy.MemberID, d policy.Decision) {
	t.acted(m)
	if supervisor != "" {
		t.acted(supervisor)
	}
	t.Phase = On
	if d.Role == policy.Maintainer {
		t.Phase = Maintenance
	}
	t.Session, t.Member, t.Supervisor, t.Assistant, t.Role, t.Others, t.Limits = t.in.Session, m, supervisor, "", d.Role, d.Others, d.Limits
	t.Since, t.Worked, t.Until = t.in.Now, t.in.Now, time.Time{}
	if d.Limits.Max > 0 {
		t.Until = t.in.Now.Add(d.Limits.Max)
	}
	t.record(wire.SessionStart, t.Session, m, wire.StartBody{Role: d.Role, Grant: d.Grant, Badges: d.Badges, Supervisor: supervisor,
		MaxSeconds: int64(d.Limits.Max / time.Second), Bundle: t.in.Bundle, Would: would(d), Card: "uid"})
	t.do(t.on(), Tell{Say: Welcome, Member: m})
}

// would is what enforcement would have said to a member whom mode warn let in.
func would(d policy.Decision) string {
	if d.Would == d.Verdict {
		return ""
	}
	return d.Would.String()
}

func (t *step) on() Relay {
	r := Relay{On: true, FinishJob: t.in.Settings.FinishJob && t.Role != policy.Maintainer}
	if r.FinishJob {
		r.Finish = t.finish()
	}
	return r
}

func (t *step) finish() time.Duration {
	if t.in.Settings.Finish > 0 {
		return t.in.Settings.Finish
	}
	return DefaultFinish
}

func (t *step) tapWhileOn(e Tap) {
	switch {
	case t.Phase == Finishing:
		t.do(Tell{Say: Occupied, Member: t.Member})
	case e.Member == t.Member:
		t.acted(e.Member)
		t.endOrFinish(wire.CauseTap)
	case e.Member == t.Supervisor:
		t.acted(e.Member)
		t.endOrFinish(wire.CauseSupervisor)
	default:
		t.do(Tell{Say: Occupied, Member: t.Member})
	}
}

func (t *step) tapInMaintenance(e Tap) {
	if e.Member == t.Member {
		t.acted(e.Member)
		t.end(wire.CauseTap)
		return
	}
	t.acted(e.Member)
	if e.Member == t.Assistant {
		t.Assistant = ""
		t.do(Tell{Say: Welcome, Member: t.Member})
		return
	}
	t.Assistant = e.Member
	t.record(wire.Assisted, t.Session, e.Member, wire.AssistBody{With: t.Member})
	t.do(Tell{Say: Welcome, Member: e.Member})
}

func (t *step) tapWhileAwaiting(e Tap) {
	learner := t.Member
	switch {
	case e.Member == learner:
		t.acted(e.Member)
		t.rest()
	case e.Supervising.Verdict == policy.Allow && t.mayStart(policy.Learner):
		if len(t.Pending) > 0 {
			t.rest()
			t.do(Tell{Say: CannotRecord})
			return
		}
		t.start(learner, e.Member, e.Supervising)
	case e.Decision.Verdict == policy.Allow:
		t.rest()
		t.answer(e)
	default: // the learner goes on waiting
		t.deny(e.Member, e.Decision)
	}
}

func (t *step) chooseRole(d policy.Decision) {
	ok := (t.Phase == On || t.Phase == EndingSoon || t.Phase == Maintenance) && t.Supervisor == "" &&
		t.in.Now.Sub(t.Since) < ChooseFor && d.Verdict == policy.Allow && d.Role != t.Role && slices.Contains(t.Others, d.Role) && t.mayStart(d.Role)
	if !ok {
		t.do(Tell{Say: NotNow, Member: t.Member})
		return
	}
	others := append([]policy.Role{t.Role}, t.Others...)
	t.Others = slices.DeleteFunc(others, func(r policy.Role) bool { return r == d.Role })
	t.Role, t.Limits, t.Phase, t.Until, t.Assistant = d.Role, d.Limits, On, time.Time{}, ""
	if d.Role == policy.Maintainer {
		t.Phase = Maintenance
	}
	if d.Limits.Max > 0 {
		t.Until = t.Since.Add(d.Limits.Max)
	}
	t.record(wire.RoleChanged, t.Session, t.Member, wire.RoleBody{Role: d.Role, Badges: d.Badges})
	t.do(t.on(), Tell{Say: Welcome, Member: t.Member})
}

func (t *step) log(e Log) {
	if t.Phase != Maintenance {
		t.do(Tell{Say: NotLogged})
		return
	}
	who := t.Member
	if t.Assistant != "" {
		who = t.Assistant
	}
	t.record(wire.Intervened, t.Session, who, wire.InterventionBody{What: e.What, Endorser: t.Member, Minutes: e.Minutes, Note: e.Note})
	t.do(Tell{Say: Logged, Member: who, What: e.What})
}
