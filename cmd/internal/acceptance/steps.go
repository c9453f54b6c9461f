package acceptance

import (
	"slices"

	"portillon/policy"
)

func t(fr, en string) policy.Text { return policy.Text{FR: fr, EN: en} }

// IsLampLit is the question of most beats: a test may answer it by looking at the lamp.
func IsLampLit() policy.Text { return t("La lampe est-elle allumée ?", "Is the lamp lit?") }

func act(fr, en string) Beat            { return Beat{Kind: Act, Say: t(fr, en)} }
func ask(want bool, fr, en string) Beat { return Beat{Kind: Ask, Say: t(fr, en), Want: want} }
func lamp(lit bool) Beat                { return Beat{Kind: Ask, Say: IsLampLit(), Want: lit} }
func perform(d Deed) Beat               { return Beat{Kind: Perform, Deed: d} }
func observe(s Sight, within int) Beat  { return Beat{Kind: Observe, Sight: s, Within: within} }

// Seconds that the daemon's status is given. It is asked several times a second.
const (
	soon  = 3  // an input or a tap: the guard takes milliseconds, a contactor 0.85 s
	later = 60 // the daemon starts again: systemd waits 2 s, and a slow Pi takes its time over a bundle
	coast = 15 // a machine may go on moving for 10 s after its relay opened (daemon/session: Coast)
)

// fromRest begins with a machine that nobody uses.
func fromRest(b ...Beat) []Beat {
	return append([]Beat{perform(Rest), observe(Ready, later)}, b...)
}

// started is a session that begins: the lamp is lit at its end.
func started() []Beat {
	return []Beat{act(
		"Présentez une carte qui peut démarrer cette machine, puis appuyez sur le bouton de marche de la machine "+
			"si elle en a un.",
		"Tap a card that may start this machine, then press the machine’s start button if it has one."),
		observe(RelayOn, soon), lamp(true)}
}

// inSession begins a session on a machine at rest, then does the rest.
func inSession(b ...Beat) []Beat { return fromRest(append(started(), b...)...) }

// refused is a tap that must start nothing.
func refused() []Beat {
	return []Beat{act("Présentez la carte : la machine doit la refuser.",
		"Tap the card: the machine must refuse it."), observe(RelayOff, soon),
		ask(true, "La machine a-t-elle refusé la carte ?", "Did the machine refuse the card?")}
}

// Steps is the whole list, in the order in which it is done. The lamp stands in the machine's place, the machine's
// plug is pulled.
func Steps() []Step {
	return slices.Concat(startSteps(), eStopSteps(), doorSteps(), contactorSteps(), workSteps(), readerSteps(),
		programSteps(), cutSteps(), haltSteps())
}

func startSteps() []Step {
	return []Step{
		{ID: "switch-left-on", Title: t("Interrupteur laissé en marche", "Switch left on"),
			Do: t("Laisser l’interrupteur de la machine en marche, puis présenter une carte.",
				"Leave the machine’s own switch on, then tap a card."),
			See: t("La lampe reste éteinte jusqu’à ce qu’on appuie sur le bouton de marche de la machine.",
				"The lamp stays out until somebody presses the machine’s start button."),
			Means: t("Une carte suffit à mettre la machine en mouvement : elle peut blesser la personne qui s’y "+
				"trouve (EN ISO 14118). Mettre le contact de Portillon dans le circuit de marche d’un "+
				"démarreur à manque de tension, puis recommencer.",
				"A card alone sets the machine in motion: it can hurt whoever stands at it (EN ISO 14118). Put "+
					"Portillon’s contact into the start circuit of a no-volt-release starter, then repeat."),
			Beats: fromRest(act("Mettez l’interrupteur de la machine en marche et laissez-le ainsi. Présentez "+
				"une carte. Ne touchez pas au bouton de marche.",
				"Switch the machine’s own switch on and leave it on. Tap a card. Do not touch the start button."),
				observe(RelayOn, soon), lamp(false), act("Appuyez sur le bouton de marche de la machine.",
					"Press the machine’s start button."), lamp(true))},
		{ID: "tap", Title: t("Carte", "Tap"),
			Do: t("Présenter une carte.", "Tap a card."),
			See: t("La lampe s’allume (après le bouton de marche, si la machine en a un).",
				"The lamp lights (after the start button, if the machine has one)."),
			Means: t("La machine ne démarre pas : lire le motif sur le panneau, puis « portillon doctor ».",
				"The machine does not start: read the reason on the panel, then run “portillon doctor”."),
			Beats: inSession()},
		{ID: "tap-again", Title: t("Carte à nouveau", "Tap again"),
			Do: t("Pendant l’utilisation, présenter à nouveau la même carte.",
				"During a session, tap the same card again."),
			See: t("La lampe s’éteint.", "The lamp goes out."),
			Means: t("La machine reste alimentée après la fin : le relais ou le contacteur reste fermé. "+
				"Débrancher la machine et vérifier le câblage du relais.",
				"The machine keeps its power after the end: the relay or the contactor stays closed. Unplug the "+
					"machine and check the relay’s wiring."),
			Beats: inSession(act("Présentez à nouveau la même carte.", "Tap the same card again."),
				observe(RelayOff, soon), lamp(false))},
	}
}

