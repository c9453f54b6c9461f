package analysis

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"portillon/policy"
)

// compared returns the changes that Compare reports for a change to one machine, as text.
func compared(t *testing.T, before, after func(*policy.Machine)) string {
	t.Helper()
	changes, err := Compare(ruled(t, before), ruled(t, after), monday)
	if err != nil {
		t.Fatal(err)
	}
	return say(changes)
}

func TestCircumstancesThatDoNotMatterAreLeftOut(t *testing.T) {
	busy := func(m *policy.Machine) {
		m.Card, m.Fresh, m.Stale = policy.AES, 30*days, []policy.Role{policy.Maintainer}
		m.Grants[1].Learners, m.Grants[1].Quota = 1, policy.Quota{Day: 3 * time.Hour, Week: 6 * time.Hour}
		m.Grants[0].Needs = policy.Need{Badge: "user", Within: 365 * days, UsedWithin: 90 * days, Assurance: policy.Attested}
	}
	for name, c := range map[string]struct {
		before, after func(*policy.Machine)
		want          string
	}{
		"a grant of a badge alone": {busy, func(m *policy.Machine) {
			busy(m)
			m.Grants = append(m.Grants, policy.Grant{Role: policy.Mentor, Needs: policy.Need{Badge: "mentor"}})
		}, "gains mentor alone=true with mentor"},
		"a badge of any age": {busy, func(m *policy.Machine) {
			busy(m)
			m.Grants = append(m.Grants, policy.Grant{Role: policy.Host,
				Needs: policy.Need{Badge: "user", Assurance: policy.Attested}})
		}, "gains host alone=true with user"},
		"a stronger card": {func(*policy.Machine) {},
			func(m *policy.Machine) { m.Card, m.Grants = policy.AES, m.Grants[:1] },
			"loses user alone=true with user+a card of which only the number is known; loses learner alone=false with first+a " +
				"mentor with mentor; loses maintainer alone=true with maintainer"},
		"a longer session": {busy, func(m *policy.Machine) { busy(m); m.Grants[2].Session.Max = time.Hour },
			"0s→1h0m0s maintainer alone=true with maintainer"},
		"how recent, where it is asked": {func(m *policy.Machine) { busy(m); m.Grants[0].Needs.UsedWithin = 0 },
			func(m *policy.Machine) { busy(m); m.Grants[0].Needs.UsedWithin, m.Grants[0].Needs.Within = 0, 30*days },
			"loses user alone=true with user issued at most 365d ago (attested)"},
	} {
		got := strings.Split(compared(t, c.before, c.after), "; ")
		for _, want := range strings.Split(c.want, "; ") {
			found := false
			for _, g := range got {
				found = found || g == want
			}
			if !found {
				t.Errorf("%s: no %q in\n%s", name, want, strings.Join(got, "\n"))
			}
		}
	}
}

func TestCompareReportsABookingForAnotherMember(t *testing.T) {
	booked := func(who policy.MemberID) func(*policy.Machine) {
		return func(m *policy.Machine) { m.Grants[0].Booked, m.Bookings = true, december(t, who) }
	}
	want := "gains user alone=true with user+who has booked it now when 2026-12-01 00:00 – 2026-12-05 00:00; loses user " +
		"alone=true with user+who had booked it before when 2026-12-01 00:00 – 2026-12-05 00:00"
	if got := compared(t, booked("m-1"), booked("m-2")); !strings.HasSuffix(got, want) {
		t.Errorf("got %s", got)
	}
	if got := compared(t, booked("m-1"), booked("m-1")); got != "" {
		t.Errorf("the same booking: %s", got)
	}
	moved := func(m *policy.Machine) {
		m.Grants[0].Booked, m.Bookings = true, []policy.Booking{
			{From: wall(t, "2026-12-02 10:00"), To: wall(t, "2026-12-02 12:00"), For: "m-1"},
		}
	}
	if got := compared(t, booked("m-1"), moved); strings.Contains(got, "untrusted") ||
		!strings.HasSuffix(
			got,
			"loses user alone=true with user+who had booked it before when 2026-12-01 00:00 – 2026-12-02 10:00, 2026-12-02 "+
				"12:00 – 2026-12-05 00:00",
		) {
		t.Errorf("a shorter booking: %s", got)
	}
}

