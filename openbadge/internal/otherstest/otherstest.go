// Package otherstest finds test data of other projects. The data is in a folder beside the repository and is not part
// of the repository.
package otherstest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Path returns the path of a file or folder in shared/openbadges. If the data is missing, Path skips the test; if CI
// is set, Path fails the test.
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

// File returns the content of a file in shared/openbadges.
func File(t testing.TB, parts ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(Path(t, parts...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// root returns the folder of the repository. It is the topmost folder with a go.mod above the test, because a nested
// module has its own go.mod.
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
