package mutate

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// seed determines which of the candidates Generated chooses as mutants.
	seed = "portillon"
	// least is the minimum share of the generated mutants, in percent, that the tests must catch.
	least = 90
	// runTimeout is the time limit for one test without a mutant.
	runTimeout = 10 * time.Minute
)

// Generated tries n generated mutants of the package under test. explained maps the id of a mutant to the reason why no
// test catches the mutant. Without -mutants, Generated does nothing, so that an edit of the package does not require an
// edit of the list.
//
// With -every n above 1, Generated tries only a sample of the mutants and leaves out explained mutants, which is fast
// enough for every commit. Generated runs the short form of the tests first, and all tests only for mutants that
// survive the short form. With -every 1, Generated runs every test that reaches a mutant.
func Generated(t *testing.T, n int, explained map[string]string) {
	t.Helper()
	if !*try {
		return
	}
	s, err := load(packageDir(t))
	if err != nil {
		t.Fatal(err)
	}
	all := s.candidates()
	for id := range explained {
		if !slices.ContainsFunc(all, func(m mutant) bool { return m.id == id }) {
			t.Errorf("list of explained survivors contains %s, which is no longer generated: remove the entry", id)
		}
	}
	picked, err := s.choose(all, seed, n)
	if err != nil || len(picked) < n {
		t.Fatalf("%d of %d mutants compile: %v", len(picked), n, err)
	}
	mutants, err := selectMutants(picked, explained)
	if err != nil {
		t.Fatal(err)
	}
	c := campaign{source: s, short: *every > 1, patience: time.Minute, log: t.Logf, keep: *keep}
	results, err := c.run(t.Context(), t.TempDir(), mutants)
	if err != nil {
		t.Fatal(err)
	}
	judge(t, results, explained)
	t.Logf("%d candidates in the package", len(all))
}

// selectMutants returns the mutants that the flags select. A sample leaves out explained mutants, because no test
// catches them and each of them would need all tests.
func selectMutants(picked []mutant, explained map[string]string) ([]mutant, error) {
	matching, err := regexp.Compile(*only)
	if err != nil {
		return nil, fmt.Errorf("-mutants-only: %w", err)
	}
	var out []mutant
	for i, m := range picked {
		_, known := explained[m.id]
		if chosen(i) && matching.MatchString(m.id) && !(known && *every > 1) {
			out = append(out, m)
		}
	}
	return out, nil
}

// judge compares the results with the list of explained survivors, and fails the test for each difference.
func judge(t *testing.T, results []result, explained map[string]string) {
	caught, hung := 0, 0
	for _, r := range results {
		why, known := explained[r.id]
		switch {
		case !r.caught && !known:
			t.Errorf("mutant survives: %s (reached by %d tests, want one of them to fail)", r.id, r.tests)
		case r.caught && known:
			t.Errorf("mutant is caught by %s, but the list of explained survivors contains it: %s", r.by, r.id)
		case !r.caught:
			t.Logf("no test catches it: %s: %s", r.id, why)
		}
		if r.caught {
			caught++
		}
		if r.by == byTimeout {
			hung++
		}
	}
	t.Logf("%d of %d mutants are caught, %d of them by a timeout", caught, len(results), hung)
	if *every <= 1 && *only == "" && caught*100 < least*len(results) {
		t.Errorf("fewer than %d %% of the mutants are caught", least)
	}
}

// record appends the result of one mutant to the file of -mutants-log.
func (c *campaign) record(r result) {
	if c.keep == "" {
		return
	}
	f, err := os.OpenFile(c.keep, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		c.log("%v", err)
		return
	}
	defer f.Close()
	fmt.Fprintf(f, "%v\t%d\t%s\t%s\n", r.caught, r.tests, r.by, r.id)
}

// byTimeout replaces the name of the catching test if the tests exceeded their timeout.
const byTimeout = "a timeout"

// result is the outcome of one mutant.
type result struct {
	mutant
	caught bool   // true: a test failed or exceeded its timeout with the mutant
	tests  int    // number of tests that run the mutated code
	by     string // name of the test that caught the mutant
}

// campaign tries the mutants of one package.
type campaign struct {
	*source
	short    bool          // true: run the short form of the tests first
	patience time.Duration // time limit of a run, added to ten times the duration without a mutant
	log      func(format string, args ...any)
	keep     string         // path of the file for the results; empty: the campaign writes no file
	tests    []reachingTest // sorted by duration
}

