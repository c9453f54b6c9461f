package daemon

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"portillon/daemon/control"
	"portillon/daemon/panel"
	"portillon/daemon/relay"
	"portillon/daemon/roster"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/rfid"
	"portillon/wire"
)

// editRoster returns the roster of the example site after edits of its members: each pair is an old text and the new
// text that replaces it.
func editRoster(t *testing.T, edits ...string) *roster.Roster {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../site-example")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "members.yaml")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(edits); i += 2 {
		if !bytes.Contains(b, []byte(edits[i])) {
			t.Fatalf("%q is not there", edits[i])
		}
		b = bytes.Replace(b, []byte(edits[i]), []byte(edits[i+1]), 1)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return rosterOf(t, dir)
}

const leasCard, other = `cards: ["62E3086CED"]`, `cards: ["AA00112233"]`

// An operator assigns another card to Léa while she works. Her old card still ends her running session, but starts no
// other session.
func TestCardThatWasReplacedDuringItsSessionStillEndsIt(t *testing.T) {
	for name, r := range map[string]*roster.Roster{
		"nobody's": editRoster(t, leasCard, other),
		"Zoé's": editRoster(t, leasCard+" }", other+" }\n"+
			"  - { id: m-000001, name: \"Zed\", language: fr, email: zed@example.org, cards: [\"62E3086CED\"] }"),
	} {
		u, _ := rfid.ParseUID(lea)
		b := newBench(t)
		b.m.state.Holds.ReaderDown = false
		b.wants(b.tapWithProof(lea, 0), "session-start RELAY ON [on]")
		b.setRoster(t.Context(), r)
		if !b.m.relay {
			t.Fatalf("%s: a new card ended the session", name)
		}
		b.wants(b.tapWithProof(lea, 0), "relay off session-end [cooling]")
		b.wants(b.tapWithProof(lea, 0), map[string]string{"nobody's": "refused [unknown]",
			"Zoé's": "refused [refused]"}[name])

		b = newBench(t)
		b.m.state.Holds.ReaderDown = false
		b.tapWithProof(lea, 0)
		b.setRoster(t.Context(), r)
		b.e.readerEvent(t.Context(), rfid.Event{Alive: true, Tap: rfid.Tap{UID: u, Away: true}})
		if b.m.relay {
			t.Errorf("%s: the slot is empty, and the relay is on", name)
		}
	}
}

// In a session with a mentor, the learner's card and the mentor's card both end the session. At a machine with a slot,
// the mentor's card is the card that was inserted last.
func TestMentorsReplacedCardStillEndsTheSession(t *testing.T) {
	r := editRoster(t, `cards: ["2A00B1C4D7"]`, other)
	for card, r := range map[string]*roster.Roster{karim: r, jules: editRoster(t, `cards: ["01000734E0"]`, other)} {
		b := newBench(t)
		b.tap(jules)
		b.wants(b.tap(karim), "session-start RELAY ON [supervised]")
		b.setRoster(t.Context(), r)
		if b.tap(card); b.m.relay {
			t.Errorf("%s ends nothing", card)
		}
	}
	b := newBench(t)
	b.m.state.Holds.ReaderDown = false
	b.tapWithProof(jules, 0)
	b.tapWithProof(karim, 0)
	b.setRoster(t.Context(), r)
	out := func(card string) bool {
		u, _ := rfid.ParseUID(card)
		b.e.readerEvent(t.Context(), rfid.Event{Alive: true, Tap: rfid.Tap{UID: u, Away: true}})
		return !b.m.relay
	}
	if out(jules) {
		t.Error("the learner's card, which had to leave, ended the session")
	}
	if !out(karim) {
		t.Error("the mentor's card has left, and the relay is on")
	}
}

