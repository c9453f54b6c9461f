package evidence

import "portillon/policy"

// Why is a reason for which an intervention does not count. The list is closed.
type Why string

const (
	WrongKind             Why = "wrong-kind"
	WrongMachine          Why = "wrong-machine"
	TooOld                Why = "too-old"
	InFuture              Why = "in-future"
	ClockUntrusted        Why = "clock-untrusted"
	Duplicate             Why = "duplicate"
	NotEndorsed           Why = "not-endorsed"
	SelfEndorsed          Why = "self-endorsed"
	NoSession             Why = "no-session"
	EndorserNotMaintainer Why = "endorser-not-maintainer"
	NotAssisting          Why = "not-assisting"
	Unreadable            Why = "unreadable"
)

// Whys is the closed list.
func Whys() []Why {
	return []Why{WrongKind, WrongMachine, TooOld, InFuture, ClockUntrusted, Duplicate, NotEndorsed, SelfEndorsed, NoSession,
		EndorserNotMaintainer, NotAssisting, Unreadable}
}

// Text says it to the member.
func (w Why) Text() policy.Text {
	switch w {
	case WrongKind:
		return policy.Text{FR: "Ce type d’intervention ne compte pas pour ce badge.", EN: "This kind of intervention does not count towards this badge."}
	case WrongMachine:
		return policy.Text{FR: "Ce badge concerne une autre machine.", EN: "This badge is for another machine."}
	case TooOld:
		return policy.Text{FR: "Cette intervention est trop ancienne.", EN: "This intervention is too old."}
	case InFuture:
		return policy.Text{FR: "La date de cette intervention est dans le futur.", EN: "The date of this intervention is in the future."}
	case ClockUntrusted:
		return policy.Text{FR: "L’horloge de la machine n’était pas réglée : l’âge de l’intervention est inconnu.", EN: "The machine’s clock was not set: the age of the intervention is unknown."}
	case Duplicate:
		return policy.Text{FR: "Cette intervention est déjà comptée.", EN: "This intervention has been counted already."}
	case NotEndorsed:
		return policy.Text{FR: "Personne ne s’est porté garant de cette intervention.", EN: "Nobody vouched for this intervention."}
	case SelfEndorsed:
		return policy.Text{FR: "On ne peut pas se porter garant de son propre travail.", EN: "Nobody can vouch for their own work."}
	case NoSession:
		return policy.Text{FR: "La personne garante n’avait pas de session ouverte sur la machine.", EN: "The person who vouched had no session open on the machine."}
	case EndorserNotMaintainer:
		return policy.Text{FR: "La personne garante n’était pas là comme mainteneur avec le badge demandé.", EN: "The person who vouched was not there as a maintainer with the badge that is asked for."}
	case NotAssisting:
		return policy.Text{FR: "Votre carte n’a pas été présentée avant l’intervention.", EN: "Your card was not presented before the intervention."}
	case Unreadable:
		return policy.Text{FR: "L’enregistrement de cette intervention est illisible.", EN: "The record of this intervention cannot be read."}
	}
	return policy.Text{FR: "Cette intervention ne compte pas.", EN: "This intervention does not count."}
}
