package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// crowded has more badges than a space may have cases.
func crowded(t *testing.T) *Policy {
	t.Helper()
	m := ruledModel(func(m *Machine) {})
	for i := range 20 {
		id := BadgeID(fmt.Sprint("b", i))
		m.Badges = append(m.Badges, Badge{ID: id, Name: Text{FR: "b"}, Issuer: "i", Achievement: "urn:" + string(id)})
		m.Machines[0].Grants = append(m.Machines[0].Grants, Grant{Role: Host, Needs: Need{Badge: id}})
	}
	return mustNew(t, m)
}

// A machine with too many cases is named, and nothing is said of it in part.
func TestTooManyCasesAreNotComparedInPart(t *testing.T) {
	p := crowded(t)
	_, err1 := Compare(p, p, monday)
	_, err2 := p.Warnings(monday)
	for _, err := range []error{err1, err2, p.Prove(monday)} {
		if err == nil || !strings.Contains(err.Error(), `machine "m"`) {
			t.Error(err)
		}
	}
}

// Invariants are tried all the same: of many badges they are taken away one after the other.
func TestBreachesOfManyBadges(t *testing.T) {
	m := crowded(t).Model
	var all []Need
	for i := range 13 {
		all = append(all, Need{Badge: BadgeID(fmt.Sprint("b", i))})
	}
	m.Machines[0].Grants = append(
		m.Machines[0].Grants,
		Grant{Role: Mentor, Needs: Need{Any: []Need{{All: all}, {All: []Need{{Badge: "b14"}, {Badge: "b15"}}}}}},
	)
	m.Never = []Invariant{{Roles: []Role{Mentor}, Without: []BadgeID{"user"}}}
	got := mustNew(t, m).Breaches(monday)
	if len(got) != 1 || len(got[0].Holds) != 2 && len(got[0].Holds) != 13 {
		t.Errorf("%+v", got)
	}
}

