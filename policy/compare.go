package policy

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// Change is something that members gain or lose by a change of policy, at its least: whoever has more gains or loses it too, unless
// another change says otherwise.
type Change struct {
	Machine MachineID `json:"machine"`
	Role    Role      `json:"role"`
	Alone   bool      `json:"alone"`           // false: while a supervisor answers
	Gained  bool      `json:"gained"`          // false: lost
	With    []string  `json:"with"`            // what the member holds, and the circumstances
	When    []string  `json:"when,omitempty"`  // at these times; none: at any
	Clock   string    `json:"clock,omitempty"` // "untrusted": only while the clock is not
	Before  Limits    `json:"before,omitzero"` // where the role is neither gained nor lost, but its session changes
	After   Limits    `json:"after,omitzero"`
}

// Limited reports whether the change is one of limits alone.
func (c Change) Limited() bool { return c.Before != c.After }

// Compare says who gains and who loses what between two policies of a site, over every combination that either tells apart: badges
// and their ages, practice, supervisors, cards, quotas, the clock, and every stretch of the year that follows from. An error means
// that a machine has too many combinations: it says which.
func Compare(before, after *Policy, from time.Time) ([]Change, error) {
	var out []Change
	for _, id := range machinesOf(before, after) {
		c, err := newComparison(id, before, after, from)
		if err != nil {
			return nil, err
		}
		out = append(out, c.changes()...)
	}
	return out, nil
}

func machinesOf(policies ...*Policy) []MachineID {
	var out []MachineID
	for _, p := range policies {
		for i := range p.Machines {
			if id := p.Machines[i].ID; !slices.Contains(out, id) {
				out = append(out, id)
			}
		}
	}
	return out
}

// comparison is of one machine under two policies.
type comparison struct {
	space
	policies [2]*Policy
	slots    []slot
}

func newComparison(id MachineID, before, after *Policy, from time.Time) (*comparison, error) {
	a, _ := before.Machine(id)
	b, _ := after.Machine(id)
	c := &comparison{space: spaceOf(id, a, b), policies: [2]*Policy{before, after}}
	var bookings []Booking
	for _, m := range []*Machine{a, b} {
		if m != nil {
			bookings = append(bookings, m.Bookings...)
		}
	}
	c.slots = slotsOf(after.Zone, from, distinctHours(a, b), bookings)
	if n := c.states(); n*len(c.slots) > maxStates {
		return nil, fmt.Errorf("policy: machine %q: its rules tell apart more than %d cases: too many to compare them all", id, maxStates)
	}
	return c, nil
}

// facet is a role, and how it is had.
type facet struct {
	role  Role
	alone bool
	clock Clock
}

func facets() []facet {
	var out []facet
	for _, r := range Roles() {
		for _, alone := range []bool{true, false} {
			out = append(out, facet{r, alone, Trusted}, facet{r, alone, Untrusted})
		}
	}
	return out
}

// times is a set of slots.
type times []uint64

func (t times) set(i int)      { t[i/64] |= 1 << (i % 64) }
func (t times) has(i int) bool { return t[i/64]&(1<<(i%64)) != 0 }

func (t times) count() (n int) {
	for _, w := range t {
		n += bits.OnesCount64(w)
	}
	return n
}

// without is t but for what is in o.
func (t times) without(o times) times {
	out := slices.Clone(t)
	for i := range o {
		out[i] &^= o[i]
	}
	return out
}

func (t times) and(o times) times { return t.without(t.without(o)) }

// had is when each policy gives each facet to one state, and with what limits where that is the same all the time.
type had struct {
	when   map[facet]times
	limits map[facet]Limits
}

func (c *comparison) had(p *Policy, state []int) had {
	out := had{map[facet]times{}, map[facet]Limits{}}
	for i, s := range c.slots {
		for _, clock := range []Clock{Trusted, Untrusted} {
			q := c.question(state, s.at, clock)
			d := p.Decide(q)
			for _, g := range rolesGiven(p, q, d) {
				f := facet{g.role, g.alone, clock}
				if out.when[f] == nil {
					out.when[f] = make(times, len(c.slots)/64+1)
				}
				out.when[f].set(i)
				out.limits[f] = c.limitsOf(p, q, g.role, out.limits[f])
			}
		}
	}
	return out
}

// limitsOf are the limits that the policy writes for the role, not cut by closing times: those that a slot begins with differ in every slot.
func (c *comparison) limitsOf(p *Policy, q Question, r Role, known Limits) Limits {
	if known != (Limits{}) {
		return known
	}
	q.As = r
	d := p.Decide(q)
	if m, ok := p.Machine(c.id); ok && d.Grant >= 0 && d.Grant < len(m.Grants) {
		return m.Grants[d.Grant].Session
	}
	return Limits{}
}

// given is a role that a decision gives, and whether alone.
type given struct {
	role  Role
	alone bool
}

func rolesGiven(p *Policy, q Question, d Decision) (out []given) {
	m, ok := p.Machine(q.Machine)
	if !ok {
		return nil
	}
	if m.Mode == Warn && d.Verdict == Allow && !q.Tagged { // whoever asks for it
		out = append(out, given{User, true})
	}
	for i, o := range d.Outcomes {
		if o.Verdict == Allow {
			out = append(out, given{o.Role, m.Grants[i].Supervisor == nil})
		}
	}
	return out
}

