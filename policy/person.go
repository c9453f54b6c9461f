package policy

import "time"

// person is a member as one machine sees them.
type person struct {
	*prepared
	all       []Holding
	last      time.Time     // end of the last session here
	logged    time.Duration // running time logged here
	day, week time.Duration // of it, on this day and in this week
}

// prepared says which of a member's badges may meet which need of one machine, so that a tap compares no names.
type prepared struct {
	machine  *machine
	holdings []Holding // that it was made of
	places   []uint32  // in holdings: first those that may meet the first need, then those for the second …
	ends     []uint32  // by need: where its places end
	others   bool      // some of places are another issuer's badges
}

// Prepare works out, ahead of the taps, which of the member's badges may meet which need of a machine. Without it the
// member is judged the same, but slower. It holds for this policy, this machine and this list of badges: a copy of the
// member may have another list, and the badges in a list must not be changed after.
func (p *Policy) Prepare(id MachineID, who *Member) {
	if m := p.machines[id]; m != nil && who != nil {
		who.prepared = prepare(m, who.Holdings)
	}
}

func prepare(m *machine, all []Holding) *prepared {
	needs := len(m.leaves)
	room := make([]uint32, needs, 2*needs+len(all)) // the ends, then as many places as most members need
	x := &prepared{machine: m, holdings: all, ends: room[:needs:needs], places: room[needs:]}
	for i, ask := range m.leaves {
		for place := range all {
			if all[place].Badge == ask.Badge {
				x.places = append(x.places, uint32(place))
				x.others = x.others || all[place].Other != nil
			}
		}
		x.ends[i] = uint32(len(x.places))
	}
	return x
}

// isOf reports whether it was prepared for this machine, of this list of badges.
func (x *prepared) isOf(m *machine, all []Holding) bool {
	return x != nil && x.machine == m && len(x.holdings) == len(all) &&
		(len(all) == 0 || &x.holdings[0] == &all[0])
}

// held are the places of the holdings that may meet the need.
func (x *prepared) held(n *need) []uint32 {
	from := uint32(0)
	if n.leaf > 1 {
		from = x.ends[n.leaf-2]
	}
	return x.places[from:x.ends[n.leaf-1]]
}

// meet looks once at what the machine wants to know.
func (x *person) meet(m *machine, who *Member) {
	if who == nil {
		return
	}
	x.all, x.prepared = who.Holdings, who.prepared
	if !x.isOf(m, who.Holdings) {
		x.prepared = prepare(m, who.Holdings)
	}
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
