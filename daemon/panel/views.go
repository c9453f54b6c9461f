package panel

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"portillon/policy"
)

// View is the content of the panel for a member: one sign, one sentence, one next step. The zero View means that the
// reader does not answer.
type View struct {
	Sign  Sign        `json:"sign"`
	Line  policy.Text `json:"line"`
	Next  policy.Text `json:"next"`
	Until time.Time   `json:"until,omitzero"` // time at which the countdown ends
	Since time.Time   `json:"since,omitzero"` // time at which the countdown began
	Role  policy.Text `json:"role,omitzero"`  // the member's present role, shown as a caption

	Offers  []Offer  `json:"offers,omitempty"` // the available buttons
	Visitor *Visitor `json:"desk,omitempty"`   // the person who tapped last, as long as the tap is valid
	// A note that the panel shows at the bottom, for instance about the journal.
	Note policy.Text `json:"note"`
}

// equal reports whether two views show the same content. reflect.DeepEqual is not used, because it would add 30 KB to
// the daemon. A test changes each field in turn, so that equal compares every field.
func (v View) equal(o View) bool {
	return v.Sign == o.Sign && v.Line == o.Line && v.Next == o.Next && v.Until == o.Until && v.Since == o.Since &&
		v.Role == o.Role && v.Note == o.Note && slices.Equal(v.Offers, o.Offers) && v.Visitor.equal(o.Visitor)
}

// Visitor is the person who tapped last, and the question to that person.
type Visitor struct {
	Name   string    `json:"name"`
	Until  time.Time `json:"until"`
	At     uint64    `json:"at"`               // number of this tap; a touch must contain the same number
	Report bool      `json:"report,omitempty"` // true if the person tapped in order to report a problem
	// Question is the kind of question. With log, the question is which of Items was done; with vouch, which skills the
	// learner showed; with confirm and attest, Offers contains the possible answers.
	Question Action      `json:"ask,omitempty"`
	Line     policy.Text `json:"line,omitzero"`
	Items    []Choice    `json:"items,omitempty"`
}

// equal reports whether two visitors show the same content. A nil visitor means that nobody is at the machine.
func (v *Visitor) equal(o *Visitor) bool {
	if v == nil || o == nil {
		return v == o
	}
	return v.Name == o.Name && v.Until == o.Until && v.At == o.At && v.Report == o.Report &&
		v.Question == o.Question && v.Line == o.Line && slices.Equal(v.Items, o.Items)
}

// Sign is the state's shape on the screen. Two states never differ by colour alone.
type Sign string

const (
	SignReaderSilent Sign = ""            // the reader does not answer; the shape is a plug
	SignReady        Sign = "ready"       // waiting for a card
	SignOn           Sign = "on"          // a session runs
	SignSupervised   Sign = "supervised"  // a supervised session runs
	SignEnding       Sign = "ending"      // the session ends soon
	SignFinishing    Sign = "finishing"   // the job finishes after its session
	SignCooling      Sign = "cooling"     // the extraction runs after a session
	SignAwaiting     Sign = "awaiting"    // waiting for a mentor's card
	SignRefused      Sign = "refused"     // the member is refused
	SignUnknown      Sign = "unknown"     // the card is unknown
	SignTagged       Sign = "tagged"      // out of service
	SignMaintenance  Sign = "maintenance" // a maintenance is in progress
	SignFault        Sign = "fault"       // a fault holds the machine off
	SignWorkshop     Sign = "workshop"    // a workshop for a group is in progress
	SignClockNotSet  Sign = "clock"       // the time is not trusted
	SignReading      Sign = "reading"     // a card was read, and the answer is pending
	SignThanks       Sign = "thanks"      // thanks for a recorded entry
	SignExpired      Sign = "expired"     // the member is refused because a badge has expired
	SignHours        Sign = "hours"       // the member is refused because the machine is outside its opening hours
	SignRecent       Sign = "recent"      // the member is refused because of too little recent practice
	SignOccupied     Sign = "occupied"    // another member uses the machine
	SignPoweredOff   Sign = "dark"        // a maintenance is in progress, and the relay is open
)

