package setup

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"portillon/policy"
	"portillon/rfid"
)

// question is a question to the person at the terminal.
type question struct {
	flag    string // name of the command-line flag that contains the answer
	text    policy.Text
	choices []choice // possible answers; empty: any text that Answers.Check accepts
	several bool     // true: the answer may be several choices, separated by commas
	absent  string   // default for an empty line; empty: an answer is required
	into    func(*Answers) *string
	when    func(Answers) bool
	want    policy.Text // description of a valid answer, shown after an invalid one; not used with choices
}

// choice is one possible answer.
type choice struct {
	value string
	text  policy.Text
}

// questions returns the questions in the order in which setup asks them. The caller skips a question if the command
// line contains the question's flag. The argument found contains the connected USB readers.
func questions(found []string) []question {
	return slices.Concat(siteQuestions(), readerQuestions(found), relayQuestions())
}

func always(Answers) bool { return true }

// siteQuestions returns the questions about the site and the hub of the machine.
func siteQuestions() []question {
	id := t("Minuscules, chiffres et tirets, comme laser-2", "Lower-case letters, digits and hyphens, as laser-2")
	return []question{
		{flag: "machine", into: func(a *Answers) *string { return &a.Machine }, when: always, want: id,
			text: t("Nom court de la machine (minuscules, chiffres, tirets), comme dans les règles d’accès",
				"The machine’s id, as the access policy has it (lower case, digits, hyphens)")},
		{flag: "site", into: func(a *Answers) *string { return &a.Site }, when: always, want: id,
			text: t("Nom court du lieu, comme dans les règles d’accès", "The site’s id, as the access policy has it")},
		{flag: "bundle-key", into: func(a *Answers) *string { return &a.BundleKey }, when: always,
			text: t("Clé publique du lieu (la ligne qu’a imprimée « portillon bundle keygen »)",
				"The site’s public key (the line that “portillon bundle keygen” printed)"),
			want: t("Recopiez la ligne entière, comme portillon:site:biklab+c260dc51+ARYi…",
				"Copy the whole line, as portillon:site:biklab+c260dc51+ARYi…")},
		{flag: "broker", into: func(a *Answers) *string { return &a.Broker }, when: always, absent: "none",
			text: t("Adresse du hub, comme tcp://hub.lan:1883 (Entrée : pas de hub)",
				"The hub’s address, as tcp://hub.lan:1883 (Enter: no hub)"),
			want: t("Une adresse avec son port, comme tcp://hub.lan:1883 ou ssl://hub.lan:8883",
				"An address with its port, as tcp://hub.lan:1883 or ssl://hub.lan:8883")},
	}
}

// readerQuestions returns the questions about the reader. The argument found contains the device files of connected USB
// readers.
func readerQuestions(found []string) []question {
	usb := func(a Answers) bool { return a.Reader == "usb" }
	return []question{
		{flag: "reader", into: func(a *Answers) *string { return &a.Reader }, when: always,
			text: t("Quel lecteur de cartes ?", "Which card reader?"), choices: readerChoices()},
		{flag: "port", into: func(a *Answers) *string { return &a.Port }, when: usb, choices: foundChoices(found),
			text: t("Quel lecteur USB ? (branché, il est dans la liste ; sinon son fichier)",
				"Which USB reader? (plugged in, it is in the list; else its file)"),
			want: t("Un numéro de la liste, ou un fichier comme /dev/input/by-id/usb-…-event-kbd",
				"A number of the list, or a file as /dev/input/by-id/usb-…-event-kbd")},
		{flag: "format", into: func(a *Answers) *string { return &a.Format }, when: usb, absent: "decimal",
			text: t("Que tape le lecteur ?", "What does the reader type?"), choices: []choice{
				{"decimal", t("le numéro en décimal, comme 1658849517", "the number in decimal, as 1658849517")},
				{"hex", t("le numéro en hexadécimal, comme 62E3086CED", "the number in hexadecimal, as 62E3086CED")}}},
	}
}

// relayQuestions returns the questions about the relay and the inputs that are wired to the Pi.
func relayQuestions() []question {
	return []question{
		{flag: "relay", into: func(a *Answers) *string { return &a.Relay }, when: always,
			text: t("Qu’est-ce qui commande la machine (broche GPIO 17) ?", "What switches the machine (pin GPIO 17)?"),
			choices: []choice{
				{"high", t("une carte relais active à l’état haut, avec 10 kΩ vers la masse",
					"a relay board that is active high, with 10 kΩ to ground")},
				{"transistor", t("une carte active à l’état bas, derrière un transistor (NPN ou ULN2803A)",
					"a board that is active low, behind a transistor (NPN or ULN2803A)")},
				{"pump", t("une pompe de charge, sans carte relais", "a charge pump, with no relay board")}}},
		{flag: "inputs", into: func(a *Answers) *string { return &a.Inputs }, when: always, absent: "e-stop",
			several: true, choices: inputChoices(),
			text: t("Qu’est-ce qui est câblé, en plus du relais ? (numéros séparés par des virgules ; 0 : rien)",
				"What else is wired? (numbers with commas; 0: nothing)")},
	}
}

