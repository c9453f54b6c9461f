package session

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/policy"
	"portillon/wire"
)

// A history is a sequence of bytes with two bytes for each event: the kind of the event, and the time since the
// previous event. Thus the fuzzer and the random test use the same format, and every sequence of bytes encodes a
// history.

// spans are the possible pauses between events. Some pauses are shorter than a flap, some are close to a limit in
// newWorld's settings, and some are long.
func spans() []time.Duration {
	return []time.Duration{
		0,
		100 * time.Millisecond,
		time.Second,
		Flap,
		5 * time.Second,
		30 * time.Second,
		time.Minute,
		3 * time.Minute,
		8 * time.Minute,
		10 * time.Minute,
		59 * time.Minute,
		118 * time.Minute,
		2 * time.Hour,
		FinishMax,
		26 * time.Hour,
		0,
	}
}

// acts returns the possible events. Taps are frequent, and the end of the daemon is rare.
func acts() []Event {
	ev := []Event{
		Tick{},
		Tick{},
		Stop{},
		Busy{true},
		Busy{false},
		Busy{true},
		Busy{false},
		stranger(),
		refusedCard(nour, policy.LostCard),
		refusedCard(zoe, policy.ReplacedCard),
		FaultRaised{
			What: "e-stop",
		},
		FaultCleared{What: "e-stop"},
		FaultRaised{What: "relay", Why: "feedback"},
		FaultCleared{What: "relay"},
		FaultCleared{What: "guard-lost"},
		Reader{},
		Reader{Alive: true},
		Shutdown{},
		AddTag{
			Tag: Tag{ID: "t1", Reason: "belt"},
		},
		AddTag{Tag: Tag{ID: "t2", By: ines}, Now: true},
		AddTag{Tag: Tag{ID: "t3", By: ines}},
		AddTag{},
		RemoveTag{ID: "t1"},
		RemoveTag{ID: "t2"},
		RemoveTag{ID: "t3"},
		RemoveTag{ID: "t1", By: ines},
		RemoveTag{ID: "t2", By: nour},
		Log{What: "lens-cleaning", Minutes: 10},
		Log{},
		ChooseRole{
			Decision: allow(policy.Maintainer),
		},
		ChooseRole{Decision: allow(policy.User)},
		ChooseRole{Decision: denied(policy.Deny, policy.User)},
		ChooseRole{Decision: allow(policy.Host)},
		Extend{
			allow(policy.User),
		},
		Extend{allow(policy.Learner)},
		Extend{denied(policy.Deny, policy.User)},
		PowerOff{ines},
		PowerOff{paul},
		PowerOff{nour},
		Report{
			By:   nour,
			Body: wire.ReportBody{What: wire.Noise},
		},
		Report{By: zoe, Body: wire.ReportBody{What: wire.Dangerous}, Tag: Tag{ID: "t4"}},
		Report{
			By:   zoe,
			Body: wire.ReportBody{What: wire.Dangerous},
			Tag:  Tag{ID: "t4"},
			Now:  true,
		},
		RemoveTag{ID: "t4"},
		RemoveTag{ID: "t4", By: ines},
		Vouch{By: karim, Skills: []string{"focus"}},
		Vouch{By: nour, Skills: []string{"focus"}},
		Removed{Member: nour},
		Removed{Member: karim},
		Removed{Member: lea},
		Removed{},
		Inserted{Member: zoe, Card: cardOf(zoe)},
		Inserted{Member: nour, Card: cardOf(nour)},
		Inserted{Member: paul, Card: cardOf(paul)},
		Removed{Member: paul, Card: cardOf(paul)},
		Inserted{WasThere: true},
		SessionCard{},
		SessionCard{Card: cardOf(nour)},
		SessionCard{Card: cardOf(ines)},
		Recorded{},
		Tap{},
		Tap{Member: zoe, Decision: policy.Decision{Verdict: policy.Allow}},
		nil,
	}
	for range 2 {
		for _, m := range []policy.MemberID{lea, karim, sami, nour, ines, paul, zoe, bruno} {
			ev = append(ev, tapOf(m))
		}
	}
	return ev
}

