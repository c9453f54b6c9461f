package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"

	"portillon/cmd/internal/acceptance"
	"portillon/cmd/internal/daemoncmd"
	"portillon/cmd/internal/doctor"
	"portillon/cmd/internal/setup"
	"portillon/keykind"
	"portillon/policy"
)

// setupVerb runs «setup», which guides a person from a Pi with the installed package to a machine that has passed its
// acceptance test. A flag can answer each question, so a script can run setup. Setup may be interrupted and started
// again at any point. The flags --list and --verify only print results and change no file.
func setupVerb(ctx context.Context, w stdio, args []string) error {
	o := setup.Options{Version: daemoncmd.Version}
	var lang *policy.Language
	var list, yes bool
	var verify, pub string
	rest, err := parseFlags(w, "setup", args, -1, func(fs *flag.FlagSet) {
		lang = langFlag(fs)
		declareSetup(fs, &o)
		fs.BoolVar(&yes, "yes", false, "answer each confirmation with yes, but not that a lamp is in place")
		fs.BoolVar(&o.LampInPlace, "yes-lamp", false,
			"a lamp is in the machine's place: the acceptance test closes the relay")
		fs.BoolVar(&list, "list", false, "print the acceptance list as Markdown: of MACHINE.yaml, or all of it")
		fs.StringVar(&verify, "verify", "", "verify a signed protocol; with --pub")
		fs.StringVar(&pub, "pub", "", "with --verify: the machine's public key, which setup printed")
	})
	if err != nil {
		return err
	}
	switch {
	case list && len(rest) < 2:
		return acceptanceList(w, *lang, rest)
	case len(rest) > 0:
		return wrong("setup takes no argument, %q given",
			rest[0]).hinted("portillon setup --machine laser; a wiring is --wiring NAME or --wiring FILE")
	case verify != "":
		return verifyProtocol(w, *lang, verify, pub)
	}
	s := setup.Setup{Options: o, Term: setup.NewTerminal(ctx, w.in, w.out, *lang), Host: setup.Pi{},
		Found: usbReaders(), Doctor: func(ctx context.Context, c daemoncmd.Config) int {
			found := doctor.Examine(ctx, c, doctor.Here(c))
			printFindings(w, *lang, found)
			ill := 0
			for _, f := range found {
				if f.State == doctor.Ill {
					ill++
				}
			}
			return ill
		}}
	s.Term.Yes, s.Live = yes, filepath.Clean(o.Root) == "/"
	return setupEnded(s.Run(ctx))
}

// declareSetup declares the flags that answer setup's questions.
func declareSetup(fs *flag.FlagSet, o *setup.Options) {
	for _, x := range []struct {
		into             *string
		name, def, usage string
	}{
		{&o.Machine, "machine", "", "the machine's id, as the policy has it"},
		{&o.Site, "site", "", "the site's id, as the policy has it"},
		{&o.BundleKey, "bundle-key", "", "the site's public key: the line that bundle keygen printed"},
		{&o.Broker, "broker", "", "the hub's broker, as tcp://hub.lan:1883, or none"},
		{&o.HubKey, "hub-key", "", "the hub's public key; default: the site's"},
		{&o.Reader, "reader", "", setup.ReaderNames()},
		{&o.Port, "port", "", "the reader's device file; machine ports lists them"},
		{&o.Format, "format", "", "what a USB reader types: decimal or hex"},
		{&o.Relay, "relay", "", "high (active-high board), transistor (active-low board behind one) or pump " +
			"(charge pump)"},
		{&o.Inputs, "inputs", "", "what is wired besides: none, or some of " +
			"e-stop,door,feedback,busy,exhaust,lamps,buzzer"},
		{&o.Wiring, "wiring", "", "instead of the questions: the name of a file in /usr/share/portillon, or a " +
			"machine.yaml"},
		{&o.CardKey, "card-key", "", "a file to put in place as the site's card key"},
		{&o.Bundle, "bundle", "", "a file to put in place as the site's bundle"},
		{&o.By, "by", "", "who answers the acceptance test"},
		{&o.Dir, "dir", "/etc/portillon", "where machine files are"},
		{&o.Root, "root", "/", "another root of all files; nothing is started then"},
	} {
		fs.StringVar(x.into, x.name, x.def, x.usage)
	}
	fs.BoolVar(&o.NoReboot, "no-reboot", false, "do not restart the Pi after config.txt has changed")
	fs.BoolVar(&o.NoTest, "no-test", false, "stop before the acceptance test")
	fs.BoolVar(&o.Again, "again", false, "test although the last test passed with this wiring")
	fs.Bool("continue", false, "go on where setup was interrupted; it does so without this flag too")
}

// setupEnded returns the exit code of a run: 1 if setup is incomplete or the acceptance test failed. setupEnded prints
// nothing, because setup has already printed the reason.
func setupEnded(err error) error {
	switch {
	case err == nil, errors.Is(err, setup.ErrReboot):
		return nil
	case errors.Is(err, setup.ErrIncomplete), errors.Is(err, setup.ErrNotPassed):
		return errNo
	case errors.Is(err, setup.ErrEnded):
		return wrong("%w", err).hinted("each answer is a flag too: portillon setup -h")
	}
	return err
}

// acceptanceList prints the steps of the acceptance test as Markdown: all steps, or those that apply to a machine.
func acceptanceList(w stdio, l policy.Language, files []string) error {
	plan := acceptance.Steps()
	if len(files) == 1 {
		c, err := daemoncmd.ReadConfig(files[0])
		if err != nil {
			return (&failure{code: 2, err: err}).hinted("%s", daemoncmd.Samples())
		}
		plan = acceptance.Plan(setup.WiringOf(c))
	}
	fmt.Fprint(w.out, acceptance.Markdown(plan, l))
	return nil
}

// verifyProtocol verifies a signed acceptance protocol. If the machine has not passed the test, the exit code is 1.
func verifyProtocol(w stdio, l policy.Language, path, pub string) error {
	if err := checkKind("--pub", "", pub, keykind.Place{Kind: keykind.Machine}); err != nil {
		return err
	}
	v, err := note.NewVerifier(pub)
	if err != nil {
		return wrong("--pub: %.80q is not a public key",
			pub).hinted("the line that portillon setup printed for this machine, as portillon:machine:laser.biklab+…")
	}
	p, err := acceptance.Read(path, note.VerifierList(v))
	if err != nil {
		return no("%s: %w", path, err)
	}
	fmt.Fprintln(w.out, setup.Summary(p, l))
	if !p.Passed() {
		return errNo
	}
	return nil
}
