package daemon

import (
	"sync/atomic"
	"time"
)

// The loop counts as hung after these times: hang while no commit is running, and diskHang during a commit. SD cards
// pause for seconds while they move blocks, and such a pause must not interrupt a job.
const (
	hang     = time.Second
	diskHang = 10 * time.Second
)

// liveness distinguishes a loop that hangs from one that runs or waits for the disk. liveness uses the monotonic clock,
// so that a wall clock that is set back does not make a hung loop count as alive. Create a liveness with newLiveness.
// The methods are safe for concurrent use.
type liveness struct {
	born time.Time
	beat atomic.Int64 // nanoseconds from born to the loop's last iteration
	disk atomic.Int64 // nanoseconds from born to the start of the current commit; 0: no commit
}

func newLiveness() *liveness { return &liveness{born: time.Now()} }

// markIteration records that the loop has begun an iteration.
func (l *liveness) markIteration() { l.beat.Store(int64(time.Since(l.born))) }

// duringCommit runs do, which may wait for the disk. Meanwhile alive allows the longer limit diskHang.
func (l *liveness) duringCommit(do func() error) error {
	l.disk.Store(max(1, int64(time.Since(l.born))))
	err := do()
	l.markIteration()
	l.disk.Store(0)
	return err
}

// alive reports whether the last iteration is less than hang ago, or a commit has lasted less than diskHang.
func (l *liveness) alive() bool {
	age := time.Since(l.born)
	if began := l.disk.Load(); began != 0 {
		return age-time.Duration(began) < diskHang
	}
	return age-time.Duration(l.beat.Load()) < hang
}
