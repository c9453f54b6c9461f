package file

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/policy"
	"portillon/yamlfile"
)

func sample(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("testdata/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// small returns a policy with the given line at the top, and the given parts of a grant and of a machine.
func small(top, grant, machine string) string {
	return "portillon: 1\nsite: s\ntimezone: Europe/Paris\nissuers:\n  i: { keys: " +
		"[\"did:key:z6MkeYkP3XG1tBSuGo99iPN2xT3A2kMc1h88v3iVo1qdmrTy\"] }\nbadges:\n" +
		"  a: { name: A, issuer: i, achievement: \"https://x.example/a\" }\n  m: { name: M, issuer: i, achievement: " +
		"\"https://x.example/m\" }\n" + top +
		"\nmachines:\n  x:\n    name: X\n    grants:\n      - { role: user, needs: a" + grant + " }\n" + machine + "\n"
}

func mustParse(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, err := Parse("policy.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParseReadsEveryPartOfTheSample(t *testing.T) {
	p := mustParse(t, sample(t))
	if p.Site != "biklab" || p.Language != policy.French || p.Zone.String() != "Europe/Paris" ||
		p.StatusGrace != 7*24*time.Hour {
		t.Errorf("head: %q %v %v %v", p.Site, p.Language, p.Zone, p.StatusGrace)
	}
	if x := p.Issuers[0]; x.Name != "BIK'LAB" || x.Profile != "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK" {
		t.Errorf("issuer: %+v", x)
	}
	if x := p.Issuers[1]; x.Profile != "https://example.com/issuers/876543" ||
		x.Keys[0] != "z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi" {
		t.Errorf("issuer: %+v", x)
	}
	m, _ := p.Machine("laser")
	user := m.Grants[2]
	if user.Role != policy.User || user.Needs.Badge != "laser-user" ||
		user.Hours.String() != "Mo-Fr 09:00-21:00; Sa 10:00-18:00" ||
		user.Session != (policy.Limits{
			Max:    2 * time.Hour,
			Idle:   10 * time.Minute,
			Warn:   2 * time.Minute,
			Extend: 30 * time.Minute,
		}) {
		t.Errorf("user grant: %+v", user)
	}
	if m.Cooldown != 3*time.Minute || m.WhenIdle != policy.OffAtOnce || m.Mode != policy.Enforce ||
		m.Grants[0].Hours != nil ||
		m.Grants[0].Supervisor != nil {
		t.Errorf("laser: %+v", m)
	}
	if used := m.Grants[1].Needs.All[1]; used.Badge != "laser-user" || used.UsedWithin != 180*24*time.Hour {
		t.Errorf("used-within: %+v", used)
	}
	if s := m.Grants[3].Supervisor; len(s.Any) != 2 || s.Any[1].Badge != "laser-maintainer" {
		t.Errorf("supervisor: %+v", s)
	}
	b, _ := p.Machine("bench")
	if n := b.Grants[0].Needs.Any[0]; n.Within != 365*24*time.Hour || n.Hours != 10*time.Hour || b.Mode != policy.Warn ||
		b.WhenIdle != policy.FinishJob {
		t.Errorf("bench: %+v", b)
	}
	e := p.Evidence["laser-maintainer"]
	if e.Interventions != 5 || len(e.Kinds) != 3 || e.Within != 180*24*time.Hour || e.EndorsedBy != "laser-maintainer" {
		t.Errorf("evidence: %+v", e)
	}
	if id, ok := p.BadgeByAchievement(
		"biklab",
		"https://openbadgefactory.com/obv3/achievements/FIRST?cid=2",
	); id != "laser-first-steps" ||
		!ok {
		t.Errorf("achievement: %v %v", id, ok)
	}
}

// A machine or a grant without a value must use the value under defaults:, and «none» must remove a limit.
func TestDefaultsApplyWhereAMachineHasNoValue(t *testing.T) {
	p := mustParse(t, sample(t))
	laser, _ := p.Machine("laser")
	bench, _ := p.Machine("bench")
	if laser.Cooldown != 3*time.Minute || bench.Cooldown != time.Minute || laser.Card != policy.AES ||
		bench.Card != policy.NumberOnly ||
		laser.Pass != policy.PassEnds ||
		bench.Pass != policy.PassEnds {
		t.Errorf("%+v\n%+v", laser, bench)
	}
	if laser.Fresh != 30*24*time.Hour || !slices.Equal(laser.Stale, []policy.Role{policy.Maintainer}) ||
		bench.Fresh != 0 ||
		len(laser.Bookings) != 2 ||
		len(bench.Bookings) != 0 {
		t.Errorf("%+v\n%+v", laser, bench)
	}
	if a, b, c := laser.Grants[0].Session, laser.Grants[1].Session, bench.Grants[0].Session; a.Warn != time.Minute ||
		b.Warn != 0 ||
		c.Warn != time.Minute {
		t.Errorf("%+v %+v %+v", a, b, c)
	}
	if g := laser.Grants[3]; g.Learners != 2 || g.Quota != (policy.Quota{Day: 2 * time.Hour, Week: 6 * time.Hour}) ||
		!bench.Grants[0].Booked {
		t.Errorf("%+v", g)
	}
	if n := bench.Grants[0].Needs.Any[0]; n.Assurance != policy.Hosted {
		t.Errorf("%+v", n)
	}
}

func TestExamplesOfTheSamplePolicyPass(t *testing.T) {
	results := RunTests(mustParse(t, sample(t)))
	if len(results) != 22 {
		t.Fatalf("%d examples ran", len(results))
	}
	for _, r := range results {
		if r.Problem != (policy.Text{}) {
			t.Errorf("%s: %v", r.Test.Name, r.Problem)
		}
	}
	if results[3].Test.Name != "closed on Sundays" || results[0].Test.Name != "tests[0]" {
		t.Errorf("names: %q, %q", results[3].Test.Name, results[0].Test.Name)
	}
}

func TestFailedExamplesDescribeTheDifference(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{
			"holds: [], expect: deny, because: no-badge",
			"holds: [], expect: allow",
			"expected allow, got deny, because [no-badge needs-supervisor]",
		},
		{
			"holds: [], expect: deny, because: no-badge",
			"holds: [], expect: deny, because: badge-revoked",
			"expected because badge-revoked, got [no-badge needs-supervisor]",
		},
		{
			"tagged: true, expect: allow, role: maintainer",
			"tagged: true, expect: allow, role: user",
			"expected the role user, got maintainer",
		},
		{
			"tagged: true, expect: allow, role: maintainer",
			"tagged: true, expect: deny",
			"expected deny, got allow as maintainer",
		},
	} {
		found := false
		for _, r := range RunTests(mustParse(t, swap(t, c.old, c.new))) {
			found = found || r.Problem.EN == c.want && r.Problem.FR != c.want && r.Problem.FR != ""
		}
		if !found {
			t.Errorf("%s: no example says %q", c.new, c.want)
		}
	}
}

// swap replaces a text of the sample. The text must occur in the sample.
func swap(t testing.TB, old, new string) string {
	t.Helper()
	s := sample(t)
	if !strings.Contains(s, old) {
		t.Fatalf("the sample has no %q", old)
	}
	return strings.Replace(s, old, new, 1)
}

func TestFaultsNamePositionProblemAndRemedy(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"unknown key", "cooldown: 3m", "cooldwon: 3m", `machines.laser: unknown key "cooldwon" (did you mean "cooldown"?)`},
		{
			"unknown badge",
			"needs: laser-user,",
			"needs: laser-usr,",
			`policy.yaml:44:36: machines.laser.grants[2].needs: unknown badge "laser-usr" (did you mean "laser-user"?)`,
		},
		{"far badge", "needs: laser-user,", "needs: xyz,", `unknown badge "xyz" (name it under badges:)`},
		{
			"unknown issuer",
			"issuer: example",
			"issuer: exmple",
			`badges.teamwork.issuer: unknown issuer "exmple" (did you mean "example"?)`,
		},
		{
			"unknown role",
			"role: maintainer, needs",
			"role: maintaner, needs",
			`machines.laser.grants[0].role: "maintaner" is not known here (did you mean "maintainer"?)`,
		},
		{"role not listed", "roles: [learner, user, host,", "roles: [learner, user,", ""},
		{
			"role shut out",
			"roles: [learner, user, host, mentor,",
			"roles: [learner, user, host,",
			`"mentor" is not known here (one of: learner, user, host, maintainer)`,
		},
		{
			"unknown machine",
			"machine: bench",
			"machine: bnch",
			`tests[11].machine: unknown machine "bnch" (did you mean "bench"?)`,
		},
		{
			"unknown evidence badge",
			"  laser-maintainer: { inter",
			"  laser-maintain: { inter",
			`unknown badge "laser-maintain" (did you mean "laser-maintainer"?)`,
		},
		{
			"endorser",
			"endorsed-by: laser-maintainer",
			"endorsed-by: laser-maintener",
			`evidence.laser-maintainer.endorsed-by: unknown badge`,
		},
		{
			"spread",
			"{ interventions: 5,",
			"{ interventions: 5, spread: 6,",
			`evidence.laser-maintainer.spread: 5 interventions cannot lie on 6 different days (at most 5)`,
		},
		{
			"spread in words",
			"{ interventions: 5,",
			"{ interventions: 5, spread: 3 days,",
			`evidence.laser-maintainer.spread: "3 days" does not do (a whole number from 1 to 1000)`,
		},
		{
			"endorsed",
			"{ interventions: 5,",
			"{ interventions: 5, endorsed: later,",
			`evidence.laser-maintainer.endorsed: "later" is not known here (one of: at-the-time)`,
		},
		{
			"endorsed by nobody",
			", endorsed-by: laser-maintainer",
			", endorsed: at-the-time",
			`evidence.laser-maintainer.endorsed: nobody is named who could endorse it (add endorsed-by:`,
		},
		{
			"kind",
			"kinds: [lens-cleaning,",
			"kinds: [Lens cleaning,",
			`evidence.laser-maintainer.kinds[0]: "Lens cleaning" is not an id`,
		},
		{"kind twice", "kinds: [lens-cleaning,", "kinds: [extraction,", `the kind "extraction" stands twice`},
		{"kinds empty", "kinds: [lens-cleaning, mirror-alignment, extraction]", "kinds: []", `no kind`},
		{"kind null", "kinds: [lens-cleaning,", "kinds: [~,", `evidence.laser-maintainer.kinds[0]: an empty entry`},
		{"kind list", "kinds: [lens-cleaning,", "kinds: [[a],", `must be one value`},
		{"interventions", "interventions: 5,", "interventions: 0,", `"0" does not do (a whole number from 1 to 1000)`},
		{"no interventions", "interventions: 5,", "", `evidence.laser-maintainer.interventions: is missing`},
		{"code", "because: no-badge", "because: no-bagde", `(did you mean "no-badge"?)`},
		{"allow because", "expect: allow, role: learner", "expect: allow, because: no-badge", `allow needs no reason`},
		{"never", "never:\n", "nevr:\n", `unknown key "nevr" (did you mean "never"?)`},
		{"never anybody", "without: laser-user, on: laser }", "on: laser }", `never a role at all`},
		{
			"never without",
			"without: laser-user, on: laser }",
			"without: laser-usr, on: laser }",
			`never[0].without: unknown badge "laser-usr"`,
		},
		{
			"never on",
			"without: laser-user, on: laser }",
			"without: laser-user, on: lasr }",
			`never[0].on: unknown machine "lasr"`,
		},
		{
			"never which role",
			"{ role: user, without: laser-user, on: laser }",
			"{ without: laser-user, on: laser }",
			`never[0].role: is missing`,
		},
		{
			"assurance",
			"{ badge: laser-user, used",
			"{ badge: laser-user, assurance: sure, used",
			`"sure" is not known here (one of: signed, hosted, attested)`,
		},
		{"extend nothing", "extend: 30m", "extend: 0m", `"0m" does not do`},
		{
			"learners alone",
			"needs: laser-maintainer }",
			"needs: laser-maintainer, learners: 2 }",
			`learners: says how many a supervisor may answer for, and there is none`,
		},
		{"quota of nothing", "needs: laser-maintainer }", "needs: laser-maintainer, quota: {} }", `a quota of nothing`},
		{
			"quota of no session",
			"needs: laser-maintainer }",
			"needs: laser-maintainer, quota: { sessions: 0 } }",
			`quota.sessions: "0" does not do (a whole number from 1 to 48)`,
		},
		{
			"quota of a week",
			"needs: laser-maintainer }",
			"needs: laser-maintainer, quota: { day: 3h, week: 2h } }",
			`a week's quota that is shorter than a day's`,
		},
		{
			"quota of a day",
			"needs: laser-maintainer }",
			"needs: laser-maintainer, quota: { day: 25h } }",
			`a day has 24 hours`,
		},
		{"card", "card: aes", "card: desfire", `"desfire" is not known here`},
		{"clock", "pass: [ends]", "pass: [end]", `"end" is not known here (did you mean "ends"?)`},
		{"bundle", "then: [maintainer]", "then: [mainteneur]", `"mainteneur" is not known here`},
		{"bundle without then", "fresh: 30d, then: [maintainer]", "fresh: 30d", `bundle.then: is missing`},
		{"bundle of a word", "bundle: any", "bundle: 7d", `"7d" is not known here`},
		{"booking of nobody", `, for: m-020dc2 }`, ` }`, `bookings[0].for: is missing`},
		{
			"booking backwards",
			`to: "2026-11-24T16:00", for`,
			`to: "2026-11-24T13:00", for`,
			`bookings[0].to: ends before it begins`,
		},
		{
			"bookings in disorder",
			`from: "2026-11-25T14:00"`,
			`from: "2026-11-24T15:00"`,
			`bookings[1].from: begins before the booking above it has ended`,
		},
		{"holiday", `"12-25"`, `"25/12"`, `"25/12" is no date, as in 2026-12-25, or 12-25 for every year`},
		{"defaults", "defaults: ", "default: ", `unknown key "default" (did you mean "defaults"?)`},
		{
			"grants by default",
			"  session: { warn: 1m }",
			"  session: { warn: 1m }\n  grants: []",
			`defaults: unknown key "grants"`,
		},
		{"version", "portillon: 1", "portillon: 2", `"2" is not a version of the file (this version reads 1)`},
		{"no site", "site: biklab\n", "", `site: is missing`},
		{"no issuers", "issuers:\n", "isuers:\n", `unknown key "isuers" (did you mean "issuers"?)`},
		{"language", "language: fr", "language: de", `"de" is not known here (one of: fr, en)`},
		{"zone", "Europe/Paris", "Europe/Pari", `"Europe/Pari" is not a time zone`},
		{"local zone", "Europe/Paris", "Local", `"Local" is not a time zone`},
		{"no zone", "timezone: Europe/Paris\n", "", `timezone: is missing`},
		{
			"grace",
			"status-grace: 7d",
			"status-grace: 0d",
			`status-grace: "0d" does not do (more than nothing, or remove the key)`,
		},
		{"grace words", "status-grace: 7d", "status-grace: a week", `"a week" is not a length of time`},
		{"duplicate", "  bench:\n", "  laser:\n", `the key "laser" stands twice (it stands on line 39 already)`},
		{"id", "  bench:\n", "  The Bench:\n", `"The Bench" is not an id`},
		{"anchor", "needs: laser-user,", "needs: &x laser-user,", `anchors are not read`},
		{"alias", "needs: laser-user,", "needs: *x ,", `policy.yaml`},
		{"hours empty", `hours: "Mo-Fr 09:00-21:00; Sa 10:00-18:00"`, `hours: `, `"hours" has no value`},
		{
			"hours",
			`"Mo-Fr 09:00-21:00; Sa 10:00-18:00"`,
			`"Mo-Fr 9-21"`,
			`"9-21" is not a time of day from-to, as in 09:00-21:00 (as "Mo-Fr`,
		},
		{"hours list", `"Mo-Fr 09:00-21:00; Sa 10:00-18:00"`, `[a]`, `hours: must be one value`},
		{"holidays", `"Mo-Su 08:00-20:00; PH off"`, `"PH 09:00-12:00"`, ""},
		{"no holidays", "holidays: [\"12-25\", \"2026-04-06\"]", "", `PH means public holidays, and the site lists none`},
		{"zero limit", "max: 2h,", "max: 0h,", `"0h" does not do (more than nothing, or remove the key)`},
		{"warn", "warn: 2m", "warn: 3h", `"3h" is not shorter than max`},
		{
			"learner alone",
			"supervisor: { any: [laser-mentor, laser-maintainer] }, ",
			"",
			`a learner needs a supervisor (add supervisor: BADGE`,
		},
		{
			"list of needs",
			"needs: laser-maintainer }",
			"needs: [laser-maintainer] }",
			`a list alone does not say whether all are needed or any`,
		},
		{"both", "{ all: [laser-mentor,", "{ any: [laser-user], all: [laser-mentor,", `all and any stand side by side`},
		{"empty any", "any: [laser-mentor, laser-maintainer]", "any: []", `an empty list (name at least one badge)`},
		{"null in any", "any: [laser-mentor, laser-maintainer]", "any: [laser-mentor, ]", ""},
		{
			"tilde in any",
			"any: [laser-mentor, laser-maintainer]",
			"any: [laser-mentor, ~]",
			`supervisor.any[1]: an empty entry`,
		},
		{"no badge in need", "{ badge: laser-user, used", "{ used", `needs.all[1].badge: is missing`},
		{
			"deep",
			"needs: laser-maintainer }",
			"needs: " + strings.Repeat("{ all: [", 9) + "laser-user" + strings.Repeat("] }", 9) + " }",
			`nested more than 8 deep`,
		},
		{
			"many needs",
			"needs: laser-maintainer }",
			"needs: { any: [" + strings.Repeat("laser-user, ", 5000) + "] } }",
			`machines.laser.grants: 5009 needs stand here (at most 4096)`,
		},
		{
			"no needs",
			"{ role: maintainer, needs: laser-maintainer }",
			"{ role: maintainer }",
			`machines.laser.grants[0].needs: is missing`,
		},
		{
			"no role",
			"{ role: maintainer, needs: laser-maintainer }",
			"{ needs: laser-maintainer }",
			`machines.laser.grants[0].role: is missing`,
		},
		{
			"null grant",
			"      - { role: maintainer, needs: laser-maintainer }",
			"      -",
			`machines.laser.grants[0]: an empty entry`,
		},
		{"mode", "mode: warn", "mode: warning", `"warning" is not known here (did you mean "warn"?)`},
		{"hours logged", "hours: 10, ass", "hours: 10h, ass", `"10h" does not do (a whole number from 1 to 10000)`},
		{
			"key",
			"z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi]",
			"z6Mkj0]",
			`"z6Mkj0" is not a key that this version knows (did:key:z6Mk…, z6Mk…, did:web:host`,
		},
		{
			"a key on P-256",
			"z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi]",
			"zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv]",
			"",
		},
		{"did:web", "z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi]", "\"did:web:example.com\"]", ""},
		{"a profile", "z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi]", "\"https://example.com/issuers/876543\"]", ""},
		{
			"http",
			"z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi]",
			"\"http://example.com/issuers/876543\"]",
			`is not a key that this version knows`,
		},
		{
			"did:web of nothing",
			"z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi]",
			"\"did:web:\"]",
			`is not a key that this version knows`,
		},
		{
			"fragment",
			"z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi]",
			"\"did:key:z6Mk#z6Mk\"]",
			`a key, not a verification method (leave out # and what follows: z6Mk)`,
		},
		{"key map", "z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi]", "{}]", `a key must be one value`},
		{
			"no keys",
			"keys: [z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi]",
			"keys: []",
			`no key: nothing that this issuer signs could count`,
		},
		{
			"keys without id",
			`id: "https://example.com/issuers/876543", keys: [`,
			`keys: [z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK, `,
			`several keys, and no id`,
		},
		{
			"same id",
			`"https://example.com/issuers/876543"`,
			`"did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"`,
			`the issuer "biklab" has the same id`,
		},
		{"issuer id", `"https://example.com/issuers/876543"`, `example.com`, `"example.com" is not an absolute URL`},
		{"issuer id list", `"https://example.com/issuers/876543"`, `[a]`, `issuers.example.id: must be one value`},
		{
			"achievement",
			"achievements/USER",
			"achievements/FIRST?cid=9",
			`the badge "laser-first-steps" has the same achievement`,
		},
		{
			"no achievement",
			"    achievement: https://openbadgefactory.com/obv3/achievements/USER\n",
			"",
			`badges.laser-user.achievement: is missing`,
		},
		{"name", "name: Teamwork", `name: " "`, `" " is not a name`},
		{"names", "name: Teamwork", "name: {}", `no name`},
		{"names in other languages", "name: Teamwork", "name: { de: Zusammenarbeit }", `unknown key "de"`},
		{
			"no grants",
			"    grants:\n      - role: user",
			"    grants: []\n    x:\n      - role: user",
			`no grant: nobody could use the machine`,
		},
		{
			"roles order",
			"[learner, user, host,",
			"[user, learner, host,",
			`"learner" stands after a role of equal or greater power`,
		},
		{"roles empty", "[learner, user, host, mentor, maintainer]", "[]", `roles: no role`},
		{"at", `at: "2026-11-22T10:00"`, `at: "22/11/2026"`, `"22/11/2026" is not a time`},
		{"holds", "holds: [], expect", "holds: [[]], expect", `tests[2].holds[0]: must be a badge`},
		{"holds null", "holds: [], expect", "holds: [~], expect", `tests[2].holds[0]: an empty entry`},
		{"root", "portillon: 1", "- 1\nportillon: 1", `not YAML`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("policy.yaml", []byte(swap(t, c.old, c.new)))
			if c.want == "" && err != nil {
				t.Fatalf("refused: %v", err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Fatalf("got\n%v\nwant\n%s", err, c.want)
			}
		})
	}
}

