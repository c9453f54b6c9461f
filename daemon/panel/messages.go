package panel

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"portillon/policy"
)

// This file contains the questions, buttons and answers of the panel; views.go contains the views of the states.

// Logged returns the thanks for a logged intervention. next names the endorser whose card is needed to endorse the
// intervention; empty: none is needed.
func Logged(name string, kind, next policy.Text) View {
	return View{Sign: SignThanks, Next: next,
		Line: policy.Text{
			FR: "Intervention notée pour " + name + " : " + kind.In(policy.French),
			EN: "Intervention logged for " + name + ": " + kind.In(policy.English),
		}}
}

// Thanked returns the thanks for a report, with the consequence for the machine. A reported danger takes the machine
// out of service: at once, or at the end of the running session.
func Thanked(name string, danger, runs bool) View {
	v := View{Sign: SignThanks, Line: policy.Text{
		FR: "Merci " + endSentence(name) + " Le problème est noté",
		EN: "Thank you, " + endSentence(name) + " The problem is noted",
	},
		Next: policy.Text{
			FR: "Un mainteneur le verra ; la machine reste disponible",
			EN: "A maintainer will see it; the machine stays available",
		}}
	switch {
	case danger && runs:
		v.Line = policy.Text{
			FR: "Merci " + endSentence(name) + " La machine s’arrête après la session en cours",
			EN: "Thank you, " + endSentence(name) + " The machine stops after this session",
		}
		v.Next = policy.Text{
			FR: "Ensuite elle est hors service, jusqu’à ce qu’un mainteneur l’ait vue",
			EN: "Then it is out of service until a maintainer has seen it",
		}
	case danger:
		v.Line = policy.Text{
			FR: "Merci " + endSentence(name) + " La machine est arrêtée et hors service",
			EN: "Thank you, " + endSentence(name) + " The machine is off and out of service",
		}
		v.Next = OnlyRelay()
	}
	return v
}

// Vouched returns the thanks to a mentor.
func Vouched(learner string) View {
	return View{Sign: SignThanks, Line: policy.Text{FR: "C’est noté pour " + learner, EN: "Noted for " + learner},
		Next: policy.Text{FR: "C’est gardé pour son prochain badge", EN: "Kept for their next badge"}}
}

// Returned returns the view of a machine that is in service again.
func Returned(name string) View {
	return View{
		Sign: SignThanks,
		Line: policy.Text{FR: "Machine remise en service par " + name, EN: "Machine returned to service by " + name},
	}
}

// StoppedForSafety returns the view after a fault has ended a session and the fault itself is over.
func StoppedForSafety(name string) View {
	return View{Sign: SignFault, Line: policy.Text{
		FR: "Session arrêtée par sécurité : " + name,
		EN: name + "’s session was stopped for safety",
	},
		Next: policy.Text{FR: "Vérifiez la pièce, puis présentez votre carte", EN: "Check the piece, then tap your card"}}
}

// TagNote returns the note about a tag on a machine that is in use: the tag takes effect after the session, or at once
// during maintenance.
func TagNote(reason policy.Text, maintained bool) policy.Text {
	fr, en := inSentence(reason.In(policy.French)), inSentence(reason.In(policy.English))
	if maintained {
		return policy.Text{FR: "Hors service : " + fr, EN: "Out of service: " + en}
	}
	return policy.Text{FR: "Hors service après cette session : " + fr, EN: "Out of service after this session: " + en}
}

// TagWaits returns the answer to a person who tags a machine while the machine is in use.
func TagWaits() policy.Text {
	return join(policy.Text{
		FR: "Noté : hors service dès la fin de la session en cours",
		EN: "Noted: out of service once the running session ends",
	}, noIsolation())
}

// Tagged returns the answer, on a phone, to a person who tagged a machine.
func Tagged() policy.Text {
	return join(policy.Text{FR: "C’est noté", EN: "It is written down"}, noIsolation())
}

// TagPending returns the answer to a person who tags a machine from the office.
func TagPending(machine policy.MachineID, tag string) policy.Text {
	return join(policy.Text{FR: fmt.Sprintf("Noté : la machine %s sera hors service dès que le hub l’aura jointe "+
		"(étiquette %s)", machine, tag),
		EN: fmt.Sprintf("Noted: %s will be out of service once the hub has reached it (tag "+
			"%s)", machine, tag)}, noIsolation())
}

