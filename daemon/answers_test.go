package daemon

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"portillon/daemon/control"
	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/rfid"
	"portillon/wire"
)

func TestIdlePanelNamesTheReasonWhyTheMachineCannotStart(t *testing.T) {
	r := rosterOf(t, "../site-example") // the test changes the policy, so it uses its own copy of the roster
	for _, x := range []struct {
		name   string
		change func(*bench)
		want   panel.View
	}{
		{"nothing", func(*bench) {}, panel.Ready()},
		{"no members' list", func(b *bench) { b.m.rules.roster = nil }, panel.NoPolicy()},
		{"a journal that refuses records", func(b *bench) { b.m.state.Ledger.Broken = true }, panel.CannotRecord()},
		{"a pending record", func(b *bench) { b.m.state.Ledger.Pending = make([]session.Record, 1) },
			panel.CannotRecord()},
		{"a silent reader", func(b *bench) { b.m.state.Holds.ReaderDown = true }, panel.ReaderSilent(false)},
		{"an untrusted clock, and rules that need one", func(b *bench) { distrustClock(b, 0) }, panel.ClockNotSet(true)},
		{"an untrusted clock, and rules that pass", func(b *bench) { distrustClock(b, policy.PassHours) },
			panel.ClockNotSet(false)},
	} {
		b := benchOf(t, r)
		x.change(b)
		if got := b.e.views.idleView(); got.Line != x.want.Line || got.Next != x.want.Next {
			t.Errorf("%s: %q, %q", x.name, got.Line.EN, got.Next.EN)
		}
	}
}

// distrustClock gives the bench's machine an untrusted clock, and sets the rules that are skipped until the clock is
// trusted.
func distrustClock(b *bench, pass policy.ClockPass) {
	b.cfg.Trusted = func() bool { return false }
	mach, _ := b.m.rules.machine()
	mach.Pass = pass
}

func TestSessionTakesItsSettingsFromThePolicy(t *testing.T) {
	b := benchOf(t, rosterOf(t, "../site-example")) // the test changes the policy, so it uses its own copy of the roster
	mach, _ := b.m.rules.machine()
	mach.Cooldown, mach.WhenIdle = 7*time.Minute, policy.FinishJob
	if s := b.m.rules.settings(); s.Cooldown != 7*time.Minute || !s.FinishJob || !s.Vouch {
		t.Errorf("%+v, want a cooldown of 7 min, jobs that finish, and vouching", s)
	}
	mach.WhenIdle, mach.Vouch = mach.WhenIdle+1, nil
	if s := b.m.rules.settings(); s.FinishJob || s.Vouch {
		t.Errorf("%+v, want no job that finishes and no vouching", s)
	}
}

func TestRecountAcceptsFactsOfAnOlderReleaseWithoutRemovedTags(t *testing.T) {
	c, facts := sampleRecount(t)
	delete(facts, FactRemoved+"t1")
	if got := c.Compare(facts); len(got) != 0 {
		t.Errorf("facts that list no removed tag at all: %q", got)
	}
	facts[FactRemoved+"t0"] = []byte("1")
	if got := c.Compare(facts); len(got) != 1 || !strings.Contains(got[0], `"t1" was taken off by record 3`) {
		t.Errorf("facts that list another removed tag: %q", got)
	}
}

// An intervention that is logged after the end of its session also waits ten minutes for an endorser to confirm it.
func TestInterventionLoggedAfterItsSessionWaitsForItsEndorser(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	a := attestations{cfg: configWithClock(&now)}
	a.add(session.Record{Session: "s", Member: "m-1"}, wire.InterventionBody{ID: "i", Endorser: "m-2"})
	now = now.Add(formLife - time.Second)
	if a.expire(""); len(a.waiting) != 1 {
		t.Error("dropped a second before formLife has passed")
	}
	now = now.Add(time.Second)
	if a.expire(""); len(a.waiting) != 0 {
		t.Error("still waiting after formLife")
	}
}

func TestRestoreIsRefusedWhileARecordIsPending(t *testing.T) {
	b := newBench(t)
	b.m.state.Ledger.Pending = make([]session.Record, 1)
	n := b.notes.n
	if err := b.restorer.restore(t.Context(), restoreData(), "5a", nil); err == nil || b.notes.n != n ||
		b.m.journal.restored {
		t.Errorf("%v, %d records written", err, b.notes.n-n)
	}
}

