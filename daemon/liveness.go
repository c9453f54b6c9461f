package daemon

import (
	"sync/atomic"
	"time"
)

// How long the loop may be silent before it counts as dead, and how long the disk may take over a commit: SD cards stop
// for seconds while they move blocks, and a job is not cut for that.
const (
	hang     = time.Second
	diskHang = 10 * time.Second
)

// liveness tells a loop that hangs from one that works, or waits for the disk. It counts on the monotonic clock: a wall
// clock that is set back keeps no dead loop alive. Make one with newLiveness; any goroutine may ask.
type liveness struct {
	born time.Time
	beat atomic.Int64 // nanoseconds from born to the loop's last turn
	disk atomic.Int64 // and to when a commit began; 0: none is under way
}

func newLiveness() *liveness { return &liveness{born: time.Now()} }

// turned notes that the loop turns.
func (l *liveness) turned() { l.beat.Store(int64(time.Since(l.born))) }

// duringCommit runs what may wait for the disk.
func (l *liveness) duringCommit(do func() error) error {
	l.disk.Store(max(1, int64(time.Since(l.born))))
	err := do()
	l.turned()
	l.disk.Store(0)
	return err
}

// alive reports whether the loop turned within hang, or waits for the disk for less than diskHang.
func (l *liveness) alive() bool {
	age := time.Since(l.born)
	if began := l.disk.Load(); began != 0 {
		return age-time.Duration(began) < diskHang
	}
	return age-time.Duration(l.beat.Load()) < hang
}
