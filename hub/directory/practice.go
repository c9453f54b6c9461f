package directory

import (
	"context"
	"slices"

	"portillon/policy"
)

// Practised is the practice of members at machines, according to the hub's records.
type Practised struct {
	Of    map[policy.MemberID][]policy.Practice
	Known map[policy.MachineID]bool // machines of which the ledger may contain records
}

// practiceSource looks up the practice of members.
type practiceSource struct {
	ask func(ctx context.Context, machines []policy.MachineID) (Practised, error) // nil: no records of practice
}

// requiredBy returns the members' practice at the machines for which grants of the policies require practice. The
// result unknown contains sentences about machines of which the hub has no record: the directory treats grants that
// require practice there as not met.
func (s *practiceSource) requiredBy(ctx context.Context, policies ...*policy.Policy) (out Practised, unknown []string,
	err error) {
	var machines []policy.MachineID
	for _, p := range policies {
		if p != nil {
			machines = append(machines, p.NeedsPractice()...)
		}
	}
	slices.Sort(machines)
	if machines = slices.Compact(machines); len(machines) == 0 {
		return out, nil, nil
	}
	if s.ask != nil {
		if out, err = s.ask(ctx, machines); err != nil {
			return out, nil, err
		}
	}
	for _, m := range machines {
		if !out.Known[m] {
			unknown = append(unknown, string(m)+": no record of this machine is here: who used it is not known, and grants "+
				"with used-within: or hours: are taken as not met")
		}
	}
	return out, unknown, nil
}

// withPractice returns a copy of member m with the member's practice. withPractice does not modify m, which may belong
// to the index.
func (x Practised) withPractice(m *policy.Member) *policy.Member {
	if m == nil || len(x.Of[m.ID]) == 0 {
		return m
	}
	out := *m
	out.Practice = x.Of[m.ID]
	return &out
}
