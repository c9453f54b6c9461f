package analysis

import (
	"slices"

	"portillon/policy"
)

// item is something that a member may hold: a badge of the policy, or a foreign badge that some badge of the policy
// accepts.
type item struct {
	badge policy.BadgeID
	other policy.OtherBadge // set if badge is empty
}

// holdingsOf returns the holdings of a member with these items. fresh is the template for their age and assurance.
func holdingsOf(p *policy.Policy, all []item, fresh policy.Holding) (out []policy.Holding) {
	fresh.Standing = policy.Verified
	for _, x := range all {
		matches := []policy.Match{{Badge: x.badge}}
		if x.badge == "" {
			matches = p.MatchesOf(x.other)
		}
		for _, m := range matches {
			h := fresh
			h.Badge, h.Other = m.Badge, m.Other
			out = append(out, h)
		}
	}
	return out
}

// itemsOf returns the items that matter at the machine: the badges that its grants name, the foreign badges that those
// badges accept, and the badges in «with:» of the entries.
func itemsOf(p *policy.Policy, m *policy.Machine) (out []item) {
	named := badgesOf(m)
	for _, id := range named {
		b, _ := p.Badge(id)
		for i := range b.Accepts {
			if w := b.Accepts[i].With; w != "" && !slices.Contains(named, w) {
				named = append(named, w)
			}
		}
	}
	slices.Sort(named)
	for _, id := range named {
		out = append(out, item{badge: id})
	}
	for _, id := range named {
		b, _ := p.Badge(id)
		for i := range b.Accepts {
			o := b.Accepts[i].OtherBadge
			if !slices.ContainsFunc(out, func(x item) bool { return x.badge == "" && x.other.Same(o) }) {
				out = append(out, item{other: o})
			}
		}
	}
	return out
}

// maxBesides bounds the badges in «with:» that one rule under never: tries with and without: 2^6 sets. For further
// badges, sets that hold both badges are tried too. The analysis may then report a case that cannot occur, but it never
// misses one.
const maxBesides = 6

// without returns the largest sets of items in which nothing counts as one of the badges in the role. A foreign badge
// that counts as one of the badges, together with the badge in «with:» of its entry, is treated as that badge. In a
// role in which the entry does not count, the foreign badge is kept. If an entry has a «with:», a set leaves out either
// the badge in «with:» or the foreign badge.
func without(p *policy.Policy, all []item, badges []policy.BadgeID, r policy.Role) [][]item {
	rest := slices.DeleteFunc(
		slices.Clone(all),
		func(x item) bool { return x.badge != "" && slices.Contains(badges, x.badge) },
	)
	pairs := map[policy.BadgeID][]policy.OtherBadge{} // foreign badges by the badge in their entry's «with:»
	var besides []policy.BadgeID
	for _, id := range badges {
		entries := acceptsOf(p, id)
		for i := range entries {
			switch a := &entries[i]; {
			case !a.For(r):
			case a.With == "":
				rest = lacking(rest, a.OtherBadge)
			case slices.Contains(rest, item{badge: a.With}):
				if pairs[a.With] == nil {
					besides = append(besides, a.With)
				}
				pairs[a.With] = append(pairs[a.With], a.OtherBadge)
			}
		}
	}
	// Each badge in «with:» doubles the sets: one without that badge, one without its foreign badges.
	out := [][]item{rest}
	for _, w := range besides[:min(len(besides), maxBesides)] {
		var next [][]item
		for _, set := range out {
			next = append(next, slices.DeleteFunc(slices.Clone(set), func(x item) bool { return x.badge == w }),
				lacking(set, pairs[w]...))
		}
		out = next
	}
	return out
}

// lacking returns the set without these foreign badges.
func lacking(set []item, others ...policy.OtherBadge) []item {
	return slices.DeleteFunc(slices.Clone(set), func(x item) bool {
		return x.badge == "" && slices.ContainsFunc(others, x.other.Same)
	})
}

// split divides a case into badges of the policy and foreign badges.
func split(set []item) (own []policy.BadgeID, others []policy.OtherBadge) {
	for _, x := range set {
		if x.badge != "" {
			own = append(own, x.badge)
		} else {
			others = append(others, x.other)
		}
	}
	return own, others
}

// asked returns the items that these grants need.
func (t trial) asked(all []item, grants []int) []item {
	named := func(b policy.BadgeID) bool {
		return slices.ContainsFunc(grants, func(i int) bool { return t.m.Grants[i].Needs.Names(b) })
	}
	var with []policy.BadgeID
	for i := range t.p.Badges {
		for _, a := range t.p.Badges[i].Accepts {
			if named(t.p.Badges[i].ID) {
				with = append(with, a.With)
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(x item) bool {
		if x.badge != "" {
			return !named(x.badge) && !slices.Contains(with, x.badge)
		}
		return !slices.ContainsFunc(t.p.MatchesOf(x.other), func(m policy.Match) bool { return named(m.Badge) })
	})
}

// acceptsOf returns the entries under accepts: of a badge. An unknown badge has none.
func acceptsOf(p *policy.Policy, id policy.BadgeID) []policy.Accept {
	if b, ok := p.Badge(id); ok {
		return b.Accepts
	}
	return nil
}
