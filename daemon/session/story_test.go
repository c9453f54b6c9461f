package session

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"portillon/policy"
	"portillon/wire"
)

// wantPhase fails the test if the machine is in another phase, or if the relay does not match the phase.
func (w *world) wantPhase(t *testing.T, p Phase, when string) *world {
	t.Helper()
	if w.Phase != p || w.relay != w.Running() {
		t.Fatalf("%s: %s (relay %v), want %s; last effects: %s", when, w.State, w.relay, p, formatEffects(w.effects))
	}
	return w
}

func (w *world) ended(t *testing.T, c wire.Cause, n int) {
	t.Helper()
	if w.cause() != c || w.count(wire.SessionEnd) != n {
		t.Fatalf("%d ends on record, the last by %q; want %d, by %q", w.count(wire.SessionEnd), w.cause(), n, c)
	}
}

func (w *world) told(s Notice) bool {
	for _, e := range w.effects {
		if x, ok := e.(Notify); ok && x.Notice == s {
			return true
		}
	}
	return false
}

func TestStartIsRecordedWithTheBasisOfItsDecision(t *testing.T) {
	w := newWorld()
	w.tap(lea).tap(karim).wantPhase(t, On, "after the mentor's card")
	r, _ := w.lastRecord(wire.SessionStart)
	want := wire.StartBody{
		Role:       policy.Learner,
		Grant:      1,
		Badges:     []policy.BadgeID{"laser-learner"},
		Supervisor: karim,
		MaxSeconds: 7200,
		Bundle:     7,
		Card:       "uid",
	}
	if r.Member != lea || r.Session != w.Current.Session || !reflect.DeepEqual(r.Body, want) {
		t.Errorf("recorded %+v\nwant %+v for %s", r, want, lea)
	}
	if w.Current.Supervisor != karim || w.Current.Member != lea ||
		!w.Current.Until.Equal(w.Current.Since.Add(2*time.Hour)) {
		t.Errorf("the panel would see %s with %s until %s", w.Current.Member, w.Current.Supervisor, w.Current.Until)
	}
}

func TestModeWarnRecordsTheResultOfEnforcement(t *testing.T) {
	e := tapOf(zoe)
	e.Decision.Verdict, e.Decision.Role = policy.Allow, policy.User
	w := newWorld().do(e).wantPhase(t, On, "in mode warn")
	r, _ := w.lastRecord(wire.SessionStart)
	if b := r.Body.(wire.StartBody); b.Would != "deny: no-badge" {
		t.Errorf("would: %q", b.Would)
	}
}

func TestEndRecordsTheTimeOfTheSession(t *testing.T) {
	w := newWorld().tap(nour)
	w.now = w.now.Add(17 * time.Minute)
	w.atOnce(tapOf(nour)).wantPhase(t, Cooling, "tapped out")
	r, _ := w.lastRecord(wire.SessionEnd)
	if b := r.Body.(wire.EndBody); b.Seconds != 17*60 || b.Cause != wire.CauseTap || r.Member != nour {
		t.Errorf("recorded %+v", r)
	}
}

func TestFlappingCardCountsAsOneTap(t *testing.T) {
	w := newWorld().tap(nour)
	for range 3 {
		w.now = w.now.Add(500 * time.Millisecond)
		w.atOnce(tapOf(nour)).wantPhase(t, On, "within 2 s")
	}
	w.now = w.now.Add(500 * time.Millisecond)
	w.atOnce(tapOf(nour)).wantPhase(t, Cooling, "2 s after the tap that began it")
	w.now = w.now.Add(time.Second)
	w.atOnce(tapOf(nour)).wantPhase(t, Cooling, "within 2 s of the tap that ended it")
}

// The learner and the mentor both hold their cards at the reader.
func TestTwoCardsThatFlapTogetherStartOneSession(t *testing.T) {
	w := newWorld().atOnce(tapOf(lea))
	for _, m := range []policy.MemberID{karim, lea, karim, lea} {
		w.now = w.now.Add(400 * time.Millisecond)
		w.atOnce(tapOf(m))
	}
	w.wantPhase(t, On, "after 1.6 s of flapping")
	if n := w.count(wire.SessionStart); n != 1 || w.count(wire.SessionEnd) != 0 {
		t.Errorf("%d starts", n)
	}
}

