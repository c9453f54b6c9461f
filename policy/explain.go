package policy

import (
	"slices"
	"strconv"
	"strings"
)

// Sentence is the text that the member reads: a fact and a next step. Neither part ends with a full stop.
type Sentence struct {
	Fact Text `json:"fact"`
	Next Text `json:"next"`
}

// In returns both parts in one language.
func (s Sentence) In(l Language) string {
	if next := s.Next.In(l); next != "" {
		return s.Fact.In(l) + ". " + next
	}
	return s.Fact.In(l)
}

// Explain returns the sentence that tells the member the answer of p to q. If several things are missing, the sentence
// names the reason that stops everyone or else the reason that is hardest to remedy. The sentence names no person, and
// no role that the machine's grants do not give.
func Explain(p *Policy, q Question, d Decision) Sentence {
	s := explain(p, q, d)
	m, _ := p.Machine(q.Machine)
	return Sentence{m.Plain(s.Fact), m.Plain(s.Next)}
}

func explain(p *Policy, q Question, d Decision) Sentence {
	e := explainer{p: p, q: q, d: d, w: wording{p.Zone, q.At.In(p.Zone)}}
	switch o, _ := d.Nearest(); {
	case len(d.Outcomes) == 0:
		return unknownMachine
	case d.Verdict == Allow:
		return e.allow()
	case d.Verdict == Await:
		return e.await()
	default:
		return e.deny(o)
	}
}

type explainer struct {
	p *Policy
	q Question
	d Decision
	w wording
}

func (e explainer) allow() Sentence {
	s := Sentence{
		Fact: Text{"Machine en marche", "Machine on"},
		Next: Text{"Pour terminer : présenter la même carte", "To end: tap the same card"},
	}
	if e.d.Limits.Max > 0 && e.q.Clock == Trusted {
		until := e.w.hour(e.q.At.Add(e.d.Limits.Max))
		s.Fact = Text{s.Fact.FR + " jusqu’à " + until.FR, s.Fact.EN + " until " + until.EN}
	}
	return s
}

func (e explainer) await() Sentence {
	if e.q.Supervisor == nil {
		return Sentence{Text{"Utilisation possible avec un mentor", "Possible with a mentor"},
			Text{"Mentor : présentez votre carte", "Mentor: tap your card"}}
	}
	if o, _ := e.d.Nearest(); slices.ContainsFunc(o.Missing(), func(r Reason) bool { return r.Kind == BusySupervisor }) {
		return step(
			Text{
				"Ce mentor encadre déjà le maximum de personnes",
				"This mentor already supervises as many people as allowed",
			},
			Text{"voir un autre mentor", "see another mentor"},
		)
	}
	if o, _ := e.d.Nearest(); slices.ContainsFunc(o.Missing(), func(r Reason) bool { return r.Kind == OfLapsed }) {
		return step(Text{"L’adhésion du mentor s’est terminée", "The mentor’s membership has ended"},
			Text{"voir un autre mentor", "see another mentor"})
	}
	s := Sentence{
		Fact: Text{
			"Cette carte ne permet pas d’encadrer",
			"This card cannot supervise",
		},
		Next: Text{"Prochaine étape : voir un mentor", "Next step: see a mentor"},
	}
	if b := e.supervisorBadge(); b != "" {
		name := e.quote(b)
		s.Next = Text{
			"Prochaine étape : la carte d’un mentor qui a le badge " + name.FR,
			"Next step: the card of a mentor who holds the badge " + name.EN,
		}
	}
	return s
}

// supervisorBadge returns the badge that the mentor needs, if the need is a single badge.
func (e explainer) supervisorBadge() BadgeID {
	if g := e.grant(); g.Supervisor != nil {
		return g.Supervisor.Badge
	}
	return ""
}

// grant returns the nearest grant, or the zero Grant if another policy made the decision.
func (e explainer) grant() Grant {
	if m, ok := e.p.Machine(e.q.Machine); ok && e.d.Grant >= 0 && e.d.Grant < len(m.Grants) {
		return m.Grants[e.d.Grant]
	}
	return Grant{}
}

