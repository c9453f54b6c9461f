package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"portillon/internal/sample"
	"portillon/wire"
)

// pagesOf returns the page numbers, counted from 0, of the leaf pages with records, in the order of the records.
func pagesOf(t *testing.T, file []byte) (out []int) {
	t.Helper()
	for p := range len(file) / pageSize {
		left := &remains{rows: map[uint64]row{}}
		scanLeaf(file[p*pageSize:(p+1)*pageSize], left)
		if len(left.rows) > 0 {
			out = append(out, p)
		}
	}
	return out
}

// savedJournal returns a closed journal of n records with facts, of which the hub holds the first held records, and the
// hub's copy.
func savedJournal(t *testing.T, n int, held uint64) (path string, ack HubCopy) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "journal.db")
	j := open(t, path, options(t))
	fill(t, j, n-1)
	if _, err := j.Append(Entry{
		Kind:  wire.Tagged,
		Body:  wire.TagBody{Tag: "t1"},
		Facts: map[string][]byte{"tags": []byte(`["t1"]`)},
	}); err != nil {
		t.Fatal(err)
	}
	if err := j.SetCursor("hub", held); err != nil {
		t.Fatal(err)
	}
	root, err := j.Root(held)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return path, HubCopy{Seq: held, Root: root, Generation: j.Generation()}
}

