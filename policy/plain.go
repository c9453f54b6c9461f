package policy

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Gives reports whether any grant of the machine gives the role.
func (m *Machine) Gives(r Role) bool {
	return m != nil && slices.ContainsFunc(m.Grants, func(g Grant) bool { return g.Role == r })
}

// Plain adapts a sentence to the roles of this machine. If no grant gives mentor or maintainer, the sentence must not
// send anybody to a mentor or maintainer. Plain then writes "the desk" in place of maintainers, and does not call a
// supervisor a mentor. A nil machine has no roles.
func (m *Machine) Plain(t Text) Text {
	if !m.Gives(Maintainer) {
		t = Text{replaced(t.FR, maintainerFR[:]), replaced(t.EN, maintainerEN[:])}
	}
	if !m.Gives(Mentor) {
		t = Text{replaced(t.FR, mentorFR[:]), replaced(t.EN, mentorEN[:])}
	}
	return t
}

// replaced replaces phrases, but not inside quotation marks, because badge names are quoted as issued.
func replaced(s string, pairs []string) string {
	if s == "" {
		return s
	}
	r := strings.NewReplacer(pairs...)
	var out strings.Builder
	for s != "" {
		open := strings.IndexAny(s, "«“")
		if open < 0 {
			open = len(s)
		}
		out.WriteString(r.Replace(s[:open]))
		s = s[open:]
		shut := strings.IndexAny(s, "»”")
		if shut < 0 {
			shut = len(s)
		}
		out.WriteString(s[:shut])
		s = s[shut:]
		if s != "" { // keep the closing mark, which is a rune of two or three bytes
			_, n := utf8.DecodeRuneInString(s)
			out.WriteString(s[:n])
			s = s[n:]
		}
	}
	return out.String()
}

// These are the phrases that name a role, each followed by the replacement. The tests of explain and of the panel
// search these phrases in every sentence.
var (
	maintainerFR = [...]string{
		"Seuls les mainteneurs peuvent démarrer", "Attendre quelques minutes",
		"attendre quelques minutes ou prévenir la maintenance", "attendre quelques minutes",
		"jusqu’à ce qu’un mainteneur l’ait vue", "jusqu’à ce que l’accueil la remette en service",
		"Un mainteneur le verra", "L’accueil le verra",
		"voir un mainteneur", "en parler à l’accueil",
		"un mainteneur", "l’accueil",
		"prévenir la maintenance", "prévenir l’accueil", "prévenez la maintenance", "prévenez l’accueil",
		"Prévenir la maintenance", "Prévenir l’accueil",
		"par la maintenance", "par le lieu"}
	maintainerEN = [...]string{
		"Only maintainers can start", "Wait a few minutes",
		"wait a few minutes or tell a maintainer", "wait a few minutes",
		"until a maintainer has seen it", "until the desk returns it to service",
		"A maintainer will see it", "The desk will see it",
		"see a maintainer", "talk to the desk",
		"a maintainer", "the desk",
		"by maintenance", "by the site"}
	mentorFR = [...]string{
		"Une séance avec un mentor suffit pour reprendre", "Une séance de remise à niveau suffit pour reprendre",
		"une séance avec un mentor suffit pour reprendre", "une séance de remise à niveau suffit pour reprendre",
		"Aucun mentor n’a répondu pour", "Personne n’est venu encadrer",
		"Ce mentor encadre", "Cette personne encadre",
		"voir un autre mentor", "voir quelqu’un d’autre",
		"voir un mentor", "en parler à l’accueil",
		"la carte d’un mentor qui a", "la carte de quelqu’un qui a",
		"Mentor : présentez", "Pour encadrer : présentez",
		"avec un mentor", "avec quelqu’un qui encadre"}
	mentorEN = [...]string{
		"One session with a mentor is enough", "One refresher session is enough",
		"one session with a mentor is enough", "one refresher session is enough",
		"No mentor has answered for", "Nobody has come to supervise",
		"This mentor already supervises", "This person already supervises",
		"see another mentor", "see somebody else",
		"see a mentor", "talk to the desk",
		"the card of a mentor who holds", "the card of somebody who holds",
		"Mentor: tap your card", "To supervise: tap your card",
		"with a mentor", "with somebody who supervises"}
)
