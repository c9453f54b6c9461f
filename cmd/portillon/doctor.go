package main

import (
	"context"
	"flag"
	"fmt"
	"os/signal"
	"path/filepath"
	"syscall"

	"portillon/cmd/internal/acceptance"
	"portillon/cmd/internal/daemoncmd"
	"portillon/cmd/internal/doctor"
	"portillon/cmd/internal/setup"
	"portillon/policy"
)

// firmwareRender runs «firmware render», which prints the lines of config.txt that a wiring needs. The lines are
// derived from the same machine.yaml as the daemon's configuration, so that config.txt and the daemon name the same
// pins.
func firmwareRender(_ context.Context, w stdio, args []string) error {
	rest, err := parseFlags(w, "firmware render", args, 1, nil)
	if err != nil {
		return err
	}
	c, err := daemoncmd.ReadConfig(rest[0])
	if err == nil {
		err = c.CheckWires()
	}
	if err != nil {
		return (&failure{code: 2, err: err}).hinted("%s", daemoncmd.Samples())
	}
	if c.Simulated() {
		return no("%s: the pins are simulated, so config.txt needs nothing for this machine", rest[0]).
			hinted(`on a Pi: relay: { pin: "gpio:pinctrl-/17" }`)
	}
	fmt.Fprint(w.out, c.Fragment(filepath.Base(rest[0])))
	return nil
}

// doctorVerb runs «doctor», which examines the Pi on which the command runs. With --pump, the command only tests the
// charge pump. The exit code is 0 without faults, 1 after a fault, and 3 if a check could not be performed, for example
// without sudo. It changes nothing.
func doctorVerb(ctx context.Context, w stdio, args []string) error {
	asJSON, pump, lamp, hubFile := false, false, false, ""
	var lang *policy.Language
	rest, err := parseFlags(w, "doctor", args, 1, func(fs *flag.FlagSet) {
		fs.BoolVar(&asJSON, "json", false, "print the findings as JSON")
		fs.BoolVar(&pump, "pump", false, "test the charge pump with stray edges, a level and the heartbeat; some 25 s")
		fs.BoolVar(&lamp, "yes-lamp", false,
			"the machine is unplugged and a lamp stands in its place: --pump may close the contactor")
		fs.StringVar(&hubFile, "hub", "",
			"a hub.yaml to compare the keys with; default: the one beside MACHINE.yaml, where there is one")
		lang = langFlag(fs)
	})
	if err != nil {
		return err
	}
	c, err := daemoncmd.ReadConfig(rest[0])
	if err == nil {
		err = c.CheckWires()
	}
	if err != nil {
		return (&failure{code: 2, err: err}).hinted("%s", daemoncmd.Samples())
	}
	here := doctor.Here(c)
	var found []doctor.Finding
	if pump {
		ctx, stop := untilLineIsLow(ctx)
		defer stop()
		found = doctor.Pump(ctx, c, here, lamp, doctor.OpenPump)
	} else {
		here.Hub = hubBeside(c, rest[0], hubFile)
		here.Accepted = func() (acceptance.Protocol, string, error) { return setup.Accepted(c, rest[0]) }
		found = doctor.Examine(ctx, c, here)
	}
	if asJSON {
		err = printJSON(w.out, found)
	} else {
		printFindings(w, *lang, found)
	}
	if err != nil {
		return err
	}
	return verdictOf(found)
}

// untilLineIsLow returns a context that is also cancelled when the terminal closes (SIGHUP), and ignores Ctrl-Z until
// stop is called. If a signal killed or suspended the test, the relay's line would stay at its present level, with
// which a damaged pump may keep the relay closed.
func untilLineIsLow(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGHUP)
	signal.Ignore(syscall.SIGTSTP)
	return ctx, func() {
		cancel()
		signal.Reset(syscall.SIGTSTP)
	}
}

// printFindings prints a line for each finding, and its remedy below it.
func printFindings(w stdio, l policy.Language, found []doctor.Finding) {
	mark := map[doctor.State]string{
		doctor.Well:    "ok",
		doctor.Ill:     say(l, "À CORRIGER", "TO FIX"),
		doctor.Unknown: "?",
	}
	width := len([]rune(mark[doctor.Ill])) // pad each mark to the width of the widest mark
	for _, f := range found {
		fmt.Fprintf(w.out, "%-*s %-12s %s\n", width, mark[f.State], f.Look, plain(f.Fact.In(l)))
		if c := f.Cure.In(l); c != "" {
			fmt.Fprintf(w.out, "%*s → %s\n", width+13, "", plain(c))
		}
	}
}

// verdictOf returns an error that sets the exit code: 1 after a fault, 3 if a check could not be performed.
func verdictOf(found []doctor.Finding) error {
	var out error
	for _, f := range found {
		switch f.State {
		case doctor.Ill:
			return errNo
		case doctor.Unknown:
			out = errCannotSay
		}
	}
	return out
}
