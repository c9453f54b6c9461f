package session

import (
	"testing"
	"time"

	"portillon/wire"
)

// disk makes the journal accept or refuse records.
func (w *world) disk(full bool) *world {
	w.full = func() bool { return full }
	return w
}

func TestStartThatCannotBeRecordedDoesNotHappen(t *testing.T) {
	for _, c := range []struct {
		name  string
		reach func(*world)
		phase Phase
	}{
		{"from off", func(*world) {}, Off},
		{"from cooling", func(w *world) { w.tap(nour).tap(nour) }, Cooling},
		{"from tagged out", func(w *world) { w.do(AddTag{Tag: Tag{ID: "a"}}) }, TaggedOut},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			c.reach(w)
			starts := w.count(wire.SessionStart)
			w.disk(true).tap(ines).wantPhase(t, c.phase, "the disk is full")
			if !w.told(CannotRecord) || !w.Ledger.Broken {
				t.Errorf("nobody is told: %s", formatEffects(w.effects))
			}
			w.disk(false).do(Tick{}, Reader{}).wantPhase(t, c.phase, "not by itself")
			w.tap(ines).wantPhase(t, Maintenance, "with a new tap")
			if w.count(wire.SessionStart) != starts+1 || w.Ledger.Broken {
				t.Errorf("%d starts, broken %v", w.count(wire.SessionStart), w.Ledger.Broken)
			}
		})
	}
}

func TestMentorMayTapAgainIfTheStartWasNotRecorded(t *testing.T) {
	w := newWorld().tap(lea).disk(true).tap(karim).wantPhase(t, Awaiting, "the disk is full")
	w.disk(false).atOnce(tapOf(karim)).wantPhase(t, On, "the disk has room: the same tap again is no flap")
}

func TestEndThatCannotBeRecordedWaits(t *testing.T) {
	w := newWorld().tap(nour).disk(true).tap(nour).wantPhase(t, Cooling, "the disk is full")
	if len(w.Ledger.Pending) != 1 || !w.told(CannotRecord) || !w.told(Ended) {
		t.Fatalf("%d records wait: %s", len(w.Ledger.Pending), formatEffects(w.effects))
	}
	w.tap(karim).wantPhase(t, Cooling, "nobody starts")
	if len(w.Ledger.Pending) != 1 {
		t.Fatalf("%d records wait", len(w.Ledger.Pending))
	}
	w.disk(false).tap(karim).wantPhase(t, On, "the disk has room")
	want := []wire.Kind{wire.SessionStart, wire.SessionEnd, wire.SessionStart}
	for i, r := range w.journal {
		if len(w.journal) != len(want) || r.Kind != want[i] {
			t.Fatalf("on record: %v", w.journal)
		}
	}
}

func TestPendingRecordsAreOfferedEveryFiveSecondsWithoutANotice(t *testing.T) {
	w := newWorld().tap(nour).disk(true).tap(nour)
	offers := 0
	w.full = func() bool { offers++; return true }
	for range 100 {
		if w.wait(100 * time.Millisecond); w.told(CannotRecord) {
			t.Fatal("a member is told of what nobody did")
		}
	}
	if offers != 2 || len(w.Ledger.Pending) != 1 {
		t.Errorf("offered %d times in 10 s, %d wait", offers, len(w.Ledger.Pending))
	}
	w.disk(false).wait(RetryEvery)
	w.ended(t, wire.CauseTap, 1)
}

// The first record fails, and therefore the daemon drops the second record too.
func TestTagIsNotLostIfTheDiskIsFullAtTheEndOfTheSession(t *testing.T) {
	w := newWorld().tap(nour).disk(true).do(AddTag{Tag: Tag{ID: "a"}, Now: true}).
		wantPhase(t, TaggedOut, "the disk is full")
	w.disk(false).wait(RetryEvery)
	w.ended(t, wire.CauseTag, 1)
	if len(w.kept) != 1 || w.count(wire.Tagged) != 1 {
		t.Errorf("the journal keeps %v", w.kept)
	}
}

// Every record of a tag also writes the whole set of tags to the disk. Suppose a pending tag and its removal are
// written in one step, and the record of the removal fails: the disk then holds neither record.
func TestPendingTagIsNotRemovedBeforeItIsRecorded(t *testing.T) {
	w := newWorld().disk(true).do(AddTag{Tag: Tag{ID: "a"}})
	n := 0
	w.full = func() bool { n++; return n == 2 }
	w.do(RemoveTag{ID: "a"}).wantPhase(t, TaggedOut, "untagged too soon")
	if len(w.kept) != len(w.Holds.Tags) || !w.told(CannotRecord) {
		t.Errorf("the disk holds %v of %v", w.kept, w.Holds.Tags)
	}
	w.disk(false).do(RemoveTag{ID: "a"}).wantPhase(t, Off, "untagged")
}

