package ledger_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"portillon/hub/ledger"
	"portillon/hub/ledger/ledgertest"
)

// The test changes a record on the disk: the database stays readable, but the record no longer matches its leaf hash.
// The error of the next read must name the record.
func TestReadErrorNamesTheRecordThatChangedOnTheDisk(t *testing.T) {
	for _, change := range []string{
		"UPDATE ledger_records SET record = replace(record, '\"b\"', '\"c\"') WHERE seq = 7",
		"UPDATE ledger_records SET salt = zeroblob(16) WHERE seq = 7",
		"UPDATE ledger_records SET record = (SELECT record FROM ledger_records WHERE seq = 6) WHERE seq = 7",
		"UPDATE ledger_records SET leaf = zeroblob(32) WHERE seq = 7",
		"UPDATE ledger_records SET leaf = x'' WHERE seq = 7",
	} {
		m := ledgertest.New(t, "biklab", "laser")
		m.Fill(20)
		path := filepath.Join(t.TempDir(), "portillon.db")
		l, err := ledger.Open(path, "biklab", ledger.Keys{"laser": m.Key})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Take("laser", m.Data(1, 20)); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := db.Exec(change); err != nil {
			t.Fatal(err)
		} else if n, _ := r.RowsAffected(); n != 1 {
			t.Fatalf("%s changed %d rows", change, n)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		n := 0
		err = l.Records(context.Background(), ledger.Query{}, func(ledger.Entry) error { n++; return nil })
		if !errors.Is(err, ledger.ErrChanged) || n != 6 || !strings.Contains(err.Error(), "record 7 of laser") ||
			!strings.Contains(err.Error(), path) {
			t.Errorf("%s: %d records read, %v", change, n, err)
		}
		if err := l.Records(context.Background(), ledger.Query{After: 7},
			func(ledger.Entry) error { return nil }); err != nil {
			t.Error(err)
		}
		m.Fill(1)
		if _, err := l.Take("laser", m.Data(21, 21)); err != nil {
			t.Errorf("the next record is not taken: %v", err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
