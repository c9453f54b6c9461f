package policy_test

import (
	"strings"
	"testing"
	"time"

	. "portillon/policy"
)

func why(d Decision) string {
	o, _ := d.Nearest()
	var out []string
	for _, r := range o.Missing() {
		out = append(out, strings.TrimSuffix(string(r.Code)+"/"+r.Kind.String(), "/"))
	}
	return d.Verdict.String() + " " + strings.Join(out, " ")
}

func TestDecideAppliesEveryRuleOfThePolicyLanguage(t *testing.T) {
	none := func(*Machine) {}
	user := func(q *Question) { q.Member = bearer("user") }
	used := func(day, week time.Duration) func(*Question) {
		return func(q *Question) {
			q.Member = bearer("user")
			q.Member.Practice = []Practice{{Machine: "m", Last: monday, Day: day, Week: week}}
		}
	}
	sessions := func(n int) func(*Question) {
		return func(q *Question) {
			q.Member = bearer("user")
			q.Member.Practice = []Practice{{Machine: "m", Last: monday, Day: time.Minute, Sessions: n}}
		}
	}
	two := func(m *Machine) { m.Grants[0].Quota = Quota{Sessions: 2} }
	learner := func(answering int) func(*Question) {
		return func(q *Question) {
			q.Member, q.Supervisor, q.Answering = bearer("first"), bearer("mentor"), answering
			q.Supervisor.ID = "m-2"
		}
	}
	quota := func(m *Machine) { m.Grants[0].Quota = Quota{Day: time.Hour, Week: 5 * time.Hour} }
	aes := func(m *Machine) { m.Card = AES }
	fresh := func(m *Machine) { m.Fresh, m.Stale = 7*days, []Role{Maintainer} }
	signed := func(a Assurance) func(*Machine) { return func(m *Machine) { m.Grants[0].Needs.Assurance = a } }
	standing := func(a Assurance) func(*Question) {
		return func(q *Question) { user(q); q.Member.Holdings[0].Assurance = a }
	}
	booked := func(own bool, b ...Booking) func(*Machine) {
		return func(m *Machine) { m.Grants[0].Booked, m.Bookings = own, b }
	}
	other, mine := Booking{
		From: monday.Add(-time.Hour),
		To:   monday.Add(time.Hour),
		For:  "m-9",
	}, Booking{
		From: monday.Add(-time.Hour),
		To:   monday.Add(time.Hour),
		For:  "m-1",
	}
	untrusted := func(f func(*Question)) func(*Question) {
		return func(q *Question) { f(q); q.Clock = Untrusted }
	}
	pass := func(p ClockPass, f func(*Machine)) func(*Machine) {
		return func(m *Machine) { f(m); m.Pass = p }
	}
	ends := func(q *Question) { user(q); q.Member.Holdings[0].Until = monday.Add(-time.Hour) }
	young := func(m *Machine) { m.Grants[0].Needs.Within = days }
	for name, c := range map[string]struct {
		rule func(*Machine)
		tap  func(*Question)
		want string
		max  time.Duration
	}{
		"no rule":                     {none, user, "allow ", 2 * time.Hour},
		"quota: some left":            {quota, used(20*time.Minute, time.Hour), "allow ", 40 * time.Minute},
		"quota: the week's is nearer": {quota, used(0, 290*time.Minute), "allow ", 10 * time.Minute},
		"quota: the day's is used":    {quota, used(time.Hour, time.Hour), "deny quota-used/day", 0},
		"quota: both are used":        {quota, used(2*time.Hour, 6*time.Hour), "deny quota-used/day quota-used/week", 0},
		"quota: of yesterday": {quota,
			func(q *Question) { used(2*time.Hour, 2*time.Hour)(q); q.At = monday.Add(15 * time.Hour) }, "allow ", time.Hour},
		"quota: of last week": {quota,
			func(q *Question) { used(time.Hour, 5*time.Hour)(q); q.At = monday.AddDate(0, 0, 7) }, "allow ", time.Hour},
		"quota: no clock":                 {quota, untrusted(used(0, 0)), "deny clock-untrusted", 0},
		"quota: no clock, passed":         {pass(PassHours, quota), untrusted(used(0, 0)), "allow ", 2 * time.Hour},
		"quota: no clock, another passed": {pass(PassAges|PassEnds, quota), untrusted(used(0, 0)), "deny clock-untrusted", 0},
		"quota: told twice": {quota, func(q *Question) {
			used(time.Hour, time.Hour)(q)
			q.Member.Practice = append(q.Member.Practice, Practice{Machine: "m"})
		}, "deny quota-used/day", 0},
		"quota: the week's alone": {func(m *Machine) { m.Grants[0].Quota = Quota{Week: 5 * time.Hour} }, used(0, 5*time.Hour),
			"deny quota-used/week", 0},
		"quota: and no badge": {func(m *Machine) { m.Grants[1].Quota = Quota{Day: time.Hour}; m.Grants = m.Grants[1:2] },
			func(q *Question) {
				learner(0)(q)
				q.Member = bearer()
				q.Member.Practice = []Practice{{Machine: "m", Last: monday, Day: time.Hour}}
			}, "deny no-badge quota-used/day", 0},
		"sessions: one left":  {two, sessions(1), "allow ", 2 * time.Hour},
		"sessions: all used":  {two, sessions(2), "deny quota-used/sessions", 0},
		"sessions: more than": {two, sessions(3), "deny quota-used/sessions", 0},
		"sessions: no rule":   {none, sessions(9), "allow ", 2 * time.Hour},
		"sessions: of yesterday": {two, func(q *Question) { sessions(2)(q); q.At = monday.Add(15 * time.Hour) }, "allow ",
			2 * time.Hour},
		"sessions: of another machine": {two, func(q *Question) { sessions(2)(q); q.Member.Practice[0].Machine = "n" },
			"allow ", 2 * time.Hour},
		"sessions: a date in the future": {two, func(q *Question) {
			sessions(2)(q)
			q.Member.Practice[0].Last = monday.Add(days)
		}, "allow ", 2 * time.Hour},
		"sessions: no clock":         {two, untrusted(sessions(0)), "deny clock-untrusted", 0},
		"sessions: no clock, passed": {pass(PassHours, two), untrusted(sessions(2)), "allow ", 2 * time.Hour},
		"sessions: told twice": {two, func(q *Question) {
			sessions(2)(q)
			q.Member.Practice = append(q.Member.Practice, Practice{Machine: "m", Last: monday, Sessions: 1})
		}, "deny quota-used/sessions", 0},
		"sessions: and the day's time": {func(m *Machine) { m.Grants[0].Quota = Quota{Day: time.Minute, Sessions: 2} },
			sessions(2), "deny quota-used/day quota-used/sessions", 0},
		"sessions: left, but no time": {func(m *Machine) { m.Grants[0].Quota = Quota{Day: time.Minute, Sessions: 2} },
			sessions(1), "deny quota-used/day", 0},
		"sessions: a mentor, another grant": {two, func(q *Question) {
			sessions(2)(q)
			q.Member.Holdings = bearer("maintainer").Holdings
		}, "allow ", 0},
		"learners: and no badge": {func(m *Machine) { m.Grants[1].Learners = 2; m.Grants = m.Grants[1:2] },
			func(q *Question) { learner(2)(q); q.Member = bearer() }, "deny no-badge needs-supervisor/learners", 0},
		"booking: and no badge": {func(m *Machine) {
			m.Bookings = []Booking{{From: monday.Add(-time.Hour), To: monday.Add(time.Hour), For: "m-9"}}
			m.Grants = m.Grants[1:2]
		}, func(q *Question) { learner(0)(q); q.Member = bearer() }, "deny no-badge outside-hours/booked", 0},
		"booking: another's, mentor": {func(m *Machine) {
			m.Bookings = []Booking{{From: monday.Add(-time.Hour), To: monday.Add(time.Hour), For: "m-9"}}
			m.Grants = append(m.Grants, Grant{Role: Mentor, Needs: Need{Badge: "mentor"}})
		}, func(q *Question) { q.Member = bearer("mentor") }, "deny outside-hours/booked", 0},
		"card: a number":          {aes, user, "deny card-blocked/card", 0},
		"card: a key":             {aes, func(q *Question) { user(q); q.Card = AES }, "allow ", 2 * time.Hour},
		"card: a key, none asked": {none, func(q *Question) { user(q); q.Card = AES }, "allow ", 2 * time.Hour},
		"bundle: new": {fresh, func(q *Question) { user(q); q.Issued = monday.Add(-7 * days) }, "allow ",
			2 * time.Hour},
		"bundle: old": {fresh, func(q *Question) { user(q); q.Issued = monday.Add(-7*days - 1) },
			"deny bundle-stale", 0},
		"bundle: of no date":        {fresh, user, "deny bundle-stale", 0},
		"bundle: old, a maintainer": {fresh, func(q *Question) { q.Member = bearer("maintainer") }, "allow ", 0},
		"bundle: no clock": {fresh, untrusted(func(q *Question) { user(q); q.Issued = monday }),
			"deny clock-untrusted", 0},
		"bundle: no clock, passed": {pass(PassAges, fresh), untrusted(func(q *Question) { user(q); q.Issued = monday }),
			"allow ", 2 * time.Hour},
		"bundle: no clock, no date":   {pass(PassAges, fresh), untrusted(user), "deny bundle-stale", 0},
		"assurance: signed":           {signed(Signed), standing(Signed), "allow ", 2 * time.Hour},
		"assurance: hosted is less":   {signed(Signed), standing(Hosted), "deny badge-unverified/assurance", 0},
		"assurance: hosted will do":   {signed(Hosted), standing(Hosted), "allow ", 2 * time.Hour},
		"assurance: attested is less": {signed(Hosted), standing(Attested), "deny badge-unverified/assurance", 0},
		"assurance: attested will do": {signed(Attested), standing(Attested), "allow ", 2 * time.Hour},
		"booking: another's":          {booked(false, other), user, "deny outside-hours/booked", 0},
		"booking: another's, maintainer": {booked(false, other), func(q *Question) { q.Member = bearer("maintainer") },
			"allow ", 0},
		"booking: one's own":         {booked(true, mine), user, "allow ", time.Hour},
		"booking: none, none needed": {booked(false), user, "allow ", 2 * time.Hour},
		"booking: none, one needed":  {booked(true), user, "deny outside-hours/not-booked", 0},
		"booking: over": {booked(true, Booking{From: monday.Add(-time.Hour), To: monday, For: "m-1"}), user,
			"deny outside-hours/not-booked", 0},
		"booking: another's is next": {
			booked(false, Booking{From: monday.Add(time.Minute), To: monday.Add(time.Hour), For: "m-9"}), user, "allow ",
			time.Minute},
		"booking: begins now": {booked(false, Booking{From: monday, To: monday.Add(time.Hour), For: "m-9"}), user,
			"deny outside-hours/booked", 0},
		"booking: one's own is next": {
			booked(false, Booking{From: monday.Add(time.Minute), To: monday.Add(time.Hour), For: "m-1"}), user, "allow ",
			2 * time.Hour},
		"booking: no clock":         {booked(false, mine), untrusted(user), "deny clock-untrusted", 0},
		"booking: no clock, passed": {pass(PassHours, booked(false, other)), untrusted(user), "allow ", 2 * time.Hour},
		"learners: one more":        {func(m *Machine) { m.Grants[1].Learners = 2 }, learner(1), "allow ", 0},
		"learners: as many as allowed": {func(m *Machine) { m.Grants[1].Learners = 2 }, learner(2),
			"await needs-supervisor/learners", 0},
		"learners: no rule":             {none, learner(9), "allow ", 0},
		"clock: an end":                 {none, untrusted(ends), "deny clock-untrusted", 0},
		"clock: an end, passed":         {pass(PassEnds, none), untrusted(ends), "allow ", 2 * time.Hour},
		"clock: an end, trusted":        {pass(PassEnds, none), ends, "deny badge-expired", 0},
		"clock: an age":                 {young, untrusted(user), "deny clock-untrusted/within", 0},
		"clock: an age, passed":         {pass(PassAges, young), untrusted(user), "allow ", 2 * time.Hour},
		"clock: an age, another passed": {pass(PassHours|PassEnds, young), untrusted(user), "deny clock-untrusted/within", 0},
	} {
		p := ruled(t, c.rule)
		q := Question{At: monday, Clock: Trusted, Machine: "m"}
		c.tap(&q)
		d := p.Decide(q)
		if got := why(d); got != c.want || d.Limits.Max != c.max {
			t.Errorf("%s: %s, %v; want %s, %v", name, got, d.Limits.Max, c.want, c.max)
		}
		for _, text := range []Text{Explain(p, q, d).Fact, Explain(p, q, d).Next} {
			if text.FR == "" || text.EN == "" || text.FR == text.EN {
				t.Errorf("%s: %q", name, text)
			}
		}
	}
}

