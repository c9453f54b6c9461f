package acceptance

func readerSteps() []Step {
	lost, here := observe(ReaderLost, later), observe(ReaderBack, later)
	lost.Needs, here.Needs = ReaderTells, ReaderTells
	return []Step{
		{ID: "reader-unplugged", Needs: Reader, Title: t("Lecteur débranché", "Reader unplugged"),
			Do: t("Pendant l’utilisation, débrancher le lecteur, puis arrêter la machine, puis rebrancher.",
				"During a session, unplug the reader; end the session; plug the reader in again."),
			See: t("La lampe reste allumée jusqu’à la fin. Ensuite personne ne démarre avant le retour du "+
				"lecteur.", "The lamp stays lit until the session’s end. Then nobody starts until the reader "+
				"is back."),
			Means: t("Une machine qui s’arrête au milieu d’un travail peut être dangereuse : vérifier "+
				"l’alimentation du lecteur et du Pi (« portillon doctor »).",
				"A machine that stops in the middle of its work can be dangerous: check the supply of the reader "+
					"and of the Pi (“portillon doctor”)."),
			Beats: inSession(act("Débranchez le lecteur.", "Unplug the reader."), lost, lamp(true), perform(Rest),
				observe(RelayOff, soon), lamp(false),
				act("Rebranchez le lecteur.", "Plug the reader in again."), here, lamp(false))},
	}
}

// programSteps returns the steps for failures of the programs.
func programSteps() []Step {
	back := []Beat{observe(Ready, later), lamp(false)}
	killed := func(d Deed) []Beat {
		return inSession(append([]Beat{perform(d), act("Attendez deux secondes.", "Wait two seconds."),
			lamp(false)}, back...)...)
	}
	means := t("Le relais reste fermé sans programme : la machine tournerait sans surveillance. Vérifier "+
		"dtparam=strict_gpiod dans config.txt et la résistance de 10 kΩ (« portillon doctor »).",
		"The relay stays closed without its program: the machine would run unattended. Check "+
			"dtparam=strict_gpiod in config.txt and the 10 kΩ resistor (“portillon doctor”).")
	return []Step{
		{ID: "daemon-killed", Title: t("Programme tué", "Daemon killed"),
			Do: t("Pendant l’utilisation, tuer le programme (kill -9).",
				"During a session, kill the daemon (kill -9)."),
			See: t("La lampe s’éteint et reste éteinte quand le programme revient.",
				"The lamp goes out and stays out when the daemon is back."), Means: means, Beats: killed(KillDaemon)},
		{ID: "daemon-stopped", Title: t("Programme bloqué", "Daemon stopped"),
			Do: t("Pendant l’utilisation, bloquer le programme (SIGSTOP).",
				"During a session, stop the daemon (SIGSTOP)."),
			See: t("La lampe s’éteint en deux secondes et reste éteinte.",
				"The lamp goes out within two seconds and stays out."), Means: means, Beats: killed(StopDaemon)},
		{ID: "guard-killed", Title: t("Gardien tué", "Guard killed"),
			Do: t("Pendant l’utilisation, tuer le gardien du relais (kill -9).",
				"During a session, kill the relay’s guard (kill -9)."),
			See:   t("La lampe s’éteint et reste éteinte.", "The lamp goes out and stays out."),
			Means: means, Beats: killed(KillGuard)},
	}
}

// cutSteps returns the steps for failures of the power supply. All three steps share one power cut.
func cutSteps() []Step {
	floats := t("Rien ne tient le relais ouvert quand le Pi ne le commande pas : la machine démarrerait seule. "+
		"Vérifier la résistance de 10 kΩ vers la masse et que la carte relais est active à l’état haut.",
		"Nothing holds the relay open while the Pi does not drive it: the machine would start by itself. Check "+
			"the 10 kΩ resistor to ground, and that the relay board is active high.")
	return []Step{
		{ID: "pi-unplugged", Title: t("Pi débranché", "Pi unplugged"),
			Do: t("Pendant l’utilisation, débrancher le Pi, tenir le bouton de marche enfoncé, attendre dix secondes, "+
				"rebrancher.",
				"During a session, pull the Pi’s plug, hold the start button pressed, wait ten seconds, plug it in "+
					"again."),
			See: t("La lampe s’éteint, et reste éteinte quand le courant revient.",
				"The lamp goes out, and stays out when the power returns."),
			Means: floats,
			Beats: inSession(Beat{Kind: Cut,
				Say: t("Laissez branchées la lampe et l’alimentation de la carte relais. Regardez la lampe, "+
					"débranchez le Pi, tenez le bouton de marche enfoncé s’il y en a un, attendez dix secondes, "+
					"rebranchez, et regardez encore jusqu’à la fin du démarrage. Relâchez alors le bouton, puis "+
					"lancez à nouveau : sudo portillon setup",
					"Leave the lamp and the relay board’s supply plugged in. Watch the lamp, pull the Pi’s plug, "+
						"hold the start button pressed if there is one, wait ten seconds, plug it in again, and watch "+
						"on until the Pi has started. Let the button go then, and run again: sudo portillon setup")},
				ask(true, "La lampe s’est-elle éteinte quand vous avez débranché le Pi ?",
					"Did the lamp go out when you pulled the Pi’s plug?"))},
		{ID: "supply-without-pi", With: "pi-unplugged", Title: t("Carte relais sans Pi", "Relay board without Pi"),
			Do: t("Pi sans courant, alimentations de la carte relais et du 24 V branchées, bouton de marche tenu "+
				"enfoncé.",
				"The Pi without power, the supplies of the relay board and of the 24 V on, the start button held "+
					"pressed."),
			See:   t("La lampe reste éteinte.", "The lamp stays out."),
			Means: floats,
			Beats: []Beat{ask(true, "Pendant que le Pi était sans courant, carte relais alimentée : la lampe "+
				"est-elle restée éteinte tout le temps ?",
				"While the Pi had no power and the relay board had its supply: did the lamp stay out all the time?")}},
		{ID: "boot", With: "pi-unplugged", Title: t("Démarrage du Pi", "Boot"),
			Do: t("Brancher le Pi et le laisser démarrer, bouton de marche tenu enfoncé : sinon la lampe ne montre pas "+
				"un relais fermé.",
				"Give the Pi power and let it start, the start button held pressed: without it the lamp does not "+
					"show a closed relay."),
			See:   t("La lampe reste éteinte jusqu’à une carte.", "The lamp stays out until a card."),
			Means: floats,
			Beats: []Beat{ask(true, "Du retour du courant jusqu’à maintenant : la lampe est-elle restée éteinte "+
				"tout le temps ?", "From the return of the power until now: did the lamp stay out all the time?"),
				observe(Ready, later), lamp(false)}},
	}
}