// noIsolation returns the warning of OnlyRelay for a tag that takes effect later: until then the relay may be closed.
func noIsolation() policy.Text {
	return policy.Text{FR: "Une mise hors service n’ouvre que le relais : débrancher, ou cadenasser l’interrupteur " +
		"principal, avant d’y mettre les mains",
		EN: "A tag only opens the relay: unplug the machine, or lock its main switch, before putting hands in"}
}

// These functions return the answers to a touch.
var (
	NotNow = Refusal{
		FR: "Ce n’est plus possible : présentez à nouveau votre carte",
		EN: "That is no longer possible: tap your card again",
	}
	CardFirst = Refusal{
		FR: "Présentez d’abord votre carte, puis touchez à nouveau",
		EN: "Tap your card first, then touch again",
	}
	AnotherCardTapped = Refusal{
		FR: "Une autre carte a été présentée entre-temps : présentez à nouveau votre carte",
		EN: "Another card was tapped meanwhile: tap your card again",
	}
	OnlyHere = Refusal{FR: "Cela se fait à l’écran de la machine", EN: "That is done at the machine’s own screen"}
	TooMany  = Refusal{
		FR: "Cinq problèmes viennent d’être notés : parlez-en à un mainteneur",
		EN: "Five problems were noted just now: talk to a maintainer",
	}
	CardToReport = Refusal{
		FR: "Présentez votre carte pour signaler un problème. La machine ne change pas d’état",
		EN: "Tap your card to report a problem. The machine stays as it is",
	}
	// CardToReportInUse replaces CardToReport while the machine is in use: the user's own card ends their session as
	// usual.
	CardToReportInUse = Refusal{FR: "Présentez votre carte pour signaler un problème. La carte de la personne qui " +
		"utilise la machine l’arrête",
		EN: "Tap your card to report a problem. The card of whoever uses the machine stops it"}
	FormOver = Refusal{
		FR: "Ce formulaire a déjà servi, ou a expiré : présentez à nouveau votre carte",
		EN: "This form has been used, or is too old: tap your card again",
	}
	ChooseFromList = Refusal{FR: "Choisissez une réponse de la liste", EN: "Choose an answer from the list"}
	NotSaved       = Refusal{
		FR: "La machine ne peut plus rien enregistrer : rien n’est noté. Prévenir la maintenance",
		EN: "The machine can no longer record anything: nothing is written down. Tell a maintainer",
	}
)

// These functions return the answers to pages and phones away from the machine.
var (
	ScanCode = Refusal{FR: "Les formulaires s’ouvrent à l’écran de la machine : présentez-y votre carte, puis " +
		"lisez le code affiché avec ce téléphone",
		EN: "Forms open at the machine’s own screen: tap your card there, then read the code that it shows with this phone"}
	NoScreen = Refusal{FR: "Cette machine n’a pas d’écran, et ne prend pas de formulaire d’ailleurs : prévenir la " +
		"maintenance",
		EN: "This machine has no screen, and takes no form from elsewhere: tell a maintainer"}
	TooManyForms = Refusal{
		FR: "Trop de formulaires sont ouverts sur cette machine : réessayez dans dix minutes",
		EN: "Too many forms are open at this machine: try again in ten minutes",
	}
	TooManyWait = Refusal{
		FR: "D’autres formulaires attendent déjà une carte : confirmez-les d’abord à la machine",
		EN: "Other forms wait for a card already: confirm them at the machine first",
	}
)

// FormWaits returns the answer to a phone whose form is not valid until its member confirms it.
func FormWaits() policy.Text {
	return policy.Text{FR: "C’est reçu, pas encore noté. Pour le confirmer dans les dix minutes : présentez votre " +
		"carte à la machine, puis touchez « Confirmer » à son écran",
		EN: "Received, not written down yet. To confirm it within ten minutes: tap your card at the machine, then " +
			"touch “Confirm” at its screen"}
}

// ReportWaits returns the answer to a phone that reported a problem: the report was stored unsigned, and the machine
// was not stopped.
func ReportWaits(danger bool) policy.Text {
	if danger {
		return policy.Text{FR: "C’est noté, sans signature, et la machine n’est pas arrêtée. Pour l’arrêter : l’arrêt " +
			"d’urgence, ou présentez votre carte à la machine, puis touchez « Confirmer » à son écran",
			EN: "Written down, unsigned, and the machine is not stopped. To stop it: the emergency stop, or tap your " +
				"card at the machine, then touch “Confirm” at its screen"}
	}
	return policy.Text{FR: "Merci, c’est noté, sans signature. Pour le signer dans les dix minutes : présentez " +
		"votre carte à la machine, puis touchez « Confirmer » à son écran",
		EN: "Thank you, it is written down, unsigned. To sign it within ten minutes: tap your card at the machine, " +
			"then touch “Confirm” at its screen"}
}

