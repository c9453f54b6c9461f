package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
	_ "time/tzdata" // a Pi may have no zone files

	"portillon/policy"
	"portillon/policy/file"
)

// readPolicy reads a policy file; all its faults are the error.
func readPolicy(path string) (*policy.Policy, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, wrong("%w", err)
	}
	return file.Parse(path, b)
}

func policyCheck(_ context.Context, w stdio, args []string) error {
	var lang *policy.Language
	rest, err := flags(w, "policy check", args, 1, func(fs *flag.FlagSet) { lang = langFlag(fs) })
	if err != nil {
		return err
	}
	p, err := readPolicy(rest[0])
	if err != nil {
		return err
	}
	fmt.Fprintf(w.out, say(*lang, "%s : site %s, %s, %s, %s\n", "%s: site %s, %s, %s, %s\n"), rest[0], p.Site, several(len(p.Badges), "badge"),
		several(len(p.Machines), "machine"), several(len(p.Tests), say(*lang, "exemple", "example")))
	warnings, err := p.Warnings(time.Now())
	if err == nil {
		err = p.Prove(time.Now())
	}
	if err != nil {
		return &failure{code: 3, err: err}
	}
	for _, x := range warnings {
		fmt.Fprintf(w.out, say(*lang, "attention : machines.%s.grants[%d] : %s\n", "warning: machines.%s.grants[%d]: %s\n"), x.Machine, x.Grant, x.Text.In(*lang))
	}
	fmt.Fprintln(w.out, say(*lang, "prouvé : un badge de plus n’enlève jamais d’accès, et une consignation arrête tous sauf les mainteneurs",
		"proven: another badge never takes access away, and a tag stops all but maintainers"))
	return nil
}

func policyTest(_ context.Context, w stdio, args []string) error {
	var lang *policy.Language
	rest, err := flags(w, "policy test", args, 1, func(fs *flag.FlagSet) { lang = langFlag(fs) })
	if err != nil {
		return err
	}
	p, err := readPolicy(rest[0])
	if err != nil {
		return err
	}
	failed := 0
	for _, r := range file.RunTests(p) {
		if r.Problem == "" {
			continue
		}
		failed++
		fmt.Fprintf(w.out, "%s: %s\n", r.Test.Name, r.Problem)
	}
	fmt.Fprintf(w.out, say(*lang, "%d exemples tiennent, %d non\n", "%d examples hold, %d do not\n"), len(p.Tests)-failed, failed)
	breaches := p.Breaches(time.Now())
	for _, b := range breaches {
		fmt.Fprintln(w.out, breach(b, *lang))
	}
	if len(p.Never) > 0 {
		fmt.Fprintf(w.out, say(*lang, "%d règles sous never:, %d cas contre elles\n", "%d rules under never:, %d cases against them\n"), len(p.Never), len(breaches))
	}
	switch {
	case failed+len(breaches) > 0:
		return errNo
	case len(p.Tests)+len(p.Never) == 0:
		return (&failure{code: 3, err: fmt.Errorf("%s: nothing to try", rest[0])}).hinted("examples stand under tests:, what must never be under never:")
	}
	return nil
}

// breach is a case against an invariant, for an operator.
func breach(b policy.Breach, l policy.Language) string {
	holds := say(l, "sans badge", "with no badge")
	for i, h := range b.Holds {
		if i == 0 {
			holds = say(l, "avec ", "with ")
		} else {
			holds += ", "
		}
		holds += string(h)
	}
	role := b.Role.String()
	if b.Supervised {
		role += say(l, " avec un superviseur", " with a supervisor")
	}
	if b.Clock == policy.Untrusted {
		role += say(l, ", tant que l’heure n’est pas sûre", ", while the clock is not trusted")
	}
	return fmt.Sprintf(say(l, "%s : sur %s, %s : %s, %s (grant %d)", "%s: at %s, %s: %s, %s (grant %d)"), b.Invariant.Name, b.Machine, holds, role, b.When, b.Grant+1)
}

// explained is what policy explain --json prints.
type explained struct {
	Verdict  policy.Verdict  `json:"verdict"`
	Reasons  []reason        `json:"reasons"`
	Decision policy.Decision `json:"decision"`
	Sentence policy.Sentence `json:"sentence"`
}

