package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Change is something that members gain or lose by a change of policy, at its least: as it is for whoever holds no other badge, in
// the plainest circumstances (see space). Whoever has more gains or loses it too, unless another change says otherwise.
type Change struct {
	Machine MachineID `json:"machine"`
	Role    Role      `json:"role"`
	Alone   bool      `json:"alone"`          // false: while a supervisor answers
	Gained  bool      `json:"gained"`         // false: lost
	With    []Text    `json:"with"`           // what the member holds, and the circumstances without which it would not be so
	When    []string  `json:"when,omitempty"` // at these times; none: at any but Except
	Except  []string  `json:"except,omitempty"`
	Clock   string    `json:"clock,omitempty"` // "untrusted": only while the clock is not
	Before  Limits    `json:"before,omitzero"` // where the role is neither gained nor lost, but its session changes
	After   Limits    `json:"after,omitzero"`
}

// Limited reports whether the change is one of limits alone.
func (c Change) Limited() bool { return c.Before != c.After }

// Compare says who gains and who loses what between two policies of a site, over every combination that either tells apart: badges
// and their ages, practice, supervisors, cards, quotas, bookings, the clock, and every stretch of the year that follows from. It takes
// for granted who holds which badge: see CompareMembers, and Settings for the rest. The error is a *Flaw: a machine has too many combinations.
func Compare(before, after *Policy, from time.Time) ([]Change, error) {
	var out []Change
	for _, id := range machinesOf(before, after) {
		for _, r := range Roles() {
			c, err := newComparison(id, r, before, after, from)
			if err != nil {
				return nil, err
			}
			out = append(out, c.changes()...)
		}
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

// comparison is of one role at one machine under two policies: what other grants ask for makes no difference to it. NoRole: of all roles.
type comparison struct {
	space
	policies [2]*Policy
	slots    year
	from     time.Time
	role     Role
}

func newComparison(id MachineID, r Role, before, after *Policy, from time.Time) (*comparison, error) {
	a, b := before.only(id, r), after.only(id, r)
	c := &comparison{space: spaceOf(id, a, b), policies: [2]*Policy{before, after}, from: from, role: r}
	c.slots = slotsOf(after.Zone, from, distinctHours(a, b), bookingsOf(a), bookingsOf(b))
	if n := c.states(); n*len(c.slots) > maxCases {
		return nil, &Flaw{Machine: id, Text: Text{
			fmt.Sprintf("ses règles distinguent plus de %d cas : trop pour les essayer tous", maxCases),
			fmt.Sprintf("its rules tell apart more than %d cases: too many to try them all", maxCases)}}
	}
	return c, nil
}

// only is the machine with the grants of one role, or all of them. It is nil where the policy has no such machine.
func (p *Policy) only(id MachineID, r Role) *Machine {
	m, ok := p.Machine(id)
	if !ok || r == NoRole {
		return m
	}
	some := *m
	some.Grants = slices.DeleteFunc(slices.Clone(m.Grants), func(g Grant) bool { return g.Role != r })
	return &some
}

// facet is a role, and how it is had.
type facet struct {
	role  Role
	alone bool
	clock Clock
}

func facetsOf(r Role) []facet {
	return []facet{{r, true, Trusted}, {r, true, Untrusted}, {r, false, Trusted}, {r, false, Untrusted}}
}

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
			if clock == Untrusted {
				q.Issued = c.from // all bookings of the year are still to come
			}
			d := p.Decide(q)
			for _, g := range rolesGiven(p, q, d) {
				if g.role != c.role {
					continue
				}
				f := facet{g.role, g.alone, clock}
				if out.when[f] == nil {
					out.when[f] = c.slots.none()
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
	if d.Verdict != d.Would { // mode warn
		return d.Limits
	}
	m := p.machines[c.id]
	return m.Grants[d.Grant].Session
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
		if all = append(all, d); !c.possible(d.state) {
			continue
		}
		d.before, d.after = c.had(c.policies[0], d.state), c.had(c.policies[1], d.state)
		d.gained, d.lost = more(d.after, d.before), more(d.before, d.after)
		all[n] = d
	}
	var out []Change
	for _, f := range facetsOf(c.role) {
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

// in is when it gains or loses a facet. Of what is the same whether the clock is trusted or not, one is said.
func (d *difference) in(f facet, gained bool) times {
	of := d.lost
	if gained {
		of = d.gained
	}
	if t := of[f]; t != nil && f.clock == Untrusted && t.within(of[facet{f.role, f.alone, Trusted}]) {
		return nil
	}
	return of[f]
}

// least are the differences of a facet that no lesser state has too.
func (c *comparison) least(all []difference, f facet, gained bool) []Change {
	changed := slices.DeleteFunc(slices.Clone(all), func(d difference) bool { return d.in(f, gained).count() == 0 })
	var out []Change
	for i, d := range changed {
		rest := d.in(f, gained)
		for j, lesser := range changed {
			if i != j && below(lesser.state, d.state) {
				rest = rest.without(lesser.in(f, gained))
			}
		}
		if rest.count() == 0 {
			continue
		}
		with := c.words(d.state, func(n int) bool { return rest.within(all[n].in(f, gained)) })
		x := Change{Machine: c.id, Role: f.role, Alone: f.alone, Gained: gained, With: with}
		if f.clock == Untrusted {
			x.Clock = "untrusted"
		}
		x.When, x.Except = c.slots.when(rest)
		out = append(out, x)
	}
	return out
}

// limited are changes of limits where the role itself stays.
func (c *comparison) limited(all []difference, f facet) []Change {
	var out []Change
	said := map[limitPair][][]int{}
	for _, d := range all {
		x, both := d.limits(f)
		if !both || x.before == x.after || slices.ContainsFunc(said[x], func(s []int) bool { return below(s, d.state) }) {
			continue
		}
		said[x] = append(said[x], d.state)
		same := func(n int) bool { y, both := all[n].limits(f); return both && x == y }
		out = append(out, Change{Machine: c.id, Role: f.role, Alone: f.alone, With: c.words(d.state, same), Before: x.before, After: x.after})
	}
	return out
}

type limitPair struct{ before, after Limits }

// limits are those of a facet that both policies give at the same time.
func (d *difference) limits(f facet) (x limitPair, both bool) {
	a, b := d.before.when[f], d.after.when[f]
	return limitPair{d.before.limits[f], d.after.limits[f]}, a != nil && b != nil && a.and(b).count() > 0
}

// In is the change in a sentence: who gains or loses what, where and when.
func (c Change) In(l Language) string {
	say := func(fr, en string) string { return Text{fr, en}.In(l) }
	var with []string
	for _, w := range c.With {
		with = append(with, w.In(l))
	}
	if with == nil {
		with = []string{say("sans badge", "without a badge")}
	}
	role := c.Role.String()
	if !c.Alone {
		role += say(" avec un superviseur", " with a supervisor")
	}
	out := string(c.Machine) + say(" : ", ": ") + strings.Join(with, ", ") + say(" : ", ": ")
	switch {
	case c.Limited():
		return out + role + say(", session ", ", session ") + limitsInWords(c.Before, l) + " → " + limitsInWords(c.After, l)
	case c.Gained:
		out += say("obtient ", "gains ") + role
	default:
		out += say("perd ", "loses ") + role
	}
	out += WhenInWords(c.When, c.Except, l)
	if c.Clock != "" {
		out += say(", tant que l’heure n’est pas sûre", ", while the clock is not trusted")
	}
	return out
}

// mostSpans bounds a sentence; all of them stand in the JSON.
const mostSpans = 8

// WhenInWords goes behind what happens at those times: nothing where it is at any.
func WhenInWords(when, except []string, l Language) string {
	list := func(all []string) string {
		if len(all) <= mostSpans {
			return strings.Join(all, "; ")
		}
		return strings.Join(all[:mostSpans], "; ") + fmt.Sprintf(Text{"; et %d autres fois", "; and %d more times"}.In(l), len(all)-mostSpans)
	}
	switch {
	case len(except) > 0:
		return Text{", sauf ", ", except "}.In(l) + list(except)
	case len(when) > 0:
		return ", " + list(when)
	}
	return ""
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
