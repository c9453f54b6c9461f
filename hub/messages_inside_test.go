package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/hub/ledger"
	"portillon/hub/ledger/ledgertest"
	"portillon/policy"
	"portillon/wire"
)

// laserHub returns an opened hub that knows the laser, and the hub's clock.
func laserHub(t *testing.T) (h *Hub, laser *ledgertest.Machine, now *time.Time) {
	t.Helper()
	laser = ledgertest.New(t, "biklab", "laser")
	h = openHub(t, newConfiguration(t, func(c *Config) {
		c.Machines = []MachineConfig{{ID: "laser", Key: laser.Key, Public: laser.VKey}}
	}))
	at := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	h.core.now = func() time.Time { return at }
	return h, laser, &at
}

// laserState returns the hub's state of the laser.
func laserState(h *Hub) (m Machine) {
	h.fleet.change("laser", func(x *Machine) { m = *x })
	return m
}

// The time of a machine's last message does not change when the hub receives the will of the disconnected machine or
// a retained state, which may be days old.
func TestOnlyCurrentMessagesUpdateLastSeen(t *testing.T) {
	h, _, now := laserHub(t)
	for _, x := range []struct {
		topic    wire.TopicName
		retained bool
		seen     bool
	}{{wire.TopicAvailability, false, false}, {wire.TopicState, true, false}, {wire.TopicAck, false, false},
		{wire.TopicState, false, true}, {wire.TopicRecords, false, true}} {
		h.fleet.change("laser", func(m *Machine) { m.Seen = time.Time{} })
		topic, _, known := h.core.topics.Parse(h.core.topics.Of(x.topic, "laser"))
		if !known {
			t.Fatal(x.topic)
		}
		h.connector.messages.storeLastSeen(topic, "laser", x.retained)
		if got := laserState(h).Seen; got.Equal(*now) != x.seen || !x.seen && !got.IsZero() {
			t.Errorf("%s, retained %v: seen %v", x.topic, x.retained, got)
		}
	}
}

func TestMachineAppearsOnceWhenItComesOnline(t *testing.T) {
	h, _, now := laserHub(t)
	say := func(text string) Machine {
		*now = now.Add(time.Minute)
		if err := h.connector.messages.availability(nil, "laser", []byte(text)); err != nil {
			t.Fatal(err)
		}
		return laserState(h)
	}
	if m := say(wire.Offline); m.Online || !m.notes.appeared.IsZero() {
		t.Errorf("offline: %v since %v", m.Online, m.notes.appeared)
	}
	if m := say(wire.Online); !m.Online || !m.notes.appeared.Equal(*now) {
		t.Errorf("online: %v since %v, want %v", m.Online, m.notes.appeared, *now)
	}
	since := *now
	if m := say(wire.Online); !m.notes.appeared.Equal(since) {
		t.Errorf("still online: since %v, want %v", m.notes.appeared, since)
	}
}

