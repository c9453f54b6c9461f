package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"portillon/daemon/control"
	"portillon/daemon/panel"
	"portillon/hub"
	"portillon/policy"
)

// order contains the flags that the verbs for a machine's daemon share.
type order struct {
	socket string           // the daemon's control socket
	json   bool             // print the daemon's answer as JSON
	lang   *policy.Language // language of the terminal; the panel uses the member's language
}

// declare declares the flags.
func (o *order) declare(fs *flag.FlagSet) {
	fs.StringVar(&o.socket, "socket", "", "the daemon's control socket (machine.yaml: control)")
	fs.BoolVar(&o.json, "json", false, "print the daemon's answer as JSON")
	o.lang = langFlag(fs)
}

// send sends a request to the daemon and prints the answer. After a refusal, the exit code is 1.
func (o *order) send(ctx context.Context, w stdio, req control.Request) error {
	if o.socket == "" {
		return wrong("--socket is missing").
			hinted("the path under control: in the machine's machine.yaml, by default /run/portillon/MACHINE.sock")
	}
	rep, err := control.Call(ctx, o.socket, req)
	if err != nil {
		return (&failure{code: 3, err: err}).hinted("check that portillond is running, and that you may open its socket")
	}
	if o.json {
		if err := printJSON(w.out, rep); err != nil || rep.OK {
			return err
		}
		return &failure{code: exitOf(rep)}
	}
	return o.print(w, rep)
}

// print prints a reply for a person.
func (o *order) print(w stdio, rep control.Reply) error {
	if rep.Status != nil {
		printStatus(w.out, *rep.Status)
	}
	if s := say(o.language(), rep.FR, rep.EN); s != "" {
		fmt.Fprintln(w.out, s)
	}
	if rep.OK {
		return nil
	}
	if rep.Error == "" {
		return errNo
	}
	return &failure{code: exitOf(rep), err: errors.New(rep.Error), hint: rep.Hint}
}

// exitOf returns the exit code of a refusal: 2 if the request is invalid at any time, otherwise 1.
func exitOf(rep control.Reply) int {
	if rep.Wrong {
		return 2
	}
	return 1
}

