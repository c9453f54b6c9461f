package hub

import (
	"math"
	"runtime"
	"testing"
)

func TestMemoryLimitDependsOnTheSitesNeeds(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		needed, held uint64
		limit        int64
	}{
		{0, 32 * mb, 262 * mb},
		{20 * mb, 32 * mb, 262 * mb},
		{100 * mb, 150 * mb, 262 * mb},
		{400 * mb, 600 * mb, 500 * mb},
		{math.MaxUint64 / 2, math.MaxUint64/2 + math.MaxUint64/4, math.MaxInt64},
	} {
		if held, limit := heldMost(c.needed), limitFor(c.needed); held != c.held || limit != c.limit {
			t.Errorf("needed %d: held %d, limit %d; want %d and %d", c.needed, held, limit, c.held, c.limit)
		}
	}
	runtime.GC()
	if liveHeap() == 0 {
		t.Error("the live heap is not known")
	}
}
