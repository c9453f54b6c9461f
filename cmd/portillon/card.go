package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"portillon/keykind"
	"portillon/policy"
	"portillon/rfid"
	"portillon/rfid/pcsc"
	"portillon/rfid/pn532"
	"portillon/rfid/strong"
)

// talker is a reader that can exchange commands with a card.
type talker interface {
	rfid.Poller
	rfid.Channel
}

// opener opens a reader by a text such as pn532:/dev/ttyUSB0.
type opener func(spec string) (talker, error)

// openTalker opens a PN532 (pn532:/dev/ttyUSB0 on a serial line, pn532:i2c:/dev/i2c-1, pn532:spi:/dev/spidev0.0), or
// the PC/SC reader whose name begins with the given text (pcsc:ACS).
func openTalker(spec string) (talker, error) {
	if name, ok := strings.CutPrefix(spec, "pcsc:"); ok {
		return pcsc.Open(name)
	}
	port, ok := strings.CutPrefix(spec, "pn532:")
	if !ok || port == "" {
		return nil, wrong("--reader: %q is not a reader that can exchange commands with cards", spec).
			hinted("pn532:/dev/ttyUSB0, pn532:i2c:/dev/i2c-1, pn532:spi:/dev/spidev0.0 or pcsc:NAME")
	}
	if !strings.Contains(port, ":") {
		port = "serial:" + port
	}
	return pn532.Open(port)
}

// cardKeygen runs «card keygen», which creates the AES key for cards that authenticate. The key file has mode 0600,
// because whoever has the key can make valid cards. The key is needed by machines for which the policy requires card:
// aes.
func cardKeygen(_ context.Context, w stdio, args []string) error {
	var out string
	if _, err := parseFlags(w, "card keygen", args, 0, func(fs *flag.FlagSet) {
		fs.StringVar(&out, "o", "", "the file for the key (mode 0600)")
	}); err != nil {
		return err
	}
	if err := missing("-o strong.key", need{"-o", out != ""}); err != nil {
		return err
	}
	k, err := strong.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	if err := writeNew(out, k.Line()); err != nil {
		return err
	}
	fmt.Fprintf(w.out, "wrote %s: every machine that asks for proof needs it; whoever has it can make cards\n", out)
	return nil
}

// carding contains the flags of the verbs that work with a card on a reader.
type carding struct {
	reader, key, old string        // key: file of the site's AES key; old: file of the card's present AES key
	json, number     bool          // number: print the card's number too
	wait             time.Duration // how long to wait for a card
	lang             *policy.Language
}

// declare declares the flags.
func (x *carding) declare(fs *flag.FlagSet) {
	fs.StringVar(&x.reader, "reader", "", "the reader, as in pn532:/dev/ttyUSB0")
	fs.StringVar(&x.key, "key", "", "the site's AES key for cards (card keygen)")
	fs.BoolVar(&x.json, "json", false, "print the answer as JSON")
	fs.BoolVar(&x.number, "number", false, "print the card's number too, as members.yaml takes it")
	spanFlag(fs, &x.wait, "wait", 10*time.Second, "how long to wait for a card; default: 10s")
	x.lang = langFlag(fs)
}

// cardCheck runs «card check», in which the card must prove that it has the site's key and its own number. The exit
// code is 0 if both proofs succeed, 1 if one proof fails, and 3 if the card was removed too early.
func cardCheck(ctx context.Context, w stdio, args []string) error {
	var x carding
	if _, err := parseFlags(w, "card check", args, 0, x.declare); err != nil {
		return err
	}
	return x.withCard(ctx, w, func(s strong.Site, t talker, u rfid.UID) error {
		r, err := s.Check(ctx, t, u)
		return x.printAnswer(w, x.answer(r, u, err))
	})
}

// cardPersonalise runs «card personalise», which writes the site's keys to a new card and then checks the card. The
// flag --old-key names the key of a card that another site has prepared; new cards have the manufacturer's key of
// zeros. A card that was removed from the reader too early may have only some of the keys; if the person repeats the
// command, it writes the missing keys.
func cardPersonalise(ctx context.Context, w stdio, args []string) error {
	var x carding
	if _, err := parseFlags(w, "card personalise", args, 0, func(fs *flag.FlagSet) {
		x.declare(fs)
		fs.StringVar(&x.old, "old-key", "",
			"the AES key that all of the card's keys are now; default: the factory's, which is zero")
	}); err != nil {
		return err
	}
	var old strong.Key
	if x.old != "" {
		var err error
		if old, err = readStrongKey(x.old); err != nil {
			return err
		}
	}
	return x.withCard(ctx, w, func(s strong.Site, t talker, u rfid.UID) error {
		err := s.Personalise(ctx, t, u, old)
		var r strong.Report
		if err == nil {
			r, err = s.Check(ctx, t, u)
		}
		return x.printAnswer(w, x.answer(r, u, err))
	})
}

// withCard reads the key, opens the reader, waits for a card and calls do.
func (x *carding) withCard(ctx context.Context, w stdio, do func(strong.Site, talker, rfid.UID) error) error {
	if err := missing("--reader pn532:/dev/ttyUSB0 --key strong.key", need{"--reader", x.reader != ""},
		need{"--key", x.key != ""}); err != nil {
		return err
	}
	k, err := readStrongKey(x.key)
	if err != nil {
		return err
	}
	t, err := w.open(x.reader)
	if f := (*failure)(nil); err != nil && !errors.As(err, &f) {
		err = (&failure{code: 3, err: err}).hinted("portillon machine ports lists what this computer has")
	}
	if err != nil {
		return err
	}
	defer t.Close()
	fmt.Fprintln(w.err,
		say(*x.lang, "posez la carte sur le lecteur et laissez-l’y", "put the card on the reader and leave it there"))
	u, err := await(ctx, t, x.wait)
	if err != nil {
		return &failure{code: 3, err: err}
	}
	return do(strong.Site{Key: k}, t, u)
}

