package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	. "portillon/policy"
)

func TestMaintenanceIsShownBeforeItIsDueWithTheRemainingInterval(t *testing.T) {
	const h = time.Hour
	const day = 24 * h
	m := &Machine{
		Maintenance: []Upkeep{
			{Kind: "lens", Hours: 20 * h},
			{Kind: "filter", Hours: 100 * h, Every: 90 * day, Block: true},
			{Kind: "rails", Every: 30 * day},
		},
	}
	for _, x := range []struct {
		name string
		w    Wear
		want string
	}{
		{"new", Wear{Ran: 0, Done: map[string]Done{}}, ""},
		{"a tenth is left", Wear{Ran: 18 * h}, "lens 2h0m0s"},
		{"just before", Wear{Ran: 18*h - 1}, ""},
		{"due", Wear{Ran: 20 * h}, "lens! 0s"},
		{"over", Wear{Ran: 25 * h}, "lens! -5h0m0s"},
		{"done again", Wear{Ran: 25 * h, Done: map[string]Done{"lens": {Ran: 24 * h}}}, ""},
		{"hours that began anew", Wear{Ran: 18 * h, Done: map[string]Done{"lens": {Ran: 500 * h}}}, "lens 2h0m0s"},
		{"days count from the last time", Wear{Done: map[string]Done{"rails": {At: monday.Add(-28 * day)}}}, "rails 48h0m0s"},
		{"days without a beginning do not", Wear{Done: map[string]Done{}}, ""},
		{"days without a clock do not", Wear{Clock: Untrusted, Done: map[string]Done{"rails": {At: monday.Add(-280 * day)}}},
			""},
		{"hours without a clock do", Wear{Clock: Untrusted, Ran: 30 * h}, "lens! -10h0m0s"},
		{"whichever comes first: days",
			Wear{Ran: 95 * h, Done: map[string]Done{"lens": {Ran: 95 * h}, "filter": {At: monday.Add(-91 * day)}}},
			"filter! -24h0m0s days"},
		{"whichever comes first: hours",
			Wear{Ran: 101 * h, Done: map[string]Done{"lens": {Ran: 95 * h}, "filter": {At: monday.Add(-88 * day)}}},
			"filter! -1h0m0s"},
		{"days alone call", Wear{Ran: h, Done: map[string]Done{"filter": {At: monday.Add(-85 * day)}}},
			"filter 120h0m0s days"},
		{"what is due stands first", Wear{Ran: 101 * h,
			Done: map[string]Done{"lens": {Ran: 82 * h}, "rails": {At: monday.Add(-28 * day)}}}, "filter! -1h0m0s; lens " +
			"1h0m0s; rails 48h0m0s"},
		{"what waits longest, first of that", Wear{Ran: 130 * h}, "lens! -110h0m0s; filter! -30h0m0s"},
		{"soonest first, before", Wear{Ran: 91 * h, Done: map[string]Done{"lens": {Ran: 72 * h}}},
			"lens 1h0m0s; filter 9h0m0s"},
	} {
		x.w.Now = monday
		if x.w.Clock == Untrusted && !strings.Contains(x.name, "without a clock") {
			x.w.Clock = Trusted
		}
		var got []string
		for _, d := range m.Due(x.w) {
			s := d.Kind
			if d.Over {
				s += "!"
			}
			s += " " + d.Remaining.String()
			if !d.ByHours && d.Hours > 0 {
				s += " days"
			}
			got = append(got, s)
		}
		if s := strings.Join(got, "; "); s != x.want {
			t.Errorf("%s: %q, want %q", x.name, s, x.want)
		}
	}
}

func TestInterventionKindsIncludeListedRecurringAndCountedKinds(t *testing.T) {
	m := lab()
	for i := range m.Machines {
		if m.Machines[i].ID == "laser" {
			m.Machines[i].Interventions = []Item{{ID: "belts", Name: Text{FR: "Courroies", EN: "Belts"}}}
			m.Machines[i].Maintenance = []Upkeep{{Kind: "oil", Hours: time.Hour}}
			m.Machines[i].Vouch = []Item{{ID: "focus", Name: Text{FR: "Mise au point", EN: "Focus"}}}
		}
	}
	p := mustNew(t, m)
	if got := strings.Join(p.InterventionKinds("laser"), " "); got != "belts extraction lens-cleaning oil" {
		t.Error(got)
	}
	laser, _ := p.Machine("laser")
	var none *Machine // the machine is nil if a new policy removed it while somebody filled in a form
	if got := fmt.Sprint(none.KindName("lens-cleaning"), none.SkillName("focus")); got != "{lens cleaning lens "+
		"cleaning} {focus focus}" {
		t.Error(got)
	}
	if got := fmt.Sprint(laser.KindName("belts"), laser.KindName("lens-cleaning"),
		laser.SkillName("focus")); got != "{Courroies Belts} {lens cleaning lens cleaning} {Mise au point Focus}" {
		t.Error(got)
	}
}

func TestMaintenanceThatIsNeverDueIsRefused(t *testing.T) {
	for _, u := range []Upkeep{{}, {Kind: "x"}, {Hours: time.Hour}, {Kind: "x", Hours: -time.Hour, Every: 2 * time.Hour}} {
		m := lab()
		m.Machines[0].Maintenance = []Upkeep{u}
		if _, err := New(m); err == nil || !strings.Contains(err.Error(), "comes due by nothing") {
			t.Errorf("%+v: %v", u, err)
		}
	}
}

func TestNamesAreShortenedAsTheSiteChose(t *testing.T) {
	for _, x := range []struct{ how, full, want string }{
		{"", "Léa Martin", "Léa"}, {"first", " Léa  Martin ", "Léa"}, {"initial", "Léa Martin", "Léa M."},
		{"initial", "Léa de la Tour", "Léa T."}, {"initial", "Léa", "Léa"},
		{"full", "Léa  Martin", "Léa Martin"}, {"letters", "Élodie Œuf", "É. Œ."}, {"letters", "Léa", "L."},
		{"full", " ", ""},
	} {
		n, err := ParseNames(x.how)
		if got := n.Of(x.full); got != x.want || err != nil {
			t.Errorf("%s of %q: %q, want %q (%v)", x.how, x.full, got, x.want, err)
		}
	}
	if _, err := ParseNames("nick"); err == nil {
		t.Error("nick")
	}
	if l, err := ParseLook("dark"); l != Dark || err != nil || l.String() != "dark" {
		t.Error(l, err)
	}
}