// Until the first record is stored, the hub knows a journal's generation only from the machine's state.
func TestAcknowledgementHasTheGenerationOfTheMachinesState(t *testing.T) {
	h, _, _ := laserHub(t)
	state := func(s wire.State) {
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.connector.messages.state(nil, "laser", data); err != nil {
			t.Fatal(err)
		}
	}
	acked := func() wire.Ack {
		data, err := h.connector.messages.signAck("laser")
		if err != nil {
			t.Fatal(err)
		}
		key, err := h.core.c.Verifier()
		if err != nil {
			t.Fatal(err)
		}
		a, err := wire.OpenAck(data, note.VerifierList(key), "biklab", "laser")
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	state(wire.State{Machine: "press", Generation: "1111111111111111"})
	if m := laserState(h); m.State != nil || m.notes.generation != "" {
		t.Errorf("a state that names another machine: %+v", m.State)
	}
	state(wire.State{Machine: "laser", Generation: "1111111111111111"})
	if a := acked(); a.Generation != "1111111111111111" || a.Seal != "" {
		t.Errorf("%+v", a)
	}
	h.fleet.change("laser", func(m *Machine) { m.State = &wire.State{Machine: "laser", Format: wire.SealFormat} })
	if a := acked(); a.Seal == "" || a.Seal != h.cards.renewSeal() || laserState(h).notes.sealed != a.Seal {
		t.Errorf("a machine that reads seal keys: %+v", a)
	}
	h.fleet.change("laser", func(m *Machine) { m.State.Format = wire.SealFormat - 1 })
	if a := acked(); a.Seal != "" || laserState(h).notes.sealed != "" {
		t.Errorf("a machine that reads none: %+v", a)
	}
}

func TestStateOfAMachineIsKeptAfterARestartOfTheHub(t *testing.T) {
	h, _, now := laserHub(t)
	state := wire.State{Machine: "laser", Phase: "on", Bundle: 4}
	h.fleet.change("laser", func(m *Machine) {
		m.State, m.Seen, m.Trouble, m.TroubleAt = &state, *now, "rolled-back: x", *now
	})
	h.fleet.writeStates(t.Context())
	m := &Machine{ID: "laser"}
	if err := h.fleet.loadState(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if s := m.newest(); s == nil || *s != state || !m.Seen.Equal(*now) || m.Trouble != "rolled-back: x" ||
		!m.TroubleAt.Equal(*now) || !m.TroubleSince.IsZero() {
		t.Errorf("%+v, state %+v", m, s)
	}
	m = &Machine{ID: "press"}
	if err := h.fleet.loadState(t.Context(), m); err != nil || m.newest() != nil || !m.Seen.IsZero() {
		t.Errorf("a machine that never said anything: %+v, %v", m, err)
	}
}

func TestRebindingStartsAtTheFirstNewRecord(t *testing.T) {
	r := rebinds{wake: make(chan struct{}, 1)}
	r.noteRecords("laser", 7)
	r.noteRecords("laser", 9)
	r.noteRecords("press", 3)
	r.noteRecords("press", 2)
	if got := r.take(); len(got) != 2 || got["laser"] != 7 || got["press"] != 2 || len(r.wake) != 1 {
		t.Errorf("%v, %d wake-ups", got, len(r.wake))
	}
	if got := r.take(); got != nil {
		t.Errorf("taken twice: %v", got)
	}
}

func TestConnectionWaitsForTheDatabaseBeforeItEnds(t *testing.T) {
	i := intake{busy: true, taken: make(chan outcome, 1)}
	i.taken <- outcome{}
	if i.finish(); i.busy || len(i.taken) != 0 {
		t.Errorf("busy %v, %d answers", i.busy, len(i.taken))
	}
	i.finish() // no batch is being stored, so finish returns at once
}

func TestMachinesListenerStopsWithoutAnErrorWhenTheHubStops(t *testing.T) {
	h, _, _ := laserHub(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.enrolments.serveJoin(ctx); err != nil {
		t.Error(err)
	}
}

// The hub has received no state of the machine, and the ledger has no record of the tag.
func TestTagIsSentToAMachineWithoutAState(t *testing.T) {
	h, laser, now := laserHub(t)
	key, err := h.core.c.Verifier()
	if err != nil {
		t.Fatal(err)
	}
	tag, tried := Tag{Machine: "laser", ID: "0123456789abcdef", Reason: "belt"}, map[string]time.Time{}
	go func() {
		o := <-h.commands.orders
		machine := wire.Commands{Site: "biklab", Machine: "laser", Keys: note.VerifierList(key)}
		c, err := machine.Open(o.data, *now, true)
		if err != nil || c.Do != "tag" || c.Tag != tag.ID || c.Reason != "belt" {
			t.Errorf("%+v, %v", c, err)
		}
		data, err := json.Marshal(wire.Reply{ID: c.ID, OK: true})
		if err != nil {
			t.Error(err)
		}
		h.commands.reply("laser", data)
	}()
	if err := h.tags.sendTag(t.Context(), tag, tried); err != nil || !tried[tag.ID].Equal(*now) {
		t.Errorf("%v, tried at %v", err, tried[tag.ID])
	}
	laser.Append(wire.Tagged, "", "", wire.TagBody{Tag: tag.ID, Reason: "belt"})
	if _, err := h.core.ledger.Take("laser", laser.Data(1, 1)); err != nil {
		t.Fatal(err)
	}
	clear(tried)
	if err := h.tags.sendTag(t.Context(), tag, tried); err != nil || len(tried) != 0 {
		t.Errorf("a tag that the machine has recorded: %v, tried %v", err, tried)
	}
}

func TestHubWaitsLongerAfterEachFailedConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		h := newParts(&core{log: slog.New(slog.NewTextHandler(&text, nil)), now: time.Now})
		h.connector.dial.url = "no address" // each attempt fails at once
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		if err := h.connector.stayConnected(ctx); err != nil {
			t.Error(err)
		}
		// Expect six pauses of less than 15 s, then pauses of 7.5 to 22.5 s.
		if n := strings.Count(text.String(), "connection to the broker failed"); n < 15 || n > 60 {
			t.Errorf("%d attempts in five minutes, want 15 to 60", n)
		}
	})
}