// These bytes of a history change the test's world (the journal, the relay) instead of sending an event to the session.
const (
	fillDisk = 250 + iota
	freeDisk
	oneRecordFails
	loseGuard
	mendGuard
	noBusyInput
)

// play runs a history, and fails the test if an invariant is violated.
func play(t testing.TB, history []byte, pure bool) *world {
	w := newWorld()
	acts, spans := acts(), spans()
	full, once := false, 0
	w.full = func() bool {
		if once > 0 {
			once--
			return once == 0
		}
		return full
	}
	w.check = func(before State, e Event, effects []Effect) { checkStep(t, w, before, e, effects) }
	for i := 0; i+1 < len(history); i += 2 {
		w.now = w.now.Add(spans[int(history[i+1])%len(spans)])
		switch op := history[i]; op {
		case fillDisk, freeDisk:
			full = op == fillDisk
		case oneRecordFails:
			once = 1 + int(history[i+1])%3
		case loseGuard, mendGuard:
			w.guardless = op == loseGuard
		case noBusyInput:
			w.settings.HasBusy = !w.settings.HasBusy
		default:
			e := acts[int(op)%len(acts)]
			kept := snapshot(w.State, pure)
			w.atOnce(e)
			kept(t, e)
			checkWorld(t, w)
			if e == (Tick{}) {
				checkTime(t, w)
			}
		}
	}
	full, once = false, 0
	w.do(Shutdown{}).wait(RetryEvery)
	checkWorld(t, w)
	checkAfterwards(t, w)
	return w
}

// snapshot returns a function that checks that Next did not modify the state that it was given.
func snapshot(s State, pure bool) func(testing.TB, Event) {
	if !pure {
		return func(testing.TB, Event) {}
	}
	was := deep(s)
	return func(t testing.TB, e Event) {
		if !reflect.DeepEqual(s, was) {
			t.Errorf("%T: Next wrote to the state it was given", e)
		}
	}
}

func deep(s State) State {
	s.Holds.Tags, s.Holds.Faults, s.Current.Others = slices.Clone(
		s.Holds.Tags,
	), slices.Clone(
		s.Holds.Faults,
	), slices.Clone(
		s.Current.Others,
	)
	s.Ledger.Pending, s.Ledger.sent = slices.Clone(s.Ledger.Pending), slices.Clone(s.Ledger.sent)
	if s.Ledger.undo != nil {
		u := deep(*s.Ledger.undo)
		s.Ledger.undo = &u
	}
	return s
}

// checkStep checks the invariants of each list of effects.
func checkStep(t testing.TB, w *world, before State, e Event, effects []Effect) {
	records, told := 0, false
	for i, x := range effects {
		switch x := x.(type) {
		case Record:
			records++
			if b, ok := x.Body.(wire.RoleBody); ok && len(before.Holds.Tags) > 0 && b.Role != policy.Maintainer {
				t.Errorf("%s under a tag", b.Role)
			}
			if told {
				t.Errorf("%T: told before it is recorded: %s", e, formatEffects(effects))
			}
		case Notify:
			told = true
		case Relay:
			if !x.On && records > 0 {
				t.Errorf("%T: the relay goes off only after a record: %s", e, formatEffects(effects))
			}
			if x.On {
				if x.FinishJob && (w.Current.Role == policy.Maintainer || slices.Contains(w.Current.Others, policy.Maintainer)) {
					t.Error("a job would go on alone under a maintainer's hand")
				}
				checkStart(t, w, before, e, effects[:i])
			}
		}
	}
}

// checkStart checks each effect that switches the relay on: a card was tapped, the start was recorded just before, and
// no fault or tag prevents the start.
func checkStart(t testing.TB, w *world, before State, e Event, done []Effect) {
	fail := func(why string) { t.Errorf("%T in %s: the relay goes on %s: %s", e, before, why, formatEffects(done)) }
	if _, ok := e.(Tap); !ok {
		fail("without a card")
	}
	r := Record{}
	if len(done) > 0 {
		r, _ = done[len(done)-1].(Record)
	}
	if r.Kind != wire.SessionStart || r.Session != w.Current.Session || r.Member != w.Current.Member {
		fail("without its start recorded just before")
	}
	if before.Running() || before.down || len(w.Holds.Faults) > 0 {
		fail("while in use, at fault or ending")
	}
	if b, _ := r.Body.(wire.StartBody); b.Role == policy.NoRole || len(w.Holds.Tags) > 0 && b.Role != policy.Maintainer {
		fail("for the role " + b.Role.String())
	}
}

