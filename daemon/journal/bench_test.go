package journal

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"portillon/wire"
)

// BenchmarkAppend compares Append with a bare INSERT and commit of the same bytes into a table of the same kind, on the
// same disk. Append and INSERT alternate, so that other disk activity affects both equally. The metric x-bare is the
// median of Append divided by the median of the INSERT.
func BenchmarkAppend(b *testing.B) {
	dir := b.TempDir()
	j := open(b, filepath.Join(dir, "journal.db"), options(b))
	bare := bareInsert(b, filepath.Join(dir, "bare.db"))
	var ours, theirs []time.Duration
	for i := 0; b.Loop(); i++ {
		began := time.Now()
		r, err := j.Append(start(i))
		ours = append(ours, time.Since(began))
		if err != nil {
			b.Fatal(err)
		}
		text, err := r.Canonical()
		if err != nil {
			b.Fatal(err)
		}
		began = time.Now()
		err = bare(int64(r.Seq), text)
		theirs = append(theirs, time.Since(began))
		if err != nil {
			b.Fatal(err)
		}
	}
	a, c := median(ours), median(theirs)
	b.ReportMetric(float64(a.Nanoseconds())/1e3, "append-µs")
	b.ReportMetric(float64(c.Nanoseconds())/1e3, "bare-µs")
	b.ReportMetric(float64(a)/float64(c), "x-bare")
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func bareInsert(b *testing.B, path string) func(seq int64, text []byte) error {
	db, err := sql.Open("sqlite", dsn(path, "rwc", "journal_mode(WAL)", "synchronous(FULL)", "cache_size(-256)"))
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	b.Cleanup(func() { db.Close() })
	if _, err := db.Exec("CREATE TABLE records (seq INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT"); err != nil {
		b.Fatal(err)
	}
	st, err := db.Prepare("INSERT INTO records (seq, record) VALUES (?, ?)")
	if err != nil {
		b.Fatal(err)
	}
	return func(seq int64, text []byte) error {
		_, err := st.Exec(seq, text)
		return err
	}
}

// BenchmarkAppendWithFacts appends the end of a session: one record, and the member's practice as a fact.
func BenchmarkAppendWithFacts(b *testing.B) {
	j := open(b, filepath.Join(b.TempDir(), "journal.db"), options(b))
	for i := 0; b.Loop(); i++ {
		e := end(i)
		e.Facts = map[string][]byte{fmt.Sprintf("practice/m-%04d", i%1000): []byte(`{"machine":"laser","logged":3600}`)}
		if _, err := j.Append(e); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen opens a journal of 20,000 records.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "journal.db")
	j := open(b, path, options(b))
	if err := j.store.db.pragma("synchronous", "OFF"); err != nil {
		b.Fatal(err)
	}
	fill(b, j, 20_000)
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		j, err := Open(path, options(b))
		if err != nil {
			b.Fatal(err)
		}
		if err := j.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBatch reads and signs a full batch, which is the longest time that Append waits for the uplink.
func BenchmarkBatch(b *testing.B) {
	j := open(b, filepath.Join(b.TempDir(), "journal.db"), options(b))
	if err := j.store.db.pragma("synchronous", "OFF"); err != nil {
		b.Fatal(err)
	}
	fill(b, j, 5000)
	for i := 0; b.Loop(); i++ {
		if _, err := j.Batch(uint64(i*100%4800+1), wire.MaxBatchRecords); err != nil {
			b.Fatal(err)
		}
	}
}
