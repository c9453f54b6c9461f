package session

import (
	"testing"
	"time"

	"portillon/policy"
	"portillon/wire"
)

func body[T any](t *testing.T, w *world, k wire.Kind) T {
	t.Helper()
	r, ok := w.lastRecord(k)
	b, fits := r.Body.(T)
	if !ok || !fits {
		t.Fatalf("no %s record: %+v", k, r)
	}
	return b
}

func TestExtensionAddsTimeUpToTheLimitOfAFreshDecision(t *testing.T) {
	ask := func(most time.Duration) Extend {
		d := allow(policy.User)
		d.Limits.Most = most
		return Extend{d}
	}
	w := newWorld().tap(nour).do(Busy{true}).wait(118*time.Minute + 30*time.Second - 2*Flap)
	if w.Phase != EndingSoon {
		t.Fatal(w.Phase)
	}
	left := w.Current.Until.Sub(w.now) - Flap
	w.do(ask(2 * time.Hour))
	if got := w.Current.Until.Sub(w.now); w.Phase != On || got != left+30*time.Minute {
		t.Errorf("%s, %s left, want %s", w.Phase, got, left+30*time.Minute)
	}
	if b := body[wire.ExtendBody](t, w, wire.Extended); b.Seconds != int64((left+30*time.Minute)/time.Second) {
		t.Error(b)
	}
	if w.do(ask(2 * time.Hour)); w.count(wire.Extended) != 1 {
		t.Error("extended although nothing ends soon")
	}
	w.wait(30 * time.Minute)
	if w.do(ask(4 * time.Minute)); w.Current.Until.Sub(w.now) != 4*time.Minute {
		t.Errorf("%s left where 4 min are", w.Current.Until.Sub(w.now))
	}
	w.wait(2*time.Minute + Flap)
	if w.do(ask(30 * time.Second)); w.count(wire.Extended) != 2 || w.Phase != EndingSoon {
		t.Errorf("extended where nothing is left: %s", w.Phase)
	}
	if w.do(Extend{denied(policy.Deny, policy.User, policy.OutsideHours)}); w.count(wire.Extended) != 2 {
		t.Error("extended against a refusal")
	}
	if w.wait(3 * time.Minute); w.Phase == On || w.relay && w.Phase != Finishing {
		t.Error("it does not end")
	}
}

// At minute 8, a session of thirty minutes has twenty-two minutes left. After an extension of thirty minutes, the
// session has fifty-two minutes left. The session's maximum limits the duration at the start, and not the duration
// after an extension.
func TestExtendedSessionMayHaveMoreTimeLeftThanANewOne(t *testing.T) {
	short := policy.Limits{Max: 30 * time.Minute, Warn: 25 * time.Minute, Extend: 30 * time.Minute}
	for most, want := range map[time.Duration]time.Duration{0: 52 * time.Minute, 40 * time.Minute: 40 * time.Minute} {
		e := tapOf(nour)
		e.Decision.Limits = short
		w := newWorld().do(e, Busy{true}).wait(8*time.Minute - 2*Flap)
		d := allow(policy.User)
		d.Limits = short
		d.Limits.Most = most
		if w.do(Extend{d}); w.Current.Until.Sub(w.now) != want || w.Phase != On || w.count(wire.Extended) != 1 {
			t.Errorf("%s, %s left where at most %s may be, want %s", w.Phase, w.Current.Until.Sub(w.now), most, want)
		}
	}
}

func TestExtensionRestartsTheIdleTime(t *testing.T) {
	w := newWorld().tap(nour).wait(9 * time.Minute)
	if w.Phase != EndingSoon {
		t.Fatal(w.Phase)
	}
	limit := w.Current.limit
	if w.do(Extend{allow(policy.User)}); w.Phase != On || w.Current.limit != limit {
		t.Errorf("%s, limit moved %s", w.Phase, w.Current.limit.Sub(limit))
	}
	if w.wait(9 * time.Minute); w.Phase != EndingSoon {
		t.Error(w.Phase)
	}
	if w.wait(90 * time.Second); w.Phase == On || w.cause() != wire.CauseIdle {
		t.Error(w.Phase, w.cause())
	}
}

