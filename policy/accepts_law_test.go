package policy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// The laws of decisions, of never: and of comparing, where badges accept those of another issuer.

var theirIDs = []string{"urn:f0", "urn:f1"}

// accepting is a random model some of whose badges accept badges of another issuer.
func (g gen) accepting() Model {
	m := g.model()
	m.Issuers = append(m.Issuers, Issuer{ID: "other", Profile: "did:y", Keys: []string{"k"}})
	g.accept(&m)
	return m
}

// accept gives badges of the model other entries.
func (g gen) accept(m *Model) {
	m.Badges = slices.Clone(m.Badges)
	for i := range m.Badges {
		b := &m.Badges[i]
		b.Accepts = nil
		for _, url := range theirIDs {
			a := Accept{OtherBadge: OtherBadge{"other", url}}
			if g.IntN(2) == 0 {
				if a.With = ids[g.IntN(len(ids))]; a.With == b.ID {
					a.With = ""
				}
			}
			for _, r := range Roles() {
				if g.IntN(3) > 0 {
					a.Roles = append(a.Roles, r)
				}
			}
			if g.IntN(3) == 0 {
				a.Roles = nil
			}
			if g.IntN(3) == 0 {
				b.Accepts = append(b.Accepts, a)
			}
		}
	}
}

// foreign is a badge of the other issuer, as the policies count it.
func (g gen) foreign(at time.Time, policies ...*Policy) (out []Holding) {
	h, url := g.holding(at), theirIDs[g.IntN(len(theirIDs))]
	h.Assurance = Assurance(g.IntN(6) / 5)
	for _, p := range policies {
		for _, m := range p.Matches("other", url) {
			if h.Badge, h.Other = m.Badge, m.Other; !slices.ContainsFunc(
				out,
				func(x Holding) bool { return x.Badge == h.Badge },
			) {
				out = append(out, h)
			}
		}
	}
	return out
}

// withForeign gives the people of a question badges of the other issuer besides.
func (g gen) withForeign(q Question, policies ...*Policy) Question {
	for _, m := range []*Member{q.Member, q.Supervisor} {
		for range g.IntN(3) {
			if m != nil {
				m.Holdings = append(g.foreign(q.At, policies...), m.Holdings...)
			}
		}
	}
	return q
}

func randomAccepting(t *testing.T, check func(g gen, p *Policy, q Question) error) {
	t.Helper()
	g := gen{rand.New(rand.NewPCG(11, 12))}
	for range 300 {
		p := mustNew(t, g.accepting())
		for range 20 {
			q := g.withForeign(g.question(), p)
			if err := check(g, p, q); err != nil {
				t.Fatalf("%v\nbadges %+v\ngrants %+v\nquestion %+v\nmember %+v", err, p.Badges, p.Machines[0].Grants, q, q.Member)
			}
		}
	}
}

func TestAnotherIssuersBadgeNeverTakesAccessAway(t *testing.T) {
	gained := 0
	randomAccepting(t, func(g gen, p *Policy, q Question) error {
		if q.Member == nil {
			return nil
		}
		more := *q.Member
		more.Holdings = append(g.foreign(q.At, p), q.Member.Holdings...)
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
		t.Errorf("a badge gave access only %d times: the law was judged on next to nothing", gained)
	}
}

// Accepts says what could be said without it: in each grant, of the badges of other issuers those that count there
// are held as ours, and the others are not held.
func TestAnAcceptedBadgeIsJudgedAsOneOfOurs(t *testing.T) {
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
				asked.Member = p.exchanged(q.Member, o.Role, q)
			}
			if q.Supervisor != nil {
				asked.Supervisor = p.exchanged(q.Supervisor, Mentor, q)
			}
			if want := bare.Decide(asked).Outcomes[i]; o.Verdict != want.Verdict {
				return fmt.Errorf("grant %d: %v, want %v: %v", i, o.Verdict, want.Verdict, want.Missing)
			}
		}
		for _, a := range d.Accepted {
			lent++
			if !slices.Contains(d.Badges, a.Badge) || d.Verdict == Deny || p.foreignTo(q.Member, a, d.Role) {
				return fmt.Errorf("%v as %v on %v, accepted %+v", d.Verdict, d.Role, d.Badges, d.Accepted)
			}
		}
		return nil
	})
	if lent < 100 {
		t.Errorf("only %d decisions rest on another issuer's badge", lent)
	}
}

