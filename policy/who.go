package policy

import (
	"slices"
	"time"
)

// RoleSet is a set of roles.
type RoleSet uint8

// Has reports whether r is in the set.
func (s RoleSet) Has(r Role) bool { return s&(1<<r) != 0 }

// Roles are those in the set, least powerful first.
func (s RoleSet) Roles() (out []Role) {
	for _, r := range Roles() {
		if s.Has(r) {
			out = append(out, r)
		}
	}
	return out
}

// Place is what a member may be at a machine: alone, and while a supervisor answers.
type Place struct {
	Member            *Member
	Alone, Supervised RoleSet
}

// Who says what each member may be at a machine at a moment, with a card that proves itself, a trusted clock and a
// bundle of that moment. It judges as Decide does, and writes no reasons down.
func (p *Policy) Who(id MachineID, members []*Member, at time.Time) []Place {
	return p.who(id, members, at, at)
}

// who is Who with memberships as they stand on another day.
func (p *Policy) who(id MachineID, members []*Member, at, known time.Time) []Place {
	m := p.machines[id]
	if m == nil {
		return nil
	}
	out := make([]Place, len(members))
	j := p.favourable(m, at, known)
	for i, who := range members {
		j.meet(m, who)
		out[i] = j.place(m, who)
	}
	return out
}

// favourable judges with a card that proves itself, a trusted clock and a bundle of that moment; memberships as they
// stand on the day known.
func (p *Policy) favourable(m *machine, at, known time.Time) judge {
	return judge{q: Question{At: at, Clock: Trusted, Machine: m.ID, Card: AES, Issued: at}, zone: p.Zone, grace: p.StatusGrace, m: m.Machine,
		membership: &p.Membership, known: known}
}

// meet begins with another member.
func (j *judge) meet(m *machine, who *Member) {
	j.q.Member, j.member, j.lacks.n = who, person{}, 0
	j.member.meet(m, who)
	j.lapsed = j.hasLapsed(who)
}

func (j *judge) place(m *machine, who *Member) Place {
	s := Place{Member: who}
	if who == nil {
		return s
	}
	for i := range m.grants {
		g := &m.grants[i]
		j.at, j.lacks.n = uint16(i), 0
		if !j.ready(g) {
			continue
		}
		if g.Supervisor == nil {
			s.Alone |= 1 << g.Role
		} else {
			s.Supervised |= 1 << g.Role
		}
	}
	if m.Mode == Warn && !who.Blocked {
		s.Alone |= 1 << User
	}
	return s
}

// ready reports whether nothing but a supervisor is missing for a grant. It looks no further than the first lack.
func (j *judge) ready(g *grant) bool {
	if j.everyone(g.Role); j.lacks.n > 0 || !j.need(&g.needs, &j.member) {
		return false
	}
	j.hours(g.Hours)
	j.booked(g.Grant)
	j.quota(g.Quota)
	return j.lacks.n == 0
}

// Right is what a grant lets a member be at a machine, and when. Their badges are judged at the moment of the question.
type Right struct {
	Role       Role
	Supervised bool   // while a supervisor answers
	Hours      *Hours // nil: at any time
	Booked     bool   // within a booking of their own alone
	Now        bool   // at the moment of the question: open, not booked by another, and time left of the quota
}

// Rights are what each member may be at a machine at some time, where Who says what they may be now. A right at any
// time stands for the narrower ones of the same role. The order is that of the grants.
func (p *Policy) Rights(id MachineID, members []*Member, at time.Time) [][]Right {
	m := p.machines[id]
	if m == nil {
		return nil
	}
	out := make([][]Right, len(members))
	j := p.favourable(m, at, at)
	for i, who := range members {
		if who == nil {
			continue
		}
		j.meet(m, who)
		out[i] = j.rights(m, who)
	}
	return out
}

func (j *judge) rights(m *machine, who *Member) (out []Right) {
	if m.Mode == Warn && !who.Blocked {
		out = append(out, Right{Role: User, Now: true})
	}
	for i := range m.grants {
		g := &m.grants[i]
		j.at, j.lacks.n = uint16(i), 0
		if j.everyone(g.Role); j.lacks.n > 0 || !j.need(&g.needs, &j.member) {
			continue
		}
		r := Right{Role: g.Role, Supervised: g.Supervisor != nil, Hours: g.Hours, Booked: g.Booked}
		j.lacks.n = 0
		r.Now = j.ready(g)
		if !slices.ContainsFunc(out, func(x Right) bool { return x.includes(r) }) {
			out = append(slices.DeleteFunc(out, r.includes), r)
		}
	}
	return out
}

// includes reports whether whoever has r needs no y.
func (r Right) includes(y Right) bool {
	return r.Role == y.Role && r.Supervised == y.Supervised && (r == y || r.Hours == nil && !r.Booked && (r.Now || !y.Now))
}
