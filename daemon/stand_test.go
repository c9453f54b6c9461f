package daemon

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"portillon/daemon/control"
	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
)

// The panel's buttons are valid only for the member who tapped, and not for the next member who taps.

func TestButtonsAreOnlyForTheMemberAtTheMachine(t *testing.T) {
	b := newBench(t)
	b.tap(karim)
	shown := b.cfg.Panel.Current().Visitor.At
	if b.offered() != "role mentor" {
		t.Fatal(b.offered())
	}
	b.tap(zoe)
	if v := b.cfg.Panel.Current(); len(v.Offers) != 0 {
		t.Errorf("who is refused is offered %+v", v.Offers)
	}
	b.cfg.Panel.EndFlash()
	if got := b.offered(); got != "" {
		t.Errorf("another member is offered %s", got)
	}
	if err := b.touch(panel.Touch{Do: "role", Arg: "mentor"}); !errors.Is(err, panel.NotNow) ||
		b.m.state.Current.Role != policy.User {
		t.Errorf("another member chose: %v, %v", err, b.m.state.Current.Role)
	}
	if err := b.touch(panel.Touch{Do: "role", Arg: "mentor", At: shown}); !errors.Is(err, panel.AnotherCardTapped) {
		t.Errorf("a touch on a button that is not there any more: %v", err)
	}
	if _, err := b.actions.open(panel.FormRequest{Here: true, Do: "report", At: shown}); !errors.Is(
		err,
		panel.AnotherCardTapped,
	) {
		t.Errorf("a report would be the next one's: %v", err)
	}
	b.tap("DEADBEEF")
	if d := b.cfg.Panel.Current().Visitor; d != nil {
		t.Errorf("a stranger stands there as %s", d.Name)
	}
	if _, err := b.actions.open(panel.FormRequest{Here: true, Do: "report"}); !errors.Is(err, panel.CardToReportInUse) {
		t.Errorf("a stranger reports: %v", err)
	}
}

// A card that identifies a reporter starts no session. The card still ends the session that it started.
func TestCardThatReportsAProblemStartsNoSession(t *testing.T) {
	b := newBench(t)
	if _, err := b.actions.open(panel.FormRequest{Do: "report"}); !errors.Is(err, panel.ScanCode) {
		t.Error("a page elsewhere has the next card mean nothing: ", err)
	}
	b.wants(b.tap(lea), "session-start RELAY ON [on]")
	for _, x := range []struct {
		asked error
		did   string
	}{{panel.CardToReportInUse, "relay off session-end [cooling]"}, {panel.CardToReport, "[ready]"}} {
		// Léa reports a problem first while she works, and then while the machine is free.
		b.now = b.now.Add(5 * time.Minute)
		b.e.apply(t.Context(), session.Tick{})
		if _, err := b.actions.open(panel.FormRequest{Do: "report", Here: true}); !errors.Is(err, x.asked) {
			t.Fatal(err)
		}
		b.wants(b.tap(lea), x.did)
		d := b.cfg.Panel.Current().Visitor
		if d == nil || !d.Report {
			t.Fatalf("the form is not opened: %+v", d)
		}
		if err := b.fills(panel.FormRequest{Do: "report", At: d.At, Here: true}, panel.Entry{Item: "noise"}); err != nil {
			t.Error(err)
		}
	}
	b.now = b.now.Add(5 * time.Minute)
	b.actions.open(panel.FormRequest{Do: "report", Here: true})
	b.now = b.now.Add(identify)
	// Nobody has answered the request for a reporter's card, so a card starts a session again.
	b.wants(b.tap(lea), "session-start RELAY ON [on]")
}

func TestReportsOfOneMemberAreLimited(t *testing.T) {
	b := newBench(t)
	b.tap(zoe)
	for n := range reportsMax + 3 {
		err := b.fills(panel.FormRequest{Here: true, Do: "report"}, panel.Entry{Item: "dangerous"})
		if want := n < reportsMax; (err == nil) != want {
			t.Errorf("report %d: %v", n+1, err)
		}
	}
	if len(b.m.state.Holds.Tags) != 1 {
		t.Errorf("one member's danger is %d tags", len(b.m.state.Holds.Tags))
	}
	b.tap(lea)
	f, _ := b.actions.open(panel.FormRequest{Here: true, Do: "report"})
	b.tap(zoe)
	for range 2 * formsEach {
		b.actions.open(panel.FormRequest{Here: true, Do: "report"})
	}
	if _, ok := b.m.forms.find(f.Token); !ok {
		t.Error("one member's forms push another's out")
	}
	if err := b.fill(f.Token, panel.Entry{Item: "noise"}); err != nil {
		t.Error("another member may not report: ", err)
	}
}