func TestSupervisedSessionNeedsTheMentorsCard(t *testing.T) {
	for _, c := range []struct {
		name  string
		then  func(*world)
		phase Phase
		cause wire.Cause
		ends  int
	}{
		{"no mentor taps", func(w *world) { w.wait(time.Minute) }, Off, "", 0},
		{"the learner taps out", func(w *world) { w.tap(lea) }, Off, "", 0},
		{"the mentor taps too late, before the tick", func(w *world) {
			w.now = w.now.Add(time.Minute)
			w.atOnce(supervising(zoe))
		}, Off, "", 0},
		{"a card that may not supervise", func(w *world) { w.tap(zoe) }, Awaiting, "", 0},
		{"the mentor ends the session", func(w *world) { w.tap(karim).tap(karim) }, Cooling, wire.CauseSupervisor, 1},
		{"the learner ends the session", func(w *world) { w.tap(karim).tap(lea) }, Cooling, wire.CauseTap, 1},
		{"another user taps during the wait", func(w *world) { w.tap(karim).tap(nour) }, On, "", 0},
		{"the learner supervises herself", func(w *world) { w.do(supervising(lea)) }, Off, "", 0},
		{"the learner chooses another role",
			func(w *world) { w.tap(karim).do(ChooseRole{Decision: allow(policy.User)}) }, On, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld().tap(lea).wantPhase(t, Awaiting, "the learner's tap")
			c.then(w)
			w.wantPhase(t, c.phase, "then")
			w.ended(t, c.cause, c.ends)
		})
	}
}

// supervising returns the tap of a member who may not use the machine but may supervise the learner who waits.
func supervising(m policy.MemberID) Tap {
	e := tapOf(m)
	e.Decision, e.Supervising = denied(policy.Deny, policy.User, policy.NoBadge), allow(policy.Learner)
	return e
}

func TestSessionEndsAtItsLimit(t *testing.T) {
	for _, c := range []struct {
		name            string
		finish, working bool
		phase           Phase
		ends            int
	}{
		{"idle", true, false, Cooling, 1},
		{"busy, and the policy ends the job", false, true, Cooling, 1},
		{"busy, and the policy lets the job finish", true, true, Finishing, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			w.settings.FinishJob = c.finish
			w.tap(nour).do(Busy{true}).wait(118*time.Minute-Flap).wantPhase(t, EndingSoon, "2 min before")
			if !w.Current.Until.Equal(w.Current.Since.Add(2 * time.Hour)) {
				t.Errorf("it says it ends at %s", w.Current.Until)
			}
			w.do(Busy{c.working})
			w.wait(2*time.Minute-Flap).wantPhase(t, c.phase, "at the limit")
			w.ended(t, map[bool]wire.Cause{true: wire.CauseLimit}[c.ends > 0], c.ends)
		})
	}
}

func TestSessionEndsWhenTheJobFinishes(t *testing.T) {
	reach := func() *world { return newWorld().tap(nour).do(Busy{true}).wait(2 * time.Hour) }
	w := reach().do(Busy{false}).wantPhase(t, Cooling, "the job is done")
	w.ended(t, wire.CauseLimit, 1)
	w = reach().wait(FinishMax).wantPhase(t, Cooling, "a job without end")
	w.ended(t, wire.CauseLimit, 1)
	w = reach().tap(karim).wantPhase(t, Finishing, "another card").tap(nour).wantPhase(t, Cooling, "the member's own card")
	w.ended(t, wire.CauseTap, 1)
}

// If a member ends their session while a print runs, the print continues after the member has left. A second tap stops
// the print.
func TestFirstTapOutLetsTheJobFinishAndASecondStopsTheJob(t *testing.T) {
	w := newWorld().tap(nour).do(Busy{true}).tap(nour).wantPhase(t, Finishing, "tapped out")
	w.tap(nour).wantPhase(t, Cooling, "tapped out again")
	w.ended(t, wire.CauseTap, 1)
}