// reachingTest is a test with its duration without a mutant, and the mutants that it reaches.
type reachingTest struct {
	name    string        // name of the test function
	took    time.Duration // elapsed time
	cpu     time.Duration // processor time
	mutants map[int]bool  // numbers of the mutants that the test reaches
}

// run compiles one binary with all mutants, and runs the tests for each mutant.
func (c *campaign) run(ctx context.Context, tmp string, mutants []mutant) ([]result, error) {
	files := c.rewrite(mutants)
	b, out, err := compile(ctx, tmp, c.dir, files)
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	names, err := b.testNames(ctx)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	// Run every test once without a mutant, to find out which mutants the test reaches and how long the test takes.
	c.tests = make([]reachingTest, len(names))
	parallel(len(names), func(i int) { c.tests[i] = c.reach(ctx, b, tmp, names[i]) })
	c.tests = slices.DeleteFunc(c.tests, func(r reachingTest) bool { return r.name == "" })
	// The fastest tests run first, because one failing test is enough to catch a mutant.
	slices.SortStableFunc(c.tests, func(a, b reachingTest) int { return int(a.took - b.took) })
	c.log("%d tests ran once in %v", len(c.tests), time.Since(start).Round(time.Second))
	results := make([]result, len(mutants))
	parallel(len(mutants), func(i int) {
		results[i] = c.attempt(ctx, b, i+1)
		results[i].mutant = mutants[i]
		c.record(results[i])
		if i%20 == 19 {
			c.log("%d mutants tried after %v", i+1, time.Since(start).Round(time.Second))
		}
	})
	return results, ctx.Err()
}

// parallel calls do for each index below n, with at most workers concurrent calls.
func parallel(n int, do func(i int)) {
	var work sync.WaitGroup
	seats := make(chan struct{}, max(*workers, 1))
	for i := range n {
		// Wait while all workers are busy.
		seats <- struct{}{}
		work.Go(func() {
			defer func() { <-seats }()
			do(i)
		})
	}
	work.Wait()
}

// reach runs one test without a mutant, and records which mutants the test reaches. reach leaves out a test that fails
// without a mutant.
func (c *campaign) reach(ctx context.Context, b *binary, tmp, name string) reachingTest {
	file := filepath.Join(tmp, name+".reached")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		c.log("%v", err)
		return reachingTest{}
	}
	o := b.run(ctx, process{tests: []string{name}, short: c.short, reached: file, timeout: runTimeout})
	if o.end != testsPassed {
		c.log("left out, because it fails without a mutant: %s\n%s", name, o.output)
		return reachingTest{}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		c.log("%v", err)
	}
	r := reachingTest{name: name, took: o.took, cpu: o.cpu, mutants: map[int]bool{}}
	for line := range strings.Lines(string(text)) {
		if i, err := strconv.Atoi(strings.TrimSpace(line)); err == nil {
			r.mutants[i] = true
		}
	}
	return r
}

// batch is a group of tests that run in one process.
type batch struct {
	names     []string // names of the tests
	took, cpu time.Duration
}

// batches divides the tests that reach a mutant into groups, the fastest tests first. Each batch takes at most four
// times as long as the previous batch.
func (c *campaign) batches(number int) (all []batch) {
	limit := time.Second
	for _, t := range c.tests {
		if !t.mutants[number] {
			continue
		}
		if last := len(all) - 1; last < 0 || all[last].took+t.took > limit {
			all = append(all, batch{})
			limit *= 4
		}
		b := &all[len(all)-1]
		b.names, b.took, b.cpu = append(b.names, t.name), b.took+t.took, b.cpu+t.cpu
	}
	return all
}

// attempt runs the tests that reach a mutant until one of them catches it.
func (c *campaign) attempt(ctx context.Context, b *binary, number int) result {
	var r result
	for _, x := range c.batches(number) {
		r.tests += len(x.names)
		if r.by != "" {
			continue
		}
		r.note(b.run(ctx, process{tests: x.names, short: c.short, mutant: number,
			timeout: c.patience + 10*x.took, cpu: 2*time.Second + 5*x.cpu}))
	}
	// Run the complete tests only for a mutant that survives the short tests.
	if c.short && r.by == "" {
		r.note(b.run(ctx, process{mutant: number, timeout: listTimeout}))
	}
	return r
}

// note adds the outcome of a test process to the result.
func (r *result) note(o outcome) {
	switch {
	case o.end == testsPassed:
		return
	case o.end == timedOut:
		r.by = byTimeout
	case o.test == "":
		r.by = "a crash"
	default:
		r.by = o.test
	}
	r.caught = true
}
