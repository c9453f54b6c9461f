package analysis

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/policy"
)

func TestChangesOfTheMembershipRuleAreReported(t *testing.T) {
	model := func(x policy.Membership) policy.Model {
		m := ruled(t, func(*policy.Machine) {}).Model
		m.Membership = x
		return m
	}
	for name, c := range map[string]struct {
		before, after policy.Membership
		want          string
	}{
		"nothing":   {fortnight, fortnight, ""},
		"only warn": {fortnight, policy.Membership{Grace: 14 * days, After: []policy.Role{policy.Maintainer}}, ""},
		"another order": {policy.Membership{After: []policy.Role{policy.User, policy.Maintainer}},
			policy.Membership{After: []policy.Role{policy.Maintainer, policy.User}}, ""},
		"less grace": {fortnight, policy.Membership{After: []policy.Role{policy.Maintainer}},
			"loses learner alone=false with first+a mentor with mentor+a membership that has ended; " +
				"loses user alone=true with user+a membership that has ended"},
		"more grace": {fortnight, policy.Membership{Grace: 30 * days, After: []policy.Role{policy.Maintainer}},
			"gains learner alone=false with first+a mentor with mentor+a membership that ended more than 14d ago; " +
				"gains user alone=true with user+a membership that ended more than 14d ago"},
		"a role is kept": {fortnight, policy.Membership{Grace: 14 * days,
			After: []policy.Role{policy.User, policy.Maintainer}}, "gains user alone=true with user+a membership that ended " +
			"more than 14d ago"},
		"a role is lost": {fortnight, policy.Membership{Grace: 14 * days},
			"loses maintainer alone=true with maintainer+a membership that ended more than 14d ago"},
	} {
		before, after := mustNew(t, model(c.before)), mustNew(t, model(c.after))
		changes, err := Compare(before, after, monday)
		if got := say(changes); got != c.want || err != nil {
			t.Errorf("%s:\n got %s\nwant %s\n%v", name, got, c.want, err)
		}
	}
	// Without a trusted clock the hours are ignored, so the membership rule also matters at night.
	passing := func(x policy.Membership) *policy.Policy {
		m := ruled(t, func(m *policy.Machine) {
			m.Grants, m.Pass = m.Grants[:1], policy.PassHours
			m.Grants[0].Hours = mustHours("Mo-Fr 09:00-21:00")
		}).Model
		m.Membership = x
		return mustNew(t, m)
	}
	changes, err := Compare(passing(policy.Membership{Grace: 7 * days}), passing(policy.Membership{}), monday)
	if got := say(changes); err != nil ||
		got != "loses user alone=true with user+a membership that has ended when Mo-Fr 09:00-21:00; loses user alone=true "+
			"with user+a membership that has ended clock untrusted" {
		t.Errorf("%s %v", got, err)
	}
	s := Uncompared(mustNew(t, model(fortnight)), mustNew(t, model(policy.Membership{})))
	if got := fmt.Sprint(s); got != "[{membership grace 14d, warn 30d, after maintainer grace 0d, warn 0d false}]" {
		t.Error(got)
	}
}

func TestComparisonUsesMembershipsOnItsFirstDay(t *testing.T) {
	m := ruled(t, func(m *policy.Machine) { m.Grants[0].Hours = mustHours("Mo-Fr 09:00-21:00; Jul 14 10:00-12:00") }).Model
	m.Membership = fortnight
	before := mustNew(t, m)
	m.Membership = policy.Membership{}
	after := mustNew(t, m)
	var twins []Twin
	for _, until := range []string{"2026-11-23", "2026-11-22", "2026-11-09", "2026-11-08", "2026-12-24", "2027-07-10"} {
		x := bearer("user")
		x.Until = date(t, until)
		twins = append(twins, Twin{x, x})
	}
	var out []string
	for _, c := range CompareMembers(before, after, twins, monday) {
		out = append(out, fmt.Sprintf("%d %v %v %v", c.Member, c.Role, c.Gained, c.When))
	}
	if got := strings.Join(out, "; "); got != "1 user false [Mo-Fr 09:00-21:00 2027-07-14 10:00-12:00]; 2 user false "+
		"[Mo-Fr 09:00-21:00 2027-07-14 10:00-12:00]" {
		t.Error(got)
	}
}

