package policy_test

import (
	"fmt"
	"slices"
	"testing"

	. "portillon/policy"
)

// The tests of this file check the laws of decisions, for policies with badges that accept other issuers' badges.

func randomAccepting(t *testing.T, check func(g gen, p *Policy, q Question) error) {
	t.Helper()
	g := newGen(11, 12)
	for range 300 {
		p := mustNew(t, g.Accepting())
		for range 20 {
			q := g.WithForeign(g.Question(), p)
			if err := check(g, p, q); err != nil {
				t.Fatalf("%v\nbadges %+v\ngrants %+v\nquestion %+v\nmember %+v", err, p.Badges, p.Machines[0].Grants, q, q.Member)
			}
		}
	}
}

func TestAnotherIssuersBadgeNeverTakesAccessAway(t *testing.T) {
	if testing.Short() {
		t.Skip("short: judges thousands of generated cases")
	}
	gained := 0
	randomAccepting(t, func(g gen, p *Policy, q Question) error {
		if q.Member == nil {
			return nil
		}
		more := *q.Member
		more.Holdings = append(g.Foreign(q.At, p), q.Member.Holdings...)
		richer := q
		richer.Member = &more
		before, after := p.Decide(q), p.Decide(richer)
		for i := range before.Outcomes {
			if after.Outcomes[i].Verdict < before.Outcomes[i].Verdict {
				return fmt.Errorf("grant %d: %v became %v", i, before.Outcomes[i].Verdict, after.Outcomes[i].Verdict)
			}
		}
		if after.Verdict > before.Verdict {
			gained++
		}
		return eachRoleLastsAsLong(p, q, richer)
	})
	if gained < 100 {
		t.Errorf("a badge gave access only %d times, so this test proves too little", gained)
	}
}

// Replacing an accepted badge by the accepting badge must change no decision. For each grant, Decide must answer two
// members alike: one holds accepted badges of other issuers, the other holds the site's badges that accept them.
func TestAcceptedBadgeGivesTheSameDecisionAsTheSitesOwnBadge(t *testing.T) {
	lent := 0
	randomAccepting(t, func(_ gen, p *Policy, q Question) error {
		plain := p.Model
		plain.Badges = slices.Clone(plain.Badges)
		for i := range plain.Badges {
			plain.Badges[i].Accepts = nil
		}
		bare := mustNew(t, plain)
		d := p.Decide(q)
		for i, o := range d.Outcomes {
			asked := q
			if q.Member != nil {
				asked.Member = exchanged(p, q.Member, o.Role, q)
			}
			if q.Supervisor != nil {
				asked.Supervisor = exchanged(p, q.Supervisor, Mentor, q)
			}
			if want := bare.Decide(asked).Outcomes[i]; o.Verdict != want.Verdict {
				return fmt.Errorf("grant %d: %v, want %v: %v", i, o.Verdict, want.Verdict, want.Missing())
			}
		}
		for _, a := range d.Accepted {
			lent++
			if !slices.Contains(d.Badges, a.Badge) || d.Verdict == Deny || foreignTo(p, q.Member, a, d.Role) {
				return fmt.Errorf("%v as %v on %v, accepted %+v", d.Verdict, d.Role, d.Badges, d.Accepted)
			}
		}
		return nil
	})
	if lent < 100 {
		t.Errorf("only %d decisions rest on another issuer's badge", lent)
	}
}

// foreignTo reports whether a decision wrongly names an accepted badge: the policy has no entry that accepts the badge
// for the role, or the member does not hold the badge.
func foreignTo(p *Policy, m *Member, a Accepted, r Role) bool {
	b, _ := p.Badge(a.Badge)
	entry := slices.ContainsFunc(
		b.Accepts,
		func(x Accept) bool { return x.Same(a.OtherBadge) && x.With == a.With && x.For(r) },
	)
	return !entry ||
		!slices.ContainsFunc(
			m.Holdings,
			func(h Holding) bool { return h.Badge == a.Badge && h.Other != nil && h.Other.Same(a.OtherBadge) },
		)
}

// exchanged returns a copy of the member who holds only badges of the site. It replaces each accepted badge by the
// site's badge that accepts it in the role, if the member also holds the badge in With.
func exchanged(p *Policy, m *Member, as Role, q Question) *Member {
	out := *m
	out.Holdings = nil
	counts := func(id BadgeID) bool {
		return slices.ContainsFunc(m.Holdings, func(h Holding) bool {
			ok := h.Badge == id && h.Other == nil && h.Standing == Verified && h.Assurance == Signed
			if q.Clock != Trusted {
				return ok && h.Until.IsZero()
			}
			return ok && !q.At.Before(h.From) && (h.Until.IsZero() || !q.At.After(h.Until)) &&
				(h.Checked.IsZero() || q.At.Sub(h.Checked) <= p.StatusGrace)
		})
	}
	for _, h := range m.Holdings {
		if h.Other != nil {
			b, _ := p.Badge(h.Badge)
			if !slices.ContainsFunc(b.Accepts, func(a Accept) bool {
				return a.Same(*h.Other) && a.For(as) && (a.With == "" || counts(a.With))
			}) {
				continue
			}
			h.Other = nil
		}
		out.Holdings = append(out.Holdings, h)
	}
	return &out
}

// A decision must name the issuer of an accepted badge. In mode warn it must name no issuer, because no badge was
// needed.
func TestADecisionNamesTheIssuerOfAnAcceptedBadge(t *testing.T) {
	m := accepts(t, "user", "induction")
	p := mustNew(t, m)
	q := Question{At: monday, Clock: Trusted, Machine: "m", Member: theirs(p, bearer("induction"), theirUser)}
	d := p.Decide(q)
	if len(d.Accepted) != 1 ||
		d.Accepted[0].In(p, English) != "user: accepted badge, issued by Autre Lab ("+theirUser+"?cid=1), with induction" ||
		d.Accepted[0].In(p, French) != "user : badge accepté, émis par Autre Lab ("+theirUser+"?cid=1), avec induction" {
		t.Errorf("%+v", d.Accepted)
	}
	m = accepts(t, "first", "")
	m.Machines[0].Mode = Warn
	p = mustNew(t, m)
	q.Member, q.Supervisor = theirs(
		p,
		&Member{ID: "m-1"},
		theirUser,
	), &Member{
		ID:       "m-2",
		Holdings: bearer("mentor").Holdings,
	}
	if d := p.Decide(q); d.Role != User || d.Badges != nil || d.Accepted != nil {
		t.Errorf("mode warn: %+v", d)
	}
}
