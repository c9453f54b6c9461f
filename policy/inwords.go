package policy

// frenchRoles are the roles as the panel and the hub name them, in the order of roleWords.
var frenchRoles = [...]string{"aucun rôle", "Apprentissage", "Utilisation", "Atelier", "Encadrement", "Maintenance"}

// In is the role in a sentence: its French name, or the English word of the policy file.
func (r Role) In(l Language) string {
	return Text{FR: word(frenchRoles[:], int(r)), EN: r.String()}.In(l)
}

// frenchCodes are the reasons of a refusal, in the order of codeList, as the hub's reports name them.
var frenchCodes = [len(codeList)]string{"carte inconnue", "carte bloquée", "machine arrêtée par sécurité",
	"adhésion expirée",
	"badge manquant", "badge retiré", "badge non vérifié", "badge expiré", "pas assez d’heures", "trop ancien",
	"temps autorisé épuisé", "liste des accès trop ancienne", "horloge pas encore réglée", "machine hors service",
	"hors des horaires", "mentor nécessaire"}

// In is the reason in a sentence: French words, or the English code as in records.
func (c Code) In(l Language) string {
	fr := string(c)
	if i := c.ease(); i >= 0 {
		fr = frenchCodes[i]
	}
	return Text{FR: fr, EN: string(c)}.In(l)
}