// readStrongKey reads the site's AES key for cards.
func readStrongKey(path string) (strong.Key, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return strong.Key{}, wrong("%w", err)
	}
	if err := checkKind("--key", path, string(b), keykind.Place{Kind: keykind.AES, Private: true}); err != nil {
		return strong.Key{}, err
	}
	k, err := strong.ParseKey(b)
	if err != nil {
		return k, wrong("%s: %w", path, err).hinted("portillon card keygen -o FILE makes one")
	}
	return k, nil
}

// await polls the reader until the reader detects a card, for at most the time long.
func await(ctx context.Context, t talker, long time.Duration) (rfid.UID, error) {
	ctx, stop := context.WithTimeout(ctx, long)
	defer stop()
	for {
		u, found, err := t.Poll(ctx)
		switch {
		case found && err == nil:
			return u, nil
		case ctx.Err() != nil:
			return u, fmt.Errorf("reader detected no card within %s", long)
		case err != nil:
			return u, fmt.Errorf("reader failed: %w", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// cardAnswer is the result of a card verb, printed as JSON or as a sentence.
type cardAnswer struct {
	Verdict string `json:"verdict"`           // result: proven, refused or unknown
	Card    string `json:"card,omitempty"`    // the kind of card, if known
	Number  string `json:"number,omitempty"`  // number in hexadecimal, with --number
	Legacy  bool   `json:"legacy,omitempty"`  // true: the card uses the older EV1 protocol
	Factory bool   `json:"factory,omitempty"` // true: the card still has the manufacturer's keys
	Reason  string `json:"reason,omitempty"`  // word that tells a program the reason of a refusal; never changes
	Detail  string `json:"detail,omitempty"`  // the technical error

	said string // sentence for a person
	exit error  // error that sets the exit code; nil: 0
}

// refusal contains the code and the sentences with which the tool reports one error of package strong.
type refusal struct {
	why          error  // the error of package strong
	code, fr, en string // code is the field Reason in JSON; fr and en are the sentence
}

// refusals contains the reasons why a card may be refused.
func refusals() []refusal {
	return []refusal{
		{
			strong.ErrCloned,
			"cloned-number",
			"Le numéro affiché n’est pas celui de la carte : il a été copié.",
			"The number shown is not the card’s own: it was copied.",
		},
		{strong.ErrWrongKey, "wrong-key", "La carte n’a pas la clé de ce lieu.", "The card does not hold this site’s key."},
		{
			strong.ErrLocked,
			"delayed",
			"Trop de mauvaises clés : laissez la carte sur le lecteur et recommencez.",
			"Too many wrong keys: leave the card on the reader and try again.",
		},
		{
			strong.ErrForbidden,
			"forbidden",
			"La carte est verrouillée par son propriétaire.",
			"The card is locked by its owner.",
		},
		{
			strong.ErrNotStrong,
			"not-strong",
			"Cette carte ne sait rien prouver : il faut une NTAG 424 DNA ou une DESFire.",
			"This card cannot prove anything: it takes an NTAG 424 DNA or a DESFire.",
		},
		{strong.ErrLeft, "left", "La carte est partie trop tôt ; recommencez.", "The card left too early; try again."},
		{
			strong.ErrAnswer,
			"odd-answer",
			"La réponse ne vient pas de la clé : rejouée, abîmée ou inventée.",
			"The answer is not one that the key makes: replayed, damaged or made up.",
		},
	}
}

// answer describes the outcome of a check. The argument err is nil if both proofs have succeeded.
func (x *carding) answer(r strong.Report, u rfid.UID, err error) cardAnswer {
	a := cardAnswer{Verdict: "proven", Legacy: r.Legacy, Factory: r.Factory}
	if r.Card != strong.Unknown {
		a.Card = r.Card.String()
	}
	if x.number {
		a.Number = u.Hex()
	}
	if err == nil {
		a.said = say(*x.lang, "La carte prouve la clé de ce lieu et son propre numéro.",
			"The card proves this site's key and its own number.")
		return a
	}
	a.Verdict, a.Detail, a.exit = "refused", err.Error(), errNo
	for _, f := range refusals() {
		if errors.Is(err, f.why) {
			a.Reason, a.said = f.code, say(*x.lang, f.fr, f.en)
			break
		}
	}
	if errors.Is(err, strong.ErrLeft) {
		a.Verdict, a.exit = "unknown", errCannotSay
	}
	if r.Factory {
		a.said += say(*x.lang, " Elle est neuve : portillon card personalise la prépare.",
			" It is new: portillon card personalise prepares it.")
	}
	return a
}

// printAnswer prints the answer and returns the error that sets the exit code.
func (x *carding) printAnswer(w stdio, a cardAnswer) error {
	if x.json {
		return errors.Join(printJSON(w.out, a), a.exit)
	}
	about := []string{a.Card, a.Number}
	if a.Legacy {
		about = append(about, "EV1")
	}
	if head := strings.Join(strings.Fields(strings.Join(about, " ")), " "); head != "" {
		a.said = head + say(*x.lang, " : ", ": ") + a.said
	}
	fmt.Fprintln(w.out, a.said)
	if a.Detail != "" {
		fmt.Fprintf(w.err, "portillon: %s\n", a.Detail)
	}
	return a.exit
}