func TestExplanationNamesTheBookingThatEndsASession(t *testing.T) {
	now := func(m *policy.Machine) { m.Bookings = december(t, "m-1") }
	got := compared(t, func(*policy.Machine) {}, func(m *policy.Machine) {
		now(m)
		m.Grants = append(m.Grants, policy.Grant{Role: policy.Host, Needs: policy.Need{Badge: "first"}, Booked: true})
	})
	for _, want := range []string{
		"gains host alone=true with first+who has booked it when 2026-12-01 00:00 – 2026-12-05 00:00",
		"loses user alone=true with user+who has not booked it when 2026-12-01 00:00 – 2026-12-05 00:00",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, strings.ReplaceAll(got, "; ", "\n"))
		}
	}
	if want := "loses user alone=true with user clock untrusted"; strings.Count(got, "user clock untrusted") != 1 ||
		!strings.Contains(got, want) {
		t.Errorf("no %q in\n%s", want, strings.ReplaceAll(got, "; ", "\n"))
	}
	// A change that does not depend on somebody else's booking must not mention the booking.
	hours := func(s string) func(*policy.Machine) {
		return func(m *policy.Machine) { now(m); m.Grants[0].Hours = mustHours(s) }
	}
	got = compared(t, hours("Mo-Fr 09:00-20:00"), hours("Mo-Fr 09:00-21:00"))
	if want := "gains user alone=true with user when Mo-Fr 20:00-21:00; gains user alone=true with user+who has booked " +
		"it when 2026-12-01 – 2026-12-04 20:00-21:00"; got != want {
		t.Errorf("longer hours: %s", got)
	}
}

// Many bookings of the same hours must be few cases, because a booking system may write hundreds of bookings.
func TestBookingsAtTheSameHoursShareOneCase(t *testing.T) {
	many := func(m *policy.Machine) {
		for i := range 300 {
			at := wall(t, "2026-11-24 18:00").AddDate(0, 0, i)
			m.Bookings = append(
				m.Bookings,
				policy.Booking{
					From: at,
					To:   at.Add(time.Duration(1+i%2) * time.Hour),
					For:  policy.MemberID("m-" + string(rune('a'+i%26))),
				},
			)
		}
	}
	p, q := ruled(t, many), ruled(t, func(m *policy.Machine) { many(m); m.Grants[0].Booked = true })
	c, err := newComparison("m", policy.NoRole, p, q, monday)
	if err != nil || len(c.timeslots) > 40 {
		t.Errorf("%v, %d slots", err, len(c.timeslots))
	}
}

// A member who has used the machine today has practice at the machine. Therefore the proof must compare two cases that
// differ only in the badge, and not in practice.
func TestProveComparesCasesThatDifferOnlyInBadges(t *testing.T) {
	p := ruled(t, func(m *policy.Machine) {
		m.Grants[0].Needs.UsedWithin = 90 * days
		m.Grants[1].Quota = policy.Quota{Day: 2 * time.Hour, Week: 6 * time.Hour}
	})
	if err := Prove(p, monday); err != nil {
		t.Error(err)
	}
	got := compared(
		t,
		func(m *policy.Machine) { *m = ruled(t, func(*policy.Machine) {}).Machines[0] },
		func(m *policy.Machine) { *m = p.Machines[0] },
	)
	if strings.Contains(got, "user issued more than 90d ago+2h") {
		t.Errorf("use today did not count as practice: %s", got)
	}
}

