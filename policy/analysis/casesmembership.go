package analysis

import (
	"slices"
	"time"

	"portillon/policy"
)

// memberships adds a chain for members whose membership has ended, if the two policies judge such members differently.
// An analysis of a single policy needs no such chain, because a lapsed member keeps some roles unchanged and loses all
// other roles.
func (s *cases) memberships(before, after *policy.Policy) {
	a, b := before.Membership, after.Membership
	same := a.Grace == b.Grace
	for _, r := range policy.Roles() {
		same = same && a.Keeps(r) == b.Keeps(r)
	}
	if same {
		return
	}
	graces := []time.Duration{a.Grace, b.Grace}
	slices.Sort(graces)
	c := chain{}
	c.add(policy.Text{}, nothing)
	for _, g := range slices.Compact(graces) {
		word := policy.Text{FR: "une adhésion terminée", EN: "a membership that has ended"}
		if g > 0 {
			word = policy.Text{
				FR: word.FR + " depuis plus de " + policy.FormatDuration(g),
				EN: "a membership that ended more than " + policy.FormatDuration(g) + " ago",
			}
		}
		c.add(word, func(q *policy.Question) {
			// the evaluator then judges the membership at the same moment, also while the clock is not trusted
			q.LastTrusted = q.At
			q.Member.Until = policy.DateOf(q.At, after.Zone).AddDays(-int(g/(24*time.Hour)) - 1)
		})
	}
	s.chains = append(s.chains, c)
}
