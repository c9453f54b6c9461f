package policy_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	. "portillon/policy"
)

func TestModeWarnAdmitsMembersAndReportsTheAnswerOfEnforcement(t *testing.T) {
	p := mustNew(t, lab())
	revoked := holder("user")
	revoked.Holdings[0].Standing = Revoked
	blocked := holder()
	blocked.Blocked = true
	for _, c := range []struct {
		name   string
		member *Member
		change func(q *Question)
		want   string
		would  Verdict
	}{
		{"granted", holder("user"), nil, "allow user []", Allow},
		{"no badge", holder(), nil, "allow user [no-badge not-enough-hours needs-supervisor]", Deny},
		{"revoked", revoked, nil, "allow user [badge-revoked]", Deny},
		{"maintainer expired", holder("maintainer"), func(q *Question) { q.Member.Holdings[0].Until = monday.Add(-1) },
			"allow user [badge-expired]", Deny},
		{"clock", holder("user"), func(q *Question) { q.Clock = Untrusted }, "allow user [clock-untrusted]", Deny},
		{"waiting", holder("first"), func(q *Question) {
			q.Member.Practice = []Practice{{Machine: "print", Last: monday, Logged: 99 * time.Hour}}
		}, "allow user [needs-supervisor]", Await},
		{"unknown card", nil, nil, "deny none [unknown-card]", Deny},
		{"blocked", blocked, nil, "", Deny},
		{"fault", holder("user"), func(q *Question) { q.Fault = true }, "deny none [machine-fault]", Deny},
		{"tag", holder("user"), func(q *Question) { q.Tagged = true }, "deny none [tagged-out]", Deny},
		{"tag and maintainer", holder("maintainer"), func(q *Question) { q.Tagged = true }, "allow maintainer []", Allow},
	} {
		q := ask("print", c.member)
		if c.change != nil {
			c.change(&q)
		}
		d := p.Decide(q)
		if got := line(d); got != c.want && c.want != "" || d.Would != c.would || c.want == "" && d.Verdict != Deny {
			t.Errorf("%s: got %s, would %v; want %s, would %v", c.name, got, d.Would, c.want, c.would)
		}
		if d.Verdict == Allow && d.Would != Allow && d.Badges != nil {
			t.Errorf("%s: rests on %v", c.name, d.Badges)
		}
	}
}

func TestModeWarnRefusesACardThatIsWeakerThanRequired(t *testing.T) {
	m := lab()
	m.Machines[2].Card = AES
	p := mustNew(t, m)
	for _, member := range []*Member{holder(), holder("user"), holder("maintainer")} {
		for _, as := range []Role{NoRole, User, Maintainer} {
			q := ask("print", member)
			q.As = as
			if d := p.Decide(q); d.Verdict != Deny || d.Others != nil || !slices.Contains(d.Codes(), CardBlocked) {
				t.Errorf("a number that anybody can copy, as %v: %s, others %v", as, line(d), d.Others)
			}
			q.Card = AES
			if d := p.Decide(q); as != Maintainer && (d.Verdict != Allow || d.Role != User) {
				t.Errorf("a key, as %v: %s", as, line(d))
			}
		}
	}
}

// Mode warn must give every member the role of a user, and no other role.
func TestModeWarnAddsTheRoleOfAUserToWhatTheBadgesGive(t *testing.T) {
	p := mustNew(t, lab())
	practised := func(badges ...BadgeID) *Member {
		x := holder(badges...)
		x.Practice = []Practice{{Machine: "print", Last: monday, Logged: 99 * time.Hour}}
		return x
	}
	for _, c := range []struct {
		name   string
		member *Member
		mentor bool
		as     Role
		want   string
		would  Verdict
	}{
		{"no badge", holder(), true, NoRole, "allow user [] others []", Deny},
		{"a learner and their mentor", practised("first"), true, NoRole, "allow user [] others []", Allow},
		{"a learner, asked for", practised("first"), true, Learner, "allow learner [first] others [user]", Allow},
		{"a learner, asked for and not answered for", practised("first"), false, Learner,
			"await learner [first] others [user]", Await},
		{"a learner without the badge", holder(), true, Learner, "deny none [] others [user]", Deny},
		{"a maintainer", holder("maintainer"), false, NoRole, "allow user [] others [maintainer]", Allow},
		{"a maintainer, as user", holder("maintainer"), false, User, "allow user [] others [maintainer]", Deny},
		{"a maintainer, asked for", holder("maintainer"), false, Maintainer, "allow maintainer [maintainer] others [user]",
			Allow},
		{"a maintainer without the badge", holder("user"), false, Maintainer, "deny none [] others [user]", Deny},
		{"a user", holder("user"), false, NoRole, "allow user [user] others []", Allow},
		{"a user and maintainer", holder("user", "maintainer"), false, NoRole, "allow user [user] others [maintainer]",
			Allow},
		{"a role that no grant gives", holder("user", "maintainer"), false, Host, "deny none [] others [user maintainer]",
			Deny},
	} {
		q := ask("print", c.member)
		q.As = c.as
		if c.mentor {
			q.Supervisor = other("mentor")
		}
		d := p.Decide(q)
		got := fmt.Sprintf("%v %v %v others %v", d.Verdict, d.Role, d.Badges, d.Others)
		if got != c.want || d.Would != c.would || d.Verdict == Allow && d.Role == User && d.Limits.Max != 3*time.Hour {
			t.Errorf("%s: got %s, would %v, %+v; want %s, would %v", c.name, got, d.Would, d.Limits, c.want, c.would)
		}
	}
}

func TestModeWarnGivesEveryUserTheLongestSession(t *testing.T) {
	m := lab()
	m.Machines[2].Grants = append(
		m.Machines[2].Grants,
		Grant{Role: User, Needs: Need{Badge: "host"}, Session: Limits{Max: 5 * time.Hour}},
		Grant{
			Role:    User,
			Needs:   Need{Badge: "host"},
			Session: Limits{Max: 4 * time.Hour},
		},
		Grant{Role: Host, Needs: Need{Badge: "host"}, Session: Limits{Max: 9 * time.Hour}},
	)
	for _, member := range []*Member{holder(), holder("user"), holder("host", "user"), holder("maintainer")} {
		if d := mustNew(t, m).Decide(ask("print", member)); d.Limits.Max != 5*time.Hour {
			t.Errorf("not the longest session of a user: %+v", d.Limits)
		}
	}
}
