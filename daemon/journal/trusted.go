package journal

import "time"

// LastTrusted is the time of the newest record whose clock was trusted; zero: there is none, as far as opening
// looks back. It never waits.
func (j *Journal) LastTrusted() time.Time {
	ms := j.trusted.Load()
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// believe notes the time of the newest record whose clock was trusted. The lock is held.
func (j *Journal) believe(wall time.Time) {
	j.sure = wall
	j.trusted.Store(wall.UnixMilli())
}
