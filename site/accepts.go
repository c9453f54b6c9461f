package site

import (
	"slices"

	"portillon/openbadge"
	"portillon/policy"
)

// countedBadge is a verified badge of a member, with the badges of the policy that it satisfies.
type countedBadge struct {
	file    File
	matches []policy.Match
}

// Matches returns the badges of the policy that a verified badge satisfies: the policy's badge with the same
// achievement, and the badges for which the policy accepts this achievement.
func Matches(p *policy.Policy, b *openbadge.Badge) []policy.Match {
	for _, i := range p.Issuers {
		if i.Profile == b.IssuerID {
			return p.Matches(i.ID, b.AchievementID)
		}
	}
	return nil
}

// warnOfMissingBadges adds a warning for each accepted badge whose member lacks the additional badge that the policy
// requires («with:»).
func (b *Built) warnOfMissingBadges(s *Site, counted [][]countedBadge) {
	for i, m := range s.Members {
		for _, c := range counted[i] {
			for _, x := range c.matches {
				if with, needed := missingBadge(s.Policy, x, counted[i]); needed {
					b.warn(c.file, "counts as %s only with %s, which %s does not have", x.Badge, with, m.ID)
				}
			}
		}
	}
}

// missingBadge returns the additional badge that the policy requires with an accepted badge, if the member lacks this
// badge. If several entries of the policy accept the badge, the member needs the «with:» badge of only one entry.
func missingBadge(p *policy.Policy, x policy.Match, all []countedBadge) (with policy.BadgeID, needed bool) {
	b, ok := p.Badge(x.Badge)
	if !ok || x.Other == nil {
		return "", false
	}
	for _, a := range b.Accepts {
		if !a.Same(*x.Other) {
			continue
		}
		holds := func(c countedBadge) bool { return slices.Contains(c.matches, policy.Match{Badge: a.With}) }
		if a.With == "" || slices.ContainsFunc(all, holds) {
			return "", false
		}
		with = a.With
	}
	return with, true
}
