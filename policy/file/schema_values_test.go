package file

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// The schema and the reader must accept the same values and refuse the same values.
func TestSchemaAndReaderAgreeOnValues(t *testing.T) {
	if testing.Short() {
		t.Skip("short: reads hundreds of changed policies")
	}
	var schema map[string]any
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	judge := func(in string, want bool) {
		t.Helper()
		_, err := Parse("p", []byte(in))
		faults := judgeBy(schema, schema, decode(t, []byte(in)), "")
		if (err == nil) != want || (len(faults) == 0) != want {
			t.Errorf("%s\nwant %v; the reader: %v; the schema: %q", in, want, err, faults)
		}
	}
	for form, values := range valuesOf() {
		for want, all := range map[bool]string{true: values.good, false: values.bad} {
			for _, v := range strings.Split(all, " | ") {
				if all == "" {
					continue
				}
				at := strings.Replace(form, "=", v, 1)
				top, machine, grant := "", "", ""
				switch {
				case strings.HasPrefix(form, "    "):
					machine = at
				case strings.HasPrefix(form, ","):
					grant = at
				default:
					top = at
				}
				judge(small(top, grant, machine), want)
			}
		}
	}
}

type values struct{ good, bad string }

func some200(word string, n int) string { return "[" + strings.Repeat(word+",", n) + "]" }

// valuesOf returns lines with a placeholder =, and the valid and invalid values to put there.
func valuesOf() map[string]values {
	positive := values{
		"1s | 45s | 10m | 1h30m | 2h | 180d | 1d12h | 99999d | 8760h | 1d2h3m4s",
		`0m | 0s | 0d0h | 1.5h | 1ns | 1ms | 100us | +5d | -5d | 2562047h | 99999999d | 100000d | "" | h | 2 | 0 | 1h30 ` +
			`| 30m1h | 1h1h | 1 h | soon | [1h]`,
	}
	length := values{"0s | 0m | 3m | 1d12h", `0 | 1.5h | 1ns | -1m | "" | 99999999d`}
	return map[string]values{
		"status-grace: =": positive,
		"membership: =": {
			"{} | { grace: 0d, warn: 0d } | { grace: 14d, warn: 30d, after: [user] } | { after: [] }",
			"[] | 14d | { grace: 14 } | { grace: 12h } | { warn: -1d } | { grace: 99999d } | { after: user } | { after: " +
				"[boss] } | { before: 1d }",
		},
		"tests: [{ at: \"2026-01-01\", machine: x, expect: deny, holds: [], until: = }]": {
			"2026-09-30 | \"2026-09-30\"",
			`"" | 09-30 | "2026-9-30" | "2026-13-01" | "2026-09-30T10:00" | [2026-09-30]`,
		},
		"tests: [{ at: \"2026-01-01\", machine: x, expect: deny, holds: [], card-state: = }]": {
			"active | lost | blocked | replaced",
			"stolen | \"\" | [lost]",
		},
		", session: { max: = }": {positive.good + " | none", positive.bad + " | any"},
		", quota: { week: = }":  positive,
		", quota: =": {"{ day: 2h } | { day: 2h, week: 6h } | { sessions: 2 } | { day: 2h, week: 6h, sessions: 2 }",
			"{} | [] | 2h | { month: 3d }"},
		", quota: { sessions: = }": {"1 | 48", `0 | -1 | 49 | 1.5 | 2h | many | [1] | {}`},
		", hours: =": {
			`"Mo-Fr 09:00-21:00" | "Fr 18:00-25:00" | 24/7`,
			`"" | [] | "` + strings.Repeat("x", maxHours+1) + `"`,
		},
		", supervisor: m, learners: =": {"1 | 3 | 100", "0 | -1 | 101 | 1000 | many | [1]"},
		", learners: =":                {"", "3"},
		", booked: =":                  {"true | false", "maybe | [true]"},
		", supervisor: =": {
			"m | { any: [a, m] } | { badge: m, within: 365d, hours: 10 }",
			"[m] | {} | { any: [] } | { badge: m, hours: 0 } | { badge: m, hours: 10001 } | { badge: m, assurance: sure }",
		},
		"    cooldown: =": length,
		"    interventions: =": {
			"{} | { a: A } | { a: { fr: A } }",
			"[] | { -x-: A } | { A: A } | { a: {} } | { a: \" \" } | { a: { de: A } } | " + manyItems(13),
		},
		"    maintenance: [=]": {
			"{ kind: k, days: 1 } | { kind: k, hours: 100000 }",
			"{ kind: k } | { days: 1 } | { kind: k, days: 0 } | { kind: k, days: 10001 } | { kind: k, hours: 100001 }",
		},
		"    bookings: [{ from: =, for: c}]": {
			`"2026-12-01T10:00", to: "2026-12-01T12:00" | "2026-12-01 10:00", to: "2026-12-01T12:00:00" | ` +
				`"2026-12-01T10:00:00Z", to: "2026-12-01T12:00:00+01:00"`,
			`"2026-12-01", to: "2026-12-02" | "2026-12-01T9:00", to: "2026-12-02T10:00" | "", to: ""`,
		},
		"    clock: { pass: = }": {"[] | [hours, ages, ends]", "[end] | hours | [hours, hours, hours, hours]"},
		"    bundle: =": {
			"any | { fresh: 1d, then: [user] } | { fresh: 1d, then: [] }",
			"none | { fresh: 0d, then: [] } | { fresh: 1d }",
		},
		"    mode: =": {"warn | enforce", "wran | [warn]"},
		"holidays: =": {
			`[] | ["12-25", "2026-12-25", 2026-12-25]`,
			`["+026-12-25"] | ["2026-13-45"] | ["26-12-25"] | ["12-32"] | [""] | 12-25 | [` + strings.Repeat(
				`"12-25",`,
				maxHolidays+1,
			) + "]",
		},
		"roles: =": {"[user] | [learner, user]", "[] | user | [boss] | " + some200("user", 6)},
		"evidence: { a: { kinds: =, interventions: 1 } }": {
			"[a] | [a, b-c]",
			"[] | [-a] | [A] | [_]",
		},
		"evidence: { a: { kinds: [k], interventions: 1000, spread: = } }":                {"1 | 1000", "0 | 1001 | many"},
		"evidence: { a: { kinds: [k], interventions: 1, endorsed-by: a, endorsed: = } }": {"at-the-time", "tap | ~ | []"},
		"evidence: { a: { kinds: [k], interventions: = } }":                              {"1 | 1000", "0 | 1001 | many"},
		"never: [{ role: = }]": {
			"user, without: a | [user], without: [a] | user, at: \"Mo-Su 23:00-07:00\" | user, without: a, on: x",
			"user | [], without: a | user, without: [] | user, without: a, on: [] | user, at: \"\" | boss, without: a",
		},
		"tests: [{ at: \"2026-01-01\", machine: x, expect: deny, holds: = }]": {
			"[] | [a, { badge: a, issued: 2026-01-01 }]",
			"a | [[]] | [{}] | " + some200("a", maxHolds+1),
		},
		"tests: [{ at: =, machine: x, expect: deny, holds: [] }]": {
			`2026-01-01 | "2026-01-01T10:00" | "2026-01-01T10:00:00Z"`,
			`"" | "22/11/2026" | "2026-01-01T9:00"`,
		},
		"tests: [{ at: \"2026-01-01\", machine: x, expect: deny, holds: [], logged: = }]": {
			"0 | 5 | 100000",
			"-5 | 100001",
		},
		"tests: [{ at: \"2026-01-01\", machine: x, expect: deny, holds: [], answering: = }]": {"0 | 100", "-1 | 101"},
		"tests: [{ at: \"2026-01-01\", machine: x, expect: deny, holds: [], used: { sessions: = } }]": {
			"0 | 48", "-1 | 49 | 1h"},
		"tests: [{ at: \"2026-01-01\", machine: x, expect: deny, holds: [], bundle-age: = }]": length,
	}
}

