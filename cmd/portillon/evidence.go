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

// policyBadge is the id of a badge of the policy, as typed in a flag.
func policyBadge(s string) policy.BadgeID { return policy.BadgeID(s) }

// evidenceQuery contains the flags of the evidence verbs and the data that the verbs read: the site's policy and a
// hub's ledger. The hub may be using the ledger.
type evidenceQuery struct {
	site, member, badge, at, out string // each field is the value of the flag of the same name
	json                         bool
	lang                         *policy.Language
	conf                         hub.Config // the hub's configuration
	ledger                       *ledger.Ledger
	policy                       *policy.Policy // of the site
	now                          time.Time      // time from which the age of interventions is measured
}

// declare declares the flags that all these verbs have.
func (d *evidenceQuery) declare(fs *flag.FlagSet) {
	fs.StringVar(&d.site, "site", "", "the site's directory (its policy.yaml has the rules)")
	fs.StringVar(&d.at, "at", "", "judge as of this time (RFC 3339); default: now")
	fs.BoolVar(&d.json, "json", false, "print it as JSON")
	d.lang = langFlag(fs)
}

// declareOne declares the flags of declare, and the flags for one member and one badge.
func (d *evidenceQuery) declareOne(fs *flag.FlagSet) {
	d.declare(fs)
	fs.StringVar(&d.member, "member", "", "the member's pseudonym, as in members.yaml")
	fs.StringVar(&d.badge, "badge", "", "the badge, as the policy names it")
}

// open reads the policy and opens the ledger. The caller must close the ledger.
func (d *evidenceQuery) open(path string) (err error) {
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

// evidenceList runs «evidence list». The list is sorted by member and badge, and marks members who already have the
// badge.
func evidenceList(ctx context.Context, w stdio, args []string) error {
	var d evidenceQuery
	rest, err := parseFlags(w, "evidence list", args, 1, d.declare)
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
	d.holders(w, all)
	if d.json {
		return printJSON(w.out, all)
	}
	for _, p := range all {
		fmt.Fprintf(w.out, "%-20s %-20s %s\n", p.Member, p.Badge, progressWords(p, *d.lang))
	}
	return nil
}

// holders marks the members who already have the badge towards which they work. holders verifies the badges by the same
// rules as a machine. If members or badges cannot be read, holders prints a warning and marks nobody.
func (d *evidenceQuery) holders(w stdio, all []evidence.Progress) {
	r, _, err := loadSite(d.site, filepath.Join(d.site, "policy.yaml"), d.now)
	if err != nil {
		w.warn(
			[]string{
				say(*d.lang, "qui a déjà le badge n’est pas connu : ", "who holds the badge already is not known: ") + err.Error(),
			},
		)
		return
	}
	for i, p := range all {
		who, known := r.Person(p.Member)
		all[i].AlreadyHolds = known && holdsNow(who.Member, p.Badge, d.now)
	}
}

// progressWords returns a text about a member's progress.
func progressWords(p evidence.Progress, l policy.Language) string {
	out := fmt.Sprintf(say(l, "%d sur %d", "%d of %d"), len(p.Counted), p.Needed)
	if p.Spread > 0 {
		out += fmt.Sprintf(say(l, ", %d jours sur %d", ", on %d of %d days"), p.Days, p.Spread)
	}
	switch {
	case p.AlreadyHolds:
		out += say(l, ", a déjà le badge", ", already holds it")
	case p.Complete:
		out += say(l, ", complet", ", complete")
	}
	return out
}

// evidenceShow runs «evidence show». As long as the member needs more interventions for the badge, the exit code is 1.
// Rejected interventions are listed with all their reasons.
func evidenceShow(ctx context.Context, w stdio, args []string) error {
	var d evidenceQuery
	rest, err := parseFlags(w, "evidence show", args, 1, d.declareOne)
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
	one := []evidence.Progress{p}
	d.holders(w, one)
	p = one[0]
	if d.json {
		return printJSON(w.out, p)
	}
	d.print(w, p)
	if !p.Complete {
		return errNo
	}
	return nil
}

// print lists the interventions accepted as evidence, and then the rejected interventions with the reasons.
func (d *evidenceQuery) print(w stdio, p evidence.Progress) {
	l := *d.lang
	for _, c := range p.Counted {
		fmt.Fprintf(w.out, "%-11s %s\n", say(l, "compte", "counts"), describe(c.Record, c.What, c.Minutes, l))
	}
	for _, r := range p.Rejected {
		var whys []string
		for _, y := range r.Why {
			whys = append(whys, say(l, y.Text().FR, fmt.Sprintf("%s: %s", y, y.Text().EN)))
		}
		fmt.Fprintf(w.out, "%-11s %s\n            %s\n", say(l, "ne compte pas", "does not"),
			describe(r.Record, r.What, r.What.Minutes, l), strings.Join(whys, " "))
	}
	fmt.Fprintf(w.out, say(l, "%s, manque %d", "%s, %d missing"), progressWords(p, l), p.Missing())
	if n := p.MissingDays(); n > 0 {
		fmt.Fprintf(w.out, say(l, ", sur %d autres jours", ", on %d more days"), n)
	}
	fmt.Fprintln(w.out)
}

// describe returns an intervention as one line.
func describe(r wire.Record, b wire.InterventionBody, minutes int, l policy.Language) string {
	return fmt.Sprintf(say(l, "%s  %s %d  %s, %d min, carte de %s", "%s  %s %d  %s, %d min, under %s"),
		r.Wall.Format(time.DateTime), r.Machine, r.Seq, b.What, minutes, b.Endorser)
}

// evidenceExport runs «evidence export», which writes the records accepted as evidence into a file and signs the file
// with the hub's key. The file also contains the proofs of the records and the machines' checkpoints. The command
// «badge issue --evidence» verifies the file's signature, the proofs and the checkpoints.
func evidenceExport(ctx context.Context, w stdio, args []string) error {
	var d evidenceQuery
	rest, err := parseFlags(w, "evidence export", args, 1, func(fs *flag.FlagSet) {
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
	if p, err = hub.ProgressOf(
		ctx,
		d.ledger,
		d.policy,
		policy.MemberID(d.member),
		policy.BadgeID(d.badge),
		d.now,
	); err != nil {
		return err
	}
	fmt.Fprintf(w.out, "%s: %s, %d of %d interventions count\n", d.out, d.badge, len(p.Counted), p.Needed)
	return nil
}

// versionVerb runs «version».
func versionVerb(_ context.Context, w stdio, _ []string) error {
	fmt.Fprintln(w.out, "portillon "+version())
	return nil
}
