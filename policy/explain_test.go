package policy_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	. "portillon/policy"
)

func TestSentencesHaveAFactAndANextStepInBothLanguages(t *testing.T) {
	one := func(b BadgeID, change func(h *Holding)) *Member {
		h := holding(b)
		change(&h)
		return &Member{ID: "m-1", Holdings: []Holding{h}}
	}
	long := holder("user")
	long.Holdings[0].From = monday.AddDate(-2, 0, 0)
	long.Practice = []Practice{{Machine: "vinyl", Last: monday.AddDate(-1, 0, 0), Logged: 0}}
	never := holder("user")
	never.Holdings[0].From = monday.AddDate(-2, 0, 0)
	blocked := holder("user")
	blocked.Blocked = true
	for _, c := range []struct {
		name    string
		machine MachineID
		member  *Member
		change  func(q *Question)
		fr, en  string
	}{
		{"on", "laser", holder("user"), nil, "Machine en marche jusqu’à 12 h 00. Pour terminer : présenter la même carte",
			"Machine on until 12:00. To end: tap the same card"},
		{"on without limit", "laser", holder("maintainer"), nil, "Machine en marche. Pour terminer : présenter la même carte",
			"Machine on. To end: tap the same card"},
		{"on, clock untrusted", "laser", holder("mentor"), func(q *Question) { q.Clock = Untrusted },
			"Machine en marche. Pour", "Machine on. To"},
		{"waiting", "laser", holder("first"), nil, "Utilisation possible avec un mentor. Mentor : présentez votre carte",
			"Possible with a mentor. Mentor: tap your card"},
		{"second card", "laser", holder("first"), func(q *Question) { q.Supervisor = other("user") },
			"Cette carte ne permet pas d’encadrer. Prochaine étape : la carte d’un mentor qui a le " +
				"badge « Découpe laser - Formateur mentor »",
			"This card cannot supervise. Next step: the card of a mentor who holds the badge “Découpe " +
				"laser - Formateur mentor”"},
		{"no badge", "laser", holder(), nil,
			"Il manque le badge « Découpe laser - 1er pas ». Prochaine étape : voir un mentor",
			"The badge “Découpe laser - 1er pas” is missing. Next step: see a mentor"},
		{"no maintainer's badge", "laser", holder(), func(q *Question) { q.As = Maintainer },
			"Il manque le badge « Découpe laser - Mainteneur ». Prochaine étape : voir un mainteneur",
			"The badge “Découpe laser - Mainteneur” is missing. Next step: see a maintainer"},
		{"two badges", "vinyl", holder(), func(q *Question) { q.As = Host },
			"Il manque les badges « Découpe laser - Animateur / animatrice » et « Découpe laser - Utilisateur autonome ». " +
				"Prochaine étape",
			"The badges “Découpe laser - Animateur / animatrice” and “Découpe laser - Utilisateur autonome” are missing. " +
				"Next step"},
		{"expired", "laser", one("user", func(h *Holding) { h.Until = wall(t, "2026-03-03 10:00") }), nil,
			"Le badge « Découpe laser - Utilisateur autonome » a expiré le 3 mars. " +
				"Prochaine étape : une séance de remise à niveau",
			"The badge “Découpe laser - Utilisateur autonome” expired on 3 March. Next step: a refresher session"},
		{"expired in another year, on the first", "laser",
			one("user", func(h *Holding) { h.Until = wall(t, "2025-08-01 00:00").UTC() }), nil,
			"a expiré le 1er août 2025. ", "expired on 1 August 2025. "},
		{"revoked", "laser", one("user", func(h *Holding) { h.Standing = Revoked }), nil,
			"Le badge « Découpe laser - Utilisateur autonome » a été retiré par son émetteur. Prochaine étape : en parler à " +
				"l’accueil", "was withdrawn by its issuer. Next step: talk to the desk"},
		{"unverified", "laser", one("user", func(h *Holding) { h.Standing = Unverified }), nil,
			"n’a pas pu être vérifié. Prochaine étape : le signaler à l’accueil",
			"could not be verified. Next step: tell the desk"},
		{"not yet valid", "laser", one("user", func(h *Holding) { h.From = wall(t, "2026-12-24 00:00") }), nil,
			"n’est valable qu’à partir du 24 décembre. Prochaine étape : revenir à cette date",
			"is valid only from 24 December. Next step: come back on that day"},
		{"status too old", "laser", one("user", func(h *Holding) { h.Checked = wall(t, "2026-11-02 00:00") }), nil,
			"n’a pas pu être vérifié depuis le 2 novembre. ", "could not be checked since 2 November. "},
		{"not recent", "vinyl", long, nil, "Dernière utilisation il y a plus de 6 mois. Une séance de remise à niveau " +
			"suffit pour reprendre", "Last used more than 6 months ago. One refresher session is enough"},
		{"never used", "vinyl", never, nil, "Aucune utilisation depuis plus de 6 mois. Une",
			"Not used for more than 6 months. One"},
		{"tagged and no badge", "laser", holder(), func(q *Question) { q.Tagged = true },
			"Machine hors service. Prochaine étape : attendre la remise en service",
			"Machine out of service. Next step: wait until it is returned to service"},
		{"closed until tomorrow", "laser", holder("user"), func(q *Question) { q.At = wall(t, "2026-11-23 22:00") },
			"La machine ouvre demain à 9 h 00. Prochaine étape : revenir à l’ouverture",
			"The machine opens tomorrow at 9:00. Next step: come back when it opens"},
		{"closed until later", "laser", holder("user"), func(q *Question) { q.At = wall(t, "2026-11-23 07:00").UTC() },
			"La machine ouvre aujourd’hui à 9 h 00. ", "The machine opens today at 9:00. "},
		{"closed until Monday", "laser", holder("user"), func(q *Question) { q.At = wall(t, "2026-11-28 20:00") },
			"La machine ouvre lundi à 9 h 00. ", "The machine opens on Monday at 9:00. "},
		{"clock", "laser", holder("user"), func(q *Question) { q.Clock = Untrusted },
			"L’horloge de la machine n’est pas encore réglée. " +
				"Prochaine étape : attendre quelques minutes ou prévenir la maintenance",
			"The machine’s clock is not set yet. Next step: wait a few minutes or tell a maintainer"},
		{"unknown card", "laser", nil, nil, "Carte inconnue. Prochaine étape : la faire enregistrer à l’accueil",
			"Unknown card. Next step: have it registered at the desk"},
		{"blocked", "laser", blocked, nil, "Cette carte est bloquée. Prochaine étape : passer à l’accueil",
			"This card is blocked. Next step: see the desk"},
		{"fault", "laser", holder("user"), func(q *Question) { q.Fault = true },
			"La machine est arrêtée par sécurité. Prochaine étape : prévenir la maintenance",
			"The machine is stopped for safety. Next step: tell a maintainer"},
		{"unknown machine", "x", holder("user"), nil, "Cette machine n’est pas encore configurée. Prochaine étape : " +
			"prévenir l’accueil", "This machine is not set up yet. Next step: tell the desk"},
		{"warned", "print", holder(), nil, "Machine en marche jusqu’à 13 h 00. ", "Machine on until 13:00. "},
		{"role that no grant gives", "print", holder("user", "first", "maintainer"),
			func(q *Question) { q.As, q.Tagged = Host, true }, "Machine hors service. ", "Machine out of service. "},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := mustNew(t, lab())
			q := ask(c.machine, c.member)
			if c.change != nil {
				c.change(&q)
			}
			s := Explain(p, q, p.Decide(q))
			if got := s.In(French); !strings.Contains(got, c.fr) {
				t.Errorf("got  %s\nwant %s", got, c.fr)
			}
			if got := s.In(English); !strings.Contains(got, c.en) {
				t.Errorf("got  %s\nwant %s", got, c.en)
			}
			politely(t, s)
		})
	}
}