// One mistake can cause unknown ids in many places of a file. The reader must not report these ids as further faults.
func TestUnknownIDsThatAnotherFaultCausesAreNotReported(t *testing.T) {
	for _, c := range []struct {
		name, old, new string
		want           int
	}{
		{"a session of one word", "session: { max: 1h }", "session: 4h", 1},
		{"a quota of no time", "quota: { day: 2h, week: 6h }", "quota: { day: 1h30 }", 1},
		{"a quota of one word", "quota: { day: 2h, week: 6h }", "quota: 2h", 1},
		{"a reason in brackets", "because: no-badge", "because: [no-badge]", 1},
		{"issuers misspelt", "issuers:\n", "emetteurs:\n", 2},
		{"badges misspelt", "badges:\n", "bagdes:\n", 2},
		{"machines misspelt", "machines:\n", "machnes:\n", 2},
		{"a machine's id", "  laser:\n", "  LASER:\n", 1},
		{"a machine less far in", "  bench:\n", "bench:\n", 1},
		{"a badge's id", "  laser-user:\n", "  laser-usé:\n", 2},
		{"never, with a key misspelt", "without: laser-user, on", "withou: laser-user, on", 1},
		{"a role misspelt", "role: maintainer, needs", "role: boss, needs", 1},
	} {
		_, err := Parse("policy.yaml", []byte(swap(t, c.old, c.new)))
		var faults yamlfile.Faults
		if !errors.As(err, &faults) || len(faults) != c.want {
			t.Errorf("%s: want %d faults, got\n%v", c.name, c.want, err)
		}
	}
}

