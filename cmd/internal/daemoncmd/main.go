// Package daemoncmd is the program portillond, which connects the packages that one machine needs.
package daemoncmd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"portillon/policy"
)

// Version is the version of a build. The linker may set Version.
var Version = "0.1"

// Main runs portillond with its arguments and returns its exit code.
func Main(args []string) int {
	if len(args) > 0 && args[0] == "guard" {
		return guardMain(args[1:])
	}
	fs := flag.NewFlagSet("portillond", flag.ContinueOnError)
	config := fs.String("config", "/etc/portillon/machine.yaml", "the machine's file")
	version := fs.Bool("version", false, "say which version this is, and end")
	check := fs.Bool("check", false, "say what is wrong with the file and what it names, and end")
	lang := fs.String("lang", "",
		"with -check, the language of its summary: fr or en; default: fr where LC_ALL, LC_MESSAGES or LANG says so, else en")
	off := fs.Bool("off", false, "open the relay that the file names, and end: for systemd, when the daemon has ended")
	set := fs.Bool("set-clock", false,
		"set the computer's clock by the hub's where no time server did, and end: for systemd, as root")
	start := fs.String("demo-clock", "",
		"pretend that it is this time (RFC 3339) now, and believe it: for demonstrations only")
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if fs.NArg() > 0 {
		return printError(fmt.Errorf("argument %q is unknown, want only flags", fs.Arg(0)), "portillond -config machine.yaml")
	}
	if *version {
		fmt.Println("portillond", Version)
		return 0
	}
	c, err := ReadConfig(*config)
	if *off && c.Relay.Pin != "" { // switch off even if the machine.yaml has other faults, because the relay must open
		err = errors.Join(err, c.switchOff())
	}
	if err != nil {
		return printError(err, Samples())
	}
	if *off {
		return 0
	}
	if *set {
		setClock(c)
		return 0 // even if setting the clock has failed, because a machine also works without its hub
	}
	clock, err := newClock(c.Clock, *start)
	if err != nil {
		return printError(err, "")
	}
	if *check {
		language, err := languageOf(*lang, os.Getenv)
		if err != nil {
			return printError(err, "")
		}
		return printCheck(c, c.Check(Here(clock.now())), language)
	}
	return run(c, clock)
}

// run serves the machine until a signal ends the program.
func run(c Config, clock clock) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil)).With("machine", c.Machine)
	for {
		if err := serve(ctx, c, clock, log); err == nil {
			return 0
		} else if !errors.Is(err, errReopen) {
			return printError(err, "")
		}
	}
}

// serve runs the daemon once. serve returns when ctx ends or when a broken journal can be opened again.
func serve(ctx context.Context, c Config, clock clock, log *slog.Logger) error {
	d, err := Open(ctx, c, clock, log)
	if err != nil {
		return err
	}
	err = d.Run(ctx)
	if cerr := d.Close(); err == nil || errors.Is(err, context.Canceled) || cerr != nil {
		err = cerr
	}
	return err
}

// printCheck prints the result of a check and, if the machine.yaml has no faults, the summary of what Portillon does at
// this machine.
func printCheck(c Config, found Checked, l policy.Language) int {
	for _, n := range found.Notes() {
		fmt.Fprintf(os.Stderr, "portillond: warning: %s\n", n)
	}
	if err := found.Err(); err != nil {
		return printError(err, "")
	}
	fmt.Println(policy.Text{FR: "portillond : le fichier est en ordre", EN: "portillond: the file is sound"}.In(l))
	fmt.Println(c.KeySituation().In(l))
	writeSummary(os.Stdout, c, l)
	return 0
}

// Samples returns the folder with a sample machine.yaml for each wiring: the folder of the installed package, or
// otherwise of the repository.
func Samples() string {
	const dir, page = "/usr/share/portillon", "/usr/share/doc/portillon/wiring/README.md"
	if there(filepath.Join(dir, "usb-reader-relay.yaml")) {
		return dir + " holds a machine.yaml for each wiring, and " + page + " says how each is wired"
	}
	return "firmware-config/ in Portillon's repository holds a machine.yaml for each wiring, and README.md there says " +
		"how each is wired"
}

// printError prints an error and a hint, and returns exit code 2.
func printError(err error, hint string) int {
	fmt.Fprintf(os.Stderr, "portillond: %v\n", err)
	if hint != "" {
		fmt.Fprintf(os.Stderr, "portillond: hint: %s\n", hint)
	}
	return 2
}

// clock provides the machine's time and reports whether it is trusted.
type clock struct {
	offset  time.Duration
	trusted func() bool
	trust   *clockTrust // nil: the clock is always trusted, as machine.yaml or a demonstration says
}

// newClock creates the machine's clock. The argument trust is the value of clock in machine.yaml, and start sets
// another time for demonstrations.
func newClock(trust, start string) (clock, error) {
	v := &clockTrust{asks: synchronised, now: readClocks}
	c := clock{trusted: v.trusted, trust: v}
	if trust == "trusted" {
		c.trusted, c.trust = func() bool { return true }, nil
	}
	if start == "" {
		return c, nil
	}
	t, err := time.Parse(time.RFC3339, start)
	if err != nil {
		return clock{}, fmt.Errorf("-demo-clock: %w", err)
	}
	c.offset = time.Until(t)
	c.trusted, c.trust = func() bool { return true }, nil
	return c, nil
}

// now returns the current time with the monotonic reading, so that the length of a session does not change when
// somebody sets the clock.
func (c clock) now() time.Time { return WallNow().Add(c.offset) }
