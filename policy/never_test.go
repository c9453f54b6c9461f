package policy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSlotsAreEveryKindOfTime(t *testing.T) {
	a, b := mustHours("Mo-Fr 09:00-21:00"), mustHours("Fr 20:00-02:00")
	var got []string
	for _, s := range slotsOf(paris(), monday, []*Hours{a, b}, nil) {
		got = append(got, s.span())
	}
	want := []string{
		"Mo-Th 00:00-09:00",
		"Mo-Th 09:00-21:00",
		"Mo-Th 21:00-24:00",
		"Fr 00:00-09:00",
		"Fr 09:00-20:00",
		"Fr 20:00-21:00",
		"Fr 21:00-24:00",
		"Sa 00:00-02:00",
		"Sa 02:00-24:00",
		"Su 00:00-24:00",
	}
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
	only := func(from, to string, who MemberID) func(*Machine) {
		return func(m *Machine) {
			m.Grants[0].Needs, m.Grants[0].Booked, m.Bookings = Need{
				Badge: "first",
			}, true, []Booking{
				{toTheSecond(t, from), toTheSecond(t, to), who},
			}
		}
	}
	twice := func(from string) func(*Machine) {
		return func(m *Machine) {
			at, err := time.Parse(time.RFC3339, from)
			if err != nil {
				t.Fatal(err)
			}
			m.Grants[0].Needs, m.Grants[0].Booked, m.Grants[0].Hours = Need{Badge: "first"}, true, mustHours("02:10-02:20")
			m.Bookings = []Booking{{at, at.Add(time.Hour), "m-1"}}
		}
	}
	supervised := func(who MemberID) func(*Machine) {
		return func(m *Machine) {
			only("2026-12-01 10:00:00", "2026-12-01 12:00:00", who)(m)
			m.Grants[0].Supervisor = &Need{Badge: "mentor"}
		}
	}
	open := func(hours string) func(*Machine) {
		return func(m *Machine) {
			h, err := ParseHours("09:00-21:00; "+hours, NewHolidays(Date{2077, time.May, 4}))
			if err != nil {
				t.Fatal(err)
			}
			m.Grants[0].Hours = h
		}
	}
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
		"fewer badges at another time": {func(m *Machine) {
			m.Grants[0].Needs, m.Grants[0].Hours = Need{All: []Need{{Badge: "first"}, {Badge: "mentor"}}}, mustHours("Mo 09:00-12:00")
			m.Grants = append(m.Grants, Grant{Role: User, Needs: Need{Badge: "maintainer"}, Hours: mustHours("Tu 09:00-12:00")})
		}, user, "user [maintainer] grant 3"},
		"booked in the hour that comes twice, first": {twice("2027-10-31T02:00:00+02:00"), user, "user [first] grant 0"},
		"booked in the hour that comes twice, then":  {twice("2027-10-31T02:00:00+01:00"), user, "user [first] grant 0"},
		"booked from a second on":                    {only("2026-12-01 10:00:01", "2026-12-01 12:00:00", "m-1"), user, "user [first] grant 0"},
		"booked for a second":                        {only("2026-12-01 10:00:01", "2026-12-01 10:00:02", "m-1"), user, "user [first] grant 0"},
		"booked until a second":                      {only("2026-12-01 10:00:00", "2026-12-01 10:00:02", "m-1"), user, "user [first] grant 0"},
		"booked in years to come":                    {only("2031-12-01 10:00:00", "2031-12-01 12:00:00", "m-1"), user, "user [first] grant 0"},
		"booked in the past":                         {only("2026-11-01 10:00:00", "2026-11-01 12:00:00", "m-1"), user, ""},
		"booked by one supervisor":                   {supervised("supervisor"), user, "user [first] supervised grant 0"},
		"a date of another year":                     {open("2028 Jan 10 09:00-23:00"), night, "user [user] grant 0"},
		"a leap day":                                 {open("Feb 29 09:00-23:00"), night, "user [user] grant 0"},
		"a leap day, on a Thursday":                  {open("Feb 29 Th 09:00-23:00"), night, "user [user] grant 0"},
		"a Christmas on a Monday":                    {open("Dec 25 Mo 09:00-23:00"), night, "user [user] grant 0"},
		"weekdays of a far year":                     {open("2090 Jan 01-2091 Dec 31 We 09:00-23:00"), night, "user [user] grant 0"},
		"after the dates of a year":                  {open("We 09:00-23:00; 2026 Jan 01-2090 Mar 01 We 09:00-12:00"), night, "user [user] grant 0"},
		"a holiday of a far year":                    {open("PH 09:00-23:00"), night, "user [user] grant 0"},
		"a date of the past":                         {open("2020 Jan 10 09:00-23:00"), night, ""},
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

// On the day on which the clock is put forward an hour is missing: it stands for no other Sunday.
func TestADayWithoutAnHourStandsForNoOther(t *testing.T) {
	m := ruled(t, func(m *Machine) { m.Grants[0].Hours = mustHours("Su 02:10-02:20") }).Model
	m.Never = []Invariant{{Roles: []Role{User}}}
	if got := mustNew(t, m).Breaches(toTheSecond(t, "2027-03-28 00:00:00")); len(got) != 1 ||
		got[0].When != "Su 02:10-02:20" {
		t.Errorf("%+v", got)
	}
}

// toTheSecond is a time on the wall in Paris.
func toTheSecond(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.ParseInLocation("2006-01-02 15:04:05", s, paris())
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// Whatever a moment is to hours and bookings, some slot's is: in any year, at any second, and in the hour that comes
// twice.
func TestEveryMomentHasASlotLikeIt(t *testing.T) {
	g := gen{rand.New(rand.NewPCG(9, 10))}
	rules := []string{
		"Mo-Fr 09:00-21:00",
		"Sa 20:00-02:00",
		"PH off",
		"Su,PH 10:00-26:00",
		"2028 Jan 10 09:00-21:00",
		"Feb 29 00:30-01:30",
		"Dec 24-Jan 02 off",
		"Jul-Aug Mo-Fr 10:00-16:00",
		"2027 Oct 31 01:30-02:30",
		"2060 Mar 05-2061 Apr 01 Tu 08:00-24:00",
		"Dec 25 Mo 10:00-12:00",
	}
	french := NewHolidays(
		Date{0, time.December, 25},
		Date{0, time.May, 1},
		Date{2059, time.July, 3},
		Date{2027, time.March, 29},
	)
	like := func(at time.Time, hours []*Hours, bookings []Booking) (out string) {
		for _, h := range hours {
			out += fmt.Sprint(h.Open(at), " ")
		}
		return out + fmt.Sprint(underWay(bookings, at) != nil)
	}
	for range 40 {
		var hours []*Hours
		for range 1 + g.IntN(2) {
			text := rules[g.IntN(2)]
			for range g.IntN(4) {
				text += "; " + rules[g.IntN(len(rules))]
			}
			h, err := ParseHours(text, french)
			if err != nil {
				t.Fatal(err)
			}
			hours = append(hours, h)
		}
		var bookings []Booking
		moments := []time.Time{}
		at := monday
		for range g.IntN(5) {
			if g.IntN(2) == 0 { // within the hours that come twice
				at = toTheSecond(t, "2027-10-31 00:00:00").AddDate(g.IntN(2), 0, 0)
			}
			from := at.Add(time.Duration(g.IntN(40_000)) * time.Second)
			at = from.Add(time.Duration(1+g.IntN(9_000)) * time.Second)
			if n := len(bookings); n > 0 && from.Before(bookings[n-1].To) {
				break
			}
			bookings = append(bookings, Booking{from, at, "m-1"})
			moments = append(moments, from, from.Add(-1), at, at.Add(-1))
		}
		found := map[string]bool{}
		for _, s := range slotsOf(paris(), monday, hours, bookings) {
			found[like(s.at, hours, bookings)] = true
		}
		for range 400 {
			moments = append(
				moments,
				monday.Add(time.Duration(g.IntN(40*366*24*60))*time.Minute),
				toTheSecond(t, "2027-10-31 00:00:00").Add(time.Duration(g.IntN(4*3600))*time.Second),
			)
		}
		for _, at := range moments {
			if at = at.In(paris()); !found[like(at, hours, bookings)] {
				t.Fatalf("no slot is like %v: %s\n%v\n%v", at, like(at, hours, bookings), hours, bookings)
			}
		}
	}
}

// Without the law that it relies on, by trying every set of badges: the same answer on random policies.
func TestBreachesAreFoundWhereAnySetOfBadgesBreaches(t *testing.T) {
	g := gen{rand.New(rand.NewPCG(3, 4))}
	breached, tries := 0, 120
	if testing.Short() {
		tries = 30
	}
	for range tries {
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
	if breached < tries/6 || breached > tries*5/6 {
		t.Errorf("%d of %d breach: the test proves little", breached, tries)
	}
}

// bruteBreach is the least number of badges with which the role is given, at any quarter of an hour of a week; -1:
// never.
func bruteBreach(p *Policy, v Invariant) int {
	least := -1
	for set := range 1 << len(ids) {
		var holds []item
		for i, id := range ids {
			if set&(1<<i) != 0 && !slices.Contains(v.Without, id) {
				holds = append(holds, item{badge: id})
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
	for range 150 {
		p := mustNew(t, g.model())
		if s := spaceOf("m", side{p, &p.Machines[0]}); s.states() > 500 {
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

// A badge that is old and signed is neither better nor worse than one that is young and attested.
func TestBadgesThatCannotBeComparedAreNotCompared(t *testing.T) {
	two := func(m *Machine) {
		m.Grants[0].Role, m.Grants[0].Needs = User, Need{Badge: "user"}
		m.Grants[1].Needs = Need{Badge: "user", Within: 365 * days, Assurance: Attested}
	}
	if err := ruled(t, two).Prove(monday); err != nil {
		t.Error(err)
	}
	p := ruled(t, two)
	s := spaceOf("m", side{p, p.machines["m"].Machine})
	for n := range s.states() {
		q := s.question(s.state(n), monday, Trusted)
		for i, under := range s.under(n) {
			less := s.question(s.state(under), monday, Trusted)
			if i > 0 || len(less.Member.Holdings) == 0 {
				continue
			}
			if x, y := less.Member.Holdings[0], q.Member.Holdings[0]; x.From.After(y.From) || x.Assurance < y.Assurance ||
				x == y {
				t.Errorf("%+v counts as worth less than %+v", x, y)
			}
		}
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

// What takes many badges at many times is found in no time: whatever is open at two times is tried once.
func TestBreachesOfManyBadgesAtManyTimesAreFoundAtOnce(t *testing.T) {
	m := ruledModel(func(m *Machine) {})
	var all []Need
	for i := range 12 {
		id := BadgeID(fmt.Sprint("b", i))
		m.Badges = append(m.Badges, Badge{ID: id, Name: Text{FR: "b"}, Issuer: "i", Achievement: "urn:" + string(id)})
		all = append(all, Need{Badge: id})
	}
	var rules []string
	for d := 1; d <= 20; d++ {
		var spans []string
		for i := range 63 {
			at := i*20 + d
			spans = append(spans, fmt.Sprintf("%02d:%02d-%02d:%02d", at/60, at%60, (at+10)/60, (at+10)%60))
		}
		rules = append(rules, fmt.Sprintf("Jan %02d %s", d, strings.Join(spans, ",")))
	}
	h := mustHours("Mo-Su 00:00-24:00;" + strings.Join(rules, ";"))
	m.Machines[0].Grants[0].Needs, m.Machines[0].Grants[0].Hours = Need{All: all}, h
	m.Never = []Invariant{{Roles: []Role{User}, At: h}}
	p := mustNew(t, m)
	began := time.Now()
	got := p.Breaches(monday)
	if took := time.Since(began); len(got) != 1 || len(got[0].Holds) != 12 || took > 5*time.Second {
		// 0.1 s, but for a busy machine; once it was 84
		t.Errorf("%d breaches, in %v", len(got), took)
	}
}
