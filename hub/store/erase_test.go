package store_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"testing"

	"portillon/hub/store"
)

// filesContain reports whether one of the database's files contains a text.
func filesContain(t *testing.T, db *store.DB, text string) bool {
	t.Helper()
	for _, end := range []string{"", "-wal", "-shm"} {
		data, err := os.ReadFile(db.Path() + end)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte(text)) {
			return true
		}
	}
	return false
}

// The function name stores a member's name in a row and in an index.
func name(t *testing.T, s *store.Site, id int, text string) {
	t.Helper()
	err := s.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO card (site, id, member, place, number, part, state, since, note)
			VALUES ($1, $2, 'm', 1, $3, 0, 'active', 0, $3) ON CONFLICT (site, id) DO UPDATE SET number = $3, note = $3`,
			fmt.Sprint((id*7919)%1000), text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func erase(t *testing.T, s *store.Site, text string) {
	t.Helper()
	err := s.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `DELETE FROM card WHERE site = $1 AND number = $2`, text)
		tx.Erased()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestErasedDataIsInNoFileOfTheDatabase(t *testing.T) {
	if testing.Short() {
		t.Skip("short: writes until a database has grown")
	}
	db := openStore(t)
	s := db.Site("biklab")
	for i := range 400 { // insert so many rows that SQLite moves rows and index entries between pages
		name(t, s, i, fmt.Sprintf("first-%d-%d", (i*31)%400, i))
		name(t, s, i, fmt.Sprintf("name-of-%d-%0*d", i, 20+i%200, i))
	}
	if !filesContain(t, db, "name-of-17-") {
		t.Fatal("the test finds no name that is there")
	}
	for i := 0; i < 400; i += 8 {
		erase(t, s, fmt.Sprintf("name-of-%d-%0*d", i, 20+i%200, i))
		for _, text := range []string{fmt.Sprintf("name-of-%d-", i), fmt.Sprintf("first-%d-%d", (i*31)%400, i)} {
			if filesContain(t, db, text) {
				t.Errorf("%q stands in a file", text)
			}
		}
	}
	if !filesContain(t, db, "name-of-17-") {
		t.Error("another row is gone")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := store.Check(t.Context(), db.Path()); err != nil {
		t.Error(err)
	}
}

// A reader during an erasure keeps the log in use. After the reader ends, the next transaction or Close empties the
// log.
func TestErasureCompletesAfterAReaderEnds(t *testing.T) {
	if testing.Short() {
		t.Skip("short: writes until a database has grown")
	}
	db := openStore(t)
	s := db.Site("biklab")
	name(t, s, 1, "Camille")
	other, err := sql.Open("sqlite", db.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	reading, err := other.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Rollback()
	var n int
	if err := reading.QueryRow("SELECT count(*) FROM card").Scan(&n); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	erase(t, s, "Camille")
	if !filesContain(t, db, "Camille") {
		t.Fatal("the reader holds nothing: the test shows nothing")
	}
	if err := reading.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := put(t, s, 5); err != nil {
		t.Fatal(err)
	}
	if filesContain(t, db, "Camille") {
		t.Error("the name stands in a file after the read and the next transaction")
	}
}
