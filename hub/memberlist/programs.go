package memberlist

import (
	"regexp"
	"strings"
)

// galetteFields are the labels of Galette in French and English, in plain form. Galette's "Identifiant" is a login and
// its "Parent" a member number, which other lists use for other fields.
var galetteFields = map[string]string{
	"numeroadherent": "external_id", "numerodadherent": "external_id", "membernumber": "external_id",
	"nom": "last", "name": "last", "prenom": "first", "firstname": "first", "courriel": "email", "email": "email",
	"langue": "language", "language": "language", "datedecheance": "until", "duedate": "until",
	"compte": "active", "account": "active",
	"statut": Ignore, "status": Ignore, "societe": Ignore, "company": Ignore, "pseudo": Ignore, "nickname": Ignore,
	"titre": Ignore, "title": Ignore, "civilite": Ignore, "datedenaissance": Ignore, "birthdate": Ignore,
	"genre": Ignore, "sexe": Ignore, "gender": Ignore, "adresse": Ignore, "address": Ignore, "codepostal": Ignore,
	"zipcode": Ignore, "ville": Ignore, "city": Ignore, "pays": Ignore, "country": Ignore, "telephone": Ignore,
	"phone": Ignore, "gsm": Ignore, "mobilephone": Ignore, "siteweb": Ignore, "website": Ignore, "profession": Ignore,
	"autresinformationsadmin": Ignore, "autresinformations": Ignore, "otherinformationsadmin": Ignore,
	"otherinformations": Ignore, "identifiant": Ignore, "username": Ignore, "datedecreation": Ignore,
	"creationdate": Ignore, "datedemodification": Ignore, "modificationdate": Ignore, "admingalette": Ignore,
	"galetteadmin": Ignore, "exemptdecotisation": Ignore, "exemptedecotisation": Ignore, "freedofdues": Ignore,
	"visibledanslalistedesmembres": Ignore, "bevisibleinthememberslist": Ignore, "lieudenaissance": Ignore,
	"birthplace": Ignore, "idgnupggpg": Ignore, "fingerprint": Ignore, "parent": Ignore,
}

// exemptNames are the columns of Galette that exempt a member from dues, in plain form.
var exemptNames = []string{"exemptdecotisation", "exemptedecotisation", "freedofdues"}

// isGalette recognises the CSV of Galette: it always has semicolons, most of its columns are labels of Galette, and it
// has at least three of the labels that other lists rarely have, among them the account or the nickname.
func isGalette(t *Table, headers map[string]string) []Reason {
	if t.XLSX || t.Separator != ';' || len(headers) < 5 {
		return nil
	}
	known := 0
	for plain := range headers {
		if galetteFields[plain] != "" {
			known++
		}
	}
	own := present(headers, "compte", "account", "pseudo", "nickname")
	rare := present(headers, "numeroadherent", "membernumber", "datedecheance", "duedate", "statut", "status", "gsm",
		"mobilephone", "datedecreation", "creationdate", "exemptdecotisation", "freedofdues", "identifiant", "username")
	if len(own) == 0 || len(own)+len(rare) < 3 || known*5 < len(headers)*4 {
		return nil
	}
	return []Reason{columns(append(own, rare...)...), {What: "separator", Values: []string{";"}}}
}

// helloAssoFields are the columns of a HelloAsso campaign, in plain form. The number of the member's card begins anew
// with each campaign, so it identifies nobody. HelloAsso exports no end of the membership.
var helloAssoFields = map[string]string{
	"nomadherent": "last", "prenomadherent": "first", "emailadherent": "email", "emailpayeur": "email",
	"referencecommande": Ignore, "datedelacommande": Ignore, "statutdelacommande": Ignore, "nompayeur": Ignore,
	"prenompayeur": Ignore, "cartedadherent": Ignore, "numerodecartedadherent": Ignore, "raisonsociale": Ignore,
	"moyendepaiement": Ignore, "tarif": Ignore, "montanttarif": Ignore, "codepromo": Ignore, "montantcodepromo": Ignore,
	"nom": Ignore, "prenom": Ignore,
}