// Unconfirmed returns the note that the panel shows while a form from a phone waits for its member's card.
func Unconfirmed(name string) policy.Text {
	return policy.Text{
		FR: "Formulaire envoyé d’un téléphone. " + name + " : présentez votre carte pour le confirmer",
		EN: "Form sent from a phone. " + name + ": tap your card to confirm it",
	}
}

// NotConfirmed returns the note that the panel shows after a form was not confirmed in time.
func NotConfirmed() policy.Text {
	return policy.Text{
		FR: "Un formulaire envoyé d’un téléphone n’a pas été confirmé : il n’est pas noté",
		EN: "A form sent from a phone was not confirmed: it is not written down",
	}
}

// DangerUnsigned returns the note about a danger reported from a phone and not confirmed by anyone.
func DangerUnsigned() policy.Text {
	return policy.Text{
		FR: "Danger signalé d’un téléphone, non confirmé : vérifiez la machine avant de l’utiliser",
		EN: "Danger reported from a phone, not confirmed: check the machine before you use it",
	}
}

// ConfirmQuestion returns the question to a member about the form sent from a phone.
func ConfirmQuestion(name string) policy.Text {
	return policy.Text{
		FR: name + ", confirmer ce qui a été envoyé d’un téléphone ?",
		EN: name + ", confirm what was sent from a phone?",
	}
}

// OfferConfirm returns the button that confirms the form id in the member's name. The text what names the content of
// the form. minutes is the logged duration of the work, 0 if no duration was logged.
func OfferConfirm(id string, what policy.Text, minutes int) Offer {
	long := ""
	if minutes > 0 {
		long = fmt.Sprintf(" (%d min)", minutes)
	}
	return Offer{
		Do:    "confirm",
		Arg:   id,
		Label: policy.Text{FR: "Confirmer : " + lower(what.FR) + long, EN: "Confirm: " + lower(what.EN) + long},
	}
}

// OfferDeny returns the button that discards the form.
func OfferDeny(id string) Offer {
	return Offer{Do: "deny", Arg: id, Label: policy.Text{FR: "Ce n’est pas de moi", EN: "Not mine"}}
}

// CallMentor returns the request that the mentor present their card, after the mentor's learner has ended the session.
func CallMentor(mentor, learner string) policy.Text {
	return policy.Text{
		FR: mentor + " : présentez votre carte pour dire ce que " + learner + " a réussi",
		EN: mentor + ": tap your card to say what " + learner + " did well",
	}
}

// VouchQuestion returns the question to a mentor about a learner's skills.
func VouchQuestion(mentor, learner string) policy.Text {
	return policy.Text{
		FR: mentor + ", qu’est-ce que " + learner + " a réussi ?",
		EN: mentor + ", what did " + learner + " do well?",
	}
}

// InterventionQuestion returns the question to a maintainer, or to the member who worked under the maintainer's
// supervision.
func InterventionQuestion(name string) policy.Text {
	return policy.Text{FR: name + ", qu’est-ce qui a été fait ?", EN: name + ", what was done?"}
}

// ReportQuestion returns the question to a member who reports a problem.
func ReportQuestion(name string) policy.Text {
	return policy.Text{FR: name + ", quel est le problème ?", EN: name + ", what is wrong?"}
}

// TagQuestion returns the question to a maintainer who tags the machine.
func TagQuestion(name string) policy.Text {
	return policy.Text{FR: name + ", pourquoi mettre hors service ?", EN: name + ", why take it out of service?"}
}

// ProblemName returns a problem's name for people. An unknown problem is returned unchanged.
func ProblemName(what string) policy.Text {
	switch what {
	case "noise":
		return policy.Text{FR: "Bruit inhabituel", EN: "Unusual noise"}
	case "poor-result":
		return policy.Text{FR: "Mauvais résultat", EN: "Poor result"}
	case "broken":
		return policy.Text{FR: "Panne", EN: "Breakdown"}
	case "dangerous":
		return policy.Text{FR: "Danger", EN: "Danger"}
	}
	return policy.Text{FR: what, EN: what}
}

