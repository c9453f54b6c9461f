package directory

import (
	"slices"

	"portillon/openbadge"
	"portillon/policy"
	"portillon/site"
)

// nameHashed adds a badges: line to each member who holds a badge that names its recipient by a hashed address. The
// build of a bundle accepts such a line only if the badge was issued to that member (site.Site.Owner). Without the
// line, the build tries the hash with every address of the site: for 10,000 members, of whom one in ten holds such a
// badge, that is ten million hashes for each change of a card.
func nameHashed(members []site.Member, entries []*entry) {
	place := make(map[policy.MemberID]int, len(members))
	for i := range members {
		place[members[i].ID] = i
	}
	for _, e := range entries {
		i, ok := place[e.ID]
		if !ok {
			continue
		}
		m := &members[i]
		for k, b := range e.Badges {
			if slices.ContainsFunc(e.held[k].to.Identifiers, isHashed) && !slices.Contains(m.Badges, b.File) {
				m.Badges = append(m.Badges, b.File)
			}
		}
	}
}

// isHashed reports whether a badge names its recipient by the hash of an address.
func isHashed(i openbadge.Identity) bool { return i.Hashed }
