package analysis

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"portillon/policy"
)

// side is a machine under one of the compared policies. m is nil if the policy has no such machine.
type side struct {
	policy *policy.Policy
	m      *policy.Machine
}

// foreign is a badge of another issuer that a need of the machine accepts, or several badges that are accepted in
// exactly the same places.
type foreign struct {
	badges []policy.OtherBadge // badges with the same effect, because they are accepted in the same places
	as     []policy.BadgeID    // the site's badges that accept the foreign badge
	needs  []policy.Need       // the needs that the badge can meet; their ages and assurances are the levels of the chain
	// the places, roles and «with:» of all entries for the badge, as text; equal for badges with the same effect
	like string
}

// foreignBadges collects the foreign badges that the needs of a machine accept.
type foreignBadges struct {
	list []foreign
	with []policy.Need // badges that entries require in «with:»
}

// add collects the badges that the leaves of one grant accept. The parameter at is the index of the side (the policy).
// The parameter as is the role that the grant gives, or Mentor for the leaves of the grant's supervisor: need.
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

// alike returns the badges, merged if they are accepted in the same places.
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

// mostNamed is the largest number of merged badges that a sentence names.
const mostNamed = 3

// chain returns the chain of levels in which the person may hold the badge.
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

// accepted adds a chain for each foreign badge.
func (s *cases) accepted(all foreignBadges, who someone) {
	for _, x := range all.alike() {
		s.chains = append(s.chains, x.chain(who))
	}
}