func TestTouchIsAcceptedOnlyWhileTheMemberIsAtTheMachine(t *testing.T) {
	b := newBench(t)
	b.tap(karim)
	err := b.touch(panel.Touch{Do: "role", Arg: "mentor", At: b.cfg.Panel.Current().Visitor.At})
	if err != nil || b.m.state.Current.Role != policy.Mentor {
		t.Errorf("%v, role %v", err, b.m.state.Current.Role)
	}
}

// Of all forms, only the form of an intervention asks how long the work took.
func TestProblemReportFormHasNoTimeLimit(t *testing.T) {
	b := newBench(t)
	b.tap(lea)
	err := b.fills(panel.FormRequest{Do: "report", Here: true}, panel.Entry{Item: "noise", Minutes: 600})
	if err != nil || b.notes.last.Kind != wire.Reported {
		t.Errorf("%v, last record %s", err, b.notes.last.Kind)
	}
	want := panel.Thanked(b.m.rules.name(b.m.state.Current.Member), false, true)
	if v := b.cfg.Panel.Current(); v.Line != want.Line || v.Next != want.Next {
		t.Errorf("the panel says %q, %q after a report", v.Line.EN, v.Next.EN)
	}
}

func TestNumberOfAnUnknownCardIsEncryptedForTheHub(t *testing.T) {
	key, err := wire.NewSealKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	b.cfg.SealKey = key.Public
	b.tap("DEADBEEF")
	body, ok := b.notes.last.Body.(wire.RefusedBody)
	card, err := wire.OpenCard(body.Sealed, "biklab", "laser", []wire.SealKey{key})
	if !ok || err != nil || card.Code == "" || card.Code != b.m.unknown.shown {
		t.Errorf("%+v: %+v, %v; want the card with the code %q", b.notes.last, card, err, b.m.unknown.shown)
	}
	b.m.rules.roster = nil
	if b.tap("DEADBEEF"); b.m.unknown.shown != "" {
		t.Errorf("the code %q is shown, and no members' list says that the card is unknown", b.m.unknown.shown)
	}
}

func TestTextsAreFrenchBeforeTheFirstBundle(t *testing.T) {
	if got := (&rules{cfg: &Config{}}).inSiteLanguage(policy.Text{FR: "vide", EN: "empty"}); got != "vide" {
		t.Errorf("%q", got)
	}
}

func TestOnlyATagOfThisMachineIsRemoved(t *testing.T) {
	b := newBench(t)
	b.e.apply(t.Context(), session.AddTag{Tag: session.Tag{ID: "t", Reason: "belt"}})
	r := b.operator.order(t.Context(), control.Request{Do: "untag", Tag: "other"}, "")
	if r.OK || !strings.Contains(r.Error, `no tag "other"`) || len(b.m.state.Holds.Tags) != 1 {
		t.Errorf("%+v, tags %+v", r, b.m.state.Holds.Tags)
	}
}

func TestCompletedMaintenanceRemovesOnlyItsOwnTag(t *testing.T) {
	b := newBench(t)
	b.e.apply(t.Context(), session.AddTag{Tag: session.Tag{ID: "journal", Reason: "belt"}})
	if b.periodic.upkeep(t.Context()); !b.m.isTagged("journal") {
		t.Error("the tag is gone, and no maintenance put it on")
	}
}

func TestOnlyAMaintainerInASessionMayTagTheMachineOut(t *testing.T) {
	b := newBench(t)
	b.tap(ines)
	if err := b.fills(panel.FormRequest{Here: true, Do: "tag"}, panel.Entry{Item: "broken"}); err != nil ||
		len(b.m.state.Holds.Tags) != 1 {
		t.Errorf("a maintainer: %v, tags %+v", err, b.m.state.Holds.Tags)
	}
	b.tap(lea)
	err := b.fills(panel.FormRequest{Here: true, Do: "tag"}, panel.Entry{Item: "noise"})
	if !errors.Is(err, panel.NotNow) || len(b.m.state.Holds.Tags) != 1 {
		t.Errorf("their assistant: %v, tags %+v", err, b.m.state.Holds.Tags)
	}
}

func TestVisitorIsNamedAtAMachineThatThePolicyDoesNotList(t *testing.T) {
	b := newBench(t)
	b.tap(zoe)
	b.cfg.Machine = "nowhere"
	if offers, v := b.e.views.offers(); len(offers) != 0 || v == nil || v.Name != "Zoé" {
		t.Errorf("offered %+v to %+v", offers, v)
	}
}

