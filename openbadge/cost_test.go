package openbadge

import (
	"fmt"
	"runtime"
	"testing"
)

// These limits bound the cost of one hostile input. Both limits are counts, because a count does not depend on the load
// of the computer. Benchmarks measure processor time. Work without allocations has other limits: maxWork of package ld
// limits hashing and comparing in the canonical form, and the tests of ld count this work. Size limits bound all other
// work.
const (
	allocationsMost = 1_000_000 // the most expensive test input makes 700,000 allocations
	memoryMost      = 64        // megabytes allocated
)

// cost contains the number of allocations of a function and the number of allocated bytes.
type cost struct {
	allocations uint64
	mb          float64
}

// measure runs f once and returns its cost.
func measure(f func()) cost {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return cost{after.Mallocs - before.Mallocs, float64(after.TotalAlloc-before.TotalAlloc) / (1 << 20)}
}

// judgeCost fails the test if an input costs too much. The best of three runs counts, because the test framework also
// allocates memory.
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