// After a learner's wait for a mentor has expired, the learner cannot end the session of the next member.
func TestLearnerWhoWaitedCannotEndTheNextSession(t *testing.T) {
	b := newBench(t)
	b.wants(b.tap(jules), "[awaiting]")
	b.wants(b.tap(lea), "session-start RELAY ON [on]")
	b.wants(b.tap(jules), "[occupied]")

	b = newBench(t)
	b.tap(jules)
	b.wants(b.tap(ines), "session-start RELAY ON [maintenance]")
	b.setRoster(t.Context(), editRoster(t, `cards: ["01000734E0"]`, other, `cards: ["4400C81D93"]`,
		`cards: ["01000734E0"]`))
	if b.wants(b.tap(jules), "assisted [maintenance]"); b.m.state.Current.Assistant != "m-9d017e" {
		t.Errorf("Zoé has Jules's old card now, and helps as %s", b.m.state.Current.Assistant)
	}

	b = newBench(t)
	b.tap(jules)
	b.now = b.now.Add(session.AwaitFor) // no tick has ended the wait yet
	b.wants(b.tap(lea), "session-start RELAY ON [on]")
	b.wants(b.tap(jules), "[occupied]")
}

// After one mentor has handed the session over to another, the first mentor may leave, and the second mentor's card
// remains valid for the session even if a new bundle removes that card.
func TestSecondMentorsCardRemainsValidAfterAHandOver(t *testing.T) {
	b := otherBench(t, "supervisor: laser-mentor, hours", "supervisor: { any: [laser-mentor, laser-maintainer] }, hours")
	b.tap(jules)
	b.tap(karim)
	b.tap(ines)
	if b.m.state.Current.Supervisor != "m-2dc899" {
		t.Fatalf("%s answers", b.m.state.Current.Supervisor)
	}
	b.setRoster(t.Context(), editRoster(t, `cards: ["2A00B1C4D7"]`, other))
	if b.tap(karim); !b.m.relay {
		t.Error("the first mentor's old card ended the session")
	}
	b.setRoster(t.Context(), editRoster(t, `cards: ["04A224BA115E80"]`, other))
	if b.tap(ines); b.m.relay {
		t.Error("the second mentor's old card ends nothing")
	}
}

// After a new bundle has replaced a maintainer's card, the old card still ends the maintenance.
func TestMaintainersReplacedCardStillEndsTheirWork(t *testing.T) {
	b := newBench(t)
	b.wants(b.tap(ines), "session-start RELAY ON [maintenance]")
	b.setRoster(t.Context(), editRoster(t, `cards: ["04A224BA115E80"]`, other))
	if b.tap(ines); b.m.relay || b.m.state.Running() {
		t.Errorf("relay %v, %v", b.m.relay, b.m.state.Phase)
	}
}

// After a new bundle has replaced a member's card, the old card can still end the job that is finishing, just as the
// member's new card can.
func TestReplacedCardEndsAFinishingJob(t *testing.T) {
	b := newBench(t)
	b.tap(lea)
	b.m.state.Phase = session.Finishing
	b.setRoster(t.Context(), editRoster(t, leasCard, other))
	if b.tap(lea); b.m.relay || b.m.state.Running() {
		t.Errorf("relay %v, %v", b.m.relay, b.m.state.Phase)
	}
}

// A new bundle assigns a card to another member while the card is in its slot, and the reader is reopened. The session
// that the card began continues. When that session is ended from elsewhere, the card starts no session for its new
// member.
func TestReassignedCardInItsSlotStartsNoSession(t *testing.T) {
	b := newBench(t)
	b.m.state.Holds.ReaderDown = false
	u, _ := rfid.ParseUID(lea)
	says := func(x rfid.Tap) {
		b.now = b.now.Add(10 * time.Second)
		x.UID = u
		b.e.readerEvent(t.Context(), rfid.Event{Alive: true, Tap: x})
	}
	says(rfid.Tap{Slot: true})
	s := strings.Replace(leasCard+" }", leasCard, other,
		1)
	b.setRoster(t.Context(), editRoster(t, `cards: ["2A00B1C4D7"]`, `cards: ["2A00B1C4D7", "62E3086CED"]`,
		leasCard+" }", s))
	if says(rfid.Tap{Slot: true}); !b.m.relay || b.m.state.Current.Member != "m-020dc2" {
		t.Errorf("seen anew: relay %v, %s", b.m.relay, b.m.state.Current.Member)
	}
	b.do(control.Request{Do: "stop"})
	if says(rfid.Tap{Slot: true}); b.m.relay {
		t.Errorf("nobody tapped, and the session of %s runs", b.m.state.Current.Member)
	}
}

