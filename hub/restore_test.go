package hub_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub"
	"portillon/hub/ledger"
	"portillon/hub/ledger/ledgertest"
	"portillon/policy"
	"portillon/wire"
)

// appendHistory appends a history to a machine's journal: a tag that is still on, a tag that was taken off, a tag of
// the machine's own checks, sessions, and maintenance.
func appendHistory(m *ledgertest.Machine) {
	m.Append(wire.Tagged, "", "ines", wire.TagBody{Tag: "t1", Reason: "belt", Role: "maintainer"})
	m.Append(wire.Tagged, "", "", wire.TagBody{Tag: "t2", Reason: "lens"})
	m.Append(wire.Tagged, "", "", wire.TagBody{Tag: "due:lens", Reason: "due"})
	m.Append(wire.Tagged, "", "", wire.TagBody{Tag: "journal-new-11111111", Reason: "new"})
	m.Append(wire.Untagged, "", "ines", wire.TagBody{Tag: "t2"})
	m.Append(wire.SessionEnd, "s1", "lea", wire.EndBody{Cause: wire.CauseTap, Seconds: 600})
	m.Append(wire.SessionEnd, "s2", "lea", wire.EndBody{Cause: wire.CausePowerLost, Seconds: 60})
	m.Append(
		wire.Intervened,
		"",
		"ines",
		wire.InterventionBody{What: "lens", Ran: wire.Ran{RanSeconds: 900, RanBy: wire.RanByRelay}},
	)
	m.Append(
		wire.Reported,
		"",
		"lea",
		wire.ReportBody{What: wire.Noise, Ran: wire.Ran{RanSeconds: 1000, RanBy: wire.RanByRelay}},
	)
	m.Append("novel-kind", "", "", map[string]any{"x": 1})
	m.Append(wire.Tagged, "", "", []int{1}) // append a record with a body that cannot be parsed
}