// An unknown name must never be accepted because another fault seems to explain it.
func TestAnUnknownNameIsNeverAccepted(t *testing.T) {
	for _, name := range []string{"defaults", "panel", "machines", "Laser-user", "~", "null", ""} {
		_, err := Parse("policy.yaml", []byte(swap(t, "needs: laser-user,", "needs: \""+name+"\",")))
		if err == nil || !strings.Contains(err.Error(), "unknown badge") {
			t.Errorf("%q: %v", name, err)
		}
		in := strings.Replace(
			swap(t, "needs: laser-user,", "needs: \""+name+"\","),
			"badges:\n",
			"badges:\n  ~: { name: x, issuer: biklab, achievement: \"https://x.example/y\" }\n",
			1,
		)
		if _, err := Parse("policy.yaml", []byte(in)); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
	r := &reader{}
	r.badgeIDs.absent = true
	d := yamlfile.Parse("f", []byte("needs: x\n"))
	r.badgeIDs.ref(d.Root().Get("needs"), "badge")
	if d.Err() != nil {
		t.Fatal(d.Err())
	}
	if r.reportExplained(); d.Err() == nil {
		t.Error("an unknown id was not reported at the end")
	}
}

func TestAllFaultsAreReportedTogetherWithExcerptAndCaret(t *testing.T) {
	s := strings.NewReplacer(
		"needs: laser-user,",
		"needs: laser-usr,",
		"cooldown: 3m",
		"cooldwon: 3m",
		"issuer: example",
		"issuer: exampel",
	).
		Replace(sample(t))
	_, err := Parse("policy.yaml", []byte(s))
	var faults yamlfile.Faults
	if !errors.As(err, &faults) || len(faults) != 3 {
		t.Fatalf("want three faults, got\n%v", err)
	}
	want := "    44 |       - { role: user,       needs: laser-usr,"
	if got := faults[1].String(); !strings.Contains(got, want) ||
		!strings.HasSuffix(got, "| "+strings.Repeat(" ", 35)+"^") {
		t.Errorf("got\n%s", got)
	}
}

func TestTrustFileNeedsOnlyIssuers(t *testing.T) {
	got, err := ParseTrust(
		"trust.yaml",
		[]byte("whatever: [1]\nissuers:\n  lab: { keys: [z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi] }\n"),
	)
	if err != nil || len(got) != 1 || got[0].Profile != "did:key:z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi" {
		t.Fatal(got, err)
	}
	if both, err := ParseTrust("policy.yaml", []byte(sample(t))); err != nil || len(both) != 2 {
		t.Fatal(both, err)
	}
	for _, c := range []struct{ in, want string }{
		{"a: 1\n", "issuers: is missing"},
		{"[1]\n", "must be a mapping"},
		{"issuers:\n  lab: { keys: [z6Mk] }\n", "t:2:17: issuers.lab.keys[0]"},
		{"a: &x 1\n", "anchors"},
		{strings.Repeat("#", MaxBytes+1), "at most 1048576"},
	} {
		if _, err := ParseTrust("t", []byte(c.in)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.30q: %v, want %s", c.in, err, c.want)
		}
	}
}

func TestHostileFilesAreRefused(t *testing.T) {
	many := "machines:\n  m:\n    grants:\n" + strings.Repeat("      - { role: usr, needs: bagde }\n", 11900)
	var badges strings.Builder
	for i := range 900 {
		badges.WriteString(
			"  b" + strings.Repeat("x", i%40) + string(rune('a'+i%26)) + ": { issuer: none-of-these-issuers }\n",
		)
	}
	for name, in := range map[string]string{
		"large":   strings.Repeat("#", MaxBytes+1),
		"flow":    strings.Repeat("[", MaxBytes),
		"block":   strings.Repeat("- ", MaxBytes/2),
		"laughs":  "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n" + strings.Repeat("d: [*c,*c]\n", 1000),
		"faults":  many,
		"unknown": "badges:\n" + badges.String() + many,
		"indent":  indented(1400),
	} {
		if _, err := Parse("policy.yaml", []byte(in)); err == nil { // Parse takes at most 125 ms on a quiet machine
			t.Errorf("%s: accepted", name)
		}
	}
}

func indented(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func TestParseRefusesEveryModelThatNewRefuses(t *testing.T) {
	// Parse must refuse every model that policy.New refuses: an error of New has no position, so an administrator could
	// not find the mistake.
	if _, err := Parse(
		"p",
		[]byte("portillon: 1\nsite: s\ntimezone: UTC\nissuers: {}\nbadges: {}\nmachines: {}\n"),
	); err != nil {
		t.Fatal(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample(f)))
	for _, s := range []string{"portillon: 1", "never: 1", "tests: [{at: 2026-01-01}]", "issuers: {a: {keys: " +
		"[z]}}", "machines: {m: {grants: [{needs: {all: [[]]}}]}}",
		"badges: {b: }", "roles: [user, user]", "evidence: {x: {kinds: ~}}", "&a", "timezone: ../x", "{"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse("f", b)
		var faults yamlfile.Faults
		switch {
		case err == nil:
			RunTests(p)
		case len(b) <= MaxBytes && !errors.As(err, &faults):
			t.Fatalf("a fault without a place: %v", err)
		}
		_, _ = ParseTrust("f", b)
	})
}

func TestRoleWordsAreThoseOfThePolicyFile(t *testing.T) {
	if got := roleWords(policy.Roles()); !slices.Equal(got, []string{"learner", "user", "host", "mentor", "maintainer"}) {
		t.Fatal(got)
	}
}