// A member's start failed because the contactor was still open, and then a new bundle assigns the card to another
// member. The card starts no session for the other member.
func TestReassignedCardOfAFailedStartStartsNoSession(t *testing.T) {
	b := newBench(t)
	b.m.state.Holds.ReaderDown = false
	u, _ := rfid.ParseUID(lea)
	says := func() {
		b.now = b.now.Add(10 * time.Second)
		b.e.readerEvent(t.Context(), rfid.Event{Alive: true, Tap: rfid.Tap{UID: u, Slot: true}})
	}
	b.notes.dead = fmt.Errorf("relay: %w", relay.ErrContactorOpening)
	says()
	b.notes.dead = nil
	b.setRoster(
		t.Context(),
		editRoster(t, `cards: ["2A00B1C4D7"]`, `cards: ["2A00B1C4D7", "62E3086CED"]`, leasCard+" }", other+" }"),
	)
	if says(); b.m.relay {
		t.Errorf("nobody tapped, and the session of %s runs", b.m.state.Current.Member)
	}
}

// The machine remembers a replaced card only during the session of that card.
func TestReplacedCardOfAnEarlierSessionEndsNoSession(t *testing.T) {
	b := newBench(t)
	b.tap(lea)
	b.tap(lea)
	b.tap(karim)
	b.setRoster(t.Context(), editRoster(t, leasCard, other))
	if b.tap(lea); !b.m.relay || b.m.state.Current.Member != "m-be879f" {
		t.Errorf("%v %s", b.m.relay, b.m.state.Current.Member)
	}
	if b.tap(karim); b.m.state.CardsInUse() != nil {
		t.Error("a card's number is kept for nothing")
	}
}

// When a new bundle removes or blocks a member, their session ends. Sessions of other members continue.
func TestSessionOfARemovedMemberEnds(t *testing.T) {
	for name, c := range map[string]struct {
		old, with string
		ends      bool
	}{
		"blocked": {leasCard, leasCard + ", blocked: true", true},
		"removed": {
			`  - { id: m-020dc2, name: "Léa Martin", language: fr, email: lea@example.org, cards: ["62E3086CED"] }`, "", true},
		"another, blocked": {`cards: ["4400C81D93"]`, `cards: ["4400C81D93"], blocked: true`, false},
	} {
		b := newBench(t)
		b.tap(lea)
		n := len(b.notes.said)
		b.setRoster(t.Context(), editRoster(t, c.old, c.with))
		if b.m.relay == c.ends {
			t.Errorf("%s: relay %v, %s", name, b.m.relay, b.since(n))
		}
		if v := b.cfg.Panel.Current(); (v.Line == panel.AccessWithdrawn().Line) != c.ends {
			t.Errorf("%s: the panel says %q", name, v.Line.EN)
		}
	}
	b := newBench(t)
	b.tap(jules)
	b.tap(jules)
	b.tap(karim)
	r := editRoster(t, `cards: ["2A00B1C4D7"]`, `cards: ["2A00B1C4D7"], blocked: true`)
	if b.setRoster(t.Context(), r); b.m.relay {
		t.Error("a mentor who is blocked still answers")
	}
}

// A member inserted and removed the card while the loop was blocked, before the loop processed the tap. The reader
// reports the removal only once.
func TestCardRemovedBeforeItsTapIsProcessedStartsNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.m.state.Holds.ReaderDown = false
		u, _ := rfid.ParseUID(lea)
		put := time.Now()
		time.Sleep(staleTap - time.Second/2)
		b.e.readerEvent(t.Context(), rfid.Event{Alive: true, Tap: rfid.Tap{UID: u, Slot: true, At: put}})
		if !b.m.relay {
			t.Fatal("the tap is young enough, and started nothing")
		}
		b.e.readerEvent(
			t.Context(),
			rfid.Event{Alive: true, Tap: rfid.Tap{UID: u, Away: true, At: put.Add(1800 * time.Millisecond)}},
		)
		if b.m.relay {
			t.Error("the slot is empty, nobody will say so again, and the relay is on")
		}
	})
}

