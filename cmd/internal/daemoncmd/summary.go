package daemoncmd

import (
	"fmt"
	"io"
	"strings"

	"portillon/policy"
)

// Point is a sentence about what Portillon does or does not do at a machine.
type Point struct {
	Does   bool
	Wiring bool // true: relevant for the electrician who wires the machine
	Text   policy.Text
}

// points collects sentences in order. points inserts an argument of type policy.Text in the language of the sentence.
type points []Point

func (p *points) does(fr, en string, a ...any)    { p.add(true, fr, en, a) }
func (p *points) doesNot(fr, en string, a ...any) { p.add(false, fr, en, a) }

func (p *points) add(does bool, fr, en string, a []any) {
	*p = append(*p, Point{Does: does, Text: policy.Text{
		FR: formatSentence(policy.French, fr, a), EN: formatSentence(policy.English, en, a)}})
}

// formatSentence formats a sentence in one language.
func formatSentence(l policy.Language, format string, a []any) string {
	in := make([]any, len(a))
	for i, x := range a {
		in[i] = x
		if t, ok := x.(policy.Text); ok {
			in[i] = t.In(l)
		}
	}
	return fmt.Sprintf(format, in...)
}

// Summary returns sentences about what Portillon does and does not do at this machine. People use the summary to decide
// which other protection the machine needs, so the summary says for each input that is not wired what Portillon does
// not detect.
func (c Config) Summary() []Point {
	var p points
	p.doesNot("remplacer l’arrêt d’urgence, les protecteurs et leurs verrouillages : "+
		"Portillon n’est pas une fonction de sécurité (EN ISO 13849-1)",
		"replace the emergency stop, the guards or their interlocks: Portillon is not a safety function (EN ISO 13849-1)")
	p.doesNot("isoler la machine : relais ouvert, elle peut rester sous tension. "+
		"Verrouiller l’interrupteur principal avant d’y mettre les mains",
		"isolate the machine: with the relay open it may still be live. Lock the main switch before you put your hands in")
	p.doesNot("empêcher une machine dont l’interrupteur est resté sur marche de démarrer dès la carte présentée : "+
		"il faut un démarreur à manque de tension (EN ISO 14118)",
		"keep a machine whose own switch was left on from starting when a card is presented: fit a no-volt release "+
			"(EN ISO 14118)")
	c.relayPoints(&p)
	c.inputPoints(&p)
	wiring := len(p)
	c.readerPoints(&p)
	for i := range p {
		p[i].Wiring = i < wiring
	}
	return p
}

// terminal returns the name of a pin for an electrician, with the pin's number on the header.
func terminal(pin string) policy.Text {
	_, line, err := gpioLine(pin)
	if err != nil {
		return policy.Text{FR: "une broche simulée", EN: "a simulated pin"}
	}
	if n, ok := HeaderPin(line); ok {
		return policy.Text{FR: fmt.Sprintf("broche %d, GPIO %d", n, line), EN: fmt.Sprintf("pin %d, GPIO %d", n, line)}
	}
	return policy.Text{FR: fmt.Sprintf("GPIO %d", line), EN: fmt.Sprintf("GPIO %d", line)}
}

// relayPoints adds sentences about the switched relays and the kind of output.
func (c Config) relayPoints(p *points) {
	if strings.HasPrefix(c.Relay.Pin, "sim:") {
		p.doesNot("commander quoi que ce soit de réel : la broche du relais est simulée",
			"switch anything real: the relay's pin is simulated")
	} else {
		at, how := terminal(c.Relay.Pin), c.relayMode()
		p.does("commande le contacteur de la machine (%s) %s", "switches the machine's contactor (%s) %s", at, how)
	}
	if c.Relay.Exhaust == "" {
		p.doesNot("commander une aspiration ni un extracteur", "switch an extraction fan")
	} else {
		p.does("commande l’aspiration (%s), et la laisse tourner après l’utilisation",
			"switches the extraction (%s), and lets it run on after the session",
			terminal(c.Relay.Exhaust))
	}
	if strings.HasPrefix(c.Relay.Pin, "gpio:") && !c.Relay.Heartbeat {
		p.doesNot("ouvrir le relais quand le noyau se bloque, avant que le chien de garde n’agisse (15 s) ; "+
			"« mode: heartbeat » le fait",
			"open the relay when the kernel hangs, before the watchdog acts (15 s); mode: heartbeat does")
	}
}

// relayMode returns a sentence about how the GPIO line drives the relay.
func (c Config) relayMode() policy.Text {
	switch {
	case c.Relay.Heartbeat:
		return policy.Text{FR: "par une pompe de charge : seul un signal qui bouge tient le relais fermé",
			EN: "through a charge pump: only a moving signal keeps the relay closed"}
	case c.Relay.ActiveLow:
		return policy.Text{FR: "par une carte active à l’état bas, ses optocoupleurs alimentés en 3,3 V",
			EN: "through an active-low board with 3.3 V on its optocouplers"}
	}
	return policy.Text{FR: "par une carte active à l’état haut", EN: "through an active-high board"}
}

