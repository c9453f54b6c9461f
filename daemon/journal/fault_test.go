package journal

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portillon/wire"
)

func TestFullDiskRefusesRecordsAndAcceptsThemWhenItHasRoom(t *testing.T) {
	for _, facts := range []map[string][]byte{nil, {"tags": bytes.Repeat([]byte("x"), 3000)}} {
		t.Run(fmt.Sprintf("%d facts", len(facts)), func(t *testing.T) {
			j := fresh(t)
			fill(t, j, 10)
			var pages int
			if err := j.store.db.conn.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages); err != nil {
				t.Fatal(err)
			}
			if err := j.store.db.pragma("max_page_count", pages+2); err != nil {
				t.Fatal(err)
			}
			fact := 0
			add := func() error {
				e := start(1)
				e.Facts = map[string][]byte{}
				for k, v := range facts {
					fact++
					e.Facts[fmt.Sprintf("%s/%d", k, fact)] = v
				}
				_, err := j.Append(e)
				return err
			}
			var err error
			for err == nil {
				err = add()
			}
			if !strings.Contains(err.Error(), "full") {
				t.Fatalf("the error does not say what is wrong: %v", err)
			}
			n := j.Len()
			for range 3 {
				if err := add(); err == nil || j.Len() != n {
					t.Fatalf("%d records, %d before: %v", j.Len(), n, err)
				}
			}
			if v := verified(t, j); v.Records != n {
				t.Fatalf("%d records on the disk, %d acknowledged", v.Records, n)
			}
			if _, err := j.Facts(""); err != nil {
				t.Fatal(err)
			}
			if err := j.store.db.pragma("max_page_count", 1<<30); err != nil {
				t.Fatal(err)
			}
			r, err := j.Append(end(1))
			if err != nil || r.Seq != n+1 {
				t.Fatalf("room again, and: %+v, %v", r, err)
			}
			verified(t, j)
		})
	}
}

func TestFactsOfARefusedRecordAreNotWritten(t *testing.T) {
	j := fresh(t)
	fill(t, j, 1)
	if _, err := j.store.db.conn.ExecContext(t.Context(), "CREATE TEMP TRIGGER no BEFORE INSERT ON main.facts WHEN "+
		"new.key = 'b' BEGIN SELECT raise(FAIL, 'injected'); END"); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		e := end(0)
		e.Facts = map[string][]byte{"a": []byte("1"), "b": []byte("2"), "c": []byte("3")}
		if _, err := j.Append(e); err == nil {
			t.Fatal("the trigger did nothing")
		}
		if f, err := j.Facts(""); err != nil || len(f) != 0 || verified(t, j).Records != 1 {
			t.Fatalf("try %d: half of it is there: %v, %v", i, f, err)
		}
	}
	if r, err := j.Append(end(0)); err != nil || r.Seq != 2 {
		t.Errorf("%+v %v", r, err)
	}
}

func TestReadOnlyFileIsReadAndWritesReturnErrReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := open(t, path, options(t))
	fill(t, j, 3)
	if err := j.store.db.pragma("query_only", 1); err != nil {
		// Simulate a disk that has turned read-only. Mode 0400 would not do, because root may still write to such a
		// file.
		t.Fatal(err)
	}
	if _, err := j.Append(end(1)); err == nil {
		t.Fatal("a record was taken")
	}
	if v := verified(t, j); v.Records != 3 {
		t.Errorf("%+v", v)
	}
	if err := j.store.db.pragma("query_only", 0); err != nil {
		t.Fatal(err)
	}
	fill(t, j, 1)
	r, err := OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if v := verified(t, r); v.Records != 4 || r.Origin() != r.Generation().Origin("lab", "laser") || r.Generation() == "" {
		t.Errorf("%+v of %s", v, r.Origin())
	}
	if _, err := r.Append(end(1)); !errors.Is(err, ErrReadOnly) {
		t.Errorf("%v", err)
	}
	if err := r.SetCursor("hub", 1); !errors.Is(err, ErrReadOnly) {
		t.Errorf("%v", err)
	}
	var lines bytes.Buffer
	if err := r.Export(t.Context(), &lines, 2); err != nil || strings.Count(lines.String(), "\n") != 3 {
		t.Errorf("%s%v", &lines, err)
	}
}

