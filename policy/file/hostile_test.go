package file

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// hostile returns texts that are as expensive to parse as possible.
func hostile(t testing.TB) map[string]string {
	t.Helper()
	head := small("", "", "")
	list := func(before, entry, after string) string {
		return head + before + strings.Repeat(entry, (MaxBytes-1-len(head)-len(before)-len(after))/len(entry)) + after + "\n"
	}
	bare := func(before, entry, after string) string {
		return before + strings.Repeat(entry, (MaxBytes-len(before)-len(after))/len(entry)) + after
	}
	numbered := func(bytes int, form string) string {
		var b strings.Builder
		for i := 0; b.Len() < bytes; i++ {
			fmt.Fprintf(&b, form, i)
		}
		return b.String()
	}
	// texts that are within all limits of the reader
	few := func(s string, n int) string { return strings.Repeat(s, n) }
	return map[string]string{
		"billion laughs": "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c " +
			"[*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n",
		"depth":                ("a: " + strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000))[:400_000],
		"depth by flow":        strings.Repeat("{a: ", 100_000),
		"depth by lines":       strings.Repeat("[", 100) + strings.Repeat("\n[", 5000),
		"depth by blocks":      bare("", "- ", ""),
		"depth by keys":        bare("", "? ", ""),
		"size":                 strings.Repeat("#", MaxBytes+1),
		"keys":                 strings.Repeat("k: 1\n", 11_900),
		"lines":                strings.Repeat("k: 1\n", 100_000),
		"many wrong badges":    strings.ReplaceAll(bigPolicy(2000), "needs: mentor-", "needs: mentr-"),
		"merge keys":           "a: &a {x: 1}\nb:\n  <<: *a\n",
		"one long line":        bare("portillon: \"", "x", "\""),
		"one long comment":     bare("#", "#", "\na: b"),
		"one long key":         bare("machines:\n  ? ", "x", "\n  : { name: A, grants: ["+few("{},", 31_000)+"] }\n"),
		"tags":                 few("!!binary ", 50_000) + "x",
		"escapes":              bare("\"", "\\u0041", "\""),
		"colons":               bare("", "a:", ""),
		"comments of lines":    few("a: b #"+strings.Repeat("x", 80)+"\n", 11_000),
		"empty keys":           "{" + few(": 1, ", 31_000) + "}",
		"roles":                list("roles: [", "x,", "]"),
		"roles in bounds":      head + "roles: [" + few("x,", 60_000) + "]\n",
		"long roles":           list("roles: [", strings.Repeat("maint", 19)+",", "]"),
		"huge roles":           list("roles: [", strings.Repeat("z", 20_000)+",", "]"),
		"known keys":           "{" + numbered(MaxBytes-300, "k%d: 1, ") + "}",
		"known keys in bounds": "{" + few("k: 1, ", 31_000) + "}",
		"long keys":            "{" + numbered(MaxBytes-300, strings.Repeat("timezon", 13)+"%d: 1, ") + "}",
		"long keys, lines":     numbered(MaxBytes-300, strings.Repeat("timezon", 13)+"%d: 1\n"),
		"never's roles":        list("never: [{without: a, role: [", "x,", "]}]"),
		"holds":                list("tests: [{at: 2026-01-01, machine: x, expect: deny, holds: [", "a,", "]}]"),
		"holds in bounds": head + "tests: [{at: 2026-01-01, machine: x, expect: deny, holds: [" + few(
			"a,",
			60_000,
		) + "]}]\n",
		"tests":             list("tests: [", "{at: zz, machine: y, expect: no, holds: [q]},", "]"),
		"tests in bounds":   head + "tests: [" + few("{at: zz, machine: y, expect: no, holds: [q]},", 6400) + "]\n",
		"entries":           bare("[", "a,", "]"),
		"entries in bounds": "[" + few("a,", 64_000) + "]",
		"brackets":          bare("[", "[],", "]"),
		"braces in bounds":  "[" + few("{},", 31_000) + "]",
		"aliases":           bare("[&a x,", "*a,", "]"),
		"aliases in bounds": "[&a x," + few("*a,", 64_000) + "]",
		"anchors":           "[" + numbered(MaxBytes-300, "&a%d x,") + "]",
		"twice":             "{" + few("a: 1, ", 31_000) + "}",
		"holidays":          list("holidays: [", "12-25,", "]"),
		"keys of issuers": strings.Replace(
			head,
			"keys: [",
			"keys: ["+few("zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv,", 15_000),
			1,
		),
		"many issuers": strings.Replace(head, "issuers:\n", "issuers:\n"+issuersWithKeys(5000), 1),
		"hours of rules": list(
			"never: [",
			"{ role: user, at: \""+strings.Repeat("Jan 01-Dec 31 Mo-Su 00:00-24:00;", 60)+"Mo of\" },",
			"]",
		),
		"unknown ids, alike": head + "tests: [" + numbered(
			700_000,
			"{at: 2026-01-01, machine: x, expect: deny, holds: ["+strings.Repeat("mentor", 10)+"%d]},",
		) + "]\n",
		"brackets behind space": strings.Repeat(" ", 500_000) + few("[],", 31_000) + "}",
		"slip below a list":     "x: [" + few("a,", 30_000) + "]\n" + few("y: 1\n", 4) + " z: 2\n" + few("y: 1\n", 9),
		"not UTF-8":             bare("a: ", "x", "\xff"),
		"UTF-16":                "\xff\xfe" + few("a\x00,\x00", 60_000),
	}
}

func issuersWithKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(
			&b,
			"  i%d: { id: \"https://x.example/%d\", keys: [zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv] }\n",
			i,
			i,
		)
	}
	return b.String()
}

// allocated returns the number of bytes that f allocates. Unlike time, the allocated bytes do not depend on other
// processes.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Parse must refuse a hostile file before it costs much work. The test compares the allocated memory with that of a
// valid file of 10,000 lines, which Parse reads within 200 ms. Without the bounds, these files would cost 10 to 1,000
// times as much as the valid file.
func TestHostileFilesAllocateAtMostTwiceAsMuchAsALargeValidFile(t *testing.T) {
	if testing.Short() {
		t.Skip("short: parses fifty files of up to 1 MB")
	}
	sound := []byte(bigPolicy(10_000))
	unit := allocated(func() {
		if _, err := Parse("policy.yaml", sound); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("the measure: %d bytes allocated", unit)
	for name, text := range hostile(t) {
		message := ""
		cost := allocated(func() {
			_, err := Parse("policy.yaml", []byte(text))
			if err == nil {
				t.Fatalf("%s: accepted", name)
			}
			message = err.Error()
		})
		t.Logf("%-22s %5.2f of the measure, %7d bytes: %.100q", name, float64(cost)/float64(unit), len(text), message)
		if cost > 2*unit {
			t.Errorf("%s: %d bytes allocated, a sound file of 10,000 lines takes %d", name, cost, unit)
		}
		if len(message) > 40_000 {
			t.Errorf("%s: a message of %d bytes", name, len(message))
		}
	}
}
