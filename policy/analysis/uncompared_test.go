package analysis

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/policy"
)

// differing returns, in one line, the settings of a model that differ after a change.
func differing(t *testing.T, change func(*policy.Model)) string {
	t.Helper()
	m := ruled(t, func(*policy.Machine) {}).Model
	m.Evidence = map[policy.BadgeID]policy.EvidenceRule{"user": {Interventions: 5, Kinds: []string{"lens"}}}
	m.Machines, m.Badges, m.Issuers = slices.Clone(m.Machines), slices.Clone(m.Badges), slices.Clone(m.Issuers)
	change(&m)
	before := ruled(t, func(*policy.Machine) {}).Model
	before.Evidence = map[policy.BadgeID]policy.EvidenceRule{"user": {Interventions: 5, Kinds: []string{"lens"}}}
	var out []string
	for _, s := range Uncompared(mustNew(t, before), mustNew(t, m)) {
		if s.Badges {
			s.Path += "!"
		}
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s→%s", s.Path, s.Before, s.After)))
	}
	return strings.Join(out, "; ")
}

func TestSettingsThatCompareIgnoresAreListed(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*policy.Model)
		want   string
	}{
		"nothing":             {func(*policy.Model) {}, ""},
		"a grant":             {func(m *policy.Model) { m.Machines[0].Grants = slices.Clone(m.Machines[0].Grants[:1]) }, ""},
		"the same zone again": {func(m *policy.Model) { m.Zone, _ = time.LoadLocation(m.Zone.String()) }, ""},
		"another zone":        {func(m *policy.Model) { m.Zone = time.UTC }, "timezone Europe/Paris→UTC"},
		"status-grace":        {func(m *policy.Model) { m.StatusGrace = 30 * days }, "status-grace! 7d→30d"},
		"a key":               {func(m *policy.Model) { m.Issuers[0].Keys = []string{"a", "b"} }, "issuers.i.keys! k→a, b"},
		"an issuer's id":      {func(m *policy.Model) { m.Issuers[0].Profile = "did:y" }, "issuers.i.id! did:x→did:y"},
		"an issuer more": {func(m *policy.Model) {
			m.Issuers = append(m.Issuers, policy.Issuer{ID: "x", Profile: "did:z", Keys: []string{"z"}})
		}, "issuers.x! →x"},
		"who signs lists": {func(m *policy.Model) {
			m.Issuers[0].StatusIssuers = []policy.IssuerID{"x"}
			m.Issuers = append(m.Issuers, policy.Issuer{ID: "x", Profile: "did:z", Keys: []string{"z"}})
		}, "issuers.i.status-issuers! →; issuers.x! →x"},
		"an achievement": {func(m *policy.Model) { m.Badges[0].Achievement = "urn:other" },
			"badges.user.achievement! urn:user→urn:other"},
		"a badge's name": {func(m *policy.Model) { m.Badges[0].Name.EN = "other" }, "badges.user.name →"},
		"a badge more": {func(m *policy.Model) {
			m.Badges = append(m.Badges, policy.Badge{ID: "new", Name: policy.Text{FR: "n"}, Issuer: "i", Achievement: "urn:new"})
		}, "badges.new →new"},
		"a machine less": {func(m *policy.Model) { m.Machines = nil }, "machines.m m→"},
		"what runs on": {func(m *policy.Model) {
			m.Machines[0].Cooldown, m.Machines[0].WhenIdle = 3*time.Minute, policy.FinishJob
		}, "machines.m.when-idle →; machines.m.cooldown →3m"},
		"maintenance": {func(m *policy.Model) {
			m.Machines[0].Maintenance = []policy.Upkeep{{Kind: "lens", Hours: time.Hour, Block: true}}
		}, "machines.m.maintenance →"},
		"evidence": {func(m *policy.Model) {
			m.Evidence = map[policy.BadgeID]policy.EvidenceRule{"user": {Interventions: 6, Kinds: []string{"lens"}},
				"first": {Interventions: 1, Kinds: []string{"lens"}}}
		}, "evidence.first →first; evidence.user.interventions →"},
		"panels": {func(m *policy.Model) {
			m.Names, m.Look, m.Language = policy.Initial, policy.Dark,
				policy.English
		}, "language fr→en; panel.names →; panel.look auto→dark"},
		"what must never": {func(m *policy.Model) {
			m.Never = []policy.Invariant{{Name: "n", Roles: []policy.Role{policy.User}}}
		}, "never →"},
	} {
		if got := differing(t, c.change); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Compare must cover each field of a machine, or Uncompared must list the field. The test fails if somebody adds a
// field to the model and neither function handles it.
func TestEveryFieldIsComparedOrListed(t *testing.T) {
	for _, x := range []any{policy.Model{}, policy.Machine{}, policy.Issuer{}, policy.Badge{}, policy.EvidenceRule{}} {
		for i := range reflect.TypeOf(x).NumField() {
			f := reflect.TypeOf(x).Field(i)
			full, empty := reflect.New(reflect.TypeOf(x)).Elem(), reflect.New(reflect.TypeOf(x)).Elem()
			switch full.Field(i).Kind() {
			case reflect.String:
				full.Field(i).SetString("x")
			case reflect.Int, reflect.Int64:
				full.Field(i).SetInt(1)
			case reflect.Uint8:
				full.Field(i).SetUint(1)
			case reflect.Slice:
				full.Field(i).Set(reflect.MakeSlice(f.Type, 1, 1))
			case reflect.Struct:
				if first := full.Field(i).Field(0); first.Kind() == reflect.String {
					first.SetString("x")
				} else {
					first.SetInt(1)
				}
			default:
				continue
			}
			var d uncompared
			d.fields("", full, empty)
			if len(d) == 0 != weighed[f.Name] {
				t.Errorf("%T.%s: %v", x, f.Name, d)
			}
		}
	}
}