func TestExtensionThatIsNotRecordedHasNoEffect(t *testing.T) {
	w := newWorld().tap(nour).do(Busy{true}).wait(119 * time.Minute)
	was := w.Current.Until
	w.full = func() bool { return true }
	if w.do(Extend{allow(policy.User)}); w.Current.Until != was || w.Phase != EndingSoon {
		t.Error(w.Phase, w.Current.Until)
	}
}

func TestPowerOffInMaintenanceLastsUntilTheNextCard(t *testing.T) {
	w := newWorld().tap(ines).do(Busy{false})
	if w.do(PowerOff{nour}); !w.relay {
		t.Error("another member's hand")
	}
	if w.do(PowerOff{ines}); w.relay || w.Phase != Maintenance || !w.Power.PoweredOff {
		t.Error("the relay stays on, or the machine is free")
	}
	if w.do(ChooseRole{Decision: allow(policy.User)}); w.relay {
		t.Error("a role brings it back")
	}
	if w.tap(nour); w.Current.Assistant != nour || w.relay {
		t.Error("a helper cannot join, or brings it back")
	}
	if w.do(Log{What: "lens-cleaning"}); w.count(wire.Intervened) != 1 {
		t.Error("not logged")
	}
	if w.tap(ines); w.Phase == Maintenance || w.relay {
		t.Error("her card does not end it")
	}
	if w.tap(ines); !w.relay || w.Power.PoweredOff {
		t.Error("her next card does not bring it back")
	}
}

func TestMachineThatRunsWhilePoweredOffIsAFault(t *testing.T) {
	w := newWorld().tap(ines).do(PowerOff{ines}).wait(Coast)
	if w.do(Busy{true}); w.Phase != Fault {
		t.Error(w.Phase)
	}
}

func TestReportIsRecordedAndDangerTagsTheMachineOut(t *testing.T) {
	w := newWorld().do(Report{By: zoe, Body: wire.ReportBody{What: wire.Noise, Note: "grince"}})
	if b := body[wire.ReportBody](t, w, wire.Reported); b.Note != "grince" || b.RanBy != wire.RanByBusy || w.Phase != Off {
		t.Errorf("%+v %s", b, w.Phase)
	}
	w.tap(nour).
		do(Busy{true}, Report{By: nour, Body: wire.ReportBody{What: wire.Dangerous}, Tag: Tag{ID: "t", Role: policy.User,
			Reason: "fumée"}})
	if w.Phase != Finishing || !w.relay || len(w.Holds.Tags) != 1 {
		t.Error("it does not wait for the machine to be idle: ", w.Phase)
	}
	if b := body[wire.TagBody](t, w, wire.Tagged); b.Role != "user" || b.Reason != "fumée" {
		t.Errorf("%+v", b)
	}
	if w.do(Busy{false}); w.relay || w.Phase != TaggedOut {
		t.Error(w.Phase)
	}
	w = newWorld().tap(nour).
		do(Busy{true}, Report{By: nour, Body: wire.ReportBody{What: wire.Dangerous}, Tag: Tag{ID: "t"}, Now: true})
	if w.relay || w.Phase != TaggedOut || w.effects[0] != (Relay{}) {
		t.Errorf("told at once, it is %s: %s", w.Phase, formatEffects(w.effects))
	}
	if w.do(Report{By: nour}); w.count(wire.Reported) != 1 {
		t.Error("a report of nothing")
	}
}

func TestDangerTagsTheMachineOutEvenIfTheJournalIsFull(t *testing.T) {
	w := newWorld().tap(nour)
	w.full = func() bool { return true }
	w.do(Report{By: nour, Body: wire.ReportBody{What: wire.Dangerous}, Tag: Tag{ID: "t"}, Now: true})
	if w.relay || len(w.Holds.Tags) != 1 {
		t.Error("not tagged")
	}
	w.full = func() bool { return false }
	if w.wait(RetryEvery); len(w.kept) != 1 {
		t.Error("the tag is not on record once there is room")
	}
}