func bytesOf(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// zeroPage writes the file with one page replaced by zeros.
func zeroPage(t *testing.T, path string, page int) {
	t.Helper()
	b := bytesOf(t, path)
	clear(b[page*pageSize : (page+1)*pageSize])
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Each page of a journal is zeroed in turn. The salvaged journal contains the records as written, opens for writing,
// accepts new records, and has the same root as the hub's copy.
func TestJournalWithAZeroedPageIsSalvagedAsFarAsTheTreeProves(t *testing.T) {
	if testing.Short() {
		t.Skip("short: damages and repairs journals on the disk")
	}
	const n = 150
	for _, held := range []uint64{0, n} {
		path, ack := savedJournal(t, n, held)
		good := bytesOf(t, path)
		whole := rowsOf(t, path)
		for page := range len(good) / pageSize {
			if !sample.Has(page + int(held)/n) { // the first and the last page of a sample differ
				continue
			}
			t.Run(fmt.Sprintf("held %d/page %d", held, page), func(t *testing.T) {
				bad := filepath.Join(t.TempDir(), "journal.db")
				if err := os.WriteFile(bad, good, 0o600); err != nil {
					t.Fatal(err)
				}
				zeroPage(t, bad, page)
				before := bytesOf(t, bad)
				to := filepath.Join(t.TempDir(), "new.db")
				s, err := Salvage(t.Context(), bad, to, "portillon/lab/laser", ack)
				if !bytes.Equal(bytesOf(t, bad), before) {
					t.Error("the damaged file was changed")
				}
				if errors.Is(err, ErrNothingLeft) && held == 0 && page == pagesOf(t, good)[0] {
					return // record 1 is lost, and the hub holds nothing
				}
				if err != nil {
					t.Fatal(err)
				}
				lost := uint64(0)
				for _, x := range append(s.Lost, s.Unread...) {
					lost += x.Last - x.First + 1
				}
				if lost > 30 {
					t.Errorf("%d records of one page are lost: %+v", lost, s)
				}
				if edge := holdsEdge(good, page, n); held == n && !edge && s.Records != n {
					t.Errorf("all is held by the hub, and %d records are kept: %+v", s.Records, s)
				}
				checkSalvaged(t, to, s, ack, whole)
			})
		}
	}
}

// holdsEdge reports whether a page holds a record with hashes that are needed to compute the root over n records and
// are stored in no other row.
func holdsEdge(file []byte, page int, n uint64) bool {
	left := &remains{rows: map[uint64]row{}}
	scanLeaf(file[page*pageSize:(page+1)*pageSize], left)
	for level := 0; n>>level != 0; level++ {
		if _, there := left.rows[n>>level<<level]; there && n>>level&1 == 1 {
			return true
		}
	}
	return false
}

// rowsOf returns all rows of an undamaged journal.
func rowsOf(t *testing.T, path string) map[uint64]row {
	t.Helper()
	j, err := OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	out := map[uint64]row{}
	if err := j.store.each(t.Context(), 1, func(r row) error { out[r.seq] = r; return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

// checkSalvaged checks that the new journal holds the records that were written, has the root that the hub holds, and
// accepts records.
func checkSalvaged(t *testing.T, path string, s SalvageResult, ack HubCopy, whole map[uint64]row) {
	t.Helper()
	j := open(t, path, options(t))
	v := verified(t, j)
	if v.Records != s.Records {
		t.Errorf("%d records, salvaged were %d", v.Records, s.Records)
	}
	if err := j.store.each(t.Context(), 1, func(r row) error {
		if len(r.hashes) > 0 && !bytes.Equal(r.record, whole[r.seq].record) {
			return fmt.Errorf("record %d is not what was written", r.seq)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if ack.Seq > 0 && s.Records >= ack.Seq {
		if root, err := j.Root(ack.Seq); err == nil && root != ack.Root {
			t.Error("the root is not the one that the hub holds")
		} else if err != nil && s.Records == ack.Seq {
			t.Error(err)
		}
	}
	fill(t, j, 4)
	if s.Records >= ack.Seq {
		if _, err := j.Batch(s.Records+1, 200); err != nil {
			t.Errorf("new records cannot be sent: %v", err)
		}
	}
	verified(t, j)
	if _, _, err := j.OpenSession(); err != nil {
		t.Error(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, path, options(t))
	if v := verified(t, again); v.Records != s.Records+4 {
		t.Errorf("%d records after a restart, want %d", v.Records, s.Records+4)
	}
}

// If the hub does not hold the records of a gap, no hash proves the records after the gap. Salvage lists those records
// and leaves them out of the new journal.
func TestRecordsAfterAGapThatTheHubLacksAreListed(t *testing.T) {
	path, ack := savedJournal(t, 300, 20)
	pages := pagesOf(t, bytesOf(t, path))
	zeroPage(t, path, pages[len(pages)/2])
	to := filepath.Join(t.TempDir(), "new.db")
	s, err := Salvage(t.Context(), path, to, "", ack)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Lost) != 0 || len(s.Unread) != 1 || len(s.Dropped) != 1 || s.Unread[0].First != s.Records+1 ||
		s.Dropped[0] != (Span{s.Unread[0].Last + 1, 300}) ||
		s.Whole() {
		t.Errorf("%+v", s)
	}
}

// If the hashes over a gap do not give the root that the hub acknowledged, the journal is kept only up to the gap.
func TestGapIsKeptOnlyIfItsHashesGiveTheRootOfTheHub(t *testing.T) {
	path, ack := savedJournal(t, 300, 300)
	pages := pagesOf(t, bytesOf(t, path))
	zeroPage(t, path, pages[len(pages)/2])
	right, err := Salvage(t.Context(), path, filepath.Join(t.TempDir(), "new.db"), "", ack)
	if err != nil || right.Records != 300 || len(right.Lost) != 1 {
		t.Fatalf("%+v, %v", right, err)
	}
	ack.Root[0] ^= 1
	wrong, err := Salvage(t.Context(), path, filepath.Join(t.TempDir(), "new.db"), "", ack)
	if err != nil || wrong.Records != right.Lost[0].First-1 || len(wrong.Lost) != 0 {
		t.Errorf("%+v, %v", wrong, err)
	}
}

// Salvage also reads the newest records from the write-ahead log of a daemon that was killed.
func TestWriteAheadLogIsSalvagedToo(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "journal.db")
	j := open(t, path, options(t))
	fill(t, j, 60)
	copied := filepath.Join(t.TempDir(), "journal.db")
	for _, end := range []string{"", "-wal"} { // the files as a killed daemon leaves them
		if err := copyFile(path+end, copied+end); err != nil {
			t.Fatal(err)
		}
	}
	if fi, err := os.Stat(copied + "-wal"); err != nil || fi.Size() == 0 {
		t.Fatalf("there is no log: %v", err)
	}
	s, err := Salvage(t.Context(), copied, filepath.Join(t.TempDir(), "new.db"), "", HubCopy{})
	if err != nil || s.Records != 60 || !s.Whole() {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestSalvageRefusesUnusableInput(t *testing.T) {
	dir := t.TempDir()
	path, _ := savedJournal(t, 10, 0)
	taken := filepath.Join(dir, "taken.db")
	if err := os.WriteFile(taken, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Salvage(t.Context(), path, taken, "", HubCopy{}); err == nil || string(bytesOf(t, taken)) != "x" {
		t.Errorf("a file that is there was overwritten: %v", err)
	}
	for name, content := range map[string][]byte{
		"empty": nil,
		"zeros": make([]byte, 10*pageSize),
		"text":  bytes.Repeat([]byte("text "), 5000),
	} {
		bad := filepath.Join(dir, name)
		if err := os.WriteFile(bad, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Salvage(t.Context(), bad, bad+".new", "portillon/lab/laser", HubCopy{}); !errors.Is(
			err,
			ErrNothingLeft,
		) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Salvage(t.Context(), dir, filepath.Join(dir, "x"), "", HubCopy{}); !errors.Is(err, ErrNothingLeft) {
		t.Errorf("a folder: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".salvage-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func FuzzScanLeafAcceptsOnlyRowsThatFitTheirHash(f *testing.F) {
	page := make([]byte, pageSize)
	page[0], page[4], page[9], page[8] = leafTable, 1, 0xf0, 0x0f
	f.Add(page)
	f.Fuzz(func(t *testing.T, b []byte) {
		full := make([]byte, pageSize)
		copy(full, b)
		out := &remains{rows: map[uint64]row{}}
		scanLeaf(full, out)
		for seq, r := range out.rows {
			if r.record != nil && wire.Leaf(wire.Salt(r.salt), r.record) != r.hashes[0] || len(r.hashes) != trailing(seq)+1 {
				t.Errorf("record %d does not fit", seq)
			}
		}
		_ = tlog.Hash{}
	})
}
