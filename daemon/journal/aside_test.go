package journal

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A file that cannot be a journal is moved aside for a new one. Every other file stays in its place.
func TestOnlyAFileThatCannotBeAJournalIsSetAside(t *testing.T) {
	now := time.Date(2026, 11, 30, 1, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		harm func(path string) error
		none bool
	}{
		"undamaged":        {func(string) error { return nil }, false},
		"nothing":          {os.Remove, false},
		"zeroed":           {func(p string) error { return os.WriteFile(p, make([]byte, 40<<10), 0o600) }, true},
		"empty":            {func(p string) error { return os.Truncate(p, 0) }, true},
		"truncated header": {func(p string) error { return os.Truncate(p, 99) }, true},
		"folder":           {func(p string) error { return errors.Join(os.Remove(p), os.MkdirAll(p+"/x", 0o700)) }, true},
		"log without a file": {
			func(p string) error { return errors.Join(os.Remove(p), os.WriteFile(p+"-wal", []byte("x"), 0o600)) },
			true,
		},
		"later release": {func(p string) error { return poke(p, 60, []byte{0, 0, 0, 99}) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeJournal(t, 5)
			if err := c.harm(path); err != nil {
				t.Fatal(err)
			}
			if got := IsMissing(path); got != c.none {
				t.Fatalf("no journal: %t, want %t", got, c.none)
			}
			if !c.none {
				return
			}
			m, begun, err := MendOrSetAside(t.Context(), path, options(t), HubCopy{}, now)
			if err != nil || !begun {
				t.Fatalf("%+v, %t, %v", m, begun, err)
			}
			left, _ := filepath.Glob(m.Kept + "*")
			if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) || len(left) != 1 {
				t.Errorf("kept %q, %v", left, err)
			}
			if j := open(t, path, options(t)); j.Len() != 0 || j.Generation() == "" {
				t.Errorf("%d records, generation %q", j.Len(), j.Generation())
			}
		})
	}
}

func poke(path string, at int64, b []byte) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, at)
	return errors.Join(err, f.Close())
}
