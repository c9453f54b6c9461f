package daemoncmd

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"portillon/daemon/journal"
)

// clockTrust decides whether the wall clock is trusted. The clock is trusted while the kernel reports the clock as
// synchronised, and for a month afterwards unless somebody sets the clock. The kernel calls a clock unsynchronised 8 h
// 53 min after the last correction: it adds 500 µs a second to the possible error (MAXFREQ) and stops at 16 s
// (NTP_PHASE_LIMIT; kernel/time/ntp.c, second_overflow). With the kernel's limit, a machine would refuse its members on
// the morning after a network failure, although the crystal of a Pi drifts by at most a few seconds a day. The daemon
// therefore stores the time of the last synchronisation, which a restarted daemon of the same boot also uses. A step of
// the wall clock ends the trust. A step is detected by comparison with the time since boot, which runs at the same rate
// and never steps.
type clockTrust struct {
	// reports whether the kernel currently considers the clock synchronised
	asks func() bool
	now  func() (wall time.Time, mono time.Duration) // returns the wall clock and the time since boot

	mu   sync.Mutex
	ever bool
	last syncRecord
}

// syncRecord is the time of the last synchronisation: wall clock and time since boot.
type syncRecord struct {
	Boot string        `json:"boot"`
	Wall time.Time     `json:"wall"`
	Mono time.Duration `json:"mono"` // time since boot
}

const (
	// trustFor is the time for which the clock is trusted after a synchronisation. A crystal's error is below 100 ppm;
	// with an error of 100 ppm, the clock would be wrong by four minutes after trustFor. This error is acceptable,
	// because the policy's rules are in minutes and days.
	trustFor = 30 * 24 * time.Hour
	step     = 2 * time.Second // a difference above this limit is a step of the clock; a leap second is below the limit

	factClockSync   = "vouched" // name of the journal's fact that contains a syncRecord
	syncRecordEvery = time.Hour // interval between two writes of the fact while the clock is synchronised
)

// readClocks reads the wall clock and the time since boot at nearly the same moment.
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

// trusted reports whether the wall clock is trusted now, and stores the time if the kernel reports synchronisation.
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

// hubTolerance is the largest difference between the hub's clock and the machine's clock at which the hub's time
// confirms the machine's clock. A crystal's error after a month is about as large.
const hubTolerance = time.Minute

// trustHub trusts the machine's clock if the hub's time confirms it, for a site without a time server. The argument
// ahead is the hub's time minus the machine's time, and within is the uncertainty of ahead.
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

// restore reads the synchronisation that an earlier daemon of the same boot has stored.
func (v *clockTrust) restore(fact []byte, boot string) {
	var w syncRecord
	if json.Unmarshal(fact, &w) != nil || w.Boot != boot || boot == "" || boot == "unknown" {
		// the boot ID is unknown, so the stored synchronisation may be from an earlier boot
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.ever {
		v.ever, v.last = true, w
	}
}

// watchClock checks the clock once a minute until ctx ends, and stores each synchronisation. A time server may be
// reachable only for a short time between two taps.
func (v *clockTrust) watchClock(ctx context.Context, boot string, keep func(map[string][]byte) error) {
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
				// try again in a minute, because the disk may be full
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
