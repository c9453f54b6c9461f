package daemon

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/daemon/control"
	"portillon/daemon/panel"
	"portillon/daemon/relay"
	"portillon/daemon/roster"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/rfid"
	"portillon/site"
	"portillon/wire"
)

const (
	lea   = "62E3086CED"
	jules = "01000734E0"
	karim = "2A00B1C4D7"
	ines  = "04A224BA115E80"
	zoe   = "4400C81D93"
	malik = "1700E45B22"
)

// notebook is both a fake journal and a fake relay: it lists all calls in one sequence, so that tests can check their
// order.
type notebook struct {
	said  []string
	facts map[string][]byte
	full  bool  // error that Append returns while the disk is full
	dead  error // error that the guard returns for each order
	n     uint64
	last  session.Record
	kept  []session.Record
}

func (n *notebook) Append(r session.Record, facts map[string][]byte) error {
	if n.full {
		return errors.New("the disk is full")
	}
	n.n++
	n.last, n.kept = r, append(n.kept, r)
	n.said = append(n.said, string(r.Kind))
	for k, v := range facts {
		n.facts[k] = v
	}
	return nil
}

func (n *notebook) Keep(facts map[string][]byte) error {
	if n.full {
		return errors.New("the disk is full")
	}
	for k, v := range facts {
		n.facts[k] = v
	}
	return nil
}

func (n *notebook) Len() uint64 { return n.n }

// Generation implements Journal.
func (n *notebook) Generation() wire.Generation { return "0123456789abcdef" }

func (n *notebook) Set(ctx context.Context, r session.Relay) error {
	if r.On && ctx.Err() != nil {
		return ctx.Err()
	}
	if n.dead != nil {
		return n.dead
	}
	n.said = append(n.said, map[bool]string{true: "RELAY ON", false: "relay off"}[r.On])
	return nil
}

// bench is the laser of the example site, with fakes in place of the journal, the relay, the panel and the uplink.
type bench struct {
	*Machine
	e     *engine
	m     *model
	t     *testing.T
	notes *notebook
	now   time.Time
	log   bytes.Buffer
}

// exampleOnce is the roster of site-example, shared by all tests. No test may change it or its policy: tests that need
// changes build a separate roster with rosterOf. Building and verifying a roster takes longer than most tests.
var exampleOnce = sync.OnceValues(func() (*roster.Roster, error) {
	dir, err := os.MkdirTemp("", "portillon-roster")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	return loadRoster("../site-example", dir)
})

