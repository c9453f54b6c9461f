package main

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"portillon/hub"
	"portillon/hub/evidence"
	"portillon/hub/ledger"
	"portillon/policy"
	"portillon/wire"
)

func policyBadge(s string) policy.BadgeID { return policy.BadgeID(s) }

// desk is where evidence is asked for: a hub's ledger, read beside the running hub, and the site's policy.
type desk struct {
	site, member, badge, at, out string
	json                         bool
	conf                         hub.Config
	ledger                       *ledger.Ledger
	policy                       *policy.Policy
	now                          time.Time
}

func (d *desk) declare(fs *flag.FlagSet) {
	fs.StringVar(&d.site, "site", "", "the site's directory (its policy.yaml has the rules)")
	fs.StringVar(&d.at, "at", "", "judge as of this time (RFC 3339); default: now")
	fs.BoolVar(&d.json, "json", false, "print it as JSON")
}

func (d *desk) declareOne(fs *flag.FlagSet) {
	d.declare(fs)
	fs.StringVar(&d.member, "member", "", "the member's pseudonym, as in members.yaml")
	fs.StringVar(&d.badge, "badge", "", "the badge, as the policy names it")
}

func (d *desk) open(path string) (err error) {
	if d.site == "" {
		return wrong("--site is missing").hinted("the directory that holds policy.yaml")
	}
	if d.now, err = timeFlag("--at", d.at, time.Now()); err != nil {
		return err
	}
	if d.conf, err = hub.ReadConfig(path); err != nil {
		return err
	}
	if d.policy, err = readPolicy(filepath.Join(d.site, "policy.yaml")); err != nil {
		return err
	}
	if d.ledger, err = ledger.OpenReadOnly(d.conf.Ledger(), d.conf.Site); err != nil {
		return wrong("%w", err).hinted("the hub writes it; portillon-hub must have run once")
	}
	return nil
}

func evidenceList(ctx context.Context, w stdio, args []string) error {
	var d desk
	rest, err := flags(w, "evidence list", args, 1, d.declare)
	if err != nil {
		return err
	}
	if err := d.open(rest[0]); err != nil {
		return err
	}
	defer d.ledger.Close()
	all, err := hub.Progress(ctx, d.ledger, d.policy, d.now)
	if err != nil {
		return err
	}
	if d.json {
		return printJSON(w.out, all)
	}
	for _, p := range all {
		fmt.Fprintf(w.out, "%-20s %-20s %d of %d%s\n", p.Member, p.Badge, len(p.Counted), p.Needed, map[bool]string{true: ", complete"}[p.Complete])
	}
	return nil
}

func evidenceShow(ctx context.Context, w stdio, args []string) error {
	var d desk
	rest, err := flags(w, "evidence show", args, 1, d.declareOne)
	if err != nil {
		return err
	}
	if err := d.open(rest[0]); err != nil {
		return err
	}
	defer d.ledger.Close()
	p, err := hub.ProgressOf(ctx, d.ledger, d.policy, policy.MemberID(d.member), policy.BadgeID(d.badge), d.now)
	if err != nil {
		return wrong("%w", err)
	}
	if d.json {
		return printJSON(w.out, p)
	}
	for _, c := range p.Counted {
		fmt.Fprintf(w.out, "counts      %s\n", describe(c.Record, c.What))
	}
	for _, r := range p.Rejected {
		var whys []string
		for _, y := range r.Why {
			whys = append(whys, fmt.Sprintf("%s: %s", y, y.Text().EN))
		}
		fmt.Fprintf(w.out, "does not    %s\n            %s\n", describe(r.Record, r.What), strings.Join(whys, " "))
	}
	fmt.Fprintf(w.out, "%d of %d, %d missing\n", len(p.Counted), p.Needed, p.Missing())
	if !p.Complete {
		return errNo
	}
	return nil
}

func describe(r wire.Record, b wire.InterventionBody) string {
	return fmt.Sprintf("%s  %s %d  %s, under %s", r.Wall.Format(time.DateTime), r.Machine, r.Seq, b.What, b.Endorser)
}

func evidenceExport(ctx context.Context, w stdio, args []string) error {
	var d desk
	rest, err := flags(w, "evidence export", args, 1, func(fs *flag.FlagSet) {
		d.declareOne(fs)
		fs.StringVar(&d.out, "o", "", "the evidence file")
	})
	if err != nil {
		return err
	}
	if d.out == "" {
		return wrong("-o is missing").hinted("-o lea.evidence")
	}
	if err := d.open(rest[0]); err != nil {
		return err
	}
	defer d.ledger.Close()
	key, err := d.conf.Signer()
	if err != nil {
		return wrong("%w", err)
	}
	b, err := hub.Export(ctx, d.ledger, d.policy, policy.MemberID(d.member), policy.BadgeID(d.badge), d.now, key)
	if err != nil {
		return wrong("%w", err)
	}
	if err := wire.WriteFile(d.out, b, 0o600); err != nil {
		return err
	}
	var p evidence.Progress
	if p, err = hub.ProgressOf(ctx, d.ledger, d.policy, policy.MemberID(d.member), policy.BadgeID(d.badge), d.now); err != nil {
		return err
	}
	fmt.Fprintf(w.out, "%s: %s, %d of %d interventions count\n", d.out, d.badge, len(p.Counted), p.Needed)
	return nil
}

func versionVerb(_ context.Context, w stdio, _ []string) error {
	fmt.Fprintln(w.out, "portillon "+version())
	return nil
}
