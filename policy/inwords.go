package policy

import "strings"

// frenchRoles are the roles as the panel and the hub name them, in the order of roleWords.
var frenchRoles = [...]string{"aucun rôle", "Apprentissage", "Utilisation", "Atelier", "Encadrement", "Maintenance"}

// In is the role in a sentence: in French its name, in English the word of the policy file.
func (r Role) In(l Language) string {
	return Text{FR: word(frenchRoles[:], int(r)), EN: r.String()}.In(l)
}

// frenchTimes are the days of times such as "Mo-Fr 09:00-21:00", which have no other letters.
var frenchTimes = [...]string{"Mo", "lun.", "Tu", "mar.", "We", "mer.", "Th", "jeu.", "Fr", "ven.", "Sa", "sam.", "Su", "dim."}

// timesIn are times in a sentence: in French with French days, in English as the policy file has them.
func timesIn(times string, l Language) string {
	return Text{FR: strings.NewReplacer(frenchTimes[:]...).Replace(times), EN: times}.In(l)
}