func TestAnotherMentorMayTakeOverASession(t *testing.T) {
	w := newWorld().tap(lea).tap(karim).tap(sami)
	if w.Current.Supervisor != sami || !w.relay || w.Phase != On {
		t.Fatal(w.Current.Supervisor, w.Phase)
	}
	if b := body[wire.HandOverBody](t, w, wire.HandedOver); b.From != karim || b.To != sami || len(b.Badges) == 0 {
		t.Errorf("%+v", b)
	}
	if w.tap(nour); w.Current.Supervisor != sami || !w.relay {
		t.Error("a member without the badge took over")
	}
	if w.tap(karim); w.Current.Supervisor != karim {
		t.Error("the first mentor cannot come back")
	}
	if w.tap(sami).tap(sami); w.relay || w.cause() != wire.CauseSupervisor {
		t.Error("the mentor who answers now cannot end it")
	}
	w = newWorld().tap(lea).tap(karim)
	w.full = func() bool { return true }
	if w.tap(sami); w.Current.Supervisor != karim || !w.relay {
		t.Error("who answers is not who is on record")
	}
}

func TestMentorWhoEndsASessionMayVouchForTheLearner(t *testing.T) {
	w := newWorld().tap(lea).tap(karim).tap(karim)
	if !w.VouchRequest.Open || w.VouchRequest.Learner != lea {
		t.Fatalf("%+v", w.VouchRequest)
	}
	if w.do(Vouch{By: sami, Skills: []string{"focus"}}, Vouch{By: karim}); w.count(wire.Vouched) != 0 {
		t.Error("vouched by another, or for nothing")
	}
	w.do(Vouch{By: karim, Skills: []string{"focus", "clean-up"}})
	r, _ := w.lastRecord(wire.Vouched)
	if b := body[wire.VouchBody](t, w, wire.Vouched); r.Member != lea || r.Session != "s2" && r.Session == "" ||
		b.Mentor != karim ||
		len(b.Skills) != 2 {
		t.Errorf("%+v", r)
	}
	if w.do(Vouch{By: karim, Skills: []string{"focus"}}); w.count(wire.Vouched) != 1 {
		t.Error("vouched twice")
	}
}

func TestMentorIsAskedForTheirCardIfTheLearnerEndedTheSession(t *testing.T) {
	w := newWorld()
	w.settings.Cooldown = 0
	w.tap(lea).tap(karim).tap(lea)
	if w.VouchRequest.Open || w.VouchRequest.Mentor != karim {
		t.Fatalf("%+v", w.VouchRequest)
	}
	if w.do(Vouch{By: karim, Skills: []string{"focus"}}); w.count(wire.Vouched) != 0 {
		t.Error("vouched without a card")
	}
	if w.tap(karim); w.relay || !w.VouchRequest.Open {
		t.Error("the card that was asked for starts the machine, or opens nothing")
	}
	if w.tap(karim); w.relay || !w.VouchRequest.Open {
		t.Error("a mentor whose buttons have gone is not asked again, and the machine starts")
	}
	asked := tapOf(karim)
	asked.Asked = true
	if w.do(asked); !w.relay || w.VouchRequest != (VouchRequest{}) {
		t.Error("who is asked and taps all the same means the machine")
	}
	w = newWorld()
	w.settings.Cooldown = 0
	if w.tap(lea).tap(karim).tap(lea).wait(VouchFor).tap(karim); !w.relay {
		t.Error("asked for ever")
	}
	w = newWorld()
	w.settings.Cooldown = 0
	w.tap(lea).tap(karim).tap(karim)
	w.full = func() bool { return true }
	w.do(Vouch{By: karim, Skills: []string{"focus"}})
	w.full = func() bool { return false }
	if w.do(Vouch{By: karim, Skills: []string{"focus"}}); w.count(wire.Vouched) != 1 {
		t.Error("what the journal refused cannot be said again")
	}
}

// If the policy names no skill to vouch for, the mentor's next tap is an ordinary tap.
func TestMentorIsNotAskedIfThePolicyHasNothingToVouchFor(t *testing.T) {
	for name, last := range map[string]policy.MemberID{"the learner ended it": lea, "the mentor ended it": karim} {
		w := newWorld()
		w.settings.Cooldown, w.settings.Vouch = 0, false
		if w.tap(lea).tap(karim).tap(last); w.VouchRequest != (VouchRequest{}) {
			t.Errorf("%s: %+v", name, w.VouchRequest)
		}
		if w.tap(karim); !w.relay {
			t.Errorf("%s: the mentor's card does not start the machine: %s", name, formatEffects(w.effects))
		}
	}
	w := newWorld()
	w.settings.Cooldown = 0
	w.tap(lea).tap(karim).tap(lea)
	w.settings.Vouch = false
	if w.tap(karim); !w.relay {
		t.Error("a new policy asks nothing, and the card is taken for an answer")
	}
}