// MaintenanceNote returns the note that maintenance is overdue if over is set, or else that it will be due after left.
// hours reports whether left is running time of the machine, and not calendar time.
func MaintenanceNote(kind policy.Text, over, hours bool, left time.Duration) policy.Text {
	fr, en := lower(kind.In(policy.French)), lower(kind.In(policy.English))
	if over {
		return policy.Text{FR: "Entretien à faire : " + fr, EN: "Maintenance due: " + en}
	}
	n, unit := ceil(left, 24*time.Hour), policy.Text{FR: "j", EN: "d"}
	if hours {
		n, unit = ceil(left, time.Hour), policy.Text{FR: "h de marche", EN: "h of running"}
	}
	return policy.Text{
		FR: fmt.Sprintf("Entretien bientôt : %s (%d %s)", fr, n, unit.FR),
		EN: fmt.Sprintf("Maintenance soon: %s (%d %s)", en, n, unit.EN),
	}
}

// MaintenanceTagReason returns the reason of the tag with which a machine takes itself out of service.
func MaintenanceTagReason(kind policy.Text) policy.Text {
	return policy.Text{
		FR: "Entretien à faire (" + lower(kind.In(policy.French)) + ")",
		EN: "Maintenance due (" + lower(kind.In(policy.English)) + ")",
	}
}

// ceil returns the number of units that d takes, rounded up.
func ceil(d, unit time.Duration) int { return int((d + unit - 1) / unit) }

// labels returns the beginnings of those reasons whose text comes from this program or from the policy, and was not
// typed by a person.
func labels() []policy.Text {
	out := []policy.Text{MaintenanceTagReason(policy.Text{})}
	for _, what := range []string{"noise", "poor-result", "broken", "dangerous"} {
		out = append(out, ProblemName(what))
	}
	return out
}

// inSentence returns a reason for use inside a sentence: the first letter of a label becomes a small letter. Text typed
// by a person stays unchanged, because it may begin with a name.
func inSentence(reason string) string {
	for _, l := range labels() {
		for _, s := range []string{l.FR, l.EN} {
			if s, _, _ = strings.Cut(s, " ("); strings.HasPrefix(reason, s) {
				return lower(reason)
			}
		}
	}
	return reason
}

// lower changes the first letter of a text to lower case, unless the first word is an abbreviation.
func lower(s string) string {
	r := []rune(s)
	if len(r) == 0 || len(r) > 1 && unicode.IsUpper(r[1]) {
		return s
	}
	return strings.ToLower(string(r[0])) + string(r[1:])
}

// OfferExtend returns the button that extends the session.
func OfferExtend(by time.Duration) Offer {
	n := int(by / time.Minute)
	return Offer{
		Do:    "extend",
		Label: policy.Text{FR: fmt.Sprintf("Prolonger de %d min", n), EN: fmt.Sprintf("%d more minutes", n)},
	}
}

// OfferRole returns the button that changes the member's role.
func OfferRole(r policy.Role) Offer {
	label := policy.Text{FR: "Utiliser la machine", EN: "Use the machine"}
	switch r {
	case policy.Learner:
		label = policy.Text{FR: "Apprendre", EN: "Learn"}
	case policy.Host:
		label = policy.Text{FR: "Animer un atelier", EN: "Lead a workshop"}
	case policy.Mentor:
		label = policy.Text{FR: "Encadrer quelqu’un", EN: "Supervise someone"}
	case policy.Maintainer:
		label = policy.Text{FR: "Faire la maintenance", EN: "Do maintenance"}
	}
	return Offer{Do: TakeRole, Arg: r.String(), Label: label}
}

// OfferPowerOff returns the button that opens the relay during a maintenance. The machine's supply stays live, so the
// view above the button warns that the button does not isolate the machine.
func OfferPowerOff() Offer {
	return Offer{Do: "power-off", Label: policy.Text{FR: "Arrêter la machine", EN: "Stop the machine"}}
}

// OfferLog returns the button that opens the form for an intervention.
func OfferLog() Offer {
	return Offer{Do: "log", Label: policy.Text{FR: "Noter une intervention", EN: "Log an intervention"}}
}

// OfferTag returns the button that opens the form for taking the machine out of service.
func OfferTag() Offer {
	return Offer{Do: "tag", Label: policy.Text{FR: "Mettre hors service", EN: "Take out of service"}}
}

// OfferUntag returns the button that removes one tag, by its id.
func OfferUntag(id string, reason policy.Text) Offer {
	return Offer{
		Do:  "untag",
		Arg: id,
		Label: policy.Text{
			FR: "Remettre en service (réglé : " + inSentence(reason.In(policy.French)) + ")",
			EN: "Return to service (settled: " + inSentence(reason.In(policy.English)) + ")",
		},
	}
}
