package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/user"
	"slices"
	"time"

	"portillon/hub"
	"portillon/hub/ledger"
	"portillon/policy"
	"portillon/wire"
)

// replacement contains the flags of «machine replace».
type replacement struct {
	machine         policy.MachineID // the machine's id
	hub             string           // hub.yaml
	generation, why string           // generation of the new journal (empty: the reported one), and reason
	by              string           // name of the person who replaces the journal, for the record
}

// machineReplace runs «machine replace», which makes the hub accept a new journal of a machine, for example after the
// loss of an SD card. A running hub does not need a restart, because it reads the replacement from its ledger. The old
// journal remains in the ledger. The hub then sends the machine's tags, running hours and practice back to the machine.
func machineReplace(ctx context.Context, w stdio, args []string) error {
	var o order
	var r replacement
	rest, err := parseFlags(w, "machine replace", args, 1, func(fs *flag.FlagSet) {
		fs.StringVar(&r.hub, "hub", "", "the hub's hub.yaml")
		fs.StringVar(&r.generation, "generation", "",
			"the generation of the new journal (without: as the machine told the running hub)")
		fs.StringVar(&r.why, "why", "", "why, for the record: new memory card")
		fs.StringVar(&r.by, "by", "", "who does it, for the record (without: the user of this computer)")
		o.lang = langFlag(fs)
	})
	if err != nil {
		return err
	}
	if r.machine = policy.MachineID(rest[0]); r.hub == "" {
		return wrong("--hub is missing").hinted("portillon machine replace MACHINE --hub hub.yaml")
	}
	c, err := hub.ReadConfig(r.hub)
	if err != nil {
		return err
	}
	if keys, err := c.MachineKeys(ctx); err != nil {
		return wrong("%w", err)
	} else if len(keys.Of(r.machine)) == 0 {
		return wrong("this hub knows no machine %.64q", r.machine)
	}
	if r.generation == "" {
		if r.generation, err = reportedGeneration(ctx, r.hub, r.machine); err != nil {
			return err
		}
	}
	old, next, err := r.writeReplacement(ctx, c)
	if err != nil {
		return err
	}
	fmt.Fprintf(w.out, say(o.language(),
		"%s : le journal %s prend la place de %s, dont %d enregistrements restent. Le hub rend à la machine ses "+
			"étiquettes, heures et pratiques.\n",
		"%s: the journal %s takes the place of %s, of which %d records stay. The hub sends the machine its tags, hours "+
			"and practice.\n"),
		r.machine, next, nameOf(old.Generation), old.Records)
	return nil
}

// nameOf returns a generation's name, or a dash for the first generation, whose name is empty.
func nameOf(g wire.Generation) string { return cmp.Or(string(g), "—") }

// reportedGeneration returns the generation that the machine has reported to the running hub.
func reportedGeneration(ctx context.Context, file string, m policy.MachineID) (string, error) {
	machines, err := askHub(ctx, file)
	if err != nil {
		return "", hintGeneration(err)
	}
	i := slices.IndexFunc(machines, func(x hub.Machine) bool { return x.ID == m })
	if i < 0 || machines[i].State == nil || machines[i].State.Generation == "" {
		return "", hintGeneration(
			&failure{code: 1, err: fmt.Errorf("machine %.64q has not reported the generation of its journal to the hub", m)},
		)
	}
	return string(machines[i].State.Generation), nil
}

// hintGeneration adds a hint that explains how to name the generation with a flag.
func hintGeneration(err error) error {
	var f *failure
	if errors.As(err, &f) && f.hint == "" {
		return f.hinted("--generation names the generation that “portillon machine status” shows at the machine")
	}
	return err
}

// writeReplacement writes the replacement to the ledger, and returns the old and the new generation.
func (r replacement) writeReplacement(ctx context.Context, c hub.Config) (old ledger.Generation, next wire.Generation,
	err error) {
	next = wire.Generation(r.generation)
	if _, err := os.Stat(c.Ledger()); err != nil { // check first, because ledger.Open would create a missing ledger
		return old, next, &failure{code: 1, err: fmt.Errorf("ledger of the hub cannot be opened: %w", err)}
	}
	keys, err := c.MachineKeys(ctx)
	if err != nil {
		return old, next, err
	}
	l, err := ledger.Open(c.Ledger(), c.Site, keys.InForce())
	if err != nil {
		return old, next, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	all, err := l.Generations(ctx, r.machine)
	if err != nil {
		return old, next, err
	}
	if n := len(all); n > 0 {
		if old = all[n-1]; old.Generation == next {
			return old, next, &failure{code: 1, err: fmt.Errorf("hub already accepts journal %s of machine %s", next, r.machine)}
		}
	}
	by := cmp.Or(r.by, os.Getenv("SUDO_USER"))
	if u, uerr := user.Current(); by == "" && uerr == nil {
		by = u.Username
	}
	err = l.Replace(
		ledger.Replacement{
			Machine:    r.machine,
			Generation: next,
			By:         cmp.Or(by, "?"),
			Why:        r.why,
			At:         time.Now().UTC().Truncate(time.Millisecond),
		},
	)
	if err != nil {
		return old, next, &failure{code: 1, err: err}
	}
	return old, next, nil
}

// journalLines returns lines about the replacements of a machine's journal.
func journalLines(m hub.Machine, l policy.Language) (out []string) {
	for i := 1; i < len(m.Journals); i++ {
		old, next := m.Journals[i-1], m.Journals[i]
		line := fmt.Sprintf(say(l, "journal remplacé le %s par %s", "journal replaced on %s by %s"),
			next.At.Local().Format("2006-01-02 15:04:05"), next.By)
		if next.Why != "" {
			line += " (" + next.Why + ")"
		}
		out = append(
			out,
			line,
			fmt.Sprintf(say(l, "  %s : %d enregistrements, racine %.16s → %s", "  %s: %d records, root %.16s → %s"),
				nameOf(old.Generation), old.Records, old.Root, next.Generation),
		)
		if i == len(m.Journals)-1 && !next.Restored {
			out = append(
				out,
				"  "+say(l, "étiquettes, heures et pratiques pas encore rendues à la machine",
					"tags, hours and practice are not given back to the machine yet"),
			)
		}
	}
	return out
}