func policyExplain(_ context.Context, w stdio, args []string) error {
	var machine, holds, supervisor, at, card string
	var lang *policy.Language
	var age time.Duration
	var tagged, asJSON bool
	rest, err := flags(w, "policy explain", args, 1, func(fs *flag.FlagSet) {
		fs.StringVar(&machine, "machine", "", "the machine")
		fs.StringVar(&holds, "holds", "", "the member's badges, with commas")
		fs.StringVar(&supervisor, "supervisor-holds", "", "the badges of the supervisor who taps, with commas")
		fs.StringVar(&at, "at", "", "the time (RFC 3339); default: now")
		lang = langFlag(fs)
		fs.StringVar(&card, "card", "number", "what the card has proven: number or aes")
		fs.DurationVar(&age, "bundle-age", 0, "how old the machine's bundle is, as 240h")
		fs.BoolVar(&tagged, "tagged", false, "the machine is tagged out")
		fs.BoolVar(&asJSON, "json", false, "print the whole decision as JSON")
	})
	if err != nil {
		return err
	}
	p, err := readPolicy(rest[0])
	if err != nil {
		return err
	}
	if _, ok := p.Machine(policy.MachineID(machine)); !ok {
		return wrong("--machine: the policy has no machine %q", machine).hinted("one of: %s", machineList(p))
	}
	q := policy.Question{Clock: policy.Trusted, Machine: policy.MachineID(machine), Tagged: tagged}
	if q.At, err = siteTime("--at", at, p.Zone, time.Now()); err != nil {
		return err
	}
	q.Issued = q.At.Add(-age)
	if q.Card, err = policy.ParseCardStrength(card); err != nil {
		return wrong("--card: %w", err)
	}
	if q.Member, err = holder(p, "--holds", "member", holds, q.At); err != nil {
		return err
	}
	if supervisor != "" {
		if q.Supervisor, err = holder(p, "--supervisor-holds", "supervisor", supervisor, q.At); err != nil {
			return err
		}
	}
	return w.explain(p, q, *lang, asJSON)
}

func (w stdio) explain(p *policy.Policy, q policy.Question, l policy.Language, asJSON bool) error {
	d := p.Decide(q)
	said := policy.Explain(p, q, d)
	if asJSON {
		out := explained{d.Verdict, []reason{}, d, said}
		for _, c := range d.Codes() {
			out.Reasons = append(out.Reasons, reason{Code: string(c)})
		}
		if err := printJSON(w.out, out); err != nil {
			return err
		}
	} else {
		w.trace(p, q, d, said.In(l))
	}
	if d.Verdict != policy.Allow {
		return errNo
	}
	return nil
}

// trace is the answer for an operator: the sentence the member reads, then every grant.
func (w stdio) trace(p *policy.Policy, q policy.Question, d policy.Decision, said string) {
	fmt.Fprintf(w.out, "%s", d.Verdict)
	if d.Role != policy.NoRole {
		fmt.Fprintf(w.out, " as %s", d.Role)
	}
	fmt.Fprintf(w.out, "\n  %s\n", said)
	for _, o := range d.Outcomes {
		fmt.Fprintf(w.out, "  %-10s %s", o.Role, o.Verdict)
		for i, r := range o.Missing {
			sep := ", "
			if i == 0 {
				sep = ": "
			}
			fmt.Fprintf(w.out, "%s%s", sep, r.Code)
			if r.Badge != "" {
				fmt.Fprintf(w.out, " %s", r.Badge)
			}
		}
		fmt.Fprintln(w.out)
	}
}

// holder is somebody who holds badges, verified and without an end, since a year.
func holder(p *policy.Policy, flag, id, badges string, at time.Time) (*policy.Member, error) {
	m := &policy.Member{ID: policy.MemberID(id)}
	for _, b := range strings.Split(badges, ",") {
		if b = strings.TrimSpace(b); b == "" {
			continue
		}
		if _, ok := p.Badge(policy.BadgeID(b)); !ok {
			return nil, wrong("%s: the policy has no badge %q", flag, b)
		}
		m.Holdings = append(m.Holdings, policy.Holding{Badge: policy.BadgeID(b), Standing: policy.Verified, From: at.AddDate(-1, 0, 0)})
	}
	return m, nil
}

func machineList(p *policy.Policy) string {
	var out []string
	for _, m := range p.Machines {
		out = append(out, string(m.ID))
	}
	return strings.Join(out, ", ")
}
