package analysis

import (
	"fmt"
	"strings"
	"time"

	"portillon/policy"
)

// Flaw is the error of a failed analysis of a machine: the policy breaks a law, or there are too many cases to try.
type Flaw struct {
	Machine policy.MachineID
	Broken  bool // true if a law is broken, false if there are too many cases
	Text    policy.Text
}

func (f *Flaw) Error() string { return fmt.Sprintf("policy: machine %q: %s", f.Machine, f.Text.EN) }

// Prove checks two laws on all cases that a policy distinguishes. First, an additional or better badge of the member or
// the mentor never takes a role away. Second, a tag stops every role except maintainer. The error is a *Flaw with the
// first case that breaks a law, or with a machine that has too many cases.
func Prove(p *policy.Policy, from time.Time) error {
	for i := range p.Machines {
		c, err := newComparison(p.Machines[i].ID, policy.NoRole, p, p, from)
		if err == nil {
			err = c.prove(func(q policy.Question) uint { return roleSet(p, q) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// prove checks the laws on the answers of judge, which returns a bit for each role (see roleSet).
func (c *comparison) prove(judge func(policy.Question) uint) error {
	roles := make([][]uint, c.states()) // the result of judge by state and slot
	for n := range roles {
		state := c.state(n)
		// Judge each slot twice: once while the machine has no tag, and once while the machine is tagged out.
		for _, s := range c.timeslots {
			q := c.question(state, s.at, policy.Trusted)
			set := judge(q)
			q.Tagged = true
			if tagged := judge(q); tagged&^(1<<policy.Maintainer|1<<(policy.Maintainer+8)) != 0 {
				with := c.every(state)
				return c.broken(
					s,
					policy.Text{
						FR: "hors service, la machine donne encore un rôle (" + with.FR + ")",
						EN: "tagged out, the machine still gives a role (" + with.EN + ")",
					},
				)
			}
			roles[n] = append(roles[n], set)
		}
	}
	for n := range roles {
		for i, under := range c.under(n) {
			if c.chains[i].kind != ofBadge {
				continue
			}
			if at, lost := loses(roles[under], roles[n]); lost {
				less, more := c.every(c.state(under)), c.every(c.state(n))
				return c.broken(
					c.timeslots[at],
					policy.Text{FR: "un badge de plus enlève un rôle : (" + more.FR + ") n’a pas un rôle que (" + less.FR + ") a",
						EN: "another badge takes a role away: (" + more.EN + ") lacks a role that (" + less.EN + ") has"},
				)
			}
		}
	}
	return nil
}

// broken is the error for a law that a slot breaks.
func (c *comparison) broken(s timeslot, t policy.Text) error {
	return &Flaw{Machine: c.id, Broken: true, Text: policy.Text{FR: t.FR + ", " + s.span(), EN: t.EN + ", " + s.span()}}
}

// every describes a state: it joins the texts of the state's level in each chain.
func (c *comparison) every(state []int) policy.Text {
	words := c.words(state, func(int) bool { return false })
	if len(words) == 0 {
		return policy.Text{FR: "sans badge", EN: "no badge"}
	}
	var fr, en []string
	for _, w := range words {
		fr, en = append(fr, w.FR), append(en, w.EN)
	}
	return policy.Text{FR: strings.Join(fr, ", "), EN: strings.Join(en, ", ")}
}

// roleSet returns the set of roles that a decision gives: bit r for a role r without a mentor, bit r+8 for a role r
// with a mentor.
func roleSet(p *policy.Policy, q policy.Question) (set uint) {
	for _, g := range rolesGiven(p, q, p.Decide(q)) {
		if g.alone {
			set |= 1 << g.role
		} else {
			set |= 1 << (g.role + 8)
		}
	}
	return set
}

// loses returns the first slot in which less contains a role that more does not contain. The parameters less and more
// contain the role set of each time slot.
func loses(less, more []uint) (at int, lost bool) {
	for i := range less {
		if less[i]&^more[i] != 0 {
			return i, true
		}
	}
	return 0, false
}
