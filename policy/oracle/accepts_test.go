package oracle

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"portillon/policy"
)

// theirs lists the badges of another issuer that policies may accept.
var theirs = []string{"f0", "f1", "f2"}

func otherBadge(url string) policy.OtherBadge {
	return policy.OtherBadge{Issuer: "o", Achievement: url}
}

// accepts adds random entries under accepts: to badges of a model. No two entries of a badge are for the same role.
func (g gen) accepts(m *policy.Model) {
	for i := range m.Badges {
		b := &m.Badges[i]
		for _, url := range theirs {
			if g.IntN(4) > 0 {
				continue
			}
			a := policy.Accept{OtherBadge: otherBadge(url)}
			if g.IntN(2) == 0 {
				for a.With = b.ID; a.With == b.ID; {
					a.With = badges[g.IntN(len(badges))]
				}
			}
			switch g.IntN(3) {
			case 0: // add one entry for some roles, and one entry for the other roles
				rest := policy.Accept{OtherBadge: a.OtherBadge}
				for _, r := range policy.Roles() {
					if g.IntN(2) == 0 {
						a.Roles = append(a.Roles, r)
					} else {
						rest.Roles = append(rest.Roles, r)
					}
				}
				if len(a.Roles)*len(rest.Roles) > 0 {
					b.Accepts = append(b.Accepts, a, rest)
				}
			case 1:
				a.Roles = policy.Roles()
				fallthrough
			default:
				b.Accepts = append(b.Accepts, a)
			}
		}
	}
}

// ways returns the alternatives, as Cedar conditions, that meet a need of a badge with an assurance: the badge itself,
// and each badge that it accepts in a grant of the role, together with the badge in With. what returns the Cedar
// condition on a held badge for the badge's name in the context.
func ways(b *policy.Badge, least policy.Assurance, who string, as policy.Role, what func(held string) string) string {
	held := func(name string) string { return fmt.Sprintf("context.%s.%s%d", who, name, least) }
	or := []string{held(string(b.ID)) + ".counts" + what(held(string(b.ID)))}
	for _, a := range b.Accepts {
		for _, url := range theirs {
			entryFor := slices.Contains(a.Roles, as) ||
				a.Roles == nil && (as == policy.Learner || as == policy.User || as == policy.Host)
			if a.Achievement != url || !entryFor {
				continue
			}
			way := held(url) + ".counts" + what(held(url))
			if a.With != "" {
				way += " && " + held(string(a.With)) + ".counts"
			}
			or = append(or, way)
		}
	}
	return "(" + strings.Join(or, " || ") + ")"
}

// others adds badges of another issuer to a member. Like a machine's roster, it adds a holding for every badge that
// accepts the other badge. Sometimes it adds a holding for a badge that does not accept the other badge. Such a holding
// must not count.
func (g gen) others(s site, m *policy.Member, at time.Time) {
	for range g.IntN(4) {
		url := theirs[g.IntN(len(theirs))]
		h := g.holding(at)
		other := otherBadge(url + []string{"", "?cid=1"}[g.IntN(2)])
		h.Other = &other
		for _, b := range s.model.Badges {
			accepted := slices.ContainsFunc(b.Accepts, func(a policy.Accept) bool { return a.Achievement == url })
			if accepted || g.IntN(8) == 0 {
				h.Badge = b.ID
				m.Holdings = append(m.Holdings, h)
			}
		}
	}
}

// is reports whether a holding is the badge with that name, of the policy itself or of another issuer.
func is(h policy.Holding, name string) bool {
	if h.Other == nil {
		return string(h.Badge) == name
	}
	url, _, _ := strings.Cut(h.Other.Achievement, "?")
	return url == name
}

// names returns the names of all badges that a random member may hold.
func names() (out []string) {
	for _, b := range badges {
		out = append(out, string(b))
	}
	return append(out, theirs...)
}