// Clock formats times for the site's members.
type Clock struct{ Zone *time.Location }

func (c Clock) hour(t time.Time) policy.Text {
	if c.Zone != nil {
		t = t.In(c.Zone)
	}
	return policy.Text{
		FR: fmt.Sprintf("%d h %02d", t.Hour(), t.Minute()),
		EN: fmt.Sprintf("%d:%02d", t.Hour(), t.Minute()),
	}
}

func (c Clock) day(t time.Time) policy.Text {
	if c.Zone != nil {
		t = t.In(c.Zone)
	}
	months := [...]string{
		"janv.",
		"févr.",
		"mars",
		"avr.",
		"mai",
		"juin",
		"juil.",
		"août",
		"sept.",
		"oct.",
		"nov.",
		"déc.",
	}
	d := strconv.Itoa(t.Day())
	if t.Day() == 1 {
		d = "1er"
	}
	return policy.Text{FR: d + " " + months[t.Month()-1], EN: t.Format("2 Jan")}
}

// endSentence ends a sentence after a name. A name that already ends in a full stop, such as «Léa M.», gets no second
// full stop.
func endSentence(name string) string {
	if strings.HasSuffix(name, ".") {
		return name
	}
	return name + "."
}

// Ready returns the view that asks for a card.
func Ready() View {
	return View{Sign: SignReady, Line: policy.Text{FR: "Présentez votre carte", EN: "Tap your card"}}
}

// OneMoment returns the view between the reading of a card and the answer.
func OneMoment() View {
	return View{Sign: SignReading, Line: policy.Text{FR: "Un instant…", EN: "One moment…"}}
}

// ClockNotSet returns the view while the time is not trusted. If only is true, only maintainers can start a session
// until the clock is set.
func ClockNotSet(only bool) View {
	v := View{Sign: SignClockNotSet, Line: policy.Text{
		FR: "L’horloge de la machine n’est pas encore réglée",
		EN: "The clock is not set yet",
	},
		Next: policy.Text{
			FR: "Présentez votre carte : certains badges seront peut-être refusés",
			EN: "Tap your card: some badges may be refused",
		}}
	if only {
		v.Next = policy.Text{FR: "Seuls les mainteneurs peuvent démarrer", EN: "Only maintainers can start"}
	}
	return v
}

// Workshop returns the view of a workshop for a group, with its leader.
func (c Clock) Workshop(name string, since, until time.Time) View {
	v := View{Sign: SignWorkshop, Since: since, Until: until, Next: tapAgain,
		Line: policy.Text{FR: "Atelier animé par " + name, EN: "Workshop led by " + name}}
	v.Line = c.upTo(v.Line, until)
	return v
}

// On returns the view of a running session. If until is zero, the session has no time limit.
func (c Clock) On(name string, since, until time.Time) View {
	v := View{Sign: SignOn, Since: since, Until: until,
		Line: policy.Text{FR: "Bonjour " + endSentence(name) + " Machine en marche",
			EN: "Hello " + endSentence(name) + " Machine on"},
		Next: tapAgain}
	v.Line = c.upTo(v.Line, until)
	return v
}

// Supervised returns the view of a session with the member and the supervising mentor.
func (c Clock) Supervised(name, mentor string, since, until time.Time) View {
	v := View{Sign: SignSupervised, Since: since, Until: until,
		Line: policy.Text{FR: name + " avec " + mentor + " (mentor)", EN: name + ", supervised by " + mentor},
		Next: policy.Text{
			FR: "Pour terminer, carte : " + name + " ou " + mentor,
			EN: "To end: " + name + "’s or " + mentor + "’s card",
		}}
	v.Line = c.upTo(v.Line, until)
	return v
}

