package policy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	. "portillon/policy"
)

// lab returns a model of a laser, with one grant for each rule.
func lab() Model {
	badge := func(id BadgeID, name string) Badge {
		return Badge{
			ID:          id,
			Name:        Text{FR: "Découpe laser - " + name, EN: string(id)},
			Issuer:      "biklab",
			Achievement: "https://obf.example/a/" + string(id) + "?cid=1",
		}
	}
	return Model{
		Site: "biklab", Zone: paris(),
		Issuers: []Issuer{{ID: "biklab", Name: "BIK'LAB", Profile: "did:key:z6Mk", Keys: []string{"z6Mk"}}},
		Badges: []Badge{
			badge("first", "1er pas"),
			badge("user", "Utilisateur autonome"),
			badge("host", "Animateur / animatrice"),
			badge("mentor", "Formateur mentor"),
			badge("maintainer", "Mainteneur"),
		},
		Machines: []Machine{
			{ID: "laser", Name: Text{FR: "Découpe laser"}, Grants: []Grant{
				{Role: Maintainer, Needs: Need{Badge: "maintainer"}},
				{Role: Mentor, Needs: Need{Badge: "mentor"}, Session: Limits{Max: 4 * time.Hour}},
				{
					Role:    User,
					Needs:   Need{Badge: "user"},
					Hours:   mustHours("Mo-Fr 09:00-21:00; Sa 10:00-18:00"),
					Session: Limits{Max: 2 * time.Hour, Idle: 10 * time.Minute, Warn: 2 * time.Minute},
				},
				{Role: Learner, Needs: Need{Badge: "first"}, Supervisor: &Need{Badge: "mentor"}, Session: Limits{Max: time.Hour}},
			}},
			{ID: "vinyl", Grants: []Grant{
				{Role: Host, Needs: Need{All: []Need{{Badge: "host"}, {Badge: "user"}}}},
				{
					Role: User,
					Needs: Need{
						Any: []Need{
							{Badge: "user", UsedWithin: 180 * days},
							{Badge: "mentor"},
							{All: []Need{{Badge: "first"}, {Badge: "host"}}},
						},
					},
				},
			}},
			{ID: "print", Mode: Warn, Grants: []Grant{
				{Role: Maintainer, Needs: Need{Badge: "maintainer"}},
				{Role: User, Needs: Need{Badge: "user", Within: 365 * days}, Session: Limits{Max: 3 * time.Hour}},
				{Role: Learner, Needs: Need{Badge: "first", Hours: 10 * time.Hour}, Supervisor: &Need{Badge: "mentor"}},
			}},
		},
		Evidence: map[BadgeID]EvidenceRule{
			"maintainer": {Interventions: 5, Kinds: []string{"lens-cleaning", "extraction"}, EndorsedBy: "maintainer"},
			"host":       {Interventions: 1, Kinds: []string{"blade"}},
		},
	}
}

// holding returns a badge that is five months old and has no end.
func holding(b BadgeID) Holding {
	return Holding{Badge: b, Standing: Verified, From: monday.AddDate(0, -5, 0)}
}

func holder(badges ...BadgeID) *Member {
	m := &Member{ID: "m-1"}
	for _, b := range badges {
		m.Holdings = append(m.Holdings, holding(b))
	}
	return m
}

func other(badges ...BadgeID) *Member {
	m := holder(badges...)
	m.ID = "m-2"
	return m
}

func ask(machine MachineID, m *Member) Question {
	return Question{At: monday, Clock: Trusted, Machine: machine, Member: m}
}

