package analysis

import (
	"slices"

	"portillon/policy"
)

// facet is a way in which a role is given: with or without a mentor, and with a trusted or an untrusted clock.
type facet struct {
	alone bool
	clock policy.Clock
}

// facets lists all facets, in the order in which changes are reported.
var facets = [...]facet{
	{true, policy.Trusted},
	{true, policy.Untrusted},
	{false, policy.Trusted},
	{false, policy.Untrusted},
}

// had contains, for one state, the slots in which a policy gives each facet of a role, and the limits in each slot.
type had [len(facets)]struct {
	when   times
	limits []policy.Limits
}

// had evaluates both policies for a state in every slot.
func (c *comparison) had(state []int) (before, after had) {
	for i, s := range c.timeslots {
		q := c.question(state, s.at, policy.Trusted)
		for _, clock := range []policy.Clock{policy.Trusted, policy.Untrusted} {
			if q.Clock = clock; clock == policy.Untrusted {
				q.Issued = c.from // an old bundle, made before the first booking of the year
			}
			c.gives(&before, c.before, q, i)
			c.gives(&after, c.after, q, i)
		}
	}
	return before, after
}

// gives evaluates the policy p for a question in one time slot, and adds the roles in the answer to out.
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

// given is a role that a decision gives, with the limits that the policy file sets. given does not use limits that a
// closing time has shortened, because these limits differ in every slot.
type given struct {
	role   policy.Role
	alone  bool
	limits policy.Limits
}

// rolesGiven returns the roles that a decision gives, with the longest limits. Each role occurs at most once without a
// mentor and once with a mentor.
func rolesGiven(p *policy.Policy, q policy.Question, d policy.Decision) (out []given) {
	m, ok := p.Machine(q.Machine)
	if !ok {
		return nil
	}
	if m.Mode == policy.Warn && d.Verdict == policy.Allow && !q.Tagged { // mode warn gives user to every member
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

// aspect is one kind of difference of a facet: gained, lost, or with changed limits.
type aspect struct {
	facet
	what   whatDiffers
	limits limitPair
}

// whatDiffers is the kind of difference of a facet between the policies.
type whatDiffers uint8

const (
	gained whatDiffers = iota
	lost
	limited
)

// limitPair contains the limits under both policies, or zero limits for a role that is gained or lost.
type limitPair struct{ before, after policy.Limits }

// difference lists, for one state, the aspects in which the two policies differ, each with the time slots of the
// difference.
type difference []differs

type differs struct {
	aspect
	when times
}

// in returns the slots in which an aspect differs, or nil if it differs in no slot.
func (d difference) in(a aspect) times {
	for _, x := range d {
		if x.aspect == a {
			return x.when
		}
	}
	return nil
}

// add appends an aspect if the aspect's set of slots is not empty.
func (d *difference) add(a aspect, when times) {
	if when.count() > 0 {
		*d = append(*d, differs{a, when})
	}
}

// difference compares both policies for one state. A state that cannot occur has no difference.
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
				// Report a change that occurs with both kinds of clock only once, for the trusted clock.
				out.add(x, when)
			}
		}
		if f.clock == policy.Trusted {
			out = append(out, c.limits(f, a.limits, b.limits, a.when.and(b.when))...)
		}
	}
	return out
}

// limits returns the time slots in which both policies give the role in this facet, but with different limits.
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

// changes returns the minimal changes of all aspects, by facet and kind.
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

// minimalChanges returns, for one aspect, each state in which the policies differ in a time slot in which they agree
// about all smaller states.
func (c *comparison) minimalChanges(all []difference, a aspect) (out []Change) {
	// for each state, the slots in which the policies differ about this state or about a smaller state
	upTo := make([]times, len(all))
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

// change describes the difference of state n in an aspect during the slots when.
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

// both returns the slots in which both policies give state n the role in this facet.
func (c *comparison) both(n int, f facet) times {
	k := slices.Index(facets[:], f)
	before, after := c.had(c.state(n))
	return before[k].when.and(after[k].when)
}
