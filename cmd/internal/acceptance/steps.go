package acceptance

import (
	"slices"

	"portillon/policy"
)

func t(fr, en string) policy.Text { return policy.Text{FR: fr, EN: en} }

// IsLampLit returns the question of most beats: is the lamp lit? A program that simulates the person can answer the
// question from the state of the lamp.
func IsLampLit() policy.Text { return t("La lampe est-elle allumée ?", "Is the lamp lit?") }

func act(fr, en string) Beat            { return Beat{Kind: Act, Say: t(fr, en)} }
func ask(want bool, fr, en string) Beat { return Beat{Kind: Ask, Say: t(fr, en), Want: want} }
func lamp(lit bool) Beat                { return Beat{Kind: Ask, Say: IsLampLit(), Want: lit} }
func perform(d Deed) Beat               { return Beat{Kind: Perform, Deed: d} }
func observe(s Sight, within int) Beat  { return Beat{Kind: Observe, Sight: s, Within: within} }

// These constants are the seconds within which the daemon's status must change. The program reads the status several
// times a second.
const (
	soon  = 3  // limit after an input or a tap: the guard needs milliseconds, and a contactor needs 0.85 s
	later = 60 // limit after a restart of the daemon: systemd waits 2 s, and a slow Pi needs longer to load a bundle
	coast = 15 // a machine may keep moving for 10 s after its relay opened (daemon/session: Coast)
)

// fromRest puts in front of the given beats those that end any session and wait until the machine is at rest.
func fromRest(b ...Beat) []Beat {
	return append([]Beat{perform(Rest), observe(Ready, later)}, b...)
}

// started returns the actions and checks of a test step that start a session. The last check is that the lamp is lit.
func started() []Beat {
	return []Beat{act(
		"Présentez une carte qui peut démarrer cette machine, puis appuyez sur le bouton de marche de la machine "+
			"si elle en a un.",
		"Tap a card that may start this machine, then press the machine’s start button if it has one."),
		observe(RelayOn, soon), lamp(true)}
}

// inSession puts in front of the given beats those that start a session on a machine at rest.
func inSession(b ...Beat) []Beat { return fromRest(append(started(), b...)...) }

// refused returns the beats of a tap that must not start a session.
func refused() []Beat {
	return []Beat{act("Présentez la carte : la machine doit la refuser.",
		"Tap the card: the machine must refuse it."), observe(RelayOff, soon),
		ask(true, "La machine a-t-elle refusé la carte ?", "Did the machine refuse the card?")}
}

// Steps returns the whole list in the order of the test. A lamp is connected in place of the machine, and the machine's
// plug is pulled. The step for a starter inside the machine comes after all steps that use the lamp, because it needs
// the machine itself.
func Steps() []Step {
	return slices.Concat(startSteps(), eStopSteps(), doorSteps(), contactorSteps(), workSteps(), readerSteps(),
		programSteps(), cutSteps(), haltSteps(), switchSteps(), isolationSteps())
}

func switchSteps() []Step {
	return []Step{
		{ID: "switch-left-on", Title: t("Interrupteur laissé en marche", "Switch left on"),
			Do: t("Laisser l’interrupteur de la machine en marche, puis présenter une carte. Si le démarreur est dans "+
				"la machine : avec la machine elle-même, outil retiré, tout le monde à distance.",
				"Leave the machine’s own switch on, then tap a card. Where the starter is inside the machine: with "+
					"the machine itself, its tool taken out, everybody standing back."),
			See: t("La lampe reste éteinte jusqu’à ce qu’on appuie sur le bouton de marche de la machine.",
				"The lamp stays out until somebody presses the machine’s start button."),
			Means: t("Une carte suffit à mettre la machine en mouvement : elle peut blesser la personne qui s’y "+
				"trouve (EN ISO 14118). Mettre le contact de Portillon dans le circuit de marche d’un "+
				"démarreur à manque de tension, puis recommencer.",
				"A card alone sets the machine in motion: it can hurt whoever stands at it (EN ISO 14118). Put "+
					"Portillon’s contact into the start circuit of a no-volt-release starter, then repeat."),
			Beats: fromRest(act("Si le démarreur est dans la machine : seulement si rien n’a échoué et si chaque pont "+
				"et fil d’essai est retiré (sinon passez : s raison). Retirez-en l’outil, la machine pas encore "+
				"raccordée, puis mettez la machine elle-même à la place de la lampe (sans fiche : l’électricien, "+
				"sectionneur cadenassé), tout le monde à distance. Elle vaut alors la lampe : éteinte, c’est arrêtée.",
				"Where the starter is inside the machine: only when no step has failed, and every bridge and test wire "+
					"is gone (otherwise skip: s reason). Take its tool out while the machine is still disconnected, "+
					"then put the machine itself in the lamp’s place (without a plug: the electrician, with the "+
					"disconnector locked), everybody standing back. It then counts as the lamp: out means stopped."),
				act("Mettez l’interrupteur de la machine en marche et laissez-le ainsi. Présentez "+
					"une carte. Ne touchez pas au bouton de marche.",
					"Switch the machine’s own switch on and leave it on. Tap a card. Do not touch the start button."),
				observe(RelayOn, soon), lamp(false), act("Appuyez sur le bouton de marche de la machine.",
					"Press the machine’s start button."), lamp(true))},
	}
}

