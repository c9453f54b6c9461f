package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	. "portillon/policy"
)

// theirs adds the other issuer's badge to a member's badges: one holding for each badge of the policy that accepts it.
func theirs(p *Policy, m *Member, url string) *Member {
	for _, x := range p.Matches("other", url) {
		m.Holdings = append(
			m.Holdings,
			Holding{Badge: x.Badge, Other: x.Other, Standing: Verified, From: monday.AddDate(-1, 0, 0)},
		)
	}
	return m
}

func TestAcceptedBadgeOfAnotherIssuerMeetsTheNeed(t *testing.T) {
	for name, c := range map[string]struct {
		of, with BadgeID
		roles    []Role
		member   []BadgeID // the member's badges of this policy
		change   func(*Question)
		want     string
	}{
		"accepted":                     {of: "user", want: "allow as user on [user], accepted [user other]"},
		"with a badge that is missing": {of: "user", with: "induction", want: "deny no-badge induction"},
		"with a badge that is there": {of: "user", with: "induction", member: []BadgeID{"induction"},
			want: "allow as user on [user], accepted [user other induction]"},
		"one's own counts first":     {of: "user", member: []BadgeID{"user"}, want: "allow as user on [user]"},
		"as a maintainer, not named": {of: "maintainer", want: "deny no-badge maintainer"},
		"as a maintainer, named": {of: "maintainer", roles: []Role{Maintainer},
			want: "allow as maintainer on [maintainer], accepted [maintainer other]"},
		"as a user, a maintainer named": {of: "user", roles: []Role{Maintainer}, want: "deny no-badge user"},
		"with a badge that has ended": {of: "user", with: "induction", member: []BadgeID{"induction"},
			change: ended("induction"), want: "deny badge-expired induction"},
		"with a badge that is not verified": {of: "user", with: "induction", member: []BadgeID{"induction"},
			change: standing("induction", Unverified), want: "deny badge-unverified induction"},
		"that has ended": {of: "user", change: ended("user"), want: "deny badge-expired user"},
		"that is revoked": {of: "user", with: "induction", change: standing("user", Revoked),
			want: "deny badge-revoked user"},
		"that is weaker than asked": {of: "user",
			change: func(q *Question) { q.Member.Holdings[0].Assurance = Hosted }, want: "deny badge-unverified user"},
		"of another achievement": {of: "user", change: heldAs("other", "https://other.example/a/us"),
			want: "deny no-badge user"},
		"of another issuer": {of: "user", change: heldAs("i", theirUser), want: "deny no-badge user"},
		"with another query": {of: "user", change: heldAs("other", theirUser+"?cid=2#x"),
			want: "allow as user on [user], accepted [user other]"},
		"as a learner, supervised": {of: "first", change: supervisedBy("mentor"),
			want: "allow as learner on [first], accepted [first other]"},
		"without a clock": {of: "user", change: func(q *Question) { q.Clock = Untrusted },
			want: "allow as user on [user], accepted [user other]"},
		"without a clock, with an end": {of: "user",
			change: func(q *Question) { q.Clock = Untrusted; q.Member.Holdings[0].Until = monday.Add(1) },
			want:   "deny clock-untrusted user"},
		"among more badges than are counted": {of: "user", change: many,
			want: "allow as user on [user], accepted [user other]"},
	} {
		p := mustNew(t, accepts(t, c.of, c.with, c.roles...))
		q := Question{At: monday, Clock: Trusted, Machine: "m", Member: theirs(p, &Member{ID: "m-1"}, theirUser)}
		q.Member.Holdings = append(q.Member.Holdings, bearer(c.member...).Holdings...)
		for _, g := range p.Machines[0].Grants {
			if g.Needs.Badge == c.of && c.with == "" {
				q.As = g.Role // request this role, so that the reason is about this role if several badges are missing
			}
		}
		if c.change != nil {
			c.change(&q)
		}
		if got := counted(p.Decide(q)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func counted(d Decision) string {
	if d.Verdict != Allow {
		o, _ := d.Nearest()
		return fmt.Sprintf("%v %s %s", d.Verdict, o.Missing()[0].Code, o.Missing()[0].Badge)
	}
	out := fmt.Sprintf("allow as %v on %v", d.Role, d.Badges)
	for _, a := range d.Accepted {
		out += ", accepted " + strings.TrimSuffix(fmt.Sprintf("[%s %s %s", a.Badge, a.Issuer, a.With), " ") + "]"
	}
	return out
}

func change(b BadgeID, to func(*Holding)) func(*Question) {
	return func(q *Question) {
		for i := range q.Member.Holdings {
			if h := &q.Member.Holdings[i]; h.Badge == b {
				to(h)
			}
		}
	}
}

func ended(b BadgeID) func(*Question) {
	return change(b, func(h *Holding) { h.Until = monday.Add(-time.Hour) })
}

func standing(b BadgeID, s Standing) func(*Question) {
	return change(b, func(h *Holding) { h.Standing = s })
}

func heldAs(issuer IssuerID, url string) func(*Question) {
	return func(q *Question) { q.Member.Holdings[0].Other = &OtherBadge{Issuer: issuer, Achievement: url} }
}

func supervisedBy(b ...BadgeID) func(*Question) {
	return func(q *Question) { q.Supervisor = bearer(b...); q.Supervisor.ID = "m-2" }
}

// many inserts other badges before the member's badges, so many that Decide must allocate memory.
func many(q *Question) {
	var all []Holding
	for range 300 {
		all = append(all, Holding{Badge: "mentor", Standing: Verified})
	}
	q.Member.Holdings = append(all, q.Member.Holdings...)
}

// A supervisor acts as a mentor, so an accepted badge counts for a supervisor only if its entry names mentor.
func TestAcceptedBadgeOfASupervisorNeedsAnEntryForTheRoleMentor(t *testing.T) {
	for _, c := range []struct {
		roles []Role
		want  Verdict
	}{{nil, Await}, {[]Role{Learner, User, Host, Maintainer}, Await}, {[]Role{Mentor}, Allow}} {
		p := mustNew(t, accepts(t, "mentor", "", c.roles...))
		q := Question{
			At:         monday,
			Clock:      Trusted,
			Machine:    "m",
			Member:     bearer("first"),
			Supervisor: theirs(p, &Member{ID: "m-2"}, theirUser),
		}
		if d := p.Decide(q); d.Verdict != c.want || d.Accepted != nil {
			t.Errorf("%v: %v, want %v", c.roles, d.Verdict, c.want)
		}
	}
}

// Decide must ignore a badge that only the other issuer accepts. Decide must also ignore a badge that the badge in With
// accepts.
func TestAcceptsIsNotTransitive(t *testing.T) {
	m := accepts(t, "user", "induction")
	m = accept(m, "induction", Accept{OtherBadge: OtherBadge{Issuer: "other", Achievement: theirAll}})
	p := mustNew(t, m)
	q := Question{
		At:      monday,
		Clock:   Trusted,
		Machine: "m",
		Member:  theirs(p, theirs(p, &Member{ID: "m-1"}, theirUser), theirAll),
	}
	if got := counted(p.Decide(q)); got != "deny no-badge induction" {
		t.Errorf("besides: %s", got)
	}
	m = accepts(t, "user", "")
	m.Badges = append(
		m.Badges,
		Badge{
			ID:          "theirs",
			Name:        Text{FR: "t"},
			Issuer:      "other",
			Achievement: theirUser,
			Accepts:     []Accept{{OtherBadge: OtherBadge{Issuer: "other", Achievement: theirAll}}},
		},
	)
	p = mustNew(t, m)
	q.Member, q.As = theirs(p, &Member{ID: "m-1"}, theirAll), User
	if got := counted(p.Decide(q)); got != "deny no-badge user" {
		t.Errorf("of an accepted badge: %s", got)
	}
}

// Two entries for the same badge may name different roles.
func TestOneBadgeMayBeAcceptedTwiceForDifferentRoles(t *testing.T) {
	m := accepts(t, "user", "")
	m = accept(
		m,
		"user",
		Accept{OtherBadge: OtherBadge{Issuer: "other", Achievement: theirUser}, With: "induction", Roles: []Role{Mentor}},
	)
	m.Machines[0].Grants = append(m.Machines[0].Grants, Grant{Role: Mentor, Needs: Need{Badge: "user"}})
	p := mustNew(t, m)
	if got := p.Matches("other", theirUser); len(got) != 1 || got[0].Badge != "user" {
		t.Errorf("%+v", got)
	}
	q := Question{At: monday, Clock: Trusted, Machine: "m", Member: theirs(p, &Member{ID: "m-1"}, theirUser)}
	if d := p.Decide(q); d.Role != User || len(d.Others) > 0 {
		t.Errorf("%v, and %v", d.Role, d.Others)
	}
	q.Member.Holdings = append(q.Member.Holdings, bearer("induction").Holdings...)
	if d := p.Decide(q); d.Role != User || !slices.Equal(d.Others, []Role{Mentor}) {
		t.Errorf("with the induction: %v, and %v", d.Role, d.Others)
	}
}

// The badge in With must have at least the assurance that the grant requires. Decide must check this assurance for each
// grant separately.
func TestBadgeInWithFieldNeedsTheAssuranceThatTheGrantRequires(t *testing.T) {
	m := accepts(t, "user", "induction")
	m.Machines[0].Grants[0].Needs.Assurance = Hosted
	m.Machines[0].Grants = append(m.Machines[0].Grants, Grant{Role: Host, Needs: Need{Badge: "user"}})
	p := mustNew(t, m)
	q := Question{At: monday, Clock: Trusted, Machine: "m", Member: theirs(p, bearer("induction"), theirUser)}
	q.Member.Holdings[0].Assurance = Hosted
	if d := p.Decide(q); d.Verdict != Allow || d.Role != User || len(d.Others) > 0 {
		t.Errorf("hosted: %v as %v, others %v", d.Verdict, d.Role, d.Others)
	}
	q.Member.Holdings[0].Assurance = Signed
	if d := p.Decide(q); d.Role != User || !slices.Equal(d.Others, []Role{Host}) {
		t.Errorf("signed: %v as %v, others %v", d.Verdict, d.Role, d.Others)
	}
}

func TestInvalidAcceptsEntriesAreRefused(t *testing.T) {
	same := OtherBadge{Issuer: "other", Achievement: theirUser}
	for want, a := range map[string][]Accept{
		`the issuer "stranger", who is not listed`: {{OtherBadge: OtherBadge{Issuer: "stranger", Achievement: theirAll}}},
		"without an achievement":                   {{OtherBadge: OtherBadge{Issuer: "other", Achievement: "?x"}}},
		"accepts itself":                           {{OtherBadge: OtherBadge{Issuer: "i", Achievement: "urn:user?x=1"}}},
		`with "nothing", which is not listed`: {
			{OtherBadge: OtherBadge{Issuer: "other", Achievement: theirAll}, With: "nothing", Roles: nil}},
		"with the badge itself": {{OtherBadge: OtherBadge{Issuer: "other", Achievement: theirAll}, With: "user", Roles: nil}},
		"no role": {{OtherBadge: OtherBadge{Issuer: "other", Achievement: theirAll}, With: "",
			Roles: []Role{NoRole}}},
		"twice for one role": {{OtherBadge: same, With: "induction", Roles: []Role{Mentor, Host}}},
	} {
		if _, err := New(accept(accepts(t, "user", ""), "user", a...)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestEndorsedIsParsedFromTheTextThatItPrints(t *testing.T) {
	for _, e := range []Endorsed{ByTap, AtTheTime} {
		if got, err := ParseEndorsed(e.String()); err != nil || got != e {
			t.Errorf("%q: %v, %v", e, got, err)
		}
	}
}

// If a member's badge of another lab has expired, the sentence must name the other lab.
func TestReasonsAndSentencesNameTheIssuerOfAnAcceptedBadge(t *testing.T) {
	m := gen{}.PlainModel()
	m.Badges[0].Accepts = []Accept{{OtherBadge: OtherBadge{Issuer: "other", Achievement: "urn:f0"}}}
	m.Machines = []Machine{{ID: "m", Grants: []Grant{{Role: User, Needs: Need{Badge: "a", Within: 400 * days}}}}}
	p := mustNew(t, m)
	for name, c := range map[string]struct {
		h      Holding
		fr, en string
	}{
		"ended": {Holding{Standing: Verified, Until: monday.AddDate(0, -1, 0)}, "a expiré le 23 octobre",
			"expired on 23 October"},
		"withdrawn": {Holding{Standing: Revoked}, "a été retiré par son émetteur", "was withdrawn by its issuer"},
		"unproven":  {Holding{}, "n’a pas pu être vérifié", "could not be verified"},
		"too old": {Holding{Standing: Verified, From: monday.AddDate(-2, 0, 0)}, "a été émis il y a plus de 400 jours",
			"was issued more than 400 days ago"},
	} {
		for _, other := range []*OtherBadge{nil, {Issuer: "other", Achievement: "urn:f0"}} {
			c.h.Badge, c.h.Other = "a", other
			q := Question{At: monday, Clock: Trusted, Machine: "m", Member: &Member{ID: "m-1", Holdings: []Holding{c.h}}}
			d := p.Decide(q)
			fr, en := "Le badge « a » "+c.fr, "The badge “a” "+c.en
			if other != nil {
				fr = "Le badge de « Le Labo d’à côté », accepté comme « a », " + c.fr
				en = "The badge of “Le Labo d’à côté”, accepted as “a”, " + c.en
			}
			o, _ := d.Nearest()
			if s := Explain(p, q, d); s.Fact.FR != fr || s.Fact.EN != en {
				t.Errorf("%s: %+v", name, s.Fact)
			}
			if r := o.Missing()[0]; (r.Other == nil) != (other == nil) || other != nil && *r.Other != *other || r.Badge != "a" {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
}

func TestABadgeOfAnotherIssuerMatchesTheBadgesThatAcceptIt(t *testing.T) {
	p := mustNew(t, accepts(t, "user", ""))
	got := p.MatchesOf(OtherBadge{Issuer: "other", Achievement: theirUser + "?lang=fr"})
	if len(got) != 1 || got[0].Badge != "user" || got[0].Other == nil {
		t.Errorf("%+v", got)
	}
	if got := p.MatchesOf(OtherBadge{Issuer: "i", Achievement: "urn:user"}); len(got) != 1 || got[0].Other != nil {
		t.Errorf("%+v", got)
	}
}
