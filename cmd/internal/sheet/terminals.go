package sheet

import (
	"strings"

	"portillon/cmd/internal/daemoncmd"
	"portillon/policy"
)

// end describes a terminal: the connected device, the wiring of the device's contact, and the kind of wire.
type end struct{ what, contact, wire policy.Text }

// t returns a text in French and English.
func t(fr, en string) policy.Text { return policy.Text{FR: fr, EN: en} }

// signal returns the kind of wire for a GPIO line. The sentence below the table says that such wires must be separate
// from mains wires.
func signal() policy.Text   { return t("signal 3,3 V", "3.3 V signal") }
func toGround() policy.Text { return t("2 fils : broche, masse", "2 wires: pin, ground") }
func none() policy.Text     { return t("aucun", "none") }
func dry() policy.Text      { return t("NO, libre de potentiel", "NO, dry") }

// terminal returns the device that is connected to one line.
func terminal(w daemoncmd.Wire, c daemoncmd.Config) end {
	if at, found := inputs()[w.Key]; found {
		return at
	}
	switch group, name, _ := strings.Cut(w.Key, "."); {
	case w.Key == "relay.pin":
		what := t("relais K1 de Portillon", "Portillon's relay K1")
		if c.Relay.Heartbeat {
			what = t(what.FR+", par pompe de charge", what.EN+", by a charge pump")
		}
		return end{what, dry(), t("+ 24 V TBTP, bobine K2", "+ 24 V PELV, coil K2")}
	case w.Key == "relay.exhaust":
		return end{t("relais de l’aspiration", "relay of the extraction"), dry(),
			t("+ 24 V TBTP, bobine A1", "+ 24 V PELV, coil A1")}
	case group == "lights" && name == "buzzer":
		return end{t("avertisseur sonore, par un transistor", "buzzer, through a transistor"), none(), signal()}
	case group == "lights":
		colour := map[string]policy.Text{
			"red": t("rouge", "red"), "amber": t("orange", "amber"), "green": t("vert", "green"),
		}[name]
		return end{t("voyant "+colour.FR, colour.EN+" lamp"), none(), signal()}
	}
	return end{t(w.Key, w.Key), none(), signal()}
}

// inputs returns the devices that are connected to the Pi's inputs and to a reader's separate wires.
func inputs() map[string]end {
	return map[string]end{
		"relay.e-stop": {t("2e contact de l’arrêt d’urgence", "second contact of the emergency stop"),
			t("NF, ouverture directe, à la masse", "NC, direct opening, to ground"), toGround()},
		"relay.door": {t("2e contact de la porte ou du capot", "second contact of the door or lid"),
			t("NF, à la masse", "NC, to ground"), toGround()},
		"relay.feedback": {t("contact de K2 + contact miroir en série",
			"K2's contact + mirror contact in series"),
			t("NF (EN IEC 60947-4-1, ann. F)", "NC (EN IEC 60947-4-1, annex F)"), toGround()},
		"relay.busy": {t("relais de courant : la machine travaille", "current relay: the machine works"),
			dry(), t("broche, 3,3 V par 1 kΩ", "pin, 3.3 V through 1 kΩ")},
		"reader.d0": {t("Wiegand D0, par adaptateur de niveau", "Wiegand D0, through a level shifter"),
			none(), t("5 V côté lecteur", "5 V at the reader")},
		"reader.d1": {t("Wiegand D1, par adaptateur de niveau", "Wiegand D1, through a level shifter"),
			none(), t("5 V côté lecteur", "5 V at the reader")},
		"reader.led": {t("LED du lecteur, par un transistor NPN", "the reader's LED, through an NPN transistor"),
			none(), t("5 V côté lecteur", "5 V at the reader")},
		"reader.beeper": {t("bip du lecteur, par un transistor NPN", "the reader's beeper, through an NPN transistor"),
			none(), t("5 V côté lecteur", "5 V at the reader")},
		"reader.irq":   {t("lecteur de cartes, IRQ", "card reader, IRQ"), none(), signal()},
		"reader.reset": {t("lecteur de cartes, RST", "card reader, RST"), none(), signal()},
	}
}

// bus returns the device that is connected to the reader's bus, as one entry for all lines of the bus.
func bus(c daemoncmd.Config) end {
	return end{t("lecteur de cartes ("+c.Reader.Kind+")", "card reader ("+c.Reader.Kind+")"), none(), signal()}
}

// relay returns a description of how this machine's relay is driven.
func relay(c daemoncmd.Config) []policy.Text {
	contact := t("Son contact ne coupe que le 24 V de la bobine de K2, jamais le secteur.",
		"Its contact switches the 24 V of K2's coil only, never mains.")
	switch {
	case c.Relay.Heartbeat:
		return []policy.Text{t(
			"Pompe de charge : la broche donne 200 Hz, et seul ce signal tient le relais fermé. "+
				"Une broche qui reste haute ou basse l’ouvre. Pas de carte relais à transistor derrière elle.",
			"Charge pump: the pin gives 200 Hz, and only this signal keeps the relay closed. "+
				"A pin that stays high or low opens it. No relay board with a transistor of its own behind it."), contact}
	case c.Relay.ActiveLow:
		return []policy.Text{t(
			"Carte active à l’état bas : VCC (optocoupleurs) en 3,3 V, cavalier JD-VCC retiré, JD-VCC en 5 V, "+
				"4,7 kΩ deux fois entre IN et 3,3 V. Jamais 5 V sur VCC.",
			"Active-low board: VCC (optocouplers) on 3.3 V, JD-VCC jumper out, JD-VCC on 5 V, "+
				"4.7 kΩ twice from IN to 3.3 V. Never 5 V on VCC."), contact}
	}
	return []policy.Text{t(
		"Carte active à l’état haut, alimentée en 5 V, 10 kΩ entre la broche et la masse : "+
			"une broche que rien ne commande laisse le relais ouvert.",
		"Active-high board on 5 V, 10 kΩ from the pin to ground: a pin that nothing drives leaves the relay open."), contact}
}
