package policy_test

import (
	"regexp"
	"testing"
	"time"

	. "portillon/policy"
)

var aRole = regexp.MustCompile(`(?i)mentor|mainten`)

// The machine has learners and users only, so no sentence may send anybody to a mentor or to a maintainer.
func TestSentencesNameOnlyRolesThatTheMachineGives(t *testing.T) {
	two := func(change func(*Machine)) *Policy {
		return ruled(t, func(m *Machine) {
			m.Grants = []Grant{
				{Role: User, Needs: Need{Badge: "user"}},
				{Role: Learner, Needs: Need{Badge: "first"}, Supervisor: &Need{Badge: "user"}},
			}
			change(m)
		})
	}
	plain := two(func(*Machine) {})
	seen := map[Code]bool{}
	check := func(name string, p *Policy, q Question) {
		d := p.Decide(q)
		for _, c := range d.Codes() {
			seen[c] = true
		}
		s := Explain(p, q, d)
		for _, l := range []Language{French, English} {
			if said := s.In(l); aRole.MatchString(said) || said == "" {
				t.Errorf("%s: %q", name, said)
			}
		}
	}
	full := Question{At: monday, Clock: Trusted, Machine: "m", Card: AES, Issued: monday}
	members := map[string]*Member{
		"nobody":   nil,
		"no badge": bearer(),
		"user":     bearer("user"),
		"first":    bearer("first"),
		"blocked":  {ID: "b", Blocked: true},
	}
	for name, m := range members {
		for what, change := range map[string]func(*Question){
			"as it is": func(*Question) {}, "tagged": func(q *Question) { q.Tagged = true },
			"fault":             func(q *Question) { q.Fault = true },
			"clock":             func(q *Question) { q.Clock = Untrusted },
			"stale":             func(q *Question) { q.Issued = monday.AddDate(-1, 0, 0) },
			"with a supervisor": func(q *Question) { q.Supervisor = bearer("user") },
			"with another":      func(q *Question) { q.Supervisor = bearer() },
			"busy supervisor":   func(q *Question) { q.Supervisor, q.Answering = bearer("user"), 9 },
			"unknown machine":   func(q *Question) { q.Machine = "x" },
		} {
			q := full
			q.Member = m
			change(&q)
			check(name+", "+what, plain, q)
			check(name+", "+what, two(func(m *Machine) { m.Grants[1].Learners, m.Fresh = 1, time.Hour }), q)
		}
	}
	for name, change := range map[string]func(*Need){
		"not recent": func(n *Need) { n.UsedWithin = time.Hour }, "too old": func(n *Need) { n.Within = time.Hour },
		"hours": func(n *Need) { n.Hours = time.Hour },
	} {
		q := full
		q.Member = bearer("user")
		check(name, two(func(m *Machine) { change(&m.Grants[0].Needs) }), q)
	}
	for _, c := range []Code{UnknownCard, CardBlocked, MachineFault, TaggedOut, BundleStale, ClockUntrusted, NoBadge,
		NotRecent, NotEnoughHours, NeedsSupervisor} {
		if !seen[c] {
			t.Errorf("no question was answered with %s", c)
		}
	}
}

func TestPlainKeepsQuotedNamesAndRolesThatTheMachineGives(t *testing.T) {
	m := &Machine{}
	in := Text{FR: "« Aide avec un mentor » : voir un mentor", EN: "“Help with a mentor”: see a mentor"}
	want := Text{FR: "« Aide avec un mentor » : en parler à l’accueil", EN: "“Help with a mentor”: talk to the desk"}
	if got := m.Plain(in); got != want {
		t.Errorf("%+v", got)
	}
	m.Grants = []Grant{{Role: Mentor}, {Role: Maintainer}}
	if got := m.Plain(in); got != in {
		t.Errorf("%+v", got)
	}
	m.Grants = nil
	if got := m.Plain(Text{FR: "« sans fin", EN: ""}); got != (Text{FR: "« sans fin", EN: ""}) {
		t.Errorf("%+v", got)
	}
}