// CompareMembers must treat a badge that was issued this morning like a badge that was issued last month.
func TestMembersAreComparedWithBadgesThatBeganToday(t *testing.T) {
	before := ruled(t, func(m *policy.Machine) {
		m.Grants = m.Grants[:1]
		m.Grants[0].Needs = policy.Need{Badge: "mentor"}
	})
	after := ruled(t, func(m *policy.Machine) {
		m.Grants = m.Grants[:1]
		m.Grants[0].Needs.Within = 300 * days
	})
	for name, c := range map[string]struct {
		from time.Time
		want int
	}{
		"last month": {monday.AddDate(0, -1, 0), 1}, "now": {monday, 1}, "this hour": {monday.Add(-time.Minute), 1},
		"later today": {monday.Add(time.Hour), 0}, "too old": {monday.AddDate(-1, 0, 0), 0},
	} {
		m := bearer("user")
		m.Holdings[0].From = c.from
		if got := CompareMembers(before, after, []Twin{{m, m}}, monday); len(got) != c.want {
			t.Errorf("%s: %d changes, want %d", name, len(got), c.want)
		}
		if !m.Holdings[0].From.Equal(c.from) {
			t.Errorf("%s: the member was changed", name)
		}
	}
}

// On random policies and members, some with lapsed memberships, Who must agree with Decide, and the policies must obey
// the laws.
func TestLawsHoldForMemberships(t *testing.T) {
	if testing.Short() {
		t.Skip("short: judges thousands of generated cases")
	}
	g := newGen(21, 22)
	lapsed, kept, late := 0, 0, 0
	for range 3000 {
		m := g.Model()
		m.Membership = policy.Membership{Grace: time.Duration(g.IntN(3)) * 7 * days}
		for _, r := range policy.Roles() {
			if g.IntN(4) == 0 {
				m.Membership.After = append(m.Membership.After, r)
			}
		}
		p := mustNew(t, m)
		q := g.Question()
		if q.Member == nil {
			continue
		}
		q.Clock, q.Tagged, q.Fault, q.Supervisor, q.Card, q.Issued = policy.Trusted, false, false, nil, policy.AES, q.At
		current := p.Decide(q)
		x := *q.Member
		x.Until = policy.DateOf(q.At, paris()).AddDays(10 - g.IntN(40))
		q.Member = &x
		d := p.Decide(q)
		state, _ := p.MembershipOf(q)
		var alone, supervised RoleSet
		for i, o := range d.Outcomes {
			keeps := state != policy.HasLapsed || slices.Contains(m.Membership.After, o.Role)
			want := policy.Deny
			if keeps {
				want = current.Outcomes[i].Verdict
			}
			if o.Verdict != want {
				t.Fatalf("%v %v: %v, want %v", state, o.Role, o.Verdict, want)
			}
			if lapsedSaid := slices.ContainsFunc(o.Missing(),
				func(r policy.Reason) bool { return r.Code == policy.MembershipLapsed }); lapsedSaid == keeps {
				t.Fatalf("%v %v: %v", state, o.Role, o.Missing())
			}
			switch o.Verdict {
			case policy.Allow:
				alone |= 1 << o.Role
			case policy.Await:
				supervised |= 1 << o.Role
			}
			if state == policy.HasLapsed && o.Verdict != policy.Deny {
				kept++
			}
			if state == policy.InGrace && o.Verdict != policy.Deny {
				late++
			}
		}
		if state == policy.HasLapsed {
			lapsed++
		}
		if p.Machines[0].Mode == policy.Warn && !x.Blocked {
			alone |= 1 << policy.User
		}
		if got := Who(p, "m", []*policy.Member{&x}, q.At)[0]; got.Alone != alone || got.Supervised != supervised {
			t.Fatalf(
				"who says %v %v, Decide %v %v",
				got.Alone.Roles(),
				got.Supervised.Roles(),
				alone.Roles(),
				supervised.Roles(),
			)
		}
		if d.Verdict == policy.Deny && len(d.Codes()) == 0 && d.Grant >= 0 {
			t.Fatalf("a refusal without a reason: %+v", d)
		}
	}
	if lapsed < 300 || kept < 50 || late < 50 {
		t.Errorf("%d lapsed, %d kept a role, %d in the grace: little was tried", lapsed, kept, late)
	}
}
