package hub_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub"
	"portillon/hub/ledger/ledgertest"
	"portillon/policy"
	"portillon/wire"
)

// newSealingHub returns a hub, its only machine, and the acknowledgement with the seal key that the machine received.
func newSealingHub(t *testing.T) (*runningHub, *client, *ledgertest.Machine, wire.Ack) {
	t.Helper()
	m := ledgertest.New(t, "biklab", "laser")
	clock := &manualClock{t: ledgertest.Start()}
	o := runAt(t, configure(t, []*ledgertest.Machine{m}), clock.now)
	o.clock = clock
	c := dial(t, o.Broker())
	c.subscribe(c.topics.Ack("laser"))
	clock.pass(time.Hour)
	if a := c.awaitAckAfter(o, wire.State{Journal: 1}, func(wire.Ack) bool { return true }); a.Seal != "" {
		t.Errorf("a machine of unknown format was sent the seal key %q", a.Seal)
	}
	clock.pass(time.Hour)
	a := c.awaitAckAfter(o, wire.State{Format: wire.SealFormat}, func(a wire.Ack) bool { return a.Seal != "" })
	return o, c, m, a
}

// awaitAckAfter publishes a state repeatedly, as a machine does, until the wanted acknowledgement arrives: the broker
// may lose messages right after a subscription.
func (c *client) awaitAckAfter(o *runningHub, s wire.State, wanted func(wire.Ack) bool) wire.Ack {
	c.t.Helper()
	s.Machine, s.Phase = "laser", "off"
	b, err := json.Marshal(s)
	if err != nil {
		c.t.Fatal(err)
	}
	for range 5 {
		c.publish(c.topics.State("laser"), b)
		for silent := false; !silent; {
			select {
			case m := <-c.in:
				a, err := wire.OpenAck(m.Payload(), note.VerifierList(o.key), "biklab", "laser")
				if err != nil {
					c.t.Fatal(err)
				}
				if wanted(a) {
					return a
				}
			case <-time.After(patience / 5):
				silent = true
			}
		}
	}
	c.t.Fatal("no acknowledgement as wanted came")
	return wire.Ack{}
}

// sendUnknownTap makes the machine send the record of an unknown card's tap to the hub.
func (c *client) sendUnknownTap(
	o *runningHub,
	m *ledgertest.Machine,
	seal string,
	card wire.EnrolCard,
	more ...func(*wire.RefusedBody),
) {
	c.t.Helper()
	sealed, err := wire.SealCard(seal, "biklab", "laser", card)
	if err != nil {
		c.t.Fatal(err)
	}
	body := wire.RefusedBody{Reasons: []policy.Code{policy.UnknownCard}, Sealed: sealed}
	for _, f := range more {
		f(&body)
	}
	m.Now = o.clock.now()
	m.Append(wire.Refused, "", "", body)
	c.publish(c.topics.Records("laser"), m.Data(m.Len(), m.Len()))
	o.awaitMachine("laser", "the record", func(x hub.Machine) bool { return x.Held == m.Len() })
}

var strange = wire.EnrolCard{Code: "7F3K9Q", Card: strings.Repeat("0123456789abcdef", 4)}

func TestUnknownCardCanBeReadFromItsSealedRecordForADay(t *testing.T) {
	o, c, m, a := newSealingHub(t)
	c.sendUnknownTap(
		o,
		m,
		a.Seal,
		wire.EnrolCard{Code: "000000", Card: strange.Card},
		func(b *wire.RefusedBody) { b.Sealed = "AAAA" },
	)
	c.sendUnknownTap(o, m, a.Seal, strange)
	at := o.clock.now()
	for _, x := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {23 * time.Hour, 1}, {-23 * time.Hour, 1}, {24 * time.Hour, 0}, {-25 * time.Hour, 0}} {
		got, err := o.config.UnknownTaps(t.Context(), at.Add(x.after))
		if err != nil || len(got) != x.want {
			t.Errorf("after %v: %d taps, %v", x.after, len(got), err)
		}
		if x.want == 1 && len(got) == 1 &&
			(got[0].EnrolCard != strange || got[0].Machine != "laser" || got[0].Seq != 2 || !got[0].Believed) {
			t.Errorf("%+v", got[0])
		}
	}
	if log := o.log.String(); strings.Contains(log, strange.Code) || strings.Contains(log, strange.Card) {
		t.Error("the log names the card")
	}
	o.stop()
	if got, err := o.config.UnknownTaps(t.Context(), at); err != nil || len(got) != 1 {
		t.Errorf("with the hub stopped: %d taps, %v", len(got), err)
	}
}

func TestSealedCardsCannotBeReadAfterThirtyDays(t *testing.T) {
	o, c, m, a := newSealingHub(t)
	c.sendUnknownTap(o, m, a.Seal, strange)
	keys, err := o.config.SealKeys(o.clock.now())
	if err != nil || len(keys) != 1 || keys[0].Public() != a.Seal {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	seen := map[string]bool{a.Seal: true}
	for range 30 { // the hub creates the day's key when the machine sends its first state of the day
		o.clock.pass(24 * time.Hour)
		c.publishState(o, wire.State{Format: wire.SealFormat, Journal: m.Len(), Bundle: uint64(len(seen))})
		next := c.nextAck(o)
		for seen[next.Seal] {
			next = c.nextAck(o)
		}
		if next.Seal == "" {
			t.Fatal("no seal key")
		}
		seen[next.Seal] = true
	}
	files, _ := filepath.Glob(filepath.Join(o.config.Data, "seal", "*"))
	if len(files) != 30 && len(files) != 31 {
		t.Errorf("%d keys are kept", len(files))
	}
	for _, f := range files {
		fi, err := os.Stat(f)
		if err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f, fi.Mode(), err)
		}
	}
	o.clock.pass(24 * time.Hour)
	c.publishState(o, wire.State{Format: wire.SealFormat, Bundle: 99})
	keys, err = o.config.SealKeys(o.clock.now())
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := wire.SealCard(a.Seal, "biklab", "laser", strange)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wire.OpenCard(sealed, "biklab", "laser", keys); !errors.Is(err, wire.ErrNoSealKey) {
		t.Errorf("after 31 days: %v", err)
	}
	if _, err := os.Stat(filepath.Join(o.config.Data, "seal",
		ledgertest.Start().Format(time.DateOnly)+".key")); !errors.Is(
		err,
		fs.ErrNotExist,
	) {
		t.Errorf("the key of the first day: %v", err)
	}
}

func TestDamagedSealKeyIsReplacedWithoutAnError(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"cut":  func(p string) error { return os.WriteFile(p, []byte("AA"), 0o600) },
		"zero": func(p string) error { return os.WriteFile(p, make([]byte, 45), 0o600) },
		"short key": func(p string) error {
			return os.WriteFile(p, []byte(base64.StdEncoding.EncodeToString([]byte("short"))), 0o600)
		},
		"deleted":   os.Remove,
		"directory": func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o700)) },
	} {
		t.Run(name, func(t *testing.T) {
			o, _, _, a := newSealingHub(t)
			o.stop()
			if err := damage(filepath.Join(o.config.Data, "seal", ledgertest.Start().Format(time.DateOnly)+".key")); err != nil {
				t.Fatal(err)
			}
			again, err := hub.New(o.config, hub.Options{Now: o.clock.now}) // the first hub's broker may still log after the test
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			keys, err := o.config.SealKeys(o.clock.now())
			if err != nil || len(keys) != 1 || keys[0].Public() == a.Seal {
				t.Errorf("%d keys, %v", len(keys), err)
			}
		})
	}
}
