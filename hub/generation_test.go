package hub_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub"
	"portillon/hub/evidence"
	"portillon/hub/ledger"
	"portillon/hub/ledger/ledgertest"
	policyfile "portillon/policy/file"
	"portillon/wire"
)

const (
	genOne = wire.Generation("1111111111111111")
	genTwo = wire.Generation("2222222222222222")
)

// nextAck waits for the hub's next signed acknowledgement for the laser.
func (c *client) nextAck(o *runningHub) wire.Ack {
	c.t.Helper()
	for silent := 0; ; {
		select {
		case m := <-c.in:
			if m.Topic() != c.topics.Ack("laser") {
				continue
			}
			a, err := wire.OpenAck(m.Payload(), note.VerifierList(o.key), "biklab", "laser")
			if err != nil {
				c.t.Fatal(err)
			}
			return a
		case <-time.After(patience / 5):
			if silent++; silent == 5 {
				c.t.Fatal("no acknowledgement came")
			}
			c.sendAgain(3)
		}
	}
}

// allowNewJournal allows the machine a new journal, as the administrator's tool does while the hub runs.
func (o *runningHub) allowNewJournal(g wire.Generation) {
	o.t.Helper()
	l, err := ledger.Open(o.config.Ledger(), o.config.Site, o.config.Keys())
	if err != nil {
		o.t.Fatal(err)
	}
	defer l.Close()
	if err := l.Replace(ledger.Replacement{Machine: "laser", Generation: g, By: "ines", Why: "new SD card",
		At: ledgertest.Start()}); err != nil {
		o.t.Fatal(err)
	}
}

func TestAcknowledgementsNameTheJournalGeneration(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	m.Generation = genOne
	m.Fill(5)
	next := m.Replaced(genTwo)
	next.Fill(3)
	o := run(t, configure(t, []*ledgertest.Machine{m}))
	c := dial(t, o.Broker())
	c.subscribe(c.topics.Ack("laser"))
	if a := c.nextAck(o); a.Seq != 0 || a.Generation != "" {
		t.Errorf("before anything is known: %+v", a)
	}
	c.publish(c.topics.Records("laser"), m.Data(4, 5)) // the ledger is empty, so the hub requests all records
	if a := c.nextAck(o); a.Seq != 0 || a.Generation != genOne {
		t.Errorf("after a gap: %+v", a)
	}
	c.publish(c.topics.Records("laser"), m.Data(1, 5))
	if a := c.nextAck(o); a.Seq != 5 || a.Generation != genOne {
		t.Errorf("after the records: %+v", a)
	}
	c.publish(c.topics.Records("laser"), next.Data(1, 3))
	o.awaitMachine("laser", "refused for its generation", func(m hub.Machine) bool {
		return strings.HasPrefix(m.Trouble, "other-generation") && m.Held == 5
	})
	o.allowNewJournal(genTwo)
	c.publish(c.topics.Records("laser"), next.Data(1, 3))
	if a := c.nextAck(o); a.Seq != 3 || a.Generation != genTwo {
		t.Errorf("after the replacement: %+v", a)
	}
	o.awaitMachine("laser", "well again", func(m hub.Machine) bool { return m.Trouble == "" && m.Held == 3 })
}

func TestHubStoresStatesOfMachinesWithANewerRelease(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	o := run(t, configure(t, []*ledgertest.Machine{m}))
	c := dial(t, o.Broker())
	<-o.Hearing()
	c.publish(
		c.topics.State("laser"),
		[]byte(
			`{"critical":["novel"],"format":9,"generation":"1111111111111111","machine":"laser","novel":[1],"phase":"on",`+
				`"program":"9.0"}`,
		),
	)
	o.awaitMachine("laser", "on", func(m hub.Machine) bool {
		return m.State != nil && m.State.Phase == "on" && m.State.Format == 9 && m.State.Program == "9.0" &&
			m.State.Generation == genOne
	})
}

