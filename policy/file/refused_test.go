package file

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"portillon/yamlfile"
)

// The reader must refuse a rule that is misleading or has no effect, with its position.
func TestRulesWithoutEffectAreRefused(t *testing.T) {
	for _, c := range []struct{ name, top, grant, machine, want string }{
		{"null intervention", "", "", "    interventions: { ~: W }", "p:15:22: an empty key"},
		{"null skill", "", "", "    vouch: { null: V }", "p:15:14: an empty key (put it in quotes if it is meant as a word)"},
		{"null holiday", "holidays: [~]", "", "", "p:9:12: holidays[0]: an empty entry"},
		{"null role", "roles: [user, ~]", "", "", "p:9:15: roles[1]: an empty entry"},
		{
			"null role of an old bundle",
			"",
			"",
			"    bundle: { fresh: 1d, then: [~] }",
			"machines.x.bundle.then[0]: an empty entry",
		},
		{"null rule of the clock", "", "", "    clock: { pass: [~] }", "machines.x.clock.pass[0]: an empty entry"},
		{"null maintenance", "", "", "    maintenance: [~]", "machines.x.maintenance[0]: an empty entry"},
		{
			"null held",
			"tests: [{ at: \"2026-01-01\", machine: x, holds: [~], expect: deny }]",
			"",
			"",
			"tests[0].holds[0]: an empty entry",
		},
		{
			"never of no role",
			"never: [{ role: [], without: a }]",
			"",
			"",
			"never[0].role: no role: this rule can never find anything (name at least one role)",
		},
		{"never of a null role", "never: [{ role: [~], without: a }]", "", "", "never[0].role[0]: an empty entry"},
		{
			"never on no machine",
			"never: [{ role: user, without: a, on: [] }]",
			"",
			"",
			"never[0].on: an empty list (name at least one machine, or remove the key)",
		},
		{"never on a null machine", "never: [{ role: user, without: a, on: [~] }]", "", "", "never[0].on[0]: an empty entry"},
		{"never without no badge", "never: [{ role: user, without: [] }]", "", "", "never[0].without: an empty list"},
		{
			"never without a null badge",
			"never: [{ role: user, without: [~] }]",
			"",
			"",
			"never[0].without[0]: an empty entry",
		},
		{
			"never a learner alone",
			"never: [{ role: learner, without: a, alone: true }]",
			"",
			"",
			"never[0].alone: a learner is never alone: this rule can never find anything",
		},
		{"a year of three digits", `holidays: ["+026-12-25"]`, "", "", `"+026-12-25" is no date`},
		{"the 30th of February", `holidays: ["2026-02-30"]`, "", "", `"2026-02-30" is no date`},
		{
			"a booking to a day",
			"",
			"",
			`    bookings: [{ from: "2026-12-01T10:00", to: "2026-12-02", for: c }]`,
			`bookings[0].to: "2026-12-02" is a day: a booking begins and ends at a time of it (as "2026-12-02T00:00")`,
		},
		{"a nanosecond", "", ", session: { max: 1ns }", "", `session.max: "1ns" is not a length of time`},
		{"292 years", "", ", session: { max: 2562047h }", "", `"2562047h" is not a length of time`},
		{"a sign", "", ", session: { max: +5d }", "", `"+5d" is not a length of time`},
		{
			"a number alone",
			"",
			"",
			"    cooldown: 0",
			`cooldown: "0" is not a length of time (whole numbers of up to five digits and d, h, m or s, in this order`,
		},
		{
			"a usual warning that is too long",
			"defaults: { session: { warn: 2h } }",
			", session: { max: 1h }",
			"",
			"p:14:49: machines.x.grants[0].session.max: the warning that is usual here, 2h0m0s, is not shorter than max " +
				"(add warn: to the session, shorter than max, or warn: none)",
		},
		{
			"hours of a book",
			"",
			`, hours: "` + strings.Repeat("Mo 09:00-10:00;", 300) + `"`,
			"",
			"hours of 4500 bytes (at most 4000)",
		},
		{
			"a slip at the end of long hours",
			"",
			`, hours: "` + strings.Repeat("Mo 09:00-10:00; ", 60) + `Tu 9-10"`,
			"",
			`.hours: "9-10" is not a time of day from-to`,
		},
		{"a null machine", "", "", "  ~: { name: Y, grants: [{ role: user, needs: a }] }", "p:15:3: an empty key"},
		{"a null badge", "", "", "badges2: { ~: A }", "p:15:12: an empty key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("p", []byte(small(c.top, c.grant, c.machine)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got\n%v\nwant\n%s", err, c.want)
			}
		})
	}
}