// answeredRestore replaces the laser's journal, answers the hub's restore with reply, and returns the hub's error.
func answeredRestore(t *testing.T, reply wire.Reply) error {
	t.Helper()
	h, laser, _ := laserHub(t)
	laser.Append(wire.Tagged, "", "m-ines", wire.TagBody{Tag: "t1", Reason: "belt"})
	if _, err := h.core.ledger.Take("laser", laser.Data(1, 1)); err != nil {
		t.Fatal(err)
	}
	err := h.core.ledger.Replace(ledger.Replacement{Machine: "laser", Generation: "2222222222222222", By: "ines",
		Why: "new card", At: ledgertest.Start()})
	if err != nil {
		t.Fatal(err)
	}
	key, err := h.core.c.Verifier()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		o := <-h.commands.orders
		r, err := wire.OpenRestore(o.data, note.VerifierList(key), "biklab", "laser")
		if err != nil || len(r.Tags) != 1 || o.topic != h.core.topics.Command("laser") {
			t.Errorf("%+v on %s, %v", r, o.topic, err)
		}
		reply.ID = r.ID
		data, err := json.Marshal(reply)
		if err != nil {
			t.Error(err)
		}
		h.commands.reply("laser", data)
	}()
	return h.tags.restores.sendRestore(t.Context(), "laser")
}

func TestErrorNamesTheMachineThatRefusesARestore(t *testing.T) {
	if err := answeredRestore(t, wire.Reply{OK: true}); err != nil {
		t.Error(err)
	}
	err := answeredRestore(t, wire.Reply{Why: "disk full"})
	if err == nil || err.Error() != "machine laser refuses the restore: disk full" {
		t.Error(err)
	}
}