func TestMaintainerMayRemoveTagsShortlyAfterTheSession(t *testing.T) {
	w := newWorld().do(AddTag{Tag: Tag{ID: "t1"}}, AddTag{Tag: Tag{ID: "t2"}}).tap(ines).tap(ines)
	if w.do(RemoveTag{ID: "t1", By: nour}); len(w.Holds.Tags) != 2 {
		t.Error("by another")
	}
	if w.do(RemoveTag{ID: "t1", By: ines}); len(w.Holds.Tags) != 1 {
		t.Error("not by her who gave it back")
	}
	if w.wait(ChooseFor).do(RemoveTag{ID: "t2", By: ines}); len(w.Holds.Tags) != 1 {
		t.Error("for ever")
	}
}

func TestHoursAreCountedByTheBusyInputOrElseByTheRelay(t *testing.T) {
	w := newWorld()
	w.settings.HasBusy = false
	w.tap(nour).wait(time.Hour).tap(nour).wait(time.Hour).tap(ines).do(PowerOff{ines}).wait(time.Hour).do(Log{What: "x"})
	b := body[wire.InterventionBody](t, w, wire.Intervened)
	if want := int64((time.Hour + 2*Flap) / time.Second); b.RanSeconds != want || b.RanBy != wire.RanByRelay {
		t.Errorf("%+v, want %d", b.Ran, want)
	}
	w = newWorld().tap(nour).
		do(Busy{true}).
		wait(time.Hour).
		do(Busy{false}).
		wait(5 * time.Minute).
		do(Report{By: nour, Body: wire.ReportBody{What: wire.Poor}})
	if b := body[wire.ReportBody](t, w, wire.Reported); b.RanSeconds != int64((time.Hour+Flap)/time.Second) ||
		b.RanBy != wire.RanByBusy {
		t.Errorf("%+v", b.Ran)
	}
}

func TestInterventionMayBeLoggedAfterItsSession(t *testing.T) {
	w := newWorld().tap(ines).tap(nour).tap(ines)
	w.do(Log{What: "lens-cleaning", Minutes: 12, Parts: "lens", Photo: "ab", Session: "s1", By: nour, Endorser: ines})
	r, _ := w.lastRecord(wire.Intervened)
	if b := body[wire.InterventionBody](t, w, wire.Intervened); r.Member != nour || r.Session != "s1" ||
		b.Endorser != ines ||
		b.Parts != "lens" ||
		b.Photo != "ab" {
		t.Errorf("%+v", r)
	}
	if w.do(Log{What: "lens-cleaning"}); w.count(wire.Intervened) != 1 {
		t.Error("logged in no session")
	}
}

// An unsigned report is recorded without a member and does not change the machine, even if the report asks for a tag.
func TestUnsignedReportNamesNoMemberAndSwitchesNothing(t *testing.T) {
	w := newWorld().tap(nour).do(Busy{true})
	phase, tags := w.Phase, len(w.Holds.Tags)
	w.do(Report{Body: wire.ReportBody{What: wire.Dangerous, Claimed: zoe, Tag: "t"}, Tag: Tag{ID: "t"}, Now: true})
	if w.Phase != phase || len(w.Holds.Tags) != tags || w.count(wire.Reported) != 1 || w.count(wire.Tagged) != 0 ||
		body[wire.ReportBody](t, w, wire.Reported).Tag != "" {
		t.Errorf("%v, %d tags, %d reports", w.Phase, len(w.Holds.Tags), w.count(wire.Reported))
	}
	w.do(Report{Body: wire.ReportBody{What: wire.Dangerous}, Tag: Tag{ID: "t"}})
	if w.count(wire.Reported) != 1 || len(w.Holds.Tags) != tags {
		t.Error("a report of nobody at all is taken")
	}
}
