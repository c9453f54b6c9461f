// Package sample lets a test try only some of its cases, unless go test gets the flag -thorough. Tests with thousands
// of generated cases then show a fault within seconds, and .ci/run tries all cases.
package sample

import (
	"flag"
	"os"
)

var thorough = flag.Bool("thorough", false, "try all cases of the tests that otherwise try a sample")

// all reports whether a test must try all cases. Mutants get all cases too, because a sample may not catch a mutant
// that the full test catches; package internal/mutate sets the variable.
func all() bool { return *thorough || os.Getenv("PORTILLON_MUTANT") != "" }

// Count returns how many of n random cases a test tries: a quarter, or all.
func Count(n int) int {
	if all() {
		return n
	}
	return (n + 3) / 4
}

// Has reports whether a test tries the case with number i: every third case, or all.
func Has(i int) bool { return all() || i%3 == 0 }