func TestIdleMachineWarnsAndEnds(t *testing.T) {
	w := newWorld().tap(nour).do(Busy{true}, Busy{false})
	w.wait(8*time.Minute).wantPhase(t, EndingSoon, "8 min idle").do(Busy{true}).wantPhase(t, On, "at work again")
	w.wait(time.Hour).wantPhase(t, On, "at work for an hour").do(Busy{false}).wait(10*time.Minute).
		wantPhase(t, Cooling, "10 min idle")
	w.ended(t, wire.CauseIdle, 1)
}

func TestMachineWithoutABusyInputIsNeverIdle(t *testing.T) {
	w := newWorld()
	w.settings.HasBusy = false
	w.tap(nour).wait(time.Hour).wantPhase(t, On, "nobody knows whether it works")
	w.do(AddTag{Tag: Tag{ID: "t1"}}).
		wantPhase(t, On, "nor when a tag may end it").
		tap(nour).
		wantPhase(t, TaggedOut, "so it ends with the session")
	w.ended(t, wire.CauseTap, 1)
}

func TestMaintenanceEndsAtItsLimit(t *testing.T) {
	e := tapOf(ines)
	e.Decision.Limits = policy.Limits{Max: time.Hour, Warn: time.Minute}
	w := newWorld().do(e).wait(59*time.Minute+30*time.Second).wantPhase(t, Maintenance, "before it")
	w.do(Busy{true}).wait(30*time.Second-Flap).wantPhase(t, Cooling, "at it, at work or not")
	w.ended(t, wire.CauseLimit, 1)
}

func TestMemberMayChooseAnotherRoleForAMinute(t *testing.T) {
	toMaint, toUser := ChooseRole{Decision: allow(policy.Maintainer)}, ChooseRole{Decision: allow(policy.User)}
	w := newWorld().tap(paul)
	w.do(toMaint).wantPhase(t, Maintenance, "chosen")
	if got := formatEffects(w.effects); strings.Contains(strings.ToLower(got), "relay") {
		t.Errorf("a role touches the relay: %s", got)
	}
	if r, _ := w.lastRecord(wire.RoleChanged); r.Body.(wire.RoleBody).Role != policy.Maintainer ||
		r.Session != w.Current.Session {
		t.Errorf("recorded %+v", r)
	}
	w.do(toUser).wantPhase(t, On, "and back")
	w.wait(time.Minute).do(toMaint).wantPhase(t, On, "after the minute")
	if !w.told(NotNow) || w.count(wire.RoleChanged) != 2 || w.Current.Others != nil {
		t.Errorf("late choice: %s", formatEffects(w.effects))
	}
	if w.tap(paul).ended(t, wire.CauseTap, 1); w.count(wire.SessionStart) != 1 {
		t.Error("a role began a session")
	}
}

func TestLateChoiceOfARoleIsRefusedBeforeTheNextTick(t *testing.T) {
	w := newWorld().tap(paul)
	w.now = w.now.Add(ChooseFor)
	if w.atOnce(ChooseRole{Decision: allow(policy.Maintainer)}); w.Phase != On || !w.told(NotNow) {
		t.Errorf("%s: %s", w.State, formatEffects(w.effects))
	}
}

func TestSupervisedMemberCannotChooseAnotherRole(t *testing.T) {
	mentor := tapOf(karim)
	mentor.Supervising = allow(policy.Learner, policy.User)
	if w := newWorld().tap(lea).do(mentor, ChooseRole{Decision: allow(policy.User)}); w.Current.Role != policy.Learner {
		t.Errorf("taken: %s with %s still answering", w.Current.Role, w.Current.Supervisor)
	}
}

