// Package storetest creates databases of the newest schema for tests. The migrations run once in a test binary, and the
// resulting file is copied for each test. The databases are in a memory file system if the computer has one, so that
// commits do not wait for the disk.
package storetest

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"portillon/hub/store"
)

// template returns the file of a database without rows.
var template = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp(memory(), "portillon-store")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, store.Name)
	db, err := store.Open(context.Background(), path)
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil { // Close before copying, because Close copies SQLite's write-ahead log into the file
		return nil, err
	}
	return os.ReadFile(path)
})

// memory returns the path of Linux's memory file system; empty: there is none, or less than 256 MB of it are free.
var memory = sync.OnceValue(func() string {
	const dir, least = "/dev/shm", 256 << 20
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil || fs.Bavail*uint64(fs.Bsize) < least {
		return ""
	}
	return dir
})

// Dir returns an empty folder of the test, in memory if possible. The folder is removed when the test ends.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(memory(), "portillon-test")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Open opens an empty database in a folder of the test. The database is closed when the test ends.
func Open(t testing.TB) *store.DB {
	t.Helper()
	return OpenIn(t, Dir(t))
}

// OpenIn opens an empty database in dir, under the hub's file name. The database is closed when the test ends.
func OpenIn(t testing.TB, dir string) *store.DB {
	t.Helper()
	Place(t, dir)
	db, err := store.Open(context.Background(), filepath.Join(dir, store.Name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// Place writes the file of an empty database into dir, for a hub that has not been started. If the file already
// exists, Place does not change it.
func Place(t testing.TB, dir string) {
	t.Helper()
	path := filepath.Join(dir, store.Name)
	if _, err := os.Stat(path); err == nil {
		return
	}
	file, err := template()
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = os.WriteFile(path, file, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
