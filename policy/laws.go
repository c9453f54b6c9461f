package policy

import (
	"fmt"
	"time"
)

// Prove tries what must hold of every policy on all cases that this one tells apart: that more of anything (a badge, a fresher one, more
// practice, a stronger card) never takes a role away, and that a tag stops every role but maintainer. The error names the first case
// against it, or the machine that has too many cases to try.
func (p *Policy) Prove(from time.Time) error {
	for i := range p.Machines {
		c, err := newComparison(p.Machines[i].ID, p, p, from)
		if err == nil {
			err = c.prove(func(q Question) uint { return roleSet(p, q) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// prove tries the laws on what a judge gives: a bit for each role.
func (c *comparison) prove(judge func(Question) uint) error {
	roles := make([][]uint, c.states()) // of each state: the roles that it has in each slot, alone and not
	for n := range roles {
		state := c.state(n)
		for _, s := range c.slots {
			q := c.question(state, s.at, Trusted)
			set := judge(q)
			q.Tagged = true
			if tagged := judge(q); tagged&^(1<<Maintainer|1<<(Maintainer+8)) != 0 {
				return fmt.Errorf("policy: machine %q: tagged out, it still lets %v in, %s", c.id, c.words(state), s.span())
			}
			roles[n] = append(roles[n], set)
		}
	}
	for n := range roles {
		step := 1
		for i, level := range c.state(n) {
			if size := len(c.chains[i].apply); level+1 < size {
				if at, lost := loses(roles[n], roles[n+step]); lost {
					return fmt.Errorf("policy: machine %q: with %v a role is lost that %v have, %s", c.id, c.words(c.state(n+step)), c.words(c.state(n)), c.slots[at].span())
				}
			}
			step *= len(c.chains[i].apply)
		}
	}
	return nil
}

// roleSet is a bit for each role that is had alone, and eight further on for each that is had with a supervisor.
func roleSet(p *Policy, q Question) (set uint) {
	for _, g := range rolesGiven(p, q, p.Decide(q)) {
		if g.alone {
			set |= 1 << g.role
		} else {
			set |= 1 << (g.role + 8)
		}
	}
	return set
}

func loses(less, more []uint) (at int, lost bool) {
	for i := range less {
		if less[i]&^more[i] != 0 {
			return i, true
		}
	}
	return 0, false
}
