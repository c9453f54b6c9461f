package analysis

import (
	"fmt"
	"strings"
	"time"

	"portillon/policy"
)

// Flaw is what an analysis of a machine came upon: a law that does not hold, or too many cases to try.
type Flaw struct {
	Machine policy.MachineID
	Broken  bool // a law; else nothing can be said
	Text    policy.Text
}

func (f *Flaw) Error() string { return fmt.Sprintf("policy: machine %q: %s", f.Machine, f.Text.EN) }

// Prove tries what must hold of every policy on all cases that this one tells apart: that another badge, or a better
// one, the member's or a supervisor's, never takes a role away where nothing else differs, and that a tag stops every
// role but maintainer. The error is a *Flaw: the first case against it, or a machine that has too many cases to try.
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

// prove tries the laws on what a judge gives: a bit for each role.
func (c *comparison) prove(judge func(policy.Question) uint) error {
	roles := make([][]uint, c.states()) // of each state: the roles that it has in each slot, alone and not
	for n := range roles {
		state := c.state(n)
		for _, s := range c.timeslots {
			q := c.question(state, s.at, policy.Trusted)
			set := judge(q)
			q.Tagged = true
			if tagged := judge(q); tagged&^(1<<policy.Maintainer|1<<(policy.Maintainer+8)) != 0 {
				with := c.every(state)
				return c.broken(
					s,
					policy.Text{
						FR: "mise hors service, elle s’ouvre encore (" + with.FR + ")",
						EN: "tagged out, it still opens (" + with.EN + ")",
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
						EN: "another badge takes a role away: (" + more.EN + ") has not a role that (" + less.EN + ") has"},
				)
			}
		}
	}
	return nil
}

func (c *comparison) broken(s timeslot, t policy.Text) error {
	return &Flaw{Machine: c.id, Broken: true, Text: policy.Text{FR: t.FR + ", " + s.span(), EN: t.EN + ", " + s.span()}}
}

// every is all that there is to say of a state.
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

// roleSet is a bit for each role that is had alone, and eight further on for each that is had with a supervisor.
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

func loses(less, more []uint) (at int, lost bool) {
	for i := range less {
		if less[i]&^more[i] != 0 {
			return i, true
		}
	}
	return 0, false
}