// writeJournal writes a journal of n records and returns its path.
func writeJournal(t *testing.T, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal.db")
	j := open(t, path, options(t))
	fill(t, j, n)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOtherFilesAreRefusedAndNotModified(t *testing.T) {
	good, err := os.ReadFile(writeJournal(t, 50))
	if err != nil {
		t.Fatal(err)
	}
	with := func(at int, b ...byte) []byte {
		out := bytes.Clone(good)
		copy(out[at:], b)
		return out
	}
	record := bytes.LastIndex(good, []byte(`"seq":50`))
	for _, c := range []struct {
		name string
		file []byte
		says string
	}{
		{"empty", nil, "empty"},
		{"a text", []byte("portillon: 1\n"), "not a journal"},
		{"a truncated header", good[:60], "not a journal"},
		{"zeros", make([]byte, 8192), "not a journal"},
		{"another program's database", with(68, 0, 0, 0, 0), "not a journal"},
		{"of a later release", with(60, 0, 0, 0, 9), "version is 9"},
		{"truncated in the middle", good[:len(good)/2], "damaged"},
		{"truncated after the first page", good[:4096], "damaged"},
		{"the schema is corrupt", with(100, bytes.Repeat([]byte{0xa5}, 3900)...), "damaged"},
		{"the last record was changed", with(record, []byte(`"seq":51`)...), "record 50 does not match its leaf hash"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "journal.db")
			if err := os.WriteFile(path, c.file, 0o600); err != nil {
				t.Fatal(err)
			}
			j, err := Open(path, options(t))
			if err == nil {
				j.Close()
				t.Fatal("it was taken")
			}
			if !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("the error says %q", err)
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, c.file) {
				t.Errorf("the file was changed: %v", err)
			}
		})
	}
}

// The daemon was killed and left a write-ahead log, and then the disk changed a record. On closing, SQLite would
// checkpoint the log into the file, which would destroy the evidence in both files.
func TestDamagedJournalAndItsLogAreNotModified(t *testing.T) {
	live := filepath.Join(t.TempDir(), "journal.db")
	j := open(t, live, options(t))
	fill(t, j, 30)
	files := map[string][]byte{}
	for _, end := range []string{"", "-wal"} {
		b, err := os.ReadFile(live + end)
		if err != nil {
			t.Fatal(err)
		}
		files[end] = b
	}
	wal := files["-wal"]
	at := bytes.LastIndex(wal, []byte(`"seq":30`))
	if at < 0 {
		t.Fatal("the last record is not in the log")
	}
	if _, err := j.store.db.conn.ExecContext(t.Context(), "UPDATE records SET record = CAST(replace(record, 'm-7k2f9q', "+
		"'m-aaaaaa') AS BLOB) WHERE seq = 30"); err != nil {
		t.Fatal(err)
	}
	if files["-wal"], _ = os.ReadFile(live + "-wal"); len(files["-wal"]) <= len(wal) {
		t.Fatal("the change is not in the log")
	}
	path := filepath.Join(t.TempDir(), "journal.db")
	for end, b := range files {
		if err := os.WriteFile(path+end, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(path, options(t)); err == nil ||
		!strings.Contains(err.Error(), "record 30 does not match its leaf hash") {
		t.Errorf("%v", err)
	}
	for end, b := range files {
		if now, err := os.ReadFile(path + end); err != nil || !bytes.Equal(now, b) {
			t.Errorf("%q was changed: %v", end, err)
		}
	}
}

func TestAnotherMachinesJournalIsRefused(t *testing.T) {
	path := writeJournal(t, 2)
	o := options(t)
	o.Machine = "vinyl"
	if _, err := Open(path, o); err == nil || !strings.Contains(err.Error(), "portillon/lab/laser") {
		t.Errorf("%v", err)
	}
}

func TestNoJournalIsCreatedBesideTheLogOfAMissingFile(t *testing.T) {
	path := writeJournal(t, 2)
	if err := os.Rename(path, path+"-wal"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, options(t)); err == nil {
		t.Error("an empty journal was made beside a write-ahead log that is full")
	}
}

func TestSecondDaemonCannotOpenTheJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := open(t, path, options(t))
	if _, err := Open(path, options(t)); !errors.Is(err, ErrInUse) {
		t.Fatalf("%v", err)
	}
	fill(t, j, 1)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path, options(t))
}

