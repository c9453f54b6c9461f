package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestRulesThatNobodyMeansAreFound(t *testing.T) {
	add := func(g Grant) func(*Machine) { return func(m *Machine) { m.Grants = append(m.Grants, g) } }
	user := Need{Badge: "user"}
	past, _ := ParseHours("2020 Jan 01 10:00-11:00", nil)
	for name, c := range map[string]struct {
		rule func(*Machine)
		want string
	}{
		"nothing":                      {func(*Machine) {}, ""},
		"covered":                      {add(Grant{Role: User, Needs: Need{All: []Need{user, {Badge: "first"}}}, Session: Limits{Max: time.Hour}}), "3 grants[0] gives"},
		"covered, but longer":          {add(Grant{Role: User, Needs: Need{All: []Need{user, {Badge: "first"}}}, Session: Limits{Max: 3 * time.Hour}}), ""},
		"covered, but without a limit": {add(Grant{Role: User, Needs: Need{All: []Need{user, {Badge: "first"}}}}), ""},
		"the same twice":               {add(Grant{Role: User, Needs: user, Session: Limits{Max: 2 * time.Hour}}), "3 grants[0] gives"},
		"a number of learners":         {func(m *Machine) { m.Grants[1].Learners = 2 }, "1 learners: 2 stops nobody"},
		"another role":                 {add(Grant{Role: Host, Needs: user}), ""},
		"wider":                        {add(Grant{Role: User, Needs: Need{Any: []Need{user, {Badge: "first"}}}, Session: Limits{Max: 2 * time.Hour}}), "0 grants[3] gives"},
		"supervised beside alone":      {add(Grant{Role: User, Needs: user, Supervisor: &Need{Badge: "mentor"}, Session: Limits{Max: time.Hour}}), "3 grants[0] gives"},
		"hours of the past":            {add(Grant{Role: Host, Needs: user, Hours: past}), "3 nobody can ever"},
		"only booked, and no booking":  {add(Grant{Role: Host, Needs: user, Booked: true}), "3 no booking"},
		"only booked, in its hours": {func(m *Machine) {
			add(Grant{Role: Host, Needs: user, Booked: true, Hours: mustHours("09:00-21:00")})(m)
			m.Bookings = december(t, "m-7")
		}, ""},
		"booked outside its hours": {func(m *Machine) {
			add(Grant{Role: Host, Needs: user, Booked: true, Hours: mustHours("Su 09:00-21:00")})(m)
			m.Bookings = december(t, "m-7")
		}, "3 no booking"},
		"everybody gets in":         {func(m *Machine) { m.Mode = Warn }, "-1 mode: warn lets every member in"},
		"learners among themselves": {func(m *Machine) { m.Grants[1].Supervisor = &m.Grants[1].Needs }, "1 whoever meets this grant"},
		"a mentor or another learner": {func(m *Machine) {
			m.Grants[1].Supervisor = &Need{Any: []Need{{Badge: "mentor"}, {Badge: "first"}}}
			m.Grants[1].Needs = Need{Any: []Need{{All: []Need{{Badge: "first"}, {Badge: "user"}}}, {Badge: "mentor"}}}
		}, "1 whoever meets this grant"},
		"a learner with two badges": {func(m *Machine) { m.Grants[1].Supervisor = &Need{All: []Need{{Badge: "mentor"}, {Badge: "first"}}} }, ""},
		"narrower hours":            {add(Grant{Role: User, Needs: user, Hours: mustHours("Mo 09:00-10:00"), Session: Limits{Max: time.Hour}}), "3 grants[0] gives"},
		"an age that asks for less": {add(Grant{Role: User, Needs: Need{Badge: "user", Within: days}, Session: Limits{Max: time.Hour}}), "3 grants[0] gives"},
	} {
		warnings, err := ruled(t, c.rule).Warnings(monday)
		var got []string
		for _, w := range warnings {
			got = append(got, fmt.Sprint(w.Grant, " ", w.Text.EN))
			if w.Text.FR == "" || w.Text.FR == w.Text.EN {
				t.Errorf("%s: %q", name, w.Text)
			}
		}
		if s := strings.Join(got, "; "); err != nil || !strings.HasPrefix(s, c.want) || (s == "") != (c.want == "") {
			t.Errorf("%s: %q %v, want %q", name, s, err, c.want)
		}
	}
}
