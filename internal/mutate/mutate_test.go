package mutate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tiny loads the package testdata/tiny. The tests below list all mutants of the package testdata/tiny.
func tiny(t *testing.T) *source {
	t.Helper()
	dir, err := filepath.Abs("testdata/tiny")
	if err != nil {
		t.Fatal(err)
	}
	s, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pick returns the mutants with the given ids, in that order.
func pick(t *testing.T, s *source, ids ...string) (picked []mutant) {
	t.Helper()
	all := s.candidates()
	for _, id := range ids {
		n := len(picked)
		for _, m := range all {
			if m.id == id {
				picked = append(picked, m)
			}
		}
		if len(picked) != n+1 {
			t.Errorf("%d mutants have the id %q, want 1", len(picked)-n, id)
		}
	}
	return picked
}

func TestEachOperatorGeneratesItsMutants(t *testing.T) {
	pick(t, tiny(t),
		"Unread: negate: n > 3",
		"Unread: never: n > 3",
		"Open: without: !blocked in return hour >= 9 && hour < 17 && !blocked",
		"Open: boundary: hour >= 9 in return hour >= 9 && hour < 17 && !blocked",
		"Countdown: drop: n--",
		"Kind: zero: return 2",
		"Logged: literal: false in return false",
		"Bounded: constant: most+5*time.Second in return both, d < most+5*time.Second",
		`Kind: no case: case "tap"`,
	)
}

func TestLogCallsAndDeclarationsAreNotMutated(t *testing.T) {
	for _, m := range tiny(t).candidates() {
		if strings.Contains(m.id, "slog") || strings.HasPrefix(m.id, "Bounded: constant: 1 ") ||
			strings.Contains(m.id, "10 * time.Second") {
			t.Error(m.id)
		}
	}
}

// All candidates of package tiny compile together, except one that leaves a variable unused.
func TestMutantsThatDoNotCompileAreNotChosen(t *testing.T) {
	s := tiny(t)
	all := s.candidates()
	chosen, err := s.choose(all, seed, len(all))
	if err != nil {
		t.Fatal(err)
	}
	left := map[string]bool{}
	for _, m := range all {
		left[m.id] = true
	}
	for _, m := range chosen {
		delete(left, m.id)
	}
	if len(left) != 1 || !left["Cut: drop: return fallback"] {
		t.Errorf("not chosen: %v", left)
	}
}

// An edit of one function must not change which mutants of other functions are chosen.
func TestChosenMutantsOfAFunctionDoNotDependOnOtherFunctions(t *testing.T) {
	s := tiny(t)
	all := s.candidates()
	var others []mutant
	for _, m := range all {
		if functionOf(m) != "Open" {
			others = append(others, m)
		}
	}
	before, err := s.choose(all, seed, len(all))
	if err != nil {
		t.Fatal(err)
	}
	after, err := s.choose(others, seed, len(others))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range before {
		if functionOf(m) == "Open" {
			continue
		}
		if m.id != after[0].id {
			t.Fatalf("%s took the place of %s", after[0].id, m.id)
		}
		after = after[1:]
	}
}

func TestSampleLeavesExplainedMutantsOut(t *testing.T) {
	picked := []mutant{{id: "a"}, {id: "b"}, {id: "c"}, {id: "d"}, {id: "e"}}
	explained := map[string]string{"b": "equivalent", "d": "equivalent"}
	keepEvery, keepFrom, keepOnly := *every, *from, *only
	t.Cleanup(func() { *every, *from, *only = keepEvery, keepFrom, keepOnly })
	for _, x := range []struct {
		every, from int
		only, want  string
	}{{1, 0, "", "abcde"}, {2, 0, "", "ace"}, {2, 1, "", ""}, {3, 5, "", "c"}, {1, 0, "[bc]", "bc"}} {
		*every, *from, *only = x.every, x.from, x.only
		got, err := selectMutants(picked, explained)
		ids := ""
		for _, m := range got {
			ids += m.id
		}
		if err != nil || ids != x.want {
			t.Errorf("every %d from %d, only %q: %q, %v; want %q", x.every, x.from, x.only, ids, err, x.want)
		}
	}
	*only = "("
	if _, err := selectMutants(picked, nil); err == nil {
		t.Error("an expression that is none is accepted")
	}
}

func TestEachGeneratedMutantIsReportedAsCaughtSurvivingOrHanging(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles a test binary")
	}
	s := tiny(t)
	mutants := pick(t, s,
		"Open: boundary: hour >= 9 in return hour >= 9 && hour < 17 && !blocked",
		"Unread: boundary: n > 3 in if n > 3", // survives, because no test checks this result
		"Countdown: drop: n--",                // hangs, because the loop never ends
		`Kind: no case: case "key"`,
	)
	for _, short := range []bool{true, false} {
		c := campaign{source: s, short: short, patience: 3 * time.Second, log: t.Logf}
		got, err := c.run(t.Context(), t.TempDir(), mutants)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{"TestHoursAreOpenFromTheirStartToTheirEnd", "", byTimeout, "TestKindTellsCasesApart"} {
			if got[i].by != want || got[i].caught != (want != "") {
				t.Errorf("short %v: %s: caught %v by %q, want %q", short, got[i].id, got[i].caught, got[i].by, want)
			}
		}
	}
}

func TestEachListedMutantIsReportedAsCaughtSurvivingHangingOrNotBuilding(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles test binaries")
	}
	s := tiny(t)
	edits := []Edit{
		{"tiny.go", "hour >= 9", "hour > 9"},
		{"tiny.go", "n > 3", "n > 4"},
		{"tiny.go", "n--", "n += 0"},
		{"tiny.go", "steps++", "stops++"},
	}
	texts := make([]string, len(edits))
	for i, e := range edits {
		texts[i] = strings.Replace(s.texts[0], e.Old, e.New, 1)
	}
	l := list{t: t, dir: s.dir, edits: edits, texts: texts, timeout: 3 * time.Second}
	for i, want := range []string{"", "survives", "is not caught within 3s", "does not build"} {
		if got := l.escape(i); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%s: %q, want %q", edits[i].New, got, want)
		}
	}
}

func TestSourceTreeIsNotChanged(t *testing.T) {
	text, err := os.ReadFile("testdata/tiny/tiny.go")
	if err != nil || strings.Contains(string(text), "mutateOn") {
		t.Error(err)
	}
	if _, err := os.Stat("testdata/tiny/mutate_switches.go"); !os.IsNotExist(err) {
		t.Errorf("mutate_switches.go: %v, want that it does not exist", err)
	}
}
