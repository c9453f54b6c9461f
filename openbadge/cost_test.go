package openbadge

import (
	"fmt"
	"runtime"
	"testing"
)

// What one hostile input may cost. Both are counts, which a busy machine does not change; processor time would be the
// thing itself, and is a figure of the benchmarks. Work that allocates nothing is bounded by the code: hashing and
// comparing in the canonical form by ld's maxWork, whose tests count it, and the rest by the sizes that are read.
const (
	allocationsMost = 1_000_000 // the most expensive input of the tests takes 700,000
	memoryMost      = 64        // MB allocated
)

// cost is what a function allocated.
type cost struct {
	allocations uint64
	mb          float64
}

// measure runs f once.
func measure(f func()) cost {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return cost{after.Mallocs - before.Mallocs, float64(after.TotalAlloc-before.TotalAlloc) / (1 << 20)}
}

// judgeCost reports an input that costs too much. The best of three tries counts: the test framework allocates too.
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