var tapAgain = policy.Text{FR: "Pour terminer : présentez la même carte", EN: "To end: tap the same card"}

func (c Clock) upTo(line policy.Text, until time.Time) policy.Text {
	if until.IsZero() {
		return line
	}
	h := c.hour(until)
	return policy.Text{FR: line.FR + " jusqu’à " + h.FR, EN: line.EN + " until " + h.EN}
}

// Ending returns the warning that the session ends soon. If more is true, the member may extend the session.
func (c Clock) Ending(now, until time.Time, more bool) View {
	left := max(int(until.Sub(now).Round(time.Minute)/time.Minute), 1)
	v := View{Sign: SignEnding, Until: until,
		Line: policy.Text{FR: fmt.Sprintf("Encore %d min", left), EN: fmt.Sprintf("%d min left", left)},
		Next: policy.Text{
			FR: "Terminez le travail : la machine s’arrête ensuite",
			EN: "Finish the work: the machine stops then",
		}}
	if more {
		v.Next = policy.Text{FR: "Pour prolonger : touchez ci-dessous", EN: "For more time: touch below"}
	}
	return v
}

// Finishing returns the view while a job finishes after the session's end.
func Finishing() View {
	return View{
		Sign: SignFinishing,
		Line: policy.Text{
			FR: "Le travail en cours se termine, puis la machine s’arrête",
			EN: "The job will finish, then the machine stops",
		},
	}
}

// Cooling returns the view while the extraction continues to run after a session.
func (c Clock) Cooling(now, until time.Time) View {
	left := max(int((until.Sub(now)+time.Minute-1)/time.Minute), 1)
	return View{Sign: SignCooling, Until: until, Since: now,
		Line: policy.Text{
			FR: fmt.Sprintf("Extraction en marche encore %d min", left),
			EN: fmt.Sprintf("Extraction running for %d more min", left),
		},
		Next: policy.Text{FR: "La machine est libre : présentez une carte", EN: "The machine is free: tap a card"}}
}

// Awaiting returns the request for a mentor's card. today contains the names of mentors who tapped here today.
func Awaiting(name string, since, until time.Time, today []string) View {
	v := View{Sign: SignAwaiting, Since: since, Until: until,
		Line: policy.Text{
			FR: name + " peut utiliser la machine avec un mentor",
			EN: name + " can use the machine with a mentor",
		},
		Next: policy.Text{FR: "Mentor : présentez votre carte", EN: "Mentor: tap your card"}}
	v.Next = WithNames(v.Next, today)
	return v
}

// WithNames adds to the next step the names of people who tapped here today and can help.
func WithNames(next policy.Text, names []string) policy.Text {
	if len(names) == 0 {
		return next
	}
	all := strings.Join(names[:min(len(names), 3)], ", ")
	return policy.Text{FR: next.FR + " (aujourd’hui : " + all + ")", EN: next.EN + " (today: " + all + ")"}
}

// NoMentorCame returns the view after a learner has waited and no mentor has tapped in time.
func NoMentorCame(name string) View {
	return View{Sign: SignRefused,
		Line: policy.Text{FR: "Aucun mentor n’a répondu pour " + name, EN: "No mentor has answered for " + name},
		Next: policy.Text{
			FR: "Prochaine étape : revenir avec un mentor, puis présenter les deux cartes",
			EN: "Next step: come back with a mentor, and tap both cards",
		}}
}

// Refused returns a refusal, with what is missing (fact) and what to do (next). Both sentences come from the policy.
// why is the code of the reason.
func Refused(why policy.Code, fact, next policy.Text) View {
	v := View{Sign: SignRefused, Line: fact, Next: next}
	switch why {
	case policy.BadgeExpired, policy.MembershipLapsed:
		v.Sign = SignExpired
	case policy.NotRecent:
		v.Sign = SignRecent
	case policy.OutsideHours:
		v.Sign = SignHours
		if v.Next == (policy.Text{}) {
			v.Next = policy.Text{FR: "Prochaine étape : revenir à ce moment-là", EN: "Next step: come back then"}
		}
	case policy.ClockUntrusted:
		v.Sign = SignClockNotSet
	case policy.TaggedOut:
		v.Sign = SignTagged
	}
	return v
}

