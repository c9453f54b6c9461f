package policy

import "slices"

// peers reports whether two who meet the grant could answer for each other: whoever meets it with the site's own
// badges, or with one badge of another issuer wherever that is accepted, meets what it asks of a supervisor.
func (p *Policy) peers(g *Grant) bool {
	if g.Supervisor == nil {
		return false
	}
	held := []OtherBadge{{}} // first, none
	for _, n := range leaves(g.Needs) {
		if b, ok := p.Badge(n.Badge); ok {
			for i := range b.Accepts {
				if b.Accepts[i].For(g.Role) {
					held = append(held, b.Accepts[i].OtherBadge)
				}
			}
		}
	}
	return slices.ContainsFunc(held, func(x OtherBadge) bool {
		return g.Needs.implies(*g.Supervisor, func(n, o BadgeID) bool { return p.answers(n, g.Role, x, o) })
	})
}

// answers reports whether what meets a need of the badge n in a role, with the other badge where n accepts it, meets a
// supervisor's need of the badge o.
func (p *Policy) answers(n BadgeID, role Role, other OtherBadge, o BadgeID) bool {
	own := n
	has := []OtherBadge{other}
	b, known := p.Badge(n)
	for i := 0; known && i < len(b.Accepts); i++ {
		if e := &b.Accepts[i]; e.Same(other) && e.For(role) {
			own = e.With
		}
	}
	if h, ok := p.Badge(own); ok {
		has = append(has, OtherBadge{h.Issuer, h.Achievement})
	}
	asked, known := p.Badge(o)
	if own == o || !known {
		return own == o
	}
	return slices.ContainsFunc(asked.Accepts, func(e Accept) bool {
		return slices.ContainsFunc(has, func(x OtherBadge) bool {
			return e.For(Mentor) && e.Same(x) && (e.With == "" || e.With == own)
		})
	})
}
