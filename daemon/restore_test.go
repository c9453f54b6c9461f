package daemon

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"portillon/daemon/control"
	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// given is what the hub knows of a machine whose journal began anew on 23 November 2026, 9:00 UTC.
func given() wire.Restore {
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	return wire.Restore{Site: "biklab", Machine: "laser", Generation: "0123456789abcdef", ID: "r1", Issued: at,
		From:    []wire.ReplacedJournal{{Seq: 92, Root: strings.Repeat("a", 64)}},
		Tags:    []wire.RestoredTag{{ID: "t1", Reason: "belt", By: "m-3b21aa", Role: "maintainer", Since: at}},
		Removed: []string{"t0", "t2"},
		Practice: []wire.RestoredPractice{{Member: "m-020dc2", Seconds: 7200, Last: at,
			Recent: []wire.RestoredSession{{End: at.AddDate(0, 0, -3), Seconds: 1800}, {End: at, Seconds: 600}}}},
		Done:  []wire.RestoredDone{{Kind: "lens-cleaning", At: at, Ran: 3600}},
		Relay: 36000, Busy: 18000}
}

type kicks struct{ state wire.State }

func (k *kicks) SetState(s wire.State) { k.state = s }
func (*kicks) Kick()                   {}

func TestRestoreGivesBackTagsHoursPracticeAndMaintenanceOnce(t *testing.T) {
	b := newBench(t)
	b.cfg.Uplink = &kicks{}
	b.tap(lea)
	b.now = b.now.Add(10 * time.Minute)
	b.tap(lea) // ten minutes in the new journal
	here, ran := b.practice["m-020dc2"], b.state.Runtime.Ran
	b.SetJournalMismatch(JournalMismatch{Hub: 92, Here: 3, New: true})
	b.tagMismatch(t.Context())
	b.show()
	if !b.hangs("journal-new-01234567") || b.cfg.Panel.Current().Note != panel.NewJournal() ||
		b.notes.facts[FactAwaits] == nil {
		t.Fatalf("tags %+v, note %+v", b.state.Holds.Tags, b.cfg.Panel.Current().Note)
	}
	if s := b.status(); !strings.Contains(s.JournalDamage, "portillon machine replace laser --hub hub.yaml") ||
		s.NewJournal != "0123456789abcdef" {
		t.Errorf("%q", s.JournalDamage)
	}
	for range 2 { // the second time nothing happens
		if err := b.restore(t.Context(), given(), "5a", nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.state.Holds.Tags) != 1 || b.state.Holds.Tags[0].ID != "t1" || b.state.Holds.Tags[0].By != "m-3b21aa" ||
		b.state.Holds.Tags[0].Role != policy.Maintainer {
		t.Errorf("tags %+v", b.state.Holds.Tags)
	}
	if !b.cfg.RemovedTags["t0"] || !b.cfg.RemovedTags["t2"] || b.notes.facts[FactRemoved+"t0"] == nil {
		t.Errorf("removed %v", b.cfg.RemovedTags)
	}
	p := b.practice["m-020dc2"]
	if want := here.Logged + 2*time.Hour; p.Logged != want || p.Day != here.Day+10*time.Minute ||
		!p.Last.Equal(here.Last) {
		t.Errorf("practice %+v, here it was %+v", p, here)
	}
	if b.state.Runtime.Ran.Relay != ran.Relay+10*time.Hour || b.state.Runtime.Ran.Busy != ran.Busy+5*time.Hour {
		t.Errorf("hours %+v, were %+v", b.state.Runtime.Ran, ran)
	}
	if d := b.cfg.Done["lens-cleaning"]; d.Ran != time.Hour || !d.At.Equal(given().Issued) {
		t.Errorf("done %+v", d)
	}
	if b.notes.facts[FactAwaits] != nil || b.notes.facts[FactRestored] == nil ||
		b.cfg.Panel.Current().Note == panel.NewJournal() {
		t.Error("the machine still waits")
	}
	var kept session.Hours
	if err := json.Unmarshal(b.notes.facts[FactHours], &kept); err != nil || kept != b.state.Runtime.Ran {
		t.Errorf("%+v kept of %+v, %v", kept, b.state.Runtime.Ran, err)
	}
	if n := strings.Count(strings.Join(b.notes.said, " "), "restored"); n != 1 {
		t.Errorf("%d records, want 1", n)
	}
	b.tagMismatch(t.Context())
	if b.hangs("journal-new-01234567") {
		t.Error("the tag is back")
	}
}

// A restore takes off the tags that say how journals differ: nobody's own tag may have such a name.
func TestTagOfAPersonIsNotNamedLikeThatOfAJournal(t *testing.T) {
	b := newBench(t)
	for _, id := range []string{"journal-new-belt", "journal-older-9"} {
		if r := b.order(t.Context(), control.Request{Do: "tag", Tag: id, Reason: "belt"}, ""); r.OK || !r.Wrong ||
			b.hangs(id) {
			t.Errorf("%s: %+v", id, r)
		}
	}
}

func TestRestoreOfAnotherGenerationIsRefused(t *testing.T) {
	b := newBench(t)
	r := given()
	r.Generation = "fedcba9876543210"
	if err := b.restore(t.Context(), r, "5a", nil); err == nil || len(b.state.Holds.Tags) > 0 || b.cfg.Restored {
		t.Errorf("%v, %+v", err, b.state.Holds.Tags)
	}
}

// A machine never loses a tag by a restore, and the session under way goes on to its end.
func TestRestoreTakesNoTagOffAndLeavesTheSessionRunning(t *testing.T) {
	b := newBench(t)
	b.do(control.Request{Do: "tag", Tag: "t0", Reason: "lens"}) // the hub says that it was taken off
	b.do(control.Request{Do: "untag", Tag: "t0"})
	b.do(control.Request{Do: "tag", Tag: "t9", Reason: "lens"})
	r := given()
	r.Removed = append(r.Removed, "t9")
	r.Tags = append(r.Tags, wire.RestoredTag{ID: "t0", Reason: "lens"}) // and that one was taken off here since
	if err := b.restore(t.Context(), r, "5a", nil); err != nil || !b.hangs("t9") || !b.hangs("t1") || b.hangs("t0") ||
		b.cfg.RemovedTags["t9"] {
		t.Errorf("%v, %+v", err, b.state.Holds.Tags)
	}
	b = newBench(t)
	b.wants(b.tap(lea), "session-start RELAY ON [on]")
	if err := b.restore(t.Context(), given(), "5a", nil); err != nil || !b.state.Running() || !b.hangs("t1") {
		t.Errorf("%v, %v, %+v", err, b.state.Phase, b.state.Holds.Tags)
	}
}

// Maintenance that this journal shows as done is newer than what the hub knows; its hours are counted on.
func TestRestoreKeepsMaintenanceOfThisJournal(t *testing.T) {
	b := newBench(t)
	b.cfg.Done["lens-cleaning"] = policy.Done{At: b.now, Ran: time.Minute}
	if err := b.restore(t.Context(), given(), "5a", map[string]bool{"lens-cleaning": true}); err != nil {
		t.Fatal(err)
	}
	want := time.Minute + 10*time.Hour
	if d := b.cfg.Done["lens-cleaning"]; !d.At.Equal(b.now) || d.Ran != want {
		t.Errorf("%+v, want %v", d, want)
	}
}

func TestRestoreIsRefusedWhileTheDiskIsFullAndWorksAfterwards(t *testing.T) {
	b := newBench(t)
	b.notes.full = true
	if err := b.restore(t.Context(), given(), "5a", nil); err == nil || b.cfg.Restored || b.state.Runtime.Ran != (session.Hours{}) {
		t.Errorf("%v, %+v", err, b.state.Runtime.Ran)
	}
	b.notes.full = false
	b.now = b.now.Add(time.Minute)
	b.step(t.Context(), session.Tick{})
	if err := b.restore(t.Context(), given(), "5a", nil); err != nil || !b.hangs("t1") || !b.cfg.Restored {
		t.Errorf("%v, %+v", err, b.state.Holds.Tags)
	}
}

// Without a hub nothing will be compared: whoever takes the tag off has looked at the machine.
func TestMachineWithoutAHubLeavesTheNewJournalsNoteWithItsTag(t *testing.T) {
	b := newBench(t)
	b.cfg.Awaits = true
	b.tagMismatch(t.Context())
	b.show()
	if s := b.status(); !strings.Contains(s.JournalDamage, "portillon machine untag") {
		t.Errorf("%q", s.JournalDamage)
	}
	if r := b.order(t.Context(), control.Request{Do: "untag", Tag: "journal-new-01234567"}, ""); !r.OK {
		t.Fatalf("%+v", r)
	}
	if b.tagMismatch(t.Context()); b.cfg.Awaits || len(b.state.Holds.Tags) > 0 || b.cfg.Panel.Current().Note == panel.NewJournal() ||
		b.status().JournalDamage != "" {
		t.Errorf("%+v, %q", b.state.Holds.Tags, b.status().JournalDamage)
	}
}