func TestConfirmationNamesTheMinutesOfAnIntervention(t *testing.T) {
	for do, want := range map[panel.Action]int{panel.OpenLog: 12, panel.OpenReport: 0} {
		u := unsignedForm{id: "u", entry: panel.Entry{Item: "lens", Minutes: 12}}
		u.Do = do
		if got := u.confirmOffers()[0]; got.Label != panel.OfferConfirm("u", u.itemName(), want).Label {
			t.Errorf("%s: %q", do, got.Label.EN)
		}
	}
}

func TestShortAnswersAreShownForHalfTheTimeOfOtherAnswers(t *testing.T) {
	r := exampleRoster(t)
	for notice, want := range map[session.Notice]time.Duration{session.Denied: flash, session.CardRefused: flash,
		session.CannotRecord: flash, session.Occupied: flash / 2, session.Logged: flash / 2, session.Attested: flash / 2,
		session.Thanked: flash / 2, session.Vouched: flash / 2, session.WaitOver: flash / 2} {
		synctest.Test(t, func(t *testing.T) {
			b := benchOf(t, r)
			ready := b.cfg.Panel.Current().Line
			b.e.flashResult(session.Notify{Notice: notice})
			time.Sleep(want - 1)
			synctest.Wait()
			if b.cfg.Panel.Current().Line == ready {
				t.Errorf("%v: the answer is gone before %v", notice, want)
			}
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			if got := b.cfg.Panel.Current().Line; got != ready {
				t.Errorf("%v: the panel still says %q after %v", notice, got.EN, want)
			}
		})
	}
}

// stateRecorder is an uplink that appends each state to a list.
type stateRecorder struct {
	*lastState
	states chan wire.State
}

func (r stateRecorder) SetState(s wire.State) { r.states <- s }

func TestStateIsPublishedAtStartBeforeTheFirstTick(t *testing.T) {
	b := newBench(t)
	up := stateRecorder{&lastState{}, make(chan wire.State, 100)}
	b.cfg.Uplink = up
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx, time.Hour) }()
	select {
	case s := <-up.states:
		if s.Phase != "off" || s.Relay {
			t.Errorf("%+v", s)
		}
	case <-ctx.Done():
		t.Error("no state before the first tick")
	}
	cancel()
	<-ended
}

// After the daemon has ended, nobody can confirm a form that was waiting for confirmation.
func TestWaitingFormsAndTheirPhotosAreDroppedAtShutdown(t *testing.T) {
	b := newBench(t)
	b.tap(ines)
	photo, dir := newPicture(t)
	if _, err := b.fillByPhone(panel.FormRequest{Do: "log"}, panel.Entry{Item: "lens-cleaning",
		Photo: photo}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Run(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 || len(b.m.forms.waiting) != 0 {
		t.Errorf("%d photos and %d forms are left, %v", len(left), len(b.m.forms.waiting), err)
	}
}

// The panel's pages call the machine from other goroutines. Each call runs in the machine's loop.
func TestCallsOfPagesRunInTheMachinesLoop(t *testing.T) {
	b := newBench(t)
	b.tap(lea)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx, time.Hour) }()
	f, err := b.Actions().Form(ctx, panel.FormRequest{Do: "report", Here: true})
	if err != nil || f.Token == "" {
		t.Fatalf("%+v, %v", f, err)
	}
	again, err := b.Actions().Form(ctx, panel.FormRequest{Token: f.Token})
	if err != nil || again.Token != f.Token || again.Title != f.Title {
		t.Errorf("the open form: %+v, %v", again, err)
	}
	if _, err := b.Actions().Form(ctx, panel.FormRequest{Token: "other"}); !errors.Is(err, panel.FormOver) {
		t.Errorf("a form that is not open: %v", err)
	}
	if _, err := b.Actions().Write(ctx, f.Token, panel.Entry{Item: "other", Here: true}); !errors.Is(err,
		panel.ChooseFromList) {
		t.Errorf("a problem that is not listed: %v", err)
	}
	if waits, err := b.Actions().Write(ctx, f.Token, panel.Entry{Item: "noise"}); err != nil || waits == (policy.Text{}) {
		t.Errorf("from elsewhere: %v, %v", waits, err)
	}
	if _, err := b.Actions().Form(ctx, panel.FormRequest{Token: f.Token}); !errors.Is(err, panel.FormOver) {
		t.Errorf("a form that was sent: %v", err)
	}
	if err := b.Actions().Do(ctx, panel.Touch{Do: "role", Arg: "mentor"}); !errors.Is(err, panel.OnlyHere) {
		t.Errorf("a touch from elsewhere: %v", err)
	}
	cancel()
	<-ended
}

