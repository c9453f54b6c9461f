package policy

import "time"

// person is a member together with the member's practice at one machine.
type person struct {
	*prepared
	all       []Holding
	last      time.Time     // end of the member's last session on this machine
	logged    time.Duration // total running time that the member logged on this machine
	day, week time.Duration // how long the member used this machine on the day, and in the week, of the last session
	sessions  int           // number of sessions that the member began on this machine on the day of the last session
}

// prepared lists which of a member's badges may meet which need of one machine, so that a tap compares no names.
type prepared struct {
	machine  *machine
	holdings []Holding // the holdings from which places was computed
	// indices of the holdings that may meet the first need, then of those that may meet the second need, and so on
	places []uint32
	ends   []uint32 // for each need, the end of the need's part of places
	others bool     // true if another issuer issued at least one of the badges in places
}

// Prepare computes before a tap which of the member's badges may meet which need of a machine. Without Prepare, Decide
// gives the same answers, but more slowly. The result is valid for this policy, this machine and this list of badges. A
// copy of the member may have another list, but the badges in a list must not change afterwards.
func (p *Policy) Prepare(id MachineID, who *Member) {
	if m := p.machines[id]; m != nil && who != nil {
		who.prepared = prepare(m, who.Holdings)
	}
}

func prepare(m *machine, all []Holding) *prepared {
	needs := len(m.leaves)
	room := make([]uint32, needs, 2*needs+len(all)) // the ends, with capacity for the indices that most members need
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

// isOf reports whether x was computed for this machine and this list of badges.
func (x *prepared) isOf(m *machine, all []Holding) bool {
	return x != nil && x.machine == m && len(x.holdings) == len(all) &&
		(len(all) == 0 || &x.holdings[0] == &all[0])
}

// held returns the indices of the holdings that may meet the need.
func (x *prepared) held(n *need) []uint32 {
	from := uint32(0)
	if n.leaf > 1 {
		from = x.ends[n.leaf-2]
	}
	return x.places[from:x.ends[n.leaf-1]]
}

// meet collects the facts about the member that the machine needs.
func (x *person) meet(m *machine, who *Member) {
	if who == nil {
		return
	}
	x.all, x.prepared = who.Holdings, who.prepared
	if !x.isOf(m, who.Holdings) {
		x.prepared = prepare(m, who.Holdings)
	}
	u := who.used(m.ID)
	x.last, x.logged, x.day, x.week, x.sessions = u.Last, u.Logged, u.Day, u.Week, u.Sessions
}

// used returns the member's practice at the machine. If the machine is listed twice, the better value of each field
// counts, and for quotas the greater time and the greater number of sessions.
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
		out.Sessions = max(out.Sessions, x.Sessions)
	}
	return out
}
