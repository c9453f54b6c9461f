package daemon

import (
	"os"
	"strings"
	"testing"
)

// mutants are changes to this package that would let someone in, keep someone out, or say the wrong thing. Each must
// be caught by a test of the package.
var mutants = []struct{ file, old, new string }{
	{"machine.go", "{session.EStop, session.Door, session.Contactor}", "{session.EStop, session.Contactor}"},
	{"machine.go", "{session.EStop, session.Door, session.Contactor}", "{session.EStop, session.Door}"},
	{"desk.go", "if !ok || card < mach.Card ||", "if !ok || mach == nil ||"},
	{"forms.go", "if len(m.forms) >= formsMost {\n\t\treturn false", "if false {\n\t\treturn false"},
	{"unsigned.go", "own < formsEach && len(m.unsigned) < formsMost", "own < formsEach"},
	{"show.go", "policy.NotEnoughHours, policy.BadgeExpired:", "policy.NotEnoughHours:"},
	{"orders.go", "len(r.Note) > 500 {", "len(r.Note) > 5000 {"},
	{"desk.go", "if !ok || id == but {", "if !ok {"},
	{"tap.go", "time.Since(began) > stale && !m.relay {", "time.Since(began) > stale {"},
	{"tap.go", "time.Since(began) > stale && !m.relay {", "false && !m.relay {"},
	{"machine.go", "!x.At.IsZero() && late > stale {", "!x.At.IsZero() && false {"},
	{"machine.go", "if !m.state.Cards.AsksPolicy() {", "if false {"},
	{"tap.go", "weaker := min(card, m.state.Cards.Strength)", "weaker := max(card, m.state.Cards.Strength)"},
	{"session/slot.go", "if !e.At.IsZero() && e.At.Before(t.Cards.tappedAt) {", "if false {"},
	{"session/slot.go", "e.WasThere || t.Cards.slot.isLeft(e, t.in.Now)", "e.WasThere"},
	{"session/slot.go", "e.WasThere || t.Cards.slot.isLeft(e, t.in.Now)", "t.Cards.slot.isLeft(e, t.in.Now)"},
}

func TestMutantsOfTheListApplyOnce(t *testing.T) {
	for i, m := range mutants {
		text, err := os.ReadFile(m.file)
		if n := strings.Count(string(text), m.old); err != nil || n != 1 {
			t.Errorf("mutant %d: %q is found %d times in %s (%v), want once", i, m.old, n, m.file, err)
		}
	}
}
