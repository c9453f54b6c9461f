// Command portillon is the operator's tool: policy, badges, bundles, a machine's daemon, evidence, and a demo of the
// whole.
//
// It exits with 0 for valid, allowed and no difference; 1 when the answer is no; 2 for wrong use or input it cannot
// read; 3 when it cannot say. Errors read «portillon: what went wrong», then «portillon: hint: what would do».
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"portillon/cmd/internal/daemoncmd"
	"portillon/cmd/internal/enrol"
	"portillon/cmd/internal/hubd"
)

func main() { start(openTalker) }

func start(open opener) {
	// The demo starts its daemons from its own binary: the name it is called by says which program it is.
	switch filepath.Base(os.Args[0]) {
	case "portillond":
		if len(os.Args) > 1 && os.Args[1] == "enrol" {
			os.Exit(enrol.Main(os.Args[2:]))
		}
		os.Exit(daemoncmd.Main(os.Args[1:]))
	case "portillon-hub":
		os.Exit(hubd.Main(os.Args[1:]))
	}
	os.Exit(run(os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr, open}))
}

type stdio struct {
	in       io.Reader
	out, err io.Writer
	open     opener // the readers of cards: transcripts bring models
}

// verb is one thing the tool does: "policy check".
type verb struct {
	name string // one or two words
	args string // as usage shows them
	does string
	run  func(context.Context, stdio, []string) error
}

