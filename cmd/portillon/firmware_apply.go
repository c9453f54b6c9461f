package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"portillon/cmd/internal/bootconfig"
	"portillon/cmd/internal/daemoncmd"
	"portillon/policy"
)

// applied is the result of «firmware apply» as JSON.
type applied struct {
	Machine   string              `json:"machine"`   // the machine's id
	Model     string              `json:"model"`     // model from the device tree; empty without a device tree
	Changed   bool                `json:"changed"`   // files that the command changed or, with --dry-run, would change
	Reboot    bool                `json:"reboot"`    // true: the changes take effect only at the next boot
	Files     []bootconfig.Change `json:"files"`     // changed files with their differences
	Conflicts []string            `json:"conflicts"` // lines outside the machine's block that contradict the block
}

// applyFlags contains the flags of «firmware apply».
type applyFlags struct {
	root             string // root directory of the Pi's files
	yes, dry, asJSON bool   // yes: skip the confirmation; dry: only print the changes; asJSON: print the result as JSON
	lang             *policy.Language
}

// firmwareApply runs «firmware apply», which edits a Pi's config.txt and cmdline.txt for the wiring. Only the block
// between Portillon's marks is changed, after a confirmation, and each old file is copied first. firmware apply reports
// lines outside the block that contradict the wiring, but does not change them.
func firmwareApply(_ context.Context, w stdio, args []string) error {
	var f applyFlags
	rest, err := parseFlags(w, "firmware apply", args, 1, func(fs *flag.FlagSet) {
		fs.StringVar(&f.root, "root", "/", "the Pi's root directory, or its boot partition in a card reader")
		fs.BoolVar(&f.yes, "yes", false, "write without asking")
		fs.BoolVar(&f.dry, "dry-run", false, "print the difference, write nothing, and exit with 1 where there is one")
		fs.BoolVar(&f.asJSON, "json", false, "print what changed as JSON; with --yes or --dry-run")
		f.lang = langFlag(fs)
	})
	if err != nil {
		return err
	}
	if f.asJSON && !f.yes && !f.dry {
		return wrong("firmware apply: --json needs --yes or --dry-run, because it cannot ask")
	}
	c, err := daemoncmd.ReadConfig(rest[0])
	if err == nil {
		err = c.CheckWires()
	}
	if err != nil {
		return (&failure{code: 2, err: err}).hinted("%s", daemoncmd.Samples())
	}
	if c.Simulated() {
		return no("%s: the pins are simulated, so config.txt needs nothing for this machine",
			rest[0]).hinted(`on a Pi: relay: { pin: "gpio:pinctrl-/17" }`)
	}
	root, err := os.OpenRoot(f.root)
	if err != nil {
		return wrong("firmware apply: %w", err)
	}
	defer root.Close()
	plan, err := bootconfig.Edit(root, c.BootMachine())
	if err != nil {
		return (&failure{code: 2,
			err: err}).hinted("on the Pi: sudo portillon firmware apply %s; elsewhere --root names its files", rest[0])
	}
	return f.finish(w, c, root, plan)
}

// finish prints the plan, asks for confirmation, writes the files, and prints the remaining steps.
func (f applyFlags) finish(w stdio, c daemoncmd.Config, root *os.Root, plan bootconfig.Plan) error {
	l, changed := *f.lang, len(plan.Changes) > 0
	writes := changed && !f.dry
	// Ask only if a person reads the plan; with --json, a program reads the plan.
	if !f.asJSON {
		f.show(w, c, plan)
		if writes && !f.yes && !confirm(w, l) {
			return no("%s", say(l, "rien n’a été écrit", "nothing was written"))
		}
	}
	if writes {
		if err := plan.Write(root, time.Now()); err != nil {
			return &failure{code: 2, err: err, hint: "run it again with sudo; what was written so far is whole"}
		}
	}
	if f.asJSON {
		out := applied{Machine: c.Machine, Model: plan.Board.Model, Changed: changed, Reboot: writes,
			Files: append([]bootconfig.Change{}, plan.Changes...), Conflicts: append([]string{}, plan.Conflicts...)}
		if err := printJSON(w.out, out); err != nil {
			return err
		}
	} else if writes {
		printWritten(w, plan, l)
	}
	if f.dry && changed {
		return errNo
	}
	return nil
}

// printWritten lists the files that were written, and the copy of each old file.
func printWritten(w stdio, plan bootconfig.Plan, l policy.Language) {
	for _, ch := range plan.Changes {
		fmt.Fprintf(w.out, say(l, "écrit : %s ; l’ancien fichier est gardé : %s\n",
			"written: %s; the file as it was is kept: %s\n"), ch.Path, ch.Copy)
	}
	fmt.Fprintln(w.out, say(l, "redémarrer maintenant : sudo reboot. Les changements prennent effet au redémarrage",
		"reboot now: sudo reboot. The changes take effect at the reboot"))
}

// show prints how each file changes, and which lines outside the block contradict the wiring.
func (f applyFlags) show(w stdio, c daemoncmd.Config, plan bootconfig.Plan) {
	l := *f.lang
	if !plan.Board.Known() {
		fmt.Fprintln(w.err, "portillon: warning: "+say(l,
			"le modèle du Pi n’est pas connu : les lignes de tous les modèles comptent",
			"the Pi’s model is not known: the lines of every model count"))
	}
	for _, ch := range plan.Changes {
		for line := range strings.Lines(ch.Diff) {
			fmt.Fprintln(w.out, plain(strings.TrimRight(line, "\r\n")))
		}
	}
	for _, conflict := range plan.Conflicts {
		fmt.Fprintln(w.err, "portillon: warning: "+plain(conflict))
	}
	if len(plan.Changes) == 0 {
		fmt.Fprintf(w.out, say(l, "rien à changer : /%s contient déjà ce qu’il faut pour « %s »\n",
			"nothing to change: /%s holds all that “%s” needs\n"), plan.Path, c.Machine)
	}
}

// confirm asks for confirmation on the terminal. confirm treats an empty answer as no.
func confirm(w stdio, l policy.Language) bool {
	fmt.Fprint(w.err, say(l, "écrire cela ? [o/N] ", "write this? [y/N] "))
	answer, _ := bufio.NewReader(w.in).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes", "o", "oui":
		return true
	}
	return false
}