// Unknown returns the view for an unknown card, with the code by which an administrator finds the card. The code is not
// the card's number.
func Unknown(code string) View {
	if code == "" {
		return View{
			Sign: SignUnknown,
			Line: policy.Text{FR: "Carte inconnue", EN: "Unknown card"},
			Next: policy.Text{FR: "Prochaine étape : l’accueil", EN: "Next step: the desk"},
		}
	}
	return View{Sign: SignUnknown, Line: policy.Text{
		FR: "Carte inconnue : code " + code,
		EN: "Unknown card: code " + code,
	},
		Next: policy.Text{FR: "Prochaine étape : donner ce code à l’accueil", EN: "Next step: give this code to the desk"}}
}

// Unreadable returns the answer to a card whose number is not usable. If random is true, the card sends a different
// number at each tap.
func Unreadable(random bool) View {
	v := View{Sign: SignUnknown, Line: policy.Text{FR: "Carte illisible ici", EN: "Card not readable here"},
		Next: policy.Text{FR: "Prochaine étape : une autre carte, ou l’accueil", EN: "Next step: another card, or the desk"}}
	if random {
		v.Next = policy.Text{
			FR: "Le numéro d’un téléphone change à chaque fois : présentez une carte",
			EN: "A phone’s number changes each time: tap a card",
		}
	}
	return v
}

// Occupied returns the answer to a member's card while another member uses the machine.
func Occupied(name string) View {
	return View{Sign: SignOccupied,
		Line: policy.Text{FR: "La machine est occupée par " + name, EN: "The machine is in use by " + name},
		Next: policy.Text{
			FR: "Prochaine étape : attendre la fin de la session",
			EN: "Next step: wait for the session to end",
		}}
}

// TaggedOut returns the view of a machine out of service, with the reason and the role of the person who tagged it. If
// since is zero, the view leaves out the day. The role NoRole means that the office or the machine itself added the
// tag.
func (c Clock) TaggedOut(since time.Time, reason policy.Text, by policy.Role) View {
	line := policy.Text{FR: "Hors service", EN: "Out of service"}
	if !since.IsZero() {
		d := c.day(since)
		line = policy.Text{FR: line.FR + " depuis le " + d.FR, EN: line.EN + " since " + d.EN}
	}
	if reason != (policy.Text{}) {
		line = policy.Text{
			FR: line.FR + " : " + inSentence(reason.In(policy.French)),
			EN: line.EN + ": " + inSentence(reason.In(policy.English)),
		}
	}
	v := View{Sign: SignTagged, Since: since, Line: line,
		Next: join(policy.Text{FR: "Attendre la remise en service", EN: "Wait until it is returned to service"}, OnlyRelay())}
	switch {
	case by == policy.Maintainer:
		v.Next = join(policy.Text{
			FR: "Mise hors service par la maintenance",
			EN: "Taken out of service by maintenance",
		}, OnlyRelay())
	case by != policy.NoRole:
		v.Next = join(policy.Text{FR: "Signalé par un membre", EN: "Reported by a member"}, OnlyRelay())
	}
	return v
}

// OnlyRelay returns the warning that an open relay does not isolate the machine: the terminals before the relay stay
// live. A machine is safe to work on when it is unplugged, or its main switch is off and padlocked (EN 60204-1, 5.3 and
// 5.4).
func OnlyRelay() policy.Text {
	return policy.Text{FR: "Seul le relais est ouvert : débrancher, ou cadenasser l’interrupteur principal, avant " +
		"d’y mettre les mains",
		EN: "Only the relay is open: unplug the machine, or lock its main switch, before putting hands in"}
}

