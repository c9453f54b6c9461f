package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"portillon/cmd/internal/daemoncmd"
	"portillon/policy"
	"portillon/rfid"
)

// readerTest runs «reader test», which prints the data that a reader sends, the card's number in every form, and the
// lines for machine.yaml and members.yaml. Everyone who sees the terminal can read the card's number. The daemon must
// be stopped first, because a running daemon has the reader open.
func readerTest(ctx context.Context, w stdio, args []string) error {
	var format, bits string
	var cards int
	var wait time.Duration
	var lang *policy.Language
	rest, err := parseFlags(w, "reader test", args, 1, func(fs *flag.FlagSet) {
		fs.StringVar(&format, "format", "",
			"of a reader that types: decimal or hex; default: decimal, and hex is recognised by its letters")
		fs.StringVar(&bits, "bits", "", "of a Wiegand reader: 26, 34 or 37; default: all three")
		fs.IntVar(&cards, "cards", 1, "after how many cards to end")
		spanFlag(fs, &wait, "wait", 30*time.Second, "how long to wait for them; default: 30s")
		lang = langFlag(fs)
	})
	if err != nil {
		return err
	}
	c, err := daemoncmd.ReaderArgument(rest[0], rfid.Values{"format": format, "bits": bits})
	if err != nil {
		return wrong("%w", err).hinted("%s", daemoncmd.ReaderHint())
	}
	ctx, stop := context.WithTimeout(ctx, wait)
	defer stop()
	t := &readerTrial{w: w, lang: *lang, config: c, left: max(1, cards), stop: stop}
	r, err := c.OpenFor(t.printRaw, t.printUnread)
	if err != nil {
		return (&failure{code: 3, err: err}).hinted(
			"portillon machine ports lists what this computer has; a running portillond holds its reader: stop it first",
		)
	}
	defer r.Close()
	fmt.Fprintln(
		w.err,
		say(*lang, "présentez une carte au lecteur ; son numéro va s’afficher ici, ne le montrez à personne",
			"tap a card; its number will be shown here, show it to nobody"),
	)
	for t.left > 0 {
		tap, err := r.Read(ctx)
		switch {
		// End the test without an error: the number of the last card was found in a line that the reader had rejected.
		case err != nil && t.left == 0:
		case errors.Is(err, context.DeadlineExceeded):
			return &failure{code: 3, err: fmt.Errorf("reader read no card within %s", wait)}
		case err != nil:
			return &failure{code: 3, err: err}
		default:
			t.tapped(tap.UID)
		}
	}
	return nil
}

// readerTrial prints the data that a reader sends. The reader calls the methods from Read, so calls never overlap.
type readerTrial struct {
	w      stdio
	lang   policy.Language        // of the labels
	config daemoncmd.ReaderConfig // reader under test, for the line that is printed for machine.yaml
	left   int                    // number of cards that are still to be read
	stop   func()                 // function that ends the wait for cards
	said   rfid.Unread            // the refusal that was printed last
}

// row prints a name and a value.
func (t *readerTrial) row(name, format string, a ...any) {
	fmt.Fprintf(t.w.out, "%-14s%s\n", name, fmt.Sprintf(format, a...))
}

// printRaw prints the bytes that the reader has sent.
func (t *readerTrial) printRaw(raw string) { t.row(say(t.lang, "reçu", "received"), "%s", plain(raw)) }

// printUnread prints the reason why a card was not read. If the line contains hexadecimal digits where the reader
// expects decimal digits, printUnread prints the line as a card number.
func (t *readerTrial) printUnread(u rfid.Unread) {
	if t.config.Kind == "keyboard" && t.config.Values["format"] == "decimal" && strings.ContainsAny(u.Raw, "ABCDEF") {
		if c, err := rfid.ParseUID(u.Raw); err == nil {
			t.config.Values["format"] = "hex"
			t.tapped(c)
			return
		}
	}
	if u == t.said { // a repeated refusal is not printed, because a phone on the reader is refused ten times a second
		return
	}
	t.said = u
	t.row(say(t.lang, "refusé", "refused"), "%s", u.Why)
}

// tapped prints the card's number in every form, and counts the card.
func (t *readerTrial) tapped(u rfid.UID) {
	t.printForms(u)
	for _, warning := range t.warnings(u) {
		t.row(say(t.lang, "attention", "warning"), "%s", warning)
	}
	t.row("machine.yaml", "%s", t.config.Line())
	t.row("members.yaml", "cards: [%q]", memberCard(u))
	fmt.Fprintln(t.w.out)
	t.said = rfid.Unread{}
	if t.left--; t.left == 0 {
		t.stop()
	}
}

