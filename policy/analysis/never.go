package analysis

import (
	"fmt"
	"math/bits"
	"slices"
	"time"

	"portillon/policy"
)

// Breach is a case that breaks an invariant: a member with the badges in Holds gets the role.
type Breach struct {
	Invariant  policy.Invariant
	Machine    policy.MachineID
	Role       policy.Role
	Holds      []policy.BadgeID    // the smallest set of badges that gives the role
	Accepted   []policy.OtherBadge // the badges of other issuers in the smallest set
	Supervised bool                // true if the role needs a mentor, who then holds every badge
	Clock      policy.Clock        // Untrusted if the role is given only while the clock is not trusted
	At         time.Time           // a moment at which the role is given
	When       string              // all times at which the role is given, in the form of hours in the policy file
	Grant      int                 // index of the grant that gives the role; -1 if mode warn gives it
}

// Breaches searches a case that breaks an invariant, for every invariant under never:. Breaches tries every combination
// of the badges that the machine names, in every time slot from the time from on (also of later years), with and
// without a mentor, and with a trusted and an untrusted clock. For each invariant and machine it returns one case, with
// the fewest badges.
func Breaches(p *policy.Policy, from time.Time) []Breach {
	var out []Breach
	for _, v := range p.Never {
		for i := range p.Machines {
			m := &p.Machines[i]
			if len(v.On) > 0 && !slices.Contains(v.On, m.ID) {
				continue
			}
			if b, found := breach(p, v, m, from); found {
				out = append(out, b)
			}
		}
	}
	return out
}

// breach searches a case that breaks one invariant at one machine. breach relies on a law that Prove checks: an
// additional badge never takes access away. Therefore, if a member with every badge except the badges in Without is
// refused, every member without those badges is refused too.
func breach(p *policy.Policy, v policy.Invariant, m *policy.Machine, from time.Time) (best Breach, found bool) {
	all := itemsOf(p, m)
	// sets contains, by role, the largest sets of badges without the badges of v.Without.
	sets := map[policy.Role][][]item{}
	for _, r := range v.Roles {
		sets[r] = without(p, all, v.Without, r)
	}
	hours := distinctHours(m)
	if v.At != nil {
		hours = append(hours, v.At)
	}
	tried := map[string]bool{}
	for _, s := range timeslotsOf(p.Zone, from, hours, m.Bookings) {
		if v.At != nil && !v.At.Open(s.at) {
			continue
		}
		for _, t := range trials(p, v, m, s.at) {
			for i, all := range sets[t.role] {
				met, given := t.met(all)
				key := t.key(met, i)
				// Skip cases that are refused, and cases that met the same grants in an earlier slot.
				if !given || tried[key] {
					continue
				}
				tried[key] = true // do not try again: the same grants need the same badges at any other time
				most := len(all)
				if found {
					most = len(best.Holds) + len(best.Accepted) - 1
				}
				// Search a breach with fewer badges than the smallest breach so far.
				if holds, few := t.fewest(t.asked(all, met), most); few {
					own, others := split(holds)
					best, found = Breach{v, m.ID, t.role, own, others, t.supervised, t.clock, s.at, s.span(), t.grant(holds)}, true
				}
			}
		}
	}
	return best, found
}

// trial is a question to the evaluator whose members have no badges yet. All other circumstances are as favourable as
// possible.
type trial struct {
	p          *policy.Policy
	m          *policy.Machine
	at         time.Time
	role       policy.Role
	clock      policy.Clock
	supervised bool
}

// trials returns the questions of one moment that could break an invariant.
func trials(p *policy.Policy, v policy.Invariant, m *policy.Machine, at time.Time) (out []trial) {
	for _, supervised := range []bool{false, true} {
		for _, clock := range []policy.Clock{policy.Trusted, policy.Untrusted} {
			for _, role := range v.Roles {
				if !supervised || !v.Alone {
					out = append(out, trial{p: p, m: m, at: at, role: role, clock: clock, supervised: supervised})
				}
			}
		}
	}
	return out
}

