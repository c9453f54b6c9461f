package ledger_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"portillon/hub/ledger"
	"portillon/hub/ledger/ledgertest"
	"portillon/wire"
)

// A damaged tree must cause an error. The error must be a database error and not a refusal, because a refusal would
// blame the machine.
func TestMissingHashesAreReportedAsCorruptLedger(t *testing.T) {
	if testing.Short() {
		t.Skip("short: fills ledgers with thousands of records")
	}
	for change, batch := range map[string]uint64{
		"UPDATE ledger_journals SET edge = x''":                    601,
		"UPDATE ledger_journals SET edge = zeroblob(length(edge))": 601,
		"DELETE FROM ledger_hashes":                                590,
		"DELETE FROM ledger_records WHERE seq > 550":               590,
	} {
		m := ledgertest.New(t, "biklab", "laser")
		m.Fill(610)
		path := filepath.Join(t.TempDir(), "portillon.db")
		l := open(t, path, m)
		for first := uint64(1); first < 600; first += 200 {
			take(t, l, m, first, first+199)
		}
		execSQL(t, path, change)
		if _, err := l.Take("laser", m.Data(batch, 610)); err == nil || !strings.Contains(err.Error(), "corrupt") {
			t.Errorf("%s: %v", change, err)
		}
	}
}

// The test matters because only a part of the tree is stored. A batch may begin at any stored record, and records must
// be provable for every size of a journal.
func TestRecordsOfALongJournalAreProvableAtEverySize(t *testing.T) {
	if testing.Short() {
		t.Skip("short: fills ledgers with thousands of records")
	}
	m := ledgertest.New(t, "biklab", "laser")
	m.Fill(1100)
	l := fresh(t, m)
	for first := uint64(1); first <= 1100; first += 100 {
		take(t, l, m, first, first+99)
		for _, from := range []uint64{1, 2, first, first + 50, first - first%256 + 1} {
			if from+199 < first+99 { // maximum number of records in a batch
				from = first
			}
			if taken, err := l.Take("laser", m.Data(from, first+99)); err != nil || taken.New != 0 || taken.Seq != first+99 {
				t.Fatalf("%d to %d again: %+v, %v", from, first+99, taken, err)
			}
		}
	}
	var all []uint64
	for seq := uint64(1); seq <= 1100; seq += 7 {
		all = append(all, seq)
	}
	p, err := l.Prove(t.Context(), "laser", "", all)
	if err != nil {
		t.Fatal(err)
	}
	for i, seq := range all {
		b := m.Batch(seq, seq).Records[0]
		if err := tlog.CheckRecord(p.Paths[i], 1100, m.Root(1100), int64(seq-1), wire.Leaf(b.Salt, b.Record)); err != nil {
			t.Errorf("%d: %v", seq, err)
		}
	}
}

// Batches of one call are checked in order, so that a batch may continue the previous batch.
func TestTakeAllChecksBatchesInOrder(t *testing.T) {
	a, b := ledgertest.New(t, "biklab", "laser"), ledgertest.New(t, "biklab", "vinyl")
	a.Fill(30)
	b.Fill(10)
	l := fresh(t, a, b)
	got := l.TakeAll(
		[]ledger.Batch{{"laser", a.Data(1, 10)}, {"vinyl", b.Data(5, 10)}, {"laser", a.Data(11, 20)}, {"press", a.Data(1, 1)},
			{"vinyl", b.Data(1, 10)}, {"laser", a.Data(15, 30)}, {"laser", []byte("{")}},
	)
	want := []struct {
		seq  uint64
		new  int
		code ledger.Code
	}{{10, 10, ""}, {0, 0, ledger.Gap}, {20, 10, ""}, {0, 0, ledger.UnknownMachine}, {10, 10, ""}, {30, 10, ""},
		{30, 0, ledger.Malformed}}
	for i, w := range want {
		if r := got[i]; r.Seq != w.seq || r.New != w.new || r.Want != w.seq+1 ||
			(r.Err != nil || w.code != "") && code(r.Err) != w.code {
			t.Errorf("batch %d: %+v, want %+v", i, r, w)
		}
	}
	if n := len(seqs(t, l, ledger.Query{})); n != 40 {
		t.Errorf("%d records are held", n)
	}
}

// A site must not read the journals of another site in the same database, even for machines with the same id.
func TestSitesInOneDatabaseAreSeparate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "portillon.db")
	here, there := ledgertest.New(t, "biklab", "laser"), ledgertest.New(t, "elsewhere", "laser")
	here.Fill(4)
	there.Fill(2)
	l := open(t, path, here)
	take(t, l, here, 1, 4)
	other, err := ledger.Open(path, "elsewhere", ledger.Keys{"laser": there.Key})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if h, err := other.Head("laser"); err != nil || h.Known {
		t.Errorf("the other site's head is %+v, %v", h, err)
	}
	if taken, err := other.Take("laser", there.Data(1, 2)); err != nil || taken.New != 2 {
		t.Errorf("result of the batch is %+v, %v", taken, err)
	}
	if _, err := other.Take("laser", here.Data(1, 4)); code(err) != ledger.OtherMachine {
		t.Error(err)
	}
	for name, want := range map[*ledger.Ledger]int{l: 4, other: 2} {
		if got := seqs(t, name, ledger.Query{}); len(got) != want {
			t.Errorf("%v, want %d records", got, want)
		}
		if all, err := name.Generations(t.Context(), "laser"); err != nil || len(all) != 1 || all[0].Records != uint64(want) {
			t.Errorf("records of the site are %+v, %v", all, err)
		}
	}
}

func FuzzTakeStoresOnlySignedRecords(f *testing.F) {
	m := ledgertest.New(f, "biklab", "laser")
	m.Fill(3)
	f.Add([]byte(`{"records":[],"checkpoint":""}`))
	f.Add(
		[]byte(
			`{"records":[{"salt":"00000000000000000000000000000000","record":{"boot":"b","clock":"trusted",` +
				`"kind":"booted","machine":"laser","mono":0,"seq":1,"site":"biklab","wall":"2026-11-02T09:00:00Z"}}],` +
				`"checkpoint":"portillon/biklab/laser\n1\nAAAA\n\n— x AAAA\n"}`,
		),
	)
	f.Add([]byte(`[[[[`))
	l, err := ledger.Open(filepath.Join(f.TempDir(), "ledger.db"), "biklab", ledger.Keys{"laser": m.Key})
	if err != nil {
		f.Fatal(err)
	}
	defer l.Close()
	f.Fuzz(func(t *testing.T, data []byte) {
		taken, err := l.Take("laser", data)
		var r *ledger.Refusal
		if !errors.As(err, &r) || taken.Seq != 0 {
			t.Fatalf("%+v, %v", taken, err)
		}
	})
}