func TestShutdownOffersPendingRecords(t *testing.T) {
	w := newWorld().tap(nour).disk(true).tap(nour).disk(false).do(Shutdown{})
	w.ended(t, wire.CauseTap, 1)
}

func TestFailedRecordOfTheDaemonKeepsPendingRecords(t *testing.T) {
	w := newWorld().tap(nour).disk(true).tap(nour).do(RecordFailed{Record: Record{Kind: wire.BundleTaken}})
	w.disk(false).wait(RetryEvery)
	w.ended(t, wire.CauseTap, 1)
}

func TestUnrecordedChangesHaveNoEffect(t *testing.T) {
	for _, c := range []struct {
		name  string
		reach []Event
		event Event
		holds func(State) bool
	}{
		{"another role", []Event{tapOf(paul)}, ChooseRole{Decision: allow(5)}, func(s State) bool {
			return s.Phase == On &&
				s.Current.Role == 2
		}},
		{"a helper", []Event{tapOf(ines)}, tapOf(nour), func(s State) bool {
			return s.Phase == Maintenance &&
				s.Current.Assistant == ""
		}},
		{"a removed tag", []Event{AddTag{Tag: Tag{ID: "a"}}}, RemoveTag{ID: "a"},
			func(s State) bool { return s.Phase == TaggedOut && len(s.Holds.Tags) == 1 }},
		{"an intervention", []Event{tapOf(ines)}, Log{What: "x"}, func(s State) bool {
			return s.Phase == Maintenance &&
				len(s.Ledger.Pending) == 0
		}},
		{"a refusal", nil, tapOf(zoe), func(s State) bool { return s.Phase == Off && len(s.Ledger.Pending) == 0 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld().do(c.reach...).disk(true).do(c.event)
			if !c.holds(w.State) || !w.Ledger.Broken || w.relay != w.Running() {
				t.Errorf("%s: %+v", w.State, w.State)
			}
		})
	}
}

func TestRefusedMemberReadsTheReasonEvenIfTheDiskIsFull(t *testing.T) {
	if w := newWorld().disk(true).tap(zoe); !w.told(Denied) || w.told(CannotRecord) {
		t.Error(formatEffects(w.effects))
	}
}

func TestRunningSessionContinuesAndEndsOnAFullDisk(t *testing.T) {
	w := newWorld().tap(nour).
		disk(true).
		do(stranger(), Reader{}).
		wantPhase(t, On, "refusals are lost").
		do(FaultRaised{What: "e-stop"}).
		wantPhase(t, Fault, "e-stop")
	w.disk(false).do(FaultCleared{What: "e-stop"})
	w.ended(t, wire.CauseFault, 1)
	if w.count(wire.Faulted) != 1 || w.count(wire.FaultCleared) != 1 {
		t.Errorf("on record: %v", w.journal)
	}
}

func TestNumberOfPendingFaultRecordsIsLimited(t *testing.T) {
	w := newWorld().tap(nour).disk(true)
	for range 500 {
		w.do(FaultRaised{What: "e-stop"}, FaultCleared{What: "e-stop"})
	}
	if len(w.Ledger.Pending) > PendingMax {
		t.Errorf("%d records wait", len(w.Ledger.Pending))
	}
	w.disk(false).wait(RetryEvery)
	w.ended(t, wire.CauseFault, 1)
}

// If a record that the daemon itself made fails, or a record of an earlier step, no other record is affected.
func TestFailedRecordOfAnotherStepChangesNothing(t *testing.T) {
	for name, r := range map[string]Record{
		"a record of the daemon":             {Kind: wire.BundleTaken},
		"a record of another session":        {Kind: wire.SessionStart, Session: "other"},
		"a record with the place of another": {Kind: wire.SessionStart, Session: "s1", place: 99},
	} {
		w := newWorld().tap(nour)
		w.Current.Session = "s9"
		if w.do(RecordFailed{Record: r}); !w.Running() || !w.Ledger.Broken {
			t.Errorf("%s: %s", name, w.State)
		}
	}
	w := newWorld().tap(nour).do(Tick{})
	if w.do(RecordFailed{Record: Record{Kind: wire.SessionStart, Session: w.Current.Session}}).wantPhase(t, Off,
		"a start that is late to fail"); w.relay {
		t.Error("the relay stays on")
	}
}

func BenchmarkTapOnTapOff(b *testing.B) {
	b.ReportAllocs()
	s, e := State{}, tapOf(nour)
	now := noon()
	for i := 0; b.Loop(); i++ {
		now = now.Add(Flap)
		s, _ = Next(s, Input{Now: now, Session: "s", Event: e})
	}
}
