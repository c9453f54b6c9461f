package policy

import "slices"

// NeedsPractice returns the machines with a grant that depends on practice (used-within or hours), in the order of the
// policy.
func (p *Policy) NeedsPractice() (out []MachineID) {
	for i := range p.Machines {
		m := &p.Machines[i]
		if slices.ContainsFunc(m.Grants, func(g Grant) bool {
			return g.Needs.practised() || g.Supervisor != nil && g.Supervisor.practised()
		}) {
			out = append(out, m.ID)
		}
	}
	return out
}

// practised reports whether the need, or a need inside it, requires practice.
func (n *Need) practised() bool {
	within := func(list []Need) bool { return slices.ContainsFunc(list, func(x Need) bool { return x.practised() }) }
	return n.UsedWithin > 0 || n.Hours > 0 || within(n.All) || within(n.Any)
}