// inputPoints adds a sentence for each input: what it detects, or what stays undetected because the input is not wired.
func (c Config) inputPoints(p *points) {
	r := c.Relay
	if r.EStop != "" {
		p.does("met fin à l’utilisation quand l’arrêt d’urgence est enfoncé (%s) : une fois relâché, il faut de "+
			"nouveau une carte",
			"ends the session when the emergency stop is pressed (%s): after its release a start needs a card "+
				"again", terminal(r.EStop))
	} else {
		p.doesNot("voir l’arrêt d’urgence : le relâcher peut redémarrer la machine tant que l’utilisation dure",
			"see the emergency stop: releasing it may restart the machine while the session lives")
	}
	if r.Feedback != "" {
		p.does("finit l’utilisation et le signale quand le contacteur ne suit pas (%s) : un contact soudé interdit le "+
			"démarrage suivant, mais Portillon ne peut pas couper un contacteur soudé",
			"ends the session and says so when the contactor does not follow (%s): a welded contact prevents the "+
				"next start, but Portillon cannot open a welded contactor", terminal(r.Feedback))
	} else {
		p.doesNot("voir si le contacteur suit : un contact soudé laisse la machine alimentée sans que personne "+
			"ne le sache",
			"see whether the contactor follows: a welded contact leaves the machine powered, and nobody knows")
	}
	if r.Busy != "" {
		p.does("voit si la machine travaille (%s) : un travail peut se terminer, les heures sont celles du travail",
			"sees whether the machine works (%s): a job may finish, and hours are those of work", terminal(r.Busy))
	} else {
		p.doesNot("voir si la machine travaille : la fin de l’utilisation coupe un travail en cours, et les heures "+
			"sont celles de l’utilisation",
			"see whether the machine works: the end of a session cuts a running job, and hours are those of the session")
	}
	if r.Door != "" {
		p.does("ouvre le relais et met fin à l’utilisation quand la porte s’ouvre (%s)",
			"opens the relay and ends the session when the door opens (%s)",
			terminal(r.Door))
		p.doesNot("servir de verrouillage de sécurité à la porte : son contact passe par un programme ; "+
			"il en faut un autre, câblé (EN ISO 14119)",
			"serve as the door's safety interlock: its contact goes through a program; "+
				"a hard-wired one is needed too (EN ISO 14119)")
	} else {
		p.doesNot("voir une porte ou un capot", "see a door or a lid")
	}
}

// readerPoints adds sentences about how cards are read, what the cards prove, and where records are sent.
func (c Config) readerPoints(p *points) {
	switch {
	case c.Reader.Kind == noReader:
		p.doesNot("lire de carte : aucun lecteur n’est nommé", "read cards: no reader is named")
	case c.Reader.Values.Slot():
		p.does("garde la machine alimentée tant que la carte est dans la fente du lecteur (%s)",
			"keeps the machine powered while the card is in the reader's slot (%s)",
			c.Reader.Kind)
	default:
		p.does("commence et termine une utilisation quand une carte est présentée au lecteur (%s)",
			"starts and ends a session when a card is presented to the reader (%s)",
			c.Reader.Kind)
	}
	if c.Reader.Kind != noReader && c.Reader.AESKey() == "" {
		p.doesNot("reconnaître une carte copiée : seul le numéro compte, et un numéro se copie",
			"recognise a copied card: its number alone counts, and a number can be copied")
	}
	if c.hasLamps() {
		p.does("montre l’état par des voyants ou un avertisseur sonore", "shows its state with lamps or a buzzer")
	}
	if c.MQTT.Broker != "" {
		p.does("envoie son journal au hub ; sans réseau, les cartes marchent",
			"sends its journal to the hub; cards work without a network")
	} else {
		p.doesNot("envoyer son journal à un hub : aucun courtier n’est nommé",
			"send its journal to a hub: no broker is named")
	}
}

// writeSummary prints the summary in one language.
func writeSummary(w io.Writer, c Config, l policy.Language) {
	for _, part := range []struct {
		does  bool
		title policy.Text
	}{
		{true, policy.Text{FR: "Ce que Portillon fait sur la machine " + c.Machine + ", d’après son fichier :",
			EN: "What Portillon does at the machine " + c.Machine + ", as its file has it:"}},
		{false, policy.Text{FR: "Ce que Portillon ne fait pas ici :", EN: "What Portillon does not do here:"}},
	} {
		fmt.Fprintln(w, part.title.In(l))
		for _, x := range c.Summary() {
			if x.Does == part.does {
				fmt.Fprintf(w, "  - %s\n", x.Text.In(l))
			}
		}
	}
}

// checkEStop warns if the relay switches a machine but no emergency-stop input is wired.
func (x *checker) checkEStop() {
	if strings.HasPrefix(x.c.Relay.Pin, "gpio:") && x.c.Relay.EStop == "" {
		x.out.warn("relay.e-stop: is missing: releasing the emergency stop may restart " +
			"the machine while the session lives; " +
			`wire its second contact (normally closed, to ground) and name it, as e-stop: "gpio:pinctrl-/22"`)
	}
}

// languageOf returns the language of -check: the flag's language, otherwise French in a French environment, otherwise
// English.
func languageOf(flag string, getenv func(string) string) (policy.Language, error) {
	switch flag {
	case "fr":
		return policy.French, nil
	case "en":
		return policy.English, nil
	case "":
	default:
		return policy.English, fmt.Errorf("-lang: %.20q is not a language of portillond, use fr or en", flag)
	}
	for _, name := range [...]string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if s := getenv(name); s != "" {
			if s == "fr" || strings.HasPrefix(s, "fr_") || strings.HasPrefix(s, "fr.") {
				return policy.French, nil
			}
			return policy.English, nil
		}
	}
	return policy.English, nil
}
