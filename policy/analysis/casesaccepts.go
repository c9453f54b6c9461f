package analysis

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"portillon/policy"
)

// side is a machine under one of the policies that are compared; m is nil where the policy has no such machine.
type side struct {
	policy *policy.Policy
	m      *policy.Machine
}

// foreign is a badge of another issuer that some need of a machine accepts, with all that tells it apart from others.
type foreign struct {
	badges []policy.OtherBadge // that are accepted alike: it makes no difference which is held
	as     []policy.BadgeID    // what it counts as
	needs  []policy.Need       // that it may meet: the ages and assurances that they tell apart
	like   string              // where it is accepted, in which roles and with what
}

// foreignBadges collects the badges that are accepted where the leaves of a grant stand, and the needs of what is
// asked for besides.
type foreignBadges struct {
	list []foreign
	with []policy.Need
}

// add takes the leaves of one grant of one side; as is the role that it gives, or Mentor for what it asks of a
// supervisor.
func (o *foreignBadges) add(at int, p *policy.Policy, all []policy.Need, as policy.Role) {
	for _, n := range all {
		entries := acceptsOf(p, n.Badge)
		for i := range entries {
			a := &entries[i]
			if !a.For(as) {
				continue
			}
			k := slices.IndexFunc(o.list, func(x foreign) bool { return x.badges[0].Same(a.OtherBadge) })
			if k < 0 {
				o.list, k = append(o.list, foreign{badges: []policy.OtherBadge{a.OtherBadge}}), len(o.list)
			}
			x := &o.list[k]
			if !slices.Contains(x.as, n.Badge) {
				x.as = append(x.as, n.Badge)
			}
			x.needs = append(x.needs, n)
			x.like += fmt.Sprintf("%d %s %d %s\n", at, n.Badge, as, a.With)
			if a.With != "" {
				o.with = append(o.with, policy.Need{Badge: a.With, Assurance: n.Assurance})
			}
		}
	}
}

// alike puts those together that are accepted in the same places: one of them stands for all.
func (o *foreignBadges) alike() (out []foreign) {
	for _, x := range o.list {
		k := slices.IndexFunc(out, func(y foreign) bool { return x.like == y.like })
		if k < 0 {
			out = append(out, x)
		} else {
			out[k].badges = append(out[k].badges, x.badges...)
		}
	}
	return out
}

// mostNamed of several badges that are accepted alike are named.
const mostNamed = 3

// chain is the badge as something that a member may hold.
func (x *foreign) chain(who someone) chain {
	var names []string
	for _, o := range x.badges[:min(len(x.badges), mostNamed)] {
		names = append(names, string(o.Issuer)+" "+o.Achievement)
	}
	if len(x.badges) > mostNamed {
		names = append(names, "…")
	}
	all := strings.Join(names, " | ")
	name := policy.Text{
		FR: who.has.FR + "un badge accepté (" + all + ")",
		EN: who.has.EN + "an accepted badge (" + all + ")",
	}
	held := x.badges[0]
	return heldChain(name, x.needs, func(q *policy.Question, age time.Duration, a policy.Assurance) {
		m := who.of(q)
		for _, b := range x.as {
			m.Holdings = append(
				m.Holdings,
				policy.Holding{Badge: b, Other: &held, Standing: policy.Verified, From: q.At.Add(-age), Assurance: a},
			)
		}
	})
}

// accepted adds a chain for each badge of another issuer.
func (s *cases) accepted(all foreignBadges, who someone) {
	for _, x := range all.alike() {
		s.chains = append(s.chains, x.chain(who))
	}
}