func TestStateForTheHubDescribesTheMachine(t *testing.T) {
	b := newBench(t)
	if s := b.e.views.wireState(); s.Bundle != b.m.rules.roster.Version || s.Clock != "trusted" || s.Due != "" ||
		s.HubKey != "" || s.CardKey == "" || s.Tagged || s.Disk != "" || s.BundleRefused != "" || s.UnackedWhy != "" {
		t.Errorf("an ordinary machine: %+v", s)
	}
	keys := wire.StateKeys{HubKey: "hub"}
	b.cfg.Keys, b.cfg.Trusted = func() wire.StateKeys { return keys }, func() bool { return false }
	b.SetBundleState(BundleState{Damage: strings.Repeat("d", 300), Refused: strings.Repeat("r", 300)})
	b.m.links.hub = HubHealth{Overdue: true, Why: "no-answer", Since: b.now}
	b.m.state.Holds.Tags = []session.Tag{{ID: "t"}}
	b.m.rules.roster = nil
	s := b.e.views.wireState()
	if s.Bundle != 0 || s.Clock != "untrusted" || !s.Tagged || s.UnackedWhy != "no-answer" ||
		!s.UnackedSince.Equal(b.now) {
		t.Errorf("a machine in trouble: %+v", s)
	}
	if len(s.Disk) != 200 || len(s.BundleRefused) != 200 {
		t.Errorf("%d and %d bytes say what is wrong, want at most 200", len(s.Disk), len(s.BundleRefused))
	}
	if s.StateKeys.HubKey != "hub" {
		t.Errorf("%+v", s.StateKeys)
	}
}

// Before the machine has its first bundle, it knows no member, and the panel tells a person who taps a card that the
// members' list is missing.
func TestNobodyIsKnownBeforeTheFirstBundle(t *testing.T) {
	b := newBench(t)
	known, uid := b.m.rules.roster, mustParseUID(t, lea)
	if p, ok := b.m.rules.lookup(uid); !ok || b.m.rules.name(p.Member.ID) != "Léa" || b.m.rules.name("") != "" {
		t.Errorf("%+v %v", p, ok)
	}
	b.m.rules.roster = nil
	if _, ok := b.m.rules.lookup(uid); ok || b.m.rules.memberOf(uid) != "" || b.m.rules.name("m-lea") != "" {
		t.Error("a member is known without a list")
	}
	if _, ok := b.m.rules.person("m-lea"); ok {
		t.Error("a person is known without a list")
	}
	want := panel.NoPolicy().Line
	if got := b.e.views.refusal(session.Notify{Member: "m-lea"}).Line; got != want {
		t.Errorf("a refusal says %q, want %q", got.EN, want.EN)
	}
	if got := b.e.views.cardRefused(policy.Decision{}).Line; got != want {
		t.Errorf("a refused card says %q, want %q", got.EN, want.EN)
	}
	b.m.rules.roster = known
}

// If the machine is out of service, the panel shows a refused person the same text as it shows without a person.
func TestRefusalAtAMachineOutOfServiceGivesTheReason(t *testing.T) {
	for name, x := range map[string]struct {
		code  policy.Code
		event session.Event
		as    bool // the panel shows the refused person the text of the idle panel
	}{
		"tagged out":                {policy.TaggedOut, session.AddTag{Tag: session.Tag{ID: "t", Reason: "belt"}}, true},
		"a fault":                   {policy.MachineFault, session.FaultRaised{What: session.EStop}, true},
		"a fault before the tag":    {policy.TaggedOut, session.FaultRaised{What: session.EStop}, false},
		"a fault that was cleared":  {policy.MachineFault, session.Tick{}, false},
		"another reason in a tag":   {policy.NoBadge, session.AddTag{Tag: session.Tag{ID: "t", Reason: "belt"}}, false},
		"another reason in a fault": {policy.NoBadge, session.FaultRaised{What: session.EStop}, false},
	} {
		b := newBench(t)
		b.e.apply(t.Context(), x.event)
		out := policy.NewOutcome(policy.User, policy.Deny, policy.Reason{Code: x.code})
		d := policy.Decision{Verdict: policy.Deny, Would: policy.Deny, Outcomes: []policy.Outcome{out}}
		member := b.m.rules.memberOf(mustParseUID(t, lea))
		got := b.e.views.refusal(session.Notify{Notice: session.Denied, Member: member, Decision: d})
		if same := got.Line == b.e.views.phaseView().Line; same != x.as {
			t.Errorf("%s: %q", name, got.Line.EN)
		}
	}
}