// Without a trusted clock, a session adds to the member's practice but leaves the date of the last practice unchanged.
// The limits per day and per week still count the earlier sessions.
func TestPracticeGrowsWithoutANewDateWhileTheClockIsUntrusted(t *testing.T) {
	b := newBench(t)
	b.tap(lea)
	b.tap(lea)
	was := b.m.practice.of["m-020dc2"]
	trusted := false
	b.cfg.Trusted = func() bool { return trusted }
	b.now = time.Date(2099, 1, 1, 12, 0, 0, 0, time.UTC)
	b.tap(karim)
	b.tap(karim)
	if p := b.m.practice.of["m-be879f"]; !p.Last.IsZero() || p.Logged != 3*time.Second {
		t.Errorf("the first practice of all is dated %s, logged %v", p.Last, p.Logged)
	}
	got := Practised(was, time.Time{}, time.Hour)
	if !got.Last.Equal(was.Last) || got.Logged != was.Logged+time.Hour || got.Day != was.Day+time.Hour ||
		got.Week != was.Week+time.Hour {
		t.Errorf("%+v after %+v", got, was)
	}
}

// A start was refused because the disk was full. When the disk has room again, the machine detects the room without a
// tap, and the panel shows the machine as usable.
func TestMachineDetectsThatItsJournalAcceptsRecordsAgain(t *testing.T) {
	b := newBench(t)
	b.notes.full = true
	b.wants(b.tap(lea), "relay off [fault]")
	b.cfg.Panel.EndFlash()
	b.now = b.now.Add(time.Minute)
	b.periodic.storeRunningHours()
	if !b.m.state.Ledger.Broken {
		t.Error("the disk is still full")
	}
	b.notes.full = false
	b.periodic.storeRunningHours()
	if !b.m.state.Ledger.Broken {
		t.Error("asked again at once")
	}
	b.now = b.now.Add(session.RetryEvery)
	b.periodic.storeRunningHours()
	if b.m.state.Ledger.Broken {
		t.Error("there is room, and the machine does not know")
	}
}

// The disk was full when the previous daemon's session ended, so its end is not recorded yet. No session starts until
// that end is recorded.
func TestPendingRecordsAreWrittenBeforeAnyStart(t *testing.T) {
	b := newBench(t)
	end := session.Record{
		Kind:    wire.SessionEnd,
		Session: "s-old",
		Member:  "m-be879f",
		Body:    wire.EndBody{Cause: wire.CausePowerLost, Seconds: 90},
	}
	p := *b.cfg
	friday := time.Date(2026, 11, 20, 18, 0, 0, 0, time.UTC)
	p.Owed = []Owed{{Record: end, Practice: policy.Practice{Machine: "laser", Last: friday, Logged: 90 * time.Second}}}
	b.Machine = New(p)
	b.e, b.m = b.engine, b.engine.model
	b.notes.full = true
	b.wants(b.tap(lea), "relay off [fault]")
	b.notes.full = false
	b.wants(b.tap(lea), "session-end session-start RELAY ON [on]")
	if got := b.m.practice.of["m-be879f"]; got.Logged != 90*time.Second || !got.Last.Equal(friday) {
		t.Errorf("what was known of it when it ended, not when it was written: %+v", got)
	}
}

// The reply to an order that adds or removes a tag states the result.
func TestReplyToATagOrderStatesItsResult(t *testing.T) {
	b := newBench(t)
	for n := range session.TagsMax {
		b.do(control.Request{Do: "tag", Reason: "one more", Tag: fmt.Sprintf("t-%c", 'A'+n)})
	}
	if rep := b.operator.order(t.Context(), control.Request{Do: "tag", Reason: "too many", Tag: "t-last"}, ""); rep.OK ||
		rep.Error == "" {
		t.Errorf("%d tags hang: %+v", len(b.m.state.Holds.Tags), rep)
	}
	b.notes.full = true
	if rep := b.operator.order(t.Context(), control.Request{Do: "untag", Tag: "t-A"}, ""); rep.OK || rep.Error == "" {
		t.Errorf("the disk is full: %+v", rep)
	}
	b.notes.full = false
	if rep := b.operator.order(t.Context(), control.Request{Do: "untag", Tag: "t-A"}, ""); !rep.OK {
		t.Errorf("%+v", rep)
	}
}
