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
	_ "time/tzdata" // embeds time zones, because a Pi may have no zone files

	"portillon/policy"
	"portillon/policy/analysis"
	"portillon/policy/file"
	"portillon/yamlfile"
)

// readPolicy reads a policy file. The error lists all faults of the file.
func readPolicy(path string) (*policy.Policy, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, wrong("%w", err)
	}
	return file.Parse(path, b)
}

// places finds the positions of entries in a file, such as "policy.yaml:89: machines.laser.grants[1]".
type places struct {
	name string        // name of the file in positions
	root yamlfile.Node // the parsed file
}

// placesIn reads a policy file a second time, to find the positions of the file's entries.
func placesIn(path string) places {
	b, _ := os.ReadFile(path) // if the file is gone, positions contain no line numbers
	return places{path, yamlfile.Parse(path, b).Root()}
}

// line returns the position of an entry. The argument path consists of keys and of indices from 0, as in the faults of
// a policy.
func (p places) line(path ...any) string {
	n, line := p.root, 0
	for _, x := range path {
		switch x := x.(type) {
		case string:
			for _, e := range n.Pairs() {
				if e.Key == x {
					line = e.KeyNode.Line()
				}
			}
			n = n.Get(x)
		case int:
			if list := n.List(); x >= 0 && x < len(list) {
				n, line = list[x], list[x].Line()
			}
		}
	}
	if line == 0 {
		return p.name
	}
	return fmt.Sprintf("%s:%d: %s", p.name, line, n.Path())
}

// ofGrant returns the position of a grant, or of the machine if grant is negative.
func (p places) ofGrant(m policy.MachineID, grant int) string {
	if grant < 0 {
		return p.line("machines", string(m))
	}
	return p.line("machines", string(m), "grants", grant)
}

// ofWarning returns the position of the entry to which a warning refers.
func (p places) ofWarning(w analysis.Warning) string {
	if w.Badge != "" {
		return p.line("badges", string(w.Badge), "accepts", w.Entry)
	}
	return p.ofGrant(w.Machine, w.Grant)
}

// policyCheck runs «policy check», which reads a policy, prints warnings, and checks the laws that every policy must
// satisfy. The exit code is 2 if the policy has a fault, and 1 if the policy breaks a law. Warnings do not change the
// exit code.
func policyCheck(_ context.Context, w stdio, args []string) error {
	var lang *policy.Language
	rest, err := parseFlags(w, "policy check", args, 1, func(fs *flag.FlagSet) { lang = langFlag(fs) })
	if err != nil {
		return err
	}
	p, err := readPolicy(rest[0])
	if err != nil {
		return err
	}
	fmt.Fprintf(w.out, say(*lang, "%s : site %s, %s, %s, %s\n", "%s: site %s, %s, %s, %s\n"), rest[0], p.Site,
		several(len(p.Badges), "badge"), several(len(p.Machines), "machine"),
		several(len(p.Tests), say(*lang, "exemple", "example")))
	at := placesIn(rest[0])
	warnings, err := analysis.Warnings(p, time.Now())
	for _, x := range warnings {
		fmt.Fprintf(w.out, say(*lang, "attention : %s : %s\n", "warning: %s: %s\n"), at.ofWarning(x), x.Text.In(*lang))
	}
	if err == nil {
		err = analysis.Prove(p, time.Now())
	}
	if err != nil {
		return withPosition(err, at, *lang)
	}
	if !slices.ContainsFunc(p.Machines, func(m policy.Machine) bool { return m.Gives(policy.Maintainer) }) {
		fmt.Fprintln(w.out, say(*lang,
			"prouvé : un badge de plus n’enlève jamais d’accès, et une mise hors service arrête tout le monde",
			"proven: another badge never takes access away, and a tag stops everybody"))
		return nil
	}
	fmt.Fprintln(w.out, say(*lang,
		"prouvé : un badge de plus n’enlève jamais d’accès, et une mise hors service arrête tout le monde "+
			"sauf la maintenance",
		"proven: another badge never takes access away, and a tag stops all but maintainers"))
	return nil
}