// difference is what one state gains or loses.
type difference struct {
	state         []int
	gained, lost  map[facet]times
	before, after had
}

func (c *comparison) changes() []Change {
	var all []difference
	for n := range c.states() {
		d := difference{state: c.state(n)}
		d.before, d.after = c.had(c.policies[0], d.state), c.had(c.policies[1], d.state)
		d.gained, d.lost = more(d.after, d.before), more(d.before, d.after)
		all = append(all, d)
	}
	var out []Change
	for _, f := range facets() {
		out = append(out, c.least(all, f, true)...)
		out = append(out, c.least(all, f, false)...)
		if f.clock == Trusted {
			out = append(out, c.limited(all, f)...)
		}
	}
	return out
}

// more is what a has and b has not.
func more(a, b had) map[facet]times {
	out := map[facet]times{}
	for f, t := range a.when {
		if rest := t.without(b.when[f]); rest.count() > 0 {
			out[f] = rest
		}
	}
	return out
}

// least are the differences of a facet that no lesser state has too. Of what is the same whether the clock is trusted or not, one is said.
func (c *comparison) least(all []difference, f facet, gained bool) []Change {
	of := func(d difference) times {
		of := d.lost
		if gained {
			of = d.gained
		}
		if t := of[f]; t != nil && f.clock == Untrusted {
			return t.without(of[facet{f.role, f.alone, Trusted}])
		}
		return of[f]
	}
	changed := slices.DeleteFunc(slices.Clone(all), func(d difference) bool { return of(d).count() == 0 })
	var out []Change
	for i, d := range changed {
		rest := of(d)
		for j, lesser := range changed {
			if i != j && below(lesser.state, d.state) {
				rest = rest.without(of(lesser))
			}
		}
		if rest.count() == 0 {
			continue
		}
		x := Change{Machine: c.id, Role: f.role, Alone: f.alone, Gained: gained, With: c.words(d.state)}
		if f.clock == Untrusted {
			x.Clock = "untrusted"
		}
		x.When = c.when(rest)
		out = append(out, x)
	}
	return out
}

// limited are changes of limits where the role itself stays.
func (c *comparison) limited(all []difference, f facet) []Change {
	var out []Change
	type pair struct{ before, after Limits }
	said := map[pair][][]int{}
	for _, d := range all {
		a, b := d.before.when[f], d.after.when[f]
		if a == nil || b == nil || a.and(b).count() == 0 {
			continue
		}
		x := pair{d.before.limits[f], d.after.limits[f]}
		if x.before == x.after || slices.ContainsFunc(said[x], func(s []int) bool { return below(s, d.state) }) {
			continue
		}
		said[x] = append(said[x], d.state)
		out = append(out, Change{Machine: c.id, Role: f.role, Alone: f.alone, With: c.words(d.state), Before: x.before, After: x.after})
	}
	return out
}

// when is a set of slots in words; none where it is all of them. Slots of the same days that follow each other are one.
func (c *comparison) when(t times) []string {
	if t.count() == len(c.slots) {
		return nil
	}
	var out []string
	for i := 0; i < len(c.slots); i++ {
		if !t.has(i) {
			continue
		}
		s := c.slots[i]
		for i+1 < len(c.slots) && t.has(i+1) && c.slots[i+1].from == s.to && slices.Equal(c.slots[i+1].days, s.days) {
			i++
			s.to = c.slots[i].to
		}
		out = append(out, s.span())
	}
	return out
}

// In is the change in a sentence: who gains or loses what, where and when.
func (c Change) In(l Language) string {
	with := strings.Join(c.With, ", ")
	say := func(fr, en string) string { return Text{fr, en}.In(l) }
	if with == "" {
		with = say("sans badge", "without a badge")
	}
	role := c.Role.String()
	if !c.Alone {
		role += say(" avec un superviseur", " with a supervisor")
	}
	out := fmt.Sprintf("%s: %s: ", c.Machine, with)
	switch {
	case c.Limited():
		return out + role + say(", session ", ", session ") + limitsInWords(c.Before, l) + " → " + limitsInWords(c.After, l)
	case c.Gained:
		out += say("obtient ", "gains ") + role
	default:
		out += say("perd ", "loses ") + role
	}
	if len(c.When) > 0 {
		out += ", " + strings.Join(c.When, "; ")
	}
	if c.Clock != "" {
		out += say(", tant que l’heure n’est pas sûre", ", while the clock is not trusted")
	}
	return out
}

// limitsInWords is what is bounded, in the words of the policy file.
func limitsInWords(x Limits, l Language) string {
	var out []string
	for _, y := range []struct {
		key string
		d   time.Duration
	}{{"max", x.Max}, {"idle", x.Idle}, {"warn", x.Warn}, {"extend", x.Extend}} {
		if y.d > 0 {
			out = append(out, y.key+" "+short24(y.d))
		}
	}
	if len(out) == 0 {
		return Text{"sans limite", "without a limit"}.In(l)
	}
	return strings.Join(out, ", ")
}