// checkWorld checks the invariants that hold after the daemon has carried out all effects.
func checkWorld(t testing.TB, w *world) {
	fail := func(why string) { t.Errorf("in %s (session %q): %s", w.State, w.Current.Session, why) }
	if w.relay != w.Energised() {
		fail("relay and state disagree")
	}
	if (w.Current.Session != "") != w.Running() || (w.Current.Role != policy.NoRole) != w.Running() {
		fail("a session without a phase for it")
	}
	if w.Power.PoweredOff && w.Phase != Maintenance || w.VouchRequest.Session != "" && w.VouchRequest.Mentor == "" {
		fail("what only a maintainer or a mentor has")
	}
	if w.Phase == Awaiting && w.Current.Member == "" || w.Phase == Off && w.Current.Member != "" {
		fail("the member is not of this phase")
	}
	if w.Running() && (w.down || len(w.Holds.Faults) > 0) || w.Phase == Awaiting && len(w.Holds.Tags) > 0 {
		fail("held, and yet not stopped")
	}
	if (w.Phase == Fault) != (len(w.Holds.Faults) > 0) || w.Phase == TaggedOut && len(w.Holds.Tags) == 0 {
		fail("the phase hides what holds the machine")
	}
	if w.Running() != (open(t, w.journal) != "") && len(w.Ledger.Pending) == 0 {
		fail("the journal says otherwise of a session that runs")
	}
	if len(w.Ledger.Pending) > PendingMax+8 {
		fail("what waits has no bound")
	}
}

// checkTime checks, after every tick, that no phase lasts past its time.
func checkTime(t testing.TB, w *world) {
	late := !w.Current.Until.IsZero() && !w.now.Before(w.Current.Until)
	if late || w.Phase != Finishing && !w.Current.limit.IsZero() && !w.now.Before(w.Current.limit) {
		t.Errorf("%s goes on at %s, until %s, limit %s", w.State, w.now, w.Current.Until, w.Current.limit)
	}
	if w.Phase == Finishing && !(w.settings.HasBusy && w.Activity.Busy) {
		t.Errorf("an idle machine finishes a job")
	}
}

// open returns the session that has a start but no end in the journal. open fails the test if two sessions overlap, if
// a session ends twice, or if a session ends without a start.
func open(t testing.TB, journal []Record) string {
	now := ""
	for _, r := range journal {
		switch r.Kind {
		case wire.SessionStart:
			if now != "" {
				t.Errorf("%s starts before the end of %s is on record", r.Session, now)
			}
			now = r.Session
		case wire.SessionEnd:
			if now != r.Session {
				t.Errorf("%s ends while %q is open", r.Session, now)
			}
			now = ""
		case wire.RoleChanged, wire.Assisted, wire.Intervened, wire.Extended, wire.HandedOver, wire.Powered:
			if now != r.Session {
				t.Errorf("a %s record outside its session", r.Kind)
			}
		}
	}
	return now
}

// checkAfterwards checks the invariants that hold after the daemon has stopped and the disk has room again.
func checkAfterwards(t testing.TB, w *world) {
	if w.relay || w.Running() {
		t.Errorf("after the end the machine is %s, relay %v", w.State, w.relay)
	}
	if s := open(t, w.journal); s != "" || len(w.Ledger.Pending) > 0 {
		t.Errorf("session %q has no end on record; %d records wait", s, len(w.Ledger.Pending))
	}
	if len(w.kept) != len(w.Holds.Tags) {
		t.Errorf("the journal keeps %v where %v hang", w.kept, w.Holds.Tags)
	}
	if w.tap(ines).tap(paul); w.relay || w.Running() {
		t.Errorf("a card switched the relay on after the end")
	}
	if r := Restore(w.kept); r.Running() || (r.Phase == TaggedOut) != (len(w.kept) > 0) {
		t.Errorf("restored with %v it is %s", w.kept, r)
	}
}

