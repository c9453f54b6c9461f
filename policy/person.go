package policy

import "time"

// person is a member as one machine sees them.
type person struct {
	all       []Holding
	last      time.Time     // end of the last session here
	logged    time.Duration // running time logged here
	day, week time.Duration // of it, on this day and in this week
	few       [16]uint8     // places in all of the badges that the machine may name
	n         int           // how many of few; beyond its end, all are looked at
	others    bool          // some are another issuer's
}

// meet looks once at what the machine wants to know.
func (x *person) meet(m *machine, who *Member) {
	if who == nil {
		return
	}
	x.all = who.Holdings
	x.sift(m.named)
	u := who.used(m.ID)
	x.last, x.logged, x.day, x.week = u.Last, u.Logged, u.Day, u.Week
}

// used is what the member has done at the machine. Where it is told twice, the better half of each counts, but for
// quotas the greater.
func (m *Member) used(id MachineID) (out Practice) {
	for i := range m.Practice {
		x := &m.Practice[i]
		if x.Machine != id {
			continue
		}
		if x.Last.After(out.Last) {
			out.Last = x.Last
		}
		out.Logged = max(out.Logged, x.Logged)
		out.Day, out.Week = max(out.Day, x.Day), max(out.Week, x.Week)
	}
	return out
}

// sift keeps the badges whose names may be among named. Most members hold badges of many machines.
func (x *person) sift(named uint64) {
	if len(x.all) > 1<<8 {
		x.n, x.others = len(x.few)+1, true
		return
	}
	n := 0
	for i := range x.all {
		if named&sieve(x.all[i].Badge) == 0 {
			continue
		}
		if n < len(x.few) {
			x.few[n] = uint8(i)
		}
		x.others = x.others || x.all[i].Other != nil
		n++
	}
	x.n = n
}

// holdings is how many holdings to look at, place where one of them stands in all.
func (x *person) holdings() int {
	if x.n > len(x.few) {
		return len(x.all)
	}
	return x.n
}

func (x *person) place(i int) int {
	if x.n > len(x.few) {
		return i
	}
	return int(x.few[i])
}

// sieve is one bit of 64 by which to tell most badges apart without comparing them. It reads all of a name
// of up to 24 bytes: those of one site share beginnings (the machine) and ends (the role).
func sieve(b BadgeID) uint64 {
	n := len(b)
	if n < 8 {
		return 1 << (short(b) & 63)
	}
	h := eight(b)*golden ^ eight(b[n-8:])
	if n > 16 {
		h = h*golden ^ eight(b[n/2-4:])
	}
	return 1 << (h * golden >> 58)
}

const golden = 0x9e3779b97f4a7c15 // 2^64 over the golden ratio: spreads the bits upwards

func short(b BadgeID) (h uint64) {
	for i := range len(b) {
		h = h<<8 | uint64(b[i])
	}
	return h * golden >> 58
}

// eight reads the first eight bytes at once.
func eight(b BadgeID) uint64 {
	_ = b[7]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}
