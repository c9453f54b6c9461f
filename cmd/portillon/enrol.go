package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"portillon/daemon/control"
	"portillon/hub"
	"portillon/policy"
	"portillon/site"
	"portillon/wire"
)

// seenCard is a tap of an unknown card.
type seenCard struct {
	wire.EnrolCard
	Machine string    // machine at which the card was tapped
	At      time.Time // time of the tap on the machine's clock
	Clock   bool      // true: the machine's clock was trusted
	tap     string    // identifies this tap
}

// enrolling contains the flags of the verbs that enrol a card.
type enrolling struct {
	socket, hub, site, machine string        // socket is the control socket of a daemon on this computer
	wait                       time.Duration // maximum time to wait for a tap
	lang                       *policy.Language
	now                        func() time.Time // the site's clock; nil: this computer's clock
}

// declare declares the flags that name the hub or the daemon from which the command gets the unknown cards.
func (x *enrolling) declare(fs *flag.FlagSet) {
	fs.StringVar(&x.socket, "socket", "",
		"ask the machine's daemon beside you: its control socket (machine.yaml: control)")
	fs.StringVar(&x.hub, "hub", "", "look into the hub's ledger, on its computer: its hub.yaml. The hub need not run")
	x.lang = langFlag(fs)
}

// declareSite also declares the flag for the site.
func (x *enrolling) declareSite(fs *flag.FlagSet) {
	x.declare(fs)
	fs.StringVar(&x.site, "site", "", "the site's folder, with members.yaml")
}

// checkSource returns an error unless exactly one of --hub and --socket was given.
func (x *enrolling) checkSource() error {
	if (x.socket == "") == (x.hub == "") {
		return wrong("one of --hub and --socket is needed").
			hinted("--hub hub.yaml at the hub, --socket /run/portillon/MACHINE.sock beside the machine")
	}
	return nil
}

// seenCards returns the taps of unknown cards of the last 24 hours.
func (x *enrolling) seenCards(ctx context.Context) ([]seenCard, error) {
	if x.socket != "" {
		return seenBySocket(ctx, x.socket)
	}
	c, err := hub.ReadConfig(x.hub)
	if err != nil {
		return nil, err
	}
	if x.machine != "" &&
		!slices.ContainsFunc(c.Machines, func(m hub.MachineConfig) bool { return string(m.ID) == x.machine }) {
		return nil, wrong("this hub knows no machine %.64q", x.machine)
	}
	now := time.Now
	if x.now != nil {
		now = x.now
	}
	taps, err := c.UnknownTaps(ctx, now())
	if err != nil {
		return nil, (&failure{code: 3, err: err}).hinted(
			"--hub reads the hub's data folder: as root, or as the account of portillon-hub",
		)
	}
	var out []seenCard
	for _, t := range taps {
		if x.machine == "" || x.machine == string(t.Machine) {
			out = append(
				out,
				seenCard{
					t.EnrolCard,
					string(t.Machine),
					t.At.Local(),
					t.Believed,
					fmt.Sprintf("%s/%s/%d", t.Machine, t.Generation, t.Seq),
				},
			)
		}
	}
	return out, nil
}

// seenBySocket asks a machine's daemon for its unknown cards.
func seenBySocket(ctx context.Context, path string) ([]seenCard, error) {
	rep, err := control.Call(ctx, path, control.Request{Do: "unknown"})
	if err != nil {
		return nil, (&failure{code: 3, err: err}).hinted("check that portillond is running, and that you may open its socket")
	}
	if !rep.OK || rep.Unknown == nil {
		return nil, (&failure{code: 3, err: fmt.Errorf("daemon at %s does not list unknown cards: %s", path, rep.Error)}).
			hinted("upgrade portillond on this machine, and restart it")
	}
	var out []seenCard
	for _, c := range rep.Unknown.Cards {
		out = append(out,
			seenCard{c.EnrolCard, rep.Unknown.Machine, c.At, true, fmt.Sprintf("%d@%d", c.Tap, c.At.UnixNano())})
	}
	return out, nil
}

