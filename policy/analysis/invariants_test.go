package analysis

import (
	"fmt"
	"strings"
	"testing"

	"portillon/policy"
)

// The test replaces the evaluator by functions that break a law, to check that prove finds the breach.
func TestProveFindsAnEvaluatorThatBreaksALaw(t *testing.T) {
	p := ruled(t, func(*policy.Machine) {})
	c, err := newComparison("m", policy.NoRole, p, p, monday)
	if err != nil {
		t.Fatal(err)
	}
	for want, judge := range map[string]func(policy.Question) uint{
		"tagged out, the machine still gives a role": func(q policy.Question) uint { return 1 << policy.User },
		"(first) lacks a role that (no badge) has": func(q policy.Question) uint {
			if q.Tagged || len(q.Member.Holdings) > 0 {
				return 0
			}
			return 1 << policy.User
		},
	} {
		if err := c.prove(judge); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err := c.prove(func(q policy.Question) uint { return 1 << policy.Maintainer }); err != nil {
		t.Errorf("a maintainer at a tagged machine: %v", err)
	}
}

func TestProveAcceptsRandomPolicies(t *testing.T) {
	g := newGen(7, 8)
	proven := 0
	for range 150 {
		p := mustNew(t, g.Model())
		if s := casesOf("m", side{p, &p.Machines[0]}); s.states() > 500 {
			continue
		}
		if err := Prove(p, monday); err != nil {
			t.Fatal(err)
		}
		proven++
	}
	if proven < 30 {
		t.Errorf("%d were tried", proven)
	}
	if err := Prove(ruled(t, func(m *policy.Machine) { m.Mode, m.Card = policy.Warn, policy.AES }), monday); err != nil {
		t.Error(err)
	}
}

// The proof must not compare an old signed badge with a new attested badge, because one is stronger and the other is
// newer.
func TestProveSkipsBadgesThatAreNeitherBetterNorWorse(t *testing.T) {
	two := func(m *policy.Machine) {
		m.Grants[0].Role, m.Grants[0].Needs = policy.User, policy.Need{Badge: "user"}
		m.Grants[1].Needs = policy.Need{Badge: "user", Within: 365 * days, Assurance: policy.Attested}
	}
	if err := Prove(ruled(t, two), monday); err != nil {
		t.Error(err)
	}
	p := ruled(t, two)
	s := casesOf("m", side{p, &p.Machines[0]})
	for n := range s.states() {
		q := s.question(s.state(n), monday, policy.Trusted)
		for i, under := range s.under(n) {
			less := s.question(s.state(under), monday, policy.Trusted)
			if i > 0 || len(less.Member.Holdings) == 0 {
				continue
			}
			if x, y := less.Member.Holdings[0], q.Member.Holdings[0]; x.From.After(y.From) || x.Assurance < y.Assurance ||
				x == y {
				t.Errorf("%+v counts as worth less than %+v", x, y)
			}
		}
	}
}

// This test checks that the proof can fail. Prove must report a better badge that removes a role, and a machine with
// too many cases.
func TestProveReportsBrokenLawsAndTooManyCases(t *testing.T) {
	if at, lost := loses([]uint{1, 3}, []uint{1, 1}); !lost || at != 1 {
		t.Error("prove did not find a lost role")
	}
	m := ruledModel(func(m *policy.Machine) {})
	for i := range 20 {
		id := policy.BadgeID(fmt.Sprint("b", i))
		m.Badges = append(
			m.Badges,
			policy.Badge{ID: id, Name: policy.Text{FR: "b"}, Issuer: "i", Achievement: "urn:" + string(id)},
		)
		m.Machines[0].Grants = append(m.Machines[0].Grants, policy.Grant{Role: policy.User, Needs: policy.Need{Badge: id}})
	}
	if err := Prove(mustNew(t, m), monday); err == nil {
		t.Error("Prove accepted a policy with a million cases")
	}
}
