// Package otherstest finds the test data that others made, which stands beside the repository and is none of it.
package otherstest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Path is the place of a file or folder of shared/openbadges. Where the data is absent the test is skipped, but fails
// where CI is set.
func Path(t testing.TB, parts ...string) string {
	t.Helper()
	path := filepath.Join(append([]string{root(t), "..", "shared", "openbadges"}, parts...)...)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("test data is missing: %v", err)
		}
		t.Skipf("test data is missing: %v", err)
	}
	return path
}

// File is the contents of a file of shared/openbadges.
func File(t testing.TB, parts ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(Path(t, parts...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// root is the repository: the topmost folder with a go.mod above the test. A nested module has one of its own.
func root(t testing.TB) string {
	t.Helper()
	at, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	top := ""
	for dir := at; ; dir = filepath.Dir(dir) {
		if b, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil &&
			strings.HasPrefix(string(b), "module portillon") {
			top = dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	if top == "" {
		t.Fatalf("no go.mod above %s", at)
	}
	return top
}
