package openbadge

import (
	"fmt"
	"runtime"
	"testing"
)

// These limits bound what one hostile input may cost. Both limits count allocations and bytes, because these numbers
// do not depend on the load of the computer. Benchmarks measure processor time. Work without allocations has other
// limits: maxWork of package ld limits the hashing and comparing for the canonical form, and the tests of ld count
// this work. Limits of the input's size bound all other work.
const (
	allocationsMost = 1_000_000 // the most expensive input of these tests makes 700,000 allocations
	memoryMost      = 64        // megabytes allocated
)

// cost contains how many allocations a function makes, and how many bytes it allocates.
type cost struct {
	allocations uint64
	mb          float64
}

// measure runs f and returns the cost of one run.
func measure(f func()) cost {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return cost{after.Mallocs - before.Mallocs, float64(after.TotalAlloc-before.TotalAlloc) / (1 << 20)}
}

// judgeCost fails the test if the verification of an input exceeds the limits. measure takes the lowest cost of three
// runs, because the test framework also allocates memory.
func judgeCost(t *testing.T, name string, f func()) cost {
	t.Helper()
	best := measure(f)
	for try := 1; try < 3 && best.tooMuch(); try++ {
		best = measure(f)
	}
	if best.tooMuch() {
		t.Errorf("%s: %s", name, best)
	}
	return best
}

func (c cost) tooMuch() bool { return c.allocations > allocationsMost || c.mb > memoryMost }

func (c cost) String() string {
	return fmt.Sprintf("%d allocations (at most %d), %.1f MB (at most %d)",
		c.allocations, allocationsMost, c.mb, memoryMost)
}
