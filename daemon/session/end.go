package session

import (
	"slices"
	"time"

	"portillon/policy"
	"portillon/wire"
)

// endOrFinish ends the session, after the job under way where the policy says so.
func (t *step) endOrFinish(c wire.Cause) {
	if t.in.Settings.FinishJob && t.in.Settings.HasBusy && t.Busy && t.Phase != Maintenance {
		t.Phase, t.ending, t.Until, t.Others = Finishing, c, t.in.Now.Add(t.finish()), nil
		return
	}
	t.end(c)
}

// end switches off, then records. It does nothing where no session runs.
func (t *step) end(c wire.Cause) {
	if t.Session == "" {
		return
	}
	t.do(Relay{})
	t.record(wire.SessionEnd, t.Session, t.Member, wire.EndBody{Cause: c, Seconds: int64(t.in.Now.Sub(t.Since) / time.Second)})
	cool := t.in.Settings.Cooldown
	t.rest()
	if t.Phase == Off && cool > 0 && !t.down {
		t.Phase, t.Since, t.Until = Cooling, t.in.Now, t.in.Now.Add(cool)
	}
}

// rest is where the machine stands when nobody has it.
func (t *step) rest() {
	t.Session, t.Member, t.Supervisor, t.Assistant, t.Role, t.Others, t.Limits, t.ending = "", "", "", "", policy.NoRole, nil, policy.Limits{}, ""
	t.Since, t.Until = time.Time{}, time.Time{}
	switch {
	case len(t.Faults) > 0:
		t.Phase = Fault
	case len(t.Tags) > 0:
		t.Phase = TaggedOut
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
	t.retry()
	switch t.Phase {
	case On, EndingSoon:
		t.limits()
	case Finishing:
		if !t.Busy || !t.in.Now.Before(t.Until) {
			t.end(t.ending)
		}
	case Cooling:
		if !t.in.Now.Before(t.Until) {
			t.rest()
		}
	case Awaiting:
		if !t.in.Now.Before(t.Until) {
			t.do(Tell{Say: WaitOver, Member: t.Member})
			t.rest()
		}
	}
	if len(t.Others) > 0 && t.in.Now.Sub(t.Since) >= ChooseFor {
		t.Others = nil
	}
}

func (t *step) limits() {
	idle := t.Limits.Idle
	switch {
	case !t.Until.IsZero() && !t.in.Now.Before(t.Until):
		t.endOrFinish(wire.CauseLimit)
	case idle > 0 && t.in.Settings.HasBusy && !t.Busy && t.in.Now.Sub(t.Worked) >= idle:
		t.end(wire.CauseIdle)
	case t.Phase == On && !t.Until.IsZero() && t.Limits.Warn > 0 && !t.in.Now.Before(t.Until.Add(-t.Limits.Warn)):
		t.Phase = EndingSoon
	}
}

// retry offers the journal the oldest end that it has not taken.
func (t *step) retry() {
	if len(t.Pending) > 0 {
		r := t.Pending[0]
		t.Pending = t.Pending[1:]
		t.do(r)
	}
}

func (t *step) recordFailed(r Record) {
	t.Broken = true
	switch r.Kind {
	case wire.SessionStart:
		if t.Session == r.Session && t.Session != "" { // the relay was not switched on: the order to do so was dropped
			t.rest()
		}
		t.do(Relay{}, Tell{Say: CannotRecord})
	case wire.SessionEnd:
		t.Pending = append([]Record{r}, t.Pending...)
		t.do(Tell{Say: CannotRecord})
	case wire.RoleChanged: // a role that is not recorded is not taken, and the old one is gone: the safe side
		t.end(wire.CauseFault)
	default:
		t.do(Tell{Say: CannotRecord})
	}
}

func (t *step) addTag(e AddTag) {
	if e.Tag.ID == "" || slices.ContainsFunc(t.Tags, func(x Tag) bool { return x.ID == e.Tag.ID }) {
		return
	}
	if e.Tag.Since.IsZero() {
		e.Tag.Since = t.in.Now
	}
	t.Tags = append(t.Tags, e.Tag)
	if t.Running() && t.Phase != Maintenance {
		switch {
		case e.Now:
			t.end(wire.CauseTag)
		case t.in.Settings.HasBusy && t.Phase != Finishing && !t.Busy:
			t.end(wire.CauseTag)
		case t.in.Settings.HasBusy && t.Phase != Finishing:
			t.Phase, t.ending, t.Until, t.Others = Finishing, wire.CauseTag, t.in.Now.Add(t.finish()), nil
		}
	}
	t.resettle()
	t.record(wire.Tagged, "", e.Tag.By, wire.TagBody{Tag: e.Tag.ID, Reason: e.Tag.Reason, Now: e.Now})
}

func (t *step) removeTag(e RemoveTag) {
	n := len(t.Tags)
	t.Tags = slices.DeleteFunc(t.Tags, func(x Tag) bool { return x.ID == e.ID })
	if len(t.Tags) == n {
		return
	}
	t.resettle()
	t.record(wire.Untagged, "", e.By, wire.TagBody{Tag: e.ID})
}

func (t *step) stop() {
	if t.Phase == Awaiting {
		t.rest()
	}
	t.end(wire.CauseStop)
}

func (t *step) busy(working bool) {
	if t.Busy || working {
		t.Worked = t.in.Now
	}
	t.Busy = working
	if t.Phase == Finishing && !working {
		t.end(t.ending)
	}
}

func (t *step) broke(e Broke) {
	if slices.Contains(t.Faults, e.What) {
		return
	}
	t.Faults = append(t.Faults, e.What)
	if t.Session != "" {
		t.end(wire.CauseFault)
	} else {
		t.do(Relay{})
		t.rest()
	}
	t.record(wire.Faulted, "", "", wire.FaultBody{What: e.What, Why: e.Why})
}

func (t *step) mended(e Mended) {
	n := len(t.Faults)
	t.Faults = slices.DeleteFunc(t.Faults, func(x string) bool { return x == e.What })
	if len(t.Faults) == n {
		return
	}
	t.resettle()
	t.record(wire.FaultCleared, "", "", wire.FaultBody{What: e.What})
}

func (t *step) reader(e Reader) {
	if t.ReaderDown == !e.Alive {
		return
	}
	t.ReaderDown = !e.Alive
	kind := wire.ReaderBack
	if !e.Alive {
		kind = wire.ReaderLost
	}
	t.record(kind, "", "", wire.FaultBody{What: "reader", Why: e.Why})
}

func (t *step) shutdown() {
	t.down = true
	if t.Session == "" {
		t.do(Relay{})
		t.rest()
		return
	}
	t.end(wire.CauseShutdown)
}
