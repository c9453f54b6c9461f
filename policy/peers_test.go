package policy

import "testing"

// Whoever holds a badge of another issuer that counts as both badges could answer for a learner, and a learner for
// them.
func TestPeersAreSeenThroughAcceptedBadges(t *testing.T) {
	theirs := OtherBadge{"other", "urn:f0"}
	for name, c := range map[string]struct {
		learner, mentor, third []Accept // what the badge of the learner, of the mentor and a third one accept
		needs                  Need
		want                   bool
	}{
		"nothing is accepted":              {needs: Need{Badge: "a"}},
		"the same badge":                   {needs: Need{Badge: "b"}, want: true},
		"accepted for both":                {[]Accept{{OtherBadge: theirs}}, []Accept{{OtherBadge: theirs, Roles: []Role{Mentor}}}, nil, Need{Badge: "a"}, true},
		"for the learner alone":            {[]Accept{{OtherBadge: theirs}}, []Accept{{OtherBadge: theirs}}, nil, Need{Badge: "a"}, false},
		"for the mentor alone":             {[]Accept{{OtherBadge: theirs, Roles: []Role{User}}}, []Accept{{OtherBadge: theirs, Roles: []Role{Mentor}}}, nil, Need{Badge: "a"}, false},
		"with what the learner has not":    {[]Accept{{OtherBadge: theirs}}, []Accept{{theirs, "c", []Role{Mentor}}}, nil, Need{Badge: "a"}, false},
		"with what the learner has":        {[]Accept{{theirs, "c", nil}}, []Accept{{theirs, "c", []Role{Mentor}}}, nil, Need{Badge: "a"}, true},
		"with the mentor's badge":          {[]Accept{{theirs, "b", nil}}, nil, nil, Need{Badge: "a"}, true},
		"the learner's badge is accepted":  {nil, []Accept{{OtherBadge{"i", "urn:a"}, "", []Role{Mentor}}}, nil, Need{Badge: "a"}, true},
		"it is, but not of mentors":        {nil, []Accept{{OtherBadge{"i", "urn:a"}, "", []Role{User}}}, nil, Need{Badge: "a"}, false},
		"a badge more is asked for":        {[]Accept{{OtherBadge: theirs}}, []Accept{{OtherBadge: theirs, Roles: []Role{Mentor}}}, nil, Need{All: []Need{{Badge: "c"}, {Badge: "a"}}}, true},
		"one of two that does not lead on": {[]Accept{{OtherBadge: theirs, Roles: []Role{User}}}, []Accept{{OtherBadge: theirs, Roles: []Role{Mentor}}}, []Accept{{OtherBadge: theirs}}, Need{Any: []Need{{Badge: "a"}, {Badge: "d"}}}, false},
	} {
		m := gen{}.plainModel()
		m.Badges[0].Accepts, m.Badges[1].Accepts, m.Badges[2].Accepts = c.learner, c.mentor, c.third
		m.Machines = []Machine{{ID: "m", Grants: []Grant{{Role: Learner, Needs: c.needs, Supervisor: &Need{Badge: "b"}}}}}
		p := mustNew(t, m)
		if got := p.peers(&p.Machines[0].Grants[0]); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// plainModel has the badges alone, of ours, and another issuer.
func (gen) plainModel() Model {
	m := Model{
		Site: "s",
		Zone: paris(),
		Issuers: []Issuer{
			{ID: "i", Profile: "did:x", Keys: []string{"k"}},
			{ID: "other", Profile: "did:y", Name: "Le Labo d’à côté", Keys: []string{"k"}},
		},
	}
	for _, id := range ids {
		m.Badges = append(m.Badges, Badge{ID: id, Name: Text{FR: string(id)}, Issuer: "i", Achievement: "urn:" + string(id)})
	}
	return m
}

// A member whose badge of another lab has ended must not look for it among those that they hold of this one.
func TestReasonsAndSentencesSayWhoseBadgeItIs(t *testing.T) {
	m := gen{}.plainModel()
	m.Badges[0].Accepts = []Accept{{OtherBadge: OtherBadge{"other", "urn:f0"}}}
	m.Machines = []Machine{{ID: "m", Grants: []Grant{{Role: User, Needs: Need{Badge: "a", Within: 400 * days}}}}}
	p := mustNew(t, m)
	for name, c := range map[string]struct {
		h      Holding
		fr, en string
	}{
		"ended":     {Holding{Standing: Verified, Until: monday.AddDate(0, -1, 0)}, "a expiré le 23 octobre", "expired on 23 October"},
		"withdrawn": {Holding{Standing: Revoked}, "a été retiré par son émetteur", "was withdrawn by its issuer"},
		"unproven":  {Holding{}, "n’a pas pu être vérifié", "could not be verified"},
		"too old":   {Holding{Standing: Verified, From: monday.AddDate(-2, 0, 0)}, "a été émis il y a plus de 400 jours", "was issued more than 400 days ago"},
	} {
		for _, other := range []*OtherBadge{nil, {"other", "urn:f0"}} {
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
			if r := o.Missing[0]; (r.Other == nil) != (other == nil) || other != nil && *r.Other != *other || r.Badge != "a" {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
}

// One badge of another issuer may stand for two of ours.
func TestABadgeThatIsAcceptedAsTwoIsFoundByCompareAndNever(t *testing.T) {
	model := func(change func(*Model)) *Policy {
		m := gen{}.plainModel()
		for i := range 2 {
			m.Badges[i].Accepts = []Accept{{OtherBadge: OtherBadge{"other", "urn:f0"}}}
		}
		m.Machines = []Machine{{ID: "m", Grants: []Grant{{Role: User, Needs: Need{All: []Need{{Badge: "a"}, {Badge: "b"}}}}}}}
		change(&m)
		return mustNew(t, m)
	}
	changes, err := Compare(model(func(*Model) {}), model(func(m *Model) { m.Badges[1].Accepts = nil }), monday)
	if err != nil || len(changes) != 1 || changes[0].Gained || changes[0].Role != User {
		t.Errorf("who held it alone loses the role: %+v, %v", changes, err)
	}
	// The first case that is found takes the accepted badge and one of ours, a later one a single badge of ours.
	p := model(func(m *Model) {
		all := &m.Machines[0].Grants[0].Needs.All
		*all = append(*all, Need{Badge: "d"})
		m.Machines[0].Grants = append(
			m.Machines[0].Grants,
			Grant{Role: User, Needs: Need{Badge: "e"}, Supervisor: &Need{Badge: "f"}},
		)
		m.Never = []Invariant{{Roles: []Role{User}, Without: []BadgeID{"c"}}}
	})
	got := p.Breaches(monday)
	if len(got) != 1 || len(got[0].Accepted) != 0 || len(got[0].Holds) != 1 || got[0].Holds[0] != "e" ||
		!got[0].Supervised {
		t.Errorf("%+v", got)
	}
}
