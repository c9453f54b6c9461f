// Package hubd runs the hub from its hub.yaml: the program portillon-hub, and the hub of the demo.
package hubd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // embeds time zones, for computers without time zone files

	"portillon/hub"
	"portillon/policy"
)

// Version is the version of a build. The linker may set Version.
var Version = "0.1"

// Main runs portillon-hub with its arguments and returns its exit code.
func Main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	var out, errs io.Writer = os.Stdout, os.Stderr
	if isFrench(os.Getenv) {
		var err error
		if out, err = inFrench(out); err == nil {
			errs, err = inFrench(errs)
		}
		if err != nil {
			return printError(os.Stderr, err, "")
		}
	}
	return run(ctx, args, out, errs)
}

// run does the work of Main; its arguments replace the process's arguments and output, so that tests can call it.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	verbs := map[string]func(context.Context, []string, io.Writer, io.Writer) int{
		"account": accountVerb, "backup": backup, "restore": restore, "health": health, "adopt": adopt,
	}
	if len(args) > 0 && verbs[args[0]] != nil {
		return verbs[args[0]](ctx, args[1:], out, errs)
	}
	fs := flag.NewFlagSet("portillon-hub", flag.ContinueOnError)
	fs.SetOutput(errs)
	config := fs.String("config", "", "the hub's file; without it: hub.yaml of this folder, or "+systemConfig+
		", or a new hub in this folder if it is empty")
	site := fs.String("site", "", "the id of the site of a new hub; without it: the folder's name")
	web := fs.String("web", "", "where people reach a new hub, host:port; without it: 127.0.0.1:8040")
	version := fs.Bool("version", false, "say which version this is, and end")
	machines := fs.String("machines", "", "where machines reach a new hub, host:port; without it: 0.0.0.0:8443")
	mqtt := fs.String("mqtt", "", "where machines reach the broker of a new hub, host:port; without it: 0.0.0.0:8883")
	check := fs.Bool("check", false, "say what is wrong with the file, and end")
	offset := fs.Duration("clock-offset", 0, "for a demo: how far the hub's clock is from the computer's")
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if fs.NArg() > 0 {
		return printError(errs, fmt.Errorf("argument %q is unknown, want only flags",
			fs.Arg(0)), "portillon-hub -config hub.yaml")
	}
	if *version {
		fmt.Fprintln(out, "portillon-hub", Version)
		return 0
	}
	var err error
	if *config == "" {
		n := hub.NewHub{Site: policy.SiteID(*site), Web: *web, Machines: *machines, Broker: *mqtt}
		if *config, err = findConfig(".", n, out); err != nil {
			return printError(errs, err, "portillon-hub -config hub.yaml, or begin in an empty folder")
		}
	}
	c, err := hub.ReadConfig(*config)
	if err == nil {
		err = checkKeys(c)
	}
	if err != nil {
		return printError(errs, err, "portillon-hub -check says what is wrong without starting anything")
	}
	if *check {
		if err := c.Check(); err != nil {
			return printError(errs, err, "")
		}
		fmt.Fprintln(out, "portillon-hub: the file is sound")
		return 0
	}
	return serve(ctx, c, *offset, out, errs)
}

// serve runs the hub until ctx ends. The argument offset shifts the hub's clock, for the demo.
func serve(ctx context.Context, c hub.Config, offset time.Duration, out, errs io.Writer) int {
	log := slog.New(slog.NewTextHandler(errs, nil)).With("site", c.Site)
	now := func() time.Time { return time.Now().Add(offset) }
	h, err := hub.New(c, hub.Options{Log: log, Now: now, Version: Version})
	if err != nil {
		return printError(errs, err, "")
	}
	log.Info("open", "broker", h.Broker(), "http", h.HTTP(), "ledger", c.Ledger())
	printWelcome(out, h)
	if c.Managed() {
		phrase, made, err := RecoveryPhrase(c.Data)
		if err != nil {
			return printError(errs, errors.Join(err, h.Close()), "")
		}
		if made {
			fmt.Fprintf(out, "  write this down, it opens backups with secrets: %s\n", phrase)
		}
	}
	err = h.Run(ctx)
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	if err = errors.Join(err, h.Close()); err != nil {
		return printError(errs, err, "")
	}
	return 0
}

// checkKeys checks before the start that the key files in hub.yaml are readable and valid.
func checkKeys(c hub.Config) error {
	_, err := c.Signer()
	return err
}

// printError prints an error with a hint, and returns the exit code.
func printError(w io.Writer, err error, hint string) int {
	fmt.Fprintf(w, "portillon-hub: %v\n", err)
	if hint != "" {
		fmt.Fprintf(w, "portillon-hub: hint: %s\n", hint)
	}
	return 2
}

// printWelcome prints the address of the hub's pages, and the first owner's code.
func printWelcome(out io.Writer, h *hub.Hub) {
	url := h.WebURL()
	if url == "" {
		return
	}
	fmt.Fprintf(out, "portillon-hub: open %s\n", url)
	if code := h.OwnerCode(); code != "" {
		fmt.Fprintf(out, "  no owner yet: open %s/code/owner?code=%s\n", url, code)
	}
}
