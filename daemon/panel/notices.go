package panel

import "portillon/policy"

// AlreadyRead returns the answer to a card that was read a moment ago and is now ignored.
func AlreadyRead() View {
	v := OneMoment()
	v.Line = policy.Text{FR: "Carte déjà lue", EN: "Card already read"}
	v.Next = policy.Text{
		FR: "Attendez deux secondes, puis présentez-la à nouveau",
		EN: "Wait two seconds before you tap it again",
	}
	return v
}

// JournalUnusable returns the view of a machine that nobody can use, because the machine's journal cannot be opened.
func JournalUnusable() View {
	return View{Sign: SignFault,
		Line: policy.Text{
			FR: "Les enregistrements de cette machine sont illisibles : elle reste arrêtée",
			EN: "This machine’s records cannot be read: the machine stays off",
		},
		Next: policy.Text{FR: "Prévenir la maintenance", EN: "Tell a maintainer"}}
}

// DamagedJournal returns the note of a machine that works while a part of its journal is unreadable.
func DamagedJournal() policy.Text {
	return policy.Text{FR: "Une partie des enregistrements de cette machine est illisible. Prévenir la maintenance",
		EN: "A part of this machine’s records cannot be read. Tell a maintainer"}
}

// OlderJournal returns the note of a machine whose journal differs from the hub's copy.
func OlderJournal() policy.Text {
	return policy.Text{FR: "Enregistrements plus anciens que prévu : une mise hors service manque peut-être. " +
		"Prévenir la maintenance",
		EN: "Records are older than expected: an out-of-service tag may be missing. Tell a maintainer"}
}

// OlderJournalTag returns the reason of the tag that a machine adds to itself when its journal differs from the hub's
// copy.
func OlderJournalTag() policy.Text {
	return policy.Text{
		FR: "enregistrements plus anciens que prévu, à vérifier",
		EN: "records older than expected, to be checked",
	}
}

// NewJournal returns the note of a machine with a new journal, until it has been compared with the hub's copy of the
// previous journal.
func NewJournal() policy.Text {
	return policy.Text{FR: "Enregistrements recommencés : une mise hors service ou des heures manquent peut-être. " +
		"Prévenir la maintenance",
		EN: "The records began anew: an out-of-service tag or hours may be missing. Tell a maintainer"}
}

// NewJournalTag returns the reason of the tag that a machine with a new journal adds to itself.
func NewJournalTag() policy.Text {
	return policy.Text{FR: "enregistrements recommencés, à vérifier", EN: "the records began anew, to be checked"}
}

// VerifyingList returns the view while the machine verifies the badges of a members' list for the first time.
func VerifyingList() View {
	return View{Sign: SignFault,
		Line: policy.Text{
			FR: "La machine vérifie les badges de la liste des membres",
			EN: "The machine is verifying the badges of the members’ list",
		},
		Next: policy.Text{FR: "Réessayez dans quelques minutes", EN: "Try again in a few minutes"}}
}

// DamagedList returns the view when the members' list on the machine is damaged and no earlier list is usable.
func DamagedList() View {
	return View{Sign: SignFault,
		Line: policy.Text{
			FR: "La liste des membres est endommagée sur cette machine",
			EN: "The members’ list on this machine is damaged",
		},
		Next: policy.Text{FR: "Prévenir l’accueil", EN: "Tell the desk"}}
}

// EarlierList returns the note of a machine that uses an earlier members' list, because the current one is damaged.
func EarlierList() policy.Text {
	return policy.Text{FR: "Liste des membres endommagée : la machine utilise la précédente. Prévenir l’accueil",
		EN: "The members’ list is damaged: the machine uses the one before. Tell the desk"}
}

// RecordsKept returns the note that a machine stores its records because the hub does not acknowledge them. The note is
// brief, because people at the machine need to do nothing.
func RecordsKept() policy.Text {
	return policy.Text{FR: "Enregistrements gardés ici, envoyés plus tard", EN: "Records kept here, sent later"}
}