// mustParseUID parses a card's number, and fails the test if the text is not a number.
func mustParseUID(t *testing.T, text string) rfid.UID {
	t.Helper()
	uid, err := rfid.ParseUID(text)
	if err != nil {
		t.Fatal(err)
	}
	return uid
}

func TestSupervisedSessionNamesBothMembersOnThePanel(t *testing.T) {
	b := newBench(t)
	b.tap(jules)
	b.tap(karim)
	line := b.cfg.Panel.Current().Line.EN
	s := b.m.state.Current
	if b.m.rules.name(s.Supervisor) == "" || !strings.Contains(line, b.m.rules.name(s.Member)) ||
		!strings.Contains(line, b.m.rules.name(s.Supervisor)) {
		t.Errorf("%q, want %s under %s", line, s.Member, s.Supervisor)
	}
}

func TestInterventionOfAnOperatorIsRefusedIfTheJournalFails(t *testing.T) {
	b := newBench(t)
	b.tap(ines)
	b.notes.full = true
	if r := b.operator.order(t.Context(), control.Request{Do: "log", Kind: "lens-cleaning"}, ""); r.OK ||
		!strings.Contains(r.Error, "journal") {
		t.Errorf("%+v", r)
	}
}

// After a maintainer has removed the tag that marks a journal as new, the machine does not add this tag again.
func TestTagOfANewJournalIsAddedOnce(t *testing.T) {
	b := newBench(t)
	b.cfg.Uplink = &lastState{} // a hub is configured, but this journal has not been compared with the hub's copy yet
	b.m.journal.awaits = true
	id := b.m.newJournalTag()
	b.periodic.tagNewJournal(t.Context())
	if !b.m.isTagged(id) {
		t.Fatal("a journal that began anew puts no tag on")
	}
	b.e.apply(t.Context(), session.RemoveTag{ID: id})
	b.m.journal.removedTags[id] = true
	if b.periodic.tagNewJournal(t.Context()); b.m.isTagged(id) || !b.m.journal.awaits {
		t.Errorf("the tag that was taken off hangs again: %v, and the journal waits: %v", b.m.isTagged(id),
			b.m.journal.awaits)
	}
}

func TestUnreadableReaderInputIsLoggedOncePerMinuteWithItsCount(t *testing.T) {
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	var x unreadInput
	for _, step := range []struct {
		after time.Duration
		isNew bool
		toLog int
	}{{0, true, 1}, {time.Millisecond, false, 0}, {unreadPause, true, 0}, {unreadLog, true, 3}, {unreadLog - 1, true, 0}} {
		at = at.Add(step.after)
		if isNew, toLog := x.note(at); isNew != step.isNew || toLog != step.toLog {
			t.Errorf("after %v: new %v, %d to log; want %v, %d", step.after, isNew, toLog, step.isNew, step.toLog)
		}
	}
}

func TestRunningHoursAreStoredAtEachRetryWhileTheJournalFails(t *testing.T) {
	b := newBench(t)
	b.m.state.Ledger.Broken, b.m.journal.counted = true, b.now
	kept := func() bool { _, there := b.notes.facts[FactHours]; return there }
	b.now = b.now.Add(session.RetryEvery - 1)
	if b.periodic.storeRunningHours(); kept() {
		t.Error("kept before RetryEvery")
	}
	b.now = b.now.Add(1)
	if b.periodic.storeRunningHours(); !kept() {
		t.Error("not kept after RetryEvery")
	}
}

func TestTagNoteDependsOnWhetherAMaintainerIsAtWork(t *testing.T) {
	r := exampleRoster(t)
	for card, maintenance := range map[string]bool{ines: true, lea: false} {
		b := benchOf(t, r)
		b.tap(card)
		b.e.apply(t.Context(), session.AddTag{Tag: session.Tag{ID: "t", Reason: "belt"}})
		want := panel.TagNote(policy.Text{FR: "belt", EN: "belt"}, maintenance)
		if got := b.cfg.Panel.Current().Note; got != want {
			t.Errorf("maintenance %v: %q, want %q", maintenance, got.EN, want.EN)
		}
	}
}