func TestInvalidBookingsLimitsQuotasAndClockRulesAreRefused(t *testing.T) {
	for want, change := range map[string]func(*Machine){
		"is nobody's":           func(m *Machine) { m.Bookings = []Booking{{From: monday, To: monday.Add(1), For: ""}} },
		"ends before it begins": func(m *Machine) { m.Bookings = []Booking{{From: monday, To: monday, For: "m-1"}} },
		"begins before another has end": func(m *Machine) {
			m.Bookings = []Booking{{From: monday, To: monday.Add(2), For: "m-1"},
				{From: monday.Add(1), To: monday.Add(3), For: "m-1"}}
		},
		"a limit is negative":           func(m *Machine) { m.Grants[0].Session.Extend = -1 },
		"a quota is negative":           func(m *Machine) { m.Grants[0].Quota.Week = -1 },
		"0: a quota is negative":        func(m *Machine) { m.Grants[0].Quota.Sessions = -1 },
		"unknown card, clock or bundle": func(m *Machine) { m.Pass = 8 },
	} {
		m := ruledModel(change)
		if _, err := New(m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// If 22 minutes are left and 30 minutes are added, 52 minutes must be left, and not 60.
func TestExtensionIsAddedToTheRemainingTime(t *testing.T) {
	l := Limits{Max: 30 * time.Minute, Extend: 30 * time.Minute}
	for _, c := range []struct{ left, most, want time.Duration }{
		{22 * time.Minute, 0, 52 * time.Minute}, {0, 0, 30 * time.Minute},
		{22 * time.Minute, 40 * time.Minute, 40 * time.Minute}, {22 * time.Minute, 10 * time.Minute, 22 * time.Minute},
	} {
		if got := l.Extended(c.left, c.most); got != c.want {
			t.Errorf("%v left, at most %v: %v, want %v", c.left, c.most, got, c.want)
		}
	}
	if got := (Limits{Max: time.Hour}).Extended(time.Minute, 0); got != time.Minute {
		t.Errorf("without extend: %v", got)
	}
}

// The key max limits only the time that a session has at its start. Hours, quotas and bookings limit an extension.
func TestExtensionsAreBoundedByHoursQuotasAndBookingsNotByMax(t *testing.T) {
	session := Limits{Max: 30 * time.Minute, Warn: 25 * time.Minute, Extend: 30 * time.Minute}
	for name, c := range map[string]struct {
		rule      func(*Machine)
		max, most time.Duration
		extended  time.Duration // if 22 minutes are left
	}{
		"no rule": {func(*Machine) {}, 30 * time.Minute, 0, 52 * time.Minute},
		"hours": {func(m *Machine) { m.Grants[0].Hours = mustHours("Mo-Su 09:00-10:40") }, 30 * time.Minute,
			40 * time.Minute, 40 * time.Minute},
		"hours, nearer": {func(m *Machine) { m.Grants[0].Hours = mustHours("Mo-Su 09:00-10:10") }, 10 * time.Minute,
			10 * time.Minute, 22 * time.Minute},
		"hours without an end": {func(m *Machine) { m.Grants[0].Hours = mustHours("24/7") }, 30 * time.Minute, 0,
			52 * time.Minute},
		"a day's quota": {func(m *Machine) { m.Grants[0].Quota = Quota{Day: 95 * time.Minute} }, 30 * time.Minute,
			35 * time.Minute, 35 * time.Minute},
		"a week's quota": {func(m *Machine) { m.Grants[0].Quota = Quota{Week: 95 * time.Minute} }, 30 * time.Minute,
			35 * time.Minute, 35 * time.Minute},
		"another's booking": {func(m *Machine) {
			m.Bookings = []Booking{{From: monday.Add(45 * time.Minute), To: monday.Add(time.Hour), For: "m-9"}}
		}, 30 * time.Minute, 45 * time.Minute, 45 * time.Minute},
		"no max, but hours": {func(m *Machine) {
			m.Grants[0].Session.Max, m.Grants[0].Hours = 0,
				mustHours("Mo-Su 09:00-10:40")
		}, 40 * time.Minute, 40 * time.Minute, 40 * time.Minute},
		"the nearest of all": {func(m *Machine) {
			m.Grants[0].Quota = Quota{Day: 95 * time.Minute}
			m.Grants[0].Hours = mustHours("Mo-Su 09:00-10:33")
		}, 30 * time.Minute, 33 * time.Minute, 33 * time.Minute},
		"a clock that is not": {func(m *Machine) { m.Pass, m.Grants[0].Hours = PassHours, mustHours("Mo-Su 09:00-10:10") },
			30 * time.Minute, 0, 52 * time.Minute},
		"mode warn": {func(m *Machine) { m.Mode, m.Grants[0].Hours = Warn, mustHours("Mo-Su 09:00-10:10") }, 30 * time.Minute,
			0, 52 * time.Minute},
		"of two the longer one": {func(m *Machine) {
			m.Grants[0].Hours = mustHours("Mo-Su 09:00-10:30")
			m.Grants = append(m.Grants, Grant{Role: User, Needs: Need{Badge: "user"}, Session: session})
		}, 30 * time.Minute, 0, 52 * time.Minute},
	} {
		p := ruled(t, func(m *Machine) { m.Grants[0].Session = session; c.rule(m) })
		q := Question{At: monday, Clock: Trusted, Machine: "m", Member: bearer("user")}
		q.Member.Practice = []Practice{{Machine: "m", Last: monday, Day: time.Hour, Week: time.Hour}}
		if p.Machines[0].Pass != 0 {
			q.Clock = Untrusted
		}
		l := p.Decide(q).Limits
		if got := l.Extended(22*time.Minute, l.Most); l.Max != c.max || l.Most != c.most || got != c.extended {
			t.Errorf(
				"%s: max %v, at most %v, extended to %v; want %v, %v, %v",
				name,
				l.Max,
				l.Most,
				got,
				c.max,
				c.most,
				c.extended,
			)
		}
	}
}

func TestUsedTimeIsSummedByDayAndWeek(t *testing.T) {
	p := Practice{Machine: "m"}
	for _, c := range []struct {
		end       string
		day, week time.Duration
	}{{"2026-11-23 23:00", 60, 60}, {"2026-11-24 00:30", 30, 120}, {"2026-11-24 10:00", 90, 180},
		{"2026-11-29 23:59", 60, 240}, {"2026-11-30 00:01", 1, 1},
		{"2026-11-30 01:01", 61, 61}, {"2027-01-01 10:00", 60, 60}, {"2027-01-03 10:00", 60, 120}} {
		p = p.Used(wall(t, c.end), time.Hour)
		if p.Day != c.day*time.Minute || p.Week != c.week*time.Minute || !p.Last.Equal(wall(t, c.end)) {
			t.Errorf("%s: %v, %v", c.end, p.Day, p.Week)
		}
	}
	if p.Logged != 8*time.Hour {
		t.Error(p.Logged)
	}
}

// Half an hour of a session from 22:30 to 00:30 belongs to the new day. A member with two hours a day has an hour and a
// half left in the morning.
func TestSessionPastMidnightCountsForBothDays(t *testing.T) {
	p := ruled(t, func(m *Machine) { m.Grants[0].Quota = Quota{Day: 2 * time.Hour, Week: 3 * time.Hour} })
	for _, c := range []struct {
		end, at string
		took    time.Duration
		left    time.Duration
	}{
		{"2026-12-02 00:30", "2026-12-02 10:00", 2 * time.Hour, time.Hour},        // the limit is the three hours of the week
		{"2026-11-30 00:30", "2026-11-30 10:00", 2 * time.Hour, 90 * time.Minute}, // the session is from Sunday to Monday
		{"2026-11-30 00:30", "2026-12-01 10:00", 2 * time.Hour, 2 * time.Hour},    // the next session is on Tuesday
		{"2026-12-02 12:00", "2026-12-02 13:00", time.Hour, time.Hour},            // the session is on one day
		// One and a quarter hours of the session belong to the new day, because of the clock change.
		{"2026-03-29 01:15", "2026-03-29 10:00", 90 * time.Minute, 45 * time.Minute},
	} {
		q := Question{At: wall(t, c.at), Clock: Trusted, Machine: "m", Member: bearer("user")}
		q.Member.Practice = []Practice{Practice{Machine: "m"}.Used(wall(t, c.end), c.took)}
		if d := p.Decide(q); d.Limits.Most != c.left || (d.Verdict == Allow) != (c.left > 0) {
			t.Errorf("%v until %s, at %s: %s, %v left, want %v", c.took, c.end, c.at, why(d), d.Limits.Most, c.left)
		}
	}
}

// A session belongs to the day on which it began: one that began before midnight does not count on the day of its end.
func TestSessionsCountOnTheDayOnWhichTheyBegan(t *testing.T) {
	var p Practice
	for _, c := range []struct {
		end  string
		took time.Duration
		want int
	}{
		{"2026-11-23 10:00", time.Hour, 1},
		{"2026-11-23 23:59", time.Minute, 2},
		{"2026-11-24 00:30", 31 * time.Minute, 0}, // began on Monday
		{"2026-11-24 00:40", 5 * time.Minute, 1},
		{"2026-11-24 09:00", 9 * time.Hour, 2}, // began at midnight
		{"2026-11-26 09:00", 0, 1},
		{"2026-03-29 08:00", 7*time.Hour + time.Nanosecond, 0}, // a day of 23 hours: seven hours since midnight
		{"2026-03-29 08:00", 7 * time.Hour, 1},
	} {
		end := wall(t, c.end)
		during := p.Using(end, c.took)
		p = p.Used(end, c.took)
		if p.Sessions != c.want {
			t.Errorf("%v until %s: %d sessions, want %d", c.took, c.end, p.Sessions, c.want)
		}
		if during.Sessions > p.Sessions || c.want > 0 && during.Sessions != p.Sessions-1 {
			t.Errorf("%v until %s: %d sessions while it runs, %d afterwards", c.took, c.end, during.Sessions, p.Sessions)
		}
		if during.Sessions = p.Sessions; during != p {
			t.Errorf("%v until %s: while it runs %+v, afterwards %+v", c.took, c.end, during, p)
		}
	}
}

func TestSessionsOfOneDayAddUpAcrossJournals(t *testing.T) {
	first := Practice{Last: wall(t, "2026-11-23 10:00"), Sessions: 2}
	for last, want := range map[string]int{"2026-11-23 12:00": 3, "2026-11-24 12:00": 1} {
		second := Practice{Last: wall(t, last), Sessions: 1}
		if got := second.After(first).Sessions; got != want {
			t.Errorf("%s: %d sessions, want %d", last, got, want)
		}
	}
}

// While the clock is not trusted, the machine does not know which booking is in force. But the machine knows that a
// booking is over if it had ended when the bundle was made.
func TestPastBookingDoesNotCloseAMachineWithAnUntrustedClock(t *testing.T) {
	issued := monday
	for name, c := range map[string]struct {
		bookings []Booking
		booked   bool
		issued   time.Time
		clock    Clock
		want     string
	}{
		"none": {nil, false, issued, Untrusted, "allow"},
		"over before the bundle": {[]Booking{{From: issued.Add(-2 * time.Hour), To: issued, For: "m-9"}}, false,
			issued, Untrusted, "allow"},
		"over, but not for a bundle": {[]Booking{{From: issued.Add(-2 * time.Hour), To: issued.Add(1), For: "m-9"}}, false,
			issued, Untrusted, "deny clock-untrusted"},
		"one over, one to come": {
			[]Booking{{From: issued.Add(-2 * time.Hour), To: issued.Add(-time.Hour), For: "m-9"},
				{From: issued.Add(time.Hour), To: issued.Add(2 * time.Hour),
					For: "m-9"}}, false, issued, Untrusted, "deny clock-untrusted"},
		"nobody knows how old it is": {[]Booking{{From: issued.Add(-2 * time.Hour), To: issued, For: "m-9"}}, false,
			time.Time{}, Untrusted, "deny clock-untrusted"},
		"over, but only by booking": {[]Booking{{From: issued.Add(-2 * time.Hour), To: issued, For: "m-1"}}, true, issued,
			Untrusted, "deny clock-untrusted"},
		"a clock tells": {
			[]Booking{{From: issued.Add(-2 * time.Hour), To: issued.Add(time.Hour), For: "m-9"}}, false,
			issued.Add(9 * time.Hour), Trusted, "deny outside-hours"},
		"a clock tells that it is over": {[]Booking{{From: issued.Add(-2 * time.Hour), To: issued, For: "m-9"}}, false,
			time.Time{}, Trusted, "allow"},
	} {
		p := ruled(t, func(m *Machine) { m.Bookings, m.Grants[0].Booked = c.bookings, c.booked })
		d := p.Decide(Question{At: monday, Clock: c.clock, Machine: "m", Member: bearer("user"), As: User, Issued: c.issued})
		got := d.Verdict.String()
		for _, code := range d.Codes() {
			got += " " + string(code)
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// A new journal must continue with the practice counted before. Days and weeks that are over must not be counted again.
func TestPracticeContinuesAfterANewJournal(t *testing.T) {
	monday := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	hour := time.Hour
	for name, c := range map[string]struct{ now, before, want Practice }{
		"nothing since": {Practice{}, Practice{Last: monday, Logged: 5 * hour, Day: hour, Week: 2 * hour},
			Practice{Last: monday, Logged: 5 * hour, Day: hour, Week: 2 * hour}},
		"the same day": {Practice{Last: monday.Add(hour), Logged: hour, Day: hour, Week: hour},
			Practice{Last: monday, Logged: 5 * hour, Day: hour, Week: 2 * hour},
			Practice{Last: monday.Add(hour), Logged: 6 * hour, Day: 2 * hour, Week: 3 * hour}},
		"another day": {Practice{Last: monday.AddDate(0, 0, 1), Logged: hour, Day: hour, Week: hour},
			Practice{Last: monday, Logged: 5 * hour, Day: hour, Week: 2 * hour},
			Practice{Last: monday.AddDate(0, 0, 1), Logged: 6 * hour, Day: hour, Week: 3 * hour}},
		"another week": {Practice{Last: monday.AddDate(0, 0, 8), Logged: hour, Day: hour, Week: hour},
			Practice{Last: monday, Logged: 5 * hour, Day: hour, Week: 2 * hour},
			Practice{Last: monday.AddDate(0, 0, 8), Logged: 6 * hour, Day: hour, Week: hour}},
		"a clock that ran": {Practice{Last: monday, Logged: hour, Day: hour, Week: hour},
			Practice{Last: monday.AddDate(0, 0, 8), Logged: 5 * hour, Day: 2 * hour, Week: 2 * hour},
			Practice{Last: monday.AddDate(0, 0, 8), Logged: 6 * hour, Day: 2 * hour, Week: 2 * hour}},
	} {
		if got := c.now.After(c.before); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