func eStopSteps() []Step {
	return []Step{
		{ID: "e-stop", Needs: EStop, Title: t("Arrêt d’urgence", "Emergency stop"),
			Do: t("Pendant l’utilisation, enclencher l’arrêt d’urgence, puis le déverrouiller.",
				"During a session, press the emergency stop, then release it."),
			See: t("La lampe s’éteint aussitôt. Déverrouillé : elle reste éteinte jusqu’à une carte et au "+
				"bouton de marche.", "The lamp goes out at once. Released: it stays out until a card and the "+
				"start button."),
			Means: t("L’arrêt d’urgence n’arrête pas la machine, ou son déverrouillage la redémarre. Ne pas "+
				"utiliser la machine : faire vérifier les deux contacts.",
				"The emergency stop does not stop the machine, or its release starts it again. Do not use the "+
					"machine: have both contacts checked."),
			Beats: inSession(slices.Concat([]Beat{act("Enclenchez l’arrêt d’urgence.", "Press the emergency stop."),
				observe(FaultEStop, soon), lamp(false),
				act("Déverrouillez l’arrêt d’urgence. Ne touchez à rien d’autre.",
					"Release the emergency stop. Touch nothing else."), observe(NoFault, soon), lamp(false)}, started())...)},
		{ID: "e-stop-wire", Needs: EStop, Title: t("Fil de l’arrêt d’urgence", "The emergency stop’s wire"),
			Do: t("Pendant l’utilisation, débrancher du Pi le fil du second contact de l’arrêt d’urgence.",
				"During a session, pull the wire of the emergency stop’s second contact off the Pi."),
			See: t("La lampe s’éteint et reste éteinte, aussi quand le fil est remis.",
				"The lamp goes out and stays out, also when the wire is back."),
			Means: t("Un fil cassé passerait inaperçu : le contact doit être à ouverture (NC), entre la broche "+
				"et la masse.", "A broken wire would go unseen: the contact must be normally closed, between "+
				"the pin and ground."),
			Beats: inSession(act("Débranchez du Pi le fil du second contact de l’arrêt d’urgence.",
				"Pull the wire of the emergency stop’s second contact off the Pi."), observe(FaultEStop, soon),
				lamp(false),
				act("Remettez le fil.", "Put the wire back."), observe(NoFault, soon), lamp(false))},
	}
}

func doorSteps() []Step {
	return []Step{
		{ID: "door", Needs: Door, Title: t("Porte", "Door"),
			Do: t("Pendant l’utilisation, ouvrir la porte ou le capot, puis refermer.",
				"During a session, open the door or the lid, then close it."),
			See: t("La lampe s’éteint et reste éteinte jusqu’à une carte.",
				"The lamp goes out and stays out until a card."),
			Means: t("L’entrée « door » n’est pas lue : vérifier le contact à ouverture (NC) et son fil.",
				"The input “door” is not read: check the normally closed contact and its wire."),
			Beats: inSession(act("Ouvrez la porte.", "Open the door."), observe(FaultDoor, soon), lamp(false),
				act("Fermez la porte. Ne touchez à rien d’autre.", "Close the door. Touch nothing else."), observe(NoFault,
					soon), lamp(false))},
		{ID: "lid-without-portillon", Needs: Door, Title: t("Capot sans Portillon", "Lid without Portillon"),
			Do: t("Ponter l’entrée « door » du Pi (porte vue fermée), démarrer, puis ouvrir le capot.",
				"Bridge the Pi’s input “door” (door seen closed), start, then open the lid."),
			See: t("Le contact câblé du capot arrête le laser, sans Portillon.",
				"The lid’s own hard-wired contact stops the laser, without Portillon."),
			Means: t("Seul le programme arrête le laser : une panne brûle ou aveugle. Ne pas utiliser la machine "+
				": câbler le contact du capot dans l’autorisation de l’alimentation du laser ou dans un "+
				"relais de sécurité (EN 60825-1, EN ISO 14119).",
				"Only software stops the laser: a fault burns or blinds somebody. Do not use the machine: wire "+
					"the lid’s contact into the laser supply’s enable input or a safety relay (EN 60825-1, EN "+
					"ISO 14119)."),
			Beats: slices.Concat(fromRest(act("Pontez l’entrée « door » du Pi vers la masse, pour qu’il voie la "+
				"porte fermée.", "Bridge the Pi’s input “door” to ground, so that the Pi sees a closed door.")),
				started(),
				[]Beat{act("Ouvrez le capot.", "Open the lid."), ask(true,
					"Le contact câblé du capot a-t-il coupé l’autorisation ou l’alimentation du laser ?",
					"Did the lid’s hard-wired contact cut the laser’s enable input or supply?"),
					act("Fermez le capot et retirez le pont.", "Close the lid and take the bridge away.")})},
	}
}