// politely fails the test if a sentence does not follow the style of the panel.
func politely(t *testing.T, s Sentence) {
	t.Helper()
	fr := " " + strings.ToLower(s.In(French)) + " "
	for _, w := range []string{" tu ", " ton ", " ta ", " tes ", " t’", "'", "..", " : prochaine"} {
		if strings.Contains(fr, w) {
			t.Errorf("%q has %q", fr, w)
		}
	}
	if strings.HasSuffix(s.In(French), ".") || s.Next.FR == "" || s.Next.EN == "" {
		t.Errorf("not a fact and a next step: %+v", s)
	}
}

func TestSentencesOfRulesThatTheSampleLabDoesNotUse(t *testing.T) {
	m := lab()
	m.Machines[2].Mode = Enforce
	m.Machines[0].Grants = []Grant{
		{Role: User, Needs: Need{Badge: "user"}, Supervisor: &Need{Any: []Need{{Badge: "mentor"}}}},
	}
	p := mustNew(t, m)
	say := func(q Question) Sentence { return Explain(p, q, p.Decide(q)) }
	old := holder("user")
	old.Holdings[0].From = monday.AddDate(-2, 0, 0)
	if got := say(ask("print", old)).In(French); got != "Le badge « Découpe laser - Utilisateur autonome » a été émis "+
		"il y a plus de 1 an. Prochaine étape : une séance de remise à niveau" {
		t.Error(got)
	}
	few := holder("first")
	few.Practice = []Practice{{Machine: "print", Last: monday, Logged: 3*time.Hour + 20*time.Minute}}
	if got := say(ask("print", few)); got.In(
		French,
	) != "Pratique sur cette machine : 3 h 20 sur 10 h. Prochaine étape : continuer avec quelqu’un qui encadre" ||
		got.In(English) != "Practice on this machine: 3 h 20 min of 10 h. Next step: go on with somebody who supervises" {
		t.Error(got)
	}
	q := ask("laser", holder("user"))
	q.Supervisor = other()
	if got := say(q).In(French); got != "Cette carte ne permet pas d’encadrer. Prochaine étape : "+
		"en parler à l’accueil" {
		t.Error(got)
	}
}