// A mistyped letter often gives an invalid key, which must be refused. If it gives another valid key, the reader cannot
// detect the mistake, because keys have no checksum.
func TestAKeyThatIsNotAPointOfItsCurveIsRefused(t *testing.T) {
	for name, key := range map[string]string{
		"Ed25519": "z6MkeYkP3XG1tBSuGo99iPN2xT3A2kMc1h88v3iVo1qdmrTy",
		"P-256":   "zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv",
		"P-384":   "z82Lm1MpAkeJcix9K8TMiLd5NMAhnwkjjCBeWHXyu3U4oT2MVJJKXkcVBgjGhnLBn2Kaau9",
	} {
		good := 0
		for _, last := range base58 {
			in := strings.Replace(
				small("", "", ""),
				"did:key:z6MkeYkP3XG1tBSuGo99iPN2xT3A2kMc1h88v3iVo1qdmrTy",
				"did:key:"+key[:len(key)-1]+string(last),
				1,
			)
			_, err := Parse("p", []byte(in))
			switch {
			case err == nil:
				good++
			case !strings.Contains(err.Error(), "is no key: no point of its curve (copy it again: a letter of it is wrong)"):
				t.Errorf("%s: %v", name, err)
			case last == rune(key[len(key)-1]):
				t.Errorf("%s: refused: %v", name, err)
			}
		}
		if t.Logf("%s: %d of 58", name, good); good < 10 || good > 48 {
			t.Errorf("%s: %d of 58 last letters are taken", name, good)
		}
	}
}

// Hours past midnight may be written as in OpenStreetMap's opening_hours: "18:00-25:00" ends at one in the morning,
// like 18:00-01:00.
func TestHoursPastMidnightAreAccepted(t *testing.T) {
	for hours, want := range map[string]bool{
		"18:00-24:00": true,
		"18:00-25:00": true,
		"18:00-26:00": true,
		"18:00-42:01": false,
		"24:00-25:00": false,
		"18:00-49:00": false,
	} {
		_, err := Parse("p", []byte(small("", `, hours: "`+hours+`"`, "")))
		if (err == nil) != want {
			t.Errorf("%s: %v", hours, err)
		}
	}
}

// A fault must quote enough of a value to find the value, but never a whole long value.
func TestNoFaultRepeatsALongValue(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for form, where := range map[string]string{
		"portillon: =":              "top",
		"site: =":                   "top",
		"language: =":               "top",
		"timezone: =":               "top",
		"status-grace: =":           "top",
		"=: 1":                      "top",
		"holidays: [=]":             "top",
		"roles: [=]":                "top",
		"panel: { look: = }":        "top",
		"evidence: { ? =\n  : {} }": "top",
		"evidence: { a: { kinds: [=], interventions: =, within: =, endorsed-by: =, endorsed: =, spread: = } }": "top",
		"never: [{ role: =, without: =, on: =, at: =, name: = }]":                                              "top",
		"tests: [{ at: =, machine: =, holds: [=], expect: =, because: =, as: =, logged: = }]":                  "top",
		", hours: =":               "grant",
		", booked: =":              "grant",
		", quota: { day: = }":      "grant",
		", quota: { sessions: = }": "grant",
		", supervisor: =":          "grant",
		", session: { max: = }":    "grant",
		"    cooldown: =":          "machine",
		"    mode: =":              "machine",
		"    bookings: [{ from: =, to: =, for: = }]": "machine",
		"    interventions: { a: = }":                "machine",
		"    maintenance: [{ kind: =, days: = }]":    "machine",
		"    bundle: { fresh: =, then: [=] }":        "machine",
		"    clock: { pass: [=] }":                   "machine",
		"    vouch: &= x":                            "machine",
		"    vouch: != x":                            "machine",
		"  ? =\n  : { name: X }":                     "machine",
	} {
		in := map[string]string{}
		in[where] = strings.ReplaceAll(form, "=", long)
		longest(t, form, small(in["top"], in["grant"], in["machine"]))
	}
	for _, key := range []string{
		long,
		"did:key:" + long,
		"did:key:" + long + "#x",
		"https://x.example/" + long + "#y",
		"-----BEGIN " + long,
	} {
		longest(
			t,
			"key",
			strings.Replace(small("", "", ""), "did:key:z6MkeYkP3XG1tBSuGo99iPN2xT3A2kMc1h88v3iVo1qdmrTy", key, 1),
		)
	}
	longest(t, "achievement", strings.Replace(small("", "", ""), `"https://x.example/a"`, long, 1))
	longest(t, "issuer", strings.Replace(small("", "", ""), "issuer: i,", "issuer: "+long+",", 1))
}

func longest(t *testing.T, name, in string) {
	t.Helper()
	_, err := Parse("p", []byte(in))
	var faults yamlfile.Faults
	if !errors.As(err, &faults) {
		t.Errorf("%s: %v", name, err)
	}
	for _, f := range faults {
		if n := len(fmt.Sprint(f.Field, f.Problem, f.Hint)); n > 450 || len(f.Problem) > 350 {
			t.Errorf("%s: a fault of %d bytes: %.300s", name, n, f.Problem)
		}
	}
}
