package policy_test

import (
	"slices"
	"testing"

	. "portillon/policy"
)

func TestNeedsPracticeListsTheMachinesWhoseGrantsRequirePractice(t *testing.T) {
	for name, c := range map[string]struct {
		needs Need
		want  bool
	}{
		"a badge alone":  {Need{Badge: "user"}, false},
		"used within":    {Need{Badge: "user", UsedWithin: 30 * days}, true},
		"hours":          {Need{Badge: "user", Hours: 10}, true},
		"one of all":     {Need{All: []Need{{Badge: "user"}, {Badge: "mentor", Hours: 1}}}, true},
		"one of any":     {Need{Any: []Need{{Badge: "user"}, {Badge: "mentor", UsedWithin: days}}}, true},
		"none of nested": {Need{All: []Need{{Any: []Need{{Badge: "user"}}}}}, false},
	} {
		p := ruled(t, func(m *Machine) {
			m.Grants = m.Grants[:1]
			m.Grants[0].Needs, m.Grants[0].Supervisor = c.needs, nil
		})
		if got := slices.Contains(p.NeedsPractice(), p.Machines[0].ID); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
	p := ruled(t, func(m *Machine) {
		m.Grants = m.Grants[:1]
		m.Grants[0].Needs, m.Grants[0].Supervisor = Need{Badge: "user"}, &Need{Badge: "mentor", UsedWithin: days}
	})
	if got := p.NeedsPractice(); len(got) != 1 {
		t.Errorf("a supervisor's practice: %v", got)
	}
}