var histories = flag.Int("histories", 10_000, "how many random histories to live through")

func TestInvariantsHoldOverRandomHistories(t *testing.T) {
	rnd := rand.New(rand.NewPCG(20261123, 1))
	n, starts, ends, failed := *histories, 0, map[wire.Cause]int{}, 0
	if testing.Short() {
		n /= 10
	}
	seen, stories := map[Phase]int{}, seeds()
	for i := range n {
		h := make([]byte, 2*(1+rnd.IntN(40)))
		for j := range h {
			h[j] = byte(rnd.Uint32())
		}
		if i%2 == 0 { // random bytes alone rarely reach states that need several events
			h = append(bytes.Clone(stories[i/2%len(stories)]), h...)
		}
		w := play(t, h, i%50 == 0)
		if t.Failed() {
			t.Fatalf("history %d: %v", i, h)
		}
		starts += w.count(wire.SessionStart)
		for _, r := range w.journal {
			if b, ok := r.Body.(wire.EndBody); ok {
				ends[b.Cause]++
			}
		}
		seen[w.Phase]++
		failed += w.n
	}
	t.Logf("%d histories, %d steps, %d sessions, ends %v, at rest in %v", n, failed, starts, ends, seen)
	for _, c := range []wire.Cause{wire.CauseTap, wire.CauseSupervisor, wire.CauseLimit, wire.CauseIdle, wire.CauseStop,
		wire.CauseTag,
		wire.CauseFault, wire.CauseShutdown} {
		if ends[c] < n/1000 {
			t.Errorf("only %d sessions ended by %s: the histories prove little of it", ends[c], c)
		}
	}
}

func FuzzHistoryOfAMachine(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, history []byte) {
		if len(history) > 400 {
			return
		}
		play(t, history, true)
	})
}

// seeds returns histories that reach such states: each history starts a session and repeats a sequence that once failed
// or could fail.
func seeds() [][]byte {
	tap := func(m policy.MemberID) byte {
		return codeOf(func(e Event) bool { x, ok := e.(Tap); return ok && x.Member == m && x.Decision.Role != 0 })
	}
	is := func(want string) byte {
		return codeOf(func(e Event) bool { return e != nil && strings.HasPrefix(reflectName(e), want) })
	}
	on := []byte{tap(nour), 0}
	return [][]byte{
		nil,
		append(bytes.Clone(on), tap(nour), 3),
		append(bytes.Clone(on), fillDisk, 0, tap(nour), 3, is("AddTag"), 0, freeDisk, 0, is("Tick"), 4),
		append(
			bytes.Clone(on),
			fillDisk,
			0,
			is("Broke"),
			0,
			is("Mended"),
			0,
			is("Broke"),
			0,
			oneRecordFails,
			2,
			is("Tick"),
			4,
		),
		append(bytes.Clone(on), is("Busy"), 0, is("Tick"), 12, is("AddTag"), 0, is("Tick"), 13),
		{tap(lea), 0, tap(karim), 1, tap(lea), 1, tap(karim), 1, tap(lea), 3},
		{tap(lea), 0, tap(karim), 3, tap(nour), 3, tap(karim), 3},
		{tap(ines), 0, tap(nour), 3, is("Log"), 0, oneRecordFails, 0, is("RemoveTag"), 0, tap(ines), 3},
		{is("AddTag"), 0, tap(ines), 0, oneRecordFails, 0, is("RemoveTag"), 0, tap(ines), 3, tap(nour), 3},
		{tap(paul), 0, is("ChooseRole"), 3, oneRecordFails, 0, is("ChooseRole"), 3, is("Shutdown"), 0, tap(paul), 3},
		{
			oneRecordFails,
			0,
			tap(nour),
			0,
			tap(nour),
			0,
			loseGuard,
			0,
			tap(nour),
			3,
			mendGuard,
			0,
			is("Mended"),
			0,
			tap(nour),
			3,
		},
	}
}

func reflectName(e Event) string { return reflect.TypeOf(e).Name() }

// codeOf returns the byte that encodes the first event for which fits returns true.
func codeOf(fits func(Event) bool) byte {
	for i, e := range acts() {
		if fits(e) {
			return byte(i)
		}
	}
	return 0
}
