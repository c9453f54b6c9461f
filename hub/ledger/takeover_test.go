package ledger_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"portillon/hub/ledger"
	"portillon/hub/ledger/ledgertest"
	"portillon/policy"
	"portillon/wire"
)

// oldLedger is a ledger.db that an early release wrote. Commit 80f842b wrote format 1, and commit fba9679 wrote format
// 2.
type oldLedger struct {
	commit string
	// generations that the file must contain; the test does not compare Root
	journals map[policy.MachineID][]ledger.Generation
	next     string // the laser's next batch, after the records of the file
	nextEnds uint64
}

func oldLedgers() []oldLedger {
	return []oldLedger{
		{"80f842b", map[policy.MachineID][]ledger.Generation{"laser": {{Records: 14}}}, "batch-15-16.json", 16},
		{"fba9679", map[policy.MachineID][]ledger.Generation{
			"laser": {
				{Records: 270},
				{Generation: wire.Generation(second), Epoch: 1, Records: 3, By: "ines", Why: "new SD card", At: ledgertest.Start()},
			},
			"vinyl": {{Records: 3}}}, "batch-4-5.json", 5},
	}
}

// copyToTemp copies the file into a new folder.
func (o oldLedger) copyToTemp(t *testing.T) (path string, keys ledger.Keys) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", o.commit, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "ledger.db")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	keys = ledger.Keys{}
	for m := range o.journals {
		vkey, err := os.ReadFile(filepath.Join("testdata", o.commit, "portillon-"+string(m)+".pub"))
		if err != nil {
			t.Fatal(err)
		}
		if keys[m], err = note.NewVerifier(strings.TrimSpace(string(vkey))); err != nil {
			t.Fatal(err)
		}
	}
	return path, keys
}

// checkRecords reads all records in the ledger, and verifies each record with the machine's signature.
func (o oldLedger) checkRecords(t *testing.T, l *ledger.Ledger, keys ledger.Keys) {
	t.Helper()
	for m, want := range o.journals {
		all, err := l.Generations(t.Context(), m)
		for i := range all {
			all[i].Root = tlog.Hash{}
		}
		if err != nil || !slices.Equal(all, want) {
			t.Fatalf("generations of %s: %+v, want %+v, %v", m, all, want, err)
		}
		for _, g := range want {
			n := uint64(0)
			q := ledger.Query{Machine: m, Generation: &g.Generation}
			err := l.Records(context.Background(), q, func(e ledger.Entry) error {
				n++
				p, err := l.Prove(context.Background(), m, e.Generation, []uint64{e.Seq})
				if err != nil {
					return err
				}
				c, err := wire.OpenCheckpoint([]byte(p.Checkpoint), e.Generation.Origin("biklab", m), note.VerifierList(keys[m]))
				if err != nil {
					return err
				}
				return tlog.CheckRecord(p.Paths[0], int64(c.Size), c.Root, int64(e.Seq-1), wire.Leaf(e.Leaf.Salt, e.Leaf.Record))
			})
			if err != nil || n != g.Records {
				t.Errorf("%s, generation %q: %d records, want %d, %v", m, string(g.Generation), n, g.Records, err)
			}
		}
		last := want[len(want)-1]
		if h, err := l.Head(m); err != nil || h.Seq != last.Records || h.Generation != last.Generation {
			t.Errorf("head of %s: %+v, %v", m, h, err)
		}
	}
	if o.commit == "80f842b" {
		if got := seqs(t, l, ledger.Query{Member: "m-020dc2", Kinds: []wire.Kind{wire.Intervened}}); len(got) != 3 {
			t.Errorf("interventions %v", got)
		}
	}
}

