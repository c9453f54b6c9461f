package policy

import "strings"

// frenchRoles are the roles as the panel and the hub name them, in the order of roleWords.
var frenchRoles = [...]string{"aucun rôle", "Apprentissage", "Utilisation", "Atelier", "Encadrement", "Maintenance"}

// In is the role in a sentence: in French its name, in English the word of the policy file.
func (r Role) In(l Language) string {
	return Text{FR: word(frenchRoles[:], int(r)), EN: r.String()}.In(l)
}

// frenchTimes are the days of times such as "Mo-Fr 09:00-21:00", which have no other letters.
var frenchTimes = [...]string{"Mo", "lun.", "Tu", "mar.", "We", "mer.", "Th", "jeu.", "Fr", "ven.", "Sa", "sam.",
	"Su", "dim."}

// timesIn are times in a sentence: in French with French days, in English as the policy file has them.
func timesIn(times string, l Language) string {
	return Text{FR: strings.NewReplacer(frenchTimes[:]...).Replace(times), EN: times}.In(l)
}

// frenchCodes are the reasons of a refusal, in the order of codeList, as the hub's reports name them.
var frenchCodes = [len(codeList)]string{"carte inconnue", "carte bloquée", "machine arrêtée par sécurité",
	"adhésion expirée",
	"badge manquant", "badge retiré", "badge non vérifié", "badge expiré", "pas assez d’heures", "trop ancien",
	"temps autorisé épuisé", "liste des accès trop ancienne", "horloge pas encore réglée", "machine hors service",
	"hors des horaires", "mentor nécessaire"}

// In is the reason in a sentence: in French in words, in English as records have it.
func (c Code) In(l Language) string {
	fr := string(c)
	if i := c.ease(); i >= 0 {
		fr = frenchCodes[i]
	}
	return Text{FR: fr, EN: string(c)}.In(l)
}
