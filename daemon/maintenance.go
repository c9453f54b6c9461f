package daemon

import (
	"slices"
	"time"

	"portillon/policy"
)

// upkeep is which maintenance was done when, and by which of the machine's running hours.
type upkeep struct {
	done  map[string]policy.Done // by the kind of maintenance
	begun []string               // kinds that count from now, and are not on record yet
}

func newUpkeep(done map[string]policy.Done) upkeep {
	if done == nil {
		done = map[string]policy.Done{}
	}
	return upkeep{done: done}
}

// begin counts what is new to the policy from now, and from now too what was done while nobody knew when: by a clock
// that was not set. Call it only while the clock can be believed.
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

// isSettled reports whether a kind of maintenance is not due whatever the time is: it counts hours alone, or has just
// been done.
func (u *upkeep) isSettled(mach *policy.Machine, kind string) bool {
	i := slices.IndexFunc(mach.Maintenance, func(x policy.Upkeep) bool { return x.Kind == kind })
	d, known := u.done[kind]
	return i < 0 || mach.Maintenance[i].Every == 0 || known && d.At.IsZero()
}