func (e explainer) deny(o Outcome) Sentence {
	r := foremost(o.Missing())
	switch r.Code {
	case NoBadge:
		return e.noBadge(o)
	case BadgeUnverified:
		return e.unverified(r)
	case MembershipLapsed:
		day := e.w.date(r.At)
		return step(Text{"L’adhésion s’est terminée " + day.FR, "The membership ended " + day.EN},
			Text{"la renouveler à l’accueil", "renew it at the desk"})
	case BadgeRevoked:
		return e.about(r, Text{"a été retiré par son émetteur", "was withdrawn by its issuer"},
			Text{"en parler à l’accueil", "talk to the desk"})
	case BadgeExpired:
		day := e.w.date(r.At)
		return e.about(r, Text{"a expiré " + day.FR, "expired " + day.EN},
			Text{"une séance de remise à niveau", "a refresher session"})
	case NotRecent:
		return e.notRecent(r)
	case NotEnoughHours:
		have, want := hoursOf(r.Have), hoursOf(r.Want)
		return step(
			Text{
				"Pratique sur cette machine : " + have.FR + " sur " + want.FR,
				"Practice on this machine: " + have.EN + " of " + want.EN,
			},
			Text{"continuer avec un mentor", "go on with a mentor"},
		)
	case OutsideHours:
		return e.closed(r)
	case QuotaUsed:
		return usedUp(r)
	case CardBlocked:
		if r.Kind == WeakCard {
			return step(
				Text{"Cette machine demande une carte sécurisée", "This machine asks for a secure card"},
				Text{"en demander une à l’accueil", "ask for one at the desk"},
			)
		}
		return fixed(r.Code)
	default:
		return fixed(r.Code)
	}
}

// foremost returns the reason for the member's sentence. foremost prefers a tag to a problem with a badge.
func foremost(missing []Reason) Reason {
	var out Reason
	ease := len(codeList)
	for _, r := range missing {
		e := r.Code.ease()
		if r.Code == TaggedOut {
			e = MachineFault.ease()
		}
		if e < ease {
			out, ease = r, e
		}
	}
	return out
}

// noBadge names every badge that is missing for the nearest grant.
func (e explainer) noBadge(o Outcome) Sentence {
	var fr, en []string
	for _, r := range o.Missing() {
		if name := e.quote(r.Badge); r.Code == NoBadge {
			fr, en = append(fr, name.FR), append(en, name.EN)
		}
	}
	whom := Text{"voir un mentor", "see a mentor"}
	if o.Role == Maintainer {
		whom = Text{"voir un mainteneur", "see a maintainer"}
	}
	if len(fr) == 1 {
		return step(Text{"Il manque le badge " + fr[0], "The badge " + en[0] + " is missing"}, whom)
	}
	return step(Text{"Il manque les badges " + list(fr, " et "), "The badges " + list(en, " and ") + " are missing"}, whom)
}

func list(words []string, and string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + and + words[last]
}

func (e explainer) unverified(r Reason) Sentence {
	desk := Text{"le signaler à l’accueil", "tell the desk"}
	switch r.Kind {
	case NotYet:
		day := e.w.date(r.At)
		return e.about(
			r,
			Text{
				"n’est valable qu’à partir du " + strings.TrimPrefix(day.FR, "le "),
				"is valid only from " + strings.TrimPrefix(day.EN, "on "),
			},
			Text{"revenir à cette date", "come back on that day"},
		)
	case OldStatus:
		day := e.w.date(r.At)
		return e.about(
			r,
			Text{
				"n’a pas pu être vérifié depuis " + day.FR,
				"could not be checked since " + strings.TrimPrefix(day.EN, "on "),
			},
			desk,
		)
	case WeakAssurance:
		return e.about(
			r,
			Text{"n’est pas signé : cette machine demande un badge signé", "is not signed: this machine needs a signed badge"},
			Text{"demander à l’accueil un badge signé", "ask the desk for a signed badge"},
		)
	default:
		return e.about(r, Text{"n’a pas pu être vérifié", "could not be verified"}, desk)
	}
}

