package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDemoRemovesFoldersOfKilledDemos(t *testing.T) {
	tmp := t.TempDir()
	folder := func(name string, lock bool) string {
		t.Helper()
		dir := filepath.Join(tmp, name)
		if err := os.MkdirAll(filepath.Join(dir, "site"), 0o700); err != nil {
			t.Fatal(err)
		}
		if lock {
			if err := os.WriteFile(filepath.Join(dir, "lock"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	killed, running := folder(demoPrefix+"1", true), folder(demoPrefix+"2", false)
	foreign, other := folder(demoPrefix+"3", false), folder("other", true)
	held, err := lockDemo(running)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	sweepDemos(tmp)
	for dir, want := range map[string]bool{killed: false, running: true, foreign: true, other: true} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s is there: %t, want %t", filepath.Base(dir), err == nil, want)
		}
	}
}
