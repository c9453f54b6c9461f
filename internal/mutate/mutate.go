// Package mutate measures whether the tests of a package detect changes to its code. A test calls List with changes
// written by hand, or Generated with a number of mutants to generate. List and Generated run slow tests only if the
// test binary was started with -mutants.
//
// The source tree stays unchanged: mutants are compiled through the build overlay of the go command.
//
// Generated derives its mutants from the syntax tree of the package (see candidates for the operators) and orders them
// by a hash of function, statement and operator. Because of this order, an edit of one function replaces only the
// mutants of that function. All mutants are compiled into one test binary, each behind a switch. Each test runs once
// without a mutant and records which switches it reaches. For each mutant, only the tests that reach the mutant's
// switch are run.
//
// A mutant that no test catches is a survivor. The test fails if no list explains a survivor with a reason. The test
// also fails if the list explains a mutant that is caught or no longer generated.
package mutate

import (
	"flag"
	"os"
	"testing"
)

// Every test binary that imports this package has these flags.
var (
	try   = flag.Bool("mutants", false, "try the mutants: a test must catch each (takes minutes)")
	every = flag.Int("every", 1, "with -mutants: try only every n-th mutant")
	from  = flag.Int("from", 0, "with -every: begin with this mutant")
	only  = flag.String("mutants-only", "", "with -mutants: try only generated mutants whose id matches")
	keep  = flag.String("mutants-log", "", "with -mutants: append one line for each generated mutant to this file")
	// Four concurrent test processes use two cores well, because many tests mostly wait for a broker or a deadline.
	workers = flag.Int("mutants-workers", 4, "with -mutants: run this many test processes at once")
)

// chosen reports whether the flags -every and -from select the i-th mutant.
func chosen(i int) bool {
	n := max(*every, 1)
	return i%n == *from%n
}

// packageDir returns the folder of the package under test: the working directory in which the go command runs a test.
func packageDir(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
