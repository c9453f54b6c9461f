package cardkey_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portillon/hub/actor"
	"portillon/hub/cardkey"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/hub/store/storetest"
	"portillon/wire"
)

// bench contains the card key service of a site that has no cards and no machines.
type bench struct {
	t    *testing.T
	db   *store.DB
	path string
	fail error // error with which the transaction of a change fails; nil: the change succeeds
}

func newBench(t *testing.T) *bench {
	t.Helper()
	db := storetest.Open(t)
	b := &bench{t: t, db: db, path: filepath.Join(t.TempDir(), "card.key")}
	b.write("", strings.Repeat("5a", 16))
	return b
}

func (b *bench) write(suffix, text string) {
	b.t.Helper()
	if err := os.WriteFile(b.path+suffix, []byte(text+"\n"), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) open() *cardkey.Service {
	b.t.Helper()
	change := func(ctx context.Context, _ actor.Actor, _ string, with func(*store.Tx) (string, error)) error {
		return b.db.Site("biklab").Write(ctx, func(tx *store.Tx) error {
			_, err := with(tx)
			return errors.Join(err, b.fail)
		})
	}
	s, err := cardkey.New(
		b.t.Context(),
		cardkey.Options{Site: b.db.Site("biklab"), Path: b.path, SetAside: change, End: change},
	)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

var root = actor.Local("root")

func TestOnlyAdministratorsChangeTheCardKey(t *testing.T) {
	s := newBench(t).open()
	for _, a := range []actor.Actor{{}, {Account: "x"}, {Account: "x", Site: actor.Member}} {
		var denied *actor.Denied
		if err := s.Rotate(t.Context(), a, 1, "stolen"); !errors.As(err, &denied) {
			t.Error("rotate: ", err)
		}
		if err := s.End(t.Context(), a, 1); !errors.As(err, &denied) {
			t.Error("end: ", err)
		}
		if _, err := s.Status(t.Context(), a); !errors.As(err, &denied) {
			t.Error("status: ", err)
		}
	}
	var invalid *fault.Invalid
	if err := s.Rotate(t.Context(), root, 1, "two\nlines"); !errors.As(err, &invalid) {
		t.Error(err)
	}
	if err := s.End(t.Context(), root, 1); !errors.As(err, &invalid) {
		t.Error(err)
	}
}

// If the transaction fails, the key stays unchanged in memory and on the disk.
func TestFailedChangeLeavesTheCardKeyUnchanged(t *testing.T) {
	b := newBench(t)
	s := b.open()
	was := s.Ring()
	b.fail = errors.New("disk full")
	if err := s.Rotate(t.Context(), root, 1, "stolen"); err == nil || !s.Ring().Same(was) {
		t.Errorf("%v, %+v", err, s.Ring())
	}
	if files, _ := filepath.Glob(b.path + "*"); len(files) != 1 {
		t.Errorf("files are left: %v", files)
	}
	b.fail = nil
	if err := s.Rotate(t.Context(), root, 1, "stolen"); err != nil {
		t.Fatal(err)
	}
	b.fail = errors.New("disk full")
	during := s.Ring()
	if err := s.End(t.Context(), root, 2); err == nil || !s.Ring().Same(during) || !b.open().Ring().Same(during) {
		t.Errorf("%v, %+v", err, s.Ring())
	}
}

// A power cut interrupts a change of the key between the commit and each move of a file. The next start completes the
// change that the database contains.
func TestStartCompletesAChangeOfTheCardKeyAfterAPowerCut(t *testing.T) {
	b := newBench(t)
	old, err := os.ReadFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	s := b.open()
	b.write(".next", strings.Repeat("66", 32)) // the file of the new key, whose change was not committed to the database
	if r := b.open().Ring(); r.Before != nil {
		t.Errorf("a change that did not begin counts: %+v", r)
	}
	if err := s.Rotate(t.Context(), root, 1, "stolen"); err != nil {
		t.Fatal(err)
	}
	want := s.Ring()
	next, err := os.ReadFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	for name, cut := range map[string]func(){
		"no file moved": func() {
			b.write("", strings.TrimSpace(string(old)))
			b.write(".next", strings.TrimSpace(string(next)))
			os.Remove(b.path + ".before")
		},
		"last file not moved": func() {
			b.write("", strings.TrimSpace(string(old)))
			b.write(".next",
				strings.TrimSpace(string(next)))
		},
		"all files moved": func() {},
	} {
		cut()
		if r := b.open().Ring(); !r.Same(want) || r.OldMark() != wire.MarkOf(want.Before) {
			t.Errorf("%s: %+v, want %+v", name, r, want)
		}
		if fi, err := os.Stat(b.path + ".before"); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, fi, err)
		}
	}
	s = b.open()
	if err := s.End(t.Context(), root, 2); err != nil {
		t.Fatal(err)
	}
	b.write(".before", strings.TrimSpace(string(old))) // the file system lost the removal of this file in the power cut
	if r := b.open().Ring(); r.Before != nil || string(r.InForce) != string(want.InForce) {
		t.Errorf("after the end: %+v", r)
	}
	if _, err := os.Stat(b.path + ".before"); !errors.Is(err, os.ErrNotExist) {
		t.Error("the old key is on the disk after the end: ", err)
	}
}

// The file of the new key could not be moved to its final name, for example because the disk was full. End then fails,
// instead of deleting the only file of the new key, and succeeds once the file can be moved.
func TestEndKeepsTheNewKeysFileIfItWasNotMovedYet(t *testing.T) {
	b := newBench(t)
	s := b.open()
	// a folder with the file's name prevents the move
	if err := os.MkdirAll(filepath.Join(b.path+".before", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.Rotate(t.Context(), root, 1, "stolen"); err == nil {
		t.Fatal("the files cannot be in place")
	}
	want := s.Ring()
	if want.Before == nil {
		t.Fatal("the database has the change, and the service has not")
	}
	if err := s.End(t.Context(), root, 2); err == nil {
		t.Error("the end deletes the old key while the new one has no file of its own")
	}
	if err := os.RemoveAll(b.path + ".before"); err != nil {
		t.Fatal(err)
	}
	if err := s.End(t.Context(), root, 2); err != nil {
		t.Fatal(err)
	}
	for _, r := range []cardkey.Ring{s.Ring(), b.open().Ring()} {
		if string(r.InForce) != string(want.InForce) || r.Before != nil {
			t.Errorf("after the end: %+v, want %+v", r, want)
		}
	}
}