func TestMemberWhoUsedTheMachineTodayHasPracticeInEveryCase(t *testing.T) {
	quota := func(m *policy.Machine) { m.Grants[0].Quota = policy.Quota{Day: 2 * time.Hour} }
	got := compared(t, quota, func(m *policy.Machine) { quota(m); m.Grants[0].Needs.UsedWithin = 90 * days })
	if got != "loses user alone=true with user issued more than 90d ago" {
		t.Errorf("got %s", got)
	}
}

// A member who has used the machine today has also used it recently. With a case that has used quota but no recent use,
// Compare would report an effect of practice twice.
func TestUsedQuotaImpliesRecentUseInEveryCase(t *testing.T) {
	two := func(n policy.Need) func(*policy.Machine) {
		return func(m *policy.Machine) {
			m.Grants[0].Needs, m.Grants[0].Quota = n, policy.Quota{Day: 2 * time.Hour}
			m.Grants = append(
				m.Grants,
				policy.Grant{Role: policy.User, Needs: policy.Need{Badge: "maintainer"}, Quota: policy.Quota{Day: time.Hour}},
			)
		}
	}
	got := compared(
		t,
		two(policy.Need{Badge: "user", Within: 30 * days}),
		two(policy.Need{Badge: "user", UsedWithin: 90 * days}),
	)
	if !strings.Contains(got, "gains user alone=true with user issued more than 90d ago+used at most 90d ago") ||
		strings.Contains(got, "this day") {
		t.Errorf("got %s", strings.ReplaceAll(got, "; ", "\n"))
	}
}

// At a machine in mode warn, a session must have the longest limits of a user.
func TestModeWarnGivesSessionsTheLimitsOfUsers(t *testing.T) {
	warn := func(m *policy.Machine) { m.Mode = policy.Warn }
	if got := compared(t, warn, func(m *policy.Machine) {
		warn(m)
		m.Grants[0].Session.Max = 5 * time.Hour
	}); got != "2h0m0s→5h0m0s user alone=true with " {
		t.Errorf("got %s", got)
	}
}

