package openbadge

// bilingual is a code with its text in French and English.
type bilingual struct{ code, fr, en string }

// words contains the texts of all reasons, in French and English. The codes of reasons never change, because programs
// depend on them. words is an array, so it needs no initialisation when the program starts.
var words = [...]bilingual{
	{"malformed", "Le fichier est illisible", "The file cannot be read"},
	{
		"too-complex",
		"Le document est trop grand ou trop compliqué pour être vérifié",
		"The document is too large or too tangled to verify",
	},
	{
		"unsupported-form",
		"Cette forme de badge n’est pas encore prise en charge",
		"This form of badge is not supported yet",
	},
	{
		"unsupported-proof",
		"Cette signature n’est pas d’un type pris en charge",
		"The signature is not of a supported kind",
	},
	{"unsupported-status", "Ce type de statut n’est pas pris en charge", "This kind of status is not supported"},
	{"unknown-context", "Le document se réfère à un contexte inconnu", "The document refers to an unknown context"},
	{
		"unknown-term",
		"Le document contient un mot que ses contextes ne définissent pas",
		"The document holds a word that its contexts do not define",
	},
	{"relative-iri", "Une adresse du document n’est pas complète", "An address in the document is not complete"},
	{"not-an-open-badge", "Ce document n’est pas un Open Badge", "This document is no Open Badge"},
	{"no-proof", "Le badge n’est pas signé", "The badge is not signed"},
	{"issuer-not-trusted", "L’émetteur n’est pas reconnu ici", "The issuer is not trusted here"},
	{
		"key-not-pinned",
		"La clé qui a signé n’est pas reconnue pour cet émetteur",
		"The key that signed is not trusted for this issuer",
	},
	{
		"bad-signature",
		"La signature est fausse : le badge a été modifié ou n’est pas de cet émetteur",
		"The signature is wrong: the badge was changed, or is not this issuer’s",
	},
	{
		"claims-mismatch",
		"L’enveloppe et le contenu du badge ne concordent pas",
		"The badge’s envelope and content disagree",
	},
	{"not-yet-valid", "Le badge n’est pas encore valable", "The badge is not valid yet"},
	{"expired", "Le badge a expiré", "The badge has expired"},
	{"revoked", "L’émetteur a retiré le badge", "The issuer has revoked the badge"},
	{"wrong-recipient", "Ce badge est celui de quelqu’un d’autre", "This badge is somebody else’s"},
	{"ambiguous", "Le badge se décrit en deux endroits", "The badge describes itself in two places"},
	{
		"trust-unusable",
		"La clé de l’émetteur, dans nos réglages, est inutilisable : impossible de se prononcer",
		"The issuer’s key, in our own settings, cannot be used: no answer is possible",
	},
	{"suspended", "L’émetteur a suspendu le badge", "The issuer has suspended the badge"},
	{"status-mismatch", "Le badge et sa liste de statuts ne concordent pas", "The badge and its status list disagree"},
	{
		"broken-chain",
		"Il manque au badge une signature sur laquelle une autre repose",
		"The badge lacks a signature on which another rests",
	},
	{
		"not-hosted",
		"L’adresse du badge, chez son émetteur, ne le connaît pas",
		"The badge’s own address, at its issuer, does not know it",
	},
	{
		"hosted-elsewhere",
		"Le badge se trouve à une adresse qui n’est pas celle de l’émetteur",
		"The badge stands at an address that is not its issuer’s",
	},
	{
		"hosted-unreachable",
		"L’adresse du badge est injoignable : impossible de se prononcer",
		"The badge’s address is out of reach: no answer is possible",
	},
	{"status-unreachable", "La liste de révocation est injoignable", "The revocation list is out of reach"},
	{
		"not-conformant",
		"Le badge ne respecte pas la norme Open Badges 3.0",
		"The badge does not conform to Open Badges 3.0",
	},
	{
		"status-unusable",
		"La liste de révocation n’est pas fiable : fausse, périmée, illisible ou d’un autre émetteur",
		"The revocation list cannot be believed: forged, out of date, unreadable or another issuer’s",
	},
}

// Codes returns the codes of all reasons.
func Codes() []string {
	var out []string
	for _, w := range words {
		out = append(out, w.code)
	}
	return out
}

// wordsOf returns the texts of a code.
func wordsOf(code string) bilingual {
	for _, w := range words {
		if w.code == code {
			return w
		}
	}
	return bilingual{code, "Ce badge est refusé", "This badge is refused"}
}

// isIndeterminate reports whether a reason is caused by the verifier's own sources and not by the badge.
func isIndeterminate(code string) bool {
	switch code {
	case "trust-unusable", "status-unreachable", "status-unusable", "hosted-unreachable":
		return true
	}
	return false
}