// After a change of the card key, a tapped card is bound under the new key, and no longer under the previous key.
func TestTappedCardIsBoundToTheNewCardKey(t *testing.T) {
	h, laser, _ := laserHub(t)
	h.core.now = time.Now // use the current time, because the seal keys of today must be valid
	ctx, by := t.Context(), actor.Local("test")
	number := []byte{0x04, 0xA2, 0x24, 0xBA}
	m, err := h.Directory().Members.Add(ctx, by, directory.Member{Name: "Léa"})
	if err != nil {
		t.Fatal(err)
	}
	enrolled := directory.Card{Number: "hmac:" + h.cards.cardHash(number), State: directory.Active}
	if _, err := h.Directory().Cards.AddCard(ctx, by, m.ID, enrolled); err != nil {
		t.Fatal(err)
	}
	status, err := h.services.cardKey.Status(ctx, by)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.services.cardKey.Rotate(ctx, by, status.Version, "test"); err != nil {
		t.Fatal(err)
	}
	old := func() int {
		all, err := h.cards.oldCards(ctx, by)
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	if old() != 1 {
		t.Fatalf("%d cards hang on the key before, want 1", old())
	}
	sealed, err := wire.SealNumber(h.cards.renewSeal(), "biklab", "laser", number)
	if err != nil {
		t.Fatal(err)
	}
	laser.Append(wire.CardRebound, "", m.ID, wire.CardReboundBody{Sealed: sealed})
	if _, err := h.core.ledger.Take("laser", laser.Data(1, 1)); err != nil {
		t.Fatal(err)
	}
	if err := h.cards.rebind(ctx, ledger.Query{Machine: "press"}); err != nil || old() != 1 {
		t.Errorf("records of another machine: %v, %d cards hang on the key before", err, old())
	}
	if err := h.cards.rebind(ctx, ledger.Query{Machine: "laser"}); err != nil || old() != 0 {
		t.Errorf("%v, %d cards hang on the key before", err, old())
	}
}

func TestUnknownCardsAreReadFromRecordsWithoutAMember(t *testing.T) {
	h, laser, _ := laserHub(t)
	h.core.now = time.Now
	sealed := func(code string) string {
		out, err := wire.SealCard(h.cards.renewSeal(), "biklab", "laser", wire.EnrolCard{Code: code,
			Card: h.cards.cardHash([]byte(code))})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	laser.Append(wire.Refused, "", "", wire.RefusedBody{Sealed: sealed("EAR1YA")})
	laser.Now = laser.Now.Add(time.Hour)
	since := laser.Now
	laser.Append(wire.Refused, "", "m-lea", wire.RefusedBody{Sealed: sealed("MEMBER")})
	laser.Append(wire.Refused, "", "", wire.RefusedBody{})
	laser.Append(wire.Refused, "", "", wire.RefusedBody{Sealed: "damaged"})
	laser.Append(wire.Refused, "", "", wire.RefusedBody{Sealed: sealed("7F3K9Q")})
	if _, err := h.core.ledger.Take("laser", laser.Data(1, laser.Len())); err != nil {
		t.Fatal(err)
	}
	got, err := h.services.unknownTaps(t.Context(), since)
	if err != nil || len(got) != 1 || got[0].Code != "7F3K9Q" || got[0].Machine != "laser" || got[0].Seq != 5 {
		t.Errorf("%+v, %v; want the card of record 5 alone", got, err)
	}
}

func TestFolderOfSealKeysThatCannotBeReadIsAnError(t *testing.T) {
	c := Config{Data: t.TempDir()}
	if keys, err := c.SealKeys(time.Now()); err != nil || keys != nil {
		t.Errorf("before the first key: %v, %v", keys, err)
	}
	if err := os.WriteFile(c.sealDir(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SealKeys(time.Now()); err == nil {
		t.Error("a file in place of the folder is no error")
	}
}

func TestSessionWithoutATimeLimitHasNoEnd(t *testing.T) {
	body := func(x any) []byte {
		b, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var l machineLog
	l.apply(wire.Record{Kind: wire.RoleChanged, Body: body(wire.RoleBody{Role: policy.Host})})
	if l.session != nil {
		t.Errorf("a role without a session: %+v", l.session)
	}
	at := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	l.apply(wire.Record{Kind: wire.SessionStart, Wall: at, Body: body(wire.StartBody{Role: policy.Maintainer})})
	if l.session == nil || !l.session.Until.IsZero() || !l.session.Since.Equal(at) {
		t.Errorf("%+v", l.session)
	}
}

// After a power cut, the daemon records the end of the session at its next start, so the time of the record is not the
// time of the end.
func TestSessionEndedByAPowerCutAddsNoDateToPractice(t *testing.T) {
	at := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	for cause, dated := range map[wire.Cause]bool{wire.CauseTap: true, wire.CausePowerLost: false,
		wire.CauseDaemonLost: false} {
		b, err := json.Marshal(wire.EndBody{Cause: cause, Seconds: 60})
		if err != nil {
			t.Fatal(err)
		}
		p := newPast()
		p.add(wire.Record{Kind: wire.SessionEnd, Member: "m-lea", Wall: at, Clock: wire.ClockTrusted, Body: b})
		x := p.document().Practice
		if len(x) != 1 || x[0].Seconds != 60 || x[0].Last.Equal(at) != dated || len(x[0].Recent) == 1 != dated {
			t.Errorf("%s: %+v", cause, x)
		}
	}
}

func TestDamagedBundleIsNotRepairedWithoutItsFile(t *testing.T) {
	h := newParts(&core{c: Config{Bundle: BundleConfig{File: "/gone"}}})
	h.bundles.store = wire.Store{Dir: t.TempDir(), Site: "biklab"}
	m := wire.Manifest{Site: "biklab", Version: 1,
		Chunks: []wire.Chunk{{Name: wire.PolicyChunk, SHA256: wire.Hash([]byte("x")), Size: 1}}}
	if err := h.bundles.repair(m); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestLoopbackServesTheStateOfTheBroker(t *testing.T) {
	h, _, _ := laserHub(t)
	ask := func(path, host string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.Handler().ServeHTTP(w, r)
		return w
	}
	w := ask("/broker", "localhost")
	var got struct {
		Stored   json.RawMessage   `json:"stored"`
		Accounts []json.RawMessage `json:"accounts"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 || len(got.Stored) == 0 ||
		len(got.Accounts) == 0 {
		t.Errorf("%d %s, %v", w.Code, w.Body, err)
	}
	if w := ask("/manifest", "127.0.0.1"); w.Code != 404 {
		t.Errorf("before the first bundle: %d", w.Code)
	}
	if w := ask("/broker", "hub.lab"); w.Code != http.StatusMisdirectedRequest {
		t.Errorf("another name: %d", w.Code)
	}
	inside := h.connector.broker
	h.connector.broker = nil
	defer func() { h.connector.broker = inside }()
	if w := ask("/broker", "localhost"); w.Code != 404 {
		t.Errorf("a broker outside: %d", w.Code)
	}
}

func TestWebAddressInUseIsAnError(t *testing.T) {
	h, _, _ := laserHub(t)
	c := newConfiguration(t, func(c *Config) { c.Web.Listen = h.pagesServer.listener.Addr().String() })
	other, err := New(c, Options{Offline: true})
	if err == nil {
		other.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "web: listen: ") {
		t.Error(err)
	}
}

func TestHubWithoutAMachinesListenerListsItsMachines(t *testing.T) {
	laser := ledgertest.New(t, "biklab", "laser")
	h := openHub(t, newConfiguration(t, func(c *Config) {
		c.Machines = []MachineConfig{{ID: "laser", Key: laser.Key, Public: laser.VKey}}
		c.Join = JoinConfig{CardKey: c.Join.CardKey}
	}))
	if h.MachinesAddr() != "" || h.Authority() != nil || h.Enrol() == nil {
		t.Fatalf("listener %q, authority %v, service %v", h.MachinesAddr(), h.Authority(), h.Enrol())
	}
	all, err := h.Enrol().Machines.List(t.Context(), actor.Local("test"))
	if err != nil || len(all) != 1 || all[0].ID != "laser" {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestSiteWithASeparatePolicyKeyBeginsWithoutAPolicy(t *testing.T) {
	_, pinned := withPolicyKey(t)
	h := openHub(t, newConfiguration(t, pinned))
	if n, text, err := h.services.policyText(t.Context()); n != 0 || text != "" || err != nil {
		t.Errorf("policy %d, %q, %v", n, text, err)
	}
	h = openHub(t, newConfiguration(t))
	if n, text, err := h.services.policyText(t.Context()); n != 1 || text == "" || err != nil {
		t.Errorf("policy %d, %q, %v; want the first one", n, text, err)
	}
	if ids, err := h.enrolments.ledgerMachines(t.Context()); err != nil || slices.Contains(ids, "laser") {
		t.Errorf("%v, %v", ids, err)
	}
}
