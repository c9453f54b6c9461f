package sheet

import "portillon/policy"

// words contains the fixed texts of the sheet in one language. Each text must be short, because all texts must fit on
// one page. A test checks that the sheet of a machine with all possible wires fits on one page.
type words struct {
	Title, Lead                     string
	Machine, Site, File             string
	Terminals                       string
	Pin, GPIO, What, Contact, Wire  string
	Supplies                        string
	Relay, Asks, Not, Done          string
	Measured, PE, Insulation, RCD   string
	Voltage, Checks                 string
	Trials                          []string
	Name, Company, Date, Sign, Host string
}

// wordsIn returns the texts in one language.
func wordsIn(l policy.Language) words {
	if l == policy.English {
		return english()
	}
	return french()
}

func english() words {
	return words{
		Title: "Sheet for the electrician",
		Lead: "Portillon lets members use this machine with a card: it closes a contact in the control circuit. It is " +
			"not a safety function. " +
			"All work at mains voltage is yours.",
		Machine: "Machine", Site: "Site", File: "File",
		Terminals: "Terminals of the Raspberry Pi (40-pin header)",
		Pin:       "Pin", GPIO: "GPIO", What: "What goes there", Contact: "Contact", Wire: "Wire",
		Supplies: "5 V: pins 2, 4. 3.3 V: 1, 17. Ground: 6, 9, 14, 20, 25, 30, 34, 39. No outside voltage on a pin; " +
			"wires apart from mains.",
		Relay: "Relay of this machine", Asks: "Asked of the electrician", Not: "What Portillon does not do here",
		Done: "Done", Measured: "Measured", PE: "PE continuity (Ω)",
		Insulation: "Insulation, 500 V DC, electronics disconnected (MΩ)", RCD: "RCD trip time at 30 mA (ms)",
		Voltage: "Control voltage (V DC)", Checks: "Tried with the machine's own switch on:",
		Trials: []string{"supply cut and returned: the machine stays off",
			"card presented: the machine stays off until its start button",
			"emergency stop pressed, then released, also with the Pi's input bridged to ground: the machine stays " +
				"off; bridge taken away"},
		Name: "Electrician's name", Company: "Company, authorisation", Date: "Date", Sign: "Signature",
		Host: "For the site: name, signature",
	}
}

func french() words {
	return words{
		Title: "Fiche pour l’électricien",
		Lead: "Portillon donne accès à cette machine par une carte : il ferme un contact dans le circuit de commande. " +
			"Ce n’est pas une fonction " +
			"de sécurité. Tout travail à la tension du secteur vous revient.",
		Machine: "Machine", Site: "Lieu", File: "Fichier",
		Terminals: "Bornes du Raspberry Pi (connecteur à 40 broches)",
		Pin:       "Broche", GPIO: "GPIO", What: "Ce qui s’y raccorde", Contact: "Contact", Wire: "Fil",
		Supplies: "5 V : broches 2, 4. 3,3 V : 1, 17. Masse : 6, 9, 14, 20, 25, 30, 34, 39. Aucune tension extérieure " +
			"; fils à l’écart du secteur.",
		Relay: "Relais de cette machine", Asks: "Demandé à l’électricien", Not: "Ce que Portillon ne fait pas ici",
		Done: "Fait", Measured: "Mesures", PE: "Continuité PE (Ω)",
		Insulation: "Isolement, 500 V DC, électronique débranchée (MΩ)", RCD: "Déclenchement du différentiel à 30 mA (ms)",
		Voltage: "Tension de commande (V DC)", Checks: "Essayé, l’interrupteur de la machine sur marche :",
		Trials: []string{"courant coupé puis rétabli : elle reste arrêtée",
			"carte présentée : elle reste arrêtée jusqu’à son bouton de marche",
			"arrêt d’urgence enfoncé puis relâché, aussi entrée du Pi à la masse : elle reste arrêtée ; pont " +
				"retiré"},
		Name: "Nom de l’électricien", Company: "Entreprise, habilitation", Date: "Date", Sign: "Signature",
		Host: "Pour le lieu : nom, signature",
	}
}