// taps returns one line for each pair of a card and a machine, with the time of the card's last tap at that machine;
// the newest tap comes last.
func (x *enrolling) taps(cards []seenCard) string {
	cards = slices.Clone(cards)
	slices.SortStableFunc(cards, func(a, b seenCard) int { return a.At.Compare(b.At) })
	type spot struct{ card, machine string }
	last, times := map[spot]int{}, map[spot]int{}
	for i, c := range cards {
		s := spot{c.Card, c.Machine}
		last[s], times[s] = i, times[s]+1
	}
	var lines []string
	for i, c := range cards {
		s := spot{c.Card, c.Machine}
		if last[s] != i {
			continue
		}
		line := fmt.Sprintf("%s  %s", c.Machine, c.At.Format("2006-01-02 15:04:05 MST"))
		if n := times[s]; n > 1 {
			line += fmt.Sprintf(say(*x.lang, " (la dernière de %d fois)", " (the last of %d times)"), n)
		}
		if !c.Clock {
			line += say(*x.lang, " (horloge non réglée)", " (clock not trusted)")
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// withCode returns the taps of the only card with this code. If two cards have the same code, withCode returns an
// error, because the person may mean either card.
func (x *enrolling) withCode(all []seenCard, code string) ([]seenCard, error) {
	var found []seenCard
	two := false
	for _, c := range all {
		if c.Code == code {
			two = two || len(found) > 0 && found[0].Card != c.Card
			found = append(found, c)
		}
	}
	switch {
	case two:
		return nil, no(say(*x.lang, "deux cartes inconnues ont le code %s :\n%s", "two unknown cards have the code %s:\n%s"),
			code, x.taps(found)).
			hinted("portillon card learn MEMBER --site SITE --socket … %s",
				say(*x.lang, "prend la prochaine carte présentée", "takes the next card that is tapped"))
	case len(found) == 0:
		return nil, no(
			say(*x.lang, "aucune carte inconnue des dernières 24 h n’a le code %s",
				"no unknown card of the last 24 hours has the code %s"),
			code,
		).
			hinted("%s", x.notFound())
	}
	return found, nil
}

// notFound returns an error with advice for a person whose code belongs to no card.
func (x *enrolling) notFound() string {
	if x.hub != "" {
		return say(*x.lang, "présenter la carte à nouveau, puis attendre que la machine joigne le hub ; "+
			"sinon, ou si l’horloge de la machine est fausse : --socket, à côté d’elle",
			"tap the card again and wait until the machine reaches the hub; "+
				"otherwise, or where the machine's clock is wrong: --socket, beside it")
	}
	return say(*x.lang, "présenter la carte à nouveau à cette machine", "tap the card again at this machine")
}

// find parses a code and finds its card.
func (x *enrolling) find(ctx context.Context, text string) ([]seenCard, error) {
	code, err := wire.ParseEnrolCode(text)
	if err != nil {
		return nil, wrong("%w", err).hinted("the panel shows it after the card is tapped: Carte inconnue : code 7F3K9Q")
	}
	all, err := x.seenCards(ctx)
	if err != nil {
		return nil, err
	}
	return x.withCode(all, code)
}

// cardFind runs «card find». The machine's screen shows the code for 24 hours after an unknown card was tapped. The
// screen does not show the card's number.
func cardFind(ctx context.Context, w stdio, args []string) error {
	var x enrolling
	rest, err := parseFlags(w, "card find", args, 1, x.declare)
	if err == nil {
		err = x.checkSource()
	}
	if err != nil {
		return err
	}
	found, err := x.find(ctx, rest[0])
	if err != nil {
		return err
	}
	fmt.Fprintf(w.out, "%s\n%s\n", found[0].Code, plainLines(x.taps(found)))
	way := "--hub " + x.hub
	if x.socket != "" {
		way = "--socket " + x.socket
	}
	next := plain("portillon member add-card " + found[0].Code + " MEMBER --site SITE " + way)
	fmt.Fprintf(w.out, say(*x.lang, "Ensuite : %s\n", "Next: %s\n"), next)
	return nil
}

// memberAddCard runs «member add-card», which writes the HMAC of the card's number into members.yaml. Machines accept
// the card once they have the next bundle.
func memberAddCard(ctx context.Context, w stdio, args []string) error {
	var x enrolling
	rest, err := parseFlags(w, "member add-card", args, 2, x.declareSite)
	if err == nil {
		err = errors.Join(x.checkSource(), missing("--site SITE", need{"--site", x.site != ""}))
	}
	if err != nil {
		return err
	}
	found, err := x.find(ctx, rest[0])
	if err != nil {
		return err
	}
	who, err := x.member(rest[1])
	if err != nil {
		return err
	}
	return x.addCard(w, found, who)
}

// addCard writes a card into members.yaml, and prints when machines will accept the card.
func (x *enrolling) addCard(w stdio, found []seenCard, who site.Member) error {
	path := filepath.Join(x.site, "members.yaml")
	before, err := os.ReadFile(path)
	if err != nil {
		return wrong("%w", err).hinted("--site names the folder in which members.yaml stands")
	}
	after, err := site.AddCard(path, before, who.ID, found[0].Card)
	if err != nil {
		return err
	}
	if err := rewrite(path, after); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	fmt.Fprintf(w.out, say(
		*x.lang,
		"%s : la carte %s est à %s (%s)\n%s\nElle comptera avec le prochain paquet : %s\n",
		"%s: the card %s is %s's (%s)\n%s\nIt counts from the next bundle on: %s\n",
	), path, found[0].Code, plain(who.Name), who.ID,
		plainLines(x.taps(found)),
		plain("portillon bundle build "+x.site+" --key hub.key --card-key card.key -o site.bundle"))
	return nil
}

// learnEvery is the interval at which «card learn» looks for a new tap.
const learnEvery = 300 * time.Millisecond

// cardLearn runs «card learn», which adds the next tapped unknown card to a member. card learn ignores taps that
// happened before the command started. If two different cards are tapped, card learn reports an error, because the
// person may mean either card.
func cardLearn(ctx context.Context, w stdio, args []string) error {
	var x enrolling
	rest, err := parseFlags(w, "card learn", args, 1, func(fs *flag.FlagSet) {
		x.declareSite(fs)
		fs.StringVar(&x.machine, "machine", "", "with --hub: the machine at which the card is tapped")
		spanFlag(fs, &x.wait, "wait", time.Minute, "how long to wait for the card; default: 1m")
	})
	if err == nil {
		err = errors.Join(x.checkSource(), missing("--site SITE, and with --hub --machine ID", need{"--site", x.site != ""},
			need{"--machine", x.machine != "" || x.hub == ""}))
	}
	if err != nil {
		return err
	}
	who, err := x.member(rest[0]) // check that the member exists before anybody walks to the machine
	if err != nil {
		return err
	}
	before, err := x.seenCards(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(w.err, say(*x.lang, "présenter maintenant la carte à la machine", "tap the card at the machine now"))
	found, err := x.nextCard(ctx, before)
	if err != nil {
		return err
	}
	return x.addCard(w, found, who)
}

// member finds a member of members.yaml by id, or by full name if only one member has that name. Case is ignored.
func (x *enrolling) member(given string) (site.Member, error) {
	path := filepath.Join(x.site, "members.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		return site.Member{}, wrong("%w", err).hinted("--site names the folder in which members.yaml stands")
	}
	all, err := site.ParseMembers(path, text)
	if err != nil {
		return site.Member{}, err
	}
	var named []site.Member
	var ids []string
	for _, m := range all {
		if string(m.ID) == given {
			return m, nil
		}
		if strings.EqualFold(m.Name, strings.TrimSpace(given)) {
			named, ids = append(named, m), append(ids, string(m.ID))
		}
	}
	switch len(named) {
	case 1:
		return named[0], nil
	case 0:
		return site.Member{}, wrong("%s has no member %.64q", path, given).
			hinted("an id or a full name in that file; add a new member there first")
	}
	return site.Member{}, wrong("%s has %d members with the name %.64q", path, len(named), given).
		hinted("one of: %s", strings.Join(ids[:min(len(ids), 8)], ", "))
}

// nextCard waits for a tap of an unknown card that is not in before.
func (x *enrolling) nextCard(ctx context.Context, before []seenCard) ([]seenCard, error) {
	ctx, stop := context.WithTimeout(ctx, x.wait)
	defer stop()
	clock := time.NewTicker(learnEvery)
	defer clock.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, &failure{
				code: 3,
				err: fmt.Errorf(
					say(*x.lang, "aucune carte inconnue n’a été présentée en %s", "no unknown card was tapped within %s"),
					x.wait,
				),
			}
		case <-clock.C:
		}
		now, err := x.seenCards(ctx)
		if ctx.Err() != nil {
			continue
		}
		if err != nil {
			return nil, err
		}
		if found, err := x.newTaps(now, before); found != nil || err != nil {
			return found, err
		}
	}
}

// newTaps returns the taps that are not in before, or nil if there are no new taps. If the new taps are of two
// different cards, newTaps returns an error.
func (x *enrolling) newTaps(now, before []seenCard) (out []seenCard, err error) {
	for _, c := range now {
		if !slices.ContainsFunc(before, func(b seenCard) bool { return b.tap == c.tap }) {
			out = append(out, c)
		}
	}
	if slices.ContainsFunc(out, func(c seenCard) bool { return c.Card != out[0].Card }) {
		return nil, no(say(*x.lang, "deux cartes ont été présentées :\n%s", "two cards were tapped:\n%s"), x.taps(out))
	}
	return out, nil
}
