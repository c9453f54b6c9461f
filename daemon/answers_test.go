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
	"portillon/wire"
)

func TestIdlePanelNamesWhatKeepsTheMachineFromStarting(t *testing.T) {
	r := exampleRoster(t)
	for _, x := range []struct {
		name   string
		change func(*bench)
		want   panel.View
	}{
		{"nothing", func(*bench) {}, panel.Ready()},
		{"no members' list", func(b *bench) { b.m.rules.roster = nil }, panel.NoPolicy()},
		{"a journal that takes nothing", func(b *bench) { b.m.state.Ledger.Broken = true }, panel.CannotRecord()},
		{"a record that waits", func(b *bench) { b.m.state.Ledger.Pending = make([]session.Record, 1) },
			panel.CannotRecord()},
		{"a silent reader", func(b *bench) { b.m.state.Holds.ReaderDown = true }, panel.ReaderSilent(false)},
		{"an untrusted clock, and rules that need one", func(b *bench) { clockless(b, 0) }, panel.ClockNotSet(true)},
		{"an untrusted clock, and rules that pass", func(b *bench) { clockless(b, policy.PassHours) }, panel.ClockNotSet(false)},
	} {
		b := benchOf(t, r)
		x.change(b)
		if got := b.e.views.idleView(); got.Line != x.want.Line || got.Next != x.want.Next {
			t.Errorf("%s: %q, %q", x.name, got.Line.EN, got.Next.EN)
		}
	}
}

// clockless gives a machine an untrusted clock, and the rules that are passed over meanwhile.
func clockless(b *bench, pass policy.ClockPass) {
	b.cfg.Trusted = func() bool { return false }
	mach, _ := b.m.rules.machine()
	mach.Pass = pass
}

func TestSessionTakesItsSettingsFromThePolicy(t *testing.T) {
	b := newBench(t)
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

func TestRecountExpectsNoListOfRemovedTagsOfAnOlderRelease(t *testing.T) {
	c, facts := story(t)
	delete(facts, FactRemoved+"t1")
	if got := c.Compare(facts); len(got) != 0 {
		t.Errorf("facts that list no removed tag at all: %q", got)
	}
	facts[FactRemoved+"t0"] = []byte("1")
	if got := c.Compare(facts); len(got) != 1 || !strings.Contains(got[0], `"t1" was taken off by record 3`) {
		t.Errorf("facts that list another removed tag: %q", got)
	}
}

// An intervention that is logged after the session has ten minutes as well.
func TestInterventionLoggedAfterItsSessionWaitsForFormLife(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	a := attestations{cfg: clockOf(&now)}
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

func TestRestoreIsRefusedWhileOneRecordWaitsForTheDisk(t *testing.T) {
	b := newBench(t)
	b.m.state.Ledger.Pending = make([]session.Record, 1)
	n := b.notes.n
	if err := b.restorer.restore(t.Context(), given(), "5a", nil); err == nil || b.notes.n != n || b.m.journal.restored {
		t.Errorf("%v, %d records written", err, b.notes.n-n)
	}
}

func TestTouchCountsWhileItsMemberStandsAtTheMachine(t *testing.T) {
	b := newBench(t)
	b.tap(karim)
	err := b.touch(panel.Touch{Do: "role", Arg: "mentor", At: b.cfg.Panel.Current().Visitor.At})
	if err != nil || b.m.state.Current.Role != policy.Mentor {
		t.Errorf("%v, role %v", err, b.m.state.Current.Role)
	}
}

// How long the work took is asked of interventions alone.
func TestMinutesDoNotLimitAProblemReport(t *testing.T) {
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

func TestUnknownCardIsSealedForTheHub(t *testing.T) {
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
}

func TestTextsAreFrenchBeforeTheFirstBundle(t *testing.T) {
	if got := (&rules{cfg: &Config{}}).inSiteLanguage(policy.Text{FR: "vide", EN: "empty"}); got != "vide" {
		t.Errorf("%q", got)
	}
}

func TestOnlyATagOfThisMachineIsTakenOff(t *testing.T) {
	b := newBench(t)
	b.e.apply(t.Context(), session.AddTag{Tag: session.Tag{ID: "t", Reason: "belt"}})
	r := b.operator.order(t.Context(), control.Request{Do: "untag", Tag: "other"}, "")
	if r.OK || !strings.Contains(r.Error, `no tag "other"`) || len(b.m.state.Holds.Tags) != 1 {
		t.Errorf("%+v, tags %+v", r, b.m.state.Holds.Tags)
	}
}

func TestMaintenanceThatIsDoneTakesNoOtherTagOff(t *testing.T) {
	b := newBench(t)
	b.e.apply(t.Context(), session.AddTag{Tag: session.Tag{ID: "journal", Reason: "belt"}})
	if b.periodic.upkeep(t.Context()); !b.m.isTagged("journal") {
		t.Error("the tag is gone, and no maintenance put it on")
	}
}

func TestOnlyTheMaintainerAtWorkMayTagTheMachineOut(t *testing.T) {
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

func TestVisitorIsNamedAtAMachineThatThePolicyDoesNotKnow(t *testing.T) {
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

func TestShortAnswersStayForHalfTheFlashTime(t *testing.T) {
	r := exampleRoster(t)
	for _, notice := range []session.Notice{session.Occupied, session.Logged, session.Attested, session.Thanked,
		session.Vouched, session.WaitOver} {
		synctest.Test(t, func(t *testing.T) {
			b := benchOf(t, r)
			ready := b.cfg.Panel.Current().Line
			b.e.flashResult(session.Notify{Notice: notice})
			time.Sleep(flash/2 - 1)
			synctest.Wait()
			if b.cfg.Panel.Current().Line == ready {
				t.Errorf("%v: the answer is gone before half the flash time", notice)
			}
			time.Sleep(1)
			synctest.Wait()
			if got := b.cfg.Panel.Current().Line; got != ready {
				t.Errorf("%v: the panel still says %q", notice, got.EN)
			}
		})
	}
}

// reported is an uplink that hands on each state.
type reported struct {
	*post
	states chan wire.State
}

func (r reported) SetState(s wire.State) { r.states <- s }

func TestStateIsPublishedAtTheStartBeforeTheFirstTick(t *testing.T) {
	b := newBench(t)
	up := reported{&post{}, make(chan wire.State, 100)}
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

// Nothing can send a form again after the daemon's end.
func TestFormsThatWaitAreDroppedWithTheirPhotosAtTheEnd(t *testing.T) {
	b := newBench(t)
	b.tap(ines)
	photo, dir := pictureIn(t)
	if _, err := b.phones(panel.FormRequest{Do: "log"}, panel.Entry{Item: "lens-cleaning", Photo: photo}); err != nil {
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
