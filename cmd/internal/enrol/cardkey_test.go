package enrol

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/cmd/internal/daemoncmd"
	"portillon/cmd/internal/sitetest"
	"portillon/daemon/control"
	"portillon/daemon/roster"
	"portillon/hub"
	"portillon/wire"
)

// managedWorld starts a hub that manages its site, with the policy of package sitetest, and signs in as the hub's
// owner.
func managedWorld(t *testing.T) (*world, *browser) {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), clock: &clock{at: time.Now()}}
	made, err := hub.Create(filepath.Join(w.dir, "hub"), hub.NewHub{Site: "big", Host: "localhost", Web: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if w.config, err = hub.ReadConfig(made.Config); err != nil {
		t.Fatal(err)
	}
	w.config.Join.Listen, w.config.MQTT.Listen = "127.0.0.1:0", "127.0.0.1:0"
	w.start()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{
		t,
		w,
		&http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	owner := url.Values{"code": {w.OwnerCode()}, "name": {"ada@lab.example"}, "password": {"a-long-and-odd-password"}}
	if status, _, answer := b.do("POST", "/code/owner", "application/x-www-form-urlencoded", []byte(owner.Encode()),
		""); status != http.StatusSeeOther {
		t.Fatalf("the first owner: %d %.300s", status, answer)
	}
	if err := sitetest.Make(filepath.Join(w.dir, "site"), 1, time.Now()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(w.dir, "site", "policy.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	b.api("POST", "/policy", `"1"`, map[string]any{"text": string(text), "comment": "test"}, nil)
	return w, b
}

// browser is a client of the hub's API that is signed in as the owner.
type browser struct {
	t *testing.T
	w *world
	c *http.Client
}

func (b *browser) do(method, path, kind string, body []byte, match string) (int, http.Header, []byte) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.w.WebURL()+path, bytes.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	if match != "" {
		r.Header.Set("If-Match", match)
	}
	res, err := b.c.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return res.StatusCode, res.Header, out
}

// api sends a request that must succeed, and returns the version in the response.
func (b *browser) api(method, path, match string, in, out any) string {
	b.t.Helper()
	var body []byte
	kind := ""
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			b.t.Fatal(err)
		}
		kind = "application/json"
	}
	status, header, answer := b.do(method, "/api/v1"+path, kind, body, match)
	if status >= 300 {
		b.t.Fatalf("%s %s: %d %.500s", method, path, status, answer)
	}
	if out != nil {
		if err := json.Unmarshal(answer, out); err != nil {
			b.t.Fatal(err)
		}
	}
	return header.Get("ETag")
}

// keyStatus is the state of the card key in the API.
type keyStatus struct {
	InForce string `json:"in_force"`
	Before  string
	Left    int `json:"cards_left"`
	Cards   []struct{ Member, Name string }

	Machines []struct {
		Machine string
		CardKey string `json:"card_key"`
		HasKey  bool   `json:"has_key"`
		Why     string
	}
}

func (b *browser) cardKey() (s keyStatus, version string) {
	b.t.Helper()
	version = b.api("GET", "/card-key", "", nil, &s)
	return s, version
}

func (b *browser) member(name string) string {
	b.t.Helper()
	var m struct{ ID string }
	b.api("POST", "/members", "", map[string]string{"name": name}, &m)
	return m.ID
}

// recognises reports whether a daemon recognises the card of a tap. No member of this site has a badge, so every card
// is refused.
func (w *world) recognises(said *logBuffer, card string) bool {
	w.t.Helper()
	r, err := control.Call(w.t.Context(), said.socket, control.Request{Do: "tap", Card: card})
	if err != nil || r.Wrong || r.OK || r.EN == "" {
		w.t.Fatalf("tap: %+v %v", r, err)
	}
	return !strings.HasPrefix(r.EN, "Unknown card")
}

// enrolByTap creates a new member and assigns to the member the unknown card of a tap, like an administrator. The hub
// never receives the card's number.
func (b *browser) enrolByTap(said *logBuffer, name, card string) string {
	b.t.Helper()
	if b.w.recognises(said, card) {
		b.t.Fatalf("the card %s is known", card)
	}
	id := b.member(name)
	var taps struct {
		Items []struct {
			ID         string
			Assignable bool
		}
	}
	await(b.t, "the unknown tap", func() bool {
		b.api("GET", "/taps", "", nil, &taps)
		return len(taps.Items) == 1 && taps.Items[0].Assignable
	})
	b.api("POST", "/taps/"+taps.Items[0].ID+"/assign", "", map[string]string{"member": id}, nil)
	return id
}

// awaitBundle waits until the machine uses the bundle in force, and until the function is returns true for the members
// in that bundle.
func (b *browser) awaitBundle(holds string, is func(members string) bool) {
	b.t.Helper()
	await(b.t, "a bundle in force at the machine: "+holds, func() bool {
		// Read the version and the members from the same bundle, because the next bundle may arrive at any moment.
		version, members := b.w.cardsInBundle()
		if !is(members) {
			return false
		}
		var m struct{ Standing struct{ Bundle uint64 } }
		b.api("GET", "/machines/laser", "", nil, &m)
		return m.Standing.Bundle == version
	})
}

// cardsInBundle returns all cards of the bundle in force at the hub.
func (w *world) cardsInBundle() (version uint64, members string) {
	w.t.Helper()
	m, s := w.inForce()
	var out strings.Builder
	for i := range wire.Buckets {
		chunk, err := s.Chunk(m, wire.RosterChunk(i))
		if err != nil {
			w.t.Fatal(err)
		}
		out.Write(chunk)
	}
	return m.Version, out.String()
}

func (w *world) inForce() (wire.Manifest, wire.Store) {
	w.t.Helper()
	public, err := w.config.PublicKey()
	if err != nil {
		w.t.Fatal(err)
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		w.t.Fatal(err)
	}
	s := wire.Store{Dir: filepath.Join(w.config.Data, "bundle"), Site: "big", Keys: note.VerifierList(v)}
	m, err := s.Current()
	if err != nil {
		w.t.Fatal(err)
	}
	return m, s
}

func hashUnder(t *testing.T, key []byte, card string) string {
	t.Helper()
	number, err := hex.DecodeString(card)
	if err != nil {
		t.Fatal(err)
	}
	h := hmac.New(sha256.New, key)
	h.Write(number)
	return hex.EncodeToString(h.Sum(nil))
}

func readKey(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// In this test, the hub changes the card key while machines work. Cards whose numbers the hub has stored remain valid.
// If the hub has stored only a card's HMAC, the next tap of the card binds the card to the new key. A card of which the
// hub has only the HMAC becomes invalid at the end of the change if nobody has tapped the card. Later bundles cannot be
// read with the old key.
func TestMachinesWorkWhileTheCardKeyIsChanged(t *testing.T) {
	w, b := managedWorld(t)
	const numbered, tapped, idle = "04A22400000001", "04A22400000002", "04A22400000003"
	e, c := w.enrolled(t, "laser")
	_, stolen := w.enrolled(t, "machine-1") // enrol a second machine, which will be stolen
	said := e.startDaemon(t, c)
	b.awaitBundle("any", func(string) bool { return true })
	await(t, "a seal key", func() bool {
		for _, m := range w.Machines() {
			if m.ID == "laser" && m.State != nil && m.State.Journal > 0 && m.Held >= m.State.Journal {
				return true
			}
		}
		return false
	})
	ada := b.member("Ada")
	b.api("POST", "/members/"+ada+"/cards", "", map[string]string{"number": numbered}, nil)
	b.enrolByTap(said, "Léa", tapped)
	old := readKey(t, w.config.Join.CardKey)
	jules := b.member("Jules")
	b.api("POST", "/members/"+jules+"/cards", "", map[string]string{"number": "hmac:" + hashUnder(t, old, idle)}, nil)
	b.awaitBundle("three cards", func(s string) bool {
		return strings.Contains(s, hashUnder(t, old, numbered)) && strings.Contains(s, hashUnder(t, old, tapped)) &&
			strings.Contains(s, hashUnder(t, old, idle))
	})
	if !w.recognises(said, tapped) || w.recognises(said, "04A22400000009") {
		t.Fatal("before the change: the machine knows the wrong cards")
	}

	// Somebody has stolen a machine, so revoke the machine and change the card key.
	m, err := w.Enrol().Machines.Get(t.Context(), admin, "machine-1")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Enrol().Machines.Revoke(t.Context(), admin, "machine-1", m.Version, "stolen"); err != nil {
		t.Fatal(err)
	}
	s, version := b.cardKey()
	if s.Before != "" || s.InForce != wire.MarkOf(old) || version != `"1"` {
		t.Fatalf("before the change: %+v %s", s, version)
	}
	if status, _, _ := b.do("POST", "/api/v1/card-key/rotate", "application/json", []byte(`{"reason":"stolen"}`),
		`"2"`); status != http.StatusPreconditionFailed {
		t.Errorf("a change of another version: %d", status)
	}
	b.api("POST", "/card-key/rotate", version, map[string]string{"reason": "machine-1 stolen"}, nil)
	fresh := readKey(t, w.config.Join.CardKey)
	marked := wire.MarkCard(wire.MarkOf(old), hashUnder(t, old, idle))
	b.awaitBundle("of the new key", func(s string) bool {
		return strings.Contains(s, hashUnder(t, fresh, numbered)) && strings.Contains(s, marked) &&
			!strings.Contains(s, hashUnder(t, old, numbered))
	})
	await(t, "the machine says that it has both keys", func() bool {
		s, _ = b.cardKey()
		return len(s.Machines) == 1 && s.Machines[0].HasKey && s.Machines[0].CardKey == wire.MarkOf(fresh)
	})
	if s.Left != 2 || s.Before != wire.MarkOf(old) {
		t.Errorf("during the change: %+v", s)
	}
	if status, _, _ := b.do("POST", "/api/v1/card-key/rotate", "application/json", []byte(`{"reason":"again"}`),
		`"2"`); status != http.StatusUnprocessableEntity {
		t.Errorf("a second change on top of the first: %d", status)
	}

	// During the change, cards whose numbers the hub has are valid, and so are cards of which the hub has only the HMAC.
	// The tap of the second card binds the card to the new key.
	if !w.recognises(said, numbered) {
		t.Error("a card that the hub knows by its number is unknown during the change")
	}
	if !w.recognises(said, tapped) {
		t.Error("a card that the hub knows by its HMAC is unknown during the change")
	}
	await(t, "the tapped card is bound to the new key", func() bool { s, _ = b.cardKey(); return s.Left == 1 })
	b.awaitBundle(
		"the card under the new key",
		func(s string) bool { return strings.Contains(s, hashUnder(t, fresh, tapped)) },
	)
	if !w.recognises(said, tapped) {
		t.Error("the card is unknown once it is bound to the new key")
	}

	// Restart the hub during the change.
	w.stop()
	w.start()
	if s, version = b.cardKey(); s.Left != 1 || s.Cards[0].Member != jules || s.Cards[0].Name != "Jules" ||
		version != `"2"` {
		t.Fatalf("after a restart: %+v %s", s, version)
	}

	// At the end of the change, cards that are bound only to the old key stop working. The bundle contains none of
	// these cards.
	b.api("POST", "/card-key/end", version, nil, nil)
	b.awaitBundle("without the old key", func(s string) bool {
		return !strings.Contains(s, hashUnder(t, old, idle)) && strings.Contains(s, hashUnder(t, fresh, tapped))
	})
	if w.recognises(said, idle) {
		t.Error("a card of the dropped key is known")
	}
	if !w.recognises(said, tapped) || !w.recognises(said, numbered) {
		t.Error("after the end a card of the new key is unknown")
	}
	if left, err := os.Stat(w.config.Join.CardKey + ".before"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old key is still there: %v %v", left, err)
	}
	w.checkStolenMachine(stolen, old, numbered, tapped, idle)
	w.checkStoredKeys(said, e, c, fresh)
}

// checkStolenMachine tries to read the new bundle with the files of a stolen machine, which must fail.
func (w *world) checkStolenMachine(c daemoncmd.Config, old []byte, cards ...string) {
	w.t.Helper()
	m, s := w.inForce()
	_, err := roster.Load(s, m, roster.Options{CardKey: old, Now: time.Now()})
	var other *wire.OtherCardKey
	if !errors.As(err, &other) || other.Here != wire.MarkOf(old) || other.Bundle != m.CardCheck {
		w.t.Errorf("the new bundle with the old key: %v, want both check values", err)
	}
	_, text := w.cardsInBundle()
	for _, card := range cards {
		if strings.Contains(text, hashUnder(w.t, old, card)) {
			w.t.Errorf("the new bundle has the card %s under the old key", card)
		}
	}
	l, err := c.HubLink(nil, time.Now, func() bool { return true })
	if err != nil {
		w.t.Fatal(err)
	}
	if keys, err := l.CardKeys(w.t.Context()); err == nil {
		w.t.Errorf("a revoked machine gets %d card keys", len(keys))
	}
}

// checkStoredKeys checks the card keys on the machine's disk: only the machine's user can read the keys, and the daemon
// can start with them without the hub.
func (w *world) checkStoredKeys(said *logBuffer, e *Enrolment, c daemoncmd.Config, fresh []byte) {
	w.t.Helper()
	path := filepath.Join(c.HubDir(), daemoncmd.CardKeysFile)
	fi, err := os.Stat(path)
	if err != nil || fi.Mode().Perm() != 0o600 {
		w.t.Errorf("%v %v", fi, err)
	}
	keys := c.CardKeys(e.store())
	if len(keys) == 0 || string(keys[0]) != string(fresh) {
		w.t.Errorf("the machine would start with %d card keys, the first is not the one in force", len(keys))
	}
	if log := said.String(); strings.Contains(log, hex.EncodeToString(fresh)) ||
		strings.Contains(log, fmt.Sprintf("%x", keys[len(keys)-1])) {
		w.t.Error("the daemon logs a card key")
	}
}
