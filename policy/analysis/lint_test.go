package analysis

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"portillon/policy"
)

func TestUselessGrantsGiveWarnings(t *testing.T) {
	add := func(g policy.Grant) func(*policy.Machine) {
		return func(m *policy.Machine) { m.Grants = append(m.Grants, g) }
	}
	user := policy.Need{Badge: "user"}
	past, _ := policy.ParseHours("2020 Jan 01 10:00-11:00", nil)
	for name, c := range map[string]struct {
		rule func(*policy.Machine)
		want string
	}{
		"nothing": {func(*policy.Machine) {}, ""},
		"covered": {
			add(policy.Grant{Role: policy.User, Needs: policy.Need{All: []policy.Need{user, {Badge: "first"}}},
				Session: policy.Limits{Max: time.Hour}}), "3 grants[0] gives"},
		"covered, but longer": {
			add(policy.Grant{Role: policy.User, Needs: policy.Need{All: []policy.Need{user, {Badge: "first"}}},
				Session: policy.Limits{Max: 3 * time.Hour}}), ""},
		"covered, but without a limit": {
			add(policy.Grant{Role: policy.User, Needs: policy.Need{All: []policy.Need{user, {Badge: "first"}}}}), ""},
		"the same twice": {
			add(policy.Grant{Role: policy.User, Needs: user, Session: policy.Limits{Max: 2 * time.Hour}}), "3 grants[0] gives"},
		"a number of learners": {func(m *policy.Machine) { m.Grants[1].Learners = 2 }, "1 learners: 2 stops nobody"},
		"another role":         {add(policy.Grant{Role: policy.Host, Needs: user}), ""},
		"wider": {
			add(policy.Grant{Role: policy.User, Needs: policy.Need{Any: []policy.Need{user, {Badge: "first"}}},
				Session: policy.Limits{Max: 2 * time.Hour}}), "0 grants[3] gives"},
		"supervised beside alone": {
			add(policy.Grant{Role: policy.User, Needs: user, Supervisor: &policy.Need{Badge: "mentor"},
				Session: policy.Limits{Max: time.Hour}}), "3 grants[0] gives"},
		"hours of the past":           {add(policy.Grant{Role: policy.Host, Needs: user, Hours: past}), "3 nobody can ever"},
		"only booked, and no booking": {add(policy.Grant{Role: policy.Host, Needs: user, Booked: true}), "3 no future"},
		"only booked, in its hours": {func(m *policy.Machine) {
			add(policy.Grant{Role: policy.Host, Needs: user, Booked: true, Hours: mustHours("09:00-21:00")})(m)
			m.Bookings = december(t, "m-7")
		}, ""},
		"booked outside its hours": {func(m *policy.Machine) {
			add(policy.Grant{Role: policy.Host, Needs: user, Booked: true, Hours: mustHours("Su 09:00-21:00")})(m)
			m.Bookings = december(t, "m-7")
		}, "3 no future"},
		"everybody gets in": {func(m *policy.Machine) { m.Mode = policy.Warn }, "-1 mode: warn lets every member in"},
		"learners among themselves": {func(m *policy.Machine) { m.Grants[1].Supervisor = &m.Grants[1].Needs },
			"1 whoever meets this grant"},
		"a mentor or another learner": {func(m *policy.Machine) {
			m.Grants[1].Supervisor = &policy.Need{Any: []policy.Need{{Badge: "mentor"}, {Badge: "first"}}}
			m.Grants[1].Needs = policy.Need{
				Any: []policy.Need{{All: []policy.Need{{Badge: "first"}, {Badge: "user"}}}, {Badge: "mentor"}}}
		}, "1 whoever meets this grant"},
		"a learner with two badges": {func(m *policy.Machine) {
			m.Grants[1].Supervisor = &policy.Need{All: []policy.Need{{Badge: "mentor"}, {Badge: "first"}}}
		}, ""},
		"narrower hours": {
			add(policy.Grant{Role: policy.User, Needs: user, Hours: mustHours("Mo 09:00-10:00"),
				Session: policy.Limits{Max: time.Hour}}), "3 grants[0] gives"},
		"an age that asks for less": {
			add(policy.Grant{Role: policy.User, Needs: policy.Need{Badge: "user", Within: days},
				Session: policy.Limits{Max: time.Hour}}), "3 grants[0] gives"},
	} {
		warnings, err := Warnings(ruled(t, c.rule), monday)
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
