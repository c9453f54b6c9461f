package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"portillon/hub/ledger"
	"portillon/hub/ledger/ledgertest"
	"portillon/policy"
	"portillon/wire"
)

func open(t *testing.T, path string, machines ...*ledgertest.Machine) *ledger.Ledger {
	t.Helper()
	keys := ledger.Keys{}
	for _, m := range machines {
		keys[m.ID] = m.Key
	}
	l, err := ledger.Open(path, "biklab", keys)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func fresh(t *testing.T, machines ...*ledgertest.Machine) *ledger.Ledger {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "portillon.db"), machines...)
}

func take(t *testing.T, l *ledger.Ledger, m *ledgertest.Machine, first, last uint64) ledger.Taken {
	t.Helper()
	taken, err := l.Take(m.ID, m.Data(first, last))
	if err != nil {
		t.Fatal(err)
	}
	return taken
}

func seqs(t *testing.T, l *ledger.Ledger, q ledger.Query) []string {
	t.Helper()
	var out []string
	err := l.Records(context.Background(), q, func(e ledger.Entry) error {
		out = append(out, fmt.Sprintf("%s/%d", e.Machine, e.Seq))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func code(err error) ledger.Code {
	var r *ledger.Refusal
	if errors.As(err, &r) {
		return r.Code
	}
	return ledger.Code(fmt.Sprint(err))
}

func TestEachRecordIsStoredOnceForAnyOrderOfBatches(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	m.Fill(20)
	l := fresh(t, m)
	for _, c := range []struct {
		first, last uint64
		seq         uint64
		new         int
		code        ledger.Code
	}{
		{1, 1, 1, 1, ""},
		{1, 1, 1, 0, ""},            // sent again
		{5, 7, 1, 0, ledger.Gap},    // too early
		{2, 7, 7, 6, ""},            // the missing records
		{5, 7, 7, 0, ""},            // the ledger rejected this batch earlier, because the records before it were missing
		{1, 3, 7, 0, ""},            // an old batch
		{6, 10, 10, 3, ""},          // overlaps
		{12, 12, 10, 0, ledger.Gap}, // the record between the two batches is missing
		{1, 20, 20, 10, ""},         // all records
	} {
		taken, err := l.Take("laser", m.Data(c.first, c.last))
		if err != nil && code(err) != c.code || err == nil && c.code != "" {
			t.Fatalf("%d to %d: %v, want %q", c.first, c.last, err, c.code)
		}
		if taken.Seq != c.seq || taken.New != c.new || taken.Want != c.seq+1 || taken.Root != m.Root(c.seq) {
			t.Fatalf("%d to %d: %+v", c.first, c.last, taken)
		}
	}
	if got := seqs(t, l, ledger.Query{}); len(got) != 20 || got[0] != "laser/1" || got[19] != "laser/20" {
		t.Errorf("stored records are %v", got)
	}
}

func TestRejectedBatchesHaveAReasonAndChangeNothing(t *testing.T) {
	m, other := ledgertest.New(t, "biklab", "laser"), ledgertest.New(t, "biklab", "vinyl")
	m.Fill(10)
	shorter, longer := m.Fork(6), m.Fork(6)
	m.Fill(5)
	shorter.Fill(2)
	longer.Fill(20)
	elsewhere := m.Fork(15)
	elsewhere.Site = "other"
	elsewhere.Fill(1)
	elsewhere.Site = "biklab"
	wrongKey := *other
	wrongKey.ID = "laser"
	wrongKey.Fill(15)
	batch := func(f func(*wire.Batch)) []byte {
		b := m.Batch(11, 13)
		f(&b)
		return ledgertest.Encode(t, b)
	}
	origin := wire.Origin("biklab", "laser")
	for _, c := range []struct {
		name string
		data []byte
		code ledger.Code
	}{
		{"no bytes", nil, ledger.Malformed},
		{"not JSON", []byte("{"), ledger.Malformed},
		{"no records", batch(func(b *wire.Batch) { b.Records = nil }), ledger.Malformed},
		{"a hole inside", batch(func(b *wire.Batch) { b.Records = append(b.Records[:1], b.Records[2:]...) }),
			ledger.Malformed},
		{"bytes that are not canonical", batch(func(b *wire.Batch) {
			b.Records[0].Record = []byte(`{"seq":11, ` +
				`"kind":"x"}`)
		}), ledger.Malformed},
		{"another site's records", elsewhere.Data(16, 16), ledger.OtherMachine},
		{"another machine's records", batchOfOther(t, other), ledger.OtherMachine},
		{"no checkpoint", batch(func(b *wire.Batch) { b.Checkpoint = "" }), ledger.BadCheckpoint},
		{"signed by another machine", wrongKey.Data(11, 13), ledger.BadCheckpoint},
		{"a checkpoint of another journal", batch(func(b *wire.Batch) {
			b.Checkpoint = m.Checkpoint(wire.Checkpoint{Origin: "portillon/biklab/vinyl", Size: 13, Root: m.Root(13)})
		}), ledger.BadCheckpoint},
		{"a checkpoint of another size", batch(func(b *wire.Batch) {
			b.Checkpoint = m.Checkpoint(wire.Checkpoint{Origin: origin, Size: 15, Root: m.Root(15)})
		}), ledger.BadCheckpoint},
		{"missing records", m.Data(12, 13), ledger.Gap},
		{"a forged record", batch(func(b *wire.Batch) {
			b.Records[1].Record = []byte(strings.Replace(string(b.Records[1].Record), `"booted"`, `"intervention"`, 1))
		}), ledger.WrongRoot},
		{"a changed salt", batch(func(b *wire.Batch) { b.Records[1].Salt[0] ^= 1 }), ledger.WrongRoot},
		{"a forged old record", func() []byte {
			b := m.Batch(2, 4)
			b.Records[0].Salt[0] ^= 1
			return ledgertest.Encode(t, b)
		}(), ledger.WrongRoot},
		{"the root of an empty tree", batch(func(b *wire.Batch) {
			b.Checkpoint = m.Checkpoint(wire.Checkpoint{Origin: origin, Size: 13, Root: tlog.Hash{}})
		}), ledger.WrongRoot},
		{"rolled back to 6, then 2 others", shorter.Data(5, 8), ledger.RolledBack},
		{"forked at 6 and longer now", longer.Data(1, 26), ledger.Forked},
		{"forked, the part after what is held", longer.Data(11, 26), ledger.WrongRoot},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := fresh(t, m, other)
			take(t, l, m, 1, 10)
			taken, err := l.Take("laser", c.data)
			if code(err) != c.code {
				t.Fatalf("%v, want %q", err, c.code)
			}
			if taken.Seq != 10 || taken.Want != 11 || taken.Root != m.Root(10) {
				t.Errorf("it stands at %+v", taken)
			}
			if n := len(seqs(t, l, ledger.Query{})); n != 10 {
				t.Errorf("%d records are held", n)
			}
			take(t, l, m, 11, 15) // The ledger must still accept correct records after the rejections.
		})
	}
}

// batchOfOther returns a batch of another machine.
func batchOfOther(t *testing.T, m *ledgertest.Machine) []byte {
	f := m.Fork(0)
	f.Fill(3)
	return f.Data(1, 3)
}

func TestRecordsOfMachinesWithoutAKeyAreRejected(t *testing.T) {
	m, stranger := ledgertest.New(t, "biklab", "laser"), ledgertest.New(t, "biklab", "vinyl")
	stranger.Fill(1)
	l := fresh(t, m)
	if _, err := l.Take("vinyl", stranger.Data(1, 1)); code(err) != ledger.UnknownMachine {
		t.Error(err)
	}
}

func TestLedgerContainsTheSameRecordsAfterARestart(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	m.Fill(300)
	path := filepath.Join(t.TempDir(), "portillon.db")
	for first := uint64(1); first <= 300; first += 30 { // 10 restarts
		l := open(t, path, m)
		if taken := take(t, l, m, first, first+29); taken.Seq != first+29 || taken.New != 30 {
			t.Fatalf("%+v", taken)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	l := open(t, path, m)
	if h, err := l.Head("laser"); err != nil || h.Seq != 300 || h.Root != m.Root(300) {
		t.Errorf("head after a restart is %+v, %v", h, err)
	}
	if n := len(seqs(t, l, ledger.Query{})); n != 300 {
		t.Errorf("%d records", n)
	}
}

func TestLedgerServesTwentyMachinesConcurrently(t *testing.T) {
	if testing.Short() {
		t.Skip("short: fills ledgers with thousands of records")
	}
	var machines []*ledgertest.Machine
	for i := range 20 {
		m := ledgertest.New(t, "biklab", policy.MachineID(fmt.Sprintf("m-%d", i)))
		m.Fill(60)
		machines = append(machines, m)
	}
	l := fresh(t, machines...)
	var all sync.WaitGroup
	for _, m := range machines {
		for first := uint64(1); first <= 60; first += 20 { // send each batch again until the ledger accepts the batch
			data := m.Data(first, first+19)
			all.Go(func() {
				for {
					_, err := l.Take(m.ID, data)
					if code(err) == ledger.Gap {
						continue
					}
					if err != nil {
						t.Error(err)
					}
					return
				}
			})
		}
		all.Go(func() { // a concurrent reader
			last := uint64(0)
			err := l.Records(context.Background(), ledger.Query{Machine: m.ID}, func(e ledger.Entry) error {
				if e.Seq != last+1 {
					return fmt.Errorf("%d after %d", e.Seq, last)
				}
				last = e.Seq
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(seqs(t, l, ledger.Query{})); n != 20*60 {
		t.Errorf("%d records", n)
	}
}

func TestLedgerIsReadableWithAndWithoutAWriter(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	m.Fill(4)
	path := filepath.Join(t.TempDir(), "portillon.db")
	w := open(t, path, m)
	take(t, w, m, 1, 2)
	r, err := ledger.OpenReadOnly(path, "biklab")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	take(t, w, m, 3, 4)
	if got := seqs(t, r, ledger.Query{}); len(got) != 4 {
		t.Errorf("the reader sees %v", got)
	}
	if _, err := r.Take("laser", m.Data(1, 1)); err == nil {
		t.Error("a reader took records")
	}
	w.Close()
	alone, err := ledger.OpenReadOnly(path, "biklab")
	if err != nil {
		t.Fatal(err)
	}
	defer alone.Close()
	if got := seqs(t, alone, ledger.Query{}); len(got) != 4 {
		t.Errorf("alone it sees %v", got)
	}
}

func TestQueriesReturnOnlyMatchingRecords(t *testing.T) {
	a, b := ledgertest.New(t, "biklab", "laser"), ledgertest.New(t, "biklab", "vinyl")
	for _, m := range []*ledgertest.Machine{a, b} {
		m.Append(wire.SessionStart, "s", "m-1", wire.StartBody{})
		m.Append(wire.Intervened, "s", "m-2", wire.InterventionBody{What: "lens-cleaning"})
		m.Append(wire.SessionEnd, "s", "m-1", wire.EndBody{})
	}
	l := fresh(t, a, b)
	take(t, l, a, 1, 3)
	take(t, l, b, 1, 3)
	for _, c := range []struct {
		q    ledger.Query
		want string
	}{
		{ledger.Query{}, "[laser/1 laser/2 laser/3 vinyl/1 vinyl/2 vinyl/3]"},
		{ledger.Query{Machine: "vinyl", After: 1}, "[vinyl/2 vinyl/3]"},
		{ledger.Query{Member: "m-1"}, "[laser/1 laser/3 vinyl/1 vinyl/3]"},
		{ledger.Query{Kinds: []wire.Kind{wire.Intervened, wire.SessionEnd}}, "[laser/2 laser/3 vinyl/2 vinyl/3]"},
		{ledger.Query{Kinds: []wire.Kind{wire.SessionEnd}, Since: time.UnixMilli(1)}, "[laser/3 vinyl/3]"},
		{ledger.Query{Kinds: []wire.Kind{wire.SessionEnd}, Since: time.UnixMilli(1), Machine: "vinyl"}, "[vinyl/3]"},
		{ledger.Query{Kinds: []wire.Kind{wire.SessionEnd}, Since: time.Now().AddDate(99, 0, 0)}, "[]"},
		{ledger.Query{Limit: 2}, "[laser/1 laser/2]"},
		{ledger.Query{Member: "' OR 1=1 --"}, "[]"},
	} {
		if got := fmt.Sprint(seqs(t, l, c.q)); got != c.want {
			t.Errorf("%+v: %s, want %s", c.q, got, c.want)
		}
	}
	for want, kinds := range map[uint64][]wire.Kind{3: {wire.SessionStart, wire.SessionEnd}, 1: {wire.SessionStart},
		0: {wire.Tagged}} {
		e, ok, err := l.Last(context.Background(), "laser", "", kinds...)
		if err != nil || ok != (want > 0) || e.Seq != want || ok && e.Machine != "laser" {
			t.Errorf("the last of %v: %s/%d, %v", kinds, e.Machine, e.Seq, err)
		}
	}
	if _, ok, err := l.Last(context.Background(), "laser", "other", wire.SessionEnd); ok || err != nil {
		t.Errorf("a generation that is not held has a last record: %v", err)
	}
	stop := errors.New("enough")
	if err := l.Records(context.Background(), ledger.Query{}, func(ledger.Entry) error { return stop }); !errors.Is(
		err,
		stop,
	) {
		t.Error(err)
	}
}

func TestProofsMatchTheMachinesSignedCheckpoint(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	m.Fill(77)
	l := fresh(t, m)
	take(t, l, m, 1, 50)
	take(t, l, m, 40, 77)
	want := []uint64{1, 39, 40, 50, 51, 77}
	p, err := l.Prove(context.Background(), "laser", "", want)
	if err != nil {
		t.Fatal(err)
	}
	c, err := wire.OpenCheckpoint([]byte(p.Checkpoint), wire.Origin("biklab", "laser"), note.VerifierList(m.Key))
	if err != nil || c.Size != 77 || p.Size != 77 {
		t.Fatalf("%+v, %v", c, err)
	}
	for i, seq := range want {
		b := m.Batch(seq, seq).Records[0]
		if err := tlog.CheckRecord(p.Paths[i], int64(c.Size), c.Root, int64(seq-1), wire.Leaf(b.Salt, b.Record)); err != nil {
			t.Errorf("%d: %v", seq, err)
		}
	}
	for _, seq := range []uint64{0, 78} {
		if _, err := l.Prove(context.Background(), "laser", "", []uint64{seq}); err == nil {
			t.Errorf("it proves record %d", seq)
		}
	}
	if _, err := l.Prove(context.Background(), "vinyl", "", []uint64{1}); err == nil {
		t.Error("it proves a journal that it does not hold")
	}
}

func TestOpenRejectsForeignFilesWithoutChangingThem(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	m.Fill(40)
	good := filepath.Join(t.TempDir(), "portillon.db")
	l := open(t, good, m)
	take(t, l, m, 1, 40)
	l.Close()
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	execSQL(t, good, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (90000, 1)")
	execSQL(t, good, "PRAGMA wal_checkpoint(TRUNCATE)")
	later, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	head := append([]byte("not a database at all, but long enough to look at "), whole[50:]...)
	for _, c := range []struct {
		name string
		data []byte
		site policy.SiteID
		says string
	}{
		{"words", []byte(strings.Repeat("these are words\n", 300)), "biklab", "cannot read the file"},
		{"a torn head", head, "biklab", "cannot read the file"},
		{"another program's", patchHeader(whole, 68, 0, 0, 0, 1), "biklab", "another program"},
		{"a later form", later, "biklab", "version 90000, this program supports versions up to"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "portillon.db")
			if err := os.WriteFile(path, c.data, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := ledger.Open(path, c.site, nil)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v does not say %q", err, c.says)
			}
			if after, err := os.ReadFile(path); err != nil || string(after) != string(c.data) {
				t.Errorf("the file has changed (%v)", err)
			}
		})
	}
}

// patchHeader changes bytes of a database's header. The user version is at offset 60, and the application id at offset
// 68 (https://www.sqlite.org/fileformat.html).
func patchHeader(db []byte, at int, b ...byte) []byte {
	out := append([]byte(nil), db...)
	copy(out[at:], b)
	return out
}
