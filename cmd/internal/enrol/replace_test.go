package enrol

import (
	"encoding/json"
	"fmt"
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"golang.org/x/mod/sumdb/note"

	"portillon/cmd/internal/daemoncmd"
	"portillon/hub/ledger/ledgertest"
	"portillon/wire"
)

const (
	genOne = wire.Generation("1111111111111111")
	genTwo = wire.Generation("2222222222222222")
)

// newJournal returns an in-memory journal of an enrolled machine, with the given generation and number of records.
func (e *Enrolment) newJournal(t *testing.T, c daemoncmd.Config, g wire.Generation, records int) *ledgertest.Machine {
	t.Helper()
	s, public, err := c.Signer(e.store())
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	m := ledgertest.New(t, "big", "laser").SignedBy(s, v, public)
	m.Generation = g
	m.Fill(records)
	return m
}

// publish publishes a message with the machine's account at the broker.
func (m *mqttClient) publish(topic string, retained bool, data []byte) {
	m.t.Helper()
	c := mqtt.NewClient(m.o)
	if tok := c.Connect(); !tok.WaitTimeout(soon) || tok.Error() != nil {
		m.t.Fatal("connect: ", tok.Error())
	}
	if tok := c.Publish(topic, 1, retained, data); !tok.WaitTimeout(soon) || tok.Error() != nil {
		m.t.Fatal("publish: ", tok.Error())
	}
	c.Disconnect(250)
}

func state(t *testing.T, g wire.Generation, records uint64) []byte {
	t.Helper()
	b, err := json.Marshal(
		wire.State{
			Machine:    "laser",
			Phase:      "off",
			Journal:    records,
			Format:     wire.Format,
			Generation: g,
			Clock:      "trusted",
			Program:    "0.7",
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// waitForRecords waits until the ledger contains the given number of records of a generation.
func (w *world) waitForRecords(t *testing.T, g wire.Generation, seq uint64) {
	t.Helper()
	await(t, fmt.Sprintf("record %d of %q in the ledger", seq, g), func() bool {
		h, err := w.Ledger().Head("laser")
		if err != nil {
			t.Fatal(err)
		}
		return h.Generation == g && h.Seq == seq
	})
}

// A machine with a new SD card must be enrolled with the flag --replace. The old computer can no longer use the hub,
// and the hub's ledger still contains the old journal. The hub accepts the new journal once the machine has reported
// the journal's generation.
func TestReplacedMachineStartsANewJournal(t *testing.T) {
	w := newWorld(t)
	<-w.Hearing()
	topics := wire.Topics{Site: "big"}
	e, c := w.enrolled(t, "laser")
	old := e.mqtt(t, w, c)
	j := e.newJournal(t, c, genOne, 3)
	old.publish(topics.State("laser"), true, state(t, genOne, 3))
	old.publish(topics.Records("laser"), false, j.Data(1, 3))
	w.waitForRecords(t, genOne, 3)
	if !old.connect() {
		t.Fatal("no connection")
	}

	code := w.code("laser", true)
	without, _ := w.enrolment(t, code.Text)
	if err := without.Run(t.Context()); err == nil {
		t.Fatal("a code for a replacement was taken without --replace")
	}
	next, out := w.enrolment(t, code.Text)
	next.Replace = true
	if err := next.Run(t.Context()); err != nil {
		t.Fatal(err, out)
	}
	old.awaitLost()
	if old.connect() {
		t.Error("the computer before is still let in")
	}
	if _, err := e.link(t, c, true).Manifest(t.Context()); err == nil {
		t.Error("the certificate of the computer before is still good")
	}
	nc := next.read(t, "laser")
	m := next.mqtt(t, w, nc)
	w.waitForRecords(t, genOne, 3)
	m.publish(topics.State("laser"), true, state(t, genTwo, 2))
	w.waitForRecords(t, genTwo, 0)
	m.publish(topics.Records("laser"), false, next.newJournal(t, nc, genTwo, 2).Data(1, 2))
	w.waitForRecords(t, genTwo, 2)
	all, err := w.Ledger().Generations(t.Context(), "laser")
	if err != nil || len(all) != 2 || all[0].Records != 3 || all[1].By != "Ada" {
		t.Errorf("%+v %v", all, err)
	}
	// Send a further generation, which the hub must reject, because the code permitted only one new journal.
	m.publish(topics.State("laser"), true, state(t, "3333333333333333", 2))
	w.awaitState(t, "3333333333333333")
	w.waitForRecords(t, genTwo, 2)
	shown, err := w.Enrol().Machines.Get(t.Context(), admin, "laser")
	if s := shown.Standing; err != nil || s.Phase != "off" || s.Clock != "trusted" || s.Program != "0.7" || s.Held != 2 ||
		s.Wanted != 1 ||
		s.Seen.IsZero() {
		t.Errorf("%+v %v", s, err)
	}
}

func (w *world) awaitState(t *testing.T, g wire.Generation) {
	t.Helper()
	await(t, fmt.Sprintf("a state of generation %s", g), func() bool {
		for _, m := range w.Machines() {
			if m.State != nil && m.State.Generation == g {
				return true
			}
		}
		return false
	})
}

func TestRecordsOfARevokedMachineAreRejected(t *testing.T) {
	w := newWorld(t)
	e, c := w.enrolled(t, "laser")
	j := e.newJournal(t, c, genOne, 2)
	if _, err := w.Ledger().Take("laser", j.Data(1, 1)); err != nil {
		t.Fatal(err)
	}
	m, _ := w.Enrol().Machines.Get(t.Context(), admin, "laser")
	if err := w.Enrol().Machines.Revoke(t.Context(), admin, "laser", m.Version, "sold"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Ledger().Take("laser", j.Data(2, 2)); err == nil {
		t.Error("a record of a revoked machine was taken")
	}
	if h, err := w.Ledger().Head("laser"); err != nil || h.Seq != 1 {
		t.Errorf("%+v %v: want the record from before", h, err)
	}
}
