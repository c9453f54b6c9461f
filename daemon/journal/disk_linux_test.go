package journal

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The test uses a real full disk: a file system of 600 KiB in memory. Mounting it needs root.
// TestFullDiskRefusesRecordsAndAcceptsThemWhenItHasRoom needs no privilege and tests the same rule with SQLite's own
// size limit.
func TestRealFullDiskRefusesRecordsAndAcceptsThemWhenItHasRoom(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=600k"); err != nil {
		t.Skipf("a file system cannot be mounted here (%v): it needs root", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "journal.db")
	j := open(t, path, options(t))
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 200<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	for err == nil {
		_, err = j.Append(start(0))
	}
	t.Log(err)
	n := j.Len()
	if _, err := j.Append(end(0)); err == nil {
		t.Fatal("a full disk took a record")
	}
	if v := verified(t, j); v.Records != n {
		t.Fatalf("%d records on the disk, %d acknowledged", v.Records, n)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	fill(t, j, 10)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if v := verified(t, open(t, path, options(t))); v.Records != n+10 {
		t.Fatalf("%+v, %d were acknowledged", v, n+10)
	}
}

// The disk may be read-only because ext4 has remounted it after an error, or because it is an SD card that was pulled
// from a machine.
func TestJournalOnAReadOnlyDiskIsReadAndNotWritten(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("a file system cannot be mounted here (%v): it needs root", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	path := filepath.Join(dir, "journal.db")
	j := open(t, path, options(t))
	fill(t, j, 5)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, options(t)); err == nil {
		t.Fatal("a journal that cannot be written was opened for writing")
	} else if !strings.Contains(err.Error(), "read-only") {
		t.Errorf("the error does not say what is wrong: %v", err)
	}
	r, err := OpenReadOnly(path)
	if err != nil {
		t.Fatalf("nor can it be read: %v", err)
	}
	defer r.Close()
	if v := verified(t, r); v.Records != 5 {
		t.Errorf("%+v", v)
	}
}