func TestInvalidModelsAreRefused(t *testing.T) {
	for _, c := range []struct {
		want   string
		change func(m *Model)
	}{
		{"no site", func(m *Model) { m.Site = "" }},
		{"status-grace -1ns is negative", func(m *Model) { m.StatusGrace = -1 }},
		{`issuer "biklab" stands twice`, func(m *Model) { m.Issuers = append(m.Issuers, m.Issuers[0]) }},
		{`issuer "biklab" has no profile or no keys`, func(m *Model) { m.Issuers[0].Keys = nil }},
		{`badge "user" stands twice`, func(m *Model) { m.Badges[0].ID = "user" }},
		{`badge "first" has no name`, func(m *Model) { m.Badges[0].Name = Text{} }},
		{`badge "first": issuer "x" is not listed`, func(m *Model) { m.Badges[0].Issuer = "x" }},
		{`badges "first" and "user" have the same achievement`,
			func(m *Model) { m.Badges[1].Achievement = "https://obf.example/a/first?cid=2" }},
		{`badge "first" has no achievement`, func(m *Model) { m.Badges[0].Achievement = "" }},
		{`machine "vinyl" stands twice`, func(m *Model) { m.Machines[0].ID = "vinyl" }},
		{`machine "laser" has no grants`, func(m *Model) { m.Machines[0].Grants = nil }},
		{`unknown when-idle or mode`, func(m *Model) { m.Machines[0].Mode = 9 }},
		{`unknown when-idle or mode`, func(m *Model) { m.Machines[0].WhenIdle = 9 }},
		{`cooldown -1ns is negative`, func(m *Model) { m.Machines[0].Cooldown = -1 }},
		{`machine "laser", grant 0: no role`, func(m *Model) { m.Machines[0].Grants[0].Role = NoRole }},
		{`machine "laser", grant 0: no role`, func(m *Model) { m.Machines[0].Grants[0].Role = Maintainer + 1 }},
		{`grant 3: a learner needs a supervisor`, func(m *Model) { m.Machines[0].Grants[3].Supervisor = nil }},
		{`a limit is negative`, func(m *Model) { m.Machines[0].Grants[0].Session.Idle = -1 }},
		{`grant 0: badge "x" is not listed`, func(m *Model) { m.Machines[0].Grants[0].Needs.Badge = "x" }},
		{`grant 3, supervisor: badge "x" is not listed`, func(m *Model) { m.Machines[0].Grants[3].Supervisor.Badge = "x" }},
		{`a need is a badge, all or any`, func(m *Model) { m.Machines[0].Grants[0].Needs = Need{} }},
		{`a need is a badge, all or any`, func(m *Model) { m.Machines[0].Grants[0].Needs.Any = []Need{{Badge: "user"}} }},
		{`a need is a badge, all or any`, func(m *Model) { m.Machines[1].Grants[0].Needs.Any = []Need{{Badge: "user"}} }},
		{`badge "user": a time is negative`, func(m *Model) { m.Machines[1].Grants[0].Needs.All[1].Within = -1 }},
		{`belong to a badge`, func(m *Model) { m.Machines[1].Grants[0].Needs.Hours = 1 }},
		{`nested more than 8 deep`, func(m *Model) {
			n := Need{Badge: "user"}
			for range MaxNesting {
				n = Need{All: []Need{n}}
			}
			m.Machines[0].Grants[0].Needs = n
		}},
		{`machine "laser": more than 4096 needs`, func(m *Model) {
			m.Machines[0].Grants[0].Needs = Need{Any: slices.Repeat([]Need{{Badge: "user"}}, MaxNeeds)}
		}},
		{`issuer "biklab": status-issuers name "x", which is not listed or itself`,
			func(m *Model) { m.Issuers[0].StatusIssuers = []IssuerID{"x"} }},
		{`issuer "biklab": status-issuers name "biklab"`,
			func(m *Model) { m.Issuers[0].StatusIssuers = []IssuerID{"biklab"} }},
		{`evidence for the badge "x", which is not listed`, func(m *Model) { m.Evidence["x"] = m.Evidence["host"] }},
		{`endorsed-by "x", which is not listed`, func(m *Model) {
			m.Evidence["host"] = EvidenceRule{Interventions: 1, Kinds: []string{"a"}, EndorsedBy: "x"}
		}},
		{`no interventions or no kinds`, func(m *Model) { m.Evidence["host"] = EvidenceRule{} }},
		{`evidence for "host": 2 days for 1 interventions`, func(m *Model) {
			m.Evidence["host"] = EvidenceRule{Interventions: 1, Kinds: []string{"a"}, Spread: 2}
		}},
		{`evidence for "host": -1 days for 1 interventions`, func(m *Model) {
			m.Evidence["host"] = EvidenceRule{Interventions: 1, Kinds: []string{"a"}, Spread: -1}
		}},
		{`evidence for "host": endorsed by nobody`, func(m *Model) {
			m.Evidence["host"] = EvidenceRule{Interventions: 1, Kinds: []string{"a"}, Endorsed: AtTheTime}
		}},
		{`evidence for "host": endorsed by nobody`, func(m *Model) {
			m.Evidence["host"] = EvidenceRule{Interventions: 1, Kinds: []string{"a"}, EndorsedBy: "host", Endorsed: 7}
		}},
	} {
		m := lab()
		c.change(&m)
		if _, err := New(m); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

func TestMachinesBadgesAndIssuersAreFoundByTheirWholeID(t *testing.T) {
	m := lab()
	m.Zone = nil
	p := mustNew(t, m)
	if p.Zone != time.UTC || p.StatusGrace != DefaultStatusGrace {
		t.Errorf("defaults: %v %v", p.Zone, p.StatusGrace)
	}
	if x, ok := p.Machine("laser"); !ok || x.ID != "laser" {
		t.Error("no laser")
	}
	if x, ok := p.Machine("lase"); ok || x != nil {
		t.Error("a machine by half its name")
	}
	if x, ok := p.Badge("user"); !ok || x.ID != "user" {
		t.Error("no badge")
	}
	if _, ok := p.Badge("User"); ok {
		t.Error("a badge by another name")
	}
	if x, ok := p.Issuer("biklab"); !ok || x.Name != "BIK'LAB" {
		t.Error("no issuer")
	}
	if _, ok := p.Issuer(""); ok {
		t.Error("an issuer without a name")
	}
	for url, want := range map[string]BadgeID{
		"https://obf.example/a/user": "user", "https://obf.example/a/user?cid=9&lang=en": "user",
		"https://obf.example/a/user#x": "user",
		"https://obf.example/a/user/":  "", "https://obf.example/a/use": "", "http://obf.example/a/user": "", "": "",
	} {
		if got, ok := p.BadgeByAchievement("biklab", url); got != want || ok != (want != "") {
			t.Errorf("%s: %q", url, got)
		}
	}
	if _, ok := p.BadgeByAchievement("other", "https://obf.example/a/user"); ok {
		t.Error("another issuer's achievement")
	}
}

func TestInterventionKindsIncludeTheKindsThatTheMachinesBadgesNeed(t *testing.T) {
	p := mustNew(t, lab())
	for machine, want := range map[MachineID]string{"laser": "extraction lens-cleaning", "vinyl": "blade",
		"print": "extraction lens-cleaning", "x": ""} {
		if got := strings.Join(p.InterventionKinds(machine), " "); got != want {
			t.Errorf("%s: %q, want %q", machine, got, want)
		}
	}
	if got := p.MachinesOf("host"); len(got) != 1 || got[0] != "vinyl" {
		t.Error(got)
	}
}

func TestAMaintainerAttestsOnlyInterventionsThatARuleOfTheMachineNeeds(t *testing.T) {
	m := lab()
	m.Evidence["host"] = EvidenceRule{
		Interventions: 2,
		Kinds:         []string{"blade"},
		EndorsedBy:    "host",
		Endorsed:      AtTheTime,
		Spread:        2,
	}
	p := mustNew(t, m)
	for _, c := range []struct {
		machine MachineID
		kind    string
		want    bool
	}{{"vinyl", "blade", true}, {"vinyl", "lens-cleaning", false}, {"laser", "blade", false},
		{"laser", "lens-cleaning", false}, {"x", "blade", false}} {
		if got := p.AsksToAttest(c.machine, c.kind); got != c.want {
			t.Errorf("%s %s: %t", c.machine, c.kind, got)
		}
	}
}

func TestTextFallsBackToTheOtherLanguage(t *testing.T) {
	for _, c := range []struct {
		t    Text
		l    Language
		want string
	}{{Text{FR: "f", EN: "e"}, French, "f"}, {Text{FR: "f", EN: "e"}, English, "e"}, {Text{FR: "f", EN: ""}, English, "f"},
		{Text{FR: "", EN: "e"}, French, "e"}} {
		if got := c.t.In(c.l); got != c.want {
			t.Errorf("%+v in %v: %q", c.t, c.l, got)
		}
	}
}