// readerChoices returns the readers that setup offers, as choices of a question.
func readerChoices() (out []choice) {
	for _, o := range offers() {
		out = append(out, choice{o.Name, t(o.FR, o.EN)})
	}
	return out
}

// inputChoices returns the inputs with their GPIO numbers, as choices of a question.
func inputChoices() []choice {
	words := map[string]policy.Text{
		"e-stop": t("second contact de l’arrêt d’urgence (GPIO 22)", "the emergency stop’s second contact (GPIO 22)"),
		"door": t("second contact de la porte ou du capot (GPIO 5 ; 26 avec Wiegand)",
			"the door’s or lid’s second contact (GPIO 5; 26 with Wiegand)"),
		"feedback": t("contact miroir du contacteur (GPIO 23)", "the contactor’s mirror contact (GPIO 23)"),
		"busy": t("relais de courant : la machine travaille (GPIO 24)",
			"current relay: the machine works (GPIO 24)"),
		"exhaust": t("relais de l’extraction (GPIO 27)", "the extraction’s relay (GPIO 27)"),
		"lamps":   t("voyants rouge, orange, vert (GPIO 12, 13, 19)", "lamps red, amber, green (GPIO 12, 13, 19)"),
		"buzzer":  t("avertisseur sonore (GPIO 16)", "buzzer (GPIO 16)"),
	}
	var out []choice
	for _, n := range inputNames() {
		out = append(out, choice{n, words[n]})
	}
	return out
}

// foundChoices returns the connected USB readers, as choices of a question.
func foundChoices(found []string) (out []choice) {
	for _, f := range found {
		out = append(out, choice{f, t(f, f)})
	}
	return out
}

// tries is the maximum number of times that one question is asked, because the input may come from a file instead of a
// person.
const tries = 10

// complete asks the questions that have no answer yet.
func complete(
	a Answers, found []string, ask func(policy.Text) (string, error), show func(policy.Text),
) (Answers, error) {
	for _, q := range questions(found) {
		if *q.into(&a) != "" || !q.when(a) {
			continue
		}
		if err := q.askUntilValid(&a, ask, show); err != nil {
			return a, err
		}
	}
	if a.Port == "" {
		a.Port = a.offer().Values[rfid.KeyPort]
	}
	return a, a.Check()
}

// askUntilValid asks one question until the answer is valid.
func (q question) askUntilValid(a *Answers, ask func(policy.Text) (string, error), show func(policy.Text)) error {
	for range tries {
		line, err := ask(q.render())
		if err != nil {
			return fmt.Errorf("--%s: %w", q.flag, err)
		}
		value, ok := q.parseAnswer(line)
		with := *a
		if *q.into(&with) = value; ok && with.Check() == nil {
			*a = with
			return nil
		}
		show(q.problem(line))
	}
	return fmt.Errorf("--%s: question has no valid answer after %d attempts", q.flag, tries)
}

// render returns the text of the question and its choices, with one choice on each line.
func (q question) render() policy.Text {
	text := q.text
	for i, c := range q.choices {
		mark := " "
		if c.value == q.absent {
			mark = "*"
		}
		text.FR += fmt.Sprintf("\n %s%d  %s", mark, i+1, c.text.FR)
		text.EN += fmt.Sprintf("\n %s%d  %s", mark, i+1, c.text.EN)
	}
	return text
}

// problem returns the text for a person whose answer was invalid; the text describes a valid answer.
func (q question) problem(line string) policy.Text {
	switch {
	case strings.TrimSpace(line) == "":
		return tf("Il faut une réponse (option --%s)", "An answer is needed (flag --%s)", q.flag)
	case q.want != policy.Text{}:
		return q.want
	}
	return tf("Répondez par un numéro de 1 à %d", "Answer with a number from 1 to %d", len(q.choices))
}

// parseAnswer converts a typed line to an answer: a choice by its number or its word, or a text.
func (q question) parseAnswer(line string) (value string, ok bool) {
	line = strings.TrimSpace(line)
	switch {
	case line == "":
		return q.absent, q.absent != ""
	case q.flag != "port" && len(q.choices) == 0:
		return line, true
	case q.several && line == "0":
		return "none", true
	case !q.several:
		return q.pickChoice(line)
	}
	var out []string
	for _, word := range strings.FieldsFunc(line, func(r rune) bool { return r == ',' || r == ' ' }) {
		value, ok := q.pickChoice(word)
		if !ok {
			return "", false
		}
		if !slices.Contains(out, value) {
			out = append(out, value)
		}
	}
	return strings.Join(out, ","), len(out) > 0
}

// pickChoice returns the choice with this number or this word.
func (q question) pickChoice(word string) (string, bool) {
	for i, c := range q.choices {
		if word == strconv.Itoa(i+1) || word == c.value {
			return c.value, true
		}
	}
	// Accept any device file, because the reader may not be connected yet.
	return word, q.flag == "port" && validPort(word)
}
