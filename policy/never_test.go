package policy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestSlotsAreEveryKindOfTime(t *testing.T) {
	a, b := mustHours("Mo-Fr 09:00-21:00"), mustHours("Fr 20:00-02:00")
	var got []string
	for _, s := range slotsOf(paris(), monday, []*Hours{a, b}, nil) {
		got = append(got, s.span())
	}
	want := []string{"Mo-Th 00:00-09:00", "Mo-Th 09:00-21:00", "Mo-Th 21:00-24:00", "Fr 00:00-09:00", "Fr 09:00-20:00", "Fr 20:00-21:00", "Fr 21:00-24:00",
		"Sa 00:00-02:00", "Sa 02:00-24:00", "Su 00:00-24:00"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	h, _ := ParseHours("Mo-Fr 09:00-21:00; PH off", french)
	slots := slotsOf(paris(), monday, []*Hours{h}, []Booking{{monday, monday.Add(time.Hour), "m-1"}})
	found := map[string]bool{}
	for _, s := range slots {
		found[s.span()] = true
	}
	for _, want := range []string{"Mo-Fr 09:00-21:00", "Sa,Su 00:00-24:00", "2026-11-23 10:00-11:00"} {
		if !found[want] {
			t.Errorf("no %q in %v", want, found)
		}
	}
}

func TestBreachesComeWithTheSmallestCase(t *testing.T) {
	user := Invariant{Roles: []Role{User}, Without: []BadgeID{"user"}}
	night := Invariant{Roles: []Role{User}, At: mustHours("22:00-06:00")}
	for name, c := range map[string]struct {
		rule  func(*Machine)
		never Invariant
		want  string
	}{
		"held": {func(*Machine) {}, user, ""},
		"another grant": {func(m *Machine) {
			m.Grants = append(m.Grants, Grant{Role: User, Needs: Need{Any: []Need{{Badge: "first"}, {All: []Need{{Badge: "mentor"}, {Badge: "maintainer"}}}}}})
		}, user, "user [first] grant 3"},
		"two badges": {func(m *Machine) { m.Grants[0].Needs = Need{All: []Need{{Badge: "mentor"}, {Badge: "first"}}} }, user, "user [first mentor] grant 0"},
		"under supervision": {func(m *Machine) {
			m.Grants = append(m.Grants, Grant{Role: User, Needs: Need{Badge: "first"}, Supervisor: &Need{Badge: "mentor"}})
		}, user, "user [first] supervised grant 3"},
		"alone only": {func(m *Machine) {
			m.Grants = append(m.Grants, Grant{Role: User, Needs: Need{Badge: "first"}, Supervisor: &Need{Badge: "mentor"}})
		}, Invariant{Roles: []Role{User}, Without: []BadgeID{"user"}, Alone: true}, ""},
		"mode warn":       {func(m *Machine) { m.Mode = Warn }, user, "user [] grant -1"},
		"another machine": {func(m *Machine) { m.Mode = Warn }, Invariant{Roles: []Role{User}, Without: []BadgeID{"user"}, On: []MachineID{"x"}}, ""},
		"by night":        {func(*Machine) {}, night, "user [user] grant 0"},
		"closed by night": {func(m *Machine) { m.Grants[0].Hours = mustHours("06:00-22:00") }, night, ""},
		"closes too late": {func(m *Machine) { m.Grants[0].Hours = mustHours("06:00-22:01") }, night, "user [user] grant 0"},
		"on one holiday":  {func(m *Machine) { m.Grants[0].Hours, _ = ParseHours("06:00-22:00; 2027 Jun 03 06:00-23:00", nil) }, night, "user [user] grant 0"},
		"without a clock": {func(m *Machine) { m.Grants[0].Hours, m.Pass = mustHours("06:00-22:00"), PassHours }, night, "user [user] untrusted grant 0"},
		"in a booking": {func(m *Machine) {
			m.Grants[0].Booked, m.Bookings = true, []Booking{{wall(t, "2026-12-01 23:00"), wall(t, "2026-12-01 23:30"), "m-1"}}
		}, night, "user [user] grant 0"},
		"never booked then": {func(m *Machine) {
			m.Grants[0].Booked, m.Bookings = true, []Booking{{wall(t, "2026-12-01 20:00"), wall(t, "2026-12-01 21:30"), "m-1"}}
		}, night, ""},
	} {
		m := ruled(t, c.rule).Model
		m.Never = []Invariant{c.never}
		got := ""
		for _, b := range mustNew(t, m).Breaches(monday) {
			got = fmt.Sprint(b.Role, " ", b.Holds)
			if b.Supervised {
				got += " supervised"
			}
			if b.Clock == Untrusted {
				got += " untrusted"
			}
			got += fmt.Sprint(" grant ", b.Grant)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Without the law that it relies on, by trying every set of badges: the same answer on random policies.
func TestBreachesAreFoundWhereAnySetOfBadgesBreaches(t *testing.T) {
	g := gen{rand.New(rand.NewPCG(3, 4))}
	breached := 0
	for range 300 {
		model := g.model()
		v := Invariant{Roles: []Role{Role(1 + g.IntN(5))}, Without: []BadgeID{ids[g.IntN(len(ids))]}, Alone: g.IntN(2) == 0}
		model.Never = []Invariant{v}
		p := mustNew(t, model)
		got := p.Breaches(monday)
		want := bruteBreach(p, v)
		if (len(got) > 0) != (want >= 0) || len(got) > 0 && len(got[0].Holds) != want {
			t.Fatalf("%+v: %+v, but by brute force %d badges\n%+v", v, got, want, p.Machines[0].Grants)
		}
		if want >= 0 {
			breached++
		}
	}
	if breached < 50 || breached > 250 {
		t.Errorf("%d of 300 breach: the test proves little", breached)
	}
}

// bruteBreach is the least number of badges with which the role is given, at any quarter of an hour of a week; -1: never.
func bruteBreach(p *Policy, v Invariant) int {
	least := -1
	for set := range 1 << len(ids) {
		var holds []BadgeID
		for i, id := range ids {
			if set&(1<<i) != 0 && !slices.Contains(v.Without, id) {
				holds = append(holds, id)
			}
		}
		if least >= 0 && len(holds) >= least {
			continue
		}
		for i := range 7 * 24 {
			t := trial{p: p, m: &p.Machines[0], at: monday.Add(time.Duration(i) * time.Hour), role: v.Roles[0], clock: Trusted}
			alone := t.gives(holds)
			t.supervised = true
			if alone || !v.Alone && t.gives(holds) {
				least = len(holds)
				break
			}
		}
	}
	return least
}

func TestEveryPolicyIsProven(t *testing.T) {
	g := gen{rand.New(rand.NewPCG(7, 8))}
	proven := 0
	for range 100 {
		p := mustNew(t, g.model())
		if s := spaceOf("m", &p.Machines[0]); s.states() > 500 {
			continue
		}
		if err := p.Prove(monday); err != nil {
			t.Fatal(err)
		}
		proven++
	}
	if proven < 30 {
		t.Errorf("%d were tried", proven)
	}
	if err := ruled(t, func(m *Machine) { m.Mode, m.Card = Warn, AES }).Prove(monday); err != nil {
		t.Error(err)
	}
}

// The proof must be able to fail: a role set that shrinks is found, and so is a machine with too many cases.
func TestAProofCanFail(t *testing.T) {
	if at, lost := loses([]uint{1, 3}, []uint{1, 1}); !lost || at != 1 {
		t.Error("a lost role is not seen")
	}
	m := ruledModel(func(m *Machine) {})
	for i := range 20 {
		id := BadgeID(fmt.Sprint("b", i))
		m.Badges = append(m.Badges, Badge{ID: id, Name: Text{FR: "b"}, Issuer: "i", Achievement: "urn:" + string(id)})
		m.Machines[0].Grants = append(m.Machines[0].Grants, Grant{Role: User, Needs: Need{Badge: id}})
	}
	if err := mustNew(t, m).Prove(monday); err == nil {
		t.Error("a space of a million cases is said to be proven")
	}
}
