package policy

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// differing are the settings of a model that a change touches, in a line.
func differing(t *testing.T, change func(*Model)) string {
	t.Helper()
	m := ruled(t, func(*Machine) {}).Model
	m.Evidence = map[BadgeID]EvidenceRule{"user": {Interventions: 5, Kinds: []string{"lens"}}}
	m.Machines, m.Badges, m.Issuers = slices.Clone(m.Machines), slices.Clone(m.Badges), slices.Clone(m.Issuers)
	change(&m)
	before := ruled(t, func(*Machine) {}).Model
	before.Evidence = map[BadgeID]EvidenceRule{"user": {Interventions: 5, Kinds: []string{"lens"}}}
	var out []string
	for _, s := range Settings(mustNew(t, before), mustNew(t, m)) {
		if s.Badges {
			s.Path += "!"
		}
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s→%s", s.Path, s.Before, s.After)))
	}
	return strings.Join(out, "; ")
}

func TestSettingsThatNoCaseWeighsAreListed(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Model)
		want   string
	}{
		"nothing":             {func(*Model) {}, ""},
		"a grant":             {func(m *Model) { m.Machines[0].Grants = slices.Clone(m.Machines[0].Grants[:1]) }, ""},
		"the same zone again": {func(m *Model) { m.Zone, _ = time.LoadLocation(m.Zone.String()) }, ""},
		"another zone":        {func(m *Model) { m.Zone = time.UTC }, "timezone Europe/Paris→UTC"},
		"status-grace":        {func(m *Model) { m.StatusGrace = 30 * days }, "status-grace! 7d→30d"},
		"a key":               {func(m *Model) { m.Issuers[0].Keys = []string{"a", "b"} }, "issuers.i.keys! k→a, b"},
		"an issuer's id":      {func(m *Model) { m.Issuers[0].Profile = "did:y" }, "issuers.i.id! did:x→did:y"},
		"an issuer more":      {func(m *Model) { m.Issuers = append(m.Issuers, Issuer{ID: "x", Profile: "did:z", Keys: []string{"z"}}) }, "issuers.x! →x"},
		"who signs lists": {func(m *Model) {
			m.Issuers[0].StatusIssuers = []IssuerID{"x"}
			m.Issuers = append(m.Issuers, Issuer{ID: "x", Profile: "did:z", Keys: []string{"z"}})
		}, "issuers.i.status-issuers! →; issuers.x! →x"},
		"an achievement": {func(m *Model) { m.Badges[0].Achievement = "urn:other" }, "badges.user.achievement! urn:user→urn:other"},
		"a badge's name": {func(m *Model) { m.Badges[0].Name.EN = "other" }, "badges.user.name →"},
		"a badge more": {func(m *Model) {
			m.Badges = append(m.Badges, Badge{ID: "new", Name: Text{FR: "n"}, Issuer: "i", Achievement: "urn:new"})
		}, "badges.new →new"},
		"a machine less": {func(m *Model) { m.Machines = nil }, "machines.m m→"},
		"what runs on":   {func(m *Model) { m.Machines[0].Cooldown, m.Machines[0].WhenIdle = 3*time.Minute, FinishJob }, "machines.m.when-idle →; machines.m.cooldown →3m"},
		"maintenance":    {func(m *Model) { m.Machines[0].Maintenance = []Upkeep{{Kind: "lens", Hours: time.Hour, Block: true}} }, "machines.m.maintenance →"},
		"evidence": {func(m *Model) {
			m.Evidence = map[BadgeID]EvidenceRule{"user": {Interventions: 6, Kinds: []string{"lens"}}, "first": {Interventions: 1, Kinds: []string{"lens"}}}
		}, "evidence.first →first; evidence.user.interventions →"},
		"panels":          {func(m *Model) { m.Names, m.Look, m.Language = Initial, Dark, English }, "language fr→en; panel.names →; panel.look auto→dark"},
		"what must never": {func(m *Model) { m.Never = []Invariant{{Name: "n", Roles: []Role{User}}} }, "never →"},
	} {
		if got := differing(t, c.change); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Whatever can be written of a machine is a case or a setting: a field that is new and forgotten is listed.
func TestEveryFieldIsWeighedOrListed(t *testing.T) {
	for _, x := range []any{Model{}, Machine{}, Issuer{}, Badge{}, EvidenceRule{}} {
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
			var d settings
			d.fields("", full, empty)
			if len(d) == 0 != weighed[f.Name] {
				t.Errorf("%T.%s: %v", x, f.Name, d)
			}
		}
	}
}

func TestMembersAreComparedAsEachPolicySeesThem(t *testing.T) {
	both := func(m *Member) Twin { return Twin{m, m} }
	old := bearer("user")
	old.Holdings[0].Checked = monday.AddDate(0, -6, 0)
	all := []Twin{
		both(bearer("user")),
		both(bearer("first")),
		{bearer("user"), bearer("first")},
		both(bearer()),
		both(old),
	}
	text := func(before, after func(*Machine)) string {
		var out []string
		for _, c := range CompareMembers(ruled(t, before), ruled(t, after), all, monday) {
			out = append(
				out,
				fmt.Sprintf("%d %s %v %v %v %v %v %d", c.Member, c.Machine, c.Role, c.Alone, c.Gained, c.When, c.Except, c.Hours),
			)
		}
		return strings.Join(out, "; ")
	}
	plain := func(*Machine) {}
	for name, c := range map[string]struct {
		after func(*Machine)
		want  string
	}{
		"nothing but who holds what": {plain, "2 m learner false true [] [] 168; 2 m user true false [] [] 168"},
		"hours": {func(m *Machine) { m.Grants[0].Hours = mustHours("Mo-Fr 09:00-21:00") },
			"0 m user true false [] [Mo-Fr 09:00-21:00] 108; 2 m learner false true [] [] 168; 2 m user true false [] [] 168; 4 m user true false [] [Mo-Fr 09:00-21:00] 108"},
		"a booking": {func(m *Machine) { m.Bookings = december(t, "m-1"); m.Grants = m.Grants[:2] }, "2 m learner false true [] [] 168; 2 m user true false [] [] 168"},
		"another's booking": {func(m *Machine) {
			m.Bookings = []Booking{{wall(t, "2026-11-24 00:00"), wall(t, "2026-11-25 12:00"), "m-9"}}
		},
			"0 m user true false [2026-11-24 00:00 – 2026-11-25 12:00] [] 36; 1 m learner false false [2026-11-24 00:00 – 2026-11-25 12:00] [] 36; " +
				"2 m learner false true [] [2026-11-24 00:00 – 2026-11-25 12:00] 132; 2 m user true false [] [] 168; 4 m user true false [2026-11-24 00:00 – 2026-11-25 12:00] [] 36"},
		"another machine": {func(m *Machine) { m.ID = "n" }, "0 m user true false [] [] 168; 1 m learner false false [] [] 168; 2 m user true false [] [] 168; 4 m user true false [] [] 168; " +
			"0 n user true true [] [] 168; 1 n learner false true [] [] 168; 2 n learner false true [] [] 168; 4 n user true true [] [] 168"},
	} {
		if got := text(plain, c.after); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}
