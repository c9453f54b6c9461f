package session

import (
	"time"

	"portillon/policy"
	"portillon/wire"
)

// endOrFinish ends the session, after the job under way where the policy says so.
func (t *step) endOrFinish(c wire.Cause) {
	if t.in.Settings.FinishJob && t.working() && t.Phase != Maintenance {
		t.finishing(c, t.in.Now.Add(FinishMax))
		return
	}
	t.end(c)
}

// finishing leaves the machine to its job, until it is idle, or at the latest until then.
func (t *step) finishing(c wire.Cause, until time.Time) {
	t.Phase, t.ending, t.Until, t.Others = Finishing, c, until, nil
}

// working reports whether the machine is known to work. At a start it moves without working.
func (t *step) working() bool { return t.in.Settings.HasBusy && t.Busy && !t.starting() }

// starting reports whether a session is so young that the busy input means nothing.
func (t *step) starting() bool {
	return t.Session != "" && t.in.Now.Sub(t.Since) < t.in.Settings.Ignore
}

// end switches off, then records. It does nothing where no session runs.
func (t *step) end(c wire.Cause) {
	if t.Session == "" {
		return
	}
	if t.Phase == Maintenance && c == wire.CauseTap {
		t.Handed = Handed{By: t.Member, Until: t.in.Now.Add(ChooseFor)}
	}
	t.praise(false)
	t.do(Relay{})
	lasted := max(0, t.in.Now.Sub(t.Since))
	t.record(Record{Kind: wire.SessionEnd, Session: t.Session, Member: t.Member,
		Body: wire.EndBody{Cause: c, Seconds: int64(lasted / time.Second)}})
	t.tell(Tell{Say: Ended, Member: t.Member, What: string(c)})
	t.opened = t.in.Now
	t.cooled = t.in.Now.Add(t.in.Settings.Cooldown)
	t.rest()
}

// rest is where the machine stands when nobody has it. What holds it goes before what it still has to do.
func (t *step) rest() {
	t.Session, t.Member, t.Supervisor, t.Assistant, t.Role, t.Others, t.Limits, t.ending = "", "", "", "", policy.NoRole, nil, policy.Limits{}, ""
	t.Since, t.Until, t.limit, t.Dark = time.Time{}, time.Time{}, time.Time{}, false
	switch {
	case len(t.Faults) > 0:
		t.Phase = Fault
	case len(t.Tags) > 0:
		t.Phase = TaggedOut
	case t.in.Now.Before(t.cooled) && !t.down:
		t.Phase, t.Since, t.Until = Cooling, t.in.Now, t.cooled
	default:
		t.Phase = Off
	}
}

// resettle moves a machine that nobody has to where its tags and faults put it.
func (t *step) resettle() {
	if t.Session == "" {
		t.rest()
	}
}

func (t *step) tick() {
	switch t.Phase {
	case On, EndingSoon, Maintenance:
		t.limits()
	case Finishing:
		if !t.working() || !t.in.Now.Before(t.Until) {
			t.end(t.ending)
		}
	case Cooling:
		if !t.in.Now.Before(t.Until) {
			t.rest()
		}
	case Awaiting:
		if !t.in.Now.Before(t.Until) {
			t.tell(Tell{Say: WaitOver, Member: t.Member})
			t.rest()
		}
	}
	if t.Busy && t.in.Now.Sub(t.opened) >= Coast {
		t.runs()
	}
	if t.Praise.Session != "" && !t.in.Now.Before(t.Praise.Until) {
		t.Praise = Praise{}
	}
	if len(t.Others) > 0 && t.in.Now.Sub(t.Since) >= ChooseFor {
		t.Others = nil
	}
	t.offerAgain()
}

// limits ends the session, or warns of its end, or takes the warning back where the machine works again.
// A maintainer sees the limit coming but is not warned: the machine is open in front of them.
func (t *step) limits() {
	at, why := t.deadline()
	now := t.in.Now
	switch {
	case !at.IsZero() && !now.Before(at):
		t.endOrFinish(why)
	case t.Phase == Maintenance:
	case !at.IsZero() && t.Limits.Warn > 0 && !now.Before(at.Add(-t.Limits.Warn)):
		t.Phase, t.Until = EndingSoon, at
	default:
		t.Phase, t.Until = On, t.limit
	}
}

// deadline is when the session ends if nothing happens, and why: at its limit, or when the machine has been idle for
// too long, where an input says whether it works. Zero: never.
func (t *step) deadline() (time.Time, wire.Cause) {
	at, why := t.limit, wire.CauseLimit
	if t.Limits.Idle <= 0 || !t.in.Settings.HasBusy || t.working() {
		return at, why
	}
	if idle := t.Worked.Add(t.Limits.Idle); at.IsZero() || idle.Before(at) {
		return idle, wire.CauseIdle
	}
	return at, why
}

func (t *step) stop(e Stop) {
	switch {
	case t.Session == "":
		t.do(Relay{})
		if t.Phase == Awaiting {
			t.rest()
		}
	case e.Finish && t.Phase == Finishing:
	case e.Finish:
		t.endOrFinish(wire.CauseStop)
	default:
		t.end(wire.CauseStop)
	}
}

func (t *step) busy(working bool) {
	if (t.Busy || working) && !t.starting() {
		t.Worked = t.in.Now
	}
	began := working && !t.Busy
	t.Busy = working
	switch {
	case t.Phase == Finishing && !working:
		t.end(t.ending)
	case t.Phase == EndingSoon && working:
		t.limits()
	case began && t.in.Now.Sub(t.opened) >= Coast:
		t.runs()
	}
	if !working {
		t.mended(Mended{What: Runs})
	}
}

// Runs is the fault of a machine that works although its relay is open: something feeds it past the relay.
const Runs = "runs"

func (t *step) runs() {
	if !t.Energised() && !t.down {
		t.broke(Broke{What: Runs, Why: "it works although its relay is open"})
	}
}

func (t *step) shutdown() {
	t.down = true
	if t.Session == "" {
		t.do(Relay{})
		t.rest()
		t.flush()
		return
	}
	t.end(wire.CauseShutdown)
}
