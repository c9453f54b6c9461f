package file

import (
	"encoding/json"
	"strings"
	"testing"

	"portillon/policy"
)

// accepting returns a policy whose badge «a» has the given text under accepts:, with a second issuer o. The text top is
// added at the top of the file.
func accepting(accepts, top string) string {
	in := small(top, "", "")
	in = strings.Replace(
		in,
		"badges:\n",
		"  other-lab: { name: Autre Lab, keys: [\"did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK\"] }\nbadges:\n",
		1,
	)
	return strings.Replace(
		in,
		`achievement: "https://x.example/a" }`,
		`achievement: "https://x.example/a", accepts: `+accepts+` }`,
		1,
	)
}

func TestParseReadsTheAcceptsField(t *testing.T) {
	p := mustParse(
		t,
		accepting(
			`[{ issuer: other-lab, achievement: "https://o.example/1?cid=3", with: m }, { issuer: other-lab, achievement: `+
				`"https://o.example/2", roles: [user, mentor] }, `+
				`{ issuer: other-lab, achievement: "https://o.example/3", roles: mentor }]`,
			"",
		),
	)
	got := p.Badges[0].Accepts
	if len(got) != 3 || got[0].With != "m" || got[0].Issuer != "other-lab" || got[0].Roles != nil ||
		len(got[1].Roles) != 2 ||
		got[1].Roles[1] != policy.Mentor ||
		len(got[2].Roles) != 1 {
		t.Fatalf("%+v", got)
	}
	if m := p.Matches("other-lab", "https://o.example/1?cid=9"); len(m) != 1 || m[0].Badge != "a" || m[0].Other == nil {
		t.Errorf("%+v", m)
	}
	if m := p.Matches("i", "https://x.example/a"); len(m) != 1 || m[0].Badge != "a" || m[0].Other != nil {
		t.Errorf("%+v", m)
	}
}

func TestInvalidAcceptsEntriesAreRefusedWithTheirPosition(t *testing.T) {
	const one = `issuer: other-lab, achievement: "https://o.example/1"`
	for in, want := range map[string]string{
		`[{ issuer: oter-lab, achievement: "https://o.example/1" }]`: `badges.a.accepts[0].issuer: unknown ` +
			`issuer "oter-lab" (did you mean "other-lab"?)`,
		`[{ ` + one + `, with: n }]`: `badges.a.accepts[0].with: unknown badge "n"`,
		`[{ ` + one + `, with: a }]`: `accepts[0].with: whoever holds "a" needs ` +
			`no other badge to stand for it`,
		`[{ ` + one + `, whit: m }]`: `accepts[0]: unknown key "whit" (did you ` +
			`mean "with"?)`,
		`[{ ` + one + `, roles: [usr] }]`: `accepts[0].roles[0]:`,
		`[{ ` + one + `, roles: [user, user] }]`: `accepts[0].roles[1]: the role "user" ` +
			`stands twice`,
		`[{ ` + one + `, roles: [] }]`: `accepts[0].roles: an empty list (name at ` +
			`least one role`,
		`[{ ` + one + `, with: }]`:                    `"with" has no value`,
		`[{ issuer: other-lab }]`:                     `accepts[0].achievement: is missing`,
		`[{ issuer: other-lab, achievement: laser }]`: `"laser" is not an absolute URL`,
		`[{ issuer: i, achievement: "https://x.example/a?x" }]`: `accepts[0].achievement: this is the ` +
			`badge "a" itself (remove the entry)`,
		`[{ ` + one + ` }, { ` + one + `, with: m, roles: [mentor, host] }]`: `accepts[1].achievement: this badge ` +
			`stands above, for a role of these`,
		`[]`:    `badges.a.accepts: an empty list (name at least one badge, or remove the key)`,
		`[~]`:   `accepts[0]: an empty entry`,
		`other`: `must be a list`,
		`[` + strings.Repeat(`{ `+one+` }, `, maxAccepts+1) + `]`: `51 entries stand here (at most 50)`,
	} {
		if _, err := Parse("p", []byte(accepting(in, ""))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", in, err, want)
		}
	}
}

// The schema and the reader must accept the same values and refuse the same values.
func TestSchemaAndReaderAgreeOnAccepts(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	const one = `issuer: other-lab, achievement: "https://o.example/1"`
	for in, want := range map[string]bool{
		`[{ ` + one + ` }]`:                            true,
		`[{ ` + one + `, with: m }]`:                   true,
		`[{ ` + one + `, roles: user }]`:               true,
		`[{ ` + one + `, roles: [user, maintainer] }]`: true,
		`[]`:                               false,
		`[{}]`:                             false,
		`[{ ` + one + `, roles: [] }]`:     false,
		`[{ ` + one + `, roles: [boss] }]`: false,
		`[{ ` + one + `, for: [user] }]`:   false,
		`{ ` + one + ` }`:                  false,
		`[{ issuer: other-lab, with: m }]`: false,
	} {
		text := []byte(accepting(in, ""))
		_, err := Parse("p", text)
		faults := judgeBy(schema, schema, decode(t, text), "")
		if (err == nil) != want || (len(faults) == 0) != want {
			t.Errorf("%s\nwant %v; the reader: %v; the schema: %q", in, want, err, faults)
		}
	}
}

func TestFormatWritesTheAcceptsFieldInCanonicalForm(t *testing.T) {
	in := accepting(`[ {roles: [mentor], with: m,achievement: "https://o.example/1",   issuer: other-lab} ]`, "")
	out, err := Format("p", []byte(in))
	want := `accepts: [{ issuer: other-lab, achievement: "https://o.example/1", with: m, roles: [mentor] }]`
	if err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%v\n%s", err, out)
	}
}

// A member of an example may hold another issuer's badge. Such a badge must satisfy each badge of the policy that
// accepts it.
func TestMembersOfExamplesMayHoldBadgesOfOtherIssuers(t *testing.T) {
	const with = `[{ issuer: other-lab, achievement: "https://o.example/1", with: m }]`
	test := func(holds, expect string) string {
		return `tests: [{ at: "2026-11-23T10:00", machine: x, holds: [` + holds + `], expect: ` + expect + ` }]`
	}
	for _, c := range []struct{ holds, expect string }{
		{"{ badge: a, issuer: other-lab }, m", "allow"},
		{"{ badge: a, issuer: other-lab }", "deny, because: no-badge"},
		{"{ badge: a, issuer: other-lab, expires: 2026-01-01 }, m", "deny, because: badge-expired"},
		{"{ badge: a, issuer: other-lab, revoked: true }, m", "deny, because: badge-revoked"},
	} {
		for _, r := range RunTests(mustParse(t, accepting(with, test(c.holds, c.expect)))) {
			if r.Problem.EN != "" {
				t.Errorf("%s: %s", c.holds, r.Problem.EN)
			}
		}
	}
	for holds, want := range map[string]string{
		"{ badge: m, issuer: other-lab }": `holds[0].issuer: "m" accepts no badge of "other-lab" (add it under accepts: ` +
			`of the badge)`,
		"{ badge: a, issuer: othr-lab }": `unknown issuer "othr-lab"`,
		"{ issuer: other-lab }":          "holds[0].badge: is missing",
	} {
		if _, err := Parse("p", []byte(accepting(with, test(holds, "deny")))); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", holds, err, want)
		}
	}
}