func (e explainer) notRecent(r Reason) Sentence {
	want := lengthOf(r.Want)
	if r.Kind == OfAge {
		return e.about(r, Text{"a été émis il y a plus de " + want.FR, "was issued more than " + want.EN + " ago"},
			Text{"une séance de remise à niveau", "a refresher session"})
	}
	s := Sentence{Fact: Text{"Dernière utilisation il y a plus de " + want.FR, "Last used more than " + want.EN + " ago"},
		Next: Text{"Une séance avec un mentor suffit pour reprendre", "One session with a mentor is enough"}}
	if r.At.IsZero() {
		s.Fact = Text{"Aucune utilisation depuis plus de " + want.FR, "Not used for more than " + want.EN}
	}
	return s
}

// usedUp names the quota that is used up, and the time when the quota starts again.
func usedUp(r Reason) Sentence {
	want, tomorrow := hoursOf(r.Want), Text{"revenir demain", "come back tomorrow"}
	switch r.Kind {
	case OfWeek:
		return step(
			Text{
				"Le temps prévu pour la semaine (" + want.FR + ") est épuisé",
				"The week’s time (" + want.EN + ") is used up",
			},
			Text{"revenir lundi", "come back on Monday"},
		)
	case OfSessions:
		n := strconv.Itoa(r.WantSessions)
		return step(
			Text{
				"Le quota d’utilisations de la journée (" + n + ") est épuisé",
				"The day’s quota of sessions (" + n + ") is used up",
			},
			tomorrow,
		)
	}
	return step(
		Text{
			"Le temps prévu pour la journée (" + want.FR + ") est épuisé",
			"The day’s time (" + want.EN + ") is used up",
		},
		tomorrow,
	)
}

func (e explainer) closed(r Reason) Sentence {
	switch r.Kind {
	case Booked:
		until := e.w.moment(r.At)
		return step(
			Text{"La machine est réservée par quelqu’un d’autre", "The machine is booked by somebody else"},
			Text{"revenir " + until.FR, "come back " + until.EN},
		)
	case NotBooked:
		return step(
			Text{"Cette machine s’utilise sur réservation", "This machine is used by booking"},
			Text{"réserver un créneau", "book a time"},
		)
	}
	back := Text{"revenir à l’ouverture", "come back when it opens"}
	if h := e.grant().Hours; h != nil {
		if at, ok := h.Opens(e.w.now); ok {
			when := e.w.moment(at)
			return step(Text{"La machine ouvre " + when.FR, "The machine opens " + when.EN}, back)
		}
	}
	return step(Text{"La machine n’est pas ouverte à cette heure", "The machine is not open at this hour"}, back)
}

// about returns a sentence about a badge, or about the accepted badge that the member holds instead.
func (e explainer) about(r Reason, what, next Text) Sentence {
	name := e.quote(r.Badge)
	if r.Other != nil {
		issuer := e.p.issuerName(r.Other.Issuer)
		return step(Text{"Le badge de « " + issuer + " », accepté comme " + name.FR + ", " + what.FR,
			"The badge of “" + issuer + "”, accepted as " + name.EN + ", " + what.EN}, next)
	}
	return step(Text{"Le badge " + name.FR + " " + what.FR, "The badge " + name.EN + " " + what.EN}, next)
}

// quote returns the badge's name as it was issued, in the quotation marks of each language.
func (e explainer) quote(id BadgeID) Text {
	name := string(id)
	if b, ok := e.p.Badge(id); ok {
		name = b.Name.In(e.p.Language)
	}
	return Text{"« " + name + " »", "“" + name + "”"}
}

func step(fact, next Text) Sentence {
	return Sentence{fact, Text{"Prochaine étape : " + next.FR, "Next step: " + next.EN}}
}
