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
	{"openforms.go", "if len(f.open) >= formsMost {\n\t\treturn false", "if false {\n\t\treturn false"},
	{"openforms.go", "own < formsEach && len(f.waiting) < formsMost", "own < formsEach"},
	{"show.go", "policy.NotEnoughHours, policy.BadgeExpired:", "policy.NotEnoughHours:"},
	{"orders.go", "len(r.Note) > 500 {", "len(r.Note) > 5000 {"},
	{"decide.go", "if !ok || id == but {", "if !ok {"},
	{"tap.go", "time.Since(began) > stale && !m.model.relay {", "time.Since(began) > stale {"},
	{"tap.go", "time.Since(began) > stale && !m.model.relay {", "false && !m.model.relay {"},
	{"machine.go", "!x.At.IsZero() && late > stale {", "!x.At.IsZero() && false {"},
	{"machine.go", "if !m.model.state.Cards.AsksPolicy() {", "if false {"},
	{"tap.go", "weaker := min(card, m.model.state.Cards.Strength)", "weaker := max(card, m.model.state.Cards.Strength)"},
	{"session/slot.go", "if !e.At.IsZero() && e.At.Before(t.state.Cards.tappedAt) {", "if false {"},
	{"session/slot.go", "e.WasThere || t.state.Cards.slot.isLeft(e, t.in.Now)", "e.WasThere"},
	{"session/slot.go", "e.WasThere || t.state.Cards.slot.isLeft(e, t.in.Now)", "t.state.Cards.slot.isLeft(e, t.in.Now)"},
}

func TestMutantsOfTheListApplyOnce(t *testing.T) {
	for i, m := range mutants {
		text, err := os.ReadFile(m.file)
		if n := strings.Count(string(text), m.old); err != nil || n != 1 {
			t.Errorf("mutant %d: %q is found %d times in %s (%v), want once", i, m.old, n, m.file, err)
		}
	}
}