// haltSteps returns the steps for a Pi that is halted while its supply stays on.
func haltSteps() []Step {
	return []Step{
		{ID: "pi-halted", Title: t("Pi arrêté", "Pi halted"),
			Do: t("Pendant l’utilisation, arrêter le Pi (poweroff) en le laissant branché, bouton de marche tenu enfoncé "+
				"ensuite.",
				"During a session, halt the Pi (poweroff) with its plug left in; then hold the start button pressed."),
			See: t("La lampe s’éteint et reste éteinte, le 5 V étant présent.",
				"The lamp goes out and stays out, though the 5 V are there."),
			Means: t("Un Pi arrêté ferme le relais : carte active à l’état bas. Prendre une carte active à "+
				"l’état haut, ou un transistor devant celle-ci.",
				"A halted Pi closes the relay: the board is active low. Take an active-high board, or put a "+
					"transistor before this one."),
			Beats: inSession(Beat{Kind: Halt,
				Say: t("Le programme va arrêter le Pi. Laissez-le branché, tenez le bouton de marche enfoncé "+
					"s’il y en a un dès que la lampe s’éteint, et regardez la lampe jusqu’à dix "+
					"secondes après l’extinction de la diode verte. Puis débranchez, rebranchez, et lancez à "+
					"nouveau : sudo portillon setup",
					"The program will halt the Pi. Leave its plug in, hold the start button pressed if there is one as "+
						"soon as the lamp goes out, and watch the lamp until ten seconds after the "+
						"green LED is dark. Then pull the plug, plug it in again, and run again: sudo portillon "+
						"setup")},
				ask(true, "Pendant que le Pi était arrêté mais branché : la lampe est-elle restée éteinte ?",
					"While the Pi was halted with its plug in: did the lamp stay out?"), observe(Ready, later), lamp(false))},
	}
}

// isolationSteps returns the step for the disconnector, the only device that makes a machine safe to open.
func isolationSteps() []Step {
	return []Step{
		{ID: "isolation", Title: t("Sectionneur", "Main disconnector"),
			Do: t("Couper le sectionneur principal et le cadenasser. Une personne habilitée mesure ensuite.",
				"Switch the main disconnector off and lock it. A qualified person then measures."),
			See: t("Aucune tension aux bornes de la machine, ni aux bornes d’arrivée du contacteur.",
				"No voltage at the machine’s terminals, nor at the contactor’s incoming terminals."),
			Means: t("Un relais ouvert n’isole pas : sans sectionneur cadenassé, personne ne met les mains dans "+
				"la machine (EN 60204-1 §5.3). Faire poser un sectionneur par un électricien.",
				"An open relay does not isolate: without a locked disconnector nobody puts hands into the "+
					"machine (EN 60204-1 §5.3). Have an electrician fit one."),
			Beats: []Beat{act("Arrêtez la machine et attendez que rien ne bouge. Coupez le sectionneur principal et "+
				"cadenassez-le. Une personne habilitée, seule à ouvrir le coffret, mesure aux bornes de la machine et aux "+
				"bornes d’arrivée du contacteur : lui ouvert, elles seules montrent ce que coupe le sectionneur. Si le Pi "+
				"s’éteint aussi : après la mesure, le coffret refermé, remettez le courant, relancez sudo portillon setup, "+
				"et répondez ici sans recommencer.",
				"Stop the machine and wait until nothing moves. Switch the main disconnector off and lock it. A "+
					"qualified person, who alone opens the box, measures at the machine’s terminals and at the "+
					"contactor’s incoming terminals: while it is open, only they show what the disconnector breaks. "+
					"Where the Pi goes off too: after the measurement close the box, switch on, run sudo portillon "+
					"setup again, and answer here without a repeat."),
				ask(true, "Le vérificateur montre-t-il l’absence de tension ?",
					"Does the tester show that there is no voltage?")}},
	}
}