func startSteps() []Step {
	return []Step{
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
			Do: t("Pendant l’utilisation, enclencher l’arrêt d’urgence, le déverrouiller, puis appuyer sur marche sans "+
				"carte. Recommencer, l’entrée « e-stop » du Pi reliée à la masse (bouton vu déverrouillé), puis "+
				"retirer ce pont.",
				"During a session, press the emergency stop, release it, then press start without a card. Repeat "+
					"with the Pi’s input “e-stop” bridged to ground (button seen released), then take the bridge "+
					"away."),
			See: t("La lampe s’éteint aussitôt, aussi quand le Pi ne voit pas le bouton. Déverrouillé : elle reste "+
				"éteinte jusqu’à une carte et au bouton de marche.",
				"The lamp goes out at once, also when the Pi does not see the button. Released: it stays out until "+
					"a card and the start button."),
			Means: t("L’arrêt d’urgence n’arrête pas la machine sans programme, ou son déverrouillage la redémarre. Ne "+
				"pas utiliser la machine : faire vérifier les deux contacts.",
				"The emergency stop does not stop the machine without a program, or its release starts it again. Do "+
					"not use the machine: have both contacts checked."),
			Beats: inSession(slices.Concat([]Beat{act("Enclenchez l’arrêt d’urgence.", "Press the emergency stop."),
				observe(FaultEStop, soon), lamp(false),
				act("Déverrouillez l’arrêt d’urgence. Ne touchez à rien d’autre.",
					"Release the emergency stop. Touch nothing else."), observe(NoFault, soon), lamp(false),
				act("Sans carte, appuyez sur le bouton de marche s’il y en a un.",
					"Without a card, press the start button if there is one."), lamp(false)}, started(),
				eStopWithoutThePi())...)},
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

// eStopWithoutThePi tests the first contact of the emergency stop alone. The emergency stop's other contact makes the
// Pi open the relay too. Only while the Pi does not detect the button can the person see whether the first contact is
// shorted or missing.
func eStopWithoutThePi() []Beat {
	return slices.Concat(
		[]Beat{perform(Rest), observe(Ready, later),
			act("Reliez à la masse l’entrée « e-stop » du Pi, puis enclenchez l’arrêt d’urgence : le Pi ne doit "+
				"pas le voir.",
				"Bridge the Pi’s input “e-stop” to ground, then press the emergency stop: the Pi must not see it."),
			observe(NoFault, soon),
			act("Déverrouillez l’arrêt d’urgence.", "Release the emergency stop.")},
		started(),
		[]Beat{act("Enclenchez l’arrêt d’urgence.", "Press the emergency stop."),
			ask(true, "L’arrêt d’urgence a-t-il éteint la lampe sans le Pi ? (Si son premier contact est dans la "+
				"machine : une personne compétente le mesure, machine débranchée.)",
				"Did the emergency stop put the lamp out without the Pi? (Where its first contact is inside the "+
					"machine: a competent person measures it, the machine unplugged.)"),
			act("Déverrouillez l’arrêt d’urgence et retirez le pont vers la masse.",
				"Release the emergency stop and take the bridge to ground away."),
			perform(Rest), act("Enclenchez l’arrêt d’urgence : le Pi doit de nouveau le voir.",
				"Press the emergency stop: the Pi must see it again."), observe(FaultEStop, soon),
			act("Déverrouillez l’arrêt d’urgence.", "Release the emergency stop."), observe(NoFault, soon)})
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
			Do: t("Laser débranché : ponter l’entrée « door » du Pi (porte vue fermée), démarrer, puis ouvrir le "+
				"capot. Ne jamais regarder si le faisceau s’arrête : une personne compétente mesure l’autorisation. "+
				"Puis retirer le pont.",
				"The laser unplugged: bridge the Pi’s input “door” (door seen closed), start, then open the lid. "+
					"Never look whether the beam stops: a competent person measures the enable. Then take the bridge "+
					"away."),
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
				[]Beat{act("Le laser reste débranché. Ouvrez le capot ; une personne compétente mesure "+
					"l’autorisation (s’il y faut du courant, elle seule décide comment, sans faisceau).",
					"The laser stays unplugged. Open the lid; a competent person measures the enable (where that takes "+
						"power, this person alone decides how, without a beam)."), ask(true,
					"Le contact câblé du capot a-t-il coupé l’autorisation ou l’alimentation du laser ?",
					"Did the lid’s hard-wired contact cut the laser’s enable input or supply?"),
					act("Retirez le pont. Gardez le capot ouvert : le Pi doit de nouveau le voir.",
						"Take the bridge away. Keep the lid open: the Pi must see it again."), observe(FaultDoor, soon),
					act("Fermez le capot.", "Close the lid."), observe(NoFault, soon)})},
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
			Do: t("Machine coupée, coffret fermé, relier par un fil le +24 V (après le fusible) à la borne de la bobine "+
				"(A1) sortie du coffret, puis présenter une carte. Retirer le fil : la lampe s’éteint. Ne jamais "+
				"ouvrir le coffret pour cela.",
				"With the machine off and the box closed, join +24 V (behind the fuse) by a wire to the coil’s terminal "+
					"(A1) outside the box, then tap a card. Take the wire away: the lamp goes out. Never open the box "+
					"for this."),
			See: t("Personne ne peut démarrer.", "Nobody can start."),
			Means: t("Un contacteur collé passerait inaperçu : le contact auxiliaire n’est pas un contact "+
				"miroir, ou il est mal câblé.",
				"A welded contactor would go unseen: the auxiliary contact is no mirror contact, or it is wired "+
					"wrongly."),
			Beats: fromRest(slices.Concat([]Beat{act("Coffret fermé, lampe à la place de la machine : reliez par un fil "+
				"le +24 V (après le fusible) à la borne de la bobine (A1) sortie du coffret. Le contacteur se ferme.",
				"Box closed, lamp in the machine’s place: join +24 V (behind the fuse) by a wire to the coil’s "+
					"terminal (A1) outside the box. The contactor closes."), lamp(true),
				observe(FaultContactor, soon)}, refused(),
				[]Beat{act("Retirez le fil.", "Take the wire away."), lamp(false), observe(NoFault, soon),
					perform(Untag)})...)},
	}
}

