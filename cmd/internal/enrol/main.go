package enrol

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"portillon/cmd/internal/daemoncmd"
	"portillon/cmd/internal/hublink"
	"portillon/cmd/internal/setup"
)

const usage = `portillond enrol https://hub.local:8443 CODE [--wiring NAME|FILE] [--replace]
       portillond enrol https://hub.local:8443 CODE --folder DIR     to try a machine, without root
       portillond enrol --hub ADDRESS     the hub moved: no code is needed
       portillond enrol --find            look for the hub on this network`

// Main runs «portillond enrol» with its arguments and returns its exit code.
func Main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx, args, os.Stdout, os.Stderr, setup.Pi{}, os.Getenv)
}

// run does the work of Main; its arguments replace the process's arguments, environment and output, so that tests can
// call it.
func run(ctx context.Context, args []string, out, errs io.Writer, host setup.Host, env func(string) string) int {
	e := Enrolment{Host: host, Out: out, Program: daemoncmd.Version}
	fs := flag.NewFlagSet("portillond enrol", flag.ContinueOnError)
	fs.SetOutput(errs)
	fs.Usage = func() { fmt.Fprintln(errs, "usage: "+usage); fs.PrintDefaults() }
	moved := fs.String("hub", "", "the hub moved to this address")
	find := fs.Bool("find", false, "the hub moved: look for it on this network")
	lang := fs.String("lang", "", "fr or en; default: fr where LC_ALL, LC_MESSAGES or LANG says so, else en")
	fs.StringVar(&e.Wiring, "wiring", "",
		"how the machine is wired: the name of a file in /usr/share/portillon, or a machine.yaml")
	fs.BoolVar(&e.Replace, "replace", false, "the machine was there before, on another SD card or computer")
	fs.BoolVar(&e.NoStart, "no-start", false, "do not start the unit")
	fs.StringVar(&e.Dir, "dir", "/etc/portillon", "where machine files are")
	fs.StringVar(&e.Folder, "folder", "", "to try a machine: put its file, keys and data into this folder, and change "+
		"nothing else of this computer; without --wiring, relay and reader are simulated")
	fs.StringVar(&e.Root, "root", "/", "another root of all files; nothing is started then")
	rest, err := parseMixed(fs, args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if e.Lang, err = daemoncmd.LanguageOf(*lang, env); err != nil {
		return printError(errs, err)
	}
	switch {
	case len(rest) == 2 && *moved == "" && !*find:
		e.Address, e.Code = rest[0], rest[1]
		err = e.Run(ctx)
	case len(rest) == 0 && (*moved != "") != *find:
		search, cancel := context.WithTimeout(ctx, patience+searchTime)
		defer cancel()
		err = e.Move(search, *moved, hublink.MDNS{})
	default:
		fs.Usage()
		return 2
	}
	if errors.Is(err, ErrIncomplete) {
		return 1
	}
	if err != nil {
		return printError(errs, err)
	}
	return 0
}

// parseMixed parses a command line whose flags may be before, between and after the arguments.
func parseMixed(fs *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		if args = fs.Args(); len(args) == 0 {
			return rest, nil
		}
		rest, args = append(rest, args[0]), args[1:]
	}
}

// printError prints an error, line by line, and returns the exit code.
func printError(w io.Writer, err error) int {
	for _, line := range strings.Split(err.Error(), "\n") {
		fmt.Fprintf(w, "portillond enrol: %s\n", line)
	}
	return 1
}
