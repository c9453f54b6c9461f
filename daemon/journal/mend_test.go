package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The newest records of a journal are in its write-ahead log. A power cut after the log was moved away from the damaged
// file, and before the salvaged file replaced the damaged file, must not leave a journal without the newest records.
func TestInterruptedMendIsCompletedByTheNextOpen(t *testing.T) {
	for _, moved := range []bool{false, true} { // whether the log was moved
		path, held := savedJournal(t, 30, 20)
		now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
		whole := bytesOf(t, path)
		if err := os.WriteFile(path+"-wal", []byte("log"), 0o600); err != nil {
			t.Fatal(err)
		}
		kept, err := freeName(path, now)
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(os.WriteFile(path+mendedEnd, whole, 0o600), os.Link(path, kept))
		if moved {
			err = errors.Join(err, os.Rename(path+"-wal", kept+"-wal"))
		}
		zeroPage(t, path, pagesOf(t, whole)[1]) // kept is a hard link to the same file
		if err != nil {
			t.Fatal(err)
		}
		j := open(t, path, options(t))
		if j.Len() != 30 || j.Generation() != held.Generation {
			t.Errorf("log moved %v: %d records", moved, j.Len())
		}
		if _, err := j.Verify(t.Context()); err != nil {
			t.Errorf("log moved %v: %v", moved, err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(path + mendedEnd); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("log moved %v: %v", moved, err)
		}
		names, _ := filepath.Glob(path + ".damaged-*-wal")
		if len(names) != 1 || string(bytesOf(t, names[0])) != "log" ||
			!strings.HasPrefix(string(bytesOf(t, kept)), "SQLite") {
			t.Errorf("log moved %v: %q", moved, names)
		}
	}
}
