package analysis

import (
	"fmt"
	"math/bits"
	"slices"
	"time"

	"portillon/policy"
)

// Breach is a case that an invariant says must not be: someone with these badges gets this role.
type Breach struct {
	Invariant  policy.Invariant
	Machine    policy.MachineID
	Role       policy.Role
	Holds      []policy.BadgeID    // the fewest with which it happens
	Accepted   []policy.OtherBadge // of them, those of other issuers
	Supervised bool                // a supervisor with every badge answers for the session
	Clock      policy.Clock        // Untrusted: only while the clock is not
	At         time.Time           // one moment of it
	When       string              // as hours say it
	Grant      int                 // index of the grant that gives the role; -1: mode warn does
}

// Breaches looks for a case against every invariant, over all that a decision may depend on: every combination of the
// badges that the machine names, every stretch of time from a day on, be it of another year, a supervisor or none, a
// clock that is trusted or not. Where there are several cases against an invariant at one machine, it is one with the
// fewest badges.
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

// breach relies on a law of every policy, that another badge never takes access away: where somebody who holds every
// badge but the excepted is refused, everybody else without them is.
func breach(p *policy.Policy, v policy.Invariant, m *policy.Machine, from time.Time) (best Breach, found bool) {
	all := itemsOf(p, m)
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
				if !given || tried[key] {
					continue
				}
				tried[key] = true // whichever badges it takes, it takes them at any time at which the same grants can be met
				most := len(all)
				if found {
					most = len(best.Holds) + len(best.Accepted) - 1
				}
				if holds, few := t.fewest(t.asked(all, met), most); few {
					own, others := split(holds)
					best, found = Breach{v, m.ID, t.role, own, others, t.supervised, t.clock, s.at, s.span(), t.grant(holds)}, true
				}
			}
		}
	}
	return best, found
}

// trial is a question without its badges: everything else is as favourable as can be.
type trial struct {
	p          *policy.Policy
	m          *policy.Machine
	at         time.Time
	role       policy.Role
	clock      policy.Clock
	supervised bool
}

// trials are the questions of a moment against which an invariant may not hold.
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

// Nobody can have booked a machine under these names, and nobody is both: they are no slugs.
const (
	nobodyBooked   policy.MemberID = "?"
	somebodyBeside policy.MemberID = "?supervisor"
)

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

// met are the grants that somebody with these badges meets.
func (t trial) met(holds []item) (grants []int, given bool) {
	d := t.decide(holds)
	for i, o := range d.Outcomes {
		if o.Verdict == policy.Allow && o.Role == t.role {
			grants = append(grants, i)
		}
	}
	return grants, d.Verdict == policy.Allow && d.Role == t.role
}

// key tells trials apart by what they come to; set is the place of the badges that were held among those that may be.
func (t trial) key(met []int, set int) string {
	return fmt.Sprint(t.role, t.supervised, t.clock, met, set)
}

// grant is the one that gives the role, or -1.
func (t trial) grant(holds []item) int {
	d := t.decide(holds)
	if d.Would != d.Verdict {
		return -1
	}
	return d.Grant
}

// best is a member whose badges are fresh and whose practice is all that could be asked.
func bestMember(p *policy.Policy, id policy.MemberID, m policy.MachineID, at time.Time, holds []item) *policy.Member {
	return &policy.Member{
		ID:       id,
		Practice: []policy.Practice{{Machine: m, Last: at, Logged: 1 << 62}},
		Holdings: holdingsOf(p, holds, policy.Holding{From: at}),
	}
}

func (t trial) gives(holds []item) bool {
	d := t.decide(holds)
	return d.Verdict == policy.Allow && d.Role == t.role
}

// fewest are the fewest of the badges with which the role is given, if they are no more than most: the smallest sets
// are tried first. Of more than twelve badges, one after the other is taken away instead, while it is still given.
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

// badges are those that the machine's grants name, sorted.
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