func TestExplainDoesNotPanicOnDecisionsOfAnotherPolicy(t *testing.T) {
	p := mustNew(t, lab())
	for _, code := range append(Codes(), "", "x") {
		for _, grant := range []int{-1, 0, 99} {
			for _, v := range []Verdict{Deny, Await, Allow, 9} {
				o := make([]Outcome, 100)
				for i := range o {
					o[i] = NewOutcome(NoRole, Deny, Reason{Code: code, Badge: "gone"})
				}
				for _, machine := range []MachineID{"laser", "x"} {
					q := ask(machine, holder())
					q.Supervisor = other()
					politely(t, Explain(p, q, Decision{Verdict: v, Grant: grant, Outcomes: o}))
				}
			}
		}
	}
}

func TestHoursThatNeverOpenHaveASentence(t *testing.T) {
	m := lab()
	m.Machines[0].Grants = []Grant{{Role: User, Needs: Need{Badge: "user"}, Hours: new(Hours)}}
	p := mustNew(t, m)
	q := ask("laser", holder("user"))
	if got := Explain(p, q, p.Decide(q)).In(English); got != "The machine is not open at this hour. Next step: come "+
		"back when it opens" {
		t.Error(got)
	}
}

func TestSentenceWithoutANextStepConsistsOfTheFact(t *testing.T) {
	if got := (Sentence{Fact: Text{FR: "fait", EN: "fact"}}).In(English); got != "fact" {
		t.Error(got)
	}
}

func TestUsedQuotaOfSessionsNamesTheNumber(t *testing.T) {
	p := ruled(t, func(m *Machine) { m.Grants[0].Quota = Quota{Sessions: 2} })
	q := Question{At: monday, Clock: Trusted, Machine: "m", Member: bearer("user")}
	q.Member.Practice = []Practice{{Machine: "m", Last: monday, Sessions: 3}}
	d := p.Decide(q)
	if got := Explain(p, q, d); got.In(
		French,
	) != "Le quota d’utilisations de la journée (2) est épuisé. Prochaine étape : revenir demain" ||
		got.In(English) != "The day’s quota of sessions (2) is used up. Next step: come back tomorrow" {
		t.Errorf("%q", got)
	}
	text, err := json.Marshal(d.Outcomes[0].Missing())
	if want := `[{"code":"quota-used","want_sessions":2,"have_sessions":3,"kind":"sessions"}]`; err != nil ||
		string(text) != want {
		t.Errorf("%s, want %s (%v)", text, want, err)
	}
}

func TestUsedWeeklyQuotaHasASeparateSentence(t *testing.T) {
	p := ruled(t, func(m *Machine) { m.Grants[0].Quota = Quota{Day: 5 * time.Hour, Week: 6 * time.Hour} })
	q := Question{At: monday, Clock: Trusted, Machine: "m", Member: bearer("user")}
	q.Member.Practice = []Practice{{Machine: "m", Last: monday, Day: time.Hour, Week: 6 * time.Hour}}
	if got := Explain(p, q, p.Decide(q)); got.In(
		French,
	) != "Le temps prévu pour la semaine (6 h) est épuisé. Prochaine étape : revenir lundi" ||
		got.In(English) != "The week’s time (6 h) is used up. Next step: come back on Monday" {
		t.Errorf("%q", got)
	}
}
