package analysis

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"portillon/policy"
)

// On random policies and members, Who must give the same answer as Decide.
func TestWhoAgreesWithDecide(t *testing.T) {
	g := newGen(9, 10)
	some := 0
	for range 500 {
		p := mustNew(t, g.Model())
		q := g.Question()
		q.Clock, q.Tagged, q.Fault, q.Supervisor, q.Card, q.Issued = policy.Trusted, false, false, nil, policy.AES, q.At
		d := p.Decide(q)
		var alone, supervised RoleSet
		for i, o := range d.Outcomes {
			switch {
			case o.Verdict == policy.Allow:
				alone |= 1 << o.Role
			case o.Verdict == policy.Await && p.Machines[0].Grants[i].Supervisor != nil:
				supervised |= 1 << o.Role
			}
		}
		if p.Machines[0].Mode == policy.Warn && q.Member != nil && !q.Member.Blocked {
			alone |= 1 << policy.User
		}
		got := Who(p, "m", []*policy.Member{nil, q.Member}, q.At)
		if len(got) != 2 || got[0].Alone|got[0].Supervised != 0 || got[1].Alone != alone || got[1].Supervised != supervised ||
			got[1].Member != q.Member {
			t.Fatalf("%+v, but decided %v %v\n%+v", got, alone.Roles(), supervised.Roles(), p.Machines[0].Grants)
		}
		if alone|supervised != 0 {
			some++
		}
	}
	if some < 100 {
		t.Errorf("only %d members have a role", some)
	}
	if Who(new(policy.Policy), "m", nil, monday) != nil {
		t.Error("somebody at a machine that is none")
	}
	if s := RoleSet(1<<policy.User | 1<<policy.Learner); !slices.Equal(
		s.Roles(),
		[]policy.Role{policy.Learner, policy.User},
	) ||
		s.Has(policy.Host) {
		t.Error(s.Roles())
	}
}

// The roles that Rights reports for now must be the roles that Who returns.
func TestRightsThatHoldNowEqualTheRolesOfWho(t *testing.T) {
	g := newGen(11, 12)
	later := 0
	for range 500 {
		p := mustNew(t, g.Model())
		q := g.Question()
		if q.Member != nil && g.IntN(2) == 0 { // a membership that has ended
			q.Member.Until = policy.DateOf(q.At.AddDate(0, 0, -1-g.IntN(400)), p.Zone)
		}
		place := Who(p, "m", []*policy.Member{q.Member}, q.At)[0]
		var alone, supervised RoleSet
		for _, r := range Rights(p, "m", []*policy.Member{q.Member}, q.At)[0] {
			switch {
			case !r.Now:
				later++
			case r.Supervised:
				supervised |= 1 << r.Role
			default:
				alone |= 1 << r.Role
			}
		}
		if alone != place.Alone || supervised != place.Supervised {
			t.Fatalf(
				"%v %v, but Who says %v %v",
				alone.Roles(),
				supervised.Roles(),
				place.Alone.Roles(),
				place.Supervised.Roles(),
			)
		}
	}
	if later == 0 {
		t.Error("no right holds at another time alone")
	}
}

func TestRightsListTheHoursInWhichTheyApply(t *testing.T) {
	office, err := policy.ParseHours("Mo-Fr 09:00-21:00", nil)
	if err != nil {
		t.Fatal(err)
	}
	p := ruled(t, func(m *policy.Machine) {
		m.Grants[0].Hours = office
		m.Grants = append(m.Grants, policy.Grant{Role: policy.User, Needs: policy.Need{Badge: "user"}, Booked: true})
	})
	night := monday.AddDate(0, 0, -1)
	if got := fmt.Sprint(rightWords(p, bearer("user"),
		night)); got != "[user Mo-Fr 09:00-21:00 now false user booked now false]" {
		t.Error(got)
	}
	if got := fmt.Sprint(rightWords(p, bearer(), night)); got != "[]" {
		t.Error(got)
	}
	if Rights(p, "x", nil, night) != nil || Rights(p, "m", []*policy.Member{nil}, night)[0] != nil {
		t.Error("somebody at a machine that is none, or nobody")
	}
}

// A quota that is used up today must not remove the right, because the member may use the machine tomorrow.
func TestRightsRemainAfterTheQuotaIsUsedUp(t *testing.T) {
	p := ruled(t, func(m *policy.Machine) {
		m.Grants[0].Hours, m.Grants[0].Quota = nil, policy.Quota{Day: time.Hour}
	})
	m := bearer("user")
	m.Practice = []policy.Practice{
		{Machine: "m", Last: monday.Add(-time.Minute), Day: time.Hour, Week: time.Hour, Sessions: 2},
	}
	sessions := ruled(t, func(m *policy.Machine) {
		m.Grants[0].Hours, m.Grants[0].Quota = nil, policy.Quota{Sessions: 2}
	})
	for _, p := range []*policy.Policy{p, sessions} {
		if got := fmt.Sprint(rightWords(p, m, monday)); got != "[user now false]" {
			t.Error(got)
		}
		if got := fmt.Sprint(rightWords(p, m, monday.AddDate(0, 0, 1))); got != "[user now true]" {
			t.Error(got)
		}
	}
}

func rightWords(p *policy.Policy, m *policy.Member, at time.Time) (out []string) {
	for _, r := range Rights(p, "m", []*policy.Member{m}, at)[0] {
		s := r.Role.String()
		if r.Hours != nil {
			s += " " + r.Hours.String()
		}
		if r.Booked {
			s += " booked"
		}
		out = append(out, fmt.Sprint(s, " now ", r.Now))
	}
	return out
}