func verbs() []verb {
	return []verb{
		{"demo", "[--listen ADDR]", "a hub, three machines and their members, on simulated pins", demoVerb},
		{"policy check", "FILE", "read a policy and say what is wrong with it", policyCheck},
		{"policy test", "FILE", "run the examples in a policy", policyTest},
		{"policy fmt", "FILE [-w]", "write a policy in its canonical form, comments kept", policyFmt},
		{"policy schema", "", "the JSON Schema of a policy file, for editors", policySchema},
		{"policy who", "SITE [--machine M] [--at TIME]", "which members may do what", policyWho},
		{"policy diff", "OLD NEW [--site SITE]", "who gains and who loses what", policyDiff},
		{"policy sign", "SITE|FILE --key FILE [-o FILE]",
			"sign a policy with a policy key that machines pin apart", policySign},
		{"policy explain", "FILE|SITE --machine M …",
			"what a member would be answered, and why: FILE --holds B,B…, SITE --member NAME", policyExplain},
		{"policy draft", "FILE --hub URL …",
			"what the hub finds wrong with a policy, and who would gain and lose what", policyDraft},
		{"policy publish", "FILE --of N --comment C --hub URL …", "sign and publish a policy at the hub", policyPublish},
		{"policy back", "--comment C --hub URL …", "publish the policy before the one in force again", policyBack},
		{"policy show", "--hub URL … [--number N]", "the policy in force at the hub", policyShow},
		{"policy versions", "--hub URL …", "the versions of the policy at the hub", policyVersions},
		{"badge add", "FILE --hub URL … [--member ID]", "add a badge at the hub: JSON, JWT, baked PNG or SVG, ZIP", badgeAdd},
		{"badge list", "MEMBER --hub URL …", "a member's badges at the hub", badgeList},
		{"badge keygen", "-o FILE", "make an issuer's key", badgeKeygen},
		{"badge publish", "--key FILE --issuer ID",
			"what an issuer publishes about its keys: DID document, profile, JWKS", badgePublish},
		{"badge issue", "--key FILE …", "issue an Open Badge 3.0", badgeIssue},
		{"badge verify", "FILE --trust FILE", "verify a badge", badgeVerify},
		{"badge show", "FILE", "print what a badge says, verified or not", badgeShow},
		{"badge bake", "IMAGE --badge FILE -o FILE", "put a badge into a PNG or an SVG", badgeBake},
		{"badge status-list", "--key FILE --id URL -o LIST", "make a status list for the badges you issue", badgeStatusList},
		{"badge revoke", "LIST --key FILE --badge FILE", "revoke badges in your status list", badgeRevoke},
		{"bundle keygen", "SITE -o FILE", "make the key that signs a site's bundles", bundleKeygen},
		{"bundle build", "SITE --key FILE -o FILE", "verify a site and sign it into a bundle", bundleBuild},
		{"bundle verify", "FILE --pub KEY", "check a bundle as a machine does", bundleVerify},
		{"bundle show", "FILE", "print what a bundle holds, verified or not", bundleShow},
		{"machine ports", "", "what a machine.yaml can name on this computer: pins, buses, readers", machinePorts},
		{"machine status", "--socket FILE",
			"what the daemon beside you knows; --hub HUB.yaml: how the hub sees the machines", machineStatus},
		{"machine tap", "--socket FILE CARD", "present a card by its number", machineTap},
		{"machine role", "--socket FILE ROLE", "take another of the member's roles", machineRole},
		{"machine tag", "--socket FILE REASON",
			"tag the machine out; --hub FILE|URL --machine ID: from the office", machineTag},
		{"machine tags", "--hub FILE", "the tags of the office, and why one is not on its machine yet", machineTags},
		{"machine untag", "--socket FILE [TAG]", "return the machine to service", machineUntag},
		{"machine replace", "MACHINE --hub FILE",
			"have the hub accept the machine's new journal, and give back tags, hours and practice", machineReplace},
		{"machine stop", "--socket FILE", "end the session; --hub URL --machine ID: through the hub", machineStop},
		{"machine list", "--hub URL …", "the machines of the hub, and how they stand", machinesAtHub},
		{"machine add", "MACHINE --hub URL …", "make a machine known to the hub", machineAdd},
		{"machine code", "MACHINE --hub URL …", "make a one-time code to enrol a machine", machineCode},
		{"machine revoke", "MACHINE --reason R --hub URL …", "take a machine's certificate and account away", machineRevoke},
		{"machine log", "--socket FILE --kind KIND", "log an intervention under the maintainer's tap", machineLog},
		{"key show card", "--hub URL …",
			"how the change of the site's card key stands: cards and machines on the old one", cardKeyShow},
		{"key rotate card", "--reason R --hub URL …",
			"give the site a new card key, after a machine was lost", cardKeyRotate},
		{"key end card", "--yes --hub URL …", "drop the old card key: cards that hang on it stop working", cardKeyEnd},
		{"card taps", "--hub URL …", "the last cards that nobody has", cardTaps},
		{"card assign", "MEMBER --tap ID|--number N --hub URL …", "give a card to a member", cardAssign},
		{"card block", "MEMBER CARD --hub URL …", "block a card", cardBlock},
		{"card lost", "MEMBER CARD --hub URL …", "report a card lost", cardLost},
		{"card activate", "MEMBER CARD --hub URL …", "make a blocked or lost card work again", cardActivate},
		{"card find", "CODE --hub HUB.yaml|--socket FILE",
			"where and when the unknown card with this code was tapped", cardFind},
		{"card learn", "MEMBER --site SITE --socket FILE",
			"add the next unknown card that is tapped to a member; --hub HUB.yaml --machine ID: from the office", cardLearn},
		{"member list", "--hub URL … [--text T] [--machine M]", "the members at the hub", memberList},
		{"member show", "MEMBER --hub URL …", "a member with cards and badges", memberShow},
		{"member add", "NAME [FIELD=VALUE …] --hub URL …", "add a member", memberAdd},
		{"member set", "MEMBER FIELD=VALUE … --hub URL …", "change fields of a member: until=2027-09-30", memberSet},
		{"member import", "FILE --hub URL … [--apply]",
			"what a list of members would change at the hub; --apply changes it", memberImport},
		{"member export", "--hub URL … [--format csv|xlsx|yaml]", "the members as a file", memberExport},
		{"member erase", "MEMBER --yes --hub URL …", "erase a person's data", memberErase},
		{"member add-card", "CODE MEMBER --site SITE --hub HUB.yaml|--socket FILE",
			"add the unknown card with this code to a member of members.yaml", memberAddCard},
		{"card forms", "NUMBER", "a card's number as other readers give it, and as members.yaml takes it", cardForms},
		{"card keygen", "-o FILE", "make a site's key for cards that prove themselves (AES)", cardKeygen},
		{"card check", "--reader SPEC --key FILE", "have a card prove the site's key and its own number", cardCheck},
		{"card personalise", "--reader SPEC --key FILE", "give a new card the site's keys", cardPersonalise},
		{"reader test", "SPEC|MACHINE.yaml",
			"show what a reader sends, the number in every form, and the lines for the files", readerTest},
		{"journal verify", "FILE", "read all of a machine's journal and say whether it is whole", journalVerify},
		{"journal salvage", "FILE -o NEW", "write what is left of a damaged journal as a new one", journalSalvage},
		{"journal export", "FILE [--from N]", "print a journal's records, a line of JSON each", journalExport},
		{"audit verify", "FILE --key KEY|FILE",
			"check an exported audit log of a hub against the hub's public key", auditVerify},
		{"hub token", "NAME --hub URL -o FILE",
			"sign in at the hub, and have an API token made for the verbs with --hub URL", hubToken},
		{"hub mosquitto-conf", "HUB.yaml [-o DIR]", "mosquitto's settings and access list for a site", hubMosquittoConf},
		{"report uses", "--from D --to D --hub URL …", "who used what between two days", reportUses},
		{"report weeks", "--from D --to D --hub URL …", "hours by machine and week", reportWeeks},
		{"report refusals", "--from D --to D --hub URL …", "refusals by machine and reason", reportRefusals},
		{"evidence list", "HUB.yaml --site SITE", "every member's progress towards badges earned by work", evidenceList},
		{"evidence show", "HUB.yaml --site SITE --member ID --badge B",
			"which records count, which do not, and why", evidenceShow},
		{"evidence export", "HUB.yaml --site SITE --member ID --badge B -o FILE",
			"a signed file to issue the badge from", evidenceExport},
		{"setup", "[--wiring NAME|FILE] [--machine ID] …",
			"set this Pi up beside a machine, step by step, and test it", setupVerb},
		{"firmware render", "MACHINE.yaml", "what belongs into a Pi's config.txt for this wiring", firmwareRender},
		{"firmware sheet", "MACHINE.yaml [--lang L] [-o FILE]", "the page for this machine's electrician", firmwareSheet},
		{"firmware apply", "MACHINE.yaml [--dry-run] [--yes]",
			"bring config.txt and cmdline.txt to what this wiring needs", firmwareApply},
		{"doctor", "MACHINE.yaml", "what is wrong with this Pi, and how to mend it", doctorVerb},
		{"version", "", "what this is", versionVerb},
	}
}