func contactorSteps() []Step {
	return []Step{
		{ID: "feedback-wire", Needs: Feedback, Title: t("Fil du contact miroir", "The mirror contact’s wire"),
			Do: t("Machine coupée, débrancher du Pi le fil du contact miroir, puis présenter une carte.",
				"With the machine off, pull the mirror contact’s wire off the Pi, then tap a card."),
			See: t("Personne ne peut démarrer.", "Nobody can start."),
			Means: t("Un contacteur collé passerait inaperçu : vérifier l’entrée « feedback » et le contact "+
				"miroir (NC, EN IEC 60947-4-1 annexe F).",
				"A welded contactor would go unseen: check the input “feedback” and the mirror contact (NC, EN "+
					"IEC 60947-4-1 annex F)."),
			Beats: fromRest(slices.Concat([]Beat{act("Débranchez du Pi le fil du contact miroir.",
				"Pull the mirror contact’s wire off the Pi."), observe(FaultContactor, soon)}, refused(),
				[]Beat{act("Remettez le fil.", "Put the wire back."), observe(NoFault, soon), perform(Untag)})...)},
		{ID: "contactor-held", Needs: Feedback, Title: t("Contacteur tenu fermé", "Contactor held closed"),
			Do: t("Machine coupée, tenir le contacteur fermé à la main (ou ouvrir son contact miroir), puis "+
				"présenter une carte.",
				"With the machine off, hold the contactor closed by hand (or open its mirror contact), then tap "+
					"a card."),
			See: t("Personne ne peut démarrer.", "Nobody can start."),
			Means: t("Un contacteur collé passerait inaperçu : le contact auxiliaire n’est pas un contact "+
				"miroir, ou il est mal câblé.",
				"A welded contactor would go unseen: the auxiliary contact is no mirror contact, or it is wired "+
					"wrongly."),
			Beats: fromRest(slices.Concat([]Beat{act("Tenez le contacteur fermé à la main.",
				"Hold the contactor closed by hand."), observe(FaultContactor, soon)}, refused(),
				[]Beat{act("Relâchez le contacteur.", "Let the contactor go."), observe(NoFault, soon),
					perform(Untag)})...)},
	}
}

// workSteps are the machine's own work and its extraction.
func workSteps() []Step {
	return []Step{
		{ID: "busy", Needs: Busy, Title: t("La machine tourne sans relais", "The machine works without its relay"),
			Do: t("Machine coupée depuis dix secondes, fermer le contact du relais de courant, puis présenter "+
				"une carte.", "Ten seconds after the machine went off, close the current relay’s contact, "+
				"then tap a card."),
			See: t("Personne ne peut démarrer tant que le contact est fermé.",
				"Nobody can start while the contact is closed."),
			Means: t("Une machine alimentée hors du relais passerait inaperçue : vérifier l’entrée « busy » "+
				"(contact NO vers 3,3 V par 1 kΩ).",
				"A machine that is fed past its relay would go unseen: check the input “busy” (NO contact to 3.3 "+
					"V through 1 kΩ)."),
			Beats: fromRest(slices.Concat([]Beat{act("Attendez dix secondes, puis fermez le contact du relais de "+
				"courant.", "Wait ten seconds, then close the current relay’s contact."), observe(FaultRuns,
				coast)}, refused(),
				[]Beat{act("Ouvrez le contact.", "Open the contact."), observe(NoFault, soon)})...)},
		{ID: "exhaust", Needs: Exhaust, Title: t("Extraction", "Extraction"),
			Do: t("Démarrer, puis arrêter avec la carte.", "Start, then stop with the card."),
			See: t("L’extraction marche avec la machine, puis aussi longtemps que les règles le disent, et "+
				"s’arrête.", "The extraction runs with the machine, then for as long as the policy says, and "+
				"stops."),
			Means: t("Fumées dans l’atelier : vérifier le second relais et son fil (broche « exhaust »).",
				"Fumes in the workshop: check the second relay and its wire (pin “exhaust”)."),
			Beats: inSession(ask(true, "L’extraction marche-t-elle ?", "Does the extraction run?"),
				act("Présentez à nouveau la carte.", "Tap the card again."), observe(RelayOff, soon),
				act("Attendez la fin du temps d’extraction que donnent les règles.",
					"Wait for the end of the extraction’s time in the policy."), ask(false,
					"L’extraction marche-t-elle ?", "Does the extraction run?"))},
	}
}
