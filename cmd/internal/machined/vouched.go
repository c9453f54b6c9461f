package machined

import (
	"sync"
	"time"
)

// vouched believes the wall clock while something vouches for it, and for a month after that if nobody sets it. The kernel itself calls a clock
// unsynchronised 8 h 53 min after it was last corrected: it adds 500 µs a second to what may be wrong (MAXFREQ) and gives up at 16 s
// (NTP_PHASE_LIMIT; kernel/time/ntp.c, second_overflow). A machine would lock its members out the morning after the network failed, though a Pi's crystal is off by
// some seconds a day at worst. So the last word is kept. A step of the wall clock ends it: CLOCK_MONOTONIC, which is slewed alike, does not step.
type vouched struct {
	asks func() bool // the kernel's word, now
	now  func() (wall time.Time, mono time.Duration)

	mu   sync.Mutex
	ever bool
	wall time.Time // when it was last vouched for
	mono time.Duration
}

const (
	keeps = 30 * 24 * time.Hour // at 100 parts in a million, more than any crystal's, four minutes: rules are in minutes and days
	step  = 2 * time.Second     // a leap second is none
)

// bothClocks reads the wall clock, and the monotonic one from start, in one moment.
func bothClocks(start time.Time) func() (time.Time, time.Duration) {
	return func() (time.Time, time.Duration) {
		t := time.Now()
		return t.Round(0), t.Sub(start)
	}
}

func (v *vouched) trusted() bool {
	now := v.asks()
	v.mu.Lock()
	defer v.mu.Unlock()
	wall, mono := v.now()
	switch {
	case now:
		v.ever, v.wall, v.mono = true, wall, mono
	case v.ever && (mono-v.mono > keeps || (wall.Sub(v.wall)-(mono-v.mono)).Abs() > step):
		v.ever = false
	}
	return v.ever
}
