package daemon

import (
	"testing"

	"portillon/internal/mutate"
)

// mutants are changes to this package that would admit a person wrongly, refuse a person wrongly, or show a wrong
// message. The tests must catch each one.
var mutants = []mutate.Edit{
	{"machine.go", "{session.EStop, session.Door, session.Contactor}", "{session.EStop, session.Contactor}"},
	{"machine.go", "{session.EStop, session.Door, session.Contactor}", "{session.EStop, session.Door}"},
	{"model.go", "if !ok || card < mach.Card ||", "if !ok || mach == nil ||"},
	{"openforms.go", "if len(f.open) >= formsMost {\n\t\treturn false", "if false {\n\t\treturn false"},
	{"openforms.go", "own < formsEach && len(f.waiting) < formsMost", "own < formsEach"},
	{"openforms.go", "len(f.reports[who]) >= reportsMax", "len(f.reports[who]) >= 2*reportsMax"},
	{"attestations.go", "if len(a.waiting) >= maxAttestations {", "if false {"},
	{"screen.go", "policy.NotEnoughHours, policy.BadgeExpired:", "policy.NotEnoughHours:"},
	{"operator.go", "len(r.Note) > 500 {", "len(r.Note) > 5000 {"},
	{"decide.go", "if !ok || id == but {", "if !ok {"},
	{"tap.go", "x.On && age > staleTap && !e.model.relay {", "x.On && age > staleTap {"},
	{"tap.go", "x.On && age > staleTap && !e.model.relay {", "false && age > 0 {"},
	{"tap.go", "!x.At.IsZero() && age > staleTap {", "!x.At.IsZero() && age < 0 {"},
	{"tap.go", "if !e.model.state.Cards.AsksPolicy() {", "if false {"},
	{"tap.go", "weaker := min(card, s.Cards.Strength)", "weaker := max(card, s.Cards.Strength)"},
	{"tap.go", "if isRefused && !known {", "if isRefused && known {"},
	{"tap.go", "if m.currentMember() != id {", "if false {"},
	{"presence.go", "now.Sub(p.since) >= session.ChooseFor", "now.Sub(p.since) > session.ChooseFor"},
	{"liveness.go", "return age-time.Duration(began) < diskHang", "return true"},
	{
		"liveness.go",
		"return age-time.Duration(l.beat.Load()) < hang",
		"return age-time.Duration(l.beat.Load()) < diskHang",
	},
	{"practice.go", "return o, o.Machine != \"\"", "return o, true"},
	{"maintenance.go", "if known && !d.At.IsZero() && !d.At.After(now) {", "if known && !d.At.IsZero() {"},
}

func TestEveryMutantOfTheListIsCaught(t *testing.T) { mutate.List(t, mutants, nil) }
