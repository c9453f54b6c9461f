package hub

import (
	"context"
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// releaseEvery is the interval at which the hub checks how much memory the hub uses. Without this check, the
	// runtime would free the memory of a burst of messages only after up to two minutes, and return the memory to the
	// system some minutes later.
	releaseEvery = 10 * time.Second
	// maxHeld is the largest amount of memory, in bytes, that the runtime may hold before the hub returns unused memory to
	// the system. Including about 20 MB of program code, the hub stays below 60 MB.
	maxHeld = 32 << 20
	// memoryLimit is the memory size, in bytes, above which the runtime collects garbage more often. Including the program
	// code, a hub with 1,000 machines stays below 300 MB. Below the limit, the setting has no effect.
	memoryLimit = 262 << 20
)

// heldMost returns how much memory the runtime of a hub that needs this much may hold before the hub returns unused
// memory. A smaller value would cause too many garbage collections.
func heldMost(needed uint64) uint64 { return max(maxHeld, needed+needed/2) }

// limitFor returns the memory limit for a hub that needs this much memory. For the hub of a large site, limitFor
// returns more than memoryLimit, because with too low a limit the runtime would only collect garbage.
func limitFor(needed uint64) int64 {
	return int64(min(max(memoryLimit, needed+needed/4), math.MaxInt64))
}

// releaseMemory returns unused memory to the system after bursts, until ctx ends. releaseMemory does not change a limit
// that the environment sets (GOMEMLIMIT).
func (h *Hub) releaseMemory(ctx context.Context) error {
	limits := debug.SetMemoryLimit(-1) == math.MaxInt64
	if limits {
		debug.SetMemoryLimit(memoryLimit)
		defer debug.SetMemoryLimit(math.MaxInt64)
	}
	t := time.NewTicker(releaseEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		needed := liveHeap() + m.Sys - m.HeapSys // bytes of live objects on the heap and of all memory outside the heap
		if limits {
			debug.SetMemoryLimit(limitFor(needed))
		}
		if m.Sys-m.HeapReleased > heldMost(needed) {
			debug.FreeOSMemory()
		}
	}
}

// liveHeap returns how many bytes of the heap were in use at the end of the last collection.
func liveHeap() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return s[0].Value.Uint64()
}