func TestRestoreContainsTheTotalsOfEarlierJournals(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	appendHistory(m)
	one := m.Replaced(genOne)
	one.Append(wire.Untagged, "", "ines", wire.TagBody{Tag: "t1"})
	one.Append(wire.Tagged, "", "", wire.TagBody{Tag: "t3"})
	one.Append(wire.SessionEnd, "s1", "lea", wire.EndBody{Cause: wire.CauseTap, Seconds: 300})
	one.Append(
		wire.Reported,
		"",
		"lea",
		wire.ReportBody{What: wire.Noise, Ran: wire.Ran{RanSeconds: 50, RanBy: wire.RanByRelay}},
	)
	restored := m.Replaced(genOne) // a journal with the same history after a restore of 1,000 s of running time
	restored.Append(wire.Restored, "", "", wire.RestoredBody{Relay: 1000})
	restored.Append(
		wire.Intervened,
		"",
		"ines",
		wire.InterventionBody{What: "lens", Ran: wire.Ran{RanSeconds: 1200, RanBy: wire.RanByRelay}},
	)
	for name, c := range map[string]struct {
		journals []*ledgertest.Machine
		want     string
	}{
		"one journal":   {[]*ledgertest.Machine{m}, "[t1/belt/ines/maintainer] [t2] [lea 660 1] [lens 900] 1000"},
		"two":           {[]*ledgertest.Machine{m, one}, "[t3/?//] [t2 t1] [lea 960 2] [lens 900] 1050"},
		"two, restored": {[]*ledgertest.Machine{m, restored}, "[t1/belt/ines/maintainer] [t2] [lea 660 1] [lens 1200] 1200"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := ledger.Open(t.TempDir()+"/ledger.db", "biklab", ledger.Keys{"laser": m.Key})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			next := append(slices.Clone(c.journals), m.Replaced(genTwo))
			next[len(next)-1].Append(wire.Tagged, "", "", wire.TagBody{Tag: "t9", Reason: "of the new journal"})
			for i, j := range next {
				if i > 0 {
					if err := l.Replace(ledger.Replacement{Machine: "laser", Generation: j.Generation, By: "ines",
						At: m.Now}); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := l.Take("laser", j.Data(1, j.Len())); err != nil {
					t.Fatal(err)
				}
			}
			r, err := hub.RestoreOf(context.Background(), l, "laser")
			if err != nil || r.Generation != genTwo || len(r.From) != len(c.journals) || r.From[0].Seq != m.Len() ||
				len(r.From[0].Root) != 64 {
				t.Fatalf("%+v, %v", r, err)
			}
			if got := told(r); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// A person who has a machine's key can write any record. The machine must still be able to apply a restore that the hub
// builds from such records.
func TestRestoreOfAHostileJournalStaysWithinTheMachinesLimits(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	appendHistory(m)
	long := strings.Repeat("x", 600)
	m.Append(wire.Tagged, "", "", wire.TagBody{Tag: long, Reason: "r"})
	m.Append(wire.Tagged, "", "", wire.TagBody{Tag: "t4", Reason: long})
	for i := range 300 {
		m.Append(wire.Tagged, "", "", wire.TagBody{Tag: fmt.Sprint("many", i), Reason: "r"})
		m.Append(wire.Intervened, "", "", wire.InterventionBody{What: fmt.Sprint("kind", i)})
	}
	m.Append(wire.Untagged, "", "", wire.TagBody{Tag: long + "y"})
	for range 3 {
		m.Append(wire.SessionEnd, "s1", "lea", wire.EndBody{Cause: wire.CauseTap, Seconds: 1 << 52})
		m.Append(wire.SessionEnd, "s1", policy.MemberID(long), wire.EndBody{Cause: wire.CauseTap, Seconds: 5})
	}
	m.Append(wire.Intervened, "", "", wire.InterventionBody{What: long})
	m.Append(wire.Intervened, "", "", wire.InterventionBody{Ran: wire.Ran{RanSeconds: -5, RanBy: wire.RanByBusy}})
	m.Append(wire.Reported, "", "", wire.ReportBody{Ran: wire.Ran{RanSeconds: 1 << 52, RanBy: wire.RanByRelay}})
	l, err := ledger.Open(t.TempDir()+"/ledger.db", "biklab", ledger.Keys{"laser": m.Key})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for from := uint64(1); from <= m.Len(); from += wire.MaxBatchRecords {
		if _, err := l.Take("laser", m.Data(from, min(m.Len(), from+wire.MaxBatchRecords-1))); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Replace(ledger.Replacement{Machine: "laser", Generation: genTwo, By: "ines", At: m.Now}); err != nil {
		t.Fatal(err)
	}
	r, err := hub.RestoreOf(context.Background(), l, "laser")
	if err != nil {
		t.Fatal(err)
	}
	signer, key := ledgertest.NewKey(t, "portillon-hub")
	r.Site, r.ID = "biklab", "x"
	data, err := wire.SignRestore(r, signer)
	if err != nil {
		t.Fatal(err)
	}
	got, err := wire.OpenRestore(data, note.VerifierList(key), "biklab", "laser")
	if err != nil {
		t.Fatal(err)
	}
	// A machine accepts 32 tags, including the tags that the machine itself puts on (daemon/session: TagsMax). One
	// tag replaces all tags above the limit.
	if n := len(got.Tags); n != 24 || got.Tags[0].ID != "t1" || got.Tags[n-1].ID != "restored-more" ||
		got.Tags[n-1].Reason == "" {
		t.Errorf("%d tags: %+v", n, got.Tags)
	}
}

func told(r wire.Restore) string {
	var tags, practice, done []string
	for _, t := range r.Tags {
		tags = append(tags, fmt.Sprintf("%s/%s/%s/%s", t.ID, t.Reason, t.By, t.Role))
	}
	for _, p := range r.Practice {
		practice = append(practice, fmt.Sprint(p.Member, " ", p.Seconds, " ", len(p.Recent)))
	}
	for _, d := range r.Done {
		done = append(done, fmt.Sprint(d.Kind, " ", d.Ran))
	}
	return fmt.Sprint(tags, " ", r.Removed, " ", practice, " ", done, " ", r.Relay)
}

// An administrator allows a machine a new journal while the hub runs. The hub then sends the machine a restore until
// the machine's records show that the machine has applied it.
func TestReplacedMachineGetsARestoreFromTheLedger(t *testing.T) {
	t.Parallel() // most of the test's time is waiting
	m := ledgertest.New(t, "biklab", "laser")
	appendHistory(m)
	next := m.Replaced(genTwo)
	next.Fill(2)
	o := run(t, configure(t, []*ledgertest.Machine{m}))
	c := dial(t, o.Broker())
	c.subscribe(c.topics.Ack("laser"))
	c.subscribe(c.topics.Command("laser"))
	c.publish(c.topics.Records("laser"), m.Data(1, m.Len()))
	c.awaitAck(o, m, m.Len())
	c.publish(c.topics.Availability("laser"), []byte(wire.Online))
	c.publish(
		c.topics.State("laser"),
		fmt.Appendf(
			nil,
			`{"format":2,"generation":%q,"journal":2,"machine":"laser","phase":"tagged-out","tagged":true}`,
			genTwo,
		),
	)
	o.awaitMachine("laser", "there", func(m hub.Machine) bool { return m.State != nil && m.Online })
	o.allowNewJournal(genTwo)
	c.publish(c.topics.Records("laser"), next.Data(1, 2))
	c.awaitAckOf(o, genTwo, 2)
	r := c.confirmRestore(o)
	if r.Generation != genTwo || told(r) != "[t1/belt/ines/maintainer] [t2] [lea 660 1] [lens 900] 1000" {
		t.Errorf("%+v", r)
	}
	c.publish(c.topics.Reply("laser"), fmt.Appendf(nil, `{"id":%q,"ok":true}`, r.ID))
	o.awaitMachine("laser", "replaced, and not restored", func(m hub.Machine) bool {
		return len(m.Journals) == 2 && m.Journals[1].By == "ines" && m.Journals[1].Why == "new SD card" &&
			len(m.Journals[0].Root) == 64 &&
			!m.Journals[1].Restored
	})
	next.Append(wire.Restored, "", "", wire.RestoredBody{From: r.From})
	c.publish(c.topics.Records("laser"), next.Data(3, 3))
	o.awaitMachine("laser", "restored", func(m hub.Machine) bool { return len(m.Journals) == 2 && m.Journals[1].Restored })
}

// awaitAckOf waits until the hub acknowledges n records of generation g.
func (c *client) awaitAckOf(o *runningHub, g wire.Generation, n uint64) {
	c.t.Helper()
	for tries := 0; ; tries++ {
		c.sendAgain(tries)
		if a := c.nextAck(o); a.Generation == g && a.Seq == n {
			return
		}
	}
}

// confirmRestore waits for the restore that the hub sends to the machine, and confirms it.
func (c *client) confirmRestore(o *runningHub) wire.Restore {
	c.t.Helper()
	for {
		select {
		case m := <-c.in:
			if !wire.IsRestore(m.Payload()) {
				continue
			}
			r, err := wire.OpenRestore(m.Payload(), note.VerifierList(o.key), "biklab", "laser")
			if err != nil || m.Retained() {
				c.t.Fatal(err, m.Retained())
			}
			return r
		case <-time.After(patience):
			c.t.Fatal("no restore came")
		}
	}
}

func TestRestoresAreLimitedInSizeAndInvalidOnesRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("short: fills a ledger, or waits for a process")
	}
	signer, key := ledgertest.NewKey(t, "portillon-hub")
	keys := note.VerifierList(key)
	ok := func() wire.Restore {
		return wire.Restore{
			Site:       "biklab",
			Machine:    "laser",
			Generation: genOne,
			ID:         "x",
			From:       []wire.ReplacedJournal{{Seq: 1}},
		}
	}
	r := ok()
	for i := range 20000 { // add so many members that their practice does not fit in a restore
		r.Practice = append(
			r.Practice,
			wire.RestoredPractice{Member: policy.MemberID(fmt.Sprint("m-", i)), Seconds: 60, Last: ledgertest.Start()},
		)
	}
	data, err := wire.SignRestore(r, signer)
	if err != nil || len(data) > wire.MaxRestore {
		t.Fatal(len(data), err)
	}
	got, err := wire.OpenRestore(data, keys, "biklab", "laser")
	if err != nil || got.Left == 0 || got.Left+len(got.Practice) != 20000 || got.Practice[0].Member != "m-0" {
		t.Errorf("%d left of %d, %v", got.Left, len(got.Practice), err)
	}
	for name, change := range map[string]func(*wire.Restore){
		"another machine": func(r *wire.Restore) { r.Machine = "vinyl" },
		"another site":    func(r *wire.Restore) { r.Site = "other" },
		"no generation":   func(r *wire.Restore) { r.Generation = "" },
		"no journals":     func(r *wire.Restore) { r.From = nil },
		"no id":           func(r *wire.Restore) { r.ID = "" },
		"many tags":       func(r *wire.Restore) { r.Tags = make([]wire.RestoredTag, 300) },
		"nameless tag":    func(r *wire.Restore) { r.Tags = []wire.RestoredTag{{Reason: "x"}} },
		"long name":       func(r *wire.Restore) { r.Tags = []wire.RestoredTag{{ID: strings.Repeat("x", 65), Reason: "x"}} },
		"negative hours":  func(r *wire.Restore) { r.Relay = -1 },
		"hours overflow":  func(r *wire.Restore) { r.Busy = 1 << 62 },
		"practice":        func(r *wire.Restore) { r.Practice = []wire.RestoredPractice{{Member: "lea", Seconds: -1}} },
		"session": func(r *wire.Restore) {
			r.Practice = []wire.RestoredPractice{{Member: "lea", Seconds: 1, Recent: []wire.RestoredSession{{Seconds: 2}}}}
		},
		"maintenance": func(r *wire.Restore) { r.Done = []wire.RestoredDone{{Kind: ""}} },
	} {
		r := ok()
		change(&r)
		data, err := wire.SignRestore(r, signer)
		if err != nil {
			t.Fatal(name, err)
		}
		if _, err := wire.OpenRestore(data, keys, "biklab", "laser"); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	stranger, _ := ledgertest.NewKey(t, "portillon-hub")
	data, _ = wire.SignRestore(ok(), stranger)
	if _, err := wire.OpenRestore(data, keys, "biklab", "laser"); err == nil {
		t.Error("a stranger's restore is taken")
	}
	command, _ := wire.SignCommand(wire.Command{Site: "biklab", Machine: "laser", ID: "x", Do: "stop"}, signer)
	if _, err := wire.OpenRestore(command, keys, "biklab", "laser"); err == nil || wire.IsRestore(command) {
		t.Error("a command passes for a restore")
	}
}
