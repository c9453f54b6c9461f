package session

import (
	"time"

	"portillon/wire"
)

// endOrFinish ends the session, or, if the policy says so, first lets the current job finish.
func (t *step) endOrFinish(c wire.Cause) {
	if t.in.Settings.FinishJob && t.working() && t.state.Phase != Maintenance {
		t.finishing(c, t.in.Now.Add(FinishMax))
		return
	}
	t.end(c)
}

// finishing lets the machine finish its job, until the machine is idle or the given time has come.
func (t *step) finishing(c wire.Cause, until time.Time) {
	t.state.Phase, t.state.Current.ending, t.state.Current.Until, t.state.Current.Others = Finishing, c, until, nil
}

// working reports whether the busy input shows that the machine works. Right after a start the machine moves without
// working, so the busy input is ignored then.
func (t *step) working() bool { return t.in.Settings.HasBusy && t.state.Activity.Busy && !t.starting() }

// starting reports whether the session is so young that the busy input is ignored.
func (t *step) starting() bool {
	return t.state.Current.Session != "" && t.in.Now.Sub(t.state.Current.Since) < t.in.Settings.Ignore
}

// end first switches the relay off, and then records the end of the session. If no session is running, end does
// nothing.
func (t *step) end(c wire.Cause) {
	if t.state.Current.Session == "" {
		return
	}
	if t.state.Phase == Maintenance {
		t.state.Handed.Last = t.state.Current.work()
		t.state.Handed.Last.Ended = t.in.Now
		if c == wire.CauseTap {
			t.state.Handed.By, t.state.Handed.Until = t.state.Current.Member, t.in.Now.Add(ChooseFor)
		}
	}
	t.requestVouch(false)
	// Open the relay before recording anything, so that the relay opens even if the journal refuses the record.
	t.do(Relay{})
	lasted := max(0, t.in.Now.Sub(t.state.Current.Since))
	t.record(Record{Kind: wire.SessionEnd, Session: t.state.Current.Session, Member: t.state.Current.Member,
		Body: wire.EndBody{Cause: c, Seconds: int64(lasted / time.Second)}})
	t.notify(Notify{Notice: Ended, Member: t.state.Current.Member, Role: t.state.Current.Role, What: string(c)})
	t.state.Power.opened = t.in.Now
	t.state.Power.cooled = t.in.Now.Add(t.in.Settings.Cooldown)
	t.state.Cards.leave(t.state.Holder(), t.endsByRemoval())
	t.setIdlePhase()
}

// setIdlePhase sets the phase of a machine without a session. Faults and tags have precedence over cooling.
func (t *step) setIdlePhase() {
	t.state.Current, t.state.Power.PoweredOff, t.state.Cards.session = Current{}, false, nil
	switch {
	case len(t.state.Holds.Faults) > 0:
		t.state.Phase = Fault
	case len(t.state.Holds.Tags) > 0:
		t.state.Phase = TaggedOut
	case t.in.Now.Before(t.state.Power.cooled) && !t.state.down:
		t.state.Phase, t.state.Current.Since, t.state.Current.Until = Cooling, t.in.Now, t.state.Power.cooled
	default:
		t.state.Phase = Off
	}
}

// updateIdlePhase updates the phase of a machine without a session after a change of its tags or faults.
func (t *step) updateIdlePhase() {
	if t.state.Current.Session == "" {
		t.setIdlePhase()
	}
}

func (Tick) apply(t *step) {
	switch t.state.Phase {
	case On, EndingSoon, Maintenance:
		t.applyLimits()
	case Finishing:
		if !t.working() || !t.in.Now.Before(t.state.Current.Until) {
			t.end(t.state.Current.ending)
		}
	case Cooling:
		if !t.in.Now.Before(t.state.Current.Until) {
			t.setIdlePhase()
		}
	case Awaiting:
		if !t.in.Now.Before(t.state.Current.Until) {
			t.notify(Notify{Notice: WaitOver, Member: t.state.Current.Member})
			t.setIdlePhase()
		}
	}
	if t.state.Activity.Busy && t.in.Now.Sub(t.state.Power.opened) >= Coast {
		t.runs()
	}
	if t.state.VouchRequest.Session != "" && !t.in.Now.Before(t.state.VouchRequest.Until) {
		t.state.VouchRequest = VouchRequest{}
	}
	if len(t.state.Current.Others) > 0 && t.in.Now.Sub(t.state.Current.Since) >= ChooseFor {
		t.state.Current.Others = nil
	}
	t.offerAgain()
}

// applyLimits ends the session, or warns the member that it will end, or withdraws the warning if the machine works
// again. During a maintenance the panel shows the limit without a warning, because the maintainer works on the open
// machine.
func (t *step) applyLimits() {
	at, why := t.deadline()
	now := t.in.Now
	switch {
	case !at.IsZero() && !now.Before(at):
		t.endOrFinish(why)
	case t.state.Phase == Maintenance:
	case !at.IsZero() && t.state.Current.Limits.Warn > 0 && !now.Before(at.Add(-t.state.Current.Limits.Warn)):
		t.state.Phase, t.state.Current.Until = EndingSoon, at
	default:
		t.state.Phase, t.state.Current.Until = On, t.state.Current.limit
	}
}

// deadline returns the time at which the session ends without a further event, and the cause of that end: either the
// session's limit, or a machine that has been idle too long, if the machine has a busy input. A zero time means that
// the session does not end by itself.
func (t *step) deadline() (time.Time, wire.Cause) {
	at, why := t.state.Current.limit, wire.CauseLimit
	if t.state.Current.Limits.Idle <= 0 || !t.in.Settings.HasBusy || t.working() {
		return at, why
	}
	if idle := t.state.Activity.Worked.Add(t.state.Current.Limits.Idle); at.IsZero() || idle.Before(at) {
		return idle, wire.CauseIdle
	}
	return at, why
}

func (e Stop) apply(t *step) {
	switch {
	case t.state.Current.Session == "":
		t.do(Relay{})
		if t.state.Phase == Awaiting {
			t.setIdlePhase()
		}
	case e.Finish && t.state.Phase == Finishing:
	case e.Finish:
		t.endOrFinish(wire.CauseStop)
	default:
		t.end(wire.CauseStop)
	}
}

func (e Busy) apply(t *step) {
	working := e.Working
	if (t.state.Activity.Busy || working) && !t.starting() {
		t.state.Activity.Worked = t.in.Now
	}
	began := working && !t.state.Activity.Busy
	t.state.Activity.Busy = working
	switch {
	case t.state.Phase == Finishing && !working:
		t.end(t.state.Current.ending)
	case t.state.Phase == EndingSoon && working:
		t.applyLimits()
	case began && t.in.Now.Sub(t.state.Power.opened) >= Coast:
		t.runs()
	}
	if !working {
		FaultCleared{What: Runs}.apply(t)
	}
}

func (t *step) runs() {
	if !t.state.Energised() && !t.state.down {
		FaultRaised{What: Runs, Why: "it works although its relay is open"}.apply(t)
	}
}

func (Shutdown) apply(t *step) {
	t.state.down = true
	if t.state.Current.Session == "" {
		t.do(Relay{})
		t.setIdlePhase()
		t.flush()
		return
	}
	t.end(wire.CauseShutdown)
}