// run is main without the process: transcripts in testdata call it through the real binary.
func run(args []string, io stdio) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends what does not look at the context
	v, rest, err := find(args)
	if slices.Contains(atOnce, v.name) {
		signal.Reset(os.Interrupt, syscall.SIGTERM)
	}
	if err == nil {
		err = v.run(ctx, io, rest)
	}
	return report(io, err)
}

// atOnce are the verbs that may think for long, look at no context meanwhile, and leave nothing half done: the first
// signal ends them. It holds for the verb that was typed alone: the demo builds bundles too, and puts its machines away
// before it ends.
var atOnce = []string{"policy check", "policy test", "policy diff", "bundle build"}

func find(args []string) (verb, []string, error) {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		return verb{run: func(_ context.Context, io stdio, _ []string) error { usage(io.out); return nil }}, nil, nil
	}
	for _, v := range verbs() {
		words := strings.Fields(v.name)
		if len(args) >= len(words) && strings.Join(args[:len(words)], " ") == v.name {
			return v, args[len(words):], nil
		}
	}
	given := args[0]
	if len(args) > 1 && !strings.HasPrefix(args[1], "-") {
		given += " " + args[1]
	}
	return verb{}, nil, wrong("there is no verb %q", given).hinted("%s", suggest(given))
}

func suggest(given string) string {
	family := strings.Fields(given)[0]
	var near []string
	for _, v := range verbs() {
		if strings.Fields(v.name)[0] == family {
			near = append(near, v.name)
		}
	}
	if len(near) > 0 {
		return "one of: " + strings.Join(near, ", ")
	}
	return "portillon help lists the verbs"
}

func usage(w io.Writer) {
	fmt.Fprint(w, "portillon: a gate of skill beside each machine\n\nnew here: portillon demo\n\n")
	for _, v := range verbs() {
		fmt.Fprintf(w, "  %-18s %-42s %s\n", v.name, v.args, v.does)
	}
	fmt.Fprint(w, "\nexit: 0 yes, 1 no, 2 wrong use or unreadable input, 3 cannot say\n")
}

// failure is an error with an exit code and a hint. Errors of other types exit with 2.
type failure struct {
	code int
	err  error
	hint string
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func (f *failure) hinted(format string, a ...any) *failure {
	f.hint = fmt.Sprintf(format, a...)
	return f
}

func wrong(format string, a ...any) *failure { return &failure{code: 2, err: fmt.Errorf(format, a...)} }
func no(format string, a ...any) *failure    { return &failure{code: 1, err: fmt.Errorf(format, a...)} }

// errNo exits with 1 where everything has been said on standard output.
var (
	errNo        = &failure{code: 1}
	errCannotSay = &failure{code: 3}
)

func report(io stdio, err error) int {
	var f *failure
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &f):
	default:
		f = &failure{code: 2, err: err}
	}
	if f.err != nil {
		fmt.Fprintf(io.err, "portillon: %s\n", harmless(f.err.Error()))
	}
	if f.hint != "" {
		fmt.Fprintf(io.err, "portillon: hint: %s\n", harmless(f.hint))
	}
	return f.code
}

// flags parses a verb's flags wherever they stand among its arguments, and returns the arguments.
func flags(io stdio, name string, args []string, want int, declare func(*flag.FlagSet)) ([]string, error) {
	fs := flag.NewFlagSet("portillon "+name, flag.ContinueOnError)
	fs.SetOutput(io.err)
	fs.Usage = func() { fmt.Fprintf(io.err, "usage: portillon %s %s\n", name, argsOf(name)); fs.PrintDefaults() }
	if declare != nil {
		declare(fs)
	}
	var rest []string
	for len(args) > 0 {
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, &failure{code: 2, err: fmt.Errorf("%s: wrong use", name)}
		}
		if args = fs.Args(); len(args) > 0 {
			rest, args = append(rest, args[0]), args[1:]
		}
	}
	if want >= 0 && len(rest) != want {
		return nil, wrong("%s takes %d argument(s), %d given", name, want, len(rest)).
			hinted("usage: portillon %s %s", name, argsOf(name))
	}
	return rest, nil
}

func argsOf(name string) string {
	for _, v := range verbs() {
		if v.name == name {
			return v.args
		}
	}
	return ""
}
