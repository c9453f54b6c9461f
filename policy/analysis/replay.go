package analysis

import (
	"slices"
	"time"

	"portillon/policy"
)

// Replayed is the result of replaying a past decision under another policy.
type Replayed struct {
	Was     policy.Verdict `json:"was"`
	Would   policy.Verdict `json:"would"`             // the answer of the other policy, undefined if Why is set
	Reasons []policy.Code  `json:"reasons,omitempty"` // the reasons of the other policy's answer
	Why     string         `json:"why,omitempty"`     // why the decision cannot be replayed; empty if it can be replayed
	// Obstacle is the kind of Why; empty: the decision can be replayed.
	Obstacle Obstacle `json:"obstacle,omitempty"`
}

// Changed reports whether the other policy gives another answer.
func (r Replayed) Changed() bool { return r.Why == "" && r.Was != r.Would }

// Replay evaluates the policy p for a question that the policy before has decided. The record of the decision contains
// the basis b of the question.
//
// The basis lists only the badges that the policy before names. If p names other badges, or trusts other keys of an
// issuer, the basis does not say whether the member held these badges. An additional badge never takes access away, so
// Replay evaluates p twice: once as if nobody held these badges, and once as if everybody held them. If the answers
// differ, the result has a Why and no answer.
func Replay(b policy.Basis, machine policy.MachineID, p, before *policy.Policy) Replayed {
	return NewReplayer(p, before).Replay(&b, machine)
}

// unknownBadges returns the badges of the policy p that a member may have held although the policy before did not
// recognise them.
func unknownBadges(p, before *policy.Policy) (out []policy.BadgeID) {
	for i := range p.Badges {
		b := &p.Badges[i]
		unseen := func(o policy.OtherBadge) bool {
			return len(before.MatchesOf(o)) == 0 || !sameIssuer(p, before, o.Issuer)
		}
		if unseen(policy.OtherBadge{Issuer: b.Issuer, Achievement: b.Achievement}) ||
			slices.ContainsFunc(b.Accepts, func(a policy.Accept) bool { return unseen(a.OtherBadge) }) {
			out = append(out, b.ID)
		}
	}
	return out
}

// sameIssuer reports whether both policies trust the same keys of an issuer.
func sameIssuer(p, before *policy.Policy, id policy.IssuerID) bool {
	a, known := p.Issuer(id)
	b, was := before.Issuer(id)
	return known && was && a.Profile == b.Profile && slices.Equal(a.Keys, b.Keys) &&
		slices.Equal(policy.StatusProfiles(p.Issuers, *a), policy.StatusProfiles(before.Issuers, *b))
}

// memberHolding returns the member with additional badges, issued at the time at and verified.
func memberHolding(m *policy.Member, badges []policy.BadgeID, at time.Time) *policy.Member {
	if m == nil {
		return nil
	}
	out := *m
	out.Holdings = slices.Clone(m.Holdings)
	for _, b := range badges {
		out.Holdings = append(out.Holdings, policy.Holding{Badge: b, Standing: policy.Verified, From: at})
	}
	return &out
}