// withPosition adds a position and a hint to the error of an analysis. If the error is nil, withPosition returns nil.
func withPosition(err error, at places, l policy.Language) error {
	var f *analysis.Flaw
	if !errors.As(err, &f) {
		return err // return a nil error, or an error that already has a position, unchanged
	}
	out := &failure{code: 3, err: fmt.Errorf(say(l, "%s : %s", "%s: %s"), at.ofGrant(f.Machine, -1), f.Text.In(l)),
		hint: say(l, "moins de durées, de quotas ou de badges différents dans les règles d’un même rôle ; "+
			"rien d’autre n’est faux dans ce fichier",
			"fewer different ages, quotas or badges among the grants of one role; nothing else is wrong with the file")}
	if f.Broken {
		out.code = 1
		out.hint = say(l, "l’erreur vient de portillon, pas du fichier : merci de la signaler avec ce fichier",
			"this is a bug in portillon, not in the file: please report it together with the file")
	}
	return out
}

// policyTest runs «policy test», which checks the examples under tests: and the rules under never:. The exit code is 1
// if an example fails or a rule is broken, and 3 if the file has neither examples nor rules to check.
func policyTest(_ context.Context, w stdio, args []string) error {
	var lang *policy.Language
	rest, err := parseFlags(w, "policy test", args, 1, func(fs *flag.FlagSet) { lang = langFlag(fs) })
	if err != nil {
		return err
	}
	p, err := readPolicy(rest[0])
	if err != nil {
		return err
	}
	at, failed := placesIn(rest[0]), 0
	for i, r := range file.RunTests(p) {
		if r.Problem == (policy.Text{}) {
			continue
		}
		failed++
		fmt.Fprintf(w.out, say(*lang, "%s : %s\n", "%s: %s\n"), withName(at.line("tests",
			i), r.Test.Name), r.Problem.In(*lang))
	}
	passed := len(p.Tests) - failed
	fmt.Fprintln(w.out, say(*lang,
		fmt.Sprintf("%d %s, %s", passed, either(passed < 2, "exemple vérifié", "exemples vérifiés"),
			several(failed, "échec")),
		fmt.Sprintf("%d %s passed, %d failed", passed, either(passed == 1, "example", "examples"), failed)))
	breaches := analysis.Breaches(p, time.Now())
	for _, b := range breaches {
		fmt.Fprintln(w.out, breach(p, at, b, *lang))
	}
	if n, c := len(p.Never), len(breaches); n > 0 {
		fmt.Fprintln(w.out, say(*lang,
			fmt.Sprintf("%s never:, %s", several(n, "règle"),
				either(c == 0, "aucun contre-exemple", several(c, "contre-exemple"))),
			fmt.Sprintf("%s under never:, %s", several(n, "rule"),
				either(c == 0, "no counterexample", several(c, "counterexample")))))
	}
	switch {
	case failed+len(breaches) > 0:
		return errNo
	case len(p.Tests)+len(p.Never) == 0:
		err := fmt.Errorf(say(*lang, "%s : rien à essayer", "%s: nothing to try"), rest[0])
		return (&failure{code: 3, err: err}).hinted("%s",
			say(*lang, "les exemples vont sous tests:, les accès interdits sous never:",
				"examples go under tests:, forbidden access under never:"))
	}
	return nil
}

// either returns a if the argument first is true, and otherwise b.
func either(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// withName returns a position followed by the name of the entry, unless the position already ends with that name.
func withName(place, name string) string {
	if strings.HasSuffix(place, " "+name) {
		return place
	}
	return place + " (" + name + ")"
}

// breach returns a line of text about a case in which the policy breaks an invariant.
func breach(p *policy.Policy, at places, b analysis.Breach, l policy.Language) string {
	holds := say(l, "sans badge", "with no badge")
	var all []string
	for _, h := range b.Holds {
		all = append(all, string(h))
	}
	for _, o := range b.Accepted {
		all = append(all, fmt.Sprintf("%s (%s)", o.Achievement, o.Issuer))
	}
	if len(all) > 0 {
		holds = say(l, "avec ", "with ") + strings.Join(all, ", ")
	}
	role := b.Role.String()
	if b.Supervised {
		role += say(l, " avec un mentor", " with a mentor")
	}
	if b.Clock == policy.Untrusted {
		role += say(l, ", tant que l’horloge n’est pas réglée", ", while the clock is not trusted")
	}
	// Find the position of the invariant by the invariant's name.
	i := 0
	for i < len(p.Never) && p.Never[i].Name != b.Invariant.Name {
		i++
	}
	because := at.ofGrant(b.Machine, b.Grant)
	if b.Grant < 0 {
		because += ", mode: warn"
	}
	rule := withName(at.line("never", i), b.Invariant.Name)
	return fmt.Sprintf(say(l, "%s : sur %s, %s : %s, %s (%s)", "%s: at %s, %s: %s, %s (%s)"),
		rule, b.Machine, holds, role, b.When, filepath.Base(because))
}