func exampleRoster(t *testing.T) *roster.Roster {
	t.Helper()
	r, err := exampleOnce()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// rosterOf returns a separate roster of a site's folder.
func rosterOf(t *testing.T, dir string) *roster.Roster {
	t.Helper()
	r, err := loadRoster(dir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// built caches the verdicts about the example site's badges, because most site folders of the tests contain these
// badges.
var built site.Memory

// loadRoster builds the bundle of a site's folder, installs it in the folder into, and loads the roster from there.
func loadRoster(dir, into string) (*roster.Roster, error) {
	s, err := site.Read(dir)
	if err != nil {
		return nil, err
	}
	skey, vkey, err := note.GenerateKey(rand.Reader, "hub")
	if err != nil {
		return nil, err
	}
	key, err := note.NewSigner(skey)
	if err != nil {
		return nil, err
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, err
	}
	monday := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	card := bytes.Repeat([]byte{1}, 32)
	bundle, err := s.Build(
		site.Order{Version: 1, Issued: monday, Expires: monday.AddDate(0, 1, 0), Signer: key, CardKey: card, Memory: &built},
	)
	if err != nil {
		return nil, err
	}
	store := wire.Store{Dir: into, Site: "biklab", Keys: note.VerifierList(v)}
	m, err := store.Install(bundle.Signed, bundle.Chunk, nil)
	if err != nil {
		return nil, err
	}
	return roster.Load(store, m, roster.Options{Machine: "laser", CardKey: card, Now: monday})
}

func newBench(t *testing.T) *bench { return benchOf(t, exampleRoster(t)) }

// benchOf makes a bench like newBench, but with an existing roster, because building a roster takes longer than most
// tests.
func benchOf(t *testing.T, r *roster.Roster) *bench {
	b := &bench{t: t, notes: &notebook{facts: map[string][]byte{}}, now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
	ids := 0
	b.Machine = New(
		Config{Site: "biklab", Machine: "laser", Now: func() time.Time { return b.now }, Trusted: func() bool { return true },
			NewID: func() string { ids++; return fmt.Sprint("id", ids) }, Journal: b.notes, Switch: b.notes,
			Panel:  panel.New(panel.Config{Now: func() time.Time { return b.now }}),
			Roster: r, Logger: slog.New(slog.NewTextHandler(&b.log, nil))},
	)
	b.e, b.m = b.engine, b.engine.model
	return b
}

// tap advances the clock by three seconds, presents a card, and returns the resulting events and the panel's sign.
func (b *bench) tap(card string) string {
	b.t.Helper()
	b.now = b.now.Add(3 * time.Second)
	return b.do(control.Request{Do: "tap", Card: card})
}

func (b *bench) do(r control.Request) string {
	b.t.Helper()
	before := len(b.notes.said)
	b.operator.order(b.t.Context(), r, "")
	return strings.Join(append(slices.Clone(b.notes.said[before:]), "["+string(b.cfg.Panel.Current().Sign)+"]"), " ")
}

func (b *bench) wants(got, want string) {
	b.t.Helper()
	if got != want {
		b.t.Errorf("got %q, want %q", got, want)
	}
}

func TestStartIsRecordedBeforeTheRelayClosesAndEndAfterItOpens(t *testing.T) {
	b := newBench(t)
	b.wants(b.tap(lea), "session-start RELAY ON [on]")
	b.wants(b.tap(zoe), "[occupied]")
	b.wants(b.tap(lea), "relay off session-end [cooling]")
	if p := b.m.practice.of["m-020dc2"]; p.Logged != 6*time.Second || p.Machine != "laser" ||
		len(b.notes.facts[FactPractice+"m-020dc2"]) == 0 {
		t.Errorf("practice %+v", p)
	}
}

func TestLearnerWaitsForAMentorsCard(t *testing.T) {
	b := newBench(t)
	b.wants(b.tap(jules), "[awaiting]")
	b.wants(b.tap(zoe), "refused [refused]")
	b.wants(b.tap(karim), "session-start RELAY ON [supervised]")
	if v := b.cfg.Panel.Current(); !strings.Contains(v.Line.FR, "Jules avec Karim (mentor)") {
		t.Errorf("%q", v.Line.FR)
	}
	b.wants(b.tap(karim), "relay off session-end [cooling]")
}

func TestRefusalsGiveTheNextStep(t *testing.T) {
	b := newBench(t)
	for card, want := range map[string][2]string{
		zoe:        {"refused [refused]", "Découpe laser"},
		malik:      {"refused [expired]", "expiré"},
		"DEADBEEF": {"refused [unknown]", "Carte inconnue"},
	} {
		b.wants(b.tap(card), want[0])
		if v := b.cfg.Panel.Current(); !strings.Contains(v.Line.FR, want[1]) || v.Next.FR == "" || v.Next.EN == "" {
			t.Errorf("%s reads %+v %+v", card, v.Line, v.Next)
		}
		b.cfg.Panel.EndFlash()
	}
	if strings.Contains(b.log.String(), "DEADBEEF") || strings.Contains(b.log.String(), "deadbeef") ||
		strings.Contains(b.log.String(), "Zoé") {
		t.Errorf("the log names a card or a person: %s", b.log.String())
	}
}

func TestInterventionOfAHelperIsLoggedInTheMaintainersSession(t *testing.T) {
	b := newBench(t)
	if rep := b.operator.order(t.Context(), control.Request{Do: "log", Kind: "lens-cleaning"}, ""); rep.OK ||
		rep.Hint == "" {
		t.Errorf("an intervention without a maintainer: %+v", rep)
	}
	b.wants(b.tap(ines), "session-start RELAY ON [maintenance]")
	b.wants(b.tap(lea), "assisted [maintenance]")
	if rep := b.operator.order(t.Context(), control.Request{Do: "log", Kind: "lens-claening"}, ""); rep.OK ||
		!strings.Contains(rep.Hint, "lens-cleaning") {
		t.Errorf("a kind that is none: %+v", rep)
	}
	b.wants(b.do(control.Request{Do: "log", Kind: "lens-cleaning", Minute: 10}), "intervention [thanks]")
	b.wants(b.tap(ines), "relay off session-end [cooling]")
}

func TestTagStopsAllButMaintainersAndSurvivesARestart(t *testing.T) {
	b := newBench(t)
	b.wants(b.do(control.Request{Do: "tag", Reason: "courroie usée"}), "tagged [tagged]")
	b.wants(b.tap(lea), "refused [tagged]")
	b.wants(b.tap(ines), "session-start RELAY ON [maintenance]")
	b.wants(b.tap(ines), "relay off session-end [tagged]")
	if !strings.Contains(string(b.notes.facts[FactTags]), "courroie") {
		t.Errorf("facts %s", b.notes.facts[FactTags])
	}
	b.wants(b.do(control.Request{Do: "untag"}), "untagged [cooling]") // the fume extraction of Inès's session still runs
	if rep := b.operator.order(t.Context(), control.Request{Do: "untag"}, ""); rep.OK {
		t.Error("a tag that is not there was removed")
	}
}

func TestFullDiskPreventsStartsAndLosesNoEnd(t *testing.T) {
	b := newBench(t)
	b.tap(lea)
	b.notes.full = true
	if got := b.tap(lea); !strings.HasPrefix(got, "relay off") || !strings.HasSuffix(got, "[fault]") {
		t.Errorf("the end: %q", got)
	}
	b.cfg.Panel.EndFlash()
	if got := b.tap(karim); strings.Contains(got, "ON") || !strings.HasSuffix(got, "[fault]") {
		t.Errorf("a start on a full disk: %q", got)
	}
	if v := b.cfg.Panel.Current(); !strings.Contains(v.Line.FR, "ne peut plus rien enregistrer") {
		t.Errorf("the panel says %q", v.Line.FR)
	}
	b.notes.full = false
	b.now = b.now.Add(time.Minute)
	before := len(b.notes.said)
	b.e.apply(t.Context(), session.Tick{})
	if got := strings.Join(b.notes.said[before:], " "); !strings.Contains(got, "session-end") {
		t.Errorf("once there is room: %q", got)
	}
}

func TestGuardThatDoesNotConfirmPutsTheMachineInFault(t *testing.T) {
	b := newBench(t)
	b.notes.dead = errors.New("the guard is gone")
	b.tap(lea)
	if b.m.state.Phase != session.Fault || b.m.relay {
		t.Errorf("phase %v, relay %v", b.m.state.Phase, b.m.relay)
	}
	b.notes.dead = nil
	b.signal(t.Context(), Signal{What: "guard-back"})
	if b.m.state.Phase == session.Fault || b.m.state.Running() {
		t.Errorf("with a guard again: %v", b.m.state.Phase)
	}
}

// The e-stop is pressed while a card is tapped: the guard refuses the order before the guard's event about the e-stop
// arrives.
func TestEStopReportedByARefusalIsClearedByItsRelease(t *testing.T) {
	b := newBench(t)
	b.notes.dead = fmt.Errorf("relay: %w", relay.ErrEStop)
	b.tap(lea)
	if b.m.state.Phase != session.Fault || !slices.Equal(b.m.state.Holds.Faults, []session.FaultKind{session.EStop}) {
		t.Fatalf("%v %v", b.m.state.Phase, b.m.state.Holds.Faults)
	}
	b.notes.dead = nil
	b.signal(t.Context(), Signal{What: "e-stop", On: true})
	b.signal(t.Context(), Signal{What: "e-stop"})
	if b.m.state.Phase == session.Fault || b.m.state.Running() {
		t.Errorf("with the stop released: %v", b.m.state.Phase)
	}
}

func TestEStopAndReaderEventsAreHandled(t *testing.T) {
	b := newBench(t)
	b.tap(lea)
	b.signal(t.Context(), Signal{What: "e-stop", On: true})
	if b.m.state.Phase != session.Fault || b.cfg.Panel.Current().Sign != panel.SignFault {
		t.Errorf("phase %v", b.m.state.Phase)
	}
	b.signal(t.Context(), Signal{What: "e-stop"})
	if b.m.state.Running() {
		t.Error("it runs again by itself")
	}
	b.e.readerEvent(t.Context(), rfid.Event{Err: errors.New("unplugged")})
	if !b.m.state.Holds.ReaderDown {
		t.Error("the reader is thought to answer")
	}
	b.e.readerEvent(t.Context(), rfid.Event{Alive: true})
	if b.m.state.Holds.ReaderDown {
		t.Error("the reader is thought to be silent")
	}
}

func TestMachineWithoutABundleRefusesEverybody(t *testing.T) {
	b := newBench(t)
	b.m.rules.roster = nil
	b.wants(b.tap(lea), "refused [fault]")
	if b.do(control.Request{Do: "log", Kind: "lens-cleaning"}); b.m.state.Running() {
		t.Error("it runs")
	}
}

func TestSignedCommandsAreExecutedAndRecorded(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { b.Run(ctx, time.Hour); close(done) }()
	if err := b.Obey(ctx, wire.Command{ID: "c1", Do: "tag", Reason: "révision"}); err != nil {
		t.Fatal(err)
	}
	if err := b.Obey(ctx, wire.Command{ID: "c2", Do: "open-sesame"}); err == nil {
		t.Error("a command that is none was carried out")
	}
	if rep := b.Do(ctx, control.Request{Do: "status"}); !rep.OK || len(rep.Status.Tags) != 1 ||
		rep.Status.Phase != "tagged-out" {
		t.Errorf("%+v", rep.Status)
	}
	cancel()
	<-done
	if got := strings.Join(b.notes.said, " "); got != "tagged command command relay off" {
		t.Errorf("%q", got)
	}
	if rep := b.Do(ctx, control.Request{Do: "status"}); rep.OK {
		t.Error("a daemon that has ended answered")
	}
}

// SIGTERM and a tap may arrive at the same time, and the loop may process the tap first. In either order, the relay
// stays open and no fault is recorded.
func TestTapDuringShutdownClosesNoRelay(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	card, _ := rfid.ParseUID(lea)
	b.e.readerEvent(ctx, rfid.Event{Alive: true, Tap: rfid.Tap{UID: card, At: time.Now()}})
	if err := b.Run(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	b.wants(strings.Join(b.notes.said, " "), "session-start relay off session-end relay off")
	if end, _ := b.notes.last.Body.(wire.EndBody); end.Cause != wire.CauseShutdown {
		t.Errorf("ended by %q", end.Cause)
	}
}

func TestRoleCanBeChosenOnlyIfTheBadgesAllowIt(t *testing.T) {
	b := newBench(t)
	b.tap(karim) // user and mentor
	if b.m.state.Current.Role != policy.User {
		t.Fatalf("Karim starts as %v", b.m.state.Current.Role)
	}
	if rep := b.operator.order(t.Context(), control.Request{Do: "role", Role: "maintainer"}, ""); rep.OK {
		t.Error("Karim became a maintainer")
	}
	if rep := b.operator.order(t.Context(), control.Request{Do: "role", Role: "mentor"}, ""); !rep.OK ||
		b.m.state.Current.Role != policy.Mentor {
		t.Errorf("%+v, now %v", rep, b.m.state.Current.Role)
	}
	if rep := b.operator.order(t.Context(), control.Request{Do: "role", Role: "king"}, ""); rep.OK || rep.Hint == "" {
		t.Errorf("%+v", rep)
	}
}

// A loop that hangs must lose its lease on the relay within a second, but a loop that waits for the disk may take ten
// seconds.
func TestHangingLoopIsNotAliveButASlowDiskIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Config{})
		check := func(after time.Duration, want bool) {
			t.Helper()
			time.Sleep(after)
			if m.Alive() != want {
				t.Errorf("alive: %v, want %v", !want, want)
			}
		}
		check(900*time.Millisecond, true)
		check(200*time.Millisecond, false)
		m.engine.live.disk.Store(int64(time.Since(m.engine.live.born)))
		check(9*time.Second, true)
		check(time.Second+1, false)
	})
}

// A card that was read while the daemon was stopped does nothing when the daemon continues.
func TestStaleTapIsIgnored(t *testing.T) {
	b := newBench(t)
	card, err := rfid.ParseUID(lea)
	if err != nil {
		t.Fatal(err)
	}
	read := func(at time.Time) string {
		before := len(b.notes.said)
		b.e.readerEvent(t.Context(), rfid.Event{Alive: true, Tap: rfid.Tap{UID: card, At: at}})
		return strings.Join(b.notes.said[before:], " ")
	}
	b.wants(read(time.Now().Add(-staleTap-time.Second)), "")
	b.wants(read(time.Now()), "session-start RELAY ON")
}

// strongBench is the laser with «card: aes» in its policy.
func strongBench(t *testing.T) *bench {
	return otherBench(t, "\n  laser:\n", "\n  laser:\n    card: aes\n")
}

// otherBench returns a bench with the laser of a changed policy, in which the first occurrence of the text was is
// replaced by the text is.
func otherBench(t *testing.T, was, is string) *bench {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../site-example")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "policy.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := strings.Replace(string(text), was, is, 1)
	if out == string(text) {
		t.Fatalf("the example does not say %q", was)
	}
	os.WriteFile(path, []byte(out), 0o644)
	b := newBench(t)
	b.m.rules.roster = rosterOf(t, dir)
	return b
}

// tapWithProof advances the clock by three seconds and presents a card with this proof.
func (b *bench) tapWithProof(card string, p rfid.Proof) string {
	b.t.Helper()
	b.now = b.now.Add(3 * time.Second)
	before := len(b.notes.said)
	u, _ := rfid.ParseUID(card)
	b.e.readerEvent(b.t.Context(), rfid.Event{Alive: true, Tap: rfid.Tap{UID: u, Proof: p}})
	return strings.Join(append(slices.Clone(b.notes.said[before:]), "["+string(b.cfg.Panel.Current().Sign)+"]"), " ")
}

func TestMachineThatRequiresAESRejectsACopiedNumber(t *testing.T) {
	b := strongBench(t)
	b.m.state.Holds.ReaderDown = false
	b.wants(b.tapWithProof(lea, rfid.NumberOnly), "refused [refused]")
	b.wants(b.tap(lea), "refused [refused]") // the operator's order does not close the relay either
	b.wants(b.tapWithProof(lea, rfid.AES), "session-start RELAY ON [on]")
	b.wants(b.tapWithProof(lea, rfid.AES), "relay off session-end [cooling]")
}

// A mentor's card number can be copied like a learner's, so both cards must prove that they are genuine.
func TestMentorsCardMustProveThatItIsGenuine(t *testing.T) {
	b := strongBench(t)
	b.m.state.Holds.ReaderDown = false
	b.wants(b.tapWithProof(jules, rfid.NumberOnly), "refused [refused]")
	b.wants(b.tapWithProof(jules, rfid.AES), "[awaiting]")
	b.wants(b.tapWithProof(karim, rfid.NumberOnly), "refused [refused]")
	if b.m.state.Phase != session.Awaiting {
		t.Errorf("the learner no longer waits: %v", b.m.state.Phase)
	}
	b.wants(b.tapWithProof(karim, rfid.AES), "session-start RELAY ON [supervised]")
}

func TestRemovingTheCardFromItsSlotEndsItsSession(t *testing.T) {
	b := newBench(t)
	b.m.state.Holds.ReaderDown = false
	b.wants(b.tapWithProof(lea, 0), "session-start RELAY ON [on]")
	u, _ := rfid.ParseUID(zoe)
	b.e.readerEvent(t.Context(), rfid.Event{Alive: true, Tap: rfid.Tap{UID: u, Away: true}})
	if !b.m.state.Running() {
		t.Error("another card's leaving ended the session")
	}
	u, _ = rfid.ParseUID(lea)
	b.e.readerEvent(t.Context(), rfid.Event{Alive: true, Tap: rfid.Tap{UID: u, Away: true}})
	if b.m.state.Running() || b.notes.said[len(b.notes.said)-1] != "session-end" {
		t.Errorf("%v, %v", b.m.state.Phase, b.notes.said)
	}
	b.wants(b.tapWithProof(lea, 0), "session-start RELAY ON [on]")
	b.e.readerEvent(
		t.Context(),
		rfid.Event{Alive: true, Tap: rfid.Tap{Away: true}},
	) // the reader works again and reports an empty slot
	if b.m.state.Running() {
		t.Error("an empty slot keeps a session")
	}
}

// mustJSON returns the JSON of v, and panics if v cannot be encoded.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
