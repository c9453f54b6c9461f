package analysis

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"portillon/policy"
)

// say returns changes in a short form that the tests compare.
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

func TestPolicyChangeIsReportedForTheSmallestSetOfBadges(t *testing.T) {
	hours := func(s string) func(*policy.Machine) {
		return func(m *policy.Machine) { m.Grants[0].Hours = mustHours(s) }
	}
	plain := func(*policy.Machine) {}
	for name, c := range map[string]struct {
		before, after func(*policy.Machine)
		want          string
	}{
		"nothing":                 {plain, plain, ""},
		"the same in other words": {hours("Mo-Fr 09:00-21:00"), hours("Mo,Tu,We,Th,Fr 09:00-12:00,12:00-21:00"), ""},
		"hours": {plain, hours("Mo-Fr 09:00-21:00"),
			"loses user alone=true with user except Mo-Fr 09:00-21:00; loses user alone=true with user clock untrusted"},
		"longer hours": {hours("Mo-Fr 09:00-21:00"), hours("Mo-Fr 09:00-22:00"),
			"gains user alone=true with user when Mo-Fr 21:00-22:00"},
		"another badge": {plain, func(m *policy.Machine) {
			m.Grants[0].Needs = policy.Need{Any: []policy.Need{{Badge: "user"}, {Badge: "first"}}}
		}, "gains user alone=true with first"},
		"one badge more": {plain, func(m *policy.Machine) {
			m.Grants[0].Needs = policy.Need{All: []policy.Need{{Badge: "user"}, {Badge: "first"}}}
		}, "loses user alone=true with user"},
		"an age": {plain, func(m *policy.Machine) { m.Grants[0].Needs.Within = 365 * days },
			"loses user alone=true with user issued more than 365d ago; loses user alone=true with user issued at most 365d " +
				"ago clock untrusted"},
		"a longer session": {plain, func(m *policy.Machine) { m.Grants[0].Session.Max = 3 * time.Hour },
			"2h0m0s→3h0m0s user alone=true with user"},
		"a quota": {plain, func(m *policy.Machine) { m.Grants[0].Quota.Day = time.Hour },
			"loses user alone=true with user+1h used this day; loses user alone=true with user clock untrusted"},
		"a stronger card": {plain, func(m *policy.Machine) { m.Card = policy.AES }, ""},
		"a supervisor": {plain, func(m *policy.Machine) {
			m.Grants[1].Supervisor = &policy.Need{Any: []policy.Need{{Badge: "mentor"}, {Badge: "maintainer"}}}
		}, "gains learner alone=false with first+a mentor with maintainer"},
		"a grant less": {plain, func(m *policy.Machine) { m.Grants = m.Grants[:2] },
			"loses maintainer alone=true with maintainer"},
		"mode warn": {plain, func(m *policy.Machine) { m.Mode = policy.Warn }, "gains user alone=true with "},
	} {
		changes, err := Compare(ruled(t, c.before), ruled(t, c.after), monday)
		got := say(changes)
		// Members whose card proves only its number lose three roles, and Compare reports one change for each.
		if name == "a stronger card" && strings.Count(got, "loses") != 3*1 && err == nil {
			t.Errorf("%s: %s", name, got)
			continue
		}
		if err != nil || got != c.want && name != "a stronger card" {
			t.Errorf("%s: %v\n got %s\nwant %s", name, err, got, c.want)
		}
	}
}

func TestAddingOrRemovingAMachineIsAChange(t *testing.T) {
	a := ruled(t, func(*policy.Machine) {})
	m := ruled(t, func(*policy.Machine) {}).Model
	m.Machines[0].ID = "n"
	changes, err := Compare(a, mustNew(t, m), monday)
	got := say(changes)
	if err != nil || strings.Count(got, "loses") != 3 || strings.Count(got, "gains") != 3 {
		t.Errorf("%v %s", err, got)
	}
}