func TestMemberCannotChooseARoleWithoutItsBadges(t *testing.T) {
	for name, e := range map[string]ChooseRole{
		"role not offered":      {Decision: allow(policy.Host)},
		"role denied meanwhile": {Decision: denied(policy.Deny, policy.Maintainer, policy.BadgeExpired)},
		"the current role":      {Decision: allow(policy.User)},
		"no role":               {Decision: allow(policy.NoRole)},
	} {
		if w := newWorld().tap(paul).do(e); w.Current.Role != policy.User || w.count(wire.RoleChanged) != 0 ||
			!w.told(NotNow) {
			t.Errorf("%s: %s as %s", name, w.State, w.Current.Role)
		}
	}
	w := newWorld().tap(ines).do(AddTag{Tag: Tag{ID: "t1", By: ines}})
	w.Current.Others = []policy.Role{policy.User}
	if w.do(ChooseRole{Decision: allow(policy.User)}); w.Phase != Maintenance {
		t.Errorf("under a tag: %s", w.State)
	}
}

func TestInterventionOfTheAssistantIsRecordedInTheirName(t *testing.T) {
	w := newWorld().tap(ines).do(Log{What: "lens-cleaning", Minutes: 10, Note: "a scratch"})
	r, _ := w.lastRecord(wire.Intervened)
	if b := (wire.InterventionBody{What: "lens-cleaning", Minutes: 10, Note: "a scratch", Endorser: ines,
		Ran: wire.Ran{RanBy: wire.RanByBusy}}); r.Member != ines ||
		r.Body != any(b) {
		t.Errorf("alone: %+v", r)
	}
	w.tap(nour).do(Log{What: "extraction"})
	r, _ = w.lastRecord(wire.Intervened)
	if r.Member != nour || r.Body.(wire.InterventionBody).Endorser != ines || r.Session != w.Current.Session {
		t.Errorf("with an assistant: %+v", r)
	}
	if a, _ := w.lastRecord(wire.Assisted); a.Member != nour || a.Body != any(wire.AssistBody{With: ines}) {
		t.Errorf("assisted: %+v", a)
	}
	w.tap(bruno).tap(nour).do(Log{What: "extraction"})
	if r, _ = w.lastRecord(wire.Intervened); r.Member != ines || w.count(wire.Assisted) != 1 {
		t.Errorf("after the assistant left: %+v", r)
	}
	if w.tap(ines).do(Log{What: "extraction"}); w.count(wire.Intervened) != 3 || !w.told(NotLogged) {
		t.Error("logged with nobody at work")
	}
}

func TestTagLocksTheMachineUntilItsRemoval(t *testing.T) {
	tag := func(id string, by policy.MemberID, now bool) Event {
		return AddTag{Tag: Tag{ID: id, By: by, Reason: "belt"}, Now: now}
	}
	untag := func(id string, by policy.MemberID) Event { return RemoveTag{ID: id, By: by} }
	for _, c := range []struct {
		name   string
		events []Event
		phase  Phase
		cause  wire.Cause
		tagged int
	}{
		{"tags with the same id are one tag", []Event{tag("a", "", false), tag("a", "", false)}, TaggedOut, "", 1},
		{"tags are removed one by one", []Event{tag("a", "", false), tag("b", "", false), untag("a", "")}, TaggedOut, "", 2},
		{"removing the last tag unlocks the machine",
			[]Event{tag("a", "", false), tag("b", "", false), untag("a", ""), untag("b", "")}, Off, "", 2},
		{"removing an unknown tag", []Event{tag("a", "", false), untag("x", "")}, TaggedOut, "", 1},
		{"tag while busy: ends when idle",
			[]Event{tapOf(nour), Busy{true}, tag("a", "", false), Busy{false}}, TaggedOut, wire.CauseTag,
			1},
		{"tag while idle: ends at once", []Event{tapOf(nour), tag("a", "", false)}, TaggedOut, wire.CauseTag, 1},
		{"tag with Now while busy: ends at once",
			[]Event{tapOf(nour), Busy{true}, tag("a", "", true)}, TaggedOut, wire.CauseTag, 1},
		{"tag while busy, then again with Now",
			[]Event{tapOf(nour), Busy{true}, tag("a", "", false), tag("a", "", true)}, TaggedOut,
			wire.CauseTag, 1},
		{"a user is refused", []Event{tag("a", "", false), tapOf(nour)}, TaggedOut, "", 1},
		{"a maintainer is admitted", []Event{tag("a", "", false), tapOf(ines)}, Maintenance, "", 1},
		{"the maintainer keeps the tag", []Event{tag("a", "", false), tapOf(ines), tapOf(ines)}, TaggedOut, wire.CauseTap, 1},
		{"the maintainer removes the tag",
			[]Event{tag("a", "", false), tapOf(ines), untag("a", ines), tapOf(ines)}, Cooling, wire.CauseTap,
			1},
		{"a maintainer tags and continues", []Event{tapOf(ines), tag("a", ines, true)}, Maintenance, "", 1},
		{"another person's tag with Now ends the maintenance",
			[]Event{tapOf(ines), tag("a", "", true)}, TaggedOut, wire.CauseTag,
			1},
		{"removal by a member without a session here", []Event{tag("a", "", false), untag("a", ines)}, TaggedOut, "", 1},
		{"removal by a helper", []Event{tag("a", "", false), tapOf(ines), tapOf(nour), untag("a", nour)}, Maintenance,
			"", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld().do(c.events...).wantPhase(t, c.phase, "then")
			if w.cause() != c.cause || w.count(wire.Tagged) != c.tagged || !reflect.DeepEqual(w.kept, w.Holds.Tags) {
				t.Errorf("ended by %q, %d tags recorded, %v kept of %v", w.cause(), w.count(wire.Tagged), w.kept, w.Holds.Tags)
			}
		})
	}
}

