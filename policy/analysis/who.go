package analysis

import (
	"slices"
	"time"

	"portillon/policy"
)

// RoleSet is a set of roles: bit r stands for role r.
type RoleSet uint8

// Has reports whether r is in the set.
func (s RoleSet) Has(r policy.Role) bool { return s&(1<<r) != 0 }

// Roles returns the roles in the set, least powerful first.
func (s RoleSet) Roles() (out []policy.Role) {
	for _, r := range policy.Roles() {
		if s.Has(r) {
			out = append(out, r)
		}
	}
	return out
}

// MemberRoles contains the roles that a member can have at a machine at one moment, without a mentor and with a mentor.
type MemberRoles struct {
	Member            *policy.Member
	Alone, Supervised RoleSet
}

// Who returns the roles of each member at a machine at a moment. Who assumes a card that authenticates itself, a
// trusted clock and a new bundle. The result has one entry per member, or is nil if the policy has no such machine. A
// nil member has no roles.
func Who(p *policy.Policy, id policy.MachineID, members []*policy.Member, at time.Time) []MemberRoles {
	m, ok := p.Machine(id)
	if !ok {
		return nil
	}
	out := make([]MemberRoles, len(members))
	for i, member := range members {
		out[i] = rolesNow(p, m, member, at)
	}
	return out
}

// rolesNow returns the roles of one member, as Who does for all members.
func rolesNow(p *policy.Policy, m *policy.Machine, member *policy.Member, at time.Time) MemberRoles {
	out := MemberRoles{Member: member}
	if member == nil {
		return out
	}
	d := p.Decide(favourable(m, member, at))
	for _, o := range d.Outcomes {
		switch o.Verdict {
		case policy.Allow:
			out.Alone |= 1 << o.Role
		case policy.Await: // the member lacks only a mentor
			out.Supervised |= 1 << o.Role
		}
	}
	if m.Mode == policy.Warn && !member.Blocked {
		out.Alone |= 1 << policy.User
	}
	return out
}

// favourable returns the question of a member who taps alone. Except badges, time and membership, all facts in the
// question are as favourable to the member as possible.
func favourable(m *policy.Machine, member *policy.Member, at time.Time) policy.Question {
	return policy.Question{At: at, Clock: policy.Trusted, Machine: m.ID, Member: member, Card: policy.AES, Issued: at}
}

// Right is a role that a grant gives a member at a machine, with the times. The member's badges are judged at the
// moment of the question.
type Right struct {
	Role       policy.Role
	Supervised bool          // true if the member has the role only with a mentor
	Hours      *policy.Hours // the times of the right; nil for any time
	Booked     bool          // true if the right applies only during the member's own booking
	// true if the right applies at the moment of the question: the hours are open, nobody else has booked the machine,
	// and the quota is not used up
	Now bool
}

// Rights returns the roles that each member has at a machine at any time, while Who returns the roles at one moment. A
// right without time limits replaces narrower rights of the same role. Rights are in the order of the grants.
func Rights(p *policy.Policy, id policy.MachineID, members []*policy.Member, at time.Time) [][]Right {
	m, ok := p.Machine(id)
	if !ok {
		return nil
	}
	out := make([][]Right, len(members))
	for i, member := range members {
		if member != nil {
			out[i] = rightsOf(p, m, member, at)
		}
	}
	return out
}

// rightsOf returns the rights of one member, as Rights does for all members.
func rightsOf(p *policy.Policy, m *policy.Machine, member *policy.Member, at time.Time) (out []Right) {
	if m.Mode == policy.Warn && !member.Blocked {
		out = append(out, Right{Role: policy.User, Now: true})
	}
	for i, o := range p.Decide(favourable(m, member, at)).Outcomes {
		if slices.ContainsFunc(o.Missing(), lasts) {
			continue
		}
		g := &m.Grants[i]
		r := Right{
			Role:       g.Role,
			Supervised: g.Supervisor != nil,
			Hours:      g.Hours,
			Booked:     g.Booked,
			Now:        o.Verdict != policy.Deny,
		}
		if !slices.ContainsFunc(out, func(x Right) bool { return x.includes(r) }) {
			out = append(slices.DeleteFunc(out, r.includes), r)
		}
	}
	return out
}

// lasts reports whether a reason also denies access at other times. Closed hours, bookings and used quotas deny access
// only for some time, and a missing mentor may arrive.
func lasts(r policy.Reason) bool {
	return r.Code != policy.OutsideHours && r.Code != policy.QuotaUsed && r.Code != policy.NeedsSupervisor
}

// includes reports whether the right r gives a member everything that the right y gives.
func (r Right) includes(y Right) bool {
	return r.Role == y.Role && r.Supervised == y.Supervised && (r == y || r.Hours == nil && !r.Booked && (r.Now || !y.Now))
}
