package analysis

import (
	"slices"

	"portillon/policy"
)

// canSuperviseEachOther reports whether two members who meet the grant could each be the other's mentor. They can
// supervise each other if the site's badges that meet the grant also meet its supervisor: need, or if a foreign badge
// meets both the need of the grant and its supervisor: need.
func canSuperviseEachOther(p *policy.Policy, g *policy.Grant) bool {
	if g.Supervisor == nil {
		return false
	}
	held := []policy.OtherBadge{{}} // the first entry (the zero value) means that the members hold no foreign badge
	for _, n := range leaves(g.Needs) {
		if b, ok := p.Badge(n.Badge); ok {
			for i := range b.Accepts {
				if b.Accepts[i].For(g.Role) {
					held = append(held, b.Accepts[i].OtherBadge)
				}
			}
		}
	}
	return slices.ContainsFunc(held, func(x policy.OtherBadge) bool {
		return implies(g.Needs, *g.Supervisor, func(n, o policy.BadgeID) bool { return answersFor(p, n, g.Role, x, o) })
	})
}

// answersFor reports whether holdings that meet a need of the badge n in a role also meet a mentor's need of the badge
// o. other is a foreign badge that is held instead of n, or zero for none.
func answersFor(p *policy.Policy, n policy.BadgeID, role policy.Role, other policy.OtherBadge, o policy.BadgeID) bool {
	own := n
	has := []policy.OtherBadge{other}
	b, known := p.Badge(n)
	for i := 0; known && i < len(b.Accepts); i++ {
		if e := &b.Accepts[i]; e.Same(other) && e.For(role) {
			own = e.With
		}
	}
	if h, ok := p.Badge(own); ok {
		has = append(has, policy.OtherBadge{Issuer: h.Issuer, Achievement: h.Achievement})
	}
	asked, known := p.Badge(o)
	if own == o || !known {
		return own == o
	}
	return slices.ContainsFunc(asked.Accepts, func(e policy.Accept) bool {
		return slices.ContainsFunc(has, func(x policy.OtherBadge) bool {
			return e.For(policy.Mentor) && e.Same(x) && (e.With == "" || e.With == own)
		})
	})
}
