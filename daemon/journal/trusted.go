package journal

import (
	"slices"
	"sync/atomic"
	"time"

	"portillon/wire"
)

// clock gives records their times, and knows the newest time that was trusted.
type clock struct {
	now       func() time.Time
	isTrusted func() bool
	sure      time.Time    // of the newest record whose clock was trusted; zero: none, as far as lookBack looks
	trusted   atomic.Int64 // sure in milliseconds since 1970, for those who must not wait; 0: none
}

// LastTrusted is the time of the newest record whose clock was trusted; zero: there is none, as far as opening
// looks back. It never waits.
func (j *Journal) LastTrusted() time.Time {
	ms := j.store.clock.trusted.Load()
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// believe notes the time of the newest record whose clock was trusted. The lock is held.
func (c *clock) believe(wall time.Time) {
	c.sure = wall
	c.trusted.Store(wall.UnixMilli())
}

// saw takes note of a record's time.
func (c *clock) saw(r wire.Record) {
	if r.Clock.Believed() {
		c.believe(r.Wall)
	}
}

// far is how many records without a trusted clock bind one that has one to the last that had: a time that was trusted
// and wrong counts no longer then.
const far = 2000

// lookBack finds the newest record up to last whose clock was trusted, where the tail has none. What is damaged there,
// Verify says.
func (c *clock) lookBack(db *database, last int64) {
	for oldest := last - far; last > max(0, oldest) && c.sure.IsZero(); {
		from := max(1, last-step+1)
		rows, err := db.rows(uint64(from), int(last-from+1))
		if err != nil {
			return
		}
		for _, r := range slices.Backward(rows) {
			if rec, err := r.check(); err == nil && rec.Clock.Believed() {
				c.believe(rec.Wall)
				break
			}
		}
		last = from - 1
	}
}

// time is a record's wall time, and how far it can be believed. A trusted clock that lies further back than two
// clocks may differ was corrected: the earlier time was wrong, and the new one counts. An untrusted clock is never
// before a time that was trusted.
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
