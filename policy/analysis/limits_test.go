package analysis

import (
	"fmt"
	"strings"
	"testing"

	"portillon/policy"
)

// crowded returns a policy with more badges than maxCases permits.
func crowded(t *testing.T) *policy.Policy {
	t.Helper()
	m := ruledModel(func(m *policy.Machine) {})
	for i := range 20 {
		id := policy.BadgeID(fmt.Sprint("b", i))
		m.Badges = append(
			m.Badges,
			policy.Badge{ID: id, Name: policy.Text{FR: "b"}, Issuer: "i", Achievement: "urn:" + string(id)},
		)
		m.Machines[0].Grants = append(m.Machines[0].Grants, policy.Grant{Role: policy.Host, Needs: policy.Need{Badge: id}})
	}
	return mustNew(t, m)
}

// The error must name the machine with too many cases, and the functions must return no partial result.
func TestTooManyCasesGiveAnErrorAndNoPartialResult(t *testing.T) {
	p := crowded(t)
	_, err1 := Compare(p, p, monday)
	_, err2 := Warnings(p, monday)
	for _, err := range []error{err1, err2, Prove(p, monday)} {
		if err == nil || !strings.Contains(err.Error(), `machine "m"`) {
			t.Error(err)
		}
	}
}

// Breaches must work with many badges, because it removes one badge after the other instead of trying all sets.
func TestBreachesAreFoundWithManyBadges(t *testing.T) {
	m := crowded(t).Model
	var all []policy.Need
	for i := range 13 {
		all = append(all, policy.Need{Badge: policy.BadgeID(fmt.Sprint("b", i))})
	}
	m.Machines[0].Grants = append(
		m.Machines[0].Grants,
		policy.Grant{
			Role:  policy.Mentor,
			Needs: policy.Need{Any: []policy.Need{{All: all}, {All: []policy.Need{{Badge: "b14"}, {Badge: "b15"}}}}},
		},
	)
	m.Never = []policy.Invariant{{Roles: []policy.Role{policy.Mentor}, Without: []policy.BadgeID{"user"}}}
	got := Breaches(mustNew(t, m), monday)
	if len(got) != 1 || len(got[0].Holds) != 2 && len(got[0].Holds) != 13 {
		t.Errorf("%+v", got)
	}
}
