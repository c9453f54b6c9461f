// Package mutate measures whether the tests of a package notice changes to its code. It is test support: a test calls
// List with changes written by hand, or Generated with a number, and both do nothing slow unless the test binary was
// started with -mutants.
//
// Nothing in the source tree changes: every mutant is compiled through the build overlay of the go command.
//
// Generated makes its mutants from the syntax tree of the package (see candidates for the operators) and orders them by
// a hash of function, statement and operator, so that an edit of one function replaces the mutants of that function and
// leaves the others as they were. All of them are compiled into one test binary that holds each change behind a switch.
// Each test runs once without a mutant and notes which switches it reaches; each mutant then runs only those tests.
//
// A mutant that no test catches is a survivor. It fails the test unless it is explained in a list that names it and
// gives the reason; a reason for a mutant that is caught, or that the generator no longer makes, fails the test too.
package mutate

import (
	"flag"
	"os"
	"testing"
)

// The flags exist in every test binary that imports this package.
var (
	try   = flag.Bool("mutants", false, "try the mutants: each must be caught by a test (minutes)")
	every = flag.Int("every", 1, "with -mutants: try every n-th only")
	from  = flag.Int("from", 0, "with -every: begin with this one")
	only  = flag.String("mutants-only", "", "with -mutants: only the generated ones whose id matches this expression")
	keep  = flag.String("mutants-log", "", "with -mutants: append one line for each generated mutant to this file")
	// Four test processes at once use two cores well: many tests mostly wait, for a broker or for a deadline.
	workers = flag.Int("mutants-workers", 4, "with -mutants: run this many test processes at once")
)

// chosen reports whether -every and -from include the i-th mutant.
func chosen(i int) bool {
	n := max(*every, 1)
	return i%n == *from%n
}

// packageDir is the folder of the package under test: the go command starts a test there.
func packageDir(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
