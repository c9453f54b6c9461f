package policy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	. "portillon/policy"
)

// The variable monday is 2026-11-23, 10:00 in Paris.
func TestMembershipIsJudgedByItsLastDayAndTheGrace(t *testing.T) {
	evening := time.Date(2026, 11, 23, 23, 30, 0, 0, time.UTC) // in Paris this is already the 24th
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
		{"the last minute of the last day", "2026-11-23", Membership{}, holder("mentor"),
			func(q *Question) { q.At = wall(t, "2026-11-23 23:59") }, "allow mentor []"},
		{"the day is the site's", "2026-11-23", Membership{}, holder("mentor"), func(q *Question) { q.At = evening },
			"deny none [membership-lapsed]"},
		{"the last day of the grace", "2026-11-09", fortnight, holder("mentor"), nil, "allow mentor []"},
		{"the day after the grace", "2026-11-08", fortnight, holder("mentor"), nil, "deny none [membership-lapsed]"},
		{"a day of every year", "11-23", fortnight, holder("mentor"), nil, "deny none [membership-lapsed]"},
		{"a role that is kept", "2026-01-01", fortnight, holder("maintainer"), nil, "allow maintainer []"},
		{"and no other", "2026-01-01", fortnight, holder("user", "mentor", "maintainer"), nil, "allow maintainer []"},
		{"the nearest grant is the one without other lacks", "2026-01-01", fortnight, holder("user"), nil,
			"deny none [membership-lapsed]"},
		{"without badges too", "2026-01-01", Membership{}, holder(), nil,
			"deny none [membership-lapsed no-badge needs-supervisor]"},
		{"a tag is there besides", "2026-01-01", fortnight, holder("user"), func(q *Question) { q.Tagged = true },
			"deny none [membership-lapsed tagged-out]"},
		{"a learner", "2026-01-01", fortnight, holder("first"), func(q *Question) { q.Supervisor = other("mentor") },
			"deny none [membership-lapsed]"},
		{"a learner waits for nobody", "2026-01-01", fortnight, holder("first"), nil,
			"deny none [membership-lapsed needs-supervisor]"},
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

		{"no clock: the bundle was made before the end", "2026-11-22", Membership{}, holder("mentor"),
			untrusted(year(-1), time.Time{}), "allow mentor []"},
		{"no clock: the bundle was made after the end", "2026-11-22", Membership{}, holder("mentor"),
			untrusted(monday, time.Time{}), "deny none [membership-lapsed]"},
		{"no clock: a record came after the end", "2026-11-22", Membership{}, holder("mentor"), untrusted(year(-1), monday),
			"deny none [membership-lapsed]"},
		{"no clock: an old record, a later bundle", "2026-11-22", Membership{}, holder("mentor"), untrusted(monday, year(-1)),
			"deny none [membership-lapsed]"},
		{"no clock: a clock that is years ahead ends nothing", "2026-11-22", Membership{}, holder("mentor"),
			func(q *Question) {
				untrusted(year(-1), year(-1))(q)
				q.At = year(20)
			}, "allow mentor []"},
		{"no clock: nothing is known", "2026-11-22", Membership{}, holder("mentor"), untrusted(time.Time{}, time.Time{}),
			"allow mentor []"},
		{"a trusted clock does not look at the bundle", "2026-11-23", Membership{}, holder("mentor"),
			func(q *Question) { q.Issued, q.LastTrusted = year(1), year(1) }, "allow mentor []"},
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
	for day, want := range map[string]MembershipState{"2026-02-28": Current, "2026-03-01": EndsSoon,
		"2026-03-31": EndsSoon, "2026-04-01": InGrace, "2026-04-14": InGrace,
		"2026-04-15": HasLapsed} {
		if got := fortnight.On(date(t, day), last); got != want {
			t.Errorf("%s: %v, want %v", day, got, want)
		}
	}
	if got := (Membership{}).On(last, last); got != Current {
		t.Errorf("a site without warn: %v", got)
	}
	if got := fortnight.On(last, Date{}); got != Endless {
		t.Errorf("no end: %v", got)
	}
	if got := fortnight.LastUse(last); got != date(t, "2026-04-14") {
		t.Errorf("last use: %v", got)
	}
	if !last.Before(date(t, "2026-04-01")) || last.Before(last) || last.Before(date(t, "2025-12-31")) {
		t.Error("Before does not order the days")
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

func TestLapsedMembersAreToldTheLastDay(t *testing.T) {
	m := lab()
	m.Membership = Membership{Grace: 7 * days}
	p := mustNew(t, m)
	q := ask("laser", holder("user"))
	q.Member.Until = date(t, "2026-03-01")
	d := p.Decide(q)
	if r := d.Outcomes[2].Missing()[0]; r.Code != MembershipLapsed || DateOf(r.At, paris()) != q.Member.Until {
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
	for state, kind := range map[CardState]ReasonKind{LostCard: OfLostCard, BlockedCard: OfBlockedCard,
		ReplacedCard: OfReplacedCard, 9: OfBlockedCard} {
		for _, machine := range []MachineID{"laser", "vinyl", "print"} {
			q := ask(machine, holder("maintainer", "mentor", "user", "first"))
			q.CardState, q.Supervisor = state, other("mentor")
			d := p.Decide(q)
			if d.Verdict != Deny || d.Would != Deny || d.Others != nil || !slices.Contains(d.Codes(), CardBlocked) {
				t.Errorf("%v at %s: %+v", state, machine, d)
			}
			for _, o := range d.Outcomes {
				if o.Missing()[0].Code != CardBlocked || o.Missing()[0].Kind != kind {
					t.Errorf("%v at %s: %+v", state, machine, o.Missing())
				}
			}
			if s := Explain(p, q, d); s.In(English) != "This card is blocked. Next step: see the desk" {
				t.Errorf("%v: the sentence tells more than the refusal: %s", state, s.In(English))
			}
		}
	}
	for state, want := range map[CardState]bool{ActiveCard: false, LostCard: true, BlockedCard: true, ReplacedCard: false,
		9: true} {
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
	for word, want := range map[string]CardState{"active": ActiveCard, "lost": LostCard, "blocked": BlockedCard,
		"replaced": ReplacedCard, "": BlockedCard, "Lost": BlockedCard} {
		if got, err := ParseCardState(word); got != want || err != nil != (word == "Lost") {
			t.Errorf("%q: %v %v", word, got, err)
		}
	}
}

// In mode warn every member with a card is admitted, and the decision contains the answer of enforcement.
func TestModeWarnAdmitsLapsedMembers(t *testing.T) {
	m := lab()
	m.Machines[0].Mode = Warn
	q := ask("laser", holder("user"))
	q.Member.Until = date(t, "2026-01-01")
	if d := mustNew(t, m).Decide(q); d.Verdict != Allow || d.Would != Deny ||
		!slices.Equal(d.Codes(), []Code{MembershipLapsed}) {
		t.Errorf("%+v", d)
	}
}

func TestMembershipRulesMustUseWholeDays(t *testing.T) {
	for _, x := range []Membership{{Grace: time.Hour}, {Warn: -days}, {Grace: days + 1}} {
		m := lab()
		m.Membership = x
		if _, err := New(m); err == nil || !strings.Contains(err.Error(), "whole days") {
			t.Errorf("%+v: %v", x, err)
		}
	}
}
