package evidence

import "portillon/policy"

// Why is the code of a reason why an intervention does not count.
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
	SameSession           Why = "same-session"
	NotAttested           Why = "not-attested"
	Unreadable            Why = "unreadable"
)

// Whys returns all reasons.
func Whys() []Why {
	return []Why{
		WrongKind,
		WrongMachine,
		TooOld,
		InFuture,
		ClockUntrusted,
		Duplicate,
		NotEndorsed,
		SelfEndorsed,
		NoSession,
		EndorserNotMaintainer,
		NotAssisting,
		SameSession,
		NotAttested,
		Unreadable,
	}
}

// Text returns the reason as a sentence for the member.
func (w Why) Text() policy.Text {
	switch w {
	case WrongKind:
		return policy.Text{
			FR: "Ce type d’intervention ne compte pas pour ce badge.",
			EN: "This kind of intervention does not count towards this badge.",
		}
	case WrongMachine:
		return policy.Text{FR: "Ce badge concerne une autre machine.", EN: "This badge is for another machine."}
	case TooOld:
		return policy.Text{FR: "Cette intervention est trop ancienne.", EN: "This intervention is too old."}
	case InFuture:
		return policy.Text{
			FR: "La date de cette intervention est dans le futur.",
			EN: "The date of this intervention is in the future.",
		}
	case ClockUntrusted:
		return policy.Text{
			FR: "L’horloge de la machine n’était pas réglée : l’âge de l’intervention est inconnu.",
			EN: "The machine’s clock was not set: the age of the intervention is unknown.",
		}
	case Duplicate:
		return policy.Text{FR: "Cette intervention est déjà comptée.", EN: "This intervention has been counted already."}
	case NotEndorsed:
		return policy.Text{FR: "Personne n’a attesté cette intervention.", EN: "Nobody endorsed this intervention."}
	case SelfEndorsed:
		return policy.Text{FR: "On ne peut pas attester son propre travail.", EN: "Nobody can endorse their own work."}
	case NoSession:
		return policy.Text{
			FR: "La personne qui atteste n’avait pas de session ouverte sur la machine.",
			EN: "The person who endorses it had no session open on the machine.",
		}
	case EndorserNotMaintainer:
		return policy.Text{
			FR: "La personne qui atteste ne faisait pas la maintenance avec le badge demandé.",
			EN: "The person who endorses it did not maintain the machine with the badge that is asked for.",
		}
	case NotAssisting:
		return policy.Text{
			FR: "La carte n’a pas été présentée avant l’intervention.",
			EN: "The card was not tapped before the intervention.",
		}
	case SameSession:
		return policy.Text{
			FR: "Ce type d’intervention compte une fois par session, et elle est déjà comptée.",
			EN: "This kind of intervention counts once in a session, and has been counted.",
		}
	case NotAttested:
		return policy.Text{
			FR: "L’intervention n’a pas été attestée sur place : la carte de la maintenance, puis « Attester » à l’écran.",
			EN: "The intervention was not confirmed at the machine: the endorser’s card, then “Endorse” on the screen.",
		}
	case Unreadable:
		return policy.Text{
			FR: "L’enregistrement de cette intervention est illisible.",
			EN: "The record of this intervention cannot be read.",
		}
	}
	return policy.Text{FR: "Cette intervention ne compte pas.", EN: "This intervention does not count."}
}