// foreignTo reports whether the entry that a decision names is not one of the policy's for the role, or its badge
// is not held.
func (p *Policy) foreignTo(m *Member, a Accepted, r Role) bool {
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

// exchanged is a member with badges of ours alone: another issuer's is exchanged for the one that accepts it in the
// role, where what is asked for besides counts.
func (p *Policy) exchanged(m *Member, as Role, q Question) *Member {
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

// By trying every set of badges, ours and theirs: the same answer on random policies.
func TestBreachesWithAcceptedBadgesAreThoseOfEverySetOfBadges(t *testing.T) {
	g := gen{rand.New(rand.NewPCG(13, 14))}
	breached, lent, tries := 0, 0, 250
	for range tries {
		model := g.accepting()
		first := &model.Machines[0].Grants[0] // that takes two badges, which one of theirs may stand for
		first.Needs = Need{All: []Need{{Badge: ids[g.IntN(3)]}, {Badge: ids[3+g.IntN(3)]}}}
		v := Invariant{Roles: []Role{first.Role}, Without: []BadgeID{ids[g.IntN(len(ids))]}, Alone: g.IntN(2) == 0}
		model.Never = []Invariant{v}
		p := mustNew(t, model)
		got := p.Breaches(monday)
		want := bruteAccepting(p, v)
		if (len(got) > 0) != (want >= 0) || len(got) > 0 && len(got[0].Holds)+len(got[0].Accepted) != want {
			t.Fatalf("%+v: %+v, but by brute force %d badges\n%+v\n%+v", v, got, want, p.Badges, p.Machines[0].Grants)
		}
		if want >= 0 {
			breached++
		}
		if len(got) > 0 && len(got[0].Accepted) > 0 {
			lent++
		}
	}
	if breached < tries/6 || breached > tries*5/6 || lent < 5 {
		t.Errorf("%d of %d breach, %d by another issuer's badge: the test proves little", breached, tries, lent)
	}
}

// bruteAccepting is the least number of badges with which the role is given to somebody who is without the badges;
// -1: never.
func bruteAccepting(p *Policy, v Invariant) int {
	least := -1
	for set := range 1 << (len(ids) + len(theirIDs)) {
		var holds []item
		for i := range len(ids) + len(theirIDs) {
			switch {
			case set&(1<<i) == 0:
			case i < len(ids):
				holds = append(holds, item{badge: ids[i]})
			default:
				holds = append(holds, item{other: OtherBadge{"other", theirIDs[i-len(ids)]}})
			}
		}
		if least >= 0 && len(holds) >= least || has(p, holds, v.Without[0], v.Roles[0]) {
			continue
		}
		for _, hour := range []int{0, 2, 10, 14, 20, 24*5 + 1, 24*5 + 11, 24*5 + 22, 24*6 + 1, 24*6 + 11, 24*6 + 20} {
			// from a Monday's ten on
			t := trial{
				p:     p,
				m:     &p.Machines[0],
				at:    monday.Add(time.Duration(hour) * time.Hour),
				role:  v.Roles[0],
				clock: Trusted,
			}
			alone := t.gives(holds)
			t.supervised = true
			if alone || !v.Alone && t.gives(holds) {
				least = len(holds)
				break
			}
		}
	}
	return least
}

// has reports whether somebody has the badge, or another issuer's that counts as it in the role.
func has(p *Policy, holds []item, id BadgeID, r Role) bool {
	b, _ := p.Badge(id)
	return slices.Contains(holds, item{badge: id}) || slices.ContainsFunc(b.Accepts, func(a Accept) bool {
		return a.For(r) && slices.Contains(holds, item{other: a.OtherBadge}) &&
			(a.With == "" || slices.Contains(holds, item{badge: a.With}))
	})
}

// Whoever gains or loses a role by a change of accepts: is covered by a change, and where there is none nobody does.
func TestCompareMissesNoAcceptedBadge(t *testing.T) {
	g := gen{rand.New(rand.NewPCG(15, 16))}
	differ, same := 0, 0
	for range 120 {
		ma := g.accepting()
		ma.Machines[0].Grants = ma.Machines[0].Grants[:min(len(ma.Machines[0].Grants), 2)]
		mb := ma
		g.accept(&mb)
		a, b := mustNew(t, ma), mustNew(t, mb)
		if s := spaceOf("m", side{a, &a.Machines[0]}, side{b, &b.Machines[0]}); s.states() > 200 {
			continue
		}
		changes, err := Compare(a, b, monday)
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			q := g.question()
			q.Tagged, q.Fault, q.Issued = false, false, q.At
			q = g.withForeign(q, a, b)
			for _, q.As = range Roles() {
				x, y := a.Decide(q), b.Decide(q)
				if (x.Verdict == Allow) == (y.Verdict == Allow) {
					same++
					continue
				}
				differ++
				if !slices.ContainsFunc(
					changes,
					func(c Change) bool { return c.Role == q.As && c.Gained == (y.Verdict == Allow) && !c.Limited() },
				) {
					t.Fatalf(
						"%v: %v→%v is in no change of %s\n%+v\n%+v\n%+v\n%+v",
						q.As,
						x.Verdict,
						y.Verdict,
						say(changes),
						q.Member,
						ma.Machines[0].Grants,
						ma.Badges,
						mb.Badges,
					)
				}
			}
		}
	}
	if differ < 100 || same < 1000 {
		t.Errorf("%d differ, %d do not: the test proves little", differ, same)
	}
}

func TestEveryPolicyThatAcceptsIsProven(t *testing.T) {
	g := gen{rand.New(rand.NewPCG(17, 18))}
	proven := 0
	for range 200 {
		m := g.accepting()
		m.Machines[0].Grants = m.Machines[0].Grants[:min(len(m.Machines[0].Grants), 3)]
		p := mustNew(t, m)
		if s := spaceOf("m", side{p, &p.Machines[0]}); s.states() > 250 {
			continue
		}
		if err := p.Prove(monday); err != nil {
			t.Fatal(err)
		}
		proven++
	}
	if proven < 20 {
		t.Errorf("%d were tried", proven)
	}
}

// A change of accepts: is told as what it takes: the other issuer's badge, and what is asked for besides.
func TestChangesNameWhatIsAccepted(t *testing.T) {
	before := mustNew(t, accepts(t, "user", ""))
	for name, c := range map[string]struct {
		after func() Model
		want  string
	}{
		"nothing": {func() Model { return accepts(t, "user", "") }, ""},
		"with":    {func() Model { return accepts(t, "user", "induction") }, "loses user alone=true with an accepted badge (other " + theirUser + "?cid=1)"},
		"roles":   {func() Model { return accepts(t, "user", "", Mentor) }, "loses user alone=true with an accepted badge (other " + theirUser + "?cid=1)"},
		"a supervisor's": {func() Model {
			return accept(accepts(t, "user", ""), "mentor", Accept{OtherBadge{"other", theirAll}, "", []Role{Mentor}})
		}, "gains learner alone=false with first+a supervisor with an accepted badge (other " + theirAll + ")"},
		"a supervisor's, not as a mentor": {func() Model {
			return accept(accepts(t, "user", ""), "mentor", Accept{OtherBadge{"other", theirAll}, "", []Role{Learner, User}})
		}, ""},
		"a second one, alike": {func() Model {
			return accept(accepts(t, "user", ""), "user", Accept{OtherBadge: OtherBadge{"other", theirAll}})
		}, "gains user alone=true with an accepted badge (other " + theirAll + ")"},
	} {
		changes, err := Compare(before, mustNew(t, c.after()), monday)
		if got := say(changes); err != nil || strings.TrimSpace(got) != c.want {
			t.Errorf("%s: %v\n got %q\nwant %q", name, err, got, c.want)
		}
	}
}

// Badges of fifteen labs that are accepted alike are one case, not two to the fifteenth.
func TestBadgesThatAreAcceptedAlikeAreOneCase(t *testing.T) {
	m := accepts(t, "user", "")
	for i := range 15 {
		m = accept(m, "user", Accept{OtherBadge: OtherBadge{"other", fmt.Sprint("urn:lab-", i)}})
	}
	if err := mustNew(t, m).Prove(monday); err != nil {
		t.Error(err)
	}
}

func TestEntriesThatDoNothingAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		model func() Model
		want  string
	}{
		"nothing":                        {func() Model { return accepts(t, "user", "induction") }, ""},
		"a mentor's, not named":          {func() Model { return accepts(t, "mentor", "") }, "mentor 0 this entry counts nowhere: no grant asks for mentor as learner or user or host"},
		"a mentor's, named":              {func() Model { return accepts(t, "mentor", "", Mentor) }, ""},
		"a user's, as a mentor":          {func() Model { return accepts(t, "user", "", Mentor) }, "user 0 this entry counts nowhere"},
		"a learner's, as its supervisor": {func() Model { return accepts(t, "mentor", "", Learner) }, "mentor 0 this entry counts nowhere"},
		"with a badge that accepts": {func() Model {
			m := accept(accepts(t, "user", "induction"), "induction", Accept{OtherBadge: OtherBadge{"other", theirAll}})
			m.Machines[0].Grants = append(m.Machines[0].Grants, Grant{Role: Host, Needs: Need{Badge: "induction"}})
			return m
		}, "user 0 with: induction is met by that badge alone"},
		"one of ours": {func() Model {
			return accept(accepts(t, "user", ""), "first", Accept{OtherBadge: OtherBadge{"i", "urn:user"}})
		},
			"first 0 this badge is user of this file: needs: { any: [first, user] } says it at each grant; badges that user accepts do not count as first"},
		"twice with another": {func() Model {
			return accept(accepts(t, "user", "induction"), "first", Accept{OtherBadge: OtherBadge{"other", theirUser}})
		}, "user 0 the same badge counts as user with induction and as first alone"},
		"twice with the same": {func() Model {
			return accept(accepts(t, "user", "induction"), "first", Accept{OtherBadge{"other", theirUser}, "induction", nil})
		}, ""},
	} {
		warnings, err := mustNew(t, c.model()).Warnings(monday)
		var got []string
		for _, w := range warnings {
			got = append(got, fmt.Sprint(w.Badge, " ", w.Entry, " ", w.Text.EN))
			if w.Text.FR == "" || w.Text.FR == w.Text.EN {
				t.Errorf("%s: %q", name, w.Text)
			}
		}
		if s := strings.Join(got, "; "); err != nil || !strings.HasPrefix(s, c.want) || (s == "") != (c.want == "") {
			t.Errorf("%s: %q %v, want %q", name, s, err, c.want)
		}
	}
}

// The answer says whose badge counted; in mode warn no badge did.
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
