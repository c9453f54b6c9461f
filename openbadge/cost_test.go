package openbadge

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// hostileMost is how much more processor time the most expensive hostile input may take than one sound badge: about 100
// ms beside 0.13 ms on the machine where both were first measured, and twice that for a machine that is busy.
const hostileMost = 1600

// memoryMost bounds what one hostile input may allocate, in MB.
const memoryMost = 64

// cost is what f took.
type cost struct {
	cpu time.Duration // processor time of the process: what other programs do meanwhile does not count
	mb  float64       // allocated
}

// measure runs f once.
func measure(f func()) cost {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := cpuTime()
	f()
	took := cpuTime() - start
	runtime.ReadMemStats(&after)
	return cost{took, float64(after.TotalAlloc-before.TotalAlloc) / (1 << 20)}
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// sound is what one sound badge costs, measured in the same run.
func sound(t *testing.T) time.Duration {
	t.Helper()
	k := key(t)
	badge, o := issued(t, k)["JSON"], Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}}, At: today}
	const times = 200
	return measure(func() {
		for range times {
			Verify(badge, o)
		}
	}).cpu / times
}

// judgeCost reports an input that costs too much. The best of five tries counts.
func judgeCost(t *testing.T, name string, unit time.Duration, f func()) cost {
	t.Helper()
	best := cost{cpu: time.Hour}
	for try := 0; try < 5 && best.cpu > hostileMost*unit; try++ {
		best = measure(f)
	}
	if best.cpu > hostileMost*unit || best.mb > memoryMost {
		t.Errorf("%s: %s", name, best.beside(unit))
	}
	return best
}

func (c cost) beside(unit time.Duration) string {
	return fmt.Sprintf(
		"%.0f × a sound badge (%v beside %v; at most %d ×), %.1f MB (at most %d)",
		float64(c.cpu)/float64(unit),
		c.cpu.Round(10*time.Microsecond),
		unit.Round(time.Microsecond),
		hostileMost,
		c.mb,
		memoryMost,
	)
}
