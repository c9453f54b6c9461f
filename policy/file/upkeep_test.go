package file

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"portillon/policy"
)

const upkeep = `cooldown: 3m
    interventions: { lens: { fr: Lentille, en: Lens }, filter: Filtre }
    maintenance:
      - { kind: lens, hours: 20, days: 90, block: true }
    vouch: { focus: { fr: Mise au point, en: Focus } }`

func withUpkeep(t *testing.T, old, new string) string {
	t.Helper()
	text := upkeep
	if old != "" {
		if !strings.Contains(text, old) {
			t.Fatalf("%q is not there", old)
		}
		text = strings.Replace(text, old, new, 1)
	}
	return strings.Replace(sample(t), "cooldown: 3m", text, 1) + "\npanel: { names: initial, look: dark }\n"
}

func TestParseReadsRecurringMaintenance(t *testing.T) {
	p := mustParse(t, withUpkeep(t, "", ""))
	m, _ := p.Machine("laser")
	want := policy.Upkeep{Kind: "lens", Hours: 20 * time.Hour, Every: 90 * 24 * time.Hour, Block: true}
	if len(m.Maintenance) != 1 || m.Maintenance[0] != want || p.Names != policy.Initial || p.Look != policy.Dark {
		t.Errorf("%+v %v %v", m.Maintenance, p.Names, p.Look)
	}
	if !reflect.DeepEqual(
		m.Interventions,
		[]policy.Item{
			{ID: "lens", Name: policy.Text{FR: "Lentille", EN: "Lens"}},
			{ID: "filter", Name: policy.Text{FR: "Filtre"}},
		},
	) ||
		m.SkillName("focus").EN != "Focus" {
		t.Errorf("%+v %+v", m.Interventions, m.Vouch)
	}
}

func TestUpkeepFaultsNamePositionAndRemedy(t *testing.T) {
	many := "{ "
	for _, c := range "abcdefghijklm" {
		many += string(c) + ": x, "
	}
	for _, x := range []struct{ old, new, want string }{
		{
			"kind: lens,",
			"kind: lenz,",
			`machines.laser.maintenance[0].kind: unknown intervention "lenz" (did you mean "lens"?)`,
		},
		{"hours: 20, days: 90, ", "", `it would never be due (add hours: (of running) or days:)`},
		{"hours: 20", "hours: 20h", `maintenance[0].hours: "20h" does not do (a whole number from 1 to 100000)`},
		{"block: true }", "block: true }\n      - { kind: lens, days: 3 }", `the kind "lens" stands twice`},
		{"{ focus: { fr: Mise au point, en: Focus } }", many + "}", "13 stand here"},
		{"block: true", "blok: true", `unknown key "blok" (did you mean "block"?)`},
		{"filter: Filtre", "lens: Filtre", `lens`},
		{"- { kind: lens, hours: 20, days: 90, block: true }", "-", "an empty entry"},
	} {
		_, err := Parse("policy.yaml", []byte(withUpkeep(t, x.old, x.new)))
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", x.new, err, x.want)
		}
	}
	if _, err := Parse(
		"policy.yaml",
		[]byte(strings.Replace(withUpkeep(t, "", ""), "names: initial", "names: initials", 1)),
	); err == nil ||
		!strings.Contains(err.Error(), `did you mean "initial"`) {
		t.Error(err)
	}
}
