package machined

import (
	"sync"
	"time"

	"portillon/daemon/journal"
)

// vouched believes the wall clock while something vouches for it, and for a month after that if nobody sets it. The kernel itself calls a clock
// unsynchronised 8 h 53 min after it was last corrected: it adds 500 µs a second to what may be wrong (MAXFREQ) and gives up at 16 s
// (NTP_PHASE_LIMIT; kernel/time/ntp.c, second_overflow). A machine would lock its members out the morning after the network failed, though a Pi's crystal is off by
// some seconds a day at worst. So the last word is kept. A step of the wall clock ends it: the
// time since boot, which is slewed alike, does not step. The journal's last trusted record of this boot is the last word of a daemon before.
type vouched struct {
	asks func() bool                                 // the kernel's word, now
	now  func() (wall time.Time, mono time.Duration) // mono: since boot

	mu   sync.Mutex
	ever bool
	wall time.Time // when it was last vouched for
	mono time.Duration
}

const (
	keeps = 30 * 24 * time.Hour // at 100 parts in a million, more than any crystal's, four minutes: rules are in minutes and days
	step  = 2 * time.Second     // a leap second is none
)

// bothClocks reads the wall clock and the time since boot, within a moment of each other.
func bothClocks() (wall time.Time, mono time.Duration) {
	for range 3 {
		before := journal.Uptime()
		wall = time.Now().Round(0)
		mono = time.Duration(journal.Uptime()) * time.Millisecond
		if mono-time.Duration(before)*time.Millisecond < 100*time.Millisecond {
			break
		}
	}
	return wall, mono
}

// recall takes the word of a daemon that ended in this boot.
func (v *vouched) recall(wall time.Time, mono time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.ever {
		v.ever, v.wall, v.mono = true, wall, mono
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