// The test checks Compare with Decide on random policies and random questions. If Decide gives or denies a member a
// role differently under the second policy, a change of Compare must describe the difference. If Compare reports no
// change, Decide must give every member the same roles under both policies.
func TestCompareReportsEveryChangedDecision(t *testing.T) {
	if testing.Short() {
		t.Skip("short: judges thousands of generated cases")
	}
	g := newGen(5, 6)
	differ, same := 0, 0
	for range 300 {
		ma, mb := g.Model(), g.Model()
		mb.Machines[0].Mode = ma.Machines[0].Mode
		if g.IntN(2) == 0 {
			mb = ma
			mb.Machines = []policy.Machine{ma.Machines[0]}
			mb.Machines[0].Grants = append([]policy.Grant(nil), ma.Machines[0].Grants...)
			mb.Machines[0].Grants[0] = g.Grant()
		}
		for _, m := range []*policy.Machine{&ma.Machines[0], &mb.Machines[0]} {
			m.Bookings = g.Bookings()
			m.Grants[0].Booked = g.IntN(2) == 0
		}
		a, b := mustNew(t, ma), mustNew(t, mb)
		if s := casesOf("m", side{a, &a.Machines[0]}, side{b, &b.Machines[0]}); s.states() > 500 {
			continue
		}
		changes, err := Compare(a, b, monday)
		if err != nil {
			t.Fatal(err)
		}
		for range 300 {
			q := g.Question()
			q.Tagged, q.Fault, q.Issued = false, false, q.At
			for r := range policy.Roles() {
				q.As = policy.Roles()[r]
				x, y := a.Decide(q), b.Decide(q)
				if (x.Verdict == policy.Allow) == (y.Verdict == policy.Allow) {
					same++
					continue
				}
				differ++
				found := false
				for _, c := range changes {
					found = found || c.Role == q.As && c.Gained == (y.Verdict == policy.Allow) && !c.Limited()
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

// The test changes rules about the bundle's age, the number of people whom a mentor supervises, daily and weekly
// quotas, and attested badges.
func TestCompareReportsChangesOfEveryKindOfRule(t *testing.T) {
	plain := func(*policy.Machine) {}
	for name, c := range map[string]struct {
		before, after func(*policy.Machine)
		want          string
	}{
		"a bundle's age": {plain,
			func(m *policy.Machine) { m.Fresh, m.Stale = 7*days, []policy.Role{policy.Maintainer} },
			"loses user alone=true with user+a bundle older than 7d"},
		"another age": {func(m *policy.Machine) { m.Fresh, m.Stale = 7*days, []policy.Role{policy.Maintainer} },
			func(m *policy.Machine) { m.Fresh, m.Stale = 30*days, []policy.Role{policy.Maintainer} },
			"gains user alone=true with user+a bundle older than 7d"},
		"fewer learners": {func(m *policy.Machine) { m.Grants[1].Learners = 3 },
			func(m *policy.Machine) { m.Grants[1].Learners = 2 }, "loses learner alone=false with first+a mentor with " +
				"mentor+a mentor who already supervises 2"},
		"attested will do": {plain, func(m *policy.Machine) { m.Grants[0].Needs.Assurance = policy.Attested },
			"gains user alone=true with user (attested)"},
		"a week's quota": {plain, func(m *policy.Machine) { m.Grants[0].Quota.Week = 90 * time.Minute },
			"loses user alone=true with user+1h30m used this week"},
		"sessions": {plain, func(m *policy.Machine) { m.Grants[0].Quota.Sessions = 2 },
			"loses user alone=true with user+2 sessions this day; loses user alone=true with user clock untrusted"},
		"one session more": {func(m *policy.Machine) { m.Grants[0].Quota.Sessions = 1 },
			func(m *policy.Machine) { m.Grants[0].Quota.Sessions = 2 },
			"gains user alone=true with user+1 session this day"},
		"sessions in place of time": {func(m *policy.Machine) { m.Grants[0].Quota.Day = time.Hour },
			func(m *policy.Machine) { m.Grants[0].Quota = policy.Quota{Sessions: 3} },
			"gains user alone=true with user+1h used this day; loses user alone=true with user+3 sessions this day"},
		"hours at midday": {func(m *policy.Machine) { m.Grants[0].Hours = mustHours("09:00-12:00,13:00-18:00") },
			func(m *policy.Machine) { m.Grants[0].Hours = mustHours("13:00-14:00") },
			"loses user alone=true with user when Mo-Su 09:00-12:00, Mo-Su 14:00-18:00"},
		"a slot on either side": {func(m *policy.Machine) { m.Grants[0].Hours = mustHours("09:00-10:00,10:00-11:00") },
			func(m *policy.Machine) { m.Grants[0].Hours = mustHours("03:00-04:00") }, "when Mo-Su 09:00-11:00"},
		"one day of the year": {func(m *policy.Machine) {
			m.Grants[0].Hours,
				_ = policy.ParseHours("09:00-10:00; Dec 24-30 off", nil)
		}, func(m *policy.Machine) { m.Grants[0].Hours = mustHours("09:00-10:00") },
			"gains user alone=true with user when 2026-12-24 – 2026-12-30 09:00-10:00"},
	} {
		changes, err := Compare(ruled(t, c.before), ruled(t, c.after), monday)
		if got := say(changes); err != nil || !strings.Contains(got, c.want) {
			t.Errorf("%s: %v\n got %s\nwant %s", name, err, got, c.want)
		}
	}
}

func said(words ...string) (out []policy.Text) {
	for _, w := range words {
		out = append(out, policy.Text{FR: w, EN: w})
	}
	return out
}

func TestChangesAreDescribedInFrenchAndEnglish(t *testing.T) {
	two := policy.Limits{Max: 2 * time.Hour, Idle: 10 * time.Minute}
	for _, c := range []struct {
		change Change
		fr, en string
	}{
		{Change{Machine: "laser", Role: policy.User, Alone: true, Gained: true, With: said("user")},
			"laser : user : obtient le rôle Utilisation", "laser: user: gains user"},
		{Change{Machine: "laser", Role: policy.Learner, With: said("first"),
			When: []string{"Mo 09:00-10:00", "Tu 09:00-10:00"}},
			"laser : first : perd le rôle Apprentissage avec un mentor, lun. 09:00-10:00; mar. 09:00-10:00",
			"laser: first: loses learner with a mentor, Mo 09:00-10:00; Tu 09:00-10:00"},
		{Change{Machine: "laser", Role: policy.User, Alone: true, Gained: true, Clock: "untrusted"},
			"laser : sans badge : obtient le rôle Utilisation, tant que l’horloge n’est pas réglée",
			"laser: without a badge: gains user, while the clock is not trusted"},
		{Change{Machine: "laser", Role: policy.User, Alone: true, With: said("user"), Before: two},
			"laser : user : Utilisation, durée : au plus 2h, inactivité 10m → sans limite",
			"laser: user: user, session max 2h, idle 10m → without a limit"},
	} {
		if fr, en := c.change.In(policy.French), c.change.In(policy.English); fr != c.fr || en != c.en {
			t.Errorf("%q\n%q", fr, en)
		}
	}
}

func TestSessionsOfADayAreDescribedInBothLanguages(t *testing.T) {
	for n, want := range map[time.Duration]policy.Text{
		1: {FR: "1 utilisation ce jour", EN: "1 session this day"},
		2: {FR: "2 utilisations ce jour", EN: "2 sessions this day"},
	} {
		if got := sessionsToday(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestEveryDayOfTheWeekHasAFrenchWord(t *testing.T) {
	for _, c := range []struct{ given, fr string }{
		{"Mo-Fr 09:00-21:00", "lun.-ven. 09:00-21:00"}, {"Sa,Su 10:00-12:00", "sam.,dim. 10:00-12:00"},
		{"Tu", "mar."}, {"We", "mer."}, {"Th", "jeu."},
		{"2026-12-01 – 2026-12-04 09:00-21:00", "2026-12-01 – 2026-12-04 09:00-21:00"},
	} {
		if fr, en := timesIn(c.given, policy.French), timesIn(c.given, policy.English); fr != c.fr || en != c.given {
			t.Errorf("%q: %q in French, %q in English", c.given, fr, en)
		}
	}
	for _, day := range weekOrder {
		if fr := timesIn(day, policy.French); fr == day || !strings.HasSuffix(fr, ".") {
			t.Errorf("%s: %q", day, fr)
		}
	}
}
