package session

import (
	"testing"
	"time"

	"portillon/policy"
	"portillon/wire"
)

func TestLearnersTapAfterTheWaitHasExpiredIsANewTap(t *testing.T) {
	w := newWorld().tap(lea)
	w.now = w.now.Add(AwaitFor) // no tick has ended the wait yet
	w.atOnce(tapOf(nour))
	if r, _ := w.lastRecord(wire.SessionStart); w.Phase != On || r.Member != nour {
		t.Errorf("%s, %+v", w.Phase, r)
	}
}

func TestRoleMayBeChosenUntilChooseForHasPassed(t *testing.T) {
	for wait, want := range map[time.Duration]Phase{ChooseFor - 1: Maintenance, ChooseFor: On} {
		w := newWorld().tap(paul).wait(wait).atOnce(ChooseRole{Decision: allow(policy.Maintainer)})
		if w.Phase != want {
			t.Errorf("after %v: %s, want %s", wait, w.Phase, want)
		}
	}
}

func TestInterventionWithoutAKindIsNotLogged(t *testing.T) {
	w := newWorld().tap(ines).do(Log{})
	if got := formatEffects(w.effects); w.count(wire.Intervened) != 0 || got != "tell not-logged" {
		t.Error(got)
	}
}

func TestConfirmationNamesMemberSessionAndIntervention(t *testing.T) {
	whole := Attest{By: ines, Session: "s1", Intervention: "i1"}
	for _, part := range []func(*Attest){
		func(a *Attest) { a.By = "" }, func(a *Attest) { a.Session = "" }, func(a *Attest) { a.Intervention = "" },
	} {
		e := whole
		part(&e)
		if w := newWorld().do(e); w.count(wire.Attested) != 0 {
			t.Errorf("%+v is recorded", e)
		}
	}
	if w := newWorld().do(whole); w.count(wire.Attested) != 1 {
		t.Error("a whole one is not recorded")
	}
}

// When a new policy has no busy input, no input can report the end of the job.
func TestFinishingEndsWithTheNextTickIfThePolicyHasNoBusyInput(t *testing.T) {
	w := newWorld().tap(nour).do(Busy{true}).tap(nour)
	if w.Phase != Finishing {
		t.Fatal(w.Phase)
	}
	w.settings.HasBusy = false
	if w.wait(time.Second); w.relay || w.Phase == Finishing {
		t.Errorf("%s, relay %v", w.Phase, w.relay)
	}
}

func TestRelayOrderStatesHowLongAJobMayRunWithoutTheDaemon(t *testing.T) {
	for finish, want := range map[bool]time.Duration{true: FinishMax, false: 0} {
		w := newWorld()
		w.settings.FinishJob = finish
		w.tap(nour)
		for _, e := range w.effects {
			if r, ok := e.(Relay); ok && (r.FinishJob != finish || r.Finish != want) {
				t.Errorf("%+v, want %v", r, want)
			}
		}
	}
}

func TestLastThreeTapsAreDebounced(t *testing.T) {
	w := newWorld().atOnce(tapOf(ines)).atOnce(tapOf(lea)).atOnce(tapOf(nour)).atOnce(tapOf(ines))
	if w.Phase != Maintenance || formatEffects(w.effects) != "tell already-read" {
		t.Errorf("%s, %s", w.Phase, formatEffects(w.effects))
	}
}