func TestRepeatedDangerReportAddsOneTag(t *testing.T) {
	b := newBench(t)
	b.tap(lea)
	f, _ := b.actions.open(panel.FormRequest{Here: true, Do: "report"})
	b.notes.full = true
	for range 3 {
		if err := b.fill(f.Token, panel.Entry{Item: "dangerous", Now: true}); !errors.Is(err, panel.NotSaved) {
			t.Error(err)
		}
	}
	if len(b.m.state.Holds.Tags) != 1 || b.m.relay {
		t.Errorf("%+v, relay %v", b.m.state.Holds.Tags, b.m.relay)
	}
}

func TestMentorMayVouchAfterTheirMinuteHasPassed(t *testing.T) {
	b := newBench(t)
	b.tap(jules)
	b.tap(karim)
	b.tap(karim)
	b.now = b.now.Add(session.ChooseFor)
	if err := b.touch(panel.Touch{Do: "vouch", Items: []string{"focus"}}); !errors.Is(err, panel.CardFirst) {
		t.Fatal(err)
	}
	b.tap(zoe)
	if b.wants(b.tap(karim), "[cooling]"); b.m.relay || b.offered() != "ask vouch" {
		t.Errorf("the card that was asked for: relay %v, %s", b.m.relay, b.offered())
	}
	if err := b.touch(panel.Touch{Do: "vouch", Items: []string{"focus"}}); err != nil {
		t.Error(err)
	}
}

func TestMentorMayVouchWhileTheMachineIsOutOfService(t *testing.T) {
	b := newBench(t)
	b.tap(jules)
	b.tap(karim)
	b.tap(jules)
	b.e.apply(t.Context(), session.AddTag{Tag: session.Tag{ID: "t", Reason: "x"}})
	b.tap(karim)
	if b.offered() != "ask vouch" {
		t.Errorf("offered: %q", b.offered())
	}
}

func TestPendingTagIsShownInTheNote(t *testing.T) {
	b := newBench(t)
	b.tap(lea)
	b.e.apply(t.Context(), session.AddTag{Tag: session.Tag{ID: "t", Reason: "Courroie usée"}})
	if v := b.cfg.Panel.Current(); v.Note.FR != "Hors service après cette session : Courroie usée" {
		t.Errorf("%q", v.Note.FR)
	}
}

func TestTagOfDueMaintenanceCannotBeRemovedByATouch(t *testing.T) {
	b := newBench(t)
	b.m.upkeep.done["extraction"] = policy.Done{At: b.now.Add(-91 * 24 * time.Hour)}
	b.periodic.upkeep(t.Context())
	b.tap(ines)
	if err := b.touch(panel.Touch{Do: "untag", Arg: "due:extraction"}); !errors.Is(err, panel.ChooseFromList) ||
		len(b.m.state.Holds.Tags) != 1 {
		t.Errorf("%v %+v", err, b.m.state.Holds.Tags)
	}
}