func TestChangesListSingleDates(t *testing.T) {
	d := func(days ...int) (out []policy.Date) {
		for _, x := range days {
			out = append(out, policy.Date{Year: 2026, Month: time.December, Day: x})
		}
		return out
	}
	for want, days := range map[string][]policy.Date{
		"2026-12-01, 2026-12-02":                             d(1, 2),
		"2026-12-01 – 2026-12-03, 2026-12-05":                d(1, 2, 3, 5),
		"2026-12-01, 2026-12-03, 2026-12-05 – 2026-12-07, …": d(1, 3, 5, 6, 7, 9),
	} {
		if got := daysInWords(days); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestChangesListTheExceptedTimesIfTheyAreFewer(t *testing.T) {
	for want, c := range map[[2]string]struct{ when, except []string }{
		{"", ""}: {},
		{", lun. 09:00-10:00; mar. 09:00-10:00", ", Mo 09:00-10:00; Tu 09:00-10:00"}: {
			when: []string{"Mo 09:00-10:00", "Tu 09:00-10:00"}},
		{", sauf dim. 00:00-24:00", ", except Su 00:00-24:00"}: {
			except: []string{"Su 00:00-24:00"}},
		{", a; a; a; a; a; a; a; a; et 2 autres fois",
			", a; a; a; a; a; a; a; a; and 2 more times"}: {when: strings.Split("aaaaaaaaaa", "")},
	} {
		if got := [2]string{WhenInWords(c.when, c.except, policy.French),
			WhenInWords(c.when, c.except, policy.English)}; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Compare treats the needs of a supervisor like the needs of a member.
func TestComparisonCoversSupervisorNeeds(t *testing.T) {
	asks := func(n policy.Need) func(*policy.Machine) {
		return func(m *policy.Machine) { m.Grants[1].Supervisor = &n }
	}
	mentor := policy.Need{Badge: "mentor"}
	for name, c := range map[string]struct {
		before, after policy.Need
		want          string
	}{
		"an age": {mentor, policy.Need{Badge: "mentor", Within: 30 * days},
			"loses learner alone=false with first+a mentor with mentor issued more than 30d ago"},
		"hours": {mentor, policy.Need{Badge: "mentor", Hours: 50 * time.Hour},
			"loses learner alone=false with first+a mentor with mentor"},
		"less hours": {policy.Need{Badge: "mentor", Hours: 50 * time.Hour},
			policy.Need{Badge: "mentor", Hours: 5 * time.Hour}, "gains learner alone=false with first+a mentor with " +
				"mentor+a mentor: 5h logged"},
		"practice": {policy.Need{Badge: "mentor", UsedWithin: 30 * days}, policy.Need{Badge: "mentor", UsedWithin: 90 * days},
			"gains learner alone=false with first+a mentor with mentor issued at most 90d ago; " +
				"gains learner alone=false with first+a mentor with mentor issued more than 90d ago+a mentor: used at " +
				"most 90d ago"},
		"attested": {mentor, policy.Need{Badge: "mentor", Assurance: policy.Attested},
			"gains learner alone=false with first+a mentor with mentor (attested)"},
		"hosted only": {policy.Need{Badge: "mentor", Assurance: policy.Attested},
			policy.Need{Badge: "mentor", Assurance: policy.Hosted}, "loses learner alone=false with first+a mentor with " +
				"mentor (attested)"},
		"all of it": {policy.Need{Badge: "mentor", Within: 30 * days, Hours: 50 * time.Hour},
			policy.Need{Badge: "mentor", Assurance: policy.Attested},
			"gains learner alone=false with first+a mentor with mentor"},
	} {
		if got := compared(t, asks(c.before), asks(c.after)); got != c.want && !strings.HasPrefix(got, c.want+"; ") {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

// If a badge of any assurance gives a right, Compare must report this right once, for the weakest assurance.
func TestBadgeWithSeveralAssurancesIsNamedOnceInAChange(t *testing.T) {
	got := compared(t, func(*policy.Machine) {}, func(m *policy.Machine) {
		m.Grants = append(
			m.Grants,
			policy.Grant{
				Role: policy.Host,
				Needs: policy.Need{
					Any: []policy.Need{{Badge: "user", Assurance: policy.Attested}, {Badge: "user", Within: 30 * days}},
				},
			},
		)
	})
	if got != "gains host alone=true with user" {
		t.Errorf("got %s", got)
	}
}

// If only one of two policies ignores the end of badges without a trusted clock, Compare must distinguish badges with
// an end.
func TestCompareReportsThatOnePolicyIgnoresTheEndDatesOfBadges(t *testing.T) {
	pass := func(m *policy.Machine) { m.Pass = policy.PassEnds }
	plain := func(*policy.Machine) {}
	for verb, got := range map[string]string{"gains ": compared(t, plain, pass), "loses ": compared(t, pass, plain)} {
		for _, want := range []string{"user alone=true with user", "learner alone=false with first+a mentor with mentor",
			"maintainer alone=true with maintainer"} {
			if want = verb + want + "+badges that have an end clock untrusted"; strings.Count(got, verb) != 3 ||
				!strings.Contains(got, want) {
				t.Errorf("no %q in %s", want, got)
			}
		}
	}
	if got := compared(t, pass, func(m *policy.Machine) {
		pass(m)
		m.Grants[0].Needs = policy.Need{Badge: "mentor"}
	}); strings.Contains(
		got,
		"an end",
	) {
		t.Errorf("what both pass over: %s", got)
	}
	if got := compared(t, plain, func(m *policy.Machine) { m.Pass = policy.PassHours }); got != "" {
		t.Errorf("hours that nobody asks for: %s", got)
	}
}

// If a role has two grants with different hours, Compare must compare the limits of each grant at the times of this
// grant.
func TestSessionLimitsAreComparedDuringTheHoursOfTheirGrant(t *testing.T) {
	week := func(weekdays, saturday time.Duration) func(*policy.Machine) {
		return func(m *policy.Machine) {
			m.Grants[0].Hours, m.Grants[0].Session = mustHours("Mo-Fr 09:00-21:00"), policy.Limits{Max: weekdays}
			m.Grants = append(
				m.Grants,
				policy.Grant{
					Role:    policy.User,
					Needs:   policy.Need{Badge: "user"},
					Hours:   mustHours("Sa 10:00-18:00"),
					Session: policy.Limits{Max: saturday},
				},
			)
		}
	}
	two, twelve, one := 2*time.Hour, 12*time.Hour, time.Hour
	for want, after := range map[string]func(*policy.Machine){
		"2h0m0s→12h0m0s user alone=true with user when Mo-Fr 09:00-21:00": week(twelve, one),
		"1h0m0s→12h0m0s user alone=true with user when Sa 10:00-18:00":    week(two, twelve),
		"2h0m0s→1h0m0s user alone=true with user when Mo-Fr 09:00-21:00; 1h0m0s→2h0m0s user alone=true with user when Sa " +
			"10:00-18:00": week(one, two),
		"": week(two, one),
	} {
		if got := compared(t, week(two, one), after); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
	same := func(max time.Duration) func(*policy.Machine) { return func(m *policy.Machine) { week(max, max)(m) } }
	if got := compared(t, same(two), same(one)); got != "2h0m0s→1h0m0s user alone=true with user" {
		t.Errorf("at all its times: %s", got)
	}
	alone := func(max time.Duration) func(*policy.Machine) {
		return func(m *policy.Machine) {
			m.Grants = append(
				m.Grants,
				policy.Grant{
					Role:       policy.User,
					Needs:      policy.Need{Badge: "first"},
					Supervisor: &policy.Need{Badge: "mentor"},
					Session:    policy.Limits{Max: max},
				},
			)
		}
	}
	if got := compared(t, alone(one), alone(twelve)); got != "1h0m0s→12h0m0s user alone=false with first+a mentor "+
		"with mentor" {
		t.Errorf("with a mentor: %s", got)
	}
	longest := func(max time.Duration) func(*policy.Machine) {
		return func(m *policy.Machine) {
			m.Grants = append(
				m.Grants,
				policy.Grant{Role: policy.User, Needs: policy.Need{Badge: "first"}, Session: policy.Limits{Max: max}},
			)
		}
	}
	if got := compared(t, longest(one), longest(twelve)); got != "1h0m0s→12h0m0s user alone=true with first; "+
		"2h0m0s→12h0m0s user alone=true with first+user" &&
		got != "1h0m0s→12h0m0s user alone=true with first; 2h0m0s→12h0m0s user alone=true with user+first" {
		t.Errorf("whoever has both: %s", got)
	}
}

// Compare must be quick for a grant that requires many badges: it must compare each state only with the states
// immediately below that state.
func TestAGrantOfManyBadgesIsComparedQuickly(t *testing.T) {
	needs := func(all ...policy.BadgeID) *policy.Policy {
		m := ruledModel(func(*policy.Machine) {})
		var any []policy.Need
		for i := range 15 {
			id := policy.BadgeID(fmt.Sprint("b", i))
			m.Badges = append(
				m.Badges,
				policy.Badge{ID: id, Name: policy.Text{FR: "b"}, Issuer: "i", Achievement: "urn:" + string(id)},
			)
			any = append(any, policy.Need{Badge: id})
		}
		if m.Machines[0].Grants[0].Needs = (policy.Need{Any: any}); len(all) > 0 {
			m.Machines[0].Grants[0].Needs = policy.Need{Badge: all[0]}
		}
		return mustNew(t, m)
	}
	// There are 2^15 states, and each state is compared with at most 15 states immediately below.
	changes, err := Compare(needs("b14"), needs(), monday)
	if err != nil || len(changes) != 14 {
		t.Errorf("%s: %v", say(changes), err)
	}
}
