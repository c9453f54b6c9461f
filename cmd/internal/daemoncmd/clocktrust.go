package daemoncmd

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"portillon/daemon/journal"
)

// clockTrust believes the wall clock while something vouches for it, and for a month after that if nobody sets it. The
// kernel itself calls a clock unsynchronised 8 h 53 min after it was last corrected: it adds 500 µs a second to what
// may be wrong (MAXFREQ) and gives up at 16 s (NTP_PHASE_LIMIT; kernel/time/ntp.c, second_overflow). A machine would
// lock its members out the morning after the network failed, though a Pi's crystal is off by some seconds a day at
// worst. So the last time that the kernel vouched is kept, for the next daemon of this boot too. A step of the wall clock ends it: the
// time since boot, which is slewed alike, does not step.
type clockTrust struct {
	asks func() bool                                 // whether the kernel vouches for the clock now
	now  func() (wall time.Time, mono time.Duration) // mono: since boot

	mu   sync.Mutex
	ever bool
	last syncRecord
}

// syncRecord is when the kernel last vouched for the clock.
type syncRecord struct {
	Boot string        `json:"boot"`
	Wall time.Time     `json:"wall"`
	Mono time.Duration `json:"mono"` // since boot
}

const (
	// at 100 parts in a million, more than any crystal's, four minutes: rules are in minutes and days
	trustFor = 30 * 24 * time.Hour
	step     = 2 * time.Second // a leap second is none

	factClockSync   = "vouched" // the journal's fact: a syncRecord
	syncRecordEvery = time.Hour // how often it is written while it is renewed
)

// readClocks reads the wall clock and the time since boot, within a moment of each other.
func readClocks() (wall time.Time, mono time.Duration) {
	for range 3 {
		before := journal.Uptime()
		wall = WallNow().Round(0)
		mono = time.Duration(journal.Uptime()) * time.Millisecond
		if mono-time.Duration(before)*time.Millisecond < 100*time.Millisecond {
			break
		}
	}
	return wall, mono
}

func (v *clockTrust) trusted() bool {
	now := v.asks()
	v.mu.Lock()
	defer v.mu.Unlock()
	wall, mono := v.now()
	switch {
	case now:
		v.ever, v.last.Wall, v.last.Mono = true, wall, mono
	case v.ever && (mono-v.last.Mono > trustFor || (wall.Sub(v.last.Wall)-(mono-v.last.Mono)).Abs() > step):
		v.ever = false
	}
	return v.ever
}

// hubTolerance is how far the machine's clock may be from the hub's for the hub to vouch for it: what a crystal may be
// off after a month (keeps) is of the same size.
const hubTolerance = time.Minute

// trustHub has the hub vouch for the clock in place of the kernel, for a site without a time server: ahead is how far the hub's
// clock is ahead of this one, within a bound.
func (v *clockTrust) trustHub(ahead, within time.Duration) bool {
	if ahead.Abs() > hubTolerance+within {
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last.Wall, v.last.Mono = v.now()
	v.ever = true
	return true
}

// restore takes the record that an earlier daemon of this boot wrote.
func (v *clockTrust) restore(fact []byte, boot string) {
	var w syncRecord
	if json.Unmarshal(fact, &w) != nil || w.Boot != boot || boot == "" || boot == "unknown" { // journal.BootID knows none
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.ever {
		v.ever, v.last = true, w
	}
}

// listen asks each minute, for on a night when nobody taps a time server may come and go, and keeps the kernel's word
// until ctx ends.
func (v *clockTrust) listen(ctx context.Context, boot string, keep func(map[string][]byte) error) {
	t := time.NewTicker(time.Minute)
	defer t.Stop()
	kept := time.Duration(-1)
	for {
		v.trusted()
		v.mu.Lock()
		w := v.last
		v.mu.Unlock()
		if !w.Wall.IsZero() && (kept < 0 || w.Mono-kept >= syncRecordEvery) {
			w.Boot = boot
			if b, err := json.Marshal(w); err == nil && keep(map[string][]byte{factClockSync: b}) == nil {
				// a full disk: once more in a minute
				kept = w.Mono
			}
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}
