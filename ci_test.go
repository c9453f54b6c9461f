package portillon_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// runPattern matches the argument of -run, and the lists of slow and of sampled tests in .ci/run.
var runPattern = regexp.MustCompile(`(?:-run |^(?:slow|sampled)\+?=)(?:'([^']+)'|"([^"]+)"|([A-Za-z0-9_|/$^]+))`)

// A test that is renamed must be renamed in .ci/run and in the docs too: go test -run passes if its pattern matches no
// test.
func TestPatternsOfRunInCIAndDocsMatchTests(t *testing.T) {
	names := strings.Join(testNames(t), "\n")
	files, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, path := range append(files, ".ci/run", "README.md", "CONTRIBUTING.md", "firmware-config/README.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			for _, m := range runPattern.FindAllStringSubmatch(line, -1) {
				for pattern := range strings.SplitSeq(m[1]+m[2]+m[3], "|") {
					pattern, _, _ = strings.Cut(pattern, "/")  // the rest names a subtest
					pattern = strings.TrimSuffix(pattern, `\`) // in a Markdown table the vertical bar is escaped
					if pattern == "^$" || pattern == "" || strings.HasPrefix(pattern, "$") {
						continue
					}
					checked++
					if ok, err := regexp.MatchString("(?m)"+pattern, names); err != nil || !ok {
						t.Errorf("%s:%d: no test matches -run %s (%v)", path, i+1, pattern, err)
					}
				}
			}
		}
	}
	if checked < 20 {
		t.Errorf("found %d patterns, want at least 20", checked)
	}
}

// testNames returns the names of all tests, without their packages.
func testNames(t *testing.T) (names []string) {
	for _, s := range readWords(t)["test"] {
		names = append(names, s[strings.LastIndexByte(s, ' ')+1:])
	}
	return names
}