// join joins two sentences with a space, in each language.
func join(a, b policy.Text) policy.Text {
	return policy.Text{FR: a.FR + ". " + b.FR, EN: a.EN + ". " + b.EN}
}

// Maintenance returns the view of a maintenance with its maintainer and an optional helper. The machine is still
// powered, so the next step warns that the button OfferPowerOff does not disconnect the machine from its supply.
func Maintenance(name, helper string) View {
	v := View{Sign: SignMaintenance,
		Line: policy.Text{
			FR: "Maintenance par " + endSentence(name) + " Machine sous tension",
			EN: "Maintenance by " + endSentence(name) + " Machine powered",
		},
		Next: join(stopOpens(), policy.Text{
			FR: "Pour aider : présentez votre carte. Pour terminer, carte : " + name,
			EN: "To help: tap your card. To end: " + name + "’s card",
		})}
	if helper != "" {
		v.Line = policy.Text{
			FR: "Maintenance par " + helper + " avec " + endSentence(name) + " Machine sous tension",
			EN: "Maintenance by " + helper + ", supervised by " + endSentence(name) + " Machine powered",
		}
		v.Next = join(stopOpens(), policy.Text{FR: "Pour terminer, carte : " + name, EN: "To end: " + name + "’s card"})
	}
	return v
}

// stopOpens returns the warning of OnlyRelay for a machine that is still powered.
func stopOpens() policy.Text {
	return policy.Text{FR: "L’arrêt n’ouvre que le relais : débrancher, ou cadenasser l’interrupteur principal, " +
		"avant d’y mettre les mains",
		EN: "Stopping only opens the relay: unplug the machine, or lock its main switch, before putting hands in"}
}

// PoweredOff returns the view of a maintenance during which the relay is open.
func PoweredOff(name string) View {
	return View{Sign: SignPoweredOff,
		Line: policy.Text{
			FR: "Machine arrêtée. Débrancher avant d’ouvrir. Maintenance par " + name,
			EN: "Machine off. Unplug before opening. Maintenance by " + name,
		},
		Next: policy.Text{FR: "Seul le relais est ouvert. Sans prise : cadenasser l’interrupteur principal. Pour " +
			"rendre la machine, carte : " + name,
			EN: "Only the relay is open. No plug: lock the main switch. To give the machine back: " + name + "’s card"}}
}

// Fault returns the view after a fault has stopped the machine, with the next step.
func Fault(what string) View {
	v := View{Sign: SignFault, Next: policy.Text{FR: "Prévenir la maintenance", EN: "Tell a maintainer"}}
	switch what {
	case "e-stop":
		v.Line = policy.Text{
			FR: "Arrêt d’urgence enclenché : la machine est arrêtée",
			EN: "Emergency stop pressed: the machine is off",
		}
		v.Next = policy.Text{
			FR: "Écartez le danger, puis déverrouillez l’arrêt d’urgence",
			EN: "Clear the danger, then release the emergency stop",
		}
	case "guard-lost":
		v.Line = policy.Text{
			FR: "Arrêt de sécurité : la commande de la machine ne répond plus",
			EN: "Stopped for safety: the machine’s control does not answer",
		}
	case "door":
		v.Line = policy.Text{FR: "La porte est ouverte : la machine est arrêtée", EN: "The door is open: the machine is off"}
		v.Next = policy.Text{FR: "Fermez la porte, puis présentez votre carte", EN: "Close the door, then tap your card"}
	case "contactor":
		// A machine with a welded contactor stays powered even when the relay is open.
		v.Line = policy.Text{
			FR: "Défaut électrique détecté : la machine peut être encore sous tension",
			EN: "Electrical fault: the machine may still be live",
		}
		v.Next = policy.Text{FR: "Restez à distance. Débranchez la machine ou coupez son interrupteur principal, puis " +
			"prévenez la maintenance",
			EN: "Keep away. Unplug the machine or switch its main switch off, then tell a maintainer"}
	case "runs":
		v.Line = policy.Text{
			FR: "La machine tourne sans autorisation : personne ne peut démarrer",
			EN: "The machine runs though nobody may use it: nobody can start",
		}
		v.Next = policy.Text{
			FR: "Arrêtez la machine, puis prévenez la maintenance",
			EN: "Stop the machine, then tell a maintainer",
		}
	default:
		v.Line = policy.Text{FR: "La machine est arrêtée par sécurité", EN: "The machine is stopped for safety"}
	}
	return v
}

