package analysis

import (
	"slices"

	"portillon/policy"
)

// facet is how a role is had.
type facet struct {
	alone bool
	clock policy.Clock
}

var facets = [...]facet{
	{true, policy.Trusted},
	{true, policy.Untrusted},
	{false, policy.Trusted},
	{false, policy.Untrusted},
}

// had is when a policy gives each facet of a role to one state, and with what limits in each slot.
type had [len(facets)]struct {
	when   times
	limits []policy.Limits
}

// had asks both policies.
func (c *comparison) had(state []int) (before, after had) {
	for i, s := range c.timeslots {
		q := c.question(state, s.at, policy.Trusted)
		for _, clock := range []policy.Clock{policy.Trusted, policy.Untrusted} {
			if q.Clock = clock; clock == policy.Untrusted {
				q.Issued = c.from // all bookings of the year are still to come
			}
			c.gives(&before, c.before, q, i)
			c.gives(&after, c.after, q, i)
		}
	}
	return before, after
}

func (c *comparison) gives(out *had, p *policy.Policy, q policy.Question, slot int) {
	for _, g := range rolesGiven(p, q, p.Decide(q)) {
		if g.role != c.role {
			continue
		}
		f := &out[slices.Index(facets[:], facet{g.alone, q.Clock})]
		if f.when == nil {
			f.when, f.limits = c.timeslots.none(), make([]policy.Limits, len(c.timeslots))
		}
		f.when.set(slot)
		f.limits[slot] = g.limits
	}
}

// given is a role that a decision gives, whether alone, and the limits that the policy writes for it: not cut by
// closing times, since those that a slot begins with differ in every slot.
type given struct {
	role   policy.Role
	alone  bool
	limits policy.Limits
}

func rolesGiven(p *policy.Policy, q policy.Question, d policy.Decision) (out []given) {
	m, ok := p.Machine(q.Machine)
	if !ok {
		return nil
	}
	if m.Mode == policy.Warn && d.Verdict == policy.Allow && !q.Tagged { // whoever asks for it
		out = append(out, given{policy.User, true, d.Limits})
	}
	for i, o := range d.Outcomes {
		if o.Verdict != policy.Allow {
			continue
		}
		g := given{o.Role, m.Grants[i].Supervisor == nil, m.Grants[i].Session}
		switch k := slices.IndexFunc(out, func(x given) bool { return x.role == g.role && x.alone == g.alone }); {
		case k < 0:
			out = append(out, g)
		case g.limits.LongerThan(out[k].limits):
			out[k] = g
		}
	}
	return out
}

// aspect is something of a facet that differs: that it is gained, lost, or has other limits.
type aspect struct {
	facet
	what   whatDiffers
	limits limitPair
}

type whatDiffers uint8

const (
	gained whatDiffers = iota
	lost
	limited
)

type limitPair struct{ before, after policy.Limits }

// difference is what differs of one state, and when.
type difference []differs

type differs struct {
	aspect
	when times
}

func (d difference) in(a aspect) times {
	for _, x := range d {
		if x.aspect == a {
			return x.when
		}
	}
	return nil
}

func (d *difference) add(a aspect, when times) {
	if when.count() > 0 {
		*d = append(*d, differs{a, when})
	}
}

func (c *comparison) difference(state []int) (out difference) {
	if !c.possible(state) {
		return nil
	}
	before, after := c.had(state)
	for i, f := range facets {
		a, b := before[i], after[i]
		for what, when := range []times{gained: b.when.without(a.when), lost: a.when.without(b.when)} {
			x := aspect{facet: f, what: whatDiffers(what)}
			trusted := x
			if trusted.clock = policy.Trusted; f.clock == policy.Trusted || !when.within(out.in(trusted)) {
				// of what is the same by either clock, one is said
				out.add(x, when)
			}
		}
		if f.clock == policy.Trusted {
			out = append(out, c.limits(f, a.limits, b.limits, a.when.and(b.when))...)
		}
	}
	return out
}

// limits are those that differ at times at which both policies give a facet.
func (c *comparison) limits(f facet, before, after []policy.Limits, both times) (out difference) {
	for i := range c.timeslots {
		if both.has(i) && before[i] != after[i] {
			a := aspect{f, limited, limitPair{before[i], after[i]}}
			if out.in(a) == nil {
				out = append(out, differs{a, c.timeslots.none()})
			}
			out.in(a).set(i)
		}
	}
	return out
}

func (c *comparison) changes() []Change {
	all := make([]difference, c.states())
	var aspects []aspect
	for n := range all {
		all[n] = c.difference(c.state(n))
		for _, x := range all[n] {
			if !slices.Contains(aspects, x.aspect) {
				aspects = append(aspects, x.aspect)
			}
		}
	}
	var out []Change
	for _, f := range facets {
		for _, what := range []whatDiffers{gained, lost, limited} {
			for _, a := range aspects {
				if a.facet == f && a.what == what {
					out = append(out, c.minimalChanges(all, a)...)
				}
			}
		}
	}
	return out
}

// minimalChanges are the states that differ in an aspect at a time at which no lesser state does.
func (c *comparison) minimalChanges(all []difference, a aspect) (out []Change) {
	upTo := make([]times, len(all)) // of each state: when it differs, or one below it
	for n, d := range all {
		lesser := c.timeslots.none()
		for _, under := range c.under(n) {
			lesser.add(upTo[under])
		}
		when := d.in(a)
		rest := when.without(lesser)
		if rest.count() > 0 {
			out = append(out, c.change(all, n, a, rest))
		}
		lesser.add(when)
		upTo[n] = lesser
	}
	return out
}

func (c *comparison) change(all []difference, n int, a aspect, when times) Change {
	out := Change{
		Machine: c.id,
		Role:    c.role,
		Alone:   a.alone,
		Gained:  a.what == gained,
		Before:  a.limits.before,
		After:   a.limits.after,
	}
	out.With = c.words(c.state(n), func(n int) bool { return when.within(all[n].in(a)) })
	if a.clock == policy.Untrusted {
		out.Clock = "untrusted"
	}
	if a.what != limited || !c.both(n, a.facet).within(when) {
		out.When, out.Except = c.timeslots.when(when)
	}
	return out
}

// both is when both policies give a facet to a state.
func (c *comparison) both(n int, f facet) times {
	k := slices.Index(facets[:], f)
	before, after := c.had(c.state(n))
	return before[k].when.and(after[k].when)
}
