package directory

import (
	"slices"

	"portillon/openbadge"
	"portillon/policy"
	"portillon/site"
)

// nameHashed adds a badges: line to each member who has a badge that names the recipient by a hashed address. The build
// of a bundle accepts such a line only if the badge was issued to that member (site.Site.Owner). Without the line, the
// build compares the hash with the hash of every address of the site. For 10,000 members, of whom one in ten has such a
// badge, this takes ten million hashes for each change of a card.
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

// isHashed reports whether a badge names the recipient by the hash of an address.
func isHashed(i openbadge.Identity) bool { return i.Hashed }
