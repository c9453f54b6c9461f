package dberror

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	lib "modernc.org/sqlite/lib"
)

func TestEachResultCodeHasADescriptionAndACommand(t *testing.T) {
	for code, want := range map[int]struct {
		kind Kind
		cure string
	}{
		lib.SQLITE_CORRUPT:          {Damaged, "mend it"},
		lib.SQLITE_NOTADB:           {Damaged, "mend it"},
		lib.SQLITE_FULL:             {Full, "df -h /data"},
		lib.SQLITE_READONLY:         {ReadOnly, "remount,rw /data"},
		lib.SQLITE_READONLY_DBMOVED: {ReadOnly, "ls -l /data/x.db"},
		lib.SQLITE_IOERR:            {IO, "dmesg"},
		lib.SQLITE_IOERR_FSYNC:      {IO, "new card"},
		lib.SQLITE_BUSY:             {Busy, "fuser -v /data/x.db"},
		lib.SQLITE_BUSY_SNAPSHOT:    {Busy, "fuser"},
		lib.SQLITE_LOCKED:           {Busy, "fuser"},
		lib.SQLITE_CANTOPEN:         {Closed, "ls -l /data/x.db"},
		lib.SQLITE_CANTOPEN_ISDIR:   {Closed, "ls -l"},
		lib.SQLITE_CONSTRAINT:       {Other, ""},
	} {
		k := kindOfCode(code)
		if k != want.kind {
			t.Errorf("code %d is %v, want %v", code, k, want.kind)
		}
		if k == Other {
			continue
		}
		said := (&Error{
			Path: "/data/x.db",
			Kind: k,
			Cure: cure(k, "/data/x.db", "mend it"),
			Err:  errors.New("sqlite's words"),
		}).Error()
		for _, part := range []string{"/data/x.db: ", want.cure, "sqlite's words", k.String()} {
			if !strings.Contains(said, part) {
				t.Errorf("code %d: %q lacks %q", code, said, part)
			}
		}
	}
}

func TestErrorsOfSQLiteAreWrappedOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = db.Exec("CREATE TABLE t (x)")
	wrapped := Wrap(path, "mend it", fmt.Errorf("write: %w", err))
	if KindOf(wrapped) != Damaged || !strings.Contains(wrapped.Error(), path+": file is damaged") ||
		!strings.HasSuffix(wrapped.Error(), "; mend it") {
		t.Errorf("%v", wrapped)
	}
	if again := Wrap("/other", "other", wrapped); again != wrapped {
		t.Errorf("wrapped twice: %v", again)
	}
	plain := errors.New("not SQLite's")
	if Wrap(path, "mend it", plain) != plain || Wrap(path, "mend it", nil) != nil {
		t.Error("an error that is not SQLite's was changed")
	}
}
