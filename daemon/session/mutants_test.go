package session

import (
	"testing"

	"portillon/internal/mutate"
)

// mutants are changes to two sets of rules: those for the slot of a reader, and those for the cards of a session. Each
// change would start a machine without a tap, or keep a machine running without its card. The tests must catch each
// one.
var mutants = []mutate.Edit{
	{"slot.go", "if !e.At.IsZero() && e.At.Before(t.state.Cards.tappedAt) {", "if false {"},
	{"slot.go", "if e.WasThere || t.state.Cards.slot.isLeft(e, t.in.Now) {", "if e.WasThere {"},
	{
		"slot.go",
		"if e.WasThere || t.state.Cards.slot.isLeft(e, t.in.Now) {",
		"if t.state.Cards.slot.isLeft(e, t.in.Now) {",
	},
	{"slot.go", "(e.Member == holder || t.state.Owner(e.Card) == holder)", "e.Member == holder"},
	{"slot.go", "(e.Member == holder || t.state.Owner(e.Card) == holder)", "t.state.Owner(e.Card) == holder"},
	{"slot.go", "orNow(e.At, now).Sub(x.removed) < TakenOut", "orNow(e.At, now).Sub(x.removed) < 0"},
	{"slot.go", "if c.slot.occupied && !takenOut {", "if c.slot.occupied {"},
	{"slot.go", "if c.slot.occupied && !takenOut {", "if false {"},
	{"slot.go", "m != \"\" && m != t.state.Holder()", "false"},
	{"slot.go", "case owner == \"\":\n", "case false:\n"},
	{"slot.go", "return x.owner == e.Member || !has(x.owner) })", "return x.owner == e.Member })"},
	{"slot.go", "if i < 0 || !s.Running() {", "if i < 0 {"},
	{"journal.go", "cards.leave(holder, false)", "_ = holder"},
}

// notCaught names, for each mutant that no test catches, the test that would catch it.
var notCaught = map[string]string{
	"t.state.Owner(e.Card) == holder": "a holder who puts a second card of theirs into the slot",
	"case false:\n":                   "a SessionCard that nobody tapped: the notice to a stranger is not looked at",
	"return x.owner == e.Member })":   "a learner's card after another mentor took over",
	"if i < 0 {":                      "no card is remembered while nobody has the machine, but in a wait",
}

func TestEveryMutantOfTheListIsCaught(t *testing.T) { mutate.List(t, mutants, notCaught) }
