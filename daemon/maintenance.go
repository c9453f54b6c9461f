package daemon

import (
	"slices"
	"time"

	"portillon/policy"
)

// upkeep records when each kind of maintenance was last done, and at which running hours of the machine.
type upkeep struct {
	done  map[string]policy.Done // by kind of maintenance
	begun []string               // kinds whose interval starts now and is not recorded yet
}

func newUpkeep(done map[string]policy.Done) upkeep {
	if done == nil {
		done = map[string]policy.Done{}
	}
	return upkeep{done: done}
}

// begin starts the intervals of kinds that are new to the policy, and of maintenance that was done while the clock was
// not trusted. The intervals count from now. Call begin only while the clock is trusted.
func (u *upkeep) begin(mach *policy.Machine, ran time.Duration, now time.Time) {
	for _, x := range mach.Maintenance {
		d, known := u.done[x.Kind]
		if known && !d.At.IsZero() && !d.At.After(now) {
			continue
		}
		if !known {
			d.Ran = ran
		}
		d.At = now
		u.done[x.Kind] = d
		u.begun = append(u.begun, x.Kind)
	}
}

// isSettled reports whether a kind of maintenance is not due whatever the time is, because its interval counts only
// running hours, or because it has just been done.
func (u *upkeep) isSettled(mach *policy.Machine, kind string) bool {
	i := slices.IndexFunc(mach.Maintenance, func(x policy.Upkeep) bool { return x.Kind == kind })
	d, known := u.done[kind]
	return i < 0 || mach.Maintenance[i].Every == 0 || known && d.At.IsZero()
}
