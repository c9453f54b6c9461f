package policy_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	. "portillon/policy"
)

func TestZeroValuesDeny(t *testing.T) {
	if d := (Decision{}); d.Verdict != Deny || d.Role != NoRole || d.Would != Deny || d.Codes() != nil {
		t.Error("the zero decision does not deny")
	}
	if d := (Decision{Grant: -1}); d.Codes() != nil {
		t.Error("Nearest of the zero decision returned an outcome")
	}
	p := mustNew(t, lab())
	if d := p.Decide(Question{}); d.Verdict != Deny {
		t.Error("the zero question is allowed")
	}
	d := p.Decide(Question{Machine: "laser", Member: &Member{}})
	if d.Verdict != Deny {
		t.Error("the zero member is allowed")
	}
	if d := p.Decide(ask("laser", &Member{Holdings: []Holding{{Badge: "maintainer"}}})); d.Verdict != Deny ||
		!slices.Equal(d.Codes(), []Code{BadgeUnverified}) {
		t.Error("a badge with the zero standing counts", d)
	}
}

// line describes a decision in one line.
func line(d Decision) string {
	return fmt.Sprintf("%v %v %v", d.Verdict, d.Role, d.Codes())
}

func TestDecideAppliesEachRuleOfTheSampleLab(t *testing.T) {
	at := func(s string) time.Time {
		out, err := time.ParseInLocation("2006-01-02 15:04", s, paris())
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	with := func(b BadgeID, change func(h *Holding)) func(q *Question) {
		return func(q *Question) {
			h := holding(b)
			change(&h)
			q.Member = &Member{ID: "m-1", Holdings: []Holding{h}}
		}
	}
	practice := func(machine MachineID, last time.Time, logged time.Duration, badges ...BadgeID) func(q *Question) {
		return func(q *Question) {
			q.Member = holder(badges...)
			q.Member.Holdings[0].From = monday.AddDate(-2, 0, 0)
			q.Member.Practice = []Practice{
				{Machine: "other", Last: monday, Logged: 100 * time.Hour},
				{Machine: machine, Last: last, Logged: logged},
			}
		}
	}
	for _, c := range []struct {
		name    string
		machine MachineID
		member  *Member
		change  func(q *Question)
		want    string
	}{
		{"no badge", "laser", holder(), nil, "deny none [no-badge needs-supervisor]"},
		{"unknown card", "laser", nil, nil, "deny none [unknown-card]"},
		{"blocked", "laser", holder("user"), func(q *Question) { q.Member.Blocked = true }, "deny none [card-blocked]"},
		{"user", "laser", holder("user"), nil, "allow user []"},
		{"unknown machine", "lase", holder("user"), nil, "deny none []"},
		{"fault", "laser", holder("maintainer"), func(q *Question) { q.Fault = true }, "deny none [machine-fault]"},
		{"tag stops a user", "laser", holder("user"), func(q *Question) { q.Tagged = true }, "deny none [tagged-out]"},
		{"tag stops a mentor", "laser", holder("mentor"), func(q *Question) { q.Tagged = true }, "deny none [tagged-out]"},
		{"tag stops a host", "vinyl", holder("user", "host"), func(q *Question) { q.Tagged = true },
			"deny none [tagged-out]"},
		{"tag stops a learner", "laser", holder("first"),
			func(q *Question) { q.Tagged, q.Supervisor = true, other("mentor") }, "deny none [tagged-out]"},
		{"tag leaves a maintainer", "laser", holder("user", "maintainer"), func(q *Question) { q.Tagged = true },
			"allow maintainer []"},

		{"least powerful role alone", "laser", holder("maintainer", "mentor", "user", "first"), nil, "allow user []"},
		{"alone before supervised", "laser", holder("mentor", "first"), nil, "allow mentor []"},
		{"asked role", "laser", holder("maintainer", "user"), func(q *Question) { q.As = Maintainer }, "allow maintainer []"},
		{"asked role not granted", "laser", holder("user"), func(q *Question) { q.As = Mentor }, "deny none [no-badge]"},
		{"asked role without a grant", "laser", holder("first"), func(q *Question) { q.As = Host },
			"deny none [needs-supervisor]"},
		{"asked role waits", "laser", holder("first", "user"), func(q *Question) { q.As = Learner },
			"await learner [needs-supervisor]"},
		{"asked role answered for", "laser", holder("first", "user"),
			func(q *Question) { q.As, q.Supervisor = Learner, other("mentor") }, "allow learner []"},

		{"awaits", "laser", holder("first"), nil, "await learner [needs-supervisor]"},
		{"answered for", "laser", holder("first"), func(q *Question) { q.Supervisor = other("mentor") }, "allow learner []"},
		{"alone, though answered for", "laser", holder("mentor", "first"),
			func(q *Question) { q.Supervisor = other("mentor") }, "allow mentor []"},
		{"second card without the badge", "laser", holder("first"),
			func(q *Question) { q.Supervisor = other("user", "maintainer") }, "await learner [needs-supervisor]"},
		{"answers for oneself", "laser", holder("first"), func(q *Question) { q.Supervisor = holder("mentor") },
			"await learner [needs-supervisor]"},
		{"supervisor without an id", "laser", holder("first"),
			func(q *Question) { q.Supervisor = other("mentor"); q.Supervisor.ID = "" }, "await learner [needs-supervisor]"},
		{"supervisor blocked", "laser", holder("first"),
			func(q *Question) { q.Supervisor = other("mentor"); q.Supervisor.Blocked = true },
			"await learner [needs-supervisor]"},
		{"supervisor expired", "laser", holder("first"),
			func(q *Question) { q.Supervisor = other("mentor"); q.Supervisor.Holdings[0].Until = monday.Add(-1) },
			"await learner [needs-supervisor]"},
		{"supervisor does not replace the badge", "laser", holder(), func(q *Question) { q.Supervisor = other("mentor") },
			"deny none [no-badge]"},

		{"outside hours", "laser", holder("user"), func(q *Question) { q.At = at("2026-11-23 21:00") },
			"deny none [outside-hours]"},
		{"last minute", "laser", holder("user"), func(q *Question) { q.At = at("2026-11-23 20:59") }, "allow user []"},
		{"too early", "laser", holder("user"), func(q *Question) { q.At = at("2026-11-23 08:59") },
			"deny none [outside-hours]"},
		{"first minute, told in UTC", "laser", holder("user"), func(q *Question) { q.At = at("2026-11-23 09:00").UTC() },
			"allow user []"},
		{"saturday", "laser", holder("user"), func(q *Question) { q.At = at("2026-11-28 17:59") }, "allow user []"},
		{"sunday", "laser", holder("user"), func(q *Question) { q.At = at("2026-11-29 12:00") }, "deny none [outside-hours]"},

		{"all", "vinyl", holder("host", "user"), func(q *Question) { q.As = Host }, "allow host []"},
		{"all, one missing", "vinyl", holder("host"), func(q *Question) { q.As = Host }, "deny none [no-badge]"},
		{"any, the second", "vinyl", holder("mentor"), nil, "allow user []"},
		{"any, nested", "vinyl", holder("first", "host"), nil, "allow user []"},
		{"any, none", "vinyl", holder("first"), nil, "deny none [no-badge]"},

		{"expired", "laser", nil, with("user", func(h *Holding) { h.Until = monday.Add(-1) }), "deny none [badge-expired]"},
		{"at its end", "laser", nil, with("user", func(h *Holding) { h.Until = monday }), "allow user []"},
		{"not yet valid", "laser", nil, with("user", func(h *Holding) { h.From = monday.Add(1) }),
			"deny none [badge-unverified]"},
		{"valid from now", "laser", nil, with("user", func(h *Holding) { h.From = monday }), "allow user []"},
		{"revoked", "laser", nil, with("user", func(h *Holding) { h.Standing = Revoked }), "deny none [badge-revoked]"},
		{"unverified", "laser", nil, with("user", func(h *Holding) { h.Standing = Unverified }),
			"deny none [badge-unverified]"},
		{"a standing that does not exist", "laser", nil, with("user", func(h *Holding) { h.Standing = 99 }),
			"deny none [badge-unverified]"},
		{"status of a week", "laser", nil, with("user", func(h *Holding) { h.Checked = monday.Add(-7 * days) }),
			"allow user []"},
		{"status older", "laser", nil, with("user", func(h *Holding) { h.Checked = monday.Add(-7*days - 1) }),
			"deny none [badge-unverified]"},
		{"renewed", "laser", holder("user", "user"), func(q *Question) { q.Member.Holdings[0].Until = monday.Add(-1) },
			"allow user []"},
		{"renewed the other way", "laser", holder("user", "user"),
			func(q *Question) { q.Member.Holdings[1].Until = monday.Add(-1) }, "allow user []"},
		{"revoked and expired", "laser", holder("user", "user"), func(q *Question) {
			q.Member.Holdings[0].Until = monday.Add(-1)
			q.Member.Holdings[1].Standing = Revoked
		}, "deny none [badge-expired]"},

		{"used lately", "vinyl", nil, practice("vinyl", monday.Add(-180*days), 0, "user"), "allow user []"},
		{"used long ago", "vinyl", nil, practice("vinyl", monday.Add(-180*days-1), 0, "user"), "deny none [not-recent]"},
		{"used elsewhere", "vinyl", nil, practice("print", monday, 0, "user"), "deny none [not-recent]"},
		{"never used, badge new", "vinyl", nil, with("user", func(h *Holding) { h.From = monday.Add(-179 * days) }),
			"allow user []"},
		{"told twice, the better counts", "vinyl", nil, func(q *Question) {
			practice("vinyl", monday, 0, "user")(q)
			q.Member.Practice = append(q.Member.Practice, Practice{Machine: "vinyl", Last: monday.AddDate(-1, 0, 0)})
		}, "allow user []"},

		{"clock: hours", "laser", holder("user"), func(q *Question) { q.Clock = Untrusted }, "deny none [clock-untrusted]"},
		{"clock: no rule on time", "laser", holder("user", "maintainer"), func(q *Question) { q.Clock = Untrusted },
			"allow maintainer []"},
		{"clock: badge with an end", "laser", nil, func(q *Question) {
			with("maintainer", func(h *Holding) { h.Until = monday.AddDate(9, 0, 0) })(q)
			q.Clock = Untrusted
		}, "deny none [clock-untrusted]"},
		{"clock: last use", "vinyl", holder("user"), func(q *Question) { q.Clock = Untrusted },
			"deny none [clock-untrusted]"},
		{"clock: revoked stays revoked", "laser", nil, func(q *Question) {
			with("maintainer", func(h *Holding) { h.Standing = Revoked })(q)
			q.Clock = Untrusted
		}, "deny none [badge-revoked]"},
		{"clock: 1970", "laser", holder("maintainer"), func(q *Question) { q.Clock, q.At = Untrusted, time.Unix(0, 0) },
			"allow maintainer []"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := ask(c.machine, c.member)
			if c.change != nil {
				c.change(&q)
			}
			p := mustNew(t, lab())
			d := p.Decide(q)
			if got := line(d); got != c.want {
				t.Errorf("got %s, want %s\n%+v", got, c.want, d.Outcomes)
			}
			if !reflect.DeepEqual(d, p.Decide(q)) {
				t.Error("the same question got another answer")
			}
			if d.Would != d.Verdict {
				t.Error("would differs where policy is enforced")
			}
		})
	}
}