func TestRecordsOfUnknownKindsAreStoredAndAcknowledged(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	m.Append("novel-kind", "", "", map[string]any{"critical": []string{"novel"}, "novel": 1})
	m.Append(wire.SessionStart, "s", "ines", map[string]any{"role": "maintainer", "basis": map[string]any{"card": "aes"}})
	o := run(t, configure(t, []*ledgertest.Machine{m}))
	c := dial(t, o.Broker())
	c.subscribe(c.topics.Ack("laser"))
	c.awaitAck(o, m, 0)
	c.publish(c.topics.Records("laser"), m.Data(1, 2))
	c.awaitAck(o, m, 2)
	o.requireStored(m, 2)
}

func TestEvidenceAndTagsAreReadFromAllGenerationsInOrder(t *testing.T) {
	p, err := policyfile.Parse("policy.yaml", []byte(sitePolicy))
	if err != nil {
		t.Fatal(err)
	}
	m := ledgertest.New(t, "biklab", "laser")
	m.Generation = "ffffffffffffffff" // the hub orders generations by the time of their replacement, not by name
	appendWork(m, 3)
	conf := configure(t, []*ledgertest.Machine{m})
	tag, err := conf.TagOut("laser", "courroie usée", false, m.Now)
	if err != nil {
		t.Fatal(err)
	}
	m.Append(wire.Tagged, "", "", wire.TagBody{Tag: tag.ID, Reason: tag.Reason})
	m.Append(wire.SessionStart, "s-0", "ines", wire.StartBody{}) // this session is in progress when the SD card fails
	next := m.Replaced(genOne)
	appendWork(next, 2) // the new journal contains sessions with the same names as the first journal
	l, err := ledger.Open(conf.Ledger(), "biklab", conf.Keys())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	take := func(m *ledgertest.Machine, first uint64) {
		t.Helper()
		if _, err := l.Take("laser", m.Data(first, m.Len())); err != nil {
			t.Fatal(err)
		}
	}
	onMachine := func(want bool) {
		t.Helper()
		if all, err := conf.TagStatuses(context.Background()); err != nil || len(all) != 1 || all[0].OnMachine != want {
			t.Errorf("tags %+v, want on the machine %t, %v", all, want, err)
		}
	}
	take(m, 1)
	onMachine(true)
	if err := l.Replace(ledger.Replacement{Machine: "laser", Generation: genOne, By: "ines", At: m.Now}); err != nil {
		t.Fatal(err)
	}
	take(next, 1)
	onMachine(true)
	signer, key := ledgertest.NewKey(t, "portillon-hub")
	data, err := hub.Export(context.Background(), l, p, "lea", "laser-maintainer", m.Now.Add(time.Hour), signer)
	if err != nil {
		t.Fatal(err)
	}
	f, got, err := evidence.Verify(data, note.VerifierList(key), conf.Machine)
	if err != nil || !got.Complete || len(got.Counted) != 5 || len(f.Machines) != 2 || f.Machines[1].Generation != genOne {
		t.Errorf("%d journals, %+v, %v", len(f.Machines), got, err)
	}
	// The hub refuses a record of one journal that is sent as a record of another journal.
	_, body, _ := strings.Cut(string(data), "\n")
	body, _, _ = strings.Cut(body, "\n")
	var x evidence.File
	if err := json.Unmarshal([]byte(body), &x); err != nil {
		t.Fatal(err)
	}
	x.Records[0].Generation = genOne
	if forged, err := evidence.Make(x, signer); err == nil {
		if _, _, err := evidence.Verify(forged, note.VerifierList(key), conf.Machine); err == nil {
			t.Error("a record counts in another journal")
		}
	}
	begin := next.Len() + 1
	next.Append(wire.Untagged, "", "ines", wire.TagBody{Tag: tag.ID})
	take(next, begin)
	onMachine(false)
}