// printJSON prints a value as indented JSON.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// pick returns a if the argument first is true, and otherwise b.
func pick(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// printStatus prints the daemon's status. Times are in the site's time zone, as on the panel.
func printStatus(w io.Writer, s control.Status) {
	p := statusPrinter{w}
	p.line("machine", "%s (site %s)", s.Machine, s.Site)
	p.session(s)
	p.list("tagged out", s.Tags)
	p.list("faults", s.Faults)
	p.line("reader", "%s", pick(s.NoReader, "none is configured", pick(s.Reader, "answers", "does not answer")))
	p.line("hub", "%s", hubLine(s))
	for _, l := range unackedLines(s.Unacked, policy.English) {
		p.line("", "%s", l)
	}
	p.line("clock", "%s",
		pick(s.Clock == "untrusted", "untrusted: rules on hours and dates refuse until it is set", s.Clock))
	p.bundle(s)
	p.line("journal", "%d records, %d held by the hub", s.Journal, s.Acked)
	p.optional("", "%s", s.JournalDamage)
	for _, x := range s.Screens {
		silent := fmt.Sprintf("silent for %d s: what it shows may be wrong", x.SilentSeconds)
		p.line("screen", "%s %s", x.Address, pick(x.SilentSeconds > 0, silent, "reports itself"))
	}
}

// statusPrinter writes the lines of «machine status»: a name in 12 columns, then the value.
type statusPrinter struct{ w io.Writer }

// line writes one line with a name and a value. If the name is empty, the value belongs to the name on the line above.
// line removes control characters from the values, because some values come from a hub or a panel.
func (p statusPrinter) line(name, format string, values ...any) {
	fmt.Fprintf(p.w, "%-12s %s\n", name, plain(fmt.Sprintf(format, values...)))
}

// optional writes a line unless the value is empty.
func (p statusPrinter) optional(name, format, value string) {
	if value != "" {
		p.line(name, format, value)
	}
}

// list writes all values on one line, or nothing.
func (p statusPrinter) list(name string, values []string) {
	p.optional(name, "%s", strings.Join(values, "; "))
}

// session writes the state of the machine and the member who uses the machine.
func (p statusPrinter) session(s control.Status) {
	p.line("phase", "%s", s.Phase)
	p.line("relay", "%s", pick(s.Relay, "on", "off"))
	if s.Member != "" {
		role := pick(s.Role == "", "nobody yet", s.Role)
		p.line("member", "%s as %s, since %s", s.Member, role, s.Since.Format(time.TimeOnly))
	}
	if !s.Until.IsZero() {
		p.line("until", "%s", s.Until.Format(time.TimeOnly))
	}
	p.optional("supervisor", "%s", s.Supervisor)
	p.optional("works along", "%s", s.Assistant)
}

// bundle writes the version of the bundle in force, the fault of the stored or offered bundle, and the topics to which
// the broker denied access.
func (p statusPrinter) bundle(s control.Status) {
	p.line("bundle", "%s", pick(s.Bundle == 0, "none yet: nobody can start", fmt.Sprintf("version %d", s.Bundle)))
	p.optional("", "%s", s.BundleDamage)
	p.optional("", "refused: %s", s.BundleRefused)
	for _, d := range s.Denied {
		p.line("denied", "%s", d)
	}
}

// machineStatus runs «machine status», which prints the machine's status according to the daemon or the hub. With
// --hub, the verb asks the hub on this computer instead of a daemon, and the exit code is 1 if a machine has a fault.
func machineStatus(ctx context.Context, w stdio, args []string) error {
	var o order
	var office, machine string
	_, err := parseFlags(w, "machine status", args, 0, func(fs *flag.FlagSet) {
		o.declare(fs)
		fs.StringVar(&office, "hub", "", "ask the hub of this hub.yaml, in place of --socket: how it sees each machine")
		fs.StringVar(&machine, "machine", "", "with --hub: this machine alone")
	})
	if err != nil {
		return err
	}
	if office != "" {
		return o.statusAtHub(ctx, w, office, policy.MachineID(machine))
	}
	return o.send(ctx, w, control.Request{Do: "status"})
}

// machineTap runs «machine tap», which presents a card by the card's number. The machine reacts as to a tap of the card
// at the reader. If the machine refuses the card, the exit code is 1.
func machineTap(ctx context.Context, w stdio, args []string) error {
	var o order
	rest, err := parseFlags(w, "machine tap", args, 1, o.declare)
	if err != nil {
		return err
	}
	return o.send(ctx, w, control.Request{Do: "tap", Card: rest[0]})
}

// machineRole runs «machine role», which changes the role of the running session.
func machineRole(ctx context.Context, w stdio, args []string) error {
	var o order
	rest, err := parseFlags(w, "machine role", args, 1, o.declare)
	if err != nil {
		return err
	}
	return o.send(ctx, w, control.Request{Do: "role", Role: rest[0]})
}

// machineTag runs «machine tag», which tags the machine out at the daemon or through the hub. On the hub's computer,
// the flag --hub names a hub.yaml; on any other computer, it contains the hub's URL. A running session ends in the
// normal way; with --now, the session ends at once. The hub sends the tag once the machine is online.
func machineTag(ctx context.Context, w stdio, args []string) error {
	var o order
	var now bool
	var office, machine string
	var x remote
	rest, err := parseFlags(w, "machine tag", args, 1, func(fs *flag.FlagSet) {
		o.declare(fs)
		x.declareToken(fs)
		fs.BoolVar(&now, "now", false, "end a running session at once instead of waiting for its end")
		fs.StringVar(&office, "hub", "",
			"tag from the office: the hub's hub.yaml or its URL, in place of --socket. The tag waits until the machine has it")
		fs.StringVar(&machine, "machine", "", "with --hub: which machine")
	})
	if err != nil {
		return err
	}
	if isURL(office) {
		if now || o.socket != "" {
			return wrong("--hub URL goes without --now and --socket").
				hinted("portillon machine stop --hub %s --machine %s ends the session", office, machine)
		}
		x.hub, x.json, x.lang = office, o.json, o.lang
		return x.tagRemotely(ctx, w, machine, rest[0])
	}
	if office != "" {
		return o.storeTag(w, office, policy.MachineID(machine), rest[0], now)
	}
	return o.send(ctx, w, control.Request{Do: "tag", Reason: rest[0], Now: now})
}

// storeTag stores a tag in the hub's data. The hub later sends the tag to the machine.
func (o *order) storeTag(w stdio, file string, m policy.MachineID, reason string, now bool) error {
	if o.socket != "" || m == "" {
		return wrong("--hub goes with --machine, and without --socket").
			hinted("portillon machine tag --hub hub.yaml --machine laser REASON")
	}
	c, err := hub.ReadConfig(file)
	if err != nil {
		return err
	}
	t, err := c.TagOut(m, reason, now, time.Now())
	if err != nil {
		return wrong("%w", err)
	}
	if o.json {
		return printJSON(w.out, t)
	}
	said := panel.TagPending(m, t.ID)
	fmt.Fprintln(w.out, said.In(o.language()))
	return nil
}

// machineTags runs «machine tags», which lists the tags that were set through the hub, and whether each tag has reached
// its machine.
func machineTags(ctx context.Context, w stdio, args []string) error {
	var o order
	var office string
	_, err := parseFlags(w, "machine tags", args, 0, func(fs *flag.FlagSet) {
		fs.StringVar(&office, "hub", "", "the hub's hub.yaml")
		fs.BoolVar(&o.json, "json", false, "print the tags as JSON")
		o.lang = langFlag(fs)
	})
	if err != nil {
		return err
	}
	if office == "" {
		return wrong("--hub is missing").hinted("portillon machine tags --hub hub.yaml")
	}
	c, err := hub.ReadConfig(office)
	if err != nil {
		return err
	}
	tags, err := c.TagStatuses(ctx)
	if o.json {
		return errors.Join(printJSON(w.out, tags), err)
	}
	for _, t := range tags {
		fmt.Fprintf(w.out, "%-12s %s  %s: %s\n", t.Machine, t.ID, o.tagState(t), t.Reason)
		if t.Why != "" {
			fmt.Fprintf(w.out, "%12s → %s\n", "", plain(t.Why))
		}
	}
	return err
}

// tagState returns a phrase that states whether a tag has reached its machine.
func (o *order) tagState(t hub.TagStatus) string {
	if t.OnMachine {
		return say(o.language(), "sur la machine", "on the machine")
	}
	return say(o.language(), "en attente", "waiting")
}

// language returns the language of the terminal, French by default.
func (o *order) language() policy.Language {
	if o.lang == nil {
		return policy.French
	}
	return *o.lang
}

// machineUntag runs «machine untag», which removes one tag. The tag's id is required only if the machine has several
// tags.
func machineUntag(ctx context.Context, w stdio, args []string) error {
	var o order
	rest, err := parseFlags(w, "machine untag", args, -1, o.declare)
	if err != nil {
		return err
	}
	if len(rest) > 1 {
		return wrong("machine untag takes one tag, %d given", len(rest))
	}
	return o.send(ctx, w, control.Request{Do: "untag", Tag: strings.Join(rest, "")})
}

// machineStop runs «machine stop», which ends the session. The policy's setting when-idle determines whether the
// session switches the machine off at once or lets the machine finish its job.
func machineStop(ctx context.Context, w stdio, args []string) error {
	var o order
	var x remote
	var machine string
	if _, err := parseFlags(w, "machine stop", args, 0, func(fs *flag.FlagSet) {
		o.declare(fs)
		x.declareToken(fs)
		fs.StringVar(&x.hub, "hub", "", "the hub's URL, in place of --socket")
		fs.StringVar(&machine, "machine", "", "with --hub: which machine")
	}); err != nil {
		return err
	}
	if x.hub != "" {
		x.json, x.lang = o.json, o.lang
		return x.stopRemotely(ctx, w, machine)
	}
	return o.send(ctx, w, control.Request{Do: "stop"})
}

// machineLog runs «machine log», which logs an intervention. A maintainer must have tapped their card at the machine
// and still be present. The intervention is logged under that tap.
func machineLog(ctx context.Context, w stdio, args []string) error {
	var o order
	req := control.Request{Do: "log"}
	_, err := parseFlags(w, "machine log", args, 0, func(fs *flag.FlagSet) {
		o.declare(fs)
		fs.StringVar(&req.Kind, "kind", "", "a kind of intervention that the policy knows for this machine: lens-cleaning")
		fs.IntVar(&req.Minute, "minutes", 0, "how long it took")
		fs.StringVar(&req.Note, "note", "", "a sentence about it")
	})
	if err != nil {
		return err
	}
	if req.Kind == "" {
		return wrong("--kind is missing").hinted("the policy's evidence: rules name the kinds, as in --kind lens-cleaning")
	}
	return o.send(ctx, w, req)
}