func TestTagBeyondTheLimitStillEndsTheSession(t *testing.T) {
	for name, first := range map[string][]Event{"a maintainer's": {tapOf(ines)}, "a user's": {tapOf(nour), Busy{true}}} {
		w := newWorld().do(first...)
		for n := range TagsMax + 3 {
			w.do(AddTag{Tag: Tag{ID: fmt.Sprint("t", n)}})
		}
		if !w.relay || len(w.Holds.Tags) != TagsMax {
			t.Fatalf("%s: %s with %d tags", name, w.State, len(w.Holds.Tags))
		}
		w.do(AddTag{Tag: Tag{ID: "smoke"}, Now: true}).wantPhase(t, TaggedOut, name)
		w.ended(t, wire.CauseTag, 1)
		if len(w.Holds.Tags) != TagsMax || w.count(wire.Tagged) != TagsMax || !reflect.DeepEqual(w.kept, w.Holds.Tags) {
			t.Errorf("%s: %d hang, %d on record", name, len(w.Holds.Tags), w.count(wire.Tagged))
		}
	}
}

func TestTagDoesNotProlongASession(t *testing.T) {
	w := newWorld()
	w.settings.FinishJob = false
	w.tap(nour).do(Busy{true}).wait(119*time.Minute).do(AddTag{Tag: Tag{ID: "a"}}).
		wantPhase(t, Finishing, "tagged at work")
	w.wait(time.Minute).wantPhase(t, TaggedOut, "at the limit")
}

func TestTagsSurviveARestartOfTheDaemon(t *testing.T) {
	w := newWorld()
	w.State = Restore([]Tag{{ID: "a", Reason: "belt", Since: noon()}})
	w.tap(nour).wantPhase(t, TaggedOut, "restored").do(RemoveTag{ID: "a"}).wantPhase(t, Off, "untagged")
}

func TestTagDuringCoolingDoesNotStopTheExtraction(t *testing.T) {
	w := newWorld().tap(nour).tap(nour).wantPhase(t, Cooling, "tapped out")
	w.do(AddTag{Tag: Tag{ID: "a"}}).wantPhase(t, TaggedOut, "tagged").do(RemoveTag{ID: "a"}).
		wantPhase(t, Cooling, "untagged")
	w.wait(3*time.Minute).wantPhase(t, Off, "cooled down").tap(nour).wantPhase(t, On, "and on")
}