// workSteps returns the steps that test the machine's own work and its extraction.
func workSteps() []Step {
	return []Step{
		{ID: "busy", Needs: Busy, Title: t("La machine tourne sans relais", "The machine works without its relay"),
			Do: t("Machine coupée depuis dix secondes, relier entre eux, du côté du Pi, les deux fils du relais de "+
				"courant, puis présenter une carte.", "Ten seconds after the machine went off, join the two wires "+
				"of the current relay at the Pi’s end, then tap a card."),
			See: t("Personne ne peut démarrer tant que les fils sont reliés.",
				"Nobody can start while the wires are joined."),
			Means: t("Une machine alimentée hors du relais passerait inaperçue : vérifier l’entrée « busy » "+
				"(contact NO vers 3,3 V par 1 kΩ).",
				"A machine that is fed past its relay would go unseen: check the input “busy” (NO contact to 3.3 "+
					"V through 1 kΩ)."),
			Beats: fromRest(slices.Concat([]Beat{act("Attendez dix secondes, puis reliez entre eux, du côté du Pi, "+
				"les deux fils du relais de courant. N’ouvrez pas le coffret.",
				"Wait ten seconds, then join the two wires of the current relay at the Pi’s end. Do not open the "+
					"box."), observe(FaultRuns,
				coast)}, refused(),
				[]Beat{act("Séparez les deux fils.", "Part the two wires."), observe(NoFault, soon)})...)},
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