// isHelloAsso recognises the export of a membership campaign by the order, the member and the payer of each row.
func isHelloAsso(_ *Table, headers map[string]string) []Reason {
	own := present(headers, "referencecommande", "statutdelacommande", "nomadherent", "emailpayeur")
	if len(own) < 4 {
		return nil
	}
	return []Reason{columns(own...)}
}

// fabManagerFields are the columns of Fab-manager's list of members in French and English, in plain form. Its "ID" is
// the number of an account in Fab-manager, not the id of a member here.
var fabManagerFields = map[string]string{
	"id": "external_id", "nom": "last", "surname": "last", "prenom": "first", "firstname": "first",
	"courriel": "email", "email": "email", "emailaddress": "email", "datedefindelabonnement": "until",
	"subscriptionenddate": "until",
}

// isFabManager recognises the workbook of Fab-manager by its subscriptions and trainings.
func isFabManager(t *Table, headers map[string]string) []Reason {
	own := present(headers, "id", "datedefindelabonnement", "subscriptionenddate", "formationsvalidees",
		"validatedtrainings")
	if !t.XLSX || len(own) < 3 {
		return nil
	}
	return []Reason{columns(own...), {What: "sheet", Values: []string{t.Sheet}}}
}

// assoConnectFields are the columns that most lists of AssoConnect have, in plain form.
var assoConnectFields = map[string]string{
	"identifiantunique": "external_id", "idunique": "external_id", "idducontact": "external_id", "nom": "last",
	"prenom": "first", "email": "email", "adresseemail": "email", "datedefindadhesion": "until",
	"datedefindeladhesion": "until", "findadhesion": "until",
}

// isAssoConnect recognises the workbook of AssoConnect by its unique id and a column of the membership.
func isAssoConnect(t *Table, headers map[string]string) []Reason {
	id := present(headers, "identifiantunique", "idunique", "idducontact")
	membership := present(headers, "datedefindadhesion", "datedefindeladhesion", "findadhesion", "datededebutdadhesion",
		"datededebutdeladhesion", "statutdadhesion", "statutdeladhesion", "adhesion", "adhesionencours")
	if !t.XLSX || len(id) == 0 || len(membership) == 0 {
		return nil
	}
	return []Reason{columns(append(id, membership...)...)}
}

// memberMattersFields are the columns that package membersource gives to a list of MemberMatters, in plain form.
var memberMattersFields = map[string]string{
	"id": "external_id", "firstname": "first", "lastname": "last", "email": "email", "rfid": "card", "state": Ignore,
	"lastinduction": Ignore,
}

// frenchDate and decimalComma match cells as Excel writes them in French.
var (
	frenchDate   = regexp.MustCompile(`^[0-9]{2}/[0-9]{2}/[0-9]{4}( [0-9:]+)?$`)
	decimalComma = regexp.MustCompile(`^-?[0-9]+,[0-9]+( €)?$`)
)

// sampleRows limits the rows that isFrenchExcel examines.
const sampleRows = 100

// isFrenchExcel recognises a CSV that Excel wrote in French: semicolons, and either Windows-1252, or a date or a number
// as they are written in French.
func isFrenchExcel(t *Table) []Reason {
	if t.XLSX || t.Separator != ';' || len(t.Header) < 2 {
		return nil
	}
	out := []Reason{{What: "separator", Values: []string{";"}}}
	if t.Windows1252 {
		out = append(out, Reason{What: "encoding", Values: []string{"Windows-1252"}})
	}
	date, number := "", ""
	for _, r := range t.Rows[:min(len(t.Rows), sampleRows)] {
		for _, c := range r.Cells {
			if c = strings.TrimSpace(c); date == "" && frenchDate.MatchString(c) {
				date = c
			} else if number == "" && decimalComma.MatchString(c) {
				number = c
			}
		}
	}
	if date != "" {
		out = append(out, Reason{What: "dates", Values: []string{date}})
	}
	if number != "" {
		out = append(out, Reason{What: "decimals", Values: []string{number}})
	}
	if len(out) == 1 || !t.Windows1252 && date == "" {
		return nil
	}
	return out
}
