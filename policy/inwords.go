package policy

// frenchRoles contains the French names of the roles on the panel and at the hub, in the order of roleWords.
var frenchRoles = [...]string{"aucun rôle", "Apprentissage", "Utilisation", "Atelier", "Encadrement", "Maintenance"}

// In returns the role's name for a sentence: the French name, or the English word of the policy file.
func (r Role) In(l Language) string {
	return Text{FR: word(frenchRoles[:], int(r)), EN: r.String()}.In(l)
}

// frenchCodes contains the French reasons of a refusal for the hub's reports, in the order of codeList.
var frenchCodes = [len(codeList)]string{"carte inconnue", "carte bloquée", "machine arrêtée par sécurité",
	"adhésion expirée",
	"badge manquant", "badge retiré", "badge non vérifié", "badge expiré", "pas assez d’heures", "trop ancien",
	"quota épuisé", "liste des accès trop ancienne", "horloge pas encore réglée", "machine hors service",
	"hors des horaires", "mentor nécessaire"}

// In returns the reason for a sentence: French words, or the English code as in records.
func (c Code) In(l Language) string {
	fr := string(c)
	if i := c.ease(); i >= 0 {
		fr = frenchCodes[i]
	}
	return Text{FR: fr, EN: string(c)}.In(l)
}