// These are the ids of members who exist only in an analysis. The ids are not valid slugs, so no booking in a policy
// can name one of these members.
const (
	nobodyBooked   policy.MemberID = "?"
	somebodyBeside policy.MemberID = "?supervisor"
)

// decide returns the decision for a member with these badges. During a booking, the member is the person who booked.
func (t trial) decide(holds []item) policy.Decision {
	q := policy.Question{
		At:      t.at,
		Clock:   t.clock,
		Machine: t.m.ID,
		Member:  bestMember(t.p, nobodyBooked, t.m.ID, t.at, holds),
		As:      t.role,
		Card:    policy.AES,
		Issued:  t.at,
	}
	if b := underWay(t.m.Bookings, t.at); b != nil {
		q.Member.ID = b.For
	}
	if t.supervised {
		q.Supervisor = bestMember(t.p, somebodyBeside, t.m.ID, t.at, itemsOf(t.p, t.m))
	}
	return t.p.Decide(q)
}

// The result met is the set of grants of the role that a member with these badges meets. given reports whether the
// decision gives the role.
func (t trial) met(holds []item) (grants []int, given bool) {
	d := t.decide(holds)
	for i, o := range d.Outcomes {
		if o.Verdict == policy.Allow && o.Role == t.role {
			grants = append(grants, i)
		}
	}
	return grants, d.Verdict == policy.Allow && d.Role == t.role
}

// key returns a text that is equal for two trials exactly if both give the same breach. The parameter set is the index
// of the set of badges that breach examines.
func (t trial) key(met []int, set int) string {
	return fmt.Sprint(t.role, t.supervised, t.clock, met, set)
}

// grant returns the index of the grant that gives the role, or -1 if mode warn gives the role.
func (t trial) grant(holds []item) int {
	d := t.decide(holds)
	if d.Would != d.Verdict {
		return -1
	}
	return d.Grant
}

// bestMember returns a member with these badges, all of them new, and with unlimited practice at the machine.
func bestMember(p *policy.Policy, id policy.MemberID, m policy.MachineID, at time.Time, holds []item) *policy.Member {
	return &policy.Member{
		ID:       id,
		Practice: []policy.Practice{{Machine: m, Last: at, Logged: 1 << 62}},
		Holdings: holdingsOf(p, holds, policy.Holding{From: at}),
	}
}

// gives reports whether a member with these badges gets the role.
func (t trial) gives(holds []item) bool {
	d := t.decide(holds)
	return d.Verdict == policy.Allow && d.Role == t.role
}

// fewest returns the smallest subset of the badges that gives the role. The result few is false if that subset has more
// than most badges. With up to twelve badges, fewest tries all sets, the smallest first (2^12 questions). With more
// badges, fewest removes one badge after the other while the role is still given.
func (t trial) fewest(badges []item, most int) (holds []item, few bool) {
	if len(badges) > 12 {
		for i := 0; i < len(badges); {
			if rest := slices.Delete(slices.Clone(badges), i, i+1); t.gives(rest) {
				badges = rest
			} else {
				i++
			}
		}
		return badges, len(badges) <= most
	}
	for size := range most + 1 {
		for set := range 1 << len(badges) {
			if bits.OnesCount(uint(set)) != size {
				continue
			}
			holds = nil
			for i, b := range badges {
				if set&(1<<i) != 0 {
					holds = append(holds, b)
				}
			}
			if t.gives(holds) {
				return holds, true
			}
		}
	}
	return nil, false
}

// badgesOf returns the badges that the machine's grants name, sorted.
func badgesOf(m *policy.Machine) []policy.BadgeID {
	var out []policy.BadgeID
	var walk func(n *policy.Need)
	walk = func(n *policy.Need) {
		if n.Badge != "" {
			out = append(out, n.Badge)
		}
		for i := range n.All {
			walk(&n.All[i])
		}
		for i := range n.Any {
			walk(&n.Any[i])
		}
	}
	for i := range m.Grants {
		walk(&m.Grants[i].Needs)
		if s := m.Grants[i].Supervisor; s != nil {
			walk(s)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
