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

// restoreData returns the hub's data for a machine with a new journal, created on 23 November 2026, 9:00 UTC.
func restoreData() wire.Restore {
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

type quietUplink struct{ state wire.State }

func (k *quietUplink) SetState(s wire.State) { k.state = s }
func (*quietUplink) Notify()                 {}

func TestRestoreAddsTagsHoursPracticeAndMaintenanceOnce(t *testing.T) {
	b := newBench(t)
	b.cfg.Uplink = &quietUplink{}
	b.tap(lea)
	b.now = b.now.Add(10 * time.Minute)
	b.tap(lea) // the session of ten minutes is in the new journal
	here, ran := b.m.practice.of["m-020dc2"], b.m.state.Runtime.Ran
	b.SetJournalMismatch(JournalMismatch{Hub: 92, Here: 3, New: true})
	b.periodic.tagMismatch(t.Context())
	b.e.show()
	if !b.m.isTagged("journal-new-01234567") || b.cfg.Panel.Current().Note != panel.NewJournal() ||
		b.notes.facts[FactAwaits] == nil {
		t.Fatalf("tags %+v, note %+v", b.m.state.Holds.Tags, b.cfg.Panel.Current().Note)
	}
	if s := b.e.views.status(); !strings.Contains(s.JournalDamage, "portillon machine replace laser --hub hub.yaml") ||
		s.NewJournal != "0123456789abcdef" {
		t.Errorf("%q", s.JournalDamage)
	}
	for range 2 { // the second call has no effect
		if err := b.restorer.restore(t.Context(), restoreData(), "5a", nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.m.state.Holds.Tags) != 1 || b.m.state.Holds.Tags[0].ID != "t1" || b.m.state.Holds.Tags[0].By != "m-3b21aa" ||
		b.m.state.Holds.Tags[0].Role != policy.Maintainer {
		t.Errorf("tags %+v", b.m.state.Holds.Tags)
	}
	if !b.m.journal.removedTags["t0"] || !b.m.journal.removedTags["t2"] || b.notes.facts[FactRemoved+"t0"] == nil {
		t.Errorf("removed %v", b.m.journal.removedTags)
	}
	p := b.m.practice.of["m-020dc2"]
	if want := here.Logged + 2*time.Hour; p.Logged != want || p.Day != here.Day+10*time.Minute ||
		p.Sessions != 2 || !p.Last.Equal(here.Last) { // each journal contains one session of that day
		t.Errorf("practice %+v, here it was %+v", p, here)
	}
	if b.m.state.Runtime.Ran.Relay != ran.Relay+10*time.Hour || b.m.state.Runtime.Ran.Busy != ran.Busy+5*time.Hour {
		t.Errorf("hours %+v, were %+v", b.m.state.Runtime.Ran, ran)
	}
	if d := b.m.upkeep.done["lens-cleaning"]; d.Ran != time.Hour || !d.At.Equal(restoreData().Issued) {
		t.Errorf("done %+v", d)
	}
	if b.notes.facts[FactAwaits] != nil || b.notes.facts[FactRestored] == nil ||
		b.cfg.Panel.Current().Note == panel.NewJournal() {
		t.Error("the machine still waits")
	}
	var kept session.Hours
	if err := json.Unmarshal(b.notes.facts[FactHours], &kept); err != nil || kept != b.m.state.Runtime.Ran {
		t.Errorf("%+v kept of %+v, %v", kept, b.m.state.Runtime.Ran, err)
	}
	if n := strings.Count(strings.Join(b.notes.said, " "), "restored"); n != 1 {
		t.Errorf("%d records, want 1", n)
	}
	b.periodic.tagMismatch(t.Context())
	if b.m.isTagged("journal-new-01234567") {
		t.Error("the tag is back")
	}
}

// A restore removes the tags that report a different journal, so the id of a tag that a person adds must not look like
// the id of such a tag.
func TestTagOfAPersonCannotHaveTheIDOfAJournalTag(t *testing.T) {
	b := newBench(t)
	for _, id := range []string{"journal-new-belt", "journal-older-9"} {
		if r := b.operator.order(t.Context(), control.Request{Do: "tag", Tag: id, Reason: "belt"}, ""); r.OK || !r.Wrong ||
			b.m.isTagged(id) {
			t.Errorf("%s: %+v", id, r)
		}
	}
}

func TestRestoreOfAnotherGenerationIsRefused(t *testing.T) {
	b := newBench(t)
	r := restoreData()
	r.Generation = "fedcba9876543210"
	if err := b.restorer.restore(t.Context(), r, "5a", nil); err == nil || len(b.m.state.Holds.Tags) > 0 ||
		b.m.journal.restored {
		t.Errorf("%v, %+v", err, b.m.state.Holds.Tags)
	}
}

// A restore removes only the tags that report a different journal, and leaves the current session running.
func TestRestoreLeavesOtherTagsAndTheSessionUnchanged(t *testing.T) {
	b := newBench(t)
	b.do(control.Request{Do: "tag", Tag: "t0", Reason: "lens"}) // the hub reports that this tag was removed
	b.do(control.Request{Do: "untag", Tag: "t0"})
	b.do(control.Request{Do: "tag", Tag: "t9", Reason: "lens"})
	r := restoreData()
	r.Removed = append(r.Removed, "t9")
	r.Tags = append(r.Tags, wire.RestoredTag{ID: "t0", Reason: "lens"}) // this tag was removed at the machine meanwhile
	if err := b.restorer.restore(t.Context(), r, "5a", nil); err != nil || !b.m.isTagged("t9") || !b.m.isTagged("t1") ||
		b.m.isTagged("t0") ||
		b.m.journal.removedTags["t9"] {
		t.Errorf("%v, %+v", err, b.m.state.Holds.Tags)
	}
	b = newBench(t)
	b.wants(b.tap(lea), "session-start RELAY ON [on]")
	if err := b.restorer.restore(t.Context(), restoreData(), "5a", nil); err != nil || !b.m.state.Running() ||
		!b.m.isTagged("t1") {
		t.Errorf("%v, %v, %+v", err, b.m.state.Phase, b.m.state.Holds.Tags)
	}
}

// Maintenance that this journal shows as done is newer than the hub's data. The running hours of this journal are added
// to the hub's running hours.
func TestRestoreKeepsMaintenanceOfThisJournal(t *testing.T) {
	b := newBench(t)
	b.m.upkeep.done["lens-cleaning"] = policy.Done{At: b.now, Ran: time.Minute}
	if err := b.restorer.restore(t.Context(), restoreData(), "5a", map[string]bool{"lens-cleaning": true}); err != nil {
		t.Fatal(err)
	}
	want := time.Minute + 10*time.Hour
	if d := b.m.upkeep.done["lens-cleaning"]; !d.At.Equal(b.now) || d.Ran != want {
		t.Errorf("%+v, want %v", d, want)
	}
}

func TestRestoreIsRefusedWhileTheDiskIsFullAndWorksAfterwards(t *testing.T) {
	b := newBench(t)
	b.notes.full = true
	if err := b.restorer.restore(t.Context(), restoreData(), "5a", nil); err == nil || b.m.journal.restored ||
		b.m.state.Runtime.Ran != (session.Hours{}) {
		t.Errorf("%v, %+v", err, b.m.state.Runtime.Ran)
	}
	b.notes.full = false
	b.now = b.now.Add(time.Minute)
	b.e.apply(t.Context(), session.Tick{})
	if err := b.restorer.restore(t.Context(), restoreData(), "5a", nil); err != nil || !b.m.isTagged("t1") ||
		!b.m.journal.restored {
		t.Errorf("%v, %+v", err, b.m.state.Holds.Tags)
	}
}

// Without a hub the journal is never compared with another copy. When a maintainer removes the tag, the maintainer
// states that the machine was checked.
func TestWithoutAHubRemovingTheNewJournalTagRemovesItsNote(t *testing.T) {
	b := newBench(t)
	b.m.journal.awaits = true
	b.periodic.tagMismatch(t.Context())
	b.e.show()
	if s := b.e.views.status(); !strings.Contains(s.JournalDamage, "portillon machine untag") {
		t.Errorf("%q", s.JournalDamage)
	}
	if r := b.operator.order(t.Context(), control.Request{Do: "untag", Tag: "journal-new-01234567"}, ""); !r.OK {
		t.Fatalf("%+v", r)
	}
	if b.periodic.tagMismatch(t.Context()); b.m.journal.awaits || len(b.m.state.Holds.Tags) > 0 ||
		b.cfg.Panel.Current().Note == panel.NewJournal() ||
		b.e.views.status().JournalDamage != "" {
		t.Errorf("%+v, %q", b.m.state.Holds.Tags, b.e.views.status().JournalDamage)
	}
}
