package session

import (
	"time"

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
	if t.Phase == Maintenance {
		t.Handed.Last = t.Current.work()
		t.Handed.Last.Ended = t.in.Now
		if c == wire.CauseTap {
			t.Handed.By, t.Handed.Until = t.Member, t.in.Now.Add(ChooseFor)
		}
	}
	t.askVouch(false)
	// The relay opens before anything is recorded: a journal that refuses never keeps it closed.
	t.do(Relay{})
	lasted := max(0, t.in.Now.Sub(t.Since))
	t.record(Record{Kind: wire.SessionEnd, Session: t.Session, Member: t.Member,
		Body: wire.EndBody{Cause: c, Seconds: int64(lasted / time.Second)}})
	t.notify(Notify{Notice: Ended, Member: t.Member, Role: t.Role, What: string(c)})
	t.opened = t.in.Now
	t.cooled = t.in.Now.Add(t.in.Settings.Cooldown)
	t.Cards.leave(t.Holder(), t.endsByRemoval())
	t.rest()
}

// rest is where the machine stands when nobody has it. What holds it goes before what it still has to do.
func (t *step) rest() {
	t.Current, t.PoweredOff, t.Cards.session = Current{}, false, nil
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

func (Tick) apply(t *step) {
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
			t.notify(Notify{Notice: WaitOver, Member: t.Member})
			t.rest()
		}
	}
	if t.Busy && t.in.Now.Sub(t.opened) >= Coast {
		t.runs()
	}
	if t.VouchRequest.Session != "" && !t.in.Now.Before(t.VouchRequest.Until) {
		t.VouchRequest = VouchRequest{}
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

func (e Stop) apply(t *step) {
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

func (e Busy) apply(t *step) {
	working := e.Working
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
		FaultCleared{What: Runs}.apply(t)
	}
}

func (t *step) runs() {
	if !t.Energised() && !t.down {
		FaultRaised{What: Runs, Why: "it works although its relay is open"}.apply(t)
	}
}

func (Shutdown) apply(t *step) {
	t.down = true
	if t.Session == "" {
		t.do(Relay{})
		t.rest()
		t.flush()
		return
	}
	t.end(wire.CauseShutdown)
}
