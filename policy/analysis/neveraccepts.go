package analysis

import (
	"slices"

	"portillon/policy"
)

// item is a badge of the policy, or a foreign badge that a badge of the policy accepts.
type item struct {
	badge policy.BadgeID
	other policy.OtherBadge // set if badge is empty
}

// holdingsOf returns the holdings of a member with these items. All these holdings have the issue date and the
// assurance of the holding fresh.
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

// itemsOf returns the items that matter at the machine: the badges that its grants name, the foreign badges that these
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

// maxBesides is the largest number of badges in «with:» that the search tries both with and without (2^6 sets). For
// further badges, the search tries sets that contain both the badge and the foreign badge. If there are more badges,
// Breaches may report a case that cannot occur, but never misses a case.
const maxBesides = 6

// without returns the largest sets of items that contain neither one of the badges nor a foreign badge that the policy
// accepts as one of them in the role. The sets leave out a foreign badge that one of these badges accepts in the role.
// If the entry does not apply to the role, the sets contain the foreign badge. If an entry has a «with:», a set leaves
// out either the badge in «with:» or the foreign badge.
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
	// Each badge in «with:» doubles the sets: one set lacks the badge, the other set lacks the badge's foreign badges.
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

// lacking returns the set of items without these foreign badges.
func lacking(set []item, others ...policy.OtherBadge) []item {
	return slices.DeleteFunc(slices.Clone(set), func(x item) bool {
		return x.badge == "" && slices.ContainsFunc(others, x.other.Same)
	})
}

// split divides a set of items into badges of the policy and foreign badges.
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

// asked returns the items that the grants require.
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

// acceptsOf returns the entries under accepts: of a badge. An unknown badge has no entries.
func acceptsOf(p *policy.Policy, id policy.BadgeID) []policy.Accept {
	if b, ok := p.Badge(id); ok {
		return b.Accepts
	}
	return nil
}