// printForms prints a number in the forms in which other readers report the same card.
func (t *readerTrial) printForms(u rfid.UID) {
	t.row(say(t.lang, "numéro", "number"), "%s", formRow(rfid.Form{Number: u}))
	for _, f := range rfid.Forms(u)[1:] {
		t.row("", "%s   %s", formRow(f), t.formName(f.Kind))
	}
}

// cardForms runs «card forms», which prints a number in the forms in which other readers report the same card, for
// members who use machines with different readers. The typed number may have any format that members.yaml allows.
func cardForms(_ context.Context, w stdio, args []string) error {
	var lang *policy.Language
	rest, err := parseFlags(w, "card forms", args, 1, func(fs *flag.FlagSet) { lang = langFlag(fs) })
	if err != nil {
		return err
	}
	c, err := rfid.ParseCard(rest[0])
	if err != nil {
		return wrong("%w", err).hinted("%s", rfid.CardFormats)
	}
	t := &readerTrial{w: w, lang: *lang}
	t.printForms(c.Number)
	if c.Part {
		t.row(
			"",
			"%s",
			say(*lang, "c’est peut-être une partie du numéro : "+
				"tout numéro entier qui se termine ainsi est accepté comme cette carte",
				"this may be a part of the number: every full number with this ending is accepted as this card"),
		)
	}
	return nil
}

// formRow returns a number in hexadecimal, in decimal and, if possible, in the form facility,number.
func formRow(f rfid.Form) string {
	s := fmt.Sprintf("%-21s dec:%s", "hex:"+f.Number.Hex(), f.Number.Decimal())
	if pair, ok := f.Number.FacilityNumber(); ok {
		bits := 18 + 8*(len(f.Number.Bytes())-2) // Wiegand frames have 26 bits for three bytes, and 34 bits for four bytes
		s += fmt.Sprintf("   wiegand%d:%s", bits, pair)
	}
	return s
}

// memberCard returns a number in a form that members.yaml reads unambiguously.
func memberCard(u rfid.UID) string {
	h := u.Hex()
	if strings.Trim(h, "0123456789") == "" {
		return "hex:" + h
	}
	return h
}

// formName returns the name of a form in which a card number is written.
func (t *readerTrial) formName(k rfid.FormKind) string {
	names := map[rfid.FormKind]string{
		rfid.Reversed:      "octets inversés",
		rfid.Low32:         "32 derniers bits",
		rfid.Low24:         "24 derniers bits",
		rfid.Low24Reversed: "24 derniers bits, octets inversés",
	}
	return say(t.lang, names[k], k.String())
}

// warnings returns warnings about the reader or the card that a number reveals.
func (t *readerTrial) warnings(u rfid.UID) (out []string) {
	b := u.Bytes()
	if t.config.Kind == "keyboard" && t.config.Values["format"] == "hex" && len(b) == 5 &&
		strings.Trim(u.Hex(), "0123456789") == "" {
		out = append(
			out,
			say(t.lang,
				"dix chiffres sans lettre : si d’autres cartes n’en ont jamais, le lecteur écrit en décimal (format: decimal)",
				"ten digits without a letter: if no other card has letters either, the reader types decimal (format: decimal)"),
		)
	}
	// Warn of an incomplete UID: a first byte of 88 is the cascade tag, which means that more bytes of the UID follow
	// (ISO/IEC 14443-3).
	if len(b) == 4 && (b[0] == 0x88 || b[3] == 0x88) {
		out = append(
			out,
			say(t.lang, "le lecteur ne donne que le début d’un numéro de 7 octets (88) : beaucoup de cartes ont ce même numéro",
				"the reader gives only the beginning of a number of 7 bytes (88): many cards have the same number here"),
		)
	}
	// Warn of a random UID, which begins with the byte 08 (ISO/IEC 14443-3).
	if t.config.GivesShortNumbers() && (rfid.Random(u) || len(b) == 4 && b[3] == 0x08) {
		out = append(
			out,
			say(t.lang, "08 : un téléphone donne un autre numéro à chaque fois ; présentez deux fois pour vérifier",
				"08: a phone gives another number each time; tap twice to see"),
		)
	}
	if len(b) == 3 {
		out = append(out, say(t.lang, "ce lecteur ne donne que 24 bits : une carte sur 16,7 millions a le même numéro",
			"this reader gives 24 bits only: one card in 16.7 million has the same number"))
	}
	return out
}