func TestFaultEndsTheSessionAndPreventsStarts(t *testing.T) {
	w := newWorld().tap(nour).do(FaultRaised{What: "e-stop"}).wantPhase(t, Fault, "e-stop open")
	w.ended(t, wire.CauseFault, 1)
	if got := formatEffects(w.effects); !strings.HasPrefix(got, "relay off, ") {
		t.Errorf("the relay is not first: %s", got)
	}
	w.do(FaultRaised{What: "e-stop"}, FaultRaised{What: "guard-lost"}, FaultCleared{What: "e-stop"}).
		wantPhase(t, Fault, "the guard is still lost")
	w.do(FaultCleared{What: "guard-lost"}).
		wantPhase(t, Cooling, "all mended").
		wait(3*time.Minute).
		wantPhase(t, Off, "and never on by itself")
	if w.count(wire.Faulted) != 2 || w.count(wire.FaultCleared) != 2 {
		t.Errorf("%d faults, %d cleared on record", w.count(wire.Faulted), w.count(wire.FaultCleared))
	}
}

func TestSessionEndsIfTheGuardDoesNotAnswer(t *testing.T) {
	w := newWorld()
	w.guardless = true
	w.tap(nour).wantPhase(t, Fault, "no guard")
	w.ended(t, wire.CauseFault, 1)
}

// An emulator presents five refused numbers, and any number of invented numbers. The journal contains a limited number
// of records, and the panel answers each tap.
func TestEachRefusalIsAnsweredAndRecordedRefusalsAreLimited(t *testing.T) {
	for name, c := range map[string]struct{ members, most int }{"one member": {1, 6}, "as many as are kept": {RefusedMax,
		6 * RefusedMax}, "more": {2*RefusedMax + 1, 6 * RefusedMax}} {
		w := newWorld()
		for n := range 100 { // the loop takes ten seconds of the test's clock
			e := tapOf(zoe)
			e.Member = policy.MemberID(fmt.Sprint("m-", n%c.members))
			w.now = w.now.Add(100 * time.Millisecond)
			if w.atOnce(e); !w.told(Denied) {
				t.Fatalf("%s: not answered: %s", name, formatEffects(w.effects))
			}
		}
		if n := w.count(wire.Refused); n > c.most || n < 4 {
			t.Errorf("%s: %d refusals on record, want at most %d", name, n, c.most)
		}
	}
	w := newWorld().atOnce(tapOf(zoe)).atOnce(tapOf(bruno)).atOnce(stranger())
	if w.count(wire.Refused) != 3 {
		t.Errorf("one refusal hides another's: %d on record", w.count(wire.Refused))
	}
	if w.tap(zoe); w.count(wire.Refused) != 4 {
		t.Error("refused for the second time, and not on record")
	}
}

func TestFailedReaderDoesNotEndTheSession(t *testing.T) {
	w := newWorld().tap(nour).do(Reader{Why: "unplugged"}, Reader{}).wantPhase(t, On, "unplugged").do(Reader{Alive: true})
	if w.count(wire.ReaderLost) != 1 || w.count(wire.ReaderBack) != 1 || w.Holds.ReaderDown {
		t.Errorf("%d lost, %d back", w.count(wire.ReaderLost), w.count(wire.ReaderBack))
	}
}

func TestNothingStartsAfterShutdown(t *testing.T) {
	w := newWorld().tap(nour).do(Shutdown{}).wantPhase(t, Off, "ended")
	w.ended(t, wire.CauseShutdown, 1)
	if w.tap(ines).tap(nour).do(stranger()); w.Running() || w.count(wire.SessionStart) != 1 || w.count(wire.Refused) != 0 {
		t.Errorf("after the end: %s", w.State)
	}
}

func TestZeroValuesDeny(t *testing.T) {
	roleless := tapOf(zoe)
	roleless.Decision = policy.Decision{Verdict: policy.Allow}
	for name, e := range map[string]Event{"zero tap": Tap{}, "zero decision": Tap{Member: nour}, "no role": roleless,
		"nothing": nil} {
		if w := newWorld().do(e); w.Running() || w.relay {
			t.Errorf("%s: %s", name, w.State)
		}
	}
	if s, effects := Next(State{}, Input{Now: noon(), Event: tapOf(nour)}); s.Running() {
		t.Errorf("without an id for the session: %s", formatEffects(effects))
	}
}