// The laws can be broken: by a judge that is not ours.
func TestProveFindsAJudgeThatBreaksALaw(t *testing.T) {
	p := ruled(t, func(*Machine) {})
	c, err := newComparison("m", NoRole, p, p, monday)
	if err != nil {
		t.Fatal(err)
	}
	for want, judge := range map[string]func(Question) uint{
		"tagged out, it still opens": func(q Question) uint { return 1 << User },
		"(first) has not a role that (no badge) has": func(q Question) uint {
			if q.Tagged || len(q.Member.Holdings) > 0 {
				return 0
			}
			return 1 << User
		},
	} {
		if err := c.prove(judge); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err := c.prove(func(q Question) uint { return 1 << Maintainer }); err != nil {
		t.Errorf("a maintainer at a tagged machine: %v", err)
	}
}

// What else policies tell apart: the bundle's age, how many a supervisor answers for, quotas of two lengths, badges
// that somebody only attests.
func TestChangesOfEveryCircumstanceAreFound(t *testing.T) {
	plain := func(*Machine) {}
	for name, c := range map[string]struct {
		before, after func(*Machine)
		want          string
	}{
		"a bundle's age":        {plain, func(m *Machine) { m.Fresh, m.Stale = 7*days, []Role{Maintainer} }, "loses user alone=true with user+a bundle older than 7d"},
		"another age":           {func(m *Machine) { m.Fresh, m.Stale = 7*days, []Role{Maintainer} }, func(m *Machine) { m.Fresh, m.Stale = 30*days, []Role{Maintainer} }, "gains user alone=true with user+a bundle older than 7d"},
		"fewer learners":        {func(m *Machine) { m.Grants[1].Learners = 3 }, func(m *Machine) { m.Grants[1].Learners = 2 }, "loses learner alone=false with first+a supervisor with mentor+a supervisor who answers for 2 already"},
		"attested will do":      {plain, func(m *Machine) { m.Grants[0].Needs.Assurance = Attested }, "gains user alone=true with user (attested)"},
		"a week's quota":        {plain, func(m *Machine) { m.Grants[0].Quota.Week = 90 * time.Minute }, "loses user alone=true with user+1h30m used this week"},
		"hours at midday":       {func(m *Machine) { m.Grants[0].Hours = mustHours("09:00-12:00,13:00-18:00") }, func(m *Machine) { m.Grants[0].Hours = mustHours("13:00-14:00") }, "loses user alone=true with user when Mo-Su 09:00-12:00, Mo-Su 14:00-18:00"},
		"a slot on either side": {func(m *Machine) { m.Grants[0].Hours = mustHours("09:00-10:00,10:00-11:00") }, func(m *Machine) { m.Grants[0].Hours = mustHours("03:00-04:00") }, "when Mo-Su 09:00-11:00"},
		"one day of the year":   {func(m *Machine) { m.Grants[0].Hours, _ = ParseHours("09:00-10:00; Dec 24-30 off", nil) }, func(m *Machine) { m.Grants[0].Hours = mustHours("09:00-10:00") }, "gains user alone=true with user when 2026-12-24 – 2026-12-30 09:00-10:00"},
	} {
		changes, err := Compare(ruled(t, c.before), ruled(t, c.after), monday)
		if got := say(changes); err != nil || !strings.Contains(got, c.want) {
			t.Errorf("%s: %v\n got %s\nwant %s", name, err, got, c.want)
		}
	}
}

func said(words ...string) (out []Text) {
	for _, w := range words {
		out = append(out, Text{w, w})
	}
	return out
}

func TestChangesAreSaidInBothLanguages(t *testing.T) {
	two := Limits{Max: 2 * time.Hour, Idle: 10 * time.Minute}
	for _, c := range []struct {
		change Change
		fr, en string
	}{
		{Change{Machine: "laser", Role: User, Alone: true, Gained: true, With: said("user")},
			"laser : user : obtient le rôle Utilisation", "laser: user: gains user"},
		{Change{Machine: "laser", Role: Learner, With: said("first"), When: []string{"Mo 09:00-10:00", "Tu 09:00-10:00"}},
			"laser : first : perd le rôle Apprentissage avec un mentor, lun. 09:00-10:00; mar. 09:00-10:00",
			"laser: first: loses learner with a mentor, Mo 09:00-10:00; Tu 09:00-10:00"},
		{Change{Machine: "laser", Role: User, Alone: true, Gained: true, Clock: "untrusted"},
			"laser : sans badge : obtient le rôle Utilisation, tant que l’heure n’est pas sûre",
			"laser: without a badge: gains user, while the clock is not trusted"},
		{Change{Machine: "laser", Role: User, Alone: true, With: said("user"), Before: two},
			"laser : user : Utilisation, durée : au plus 2h, inactivité 10m → sans limite",
			"laser: user: user, session max 2h, idle 10m → without a limit"},
	} {
		if fr, en := c.change.In(French), c.change.In(English); fr != c.fr || en != c.en {
			t.Errorf("%q\n%q", fr, en)
		}
	}
}

func TestAWeeksQuotaIsExplainedByItself(t *testing.T) {
	p := ruled(t, func(m *Machine) { m.Grants[0].Quota = Quota{Day: 5 * time.Hour, Week: 6 * time.Hour} })
	q := Question{At: monday, Clock: Trusted, Machine: "m", Member: bearer("user")}
	q.Member.Practice = []Practice{{Machine: "m", Last: monday, Day: time.Hour, Week: 6 * time.Hour}}
	if got := Explain(p, q, p.Decide(q)); got.In(
		French,
	) != "Le temps prévu pour la semaine (6 h) est épuisé. Prochaine étape : revenir lundi" ||
		got.In(English) != "The week’s time (6 h) is used up. Next step: come back on Monday" {
		t.Errorf("%q", got)
	}
}
