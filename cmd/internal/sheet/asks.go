package sheet

import (
	"portillon/cmd/internal/daemoncmd"
	"portillon/policy"
)

// bilingualAsk is a heading with a list of requests, in French and English.
type bilingualAsk struct {
	title policy.Text
	items []policy.Text
}

// asks returns the requests to the electrician. The mark (check) follows a clause number that nobody could check in the
// standard itself.
func asks(c daemoncmd.Config) []bilingualAsk {
	return []bilingualAsk{
		{t("Alimentation", "Supply"), supply()},
		{t("Démarrage et arrêt", "Start and stop"), startStop()},
		{t("Circuit de commande 24 V", "24 V control circuit"), control(c)},
		{t("Règles", "Rules"), rules()},
	}
}

// supply returns the requests about the supply before the contactor.
func supply() []policy.Text {
	return []policy.Text{
		t("Pôles : le contacteur coupe L et N, ou les trois phases (et N s’il est utilisé), jamais le conducteur de "+
			"protection.",
			"Poles: the contactor switches L and N, or all three phases (and N where it is used), never the protective "+
				"conductor."),
		t("PE sur chaque masse métallique : coffret, bâti, boîtiers.", "PE to all metal: box, frame, enclosures."),
		t("Disjoncteur accordé au câble et au courant d’appel ; différentiel 30 mA, type A, ou F ou B avec un "+
			"variateur (à vérifier).",
			"MCB to suit the cable and the inrush; 30 mA RCD, type A, or F or B with a variable-speed drive (check)."),
		t("Interrupteur-sectionneur principal cadenassable, à portée (EN 60204-1 §5.3 (à vérifier)). La mise hors "+
			"service dans Portillon "+
			"ne sépare rien : la consignation est celle de l’électricien.",
			"Lockable main disconnector within reach (EN 60204-1 §5.3 (check)). A machine that Portillon shows as out of "+
				"service is not locked out: "+
				"lock-out is done with this disconnector."),
		t("Contacteur : catégorie d’emploi AC-3 pour un moteur, AC-1 pour du chauffage ; courant d’appel des "+
			"alimentations compté.",
			"Contactor: utilisation category AC-3 for a motor, AC-1 for heating; inrush of power supplies taken into "+
				"account."),
		t("Pi et 24 V pris en aval du sectionneur, en amont de ce contacteur, avec leur propre protection.",
			"Pi and 24 V fed upstream of this contactor, downstream of the disconnector, with a protection of their own."),
		t("Dans le coffret : fils du Pi séparés du secteur, isolation renforcée à la bobine, aux "+
			"contacts 13–14 et 21–22 et au relais de courant.",
			"In the contactor's box: the Pi's wires apart from mains, reinforced insulation at the coil, the contacts "+
				"13–14 and 21–22 and the current relay."),
	}
}

// startStop returns the requests about the machine's own start and stop buttons, which must work without Portillon.
func startStop() []policy.Text {
	return []policy.Text{
		t("Déclenchement à manque de tension : ni la fermeture du contact de Portillon ni le retour du courant ne "+
			"démarre la machine "+
			"(EN ISO 14118 ; EN 60204-1 §7.5 (à vérifier)).",
			"No-volt release: neither closing Portillon's contact nor the return of the supply starts the machine "+
				"(EN ISO 14118; EN 60204-1 §7.5 (check))."),
		t("K1 (Portillon) commande K2 (contacteur auxiliaire), jamais le contacteur ; contact NO de K2 dans le circuit de "+
			"marche et d’automaintien, en série avec l’arrêt et l’arrêt d’urgence.",
			"K1 (Portillon) switches K2 (contactor relay), never the contactor; K2's NO contact in the start and "+
				"self-hold circuit, in series with the stop and the emergency stop."),
		t("L’arrêt d’urgence est une fonction de sécurité (EN ISO 13850) : catégorie d’arrêt 0 ou 1 choisie (couper "+
			"le courant ôte le freinage "+
			"d’un variateur) ; contacts à ouverture directe (EN 60947-5-1, annexe K (à vérifier)) ; réarmement câblé. "+
			"Validé par : ______________",
			"The emergency stop is a safety function (EN ISO 13850): stop category 0 or 1 chosen (removing power takes a "+
				"drive's braking away); "+
				"direct-opening contacts (EN 60947-5-1 annex K (check)); hard-wired reset. Validated by: ______________"),
		t("Portes et capots gardent leur verrouillage câblé (EN ISO 14119) ; Portillon n’en lit qu’un second contact.",
			"Doors and lids keep their hard-wired interlock (EN ISO 14119); Portillon reads a second contact at most."),
	}
}

// control returns the requests about the circuit with Portillon's contact.
func control(c daemoncmd.Config) []policy.Text {
	out := []policy.Text{
		t("24 V TBTP, 0 V relié à la terre (PE) en un seul point, fusible 1 A sur le + en tête, coupure sur le + "+
			"(EN 60204-1 §6.4 et §9.4.3 (à vérifier)).",
			"24 V PELV, 0 V bonded to PE at one point, 1 A fuse in + right after the supply, switching on + "+
				"(EN 60204-1 §6.4, §9.4.3 (check))."),
		t("Aux bornes de chaque bobine (contacteur, K2) : diode TVS bidirectionnelle ou varistance, pas une simple "+
			"diode, qui retarde la retombée.",
			"At each coil's terminals (contactor, K2): bidirectional TVS or varistor, not a plain diode, which delays "+
				"the drop-out."),
		t("Bobine (A1, A2), automaintien (13, 14), contact miroir (21, 22) : bornes hors du coffret.",
			"Coil (A1, A2), self-hold (13, 14), mirror contact (21, 22): terminals outside the box."),
	}
	if c.Relay.Exhaust != "" {
		out = append(out, t("L’aspiration a son propre contacteur, fusible et antiparasite.",
			"The extraction has a contactor of its own, with fuse and suppressor."))
	}
	return out
}

// rules returns the applicable laws and standards. According to its corrigendum (OJ L 169, 4 July 2023), the machinery
// regulation applies from 20 January 2027. According to legrand.fr, NF C 15-100 has been a series of standards since
// August 2024.
func rules() []policy.Text {
	return []policy.Text{
		t("Qui modifie une machine répond de sa conformité : directive 2006/42/CE jusqu’au 19 janvier 2027, puis "+
			"règlement (UE) 2023/1230, "+
			"dont l’article 18 (à vérifier) fait de l’auteur d’une modification substantielle un fabricant.",
			"Whoever modifies a machine answers for its conformity: Directive 2006/42/EC until 19 January 2027, then "+
				"Regulation (EU) 2023/1230, "+
				"whose article 18 (check) makes the author of a substantial modification a manufacturer."),
		t("Installation : NF C 15-100 (série de 2024). Travaux : personnes "+
			"habilitées selon NF C 18-510.",
			"In France, installation: NF C 15-100 (series of 2024); work: persons "+
				"authorised under NF C 18-510."),
	}
}