func TestOldLedgersAreReadWithoutChange(t *testing.T) {
	if testing.Short() {
		t.Skip("short: fills ledgers with thousands of records")
	}
	for _, o := range oldLedgers() {
		path, keys := o.copyToTemp(t)
		before, _ := os.ReadFile(path)
		l, err := ledger.OpenReadOnly(path, "biklab")
		if err != nil {
			t.Fatal(err)
		}
		o.checkRecords(t, l, keys)
		if _, err := l.Take("laser", nil); err == nil {
			t.Error("a ledger that is open for reading took a batch")
		}
		if err := l.Replace(newReplacement(third)); err == nil {
			t.Error("a ledger that is open for reading took a replacement")
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if after, _ := os.ReadFile(path); !slices.Equal(before, after) {
			t.Errorf("%s: reading changed the file", o.commit)
		}
		if _, err := ledger.OpenReadOnly(path, "elsewhere"); err == nil || !strings.Contains(err.Error(), `"biklab"`) {
			t.Errorf("another site reads it: %v", err)
		}
	}
}

func TestOldLedgersAreImportedOnceAndAcceptNewBatches(t *testing.T) {
	if testing.Short() {
		t.Skip("short: fills ledgers with thousands of records")
	}
	for _, o := range oldLedgers() {
		path, keys := o.copyToTemp(t)
		before, _ := os.ReadFile(path)
		for range 2 { // At the second opening, the database already contains all records
			l, err := ledger.Open(filepath.Join(filepath.Dir(path), "portillon.db"), "biklab", keys)
			if err != nil {
				t.Fatal(err)
			}
			o.checkRecords(t, l, keys)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
		names, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "ledger.db*"))
		if !slices.Equal(names, []string{path + ".taken-over"}) {
			t.Errorf("the old ledger's files are %v", names)
		}
		// Simulate a power cut before the file was renamed, with all records in the database.
		if err := os.WriteFile(path, before, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := ledger.Open(path, "biklab", keys) // Open the ledger by its old file name, as a tool may do
		if err != nil {
			t.Fatal(err)
		}
		o.checkRecords(t, l, keys)
		more, err := os.ReadFile(filepath.Join("testdata", o.commit, o.next))
		if err != nil {
			t.Fatal(err)
		}
		if taken, err := l.Take("laser", more); err != nil || taken.Seq != o.nextEnds || taken.New != 2 {
			t.Errorf("the machine's next batch: %+v, %v", taken, err)
		}
		// Simulate the same power cut after the database has received more records.
		if err := os.WriteFile(path, before, 0o600); err != nil {
			t.Fatal(err)
		}
		if n, err := l.TakeOver(t.Context(), path); err != nil || n != 0 {
			t.Errorf("%d records were taken over twice, %v", n, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// The records of an old ledger must match the machines' signatures. If a record does not match, no record is imported,
// and the file stays unchanged.
func TestAlteredOldLedgersAreNotImported(t *testing.T) {
	if testing.Short() {
		t.Skip("short: fills ledgers with thousands of records")
	}
	o := oldLedgers()[1]
	for change, says := range map[string]string{
		"UPDATE records SET salt = zeroblob(16) WHERE machine = 'vinyl' AND seq = 2": "do not match the root",
		"DELETE FROM records WHERE machine = 'vinyl' AND seq = 3":                    "has 2 records, want 3 records",
		"DELETE FROM records WHERE machine = 'vinyl' AND seq = 2":                    "want record 2",
		"UPDATE checkpoints SET size = 269 WHERE size = 270":                         "checkpoint covers 270",
		"UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE machine = 'laser' LIMIT 1) WHERE machine = " +
			"'vinyl'": "checkpoint",
		"UPDATE site SET id = 'elsewhere'":          `"elsewhere"`,
		"PRAGMA user_version = 3":                   "format 3",
		"PRAGMA application_id = 7":                 "not a ledger",
		"DROP TABLE hashes; DROP TABLE checkpoints": "no such table",
	} {
		path, keys := o.copyToTemp(t)
		execSQL(t, path, change)
		before, _ := os.ReadFile(path)
		db := filepath.Join(filepath.Dir(path), "portillon.db")
		l, err := ledger.Open(db, "biklab", keys)
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "mv "+path) {
			t.Errorf("%s: %v, want %q and a command", change, err, says)
		}
		if l != nil {
			l.Close()
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
			t.Errorf("%s: the file has changed", change)
		}
		if err := os.Rename(path, path+".damaged"); err != nil {
			t.Fatal(err)
		}
		l, err = ledger.Open(db, "biklab", keys)
		if err != nil {
			t.Fatal(err)
		}
		if got := seqs(t, l, ledger.Query{}); len(got) != 0 {
			t.Errorf("%s: %d records entered", change, len(got))
		}
		l.Close()
	}
}
