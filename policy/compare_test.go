package policy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// say writes changes as a test wants to read them.
func say(all []Change) string {
	var out []string
	for _, c := range all {
		verb := map[bool]string{true: "gains", false: "loses"}[c.Gained]
		if c.Limited() {
			verb = fmt.Sprintf("%v→%v", c.Before.Max, c.After.Max)
		}
		var with []string
		for _, w := range c.With {
			with = append(with, w.EN)
		}
		s := fmt.Sprintf("%s %v alone=%v with %s", verb, c.Role, c.Alone, strings.Join(with, "+"))
		if len(c.When) > 0 {
			s += " when " + strings.Join(c.When, ", ")
		}
		if len(c.Except) > 0 {
			s += " except " + strings.Join(c.Except, ", ")
		}
		if c.Clock != "" {
			s += " clock " + c.Clock
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

func TestAChangeOfPolicyIsSaidAtItsLeast(t *testing.T) {
	hours := func(s string) func(*Machine) { return func(m *Machine) { m.Grants[0].Hours = mustHours(s) } }
	plain := func(*Machine) {}
	for name, c := range map[string]struct {
		before, after func(*Machine)
		want          string
	}{
		"nothing":                 {plain, plain, ""},
		"the same in other words": {hours("Mo-Fr 09:00-21:00"), hours("Mo,Tu,We,Th,Fr 09:00-12:00,12:00-21:00"), ""},
		"hours":                   {plain, hours("Mo-Fr 09:00-21:00"), "loses user alone=true with user except Mo-Fr 09:00-21:00; loses user alone=true with user clock untrusted"},
		"longer hours":            {hours("Mo-Fr 09:00-21:00"), hours("Mo-Fr 09:00-22:00"), "gains user alone=true with user when Mo-Fr 21:00-22:00"},
		"another badge":           {plain, func(m *Machine) { m.Grants[0].Needs = Need{Any: []Need{{Badge: "user"}, {Badge: "first"}}} }, "gains user alone=true with first"},
		"one badge more":          {plain, func(m *Machine) { m.Grants[0].Needs = Need{All: []Need{{Badge: "user"}, {Badge: "first"}}} }, "loses user alone=true with user"},
		"an age":                  {plain, func(m *Machine) { m.Grants[0].Needs.Within = 365 * days }, "loses user alone=true with user issued more than 365d ago; loses user alone=true with user issued at most 365d ago clock untrusted"},
		"a longer session":        {plain, func(m *Machine) { m.Grants[0].Session.Max = 3 * time.Hour }, "2h0m0s→3h0m0s user alone=true with user"},
		"a quota":                 {plain, func(m *Machine) { m.Grants[0].Quota.Day = time.Hour }, "loses user alone=true with user+1h used this day; loses user alone=true with user clock untrusted"},
		"a stronger card":         {plain, func(m *Machine) { m.Card = AES }, ""},
		"a supervisor": {plain, func(m *Machine) {
			m.Grants[1].Supervisor = &Need{Any: []Need{{Badge: "mentor"}, {Badge: "maintainer"}}}
		}, "gains learner alone=false with first+a supervisor with maintainer"},
		"a grant less": {plain, func(m *Machine) { m.Grants = m.Grants[:2] }, "loses maintainer alone=true with maintainer"},
		"mode warn":    {plain, func(m *Machine) { m.Mode = Warn }, "gains user alone=true with "},
	} {
		changes, err := Compare(ruled(t, c.before), ruled(t, c.after), monday)
		got := say(changes)
		if name == "a stronger card" && strings.Count(got, "loses") != 3*1 && err == nil { // each role, with a number only
			t.Errorf("%s: %s", name, got)
			continue
		}
		if err != nil || got != c.want && name != "a stronger card" {
			t.Errorf("%s: %v\n got %s\nwant %s", name, err, got, c.want)
		}
	}
}

func TestAMachineThatComesOrGoesIsAChange(t *testing.T) {
	a := ruled(t, func(*Machine) {})
	m := ruled(t, func(*Machine) {}).Model
	m.Machines[0].ID = "n"
	changes, err := Compare(a, mustNew(t, m), monday)
	got := say(changes)
	if err != nil || strings.Count(got, "loses") != 3 || strings.Count(got, "gains") != 3 {
		t.Errorf("%v %s", err, got)
	}
}

// What Compare says is what deciding says: on random policies and random questions, whoever gains or loses a role is
// covered by a change, and where there is no change nobody does.
func TestCompareMissesNothing(t *testing.T) {
	g := gen{rand.New(rand.NewPCG(5, 6))}
	differ, same := 0, 0
	for range 300 {
		ma, mb := g.model(), g.model()
		mb.Machines[0].Mode = ma.Machines[0].Mode
		if g.IntN(2) == 0 {
			mb = ma
			mb.Machines = []Machine{ma.Machines[0]}
			mb.Machines[0].Grants = append([]Grant(nil), ma.Machines[0].Grants...)
			mb.Machines[0].Grants[0] = g.grant()
		}
		for _, m := range []*Machine{&ma.Machines[0], &mb.Machines[0]} {
			m.Bookings = g.bookings()
			m.Grants[0].Booked = g.IntN(2) == 0
		}
		a, b := mustNew(t, ma), mustNew(t, mb)
		if s := spaceOf("m", side{a, &a.Machines[0]}, side{b, &b.Machines[0]}); s.states() > 500 {
			continue
		}
		changes, err := Compare(a, b, monday)
		if err != nil {
			t.Fatal(err)
		}
		for range 300 {
			q := g.question()
			q.Tagged, q.Fault, q.Issued = false, false, q.At
			for r := range Roles() {
				q.As = Roles()[r]
				x, y := a.Decide(q), b.Decide(q)
				if (x.Verdict == Allow) == (y.Verdict == Allow) {
					same++
					continue
				}
				differ++
				found := false
				for _, c := range changes {
					found = found || c.Role == q.As && c.Gained == (y.Verdict == Allow) && !c.Limited()
				}
				if !found {
					t.Fatalf(
						"%v: %v→%v is in no change of %s\n%+v\n%+v\n%+v",
						q.As,
						x.Verdict,
						y.Verdict,
						say(changes),
						q.Member,
						ma.Machines[0].Grants,
						mb.Machines[0].Grants,
					)
				}
			}
		}
	}
	if differ < 100 || same < 1000 {
		t.Errorf("%d differ, %d do not: the test proves little", differ, same)
	}
}

func BenchmarkCompareTwentyMachinesOfFiveBadges(b *testing.B) {
	build := func(change bool) *Policy {
		m := Model{Site: "s", Zone: paris(), Issuers: []Issuer{{ID: "i", Profile: "did:x", Keys: []string{"k"}}}}
		for i := range 20 {
			id := func(s string) BadgeID { return BadgeID(fmt.Sprintf("%s-%d", s, i)) }
			for _, s := range []string{"first", "user", "host", "mentor", "maintainer"} {
				m.Badges = append(m.Badges, Badge{ID: id(s), Name: Text{FR: s}, Issuer: "i", Achievement: "urn:" + string(id(s))})
			}
			h, _ := ParseHours("Mo-Fr 09:00-21:00; Sa 10:00-18:00; PH off", french)
			x := Machine{ID: MachineID(fmt.Sprint("m", i)), Name: Text{FR: "m"}, Grants: []Grant{
				{
					Role:  Maintainer,
					Needs: Need{Badge: id("maintainer")},
				}, {Role: Mentor, Needs: Need{Badge: id("mentor")}}, {Role: Host, Needs: Need{Badge: id("host")}, Hours: h},
				{
					Role:  User,
					Needs: Need{Badge: id("user"), UsedWithin: 180 * days},
					Hours: h,
				}, {Role: Learner, Needs: Need{Badge: id("first")}, Supervisor: &Need{Badge: id("mentor")}}}}
			if change {
				x.Grants[3].Needs = Need{Any: []Need{{Badge: id("user")}, {Badge: id("host")}}}
			}
			m.Never = append(m.Never, Invariant{Roles: []Role{User}, Without: []BadgeID{id("user")}, On: []MachineID{x.ID}})
			m.Machines = append(m.Machines, x)
		}
		p, err := New(m)
		if err != nil {
			b.Fatal(err)
		}
		return p
	}
	before, after := build(false), build(true)
	b.Run("diff", func(b *testing.B) {
		for b.Loop() {
			if changes, err := Compare(before, after, monday); err != nil || len(changes) < 20 {
				b.Fatal(err, len(changes))
			}
		}
	})
	b.Run("never", func(b *testing.B) {
		for b.Loop() {
			if len(before.Breaches(monday)) != 0 || len(after.Breaches(monday)) != 20 {
				b.Fatal("breaches")
			}
		}
	})
}
