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
	// releaseEvery is how often the hub looks at its memory. The runtime alone would collect what a burst of messages left
	// after up to two minutes, and give it back to the system some minutes later.
	releaseEvery = 10 * time.Second
	// maxHeld is how much memory the runtime may hold before it gives back what it can, in bytes. With its program's
	// pages, of about 20 MB, the hub stays within 60 MB.
	maxHeld = 32 << 20
	// memoryLimit is from how much memory on the runtime collects garbage more often, in bytes: with the program's pages a
	// hub of 1,000 machines stays within 300 MB. While it uses less than that, the limit changes nothing.
	memoryLimit = 262 << 20
)

// heldMost is how much memory the runtime may hold before it gives memory back, where it needs so much: collecting more
// often would cost more than it frees.
func heldMost(needed uint64) uint64 { return max(maxHeld, needed+needed/2) }

// limitFor is the limit for a hub that needs so much: a larger site than memoryLimit is for gets more, as a limit below
// what is needed would have the runtime do nothing but collect.
func limitFor(needed uint64) int64 {
	return int64(min(max(memoryLimit, needed+needed/4), math.MaxInt64))
}

// releaseMemory gives memory back to the system after a burst, until ctx ends. A limit that the environment sets
// (GOMEMLIMIT) stays.
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
		needed := liveHeap() + m.Sys - m.HeapSys // the heap's live objects, and all that is not heap
		if limits {
			debug.SetMemoryLimit(limitFor(needed))
		}
		if m.Sys-m.HeapReleased > heldMost(needed) {
			debug.FreeOSMemory()
		}
	}
}

// liveHeap is how many bytes of the heap were in use when the last collection ended.
func liveHeap() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return s[0].Value.Uint64()
}
