package mutate

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// listTimeout is the time limit for one run of a package's tests with one mutant of a list. A mutant that is not
// caught in that time is an error, because on a busy computer the tests may not have run far enough.
const listTimeout = 5 * time.Minute

// Edit is a mutant written by hand: it replaces Old with New in File. Old must occur exactly once in File, whose name
// is relative to the package's folder. Edit is an alias of an unnamed type, because vet rejects literals without
// field names for named types of other packages.
type Edit = struct{ File, Old, New string }

// List checks that each edit still applies. With -mutants, it also checks that the tests of the package catch each
// edit. notCaught maps the New text of an edit to the reason why no test catches the edit.
func List(t *testing.T, edits []Edit, notCaught map[string]string) {
	t.Helper()
	dir := packageDir(t)
	known := map[string]bool{}
	texts := make([]string, len(edits))
	for i, e := range edits {
		known[e.New] = true
		text, err := os.ReadFile(filepath.Join(dir, e.File))
		if n := strings.Count(string(text), e.Old); err != nil || n != 1 {
			t.Errorf("mutant %d: text %q occurs %d times in %s (%v), want once", i, e.Old, n, e.File, err)
		}
		texts[i] = strings.Replace(string(text), e.Old, e.New, 1)
	}
	for text := range notCaught {
		if !known[text] {
			t.Errorf("notCaught contains %q, want the New text of a mutant of the list", text)
		}
	}
	if !*try || t.Failed() {
		return
	}
	var which []int
	for i := range edits {
		if why := notCaught[edits[i].New]; why != "" {
			t.Logf("left out, no test catches it: %s: %s: %s", edits[i].File, edits[i].New, why)
		} else if chosen(i) {
			which = append(which, i)
		}
	}
	l := list{t: t, dir: dir, edits: edits, texts: texts, timeout: listTimeout}
	t.Logf("%d of %d mutants are caught; the list has %d", l.caught(which), len(which), len(edits))
}

// list contains the state of one run that tries the mutants of a list.
type list struct {
	t       *testing.T    // test that fails if a mutant survives
	dir     string        // folder of the package
	edits   []Edit        // the mutants
	texts   []string      // text of the changed file of each edit
	timeout time.Duration // time limit for one run of the tests
}

// caught tries the mutants with the given indexes, and returns the number of mutants that a test catches.
func (l list) caught(which []int) (n int) {
	var work sync.WaitGroup
	var mu sync.Mutex
	seats := make(chan struct{}, max(*workers, 1))
	for _, i := range which {
		seats <- struct{}{}
		work.Go(func() {
			defer func() { <-seats }()
			failure := l.escape(i)
			mu.Lock()
			defer mu.Unlock()
			if failure == "" {
				n++
			} else {
				l.t.Errorf("mutant %d %s: %s: %s", i, failure, l.edits[i].File, l.edits[i].New)
			}
		})
	}
	work.Wait()
	return n
}

// escape tries one mutant and returns how the mutant escaped the tests; empty: a test caught the mutant. escape runs
// the short form of the tests first, because the short form catches most mutants.
func (l list) escape(i int) string {
	e := l.edits[i]
	b, out, err := compile(l.t.Context(), l.t.TempDir(), l.dir, map[string]string{e.File: l.texts[i]})
	if err != nil {
		return "does not build (" + err.Error() + "\n" + out + ")"
	}
	defer b.remove()
	for _, short := range []bool{true, false} {
		switch r := b.run(l.t.Context(), process{short: short, timeout: l.timeout}); r.end {
		case testsFailed:
			return ""
		case timedOut:
			return "is not caught within " + l.timeout.String()
		}
	}
	return "survives"
}