// ReaderSilent returns the view of a machine whose reader does not answer. The zero View shows the same content.
func ReaderSilent(running bool) View {
	v := View{Line: policy.Text{FR: "Le lecteur de cartes ne répond pas", EN: "The card reader does not answer"},
		Next: policy.Text{FR: "Prévenir la maintenance", EN: "Tell a maintainer"}}
	if running {
		v.Next = policy.Text{FR: "La session en cours continue", EN: "The running session goes on"}
	}
	return v
}

// CannotRecord returns the view when no session can start because the journal cannot be written.
func CannotRecord() View {
	return View{Sign: SignFault,
		Line: policy.Text{
			FR: "La machine ne peut plus rien enregistrer : elle ne démarre pas",
			EN: "The machine can no longer record anything: it does not start",
		},
		Next: policy.Text{FR: "Prévenir la maintenance", EN: "Tell a maintainer"}}
}

// TooSlow returns the view that refuses a start because the start was recorded so late that the member may have left.
func TooSlow() View {
	return View{Sign: SignRefused,
		Line: policy.Text{
			FR: "La machine a mis trop de temps à enregistrer le démarrage",
			EN: "The machine took too long to write the start down",
		},
		Next: policy.Text{FR: "Présentez à nouveau votre carte", EN: "Tap your card again"}}
}

// StillStopping returns the view that refuses a start while the machine's contactor may still be closed.
func StillStopping() View {
	return View{Sign: SignRefused,
		Line: policy.Text{FR: "La machine n’a pas fini de s’arrêter", EN: "The machine has not quite stopped yet"},
		Next: policy.Text{
			FR: "Présentez à nouveau votre carte, ou voyez un mainteneur",
			EN: "Tap your card again, or see a maintainer",
		}}
}

// AccessWithdrawn returns the view after a session was ended because the site's new members' list does not contain the
// responsible member, or blocks their card.
func AccessWithdrawn() View {
	return View{Sign: SignRefused,
		Line: policy.Text{
			FR: "La session s’arrête : l’accès vient d’être retiré par le lieu",
			EN: "The session ends: the site has just withdrawn access",
		},
		Next: policy.Text{FR: "Parlez-en à l’accueil", EN: "Talk to the desk"}}
}

// NoPolicy returns the view of a machine without a bundle.
func NoPolicy() View {
	return View{Sign: SignFault,
		Line: policy.Text{
			FR: "La machine n’a pas encore reçu la liste des membres",
			EN: "The machine has not received the members’ list yet",
		},
		Next: policy.Text{FR: "Prévenir l’accueil", EN: "Tell the desk"}}
}

// RoleName returns a role's name for members.
func RoleName(r policy.Role) policy.Text {
	switch r {
	case policy.Learner:
		return policy.Text{FR: "Apprentissage", EN: "Learning"}
	case policy.User:
		return policy.Text{FR: "Utilisation", EN: "Use"}
	case policy.Host:
		return policy.Text{FR: "Atelier", EN: "Workshop"}
	case policy.Mentor:
		return policy.Text{FR: "Encadrement", EN: "Mentoring"}
	case policy.Maintainer:
		return policy.Text{FR: "Maintenance", EN: "Maintenance"}
	}
	return policy.Text{FR: "Aucun", EN: "None"}
}

// tellMaintenance is the next step that the panel shows if only a maintainer can help.
var tellMaintenance = policy.Text{FR: "Prévenir la maintenance", EN: "Tell a maintainer"}