// The interval of maintenance that is done without a trusted clock begins once the clock is trusted. A tag for
// maintenance that is due by running hours can be removed without a clock.
func TestMaintenanceDoneWithoutATrustedClockStartsItsIntervalLater(t *testing.T) {
	b := newBench(t)
	trusted := false
	b.cfg.Trusted = func() bool { return trusted }
	b.now = b.now.AddDate(11, 0, 0)
	b.m.state.Runtime.Ran.Relay = 101 * time.Hour
	b.periodic.upkeep(t.Context())
	if len(b.m.state.Holds.Tags) != 1 {
		t.Fatalf("%+v", b.m.state.Holds.Tags)
	}
	b.tap(ines)
	if err := b.fills(panel.FormRequest{Here: true, Do: "log"}, panel.Entry{Item: "extraction"}); err != nil ||
		len(b.m.state.Holds.Tags) != 0 {
		t.Errorf("%v: done, and %+v hangs on", err, b.m.state.Holds.Tags)
	}
	if !b.m.upkeep.done["extraction"].At.IsZero() {
		t.Error("a wrong clock says when")
	}
	b.now, trusted = b.now.AddDate(-11, 0, 0), true
	b.periodic.upkeep(t.Context())
	if at := b.m.upkeep.done["extraction"].At; !at.Equal(b.now) || b.m.upkeep.done["extraction"].Ran < 100*time.Hour {
		t.Errorf("%+v", b.m.upkeep.done["extraction"])
	}
}

func TestHoursOfASessionAreStoredWhileItRuns(t *testing.T) {
	b := newBench(t)
	b.tap(lea)
	for range 50 {
		b.now = b.now.Add(30 * time.Second)
		b.e.apply(t.Context(), session.Tick{})
		b.periodic.storeRunningHours()
	}
	var ran session.Hours
	var u UnderWay
	if json.Unmarshal(b.notes.facts[FactHours], &ran) != nil || json.Unmarshal(b.notes.facts[FactUnderWay], &u) != nil {
		t.Fatal(b.notes.facts)
	}
	if ran.Relay < 24*time.Minute || u.Seconds < 24*60 || u.Session != b.m.state.Current.Session || b.notes.n != 1 {
		t.Errorf("%+v %+v, %d records", ran, u, b.notes.n)
	}
}

// The panel computes a displayed time again only if the clock was set since. A test cannot set the clock of its own
// process. The tests with an emulated machine set the clock.
func TestDisplayedTimesDoNotChangeUnlessTheClockIsSet(t *testing.T) {
	b := newBench(t)
	b.cfg.Now = time.Now
	at := time.Now()
	if got := b.m.toWallTime(at.Add(time.Hour)); !got.Equal(at.Add(time.Hour)) || !b.m.toWallTime(time.Time{}).IsZero() {
		t.Errorf("%s is shown as %s", at.Add(time.Hour), got)
	}
}

func TestSessionThatWasEndedEarlyIsExplained(t *testing.T) {
	b := newBench(t)
	b.tap(lea)
	b.signal(t.Context(), Signal{What: "dropped", Why: "lease"})
	if v := b.cfg.Panel.Current(); !strings.Contains(v.Line.FR, "Session arrêtée par sécurité : Léa") {
		t.Errorf("%+v", v.Line)
	}
}

// One tag was added at the machine while the machine could not reach the hub, and another tag at the hub while the hub
// could not reach the machine. Both tags apply, and each tag is removed separately by its own id.
func TestTagsOfHubAndMachineFormOneSet(t *testing.T) {
	b := newBench(t)
	b.tap(lea)
	if err := b.fills(panel.FormRequest{Here: true, Do: "report"}, panel.Entry{Item: "dangerous", Now: true}); err != nil {
		t.Fatal(err)
	}
	office := control.Request{Do: "tag", Tag: "0123456789abcdef", Reason: "courroie usée"}
	b.operator.order(t.Context(), office, "order-1")
	b.operator.order(t.Context(), office, "order-2") // the hub may send the same order twice
	if len(b.m.state.Holds.Tags) != 2 {
		t.Fatalf("%+v", b.m.state.Holds.Tags)
	}
	var kept []session.Tag
	if err := json.Unmarshal(b.notes.facts[FactTags], &kept); err != nil || len(kept) != 2 {
		t.Errorf("after a restart %v would hang (%v)", kept, err)
	}
	b.tap(ines)
	if got := b.offered(); strings.Count(got, "untag") != 2 {
		t.Errorf("offered: %s", got)
	}
	if err := b.touch(panel.Touch{Do: "untag", Arg: office.Tag}); err != nil || len(b.m.state.Holds.Tags) != 1 ||
		b.m.state.Holds.Tags[0].Reason != "Danger" {
		t.Errorf("%v %+v", err, b.m.state.Holds.Tags)
	}
	b.tap(ines)
	b.wants(b.tap(lea), "refused [tagged]")
}
