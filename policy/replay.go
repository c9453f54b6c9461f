package policy

import (
	"fmt"
	"slices"
	"time"
)

// Replayed is what became of a decision of the past when it was asked again.
type Replayed struct {
	Was     Verdict `json:"was"`
	Would   Verdict `json:"would"`             // what the other policy answers; meaningless where Why is set
	Reasons []Code  `json:"reasons,omitempty"` // what is missing under the other policy
	Why     string  `json:"why,omitempty"`     // why the decision cannot be asked again; empty: it can
}

// Changed reports whether the other policy answers otherwise.
func (r Replayed) Changed() bool { return r.Why == "" && r.Was != r.Would }

// Replay asks p what before decided on the basis of b. A badge counted by what its issuer said on that day.
//
// The basis holds the badges that before names. Of a badge that only p names, or of an issuer whose keys differ, it
// cannot tell whether it was held. Another badge never takes access away: so p is asked twice, once as if nobody held
// such badges and once as if everybody did, and where the answers differ, the decision cannot be asked again.
func (b Basis) Replay(machine MachineID, p, before *Policy) Replayed {
	out := Replayed{Was: b.Verdict}
	q, err := b.Question(machine)
	if err != nil {
		out.Why = err.Error()
		return out
	}
	most, unknown := q, unknownBadges(p, before)
	q.Member, q.Supervisor = q.Member.under(p, before), q.Supervisor.under(p, before)
	most.Member, most.Supervisor = q.Member.holding(unknown, q.At), q.Supervisor.holding(unknown, q.At)
	d := p.Decide(q)
	if got := p.Decide(most).Verdict; got != d.Verdict {
		out.Why = fmt.Sprintf("the answer depends on badges that the policy of that day did not name: %v without them, "+
			"%v with them (%v)", d.Verdict, got, unknown)
		return out
	}
	out.Would, out.Reasons = d.Verdict, d.Codes()
	return out
}

// unknownBadges are the badges of p that a member may have held without before's knowledge.
func unknownBadges(p, before *Policy) (out []BadgeID) {
	for i := range p.Badges {
		b := &p.Badges[i]
		unseen := func(o OtherBadge) bool {
			return len(before.MatchesOf(o)) == 0 || !sameIssuer(p, before, o.Issuer)
		}
		if unseen(OtherBadge{b.Issuer, b.Achievement}) ||
			slices.ContainsFunc(b.Accepts, func(a Accept) bool { return unseen(a.OtherBadge) }) {
			out = append(out, b.ID)
		}
	}
	return out
}

// sameIssuer reports whether both policies believe the same signatures of an issuer.
func sameIssuer(p, before *Policy, id IssuerID) bool {
	a, known := p.Issuer(id)
	b, was := before.Issuer(id)
	return known && was && a.Profile == b.Profile && slices.Equal(a.Keys, b.Keys) &&
		slices.Equal(StatusProfiles(p.Issuers, *a), StatusProfiles(before.Issuers, *b))
}

// under is the member with the badges that before found, as p counts them.
func (m *Member) under(p, before *Policy) *Member {
	if m == nil {
		return nil
	}
	out := *m
	out.Holdings = nil
	for _, h := range m.Holdings {
		held := h.Other
		if b, ok := before.Badge(h.Badge); held == nil && ok {
			held = &OtherBadge{b.Issuer, b.Achievement}
		}
		if held == nil || !sameIssuer(p, before, held.Issuer) {
			continue
		}
		for _, x := range p.MatchesOf(*held) {
			h.Badge, h.Other = x.Badge, x.Other
			out.Holdings = append(out.Holdings, h)
		}
	}
	return &out
}

// holding is the member with the badges besides, new and beyond doubt.
func (m *Member) holding(badges []BadgeID, at time.Time) *Member {
	if m == nil {
		return nil
	}
	out := *m
	out.Holdings = slices.Clone(m.Holdings)
	for _, b := range badges {
		out.Holdings = append(out.Holdings, Holding{Badge: b, Standing: Verified, From: at})
	}
	return &out
}
