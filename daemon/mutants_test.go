package daemon

import (
	"os"
	"strings"
	"testing"
)

// mutants are changes to this package that would let someone in, keep someone out, or say the wrong thing. Each must
// be caught by a test of the package.
var mutants = []struct{ file, old, new string }{
	{"machine.go", `{"e-stop", "door", "contactor"}`, `{"e-stop", "contactor"}`},
	{"machine.go", `{"e-stop", "door", "contactor"}`, `{"e-stop", "door"}`},
	{"desk.go", "if !ok || card < mach.Card ||", "if !ok || mach == nil ||"},
	{"forms.go", "if len(m.forms) >= formsMost {\n\t\treturn false", "if false {\n\t\treturn false"},
	{"unsigned.go", "own < formsEach && len(m.unsigned) < formsMost", "own < formsEach"},
	{"show.go", "policy.NotEnoughHours, policy.BadgeExpired:", "policy.NotEnoughHours:"},
	{"orders.go", "len(r.Note) > 500 {", "len(r.Note) > 5000 {"},
	{"desk.go", "if !ok || id == but {", "if !ok {"},
	{"tap.go", "time.Since(m.began) > stale && !m.relay {", "time.Since(m.began) > stale {"},
	{"tap.go", "time.Since(m.began) > stale && !m.relay {", "false && !m.relay {"},
	{"machine.go", "!e.Tap.At.IsZero() && late > stale {", "!e.Tap.At.IsZero() && false {"},
	{"machine.go", "if e.Tap.At.IsZero() || !e.Tap.At.Before(m.came) {", "if true {"},
	{"machine.go", "if e.Tap.Slot && m.rests(e.Tap.UID) {", "if false {"},
	{"tap.go", "member, min(card, m.card))", "member, max(card, m.card))"},
}

func TestMutantsOfTheListApplyOnce(t *testing.T) {
	for i, m := range mutants {
		text, err := os.ReadFile(m.file)
		if n := strings.Count(string(text), m.old); err != nil || n != 1 {
			t.Errorf("mutant %d: %q is found %d times in %s (%v), want once", i, m.old, n, m.file, err)
		}
	}
}
