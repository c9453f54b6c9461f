package policy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var fortnight = Membership{Grace: 14 * days, Warn: 30 * days, After: []Role{Maintainer}}

func date(t *testing.T, s string) Date {
	t.Helper()
	d, err := ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Monday is 2026-11-23, 10:00 in Paris.
func TestMembershipIsJudgedByItsLastDayAndTheGrace(t *testing.T) {
	evening := time.Date(2026, 11, 23, 23, 30, 0, 0, time.UTC) // the 24th in Paris
	untrusted := func(issued, last time.Time) func(*Question) {
		return func(q *Question) { q.Clock, q.Issued, q.LastTrusted = Untrusted, issued, last }
	}
	year := func(n int) time.Time { return monday.AddDate(n, 0, 0) }
	for _, c := range []struct {
		name   string
		until  string
		rule   Membership
		member *Member
		change func(*Question)
		want   string
	}{
		{"no end", "", fortnight, holder("mentor"), nil, "allow mentor []"},
		{"the last day", "2026-11-23", Membership{}, holder("mentor"), nil, "allow mentor []"},
		{"the day after, no grace", "2026-11-22", Membership{}, holder("mentor"), nil, "deny none [membership-lapsed]"},
		{"the last minute of the last day", "2026-11-23", Membership{}, holder("mentor"), func(q *Question) { q.At = wall(t, "2026-11-23 23:59") }, "allow mentor []"},
		{"the day is the site's", "2026-11-23", Membership{}, holder("mentor"), func(q *Question) { q.At = evening }, "deny none [membership-lapsed]"},
		{"the last day of the grace", "2026-11-09", fortnight, holder("mentor"), nil, "allow mentor []"},
		{"the day after the grace", "2026-11-08", fortnight, holder("mentor"), nil, "deny none [membership-lapsed]"},
		{"a day of every year", "11-23", fortnight, holder("mentor"), nil, "deny none [membership-lapsed]"},
		{"a role that is kept", "2026-01-01", fortnight, holder("maintainer"), nil, "allow maintainer []"},
		{"and no other", "2026-01-01", fortnight, holder("user", "mentor", "maintainer"), nil, "allow maintainer []"},
		{"the nearest grant is the one without other lacks", "2026-01-01", fortnight, holder("user"), nil, "deny none [membership-lapsed]"},
		{"without badges too", "2026-01-01", Membership{}, holder(), nil, "deny none [membership-lapsed no-badge needs-supervisor]"},
		{"a tag is there besides", "2026-01-01", fortnight, holder("user"), func(q *Question) { q.Tagged = true }, "deny none [membership-lapsed tagged-out]"},
		{"a learner", "2026-01-01", fortnight, holder("first"), func(q *Question) { q.Supervisor = other("mentor") }, "deny none [membership-lapsed]"},
		{"a learner waits for nobody", "2026-01-01", fortnight, holder("first"), nil, "deny none [membership-lapsed needs-supervisor]"},
		{"a mentor who has lapsed", "", fortnight, holder("first"), func(q *Question) {
			q.Supervisor = other("mentor")
			q.Supervisor.Until = date(t, "2026-11-08")
		}, "await learner [needs-supervisor]"},
		{"a mentor in the grace", "", fortnight, holder("first"), func(q *Question) {
			q.Supervisor = other("mentor")
			q.Supervisor.Until = date(t, "2026-11-09")
		}, "allow learner []"},
		{"a mentor who is kept", "", Membership{After: []Role{Mentor}}, holder("first"), func(q *Question) {
			q.Supervisor = other("mentor")
			q.Supervisor.Until = date(t, "2026-01-01")
		}, "allow learner []"},

		{"no clock: the bundle was made before the end", "2026-11-22", Membership{}, holder("mentor"), untrusted(year(-1), time.Time{}), "allow mentor []"},
		{"no clock: the bundle was made after the end", "2026-11-22", Membership{}, holder("mentor"), untrusted(monday, time.Time{}), "deny none [membership-lapsed]"},
		{"no clock: a record came after the end", "2026-11-22", Membership{}, holder("mentor"), untrusted(year(-1), monday), "deny none [membership-lapsed]"},
		{"no clock: an old record, a later bundle", "2026-11-22", Membership{}, holder("mentor"), untrusted(monday, year(-1)), "deny none [membership-lapsed]"},
		{"no clock: a clock that is years ahead ends nothing", "2026-11-22", Membership{}, holder("mentor"), func(q *Question) {
			untrusted(year(-1), year(-1))(q)
			q.At = year(20)
		}, "allow mentor []"},
		{"no clock: nothing is known", "2026-11-22", Membership{}, holder("mentor"), untrusted(time.Time{}, time.Time{}), "allow mentor []"},
		{"a trusted clock does not look at the bundle", "2026-11-23", Membership{}, holder("mentor"), func(q *Question) { q.Issued, q.LastTrusted = year(1), year(1) }, "allow mentor []"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := lab()
			m.Membership = c.rule
			q := ask("laser", c.member)
			if c.until != "" {
				q.Member.Until = date(t, c.until)
			}
			if c.change != nil {
				c.change(&q)
			}
			if got := line(mustNew(t, m).Decide(q)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestMembershipHasAStateForEachDay(t *testing.T) {
	last := date(t, "2026-03-31")
	for day, want := range map[string]MembershipState{"2026-02-28": Current, "2026-03-01": EndsSoon, "2026-03-31": EndsSoon, "2026-04-01": InGrace, "2026-04-14": InGrace,
		"2026-04-15": HasLapsed} {
		if got := fortnight.On(date(t, day), last); got != want {
			t.Errorf("%s: %v, want %v", day, got, want)
		}
	}
	if got := (Membership{}).On(last, last); got != Current {
		t.Errorf("a site that warns of nothing: %v", got)
	}
	if got := fortnight.On(last, Date{}); got != Endless {
		t.Errorf("no end: %v", got)
	}
	if got := fortnight.LastUse(last); got != date(t, "2026-04-14") {
		t.Errorf("last use: %v", got)
	}
	if !last.Before(date(t, "2026-04-01")) || last.Before(last) || last.Before(date(t, "2025-12-31")) {
		t.Error("days are in another order")
	}
	m := lab()
	m.Membership = fortnight
	q := ask("laser", holder())
	q.Member.Until = date(t, "2026-11-20")
	if s, d := mustNew(t, m).MembershipOf(q); s != InGrace || d != q.Member.Until {
		t.Errorf("%v %v", s, d)
	}
	q.Member = nil
	if s, _ := mustNew(t, m).MembershipOf(q); s != Endless {
		t.Errorf("nobody: %v", s)
	}
}

func TestLapsedMembersHearTheLastDay(t *testing.T) {
	m := lab()
	m.Membership = Membership{Grace: 7 * days}
	p := mustNew(t, m)
	q := ask("laser", holder("user"))
	q.Member.Until = date(t, "2026-03-01")
	d := p.Decide(q)
	if r := d.Outcomes[2].Missing[0]; r.Code != MembershipLapsed || DateOf(r.At, paris()) != q.Member.Until {
		t.Errorf("%+v", r)
	}
	s := Explain(p, q, d)
	if s.In(French) != "L’adhésion s’est terminée le 1er mars. Prochaine étape : la renouveler à l’accueil" ||
		s.In(English) != "The membership ended on 1 March. Next step: renew it at the desk" {
		t.Errorf("%q %q", s.In(French), s.In(English))
	}
	q.Fault = true
	if s := Explain(p, q, p.Decide(q)); !strings.Contains(s.In(English), "stopped for safety") {
		t.Errorf("a fault stops everybody, and is said first: %s", s.In(English))
	}
	q.Fault, q.Tagged = false, true
	if s := Explain(p, q, p.Decide(q)); !strings.Contains(s.In(English), "out of service") {
		t.Errorf("a tag is said first: %s", s.In(English))
	}
	q = ask("laser", holder("first"))
	q.Supervisor = other("mentor")
	q.Supervisor.Until = date(t, "2026-03-01")
	if s := Explain(p, q, p.Decide(q)); s.Fact.EN != "The mentor’s membership has ended" {
		t.Errorf("%+v", s)
	}
}

func TestCardsThatAreNotActiveAreRefusedForEveryRole(t *testing.T) {
	m := lab()
	m.Membership.After = Roles()
	m.Machines[2].Mode = Warn
	p := mustNew(t, m)
	for state, kind := range map[CardState]ReasonKind{LostCard: OfLostCard, BlockedCard: OfBlockedCard, ReplacedCard: OfReplacedCard, 9: OfBlockedCard} {
		for _, machine := range []MachineID{"laser", "vinyl", "print"} {
			q := ask(machine, holder("maintainer", "mentor", "user", "first"))
			q.CardState, q.Supervisor = state, other("mentor")
			d := p.Decide(q)
			if d.Verdict != Deny || d.Would != Deny || d.Others != nil || !slices.Contains(d.Codes(), CardBlocked) {
				t.Errorf("%v at %s: %+v", state, machine, d)
			}
			for _, o := range d.Outcomes {
				if o.Missing[0].Code != CardBlocked || o.Missing[0].Kind != kind {
					t.Errorf("%v at %s: %+v", state, machine, o.Missing)
				}
			}
			if s := Explain(p, q, d); s.In(English) != "This card is blocked. Next step: see the desk" {
				t.Errorf("%v: the sentence tells more than the refusal: %s", state, s.In(English))
			}
		}
	}
	for state, want := range map[CardState]bool{ActiveCard: false, LostCard: true, BlockedCard: true, ReplacedCard: false, 9: true} {
		if state.Alerts() != want {
			t.Errorf("%v: alerts %v", state, !want)
		}
	}
	if got := []string{ActiveCard.String(), LostCard.String(), BlockedCard.String(), ReplacedCard.String()}; strings.Join(
		got,
		" ",
	) != "active lost blocked replaced" {
		t.Error(got)
	}
	for word, want := range map[string]CardState{"active": ActiveCard, "lost": LostCard, "blocked": BlockedCard, "replaced": ReplacedCard, "": BlockedCard, "Lost": BlockedCard} {
		if got, err := ParseCardState(word); got != want || err != nil != (word == "Lost") {
			t.Errorf("%q: %v %v", word, got, err)
		}
	}
}

// In mode warn rules are on trial: whoever has a card gets in, and the decision says what enforcement would have
// answered.
func TestModeWarnLetsLapsedMembersIn(t *testing.T) {
	m := lab()
	m.Machines[0].Mode = Warn
	q := ask("laser", holder("user"))
	q.Member.Until = date(t, "2026-01-01")
	if d := mustNew(t, m).Decide(q); d.Verdict != Allow || d.Would != Deny ||
		!slices.Equal(d.Codes(), []Code{MembershipLapsed}) {
		t.Errorf("%+v", d)
	}
}

// What Decide says of random policies and members, lapsed ones among them, Who says too, and the laws hold.
func TestLawsHoldForMemberships(t *testing.T) {
	g := gen{rand.New(rand.NewPCG(21, 22))}
	lapsed, kept, late := 0, 0, 0
	for range 3000 {
		m := g.model()
		m.Membership = Membership{Grace: time.Duration(g.IntN(3)) * 7 * days}
		for _, r := range Roles() {
			if g.IntN(4) == 0 {
				m.Membership.After = append(m.Membership.After, r)
			}
		}
		p := mustNew(t, m)
		q := g.question()
		if q.Member == nil {
			continue
		}
		q.Clock, q.Tagged, q.Fault, q.Supervisor, q.Card, q.Issued = Trusted, false, false, nil, AES, q.At
		current := p.Decide(q)
		x := *q.Member
		x.Until = DateOf(q.At, paris()).plus(10 - g.IntN(40))
		q.Member = &x
		d := p.Decide(q)
		state, _ := p.MembershipOf(q)
		var alone, supervised RoleSet
		for i, o := range d.Outcomes {
			keeps := state != HasLapsed || slices.Contains(m.Membership.After, o.Role)
			want := Deny
			if keeps {
				want = current.Outcomes[i].Verdict
			}
			if o.Verdict != want {
				t.Fatalf("%v %v: %v, want %v", state, o.Role, o.Verdict, want)
			}
			if lapsedSaid := slices.ContainsFunc(o.Missing, func(r Reason) bool { return r.Code == MembershipLapsed }); lapsedSaid == keeps {
				t.Fatalf("%v %v: %v", state, o.Role, o.Missing)
			}
			switch o.Verdict {
			case Allow:
				alone |= 1 << o.Role
			case Await:
				supervised |= 1 << o.Role
			}
			if state == HasLapsed && o.Verdict != Deny {
				kept++
			}
			if state == InGrace && o.Verdict != Deny {
				late++
			}
		}
		if state == HasLapsed {
			lapsed++
		}
		if p.Machines[0].Mode == Warn && !x.Blocked {
			alone |= 1 << User
		}
		if got := p.Who("m", []*Member{&x}, q.At)[0]; got.Alone != alone || got.Supervised != supervised {
			t.Fatalf(
				"who says %v %v, Decide %v %v",
				got.Alone.Roles(),
				got.Supervised.Roles(),
				alone.Roles(),
				supervised.Roles(),
			)
		}
		if d.Verdict == Deny && len(d.Codes()) == 0 && d.Grant >= 0 {
			t.Fatalf("a refusal without a reason: %+v", d)
		}
	}
	if lapsed < 300 || kept < 50 || late < 50 {
		t.Errorf("%d lapsed, %d kept a role, %d in the grace: little was tried", lapsed, kept, late)
	}
}

func TestChangesOfTheMembershipRuleAreWeighed(t *testing.T) {
	model := func(x Membership) Model {
		m := ruled(t, func(*Machine) {}).Model
		m.Membership = x
		return m
	}
	for name, c := range map[string]struct {
		before, after Membership
		want          string
	}{
		"nothing":       {fortnight, fortnight, ""},
		"only warn":     {fortnight, Membership{Grace: 14 * days, After: []Role{Maintainer}}, ""},
		"another order": {Membership{After: []Role{User, Maintainer}}, Membership{After: []Role{Maintainer, User}}, ""},
		"less grace": {fortnight, Membership{After: []Role{Maintainer}}, "loses learner alone=false with first+a supervisor with mentor+a membership that has ended; " +
			"loses user alone=true with user+a membership that has ended"},
		"more grace": {fortnight, Membership{Grace: 30 * days, After: []Role{Maintainer}}, "gains learner alone=false with first+a supervisor with mentor+a membership that ended more than 14d ago; " +
			"gains user alone=true with user+a membership that ended more than 14d ago"},
		"a role is kept": {fortnight, Membership{Grace: 14 * days, After: []Role{User, Maintainer}}, "gains user alone=true with user+a membership that ended more than 14d ago"},
		"a role is lost": {fortnight, Membership{Grace: 14 * days}, "loses maintainer alone=true with maintainer+a membership that ended more than 14d ago"},
	} {
		before, after := mustNew(t, model(c.before)), mustNew(t, model(c.after))
		changes, err := Compare(before, after, monday)
		if got := say(changes); got != c.want || err != nil {
			t.Errorf("%s:\n got %s\nwant %s\n%v", name, got, c.want, err)
		}
	}
	// Without a clock the hours are passed over: the lapse counts at night too.
	passing := func(x Membership) *Policy {
		m := ruled(t, func(m *Machine) {
			m.Grants, m.Pass = m.Grants[:1], PassHours
			m.Grants[0].Hours = mustHours("Mo-Fr 09:00-21:00")
		}).Model
		m.Membership = x
		return mustNew(t, m)
	}
	changes, err := Compare(passing(Membership{Grace: 7 * days}), passing(Membership{}), monday)
	if got := say(changes); err != nil ||
		got != "loses user alone=true with user+a membership that has ended when Mo-Fr 09:00-21:00; loses user alone=true with user+a membership that has ended clock untrusted" {
		t.Errorf("%s %v", got, err)
	}
	s := Settings(mustNew(t, model(fortnight)), mustNew(t, model(Membership{})))
	if got := fmt.Sprint(s); got != "[{membership grace 14d, warn 30d, after maintainer grace 0d, warn 0d false}]" {
		t.Error(got)
	}
}

func TestMembersAreComparedByTheirMembershipOnTheFirstDay(t *testing.T) {
	m := ruled(t, func(m *Machine) { m.Grants[0].Hours = mustHours("Mo-Fr 09:00-21:00; Jul 14 10:00-12:00") }).Model
	m.Membership = fortnight
	before := mustNew(t, m)
	m.Membership = Membership{}
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
	if got := strings.Join(out, "; "); got != "1 user false [Mo-Fr 09:00-21:00 2027-07-14 10:00-12:00]; 2 user false [Mo-Fr 09:00-21:00 2027-07-14 10:00-12:00]" {
		t.Error(got)
	}
}

func TestModelsWhoseMembershipIsNoWholeDaysAreRefused(t *testing.T) {
	for _, x := range []Membership{{Grace: time.Hour}, {Warn: -days}, {Grace: days + 1}} {
		m := lab()
		m.Membership = x
		if _, err := New(m); err == nil || !strings.Contains(err.Error(), "whole days") {
			t.Errorf("%+v: %v", x, err)
		}
	}
}

// A badge that was issued this morning is worth as much as one of last month.
func TestMembersAreComparedWithBadgesThatBeganToday(t *testing.T) {
	before := ruled(t, func(m *Machine) {
		m.Grants = m.Grants[:1]
		m.Grants[0].Needs = Need{Badge: "mentor"}
	})
	after := ruled(t, func(m *Machine) {
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
