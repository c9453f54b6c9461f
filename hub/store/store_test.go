package store_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"portillon/dberror"
	"portillon/hub/store"
)

const putSite = "INSERT INTO site (site, made) VALUES ($1, $2) ON CONFLICT (site) DO UPDATE SET made = $2"

func put(t *testing.T, s *store.Site, made int64) error {
	t.Helper()
	return s.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), putSite, made)
		tx.Changed(store.Directory)
		return err
	})
}

func made(t *testing.T, s *store.Site) (out int64) {
	t.Helper()
	err := s.QueryRow(t.Context(), "SELECT made FROM site WHERE site = $1").Scan(&out)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		t.Fatal(err)
	}
	return out
}

func TestWritesAreAtomic(t *testing.T) {
	s := openStore(t).Site("biklab")
	if err := put(t, s, 1); err != nil || made(t, s) != 1 {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	fails := map[string]func(tx *store.Tx) error{
		"an error": func(*store.Tx) error { return stop },
		"a statement that fails": func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), "INSERT INTO site (site, made) VALUES ($1, 7)")
			return err
		},
		"an incomplete statement": func(tx *store.Tx) error { _, err := tx.Exec(t.Context(), "INSERT"); return err },
		"a panic":                 func(*store.Tx) error { panic("x") },
	}
	for name, fail := range fails {
		func() {
			defer func() { recover() }()
			err := s.Write(t.Context(), func(tx *store.Tx) error {
				if _, err := tx.Exec(t.Context(), putSite, 2); err != nil {
					return err
				}
				return fail(tx)
			})
			if err == nil {
				t.Errorf("%s: committed", name)
			}
		}()
		if made(t, s) != 1 {
			t.Errorf("%s: a part of the change is kept", name)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), putSite, 3)
		cancel()
		return err
	})
	if !errors.Is(err, context.Canceled) || made(t, s) != 1 {
		t.Errorf("a change that was called off: %v", err)
	}
	if err := put(t, s, 4); err != nil || made(t, s) != 4 { // the writer must still work after these errors
		t.Error(err)
	}
}

func TestWritesRunOneAtATimeAndCancelledWritesDoNotBlock(t *testing.T) {
	s := openStore(t).Site("biklab")
	var all sync.WaitGroup
	inside := 0
	for range 20 {
		all.Go(func() {
			err := s.Write(t.Context(), func(tx *store.Tx) error {
				inside++ // not locked: the race detector reports two writes that run at once
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Write(t.Context(), func(*store.Tx) error {
		cancel()
		return s.Write(ctx, func(*store.Tx) error { return nil })
	})
	if inside != 20 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d writes, %v", inside, err)
	}
}

// A subscriber that calls Take after each wake-up sees the state after the last change.
func TestSubscribersNeverMissTheLastChange(t *testing.T) {
	db := openStore(t)
	s, other := db.Site("biklab"), db.Site("elsewhere")
	const last, subscribers = 50, 3
	var all sync.WaitGroup
	for range subscribers {
		sub, cancel := s.Subscribe(store.Directory)
		all.Go(func() {
			defer cancel()
			for range sub.C() {
				if topics := sub.Take(); len(topics) > 1 || len(topics) == 1 && topics[0] != store.Directory {
					t.Errorf("told %v", topics)
				}
				if made(t, s) == last { // read the counter after Take, because a later change wakes the subscriber again
					return
				}
			}
		})
	}
	quiet, cancel := other.Subscribe(store.Directory, store.Records)
	defer cancel()
	deaf, cancelDeaf := s.Subscribe(store.Records)
	defer cancelDeaf()
	for i := range int64(last) {
		if err := put(t, s, i+1); err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
	if len(quiet.Take()) != 0 || len(deaf.Take()) != 0 {
		t.Error("a subscriber was told of another site's, or of a topic that it did not ask for")
	}
	s.Tell(store.Records)
	if topics := deaf.Take(); len(topics) != 1 {
		t.Errorf("told %v", topics)
	}
}

func TestRolledBackChangesAreNotAnnounced(t *testing.T) {
	s := openStore(t).Site("biklab")
	sub, cancel := s.Subscribe(store.Directory)
	defer cancel()
	s.Write(t.Context(), func(tx *store.Tx) error { tx.Changed(store.Directory); return errors.New("stop") })
	if topics := sub.Take(); len(topics) != 0 {
		t.Errorf("told %v", topics)
	}
}

func TestReadOnlyDatabaseIsReadableDuringWrites(t *testing.T) {
	db := openStore(t)
	if err := put(t, db.Site("biklab"), 1); err != nil {
		t.Fatal(err)
	}
	r, err := store.OpenReadOnly(t.Context(), db.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := put(t, db.Site("biklab"), 2); err != nil || made(t, r.Site("biklab")) != 2 {
		t.Error(err)
	}
	if err := put(t, r.Site("biklab"), 3); err == nil {
		t.Error("a reader wrote")
	}
	rows, err := r.Site("biklab").Query(t.Context(), "DELETE FROM site WHERE site = $1 RETURNING site")
	if err == nil {
		rows.Next()
		err = rows.Err()
		rows.Close()
	}
	if err == nil || made(t, db.Site("biklab")) != 2 {
		t.Errorf("a statement of a reader deleted a row: %v", err)
	}
}

func TestFilesOfOtherProgramsAreRejectedAndUnchanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), store.Name)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE TABLE x (y)"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	before, _ := os.ReadFile(path)
	if _, err := store.Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Error(err)
	}
	if after, _ := os.ReadFile(path); string(after) != string(before) {
		t.Error("the file has changed")
	}
	if _, err := store.OpenReadOnly(t.Context(), filepath.Join(t.TempDir(), store.Name)); err == nil {
		t.Error("a file that is not there was opened for reading")
	}
}

// The error for a damaged database names the file and a command.
func TestErrorOfADamagedDatabaseNamesFileAndCommand(t *testing.T) {
	db := openStore(t)
	for i := range int64(3) {
		if err := put(t, db.Site("biklab"), i); err != nil {
			t.Fatal(err)
		}
	}
	db.Close()
	b, err := os.ReadFile(db.Path())
	if err != nil {
		t.Fatal(err)
	}
	copy(b[4096:], make([]byte, 2048)) // overwrite the header of the second page, to damage the database
	if err := os.WriteFile(db.Path(), b, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(t.Context(), db.Path())
	var named *dberror.Error
	if !errors.As(err, &named) || named.Kind != dberror.Damaged || !strings.Contains(err.Error(), "mv "+db.Path()) ||
		!strings.Contains(err.Error(), "portillon-hub restore") {
		t.Error(err)
	}
}