func TestEveryGrantListsAllThatIsMissing(t *testing.T) {
	p := mustNew(t, lab())
	m := holder("user")
	m.Holdings[0].Until = monday.AddDate(0, 0, -1)
	m.Blocked = true
	q := Question{At: monday.Add(12 * time.Hour), Clock: Trusted, Machine: "laser", Member: m, Tagged: true, Fault: true}
	var got []string
	for _, o := range p.Decide(q).Outcomes {
		s := fmt.Sprint(o.Role, " ", o.Verdict)
		for _, r := range o.Missing() {
			s += fmt.Sprintf(" %s(%s)", r.Code, r.Badge)
		}
		got = append(got, s)
	}
	want := []string{
		"maintainer deny card-blocked() machine-fault() no-badge(maintainer)",
		"mentor deny card-blocked() machine-fault() tagged-out() no-badge(mentor)",
		"user deny card-blocked() machine-fault() tagged-out() badge-expired(user) outside-hours()",
		"learner deny card-blocked() machine-fault() tagged-out() no-badge(first) needs-supervisor()",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestReasonsOfOneGrantAreNotListedUnderTheNext(t *testing.T) {
	p := mustNew(t, lab())
	d := p.Decide(ask("laser", holder()))
	first := d.Outcomes[0].Missing()
	_ = append(first, Reason{Code: "overwritten"})
	if d.Outcomes[1].Missing()[0].Code != NoBadge {
		t.Error("appending to one outcome changed another")
	}
}

func TestReusedReasonsDoNotLeakIntoOtherDecisions(t *testing.T) {
	for _, c := range []struct {
		grant Grant
		want  []Code
	}{
		{Grant{Hours: mustHours("Tu 09:00-10:00")}, []Code{NoBadge, OutsideHours}},
		{Grant{Needs: Need{Hours: time.Hour}}, []Code{NoBadge, NotEnoughHours}},
	} {
		c.grant.Role, c.grant.Needs.Badge, c.grant.Supervisor = Learner, "first", &Need{Badge: "mentor"}
		m := lab()
		m.Machines[0].Grants = []Grant{c.grant}
		q := ask("laser", holder())
		q.Supervisor = other("mentor")
		if got := mustNew(t, m).Decide(q).Codes(); !slices.Equal(got, c.want) {
			t.Errorf("got %v, want %v", got, c.want)
		}
	}
}

func TestUnmetNeedWithAnyFieldReportsTheNearestAlternative(t *testing.T) {
	p := mustNew(t, lab())
	m := holder("mentor")
	m.Holdings[0].Standing = Revoked
	d := p.Decide(ask("vinyl", m)) // the member has a revoked badge mentor, and lacks the badges user, first and host
	if got := d.Outcomes[1].Missing(); len(got) != 1 || got[0].Code != BadgeRevoked || got[0].Badge != "mentor" {
		t.Errorf("got %+v", got)
	}
	d = p.Decide(ask("vinyl", holder()))
	if got := d.Outcomes[1].Missing(); len(got) != 1 || got[0].Badge != "user" {
		t.Errorf("of alternatives that are equally far, the first: got %+v", got)
	}
}

func TestReasonsContainTheDataOfTheirSentences(t *testing.T) {
	p := mustNew(t, lab())
	end, last := monday.AddDate(0, -1, 0), monday.AddDate(-1, 0, 0)
	m := &Member{ID: "m-1", Holdings: []Holding{
		{Badge: "maintainer", Standing: Verified, From: last, Until: end},
		{Badge: "user", Standing: Verified, From: last.AddDate(-1, 0, 0)},
		{Badge: "first", Standing: Verified, From: last, Checked: end},
	}, Practice: []Practice{{Machine: "vinyl", Last: last, Logged: time.Hour},
		{Machine: "print", Last: last, Logged: 4 * time.Hour}}}
	want := map[MachineID][]Reason{
		"vinyl": {{Code: NotRecent, Badge: "user", At: last, Want: 180 * days, Kind: OfPractice}},
		"print": {{Code: NotRecent, Badge: "user", At: last.AddDate(-1, 0, 0), Want: 365 * days, Kind: OfAge}},
	}
	for machine, want := range want {
		if got := p.Decide(ask(machine, m)).Outcomes[1].Missing(); !slices.Equal(got, want) {
			t.Errorf("%s: got %+v", machine, got)
		}
	}
	if got := p.Decide(ask("laser", m)).Outcomes[0].Missing(); !slices.Equal(
		got,
		[]Reason{{Code: BadgeExpired, Badge: "maintainer", At: end}},
	) {
		t.Errorf("got %+v", got)
	}
	missing := Reason{Code: BadgeUnverified, Badge: "first", At: end, Kind: OldStatus}
	if got := p.Decide(ask("laser", m)).Outcomes[3].Missing()[0]; got != missing {
		t.Errorf("got %+v", got)
	}
	m.Holdings[2].Checked = time.Time{}
	missing = Reason{Code: NotEnoughHours, Badge: "first", Want: 10 * time.Hour, Have: 4 * time.Hour}
	if got := p.Decide(ask("print", m)).Outcomes[2].Missing()[0]; got != missing {
		t.Errorf("got %+v", got)
	}
	m.Practice[1].Logged = 10 * time.Hour
	if got := p.Decide(ask("print", m)).Outcomes[2]; got.Verdict != Await {
		t.Errorf("ten hours are enough: %+v", got)
	}
}

func TestDecisionsListOtherRolesAndTheBadgesUsed(t *testing.T) {
	p := mustNew(t, lab())
	d := p.Decide(ask("laser", holder("maintainer", "mentor", "user", "first")))
	if !slices.Equal(d.Others, []Role{Mentor, Maintainer}) || !slices.Equal(d.Badges, []BadgeID{"user"}) || d.Grant != 2 {
		t.Errorf("%v %v %v", d.Others, d.Badges, d.Grant)
	}
	q := ask("laser", holder("maintainer", "mentor", "user"))
	q.As = Maintainer
	if d = p.Decide(q); !slices.Equal(d.Others, []Role{User, Mentor}) || !slices.Equal(d.Badges, []BadgeID{"maintainer"}) {
		t.Errorf("%v %v", d.Others, d.Badges)
	}
	if d = p.Decide(ask("vinyl", holder("host", "user"))); !slices.Equal(d.Others, []Role{Host}) ||
		!slices.Equal(d.Badges, []BadgeID{"user"}) {
		t.Errorf("%v %v", d.Others, d.Badges)
	}
	if d = p.Decide(ask("vinyl", holder("first", "host"))); !slices.Equal(d.Badges, []BadgeID{"first", "host"}) {
		t.Errorf("%v", d.Badges)
	}
	if d = p.Decide(ask("laser", holder("first"))); d.Others != nil || !slices.Equal(d.Badges, []BadgeID{"first"}) {
		t.Errorf("%v %v", d.Others, d.Badges)
	}
	if d = p.Decide(ask("laser", holder())); d.Others != nil || d.Badges != nil || d.Limits != (Limits{}) {
		t.Errorf("a refusal gives something: %+v", d)
	}
}

func TestDecisionChoosesTheGrantWithTheLongestSession(t *testing.T) {
	for _, c := range []struct{ a, b, want Limits }{
		{Limits{Max: 1}, Limits{Max: 2}, Limits{Max: 2}},
		{Limits{Max: 2}, Limits{Max: 1}, Limits{Max: 2}},
		{Limits{Max: 2}, Limits{}, Limits{}},
		{Limits{}, Limits{Max: 2}, Limits{}},
		{Limits{Max: 2, Idle: 1}, Limits{Max: 2, Idle: 3}, Limits{Max: 2, Idle: 3}},
		{Limits{Max: 2, Idle: 1}, Limits{Max: 2}, Limits{Max: 2}},
		{Limits{Max: 2, Warn: 1}, Limits{Max: 2}, Limits{Max: 2, Warn: 1}},
	} {
		m := lab()
		m.Machines[0].Grants = []Grant{
			{Role: User, Needs: Need{Badge: "user"}, Session: c.a},
			{Role: User, Needs: Need{Badge: "user"}, Session: c.b},
		}
		if got := mustNew(t, m).Decide(ask("laser", holder("user"))).Limits; got != c.want {
			t.Errorf("%v or %v: got %v", c.a, c.b, got)
		}
	}
}

func TestDecisionChoosesTheLeastPowerfulRoleThatWaitsForAMentor(t *testing.T) {
	m := lab()
	supervised := func(r Role) Grant {
		return Grant{Role: r, Needs: Need{Badge: "user"}, Supervisor: &Need{Badge: "mentor"}}
	}
	m.Machines[0].Grants = []Grant{supervised(Host), supervised(Learner), supervised(User)}
	if got := line(mustNew(t, m).Decide(ask("laser", holder("user")))); got != "await learner [needs-supervisor]" {
		t.Error(got)
	}
}

func TestMemberWhoMayBeAloneNeedsNoSupervisor(t *testing.T) {
	m := lab()
	m.Machines[0].Grants = []Grant{
		{Role: User, Needs: Need{Badge: "user"}, Supervisor: &Need{Badge: "mentor"}, Session: Limits{Max: 5 * time.Hour}},
		{Role: User, Needs: Need{Badge: "user"}, Session: Limits{Max: time.Hour}},
	}
	q := ask("laser", holder("user"))
	q.Supervisor = other("mentor")
	if d := mustNew(t, m).Decide(q); d.Grant != 1 || d.Limits.Max != time.Hour {
		t.Errorf("%+v", d)
	}
}

func TestSessionEndsWhenTheHoursClose(t *testing.T) {
	p := mustNew(t, lab())
	q := ask("laser", holder("user"))
	q.At = monday.Add(10*time.Hour + 30*time.Minute + 15*time.Second) // 20:30:15
	if got := p.Decide(q).Limits.Max; got != 29*time.Minute+45*time.Second {
		t.Errorf("at 20:30:15: %v", got)
	}
	m := lab()
	m.Machines[0].Grants[2].Session.Max = 0
	if got := mustNew(t, m).Decide(ask("laser", holder("user"))).Limits.Max; got != 11*time.Hour {
		t.Errorf("no limit but the hours: %v", got)
	}
	m.Machines[0].Grants[2].Hours = mustHours("24/7")
	if got := mustNew(t, m).Decide(ask("laser", holder("user"))).Limits.Max; got != 0 {
		t.Errorf("always open: %v", got)
	}
}

func TestDecisionsMayHaveMoreBadgesAndReasonsThanFitIntoThePage(t *testing.T) {
	m := lab()
	m.Machines[0].Grants = []Grant{{Role: User, Needs: Need{Badge: "user"}}, {Role: Mentor, Needs: Need{Badge: "mentor"}}}
	list := make([]Need, 100)
	for i := range list {
		list[i] = Need{Badge: "mentor"}
	}
	list[99] = Need{All: []Need{{Badge: "host"}, {Badge: "first"}}}
	m.Machines[0].Grants = append(
		m.Machines[0].Grants,
		Grant{Role: Host, Needs: Need{All: list}},
		Grant{Role: Host, Needs: Need{Any: list}},
	)
	p := mustNew(t, m)
	for _, n := range []int{1, 16, 17, 256, 257, 400} {
		x := holder()
		for range n - 1 {
			x.Holdings = append(x.Holdings, Holding{Badge: "user", Standing: Revoked})
		}
		x.Holdings = append(x.Holdings, holding("user"))
		d := p.Decide(ask("laser", x))
		if d.Role != User || len(d.Outcomes[2].Missing()) != 101 || len(d.Outcomes[3].Missing()) != 1 ||
			d.Outcomes[1].Missing()[0].Badge != "mentor" {
			t.Errorf("%d badges: %v %v, %d reasons", n, d.Verdict, d.Role, len(d.Outcomes[2].Missing()))
		}
		if d = p.Decide(ask("laser", &Member{Holdings: x.Holdings[:n-1]})); d.Verdict != Deny {
			t.Errorf("%d badges: %v", n, d.Verdict)
		}
	}
}

func TestRequestedRoleWithoutAGrantIsDenied(t *testing.T) {
	p := mustNew(t, lab())
	q := ask("laser", holder("user", "mentor", "maintainer", "first"))
	q.As, q.Supervisor = Host, other("mentor")
	if d := p.Decide(q); d.Verdict != Deny || d.Grant != -1 || d.Codes() != nil ||
		!slices.Equal(d.Others, []Role{User, Mentor, Maintainer}) {
		t.Errorf("%+v", d)
	}
	if got := Explain(p, q, p.Decide(q)); got.Fact.EN != "No access to this machine with this card" {
		t.Error(got)
	}
}

func TestDecisionsMayHaveMoreGrantsAndReasonsThanFitIntoThePage(t *testing.T) {
	m := lab()
	need := Need{
		All: []Need{
			{Badge: "first"},
			{Badge: "user"},
			{Badge: "host"},
			{Badge: "mentor"},
			{Badge: "maintainer"},
			{Badge: "first"},
			{Badge: "user"},
		},
	}
	m.Machines[0].Grants = nil
	for range 20 {
		m.Machines[0].Grants = append(m.Machines[0].Grants, Grant{Role: User, Needs: need})
	}
	d := mustNew(t, m).Decide(ask("laser", holder("first", "user", "host", "mentor", "maintainer")))
	if len(d.Outcomes) != 20 || len(d.Badges) != 7 || d.Verdict != Allow {
		t.Errorf("%d outcomes, %d badges", len(d.Outcomes), len(d.Badges))
	}
}