func TestChangeNamesBothPhases(t *testing.T) {
	if got := Change(State{}, State{Phase: EndingSoon}); got != "off=>ending-soon" {
		t.Error(got)
	}
	if got := Change(State{Phase: On}, State{Phase: On}); got != "" || Phase(200).String() == "" {
		t.Error(got)
	}
}

func TestMachineThatRunsWhileItsRelayIsOpenIsAFault(t *testing.T) {
	w := newWorld().do(Busy{true}).wantPhase(t, Fault, "it works before anybody came")
	w.tap(nour).
		wantPhase(t, Fault, "nobody starts").
		do(Busy{false}).
		wantPhase(t, Off, "it rests").
		tap(nour).
		wantPhase(t, On, "now somebody does")

	w = newWorld().tap(paul).do(Busy{true}, Stop{}).wantPhase(t, Cooling, "it coasts")
	w.wait(Coast-2*Flap).
		wantPhase(t, Cooling, "still").
		wait(2*Flap).
		wantPhase(t, Fault, "this is no coasting").
		do(Busy{false}).
		wantPhase(t, Cooling, "it rests at last")
	if w.count(wire.Faulted) != 1 || w.count(wire.FaultCleared) != 1 {
		t.Errorf("%d faults, %d cleared", w.count(wire.Faulted), w.count(wire.FaultCleared))
	}
}

func TestHomingMovementDoesNotCountAsWork(t *testing.T) {
	w := newWorld()
	w.settings.Ignore = 30 * time.Second
	w.tap(nour).do(Busy{true}).tap(nour).wantPhase(t, Cooling, "homing is no job to finish")
	w = newWorld()
	w.settings.Ignore = 30 * time.Second
	w.tap(nour).do(Busy{true}).wait(30*time.Second).tap(nour).wantPhase(t, Finishing, "a job is")
}

func TestRemovingTheCardFromItsSlotEndsTheSession(t *testing.T) {
	w := newWorld().tap(nour).
		do(Removed{Member: karim}).
		wantPhase(t, On, "another card").
		do(Removed{Member: nour}).
		wantPhase(t, Cooling, "the card itself")
	w.ended(t, wire.CauseTap, 1)
	w.atOnce(tapOf(nour)).wantPhase(t, On, "put back at once")
	w.do(Removed{}).wantPhase(t, Cooling, "the reader came back to an empty slot")

	w = newWorld().tap(lea).
		do(Removed{Member: lea}).
		wantPhase(t, Awaiting, "the mentor's card needs the slot").
		tap(karim).
		wantPhase(t, On, "it is in")
	w.do(Removed{Member: lea}).
		wantPhase(t, On, "the learner's has left long ago").
		do(Removed{Member: karim}).
		wantPhase(t, Cooling, "the mentor's leaves")
	w.ended(t, wire.CauseSupervisor, 1)
}

func TestStartRecordContainsTheStrengthOfTheCard(t *testing.T) {
	e := tapOf(nour)
	e.Strength = policy.AES
	w := newWorld().do(e)
	if r, _ := w.lastRecord(wire.SessionStart); r.Body.(wire.StartBody).Card != "aes" {
		t.Errorf("%+v", r.Body)
	}
	if w.tap(nour).tap(paul); w.Current.Member != paul {
		t.Fatal(w.Current.Member)
	}
	if r, _ := w.lastRecord(wire.SessionStart); r.Body.(wire.StartBody).Card != "uid" {
		t.Errorf("%+v", r.Body)
	}
}

func TestMemberWhoMayBecomeMaintainerCannotLeaveAJobToFinish(t *testing.T) {
	if r := newWorld().tap(nour).effects[1].(Relay); !r.FinishJob {
		t.Error("a user's job is finished")
	}
	if r := newWorld().tap(paul).effects[1].(Relay); r.FinishJob {
		t.Error("the guard would go on for a day under a maintainer's hands")
	}
}
