package journal

import (
	"slices"
	"sync/atomic"
	"time"

	"portillon/wire"
)

// clock determines the times of records, and stores the newest trusted time.
type clock struct {
	now       func() time.Time
	isTrusted func() bool
	sure      time.Time    // time of the newest record with a trusted clock; zero: lookBack found none
	trusted   atomic.Int64 // the time in sure as Unix milliseconds, readable without the lock; 0: none
}

// LastTrusted is the time of the newest record with a trusted clock; zero if the records that Open reads contain no
// such time. LastTrusted never waits.
func (j *Journal) LastTrusted() time.Time {
	ms := j.store.clock.trusted.Load()
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// setTrusted stores the time of the newest record with a trusted clock. The caller holds the lock.
func (c *clock) setTrusted(wall time.Time) {
	c.sure = wall
	c.trusted.Store(wall.UnixMilli())
}

// addRecord updates the clock with the time of a record.
func (c *clock) addRecord(r wire.Record) {
	if r.Clock.Believed() {
		c.setTrusted(r.Wall)
	}
}

// maxUntrusted is the number of consecutive records without a trusted clock after which an earlier trusted time no
// longer limits new times, because that earlier time may have been wrong.
const maxUntrusted = 2000

// lookBack finds the newest record up to last with a trusted clock, if the tail has none. lookBack ignores damage,
// because Verify reports damage.
func (c *clock) lookBack(db *database, last int64) {
	for oldest := last - maxUntrusted; last > max(0, oldest) && c.sure.IsZero(); {
		from := max(1, last-step+1)
		rows, err := db.rows(uint64(from), int(last-from+1))
		if err != nil {
			return
		}
		for _, r := range slices.Backward(rows) {
			if rec, err := r.check(); err == nil && rec.Clock.Believed() {
				c.setTrusted(rec.Wall)
				break
			}
		}
		last = from - 1
	}
}

// time returns the wall time of a new record, and the degree to which it can be trusted. A trusted clock that is behind
// the last trusted time by more than wire.Skew was corrected: the earlier time was wrong, and the new time is valid.
// The time of an untrusted clock is raised to the last trusted time.
func (c *clock) time() (time.Time, wire.Clock) {
	now := c.now().UTC().Truncate(time.Millisecond)
	switch {
	case !c.isTrusted():
		return later(now, c.sure), wire.ClockUntrusted
	case c.sure.Sub(now) > wire.Skew:
		return now, wire.ClockCorrected
	}
	return later(now, c.sure), wire.ClockTrusted
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
