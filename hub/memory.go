package hub

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"
)

const (
	// releaseEvery is how often the hub looks at its memory. The runtime alone would collect what a burst of messages left
	// after up to two minutes, and give it back to the system some minutes later.
	releaseEvery = 10 * time.Second
	// maxHeld is how much memory the runtime may hold before it gives back what it can, in bytes. With its program's
	// pages, of about 20 MB, the hub stays within 60 MB.
	maxHeld = 32 << 20
)

// releaseMemory gives memory back to the system after a burst, until ctx ends.
func (h *Hub) releaseMemory(ctx context.Context) error {
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
		if m.Sys-m.HeapReleased > maxHeld {
			debug.FreeOSMemory()
		}
	}
}