func TestMethodsOfAClosedJournalReturnErrClosed(t *testing.T) {
	j := fresh(t)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(start(0)); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
	if _, err := j.Batch(1, 1); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
	if err := j.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}

// Verify detects each change that a person with an SQLite shell could make.
func TestVerifyDetectsEachChange(t *testing.T) {
	for _, change := range []string{
		"UPDATE records SET record = CAST(replace(record, 'm-7k2f9q', 'm-aaaaaa') AS BLOB) WHERE seq = 7",
		"UPDATE records SET salt = zeroblob(16) WHERE seq = 7",
		"UPDATE records SET hashes = zeroblob(32) WHERE seq = 7",
		"UPDATE records SET hashes = CAST(substr(hashes, 1, 32) || zeroblob(32*3) AS BLOB) WHERE seq = 8",
		"UPDATE records SET hashes = CAST(hashes || zeroblob(32) AS BLOB) WHERE seq = 8",
		"DELETE FROM records WHERE seq = 7",
		"DELETE FROM records WHERE seq = 1",
		"UPDATE records SET record = (SELECT record FROM records WHERE seq = 6), salt = (SELECT salt FROM records " +
			"WHERE seq = 6) WHERE seq = 7",
	} {
		t.Run(change, func(t *testing.T) {
			path := writeJournal(t, 40)
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec(change); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			j, err := OpenReadOnly(path)
			if err != nil {
				return // the damage was detected earlier
			}
			defer j.Close()
			if v, err := j.Verify(t.Context()); err == nil {
				t.Errorf("%+v", v)
			}
		})
	}
}

// Erasing a record does not change the tree.
func TestErasedRecordLeavesTheTreeVerifiable(t *testing.T) {
	path := writeJournal(t, 40)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("UPDATE records SET record = NULL, salt = NULL, member = NULL WHERE seq IN (7, 40)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	j := open(t, path, options(t))
	if v := verified(t, j); v.Records != 40 || v.Erased != 2 {
		t.Errorf("%+v", v)
	}
	fill(t, j, 1)
	verified(t, j)
}

func TestBatchIsLimitedInSizeAndEndsWithItsCheckpoint(t *testing.T) {
	j := fresh(t)
	_, keys := signer(t)
	for i := range 60 {
		if _, err := j.Append(Entry{
			Kind: wire.Faulted,
			Body: wire.FaultBody{What: "e-stop", Why: strings.Repeat("é", 10+i*20)},
		}); err != nil {
			t.Fatal(err)
		}
	}
	for from := uint64(1); from <= 60; {
		b, err := j.Batch(from, 1000)
		if err != nil {
			t.Fatal(err)
		}
		size := 0
		for i, r := range b.Records {
			rec, err := wire.ParseRecord(r.Record)
			if err != nil || rec.Seq != from+uint64(i) {
				t.Fatalf("%+v %v", rec, err)
			}
			size += len(r.Record) + 60
		}
		from += uint64(len(b.Records))
		c, err := wire.OpenCheckpoint([]byte(b.Checkpoint), b.Generation.Origin("lab", "laser"), keys)
		root, err2 := j.Root(from - 1)
		if err != nil || err2 != nil || c.Size != from-1 || c.Root != root || size > BatchBytes {
			t.Fatalf("%+v %s %d bytes, %v %v", c, root, size, err, err2)
		}
	}
	if b, err := j.Batch(61, 10); err != nil || len(b.Records) != 0 {
		t.Errorf("past the end: %d records, %v", len(b.Records), err)
	}
	if b, err := j.Batch(0, 10); err != nil || len(b.Records) != 0 {
		t.Errorf("before the beginning: %d records, %v", len(b.Records), err)
	}
}
