package analysis

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/internal/sample"
	"portillon/policy"
)

// The test compares Breaches with a search through every set of own and accepted badges, on random policies. Breaches
// must find the same smallest number of badges as the search.
func TestBreachesWithAcceptedBadgesEqualABruteForceSearch(t *testing.T) {
	if testing.Short() {
		t.Skip("short: judges thousands of generated cases")
	}
	g := newGen(13, 14)
	breached, lent, tries := 0, 0, sample.Count(250)
	for range tries {
		model := g.Accepting()
		// this role needs two badges; an accepted badge may replace one of the two
		first := &model.Machines[0].Grants[0]
		first.Needs = policy.Need{All: []policy.Need{{Badge: ids[g.IntN(3)]}, {Badge: ids[3+g.IntN(3)]}}}
		v := policy.Invariant{
			Roles:   []policy.Role{first.Role},
			Without: []policy.BadgeID{ids[g.IntN(len(ids))]},
			Alone:   g.IntN(2) == 0,
		}
		model.Never = []policy.Invariant{v}
		p := mustNew(t, model)
		got := Breaches(p, monday)
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
	if breached < tries/6 || breached > tries*5/6 || lent < sample.Count(5) {
		t.Errorf("%d of %d breach, %d by another issuer's badge: the test proves little", breached, tries, lent)
	}
}

// bruteAccepting returns the smallest number of badges that give the role to a member without the badges of the
// invariant, or -1 if no set of badges does.
func bruteAccepting(p *policy.Policy, v policy.Invariant) int {
	least := -1
	for set := range 1 << (len(ids) + len(theirIDs)) {
		var holds []item
		for i := range len(ids) + len(theirIDs) {
			switch {
			case set&(1<<i) == 0:
			case i < len(ids):
				holds = append(holds, item{badge: ids[i]})
			default:
				holds = append(holds, item{other: policy.OtherBadge{Issuer: "other", Achievement: theirIDs[i-len(ids)]}})
			}
		}
		if least >= 0 && len(holds) >= least || has(p, holds, v.Without[0], v.Roles[0]) {
			continue
		}
		for _, hour := range []int{0, 2, 10, 14, 20, 24*5 + 1, 24*5 + 11, 24*5 + 22, 24*6 + 1, 24*6 + 11, 24*6 + 20} {
			// The search examines one moment: ten o'clock on a Monday.
			t := trial{
				p:     p,
				m:     &p.Machines[0],
				at:    monday.Add(time.Duration(hour) * time.Hour),
				role:  v.Roles[0],
				clock: policy.Trusted,
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

// has reports whether holds contains the badge, or another issuer's badge that the policy accepts as this badge in the
// role.
func has(p *policy.Policy, holds []item, id policy.BadgeID, r policy.Role) bool {
	b, _ := p.Badge(id)
	return slices.Contains(holds, item{badge: id}) || slices.ContainsFunc(b.Accepts, func(a policy.Accept) bool {
		return a.For(r) && slices.Contains(holds, item{other: a.OtherBadge}) &&
			(a.With == "" || slices.Contains(holds, item{badge: a.With}))
	})
}

// If a change of accepts: gives any member a role or removes a role, Compare must report the change. If Compare reports
// no change, no member may gain or lose a role.
func TestCompareReportsEveryChangeOfAcceptedBadges(t *testing.T) {
	g := newGen(15, 16)
	differ, same := 0, 0
	for range 120 {
		ma := g.Accepting()
		ma.Machines[0].Grants = ma.Machines[0].Grants[:min(len(ma.Machines[0].Grants), 2)]
		mb := ma
		g.GiveAccepts(&mb)
		a, b := mustNew(t, ma), mustNew(t, mb)
		if s := casesOf("m", side{a, &a.Machines[0]}, side{b, &b.Machines[0]}); s.states() > 200 {
			continue
		}
		changes, err := Compare(a, b, monday)
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			q := g.Question()
			q.Tagged, q.Fault, q.Issued = false, false, q.At
			q = g.WithForeign(q, a, b)
			for _, q.As = range policy.Roles() {
				x, y := a.Decide(q), b.Decide(q)
				if (x.Verdict == policy.Allow) == (y.Verdict == policy.Allow) {
					same++
					continue
				}
				differ++
				if !slices.ContainsFunc(
					changes,
					func(c Change) bool { return c.Role == q.As && c.Gained == (y.Verdict == policy.Allow) && !c.Limited() },
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

func TestProveAcceptsRandomPoliciesWithAcceptedBadges(t *testing.T) {
	g := newGen(17, 18)
	proven := 0
	for range 200 {
		m := g.Accepting()
		m.Machines[0].Grants = m.Machines[0].Grants[:min(len(m.Machines[0].Grants), 3)]
		p := mustNew(t, m)
		if s := casesOf("m", side{p, &p.Machines[0]}); s.states() > 250 {
			continue
		}
		if err := Prove(p, monday); err != nil {
			t.Fatal(err)
		}
		proven++
	}
	if proven < 20 {
		t.Errorf("%d were tried", proven)
	}
}

// The description of a change of accepts: must name what the member must hold: the other issuer's badge and the badge
// in With.
func TestChangesNameTheAcceptedBadgeAndTheBadgeInWithField(t *testing.T) {
	before := mustNew(t, accepts(t, "user", ""))
	for name, c := range map[string]struct {
		after func() policy.Model
		want  string
	}{
		"nothing": {func() policy.Model { return accepts(t, "user", "") }, ""},
		"with": {func() policy.Model { return accepts(t, "user", "induction") },
			"loses user alone=true with an accepted badge (other " + theirUser + "?cid=1)"},
		"roles": {func() policy.Model { return accepts(t, "user", "", policy.Mentor) },
			"loses user alone=true with an accepted badge (other " + theirUser + "?cid=1)"},
		"a supervisor's": {func() policy.Model {
			return accept(accepts(t, "user", ""), "mentor",
				policy.Accept{OtherBadge: policy.OtherBadge{Issuer: "other", Achievement: theirAll}, With: "",
					Roles: []policy.Role{policy.Mentor}})
		}, "gains learner alone=false with first+a mentor with an accepted badge (other " + theirAll + ")"},
		"a supervisor's, not as a mentor": {func() policy.Model {
			return accept(accepts(t, "user", ""), "mentor",
				policy.Accept{OtherBadge: policy.OtherBadge{Issuer: "other", Achievement: theirAll}, With: "",
					Roles: []policy.Role{policy.Learner, policy.User}})
		}, ""},
		"a second one, alike": {func() policy.Model {
			return accept(accepts(t, "user", ""), "user",
				policy.Accept{OtherBadge: policy.OtherBadge{Issuer: "other", Achievement: theirAll}})
		}, "gains user alone=true with an accepted badge (other " + theirAll + ")"},
	} {
		changes, err := Compare(before, mustNew(t, c.after()), monday)
		if got := say(changes); err != nil || strings.TrimSpace(got) != c.want {
			t.Errorf("%s: %v\n got %q\nwant %q", name, err, got, c.want)
		}
	}
}

// Fifteen labs' badges that are accepted in the same places must be one case, not 2^15 cases.
func TestBadgesAcceptedInTheSamePlacesAreOneCase(t *testing.T) {
	m := accepts(t, "user", "")
	for i := range 15 {
		m = accept(
			m,
			"user",
			policy.Accept{OtherBadge: policy.OtherBadge{Issuer: "other", Achievement: fmt.Sprint("urn:lab-", i)}},
		)
	}
	if err := Prove(mustNew(t, m), monday); err != nil {
		t.Error(err)
	}
}

func TestAcceptsEntriesWithoutEffectGiveWarnings(t *testing.T) {
	for name, c := range map[string]struct {
		model func() policy.Model
		want  string
	}{
		"nothing": {func() policy.Model { return accepts(t, "user", "induction") }, ""},
		"a mentor's, not named": {func() policy.Model { return accepts(t, "mentor", "") },
			"mentor 0 this entry counts nowhere: no grant asks for mentor as learner or user or host"},
		"a mentor's, named": {func() policy.Model { return accepts(t, "mentor", "", policy.Mentor) }, ""},
		"a user's, as a mentor": {func() policy.Model { return accepts(t, "user", "", policy.Mentor) },
			"user 0 this entry counts nowhere"},
		"a learner's, as its supervisor": {func() policy.Model { return accepts(t, "mentor", "", policy.Learner) },
			"mentor 0 this entry counts nowhere"},
		"with a badge that accepts": {func() policy.Model {
			m := accept(accepts(t, "user", "induction"), "induction",
				policy.Accept{OtherBadge: policy.OtherBadge{Issuer: "other", Achievement: theirAll}})
			m.Machines[0].Grants = append(m.Machines[0].Grants,
				policy.Grant{Role: policy.Host, Needs: policy.Need{Badge: "induction"}})
			return m
		}, "user 0 with: induction is met by that badge alone"},
		"one of ours": {func() policy.Model {
			return accept(accepts(t, "user", ""), "first",
				policy.Accept{OtherBadge: policy.OtherBadge{Issuer: "i", Achievement: "urn:user"}})
		},
			"first 0 this badge is user of this file: write needs: { any: [first, user] } at each grant instead; badges that " +
				"user accepts do not count as first"},
		"twice with another": {func() policy.Model {
			return accept(accepts(t, "user", "induction"), "first",
				policy.Accept{OtherBadge: policy.OtherBadge{Issuer: "other", Achievement: theirUser}})
		}, "user 0 the same badge counts as user with induction and as first alone"},
		"twice with the same": {func() policy.Model {
			return accept(accepts(t, "user", "induction"), "first",
				policy.Accept{OtherBadge: policy.OtherBadge{Issuer: "other", Achievement: theirUser}, With: "induction",
					Roles: nil})
		}, ""},
	} {
		warnings, err := Warnings(mustNew(t, c.model()), monday)
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

func TestBreachesUseAnAcceptedBadgeOnlyInTheRolesOfItsEntry(t *testing.T) {
	alone := policy.Invariant{Roles: []policy.Role{policy.User}, Without: []policy.BadgeID{"user"}}
	for name, c := range map[string]struct {
		model func() policy.Model
		never policy.Invariant
		want  string
	}{
		"accepted":                {func() policy.Model { return accepts(t, "user", "") }, alone, ""},
		"accepted with the badge": {func() policy.Model { return accepts(t, "user", "induction") }, alone, ""},
		"without the induction": {func() policy.Model { return accepts(t, "user", "") },
			policy.Invariant{Roles: []policy.Role{policy.User}, Without: []policy.BadgeID{"induction"}}, "[user] []"},
		"by ours alone": {func() policy.Model { return accepts(t, "first", "") },
			policy.Invariant{Roles: []policy.Role{policy.Learner}, Without: []policy.BadgeID{"user"}}, "[first] []"},
		// The policy accepts the other issuer's badge as first and as mentor. The two together give the role user, so
		// one badge of the other issuer is enough.
		"two of ours by one of theirs": {func() policy.Model { return both(t, policy.Accept{}) }, alone,
			"[] [{other " + theirUser + "}]"},
		// The policy also accepts the other issuer's badge as user, so a member who holds this badge is not «without:
		// user».
		"three of ours by one of theirs": {func() policy.Model {
			return both(t, policy.Accept{OtherBadge: policy.OtherBadge{Issuer: "other", Achievement: theirUser}})
		}, alone, "[first mentor] []"},
		// The policy accepts the other issuer's badge as user only together with the induction.
		"without the induction that it needs": {func() policy.Model {
			return both(t, policy.Accept{OtherBadge: policy.OtherBadge{Issuer: "other", Achievement: theirUser},
				With: "induction"})
		}, alone,
			"[] [{other " + theirUser + "}]"},
		// The role also needs the induction. A member with the other issuer's badge and the induction is not «without:
		// user».
		"with the induction that it needs": {func() policy.Model {
			return both(t, policy.Accept{OtherBadge: policy.OtherBadge{Issuer: "other", Achievement: theirUser},
				With: "induction"}, "induction")
		}, alone, "[first induction mentor] []"},
		"with the induction, which is excepted": {func() policy.Model {
			return both(t, policy.Accept{OtherBadge: policy.OtherBadge{Issuer: "other", Achievement: theirUser},
				With: "induction"}, "induction")
		}, policy.Invariant{Roles: []policy.Role{policy.User}, Without: []policy.BadgeID{"user", "induction"}}, ""},
		// Together with the induction, the policy accepts the other issuer's badge as first, mentor and maintainer:
		// these two badges replace three badges of the site.
		"three of ours by one of theirs with an induction": {func() policy.Model {
			m := accept(accepts(t, "first", "induction"), "mentor",
				policy.Accept{OtherBadge: policy.OtherBadge{Issuer: "other", Achievement: theirUser + "?cid=1"}, With: "induction",
					Roles: nil})
			m = accept(m, "maintainer", policy.Accept{OtherBadge: policy.OtherBadge{Issuer: "other", Achievement: theirUser},
				With: "induction", Roles: nil})
			m.Machines[0].Grants = append(m.Machines[0].Grants,
				policy.Grant{Role: policy.User,
					Needs: policy.Need{All: []policy.Need{{Badge: "first"}, {Badge: "mentor"}, {Badge: "maintainer"}}}})
			return m
		}, alone, "[induction] [{other " + theirUser + "?cid=1}]"},
		// The policy accepts the other issuer's badge as user only for the role mentor, so a member who takes the role
		// user with this badge is «without: user».
		"in another role": {func() policy.Model {
			return both(t, policy.Accept{OtherBadge: policy.OtherBadge{Issuer: "other", Achievement: theirUser},
				Roles: []policy.Role{policy.Mentor}})
		}, alone, "[] [{other " + theirUser + "}]"},
	} {
		m := c.model()
		m.Never = []policy.Invariant{c.never}
		got := ""
		for _, b := range Breaches(mustNew(t, m), monday) {
			got = fmt.Sprint(b.Holds, " ", b.Accepted)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// both returns a policy that accepts another issuer's badge as first, as mentor, and, by the given entry, as user. The
// policy gives the role user to members who hold first, mentor and the badges in besides.
func both(t *testing.T, a policy.Accept, besides ...policy.BadgeID) policy.Model {
	t.Helper()
	m := accept(
		accepts(t, "first", ""),
		"mentor",
		policy.Accept{OtherBadge: policy.OtherBadge{Issuer: "other", Achievement: theirUser}},
	)
	if a.Issuer != "" {
		m = accept(m, "user", a)
	}
	needs := []policy.Need{{Badge: "first"}, {Badge: "mentor"}}
	for _, b := range besides {
		needs = append(needs, policy.Need{Badge: b})
	}
	for i := range m.Badges[:4] {
		for k := range m.Badges[i].Accepts {
			m.Badges[i].Accepts[k].Achievement = theirUser
		}
	}
	m.Machines[0].Grants = append(m.Machines[0].Grants, policy.Grant{Role: policy.User, Needs: policy.Need{All: needs}})
	return m
}

func TestAnUnknownBadgeHasNoAcceptsEntries(t *testing.T) {
	if got := acceptsOf(&policy.Policy{}, "x"); got != nil {
		t.Errorf("%v", got)
	}
}

// In this test, one badge of another issuer counts as two badges of the policy.
func TestABadgeAcceptedForTwoBadgesIsFoundByCompareAndBreaches(t *testing.T) {
	model := func(change func(*policy.Model)) *policy.Policy {
		m := gen{}.PlainModel()
		for i := range 2 {
			m.Badges[i].Accepts = []policy.Accept{{OtherBadge: policy.OtherBadge{Issuer: "other", Achievement: "urn:f0"}}}
		}
		m.Machines = []policy.Machine{
			{
				ID:     "m",
				Grants: []policy.Grant{{Role: policy.User, Needs: policy.Need{All: []policy.Need{{Badge: "a"}, {Badge: "b"}}}}},
			},
		}
		change(&m)
		return mustNew(t, m)
	}
	changes, err := Compare(
		model(func(*policy.Model) {}),
		model(func(m *policy.Model) { m.Badges[1].Accepts = nil }),
		monday,
	)
	if err != nil || len(changes) != 1 || changes[0].Gained || changes[0].Role != policy.User {
		t.Errorf("who held it alone loses the role: %+v, %v", changes, err)
	}
	// The search first finds a case with the accepted badge and one badge of the site. Later the search finds a smaller
	// case, with a single badge of the site.
	p := model(func(m *policy.Model) {
		all := &m.Machines[0].Grants[0].Needs.All
		*all = append(*all, policy.Need{Badge: "d"})
		m.Machines[0].Grants = append(
			m.Machines[0].Grants,
			policy.Grant{Role: policy.User, Needs: policy.Need{Badge: "e"}, Supervisor: &policy.Need{Badge: "f"}},
		)
		m.Never = []policy.Invariant{{Roles: []policy.Role{policy.User}, Without: []policy.BadgeID{"c"}}}
	})
	got := Breaches(p, monday)
	if len(got) != 1 || len(got[0].Accepted) != 0 || len(got[0].Holds) != 1 || got[0].Holds[0] != "e" ||
		!got[0].Supervised {
		t.Errorf("%+v", got)
	}
}