func manyItems(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "i%d: X, ", i)
	}
	return "{ " + b.String() + "}"
}

// The schema and the reader must accept the same ids. The test tries ids of machines.
func TestSchemaAndReaderAgreeOnIDs(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]bool{
		"x":                     true,
		"x-1":                   true,
		"1":                     true,
		strings.Repeat("a", 64): true,
		"-x-":                   false,
		"x-":                    false,
		"X":                     false,
		"x_y":                   false,
		"":                      false,
		"é":                     false,
		strings.Repeat("a", 65): false,
	} {
		in := strings.Replace(small("", "", ""), "  x:\n", fmt.Sprintf("  %q:\n", id), 1)
		_, err := Parse("p", []byte(in))
		faults := judgeBy(schema, schema, decode(t, []byte(in)), "")
		if (err == nil) != want || (len(faults) == 0) != want {
			t.Errorf("%q: want %v; the reader: %v; the schema: %q", id, want, err, faults)
		}
	}
}

// Each key needs a description, which editors show beside it.
func TestEveryKeyOfTheSchemaIsDescribed(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	var without []string
	undescribed(schema, "", &without)
	if slices.Sort(without); len(without) > 0 {
		t.Errorf("without a description: %s", strings.Join(without, ", "))
	}
}

func undescribed(v any, at string, out *[]string) {
	switch v := v.(type) {
	case map[string]any:
		p, _ := v["properties"].(map[string]any)
		for k, x := range p {
			if words, _ := x.(map[string]any)["description"].(string); len(words) < 8 || len(words) > 120 ||
				strings.HasSuffix(words, ".") {
				*out = append(*out, at+"."+k)
			}
		}
		for k, x := range v {
			undescribed(x, at+"."+k, out)
		}
	case []any:
		for i, x := range v {
			undescribed(x, fmt.Sprintf("%s[%d]", at, i), out)
		}
	}
}
