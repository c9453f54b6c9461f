package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"portillon/hub"
	"portillon/hub/evidence"
	"portillon/openbadge"
	"portillon/policy"
	"portillon/policy/file"
	"portillon/site"
	"portillon/wire"

	"golang.org/x/mod/sumdb/note"
)

func badgeKeygen(_ context.Context, w stdio, args []string) error {
	var out, text string
	if _, err := flags(w, "badge keygen", args, 0, func(fs *flag.FlagSet) {
		fs.StringVar(&out, "o", "", "the file for the key (mode 0600)")
		fs.StringVar(&text, "note", "", "a line in the file for people: whose key this is")
	}); err != nil {
		return err
	}
	if out == "" {
		return wrong("-o is missing").hinted("-o issuer.key")
	}
	k, err := openbadge.GenerateKey(text)
	if err != nil {
		return err
	}
	b, err := k.MarshalText()
	if err != nil {
		return err
	}
	if err := writeNew(out, b); err != nil {
		return err
	}
	fmt.Fprintln(w.out, k.DID())
	return nil
}

// issuing is what badge issue is told.
type issuing struct {
	key, policy, badge, out, form, evidence, hub, issuer, from, until string
	draft                                                             openbadge.Draft
}

func (i *issuing) declare(fs *flag.FlagSet) {
	fs.StringVar(&i.key, "key", "", "the issuer's key (badge keygen)")
	fs.StringVar(&i.policy, "policy", "", "a policy.yaml that names the badge")
	fs.StringVar(&i.badge, "badge", "", "the badge, as the policy names it")
	fs.StringVar(&i.issuer, "issuer-name", "", "the issuer's name; default: as in the policy")
	fs.StringVar(&i.draft.Achievement.ID, "achievement", "", "without a policy: the achievement's id (a URL)")
	fs.StringVar(&i.draft.Achievement.Name, "name", "", "without a policy: the badge's name")
	fs.StringVar(&i.draft.Achievement.Description, "description", "", "what the badge stands for")
	fs.StringVar(&i.draft.Achievement.Criteria, "criteria", "", "what was done to earn it")
	fs.StringVar(&i.draft.Email, "recipient", "", "the recipient's e-mail address; it is hashed")
	fs.StringVar(&i.draft.Subject, "subject", "", "the recipient's id, where they have one")
	fs.StringVar(&i.from, "from", "", "valid from (RFC 3339); default: now")
	fs.StringVar(&i.until, "until", "", "valid until (RFC 3339); default: no end")
	fs.StringVar(&i.draft.Status, "status", "", "the URL of the issuer's revocation list")
	fs.StringVar(&i.draft.ID, "id", "", "the badge's id; default: a fresh urn:uuid")
	fs.StringVar(&i.evidence, "evidence", "", "an evidence file (evidence export) that the badge is earned by")
	fs.StringVar(&i.hub, "hub", "", "with --evidence: the hub.yaml whose hub and machines signed it")
	fs.StringVar(&i.form, "form", "json", "json (eddsa-rdfc-2022) or jwt (VC-JWT)")
	fs.StringVar(&i.out, "o", "", "the file; default: standard output")
}

func badgeIssue(_ context.Context, w stdio, args []string) error {
	var i issuing
	if _, err := flags(w, "badge issue", args, 0, i.declare); err != nil {
		return err
	}
	if i.key == "" {
		return wrong("--key is missing").hinted("portillon badge keygen -o issuer.key makes one")
	}
	k, err := openbadge.ReadKey(i.key)
	if err != nil {
		return wrong("%w", err)
	}
	if err := i.prepare(k); err != nil {
		return err
	}
	var b []byte
	switch i.form {
	case "json":
		b, err = openbadge.IssueJSON(i.draft, k, i.draft.ValidFrom)
	case "jwt":
		b, err = openbadge.IssueJWT(i.draft, k)
	default:
		return wrong("--form: %q is no form", i.form).hinted("json or jwt")
	}
	if err != nil {
		return wrong("%w", err)
	}
	if i.out == "" {
		_, err = w.out.Write(b)
		return err
	}
	return wire.WriteFile(i.out, b, 0o644)
}

// prepare fills the draft from the policy, the dates and the evidence.
func (i *issuing) prepare(k *openbadge.Key) (err error) {
	if i.draft.ValidFrom, err = timeFlag("--from", i.from, time.Now()); err != nil {
		return err
	}
	if i.draft.ValidUntil, err = timeFlag("--until", i.until, time.Time{}); err != nil {
		return err
	}
	if i.policy != "" {
		p, err := readPolicy(i.policy)
		if err != nil {
			return err
		}
		b, ok := p.Badge(policyBadge(i.badge))
		if !ok {
			return wrong("--badge: the policy has no badge %q", i.badge)
		}
		is, _ := p.Issuer(b.Issuer)
		if !slices.Contains(is.Keys, k.DID()) && !slices.Contains(is.Keys, k.Multikey()) {
			return wrong("the key %s is none of the keys of the issuer %s in %s", k.Multikey(), is.ID, i.policy).hinted("a badge that it signs would count nowhere")
		}
		i.draft.Achievement.ID, i.draft.Achievement.Name = b.Achievement, b.Name.In(p.Language)
		i.draft.IssuerID, i.draft.IssuerName = is.Profile, is.Name
	}
	if i.issuer != "" {
		i.draft.IssuerName = i.issuer
	}
	if i.evidence != "" {
		return i.rest()
	}
	return nil
}

// rest makes the badge rest on an evidence file: verified to the machines' own signatures, and complete.
func (i *issuing) rest() error {
	if i.hub == "" {
		return wrong("--evidence needs --hub").hinted("the hub.yaml that names the hub's key and its machines'")
	}
	c, err := hub.ReadConfig(i.hub)
	if err != nil {
		return err
	}
	v, err := c.Verifier()
	if err != nil {
		return wrong("%w", err)
	}
	data, err := os.ReadFile(i.evidence)
	if err != nil {
		return wrong("%w", err)
	}
	f, progress, err := evidence.Verify(data, note.VerifierList(v), c.Machine)
	if err != nil {
		return no("%s: %w", i.evidence, err)
	}
	if i.badge != string(f.Rule.Badge) {
		return no("the evidence is for the badge %q, not %q", f.Rule.Badge, i.badge)
	}
	if !progress.Complete {
		return no("the evidence is not complete: %d of %d interventions count", len(progress.Counted), progress.Needed)
	}
	i.draft.Evidence = evidenceOf(f, progress)
	return i.earnedBy(f.Member)
}

// earnedBy makes sure that the badge goes to the member whose evidence it is: members.yaml, beside the policy, says who that is.
func (i *issuing) earnedBy(id policy.MemberID) error {
	path := filepath.Join(filepath.Dir(i.policy), "members.yaml")
	data, err := os.ReadFile(path)
	if i.policy == "" || err != nil {
		return (&failure{code: 3, err: fmt.Errorf("it cannot be said whose evidence this is: %s is not there", path)}).hinted("--policy names a site's policy.yaml; members.yaml stands beside it")
	}
	members, err := site.ParseMembers(path, data)
	if err != nil {
		return err
	}
	for _, m := range members {
		if m.ID != id {
			continue
		}
		for _, e := range m.Emails {
			if strings.EqualFold(e, i.draft.Email) {
				return nil
			}
		}
	}
	return no("the evidence is the member %s's, and --recipient is not their address", id)
}

// evidenceOf is each counted intervention as the badge carries it: what, when, where, and under whose tap, by pseudonym.
func evidenceOf(f evidence.File, p evidence.Progress) []openbadge.Evidence {
	var out []openbadge.Evidence
	for _, c := range p.Counted {
		r := c.Record
		narrative := fmt.Sprintf("%s on %s at %s, logged under the tap of maintainer %s (record %d of the machine's journal)",
			c.What.What, r.Machine, r.Wall.Format(time.RFC3339), c.What.Endorser, r.Seq)
		if c.What.Note != "" {
			narrative += ": " + c.What.Note
		}
		out = append(out, openbadge.Evidence{ID: fmt.Sprintf("urn:portillon:%s:%s:%d", f.Site, r.Machine, r.Seq), Name: c.What.What, Narrative: narrative, Genre: "maintenance"})
	}
	return out
}

// readDirectory is what stands in a folder; without one, every list is out of reach, and a badge that has a status cannot be said to be valid.
func readDirectory(dir string) (openbadge.Resolver, error) {
	if dir == "" {
		return &openbadge.Directory{}, nil
	}
	return openbadge.OpenDirectory(dir)
}

func badgeVerify(_ context.Context, w stdio, args []string) error {
	var trust, status, at, recipient string
	var asJSON bool
	rest, err := flags(w, "badge verify", args, 1, func(fs *flag.FlagSet) {
		fs.StringVar(&trust, "trust", "", "any YAML with issuers: (a policy.yaml does)")
		fs.StringVar(&status, "status", "", "a folder with the issuers' revocation lists")
		fs.StringVar(&at, "at", "", "the time (RFC 3339); default: now")
		fs.StringVar(&recipient, "recipient", "", "the e-mail address or id that the badge must be for")
		fs.BoolVar(&asJSON, "json", false, "print the verdict as JSON")
	})
	if err != nil {
		return err
	}
	o := openbadge.Options{}
	if o.At, err = timeFlag("--at", at, time.Now()); err != nil {
		return err
	}
	if o.Trust, err = readTrust(trust); err != nil {
		return err
	}
	if o.Status, err = readDirectory(status); err != nil {
		return wrong("%w", err)
	}
	data, err := os.ReadFile(rest[0])
	if err != nil {
		return wrong("%w", err)
	}
	v := openbadge.Verify(data, o)
	if recipient != "" && v.Badge != nil && !v.Badge.IsFor(openbadge.Recipient{Emails: []string{recipient}, Subjects: []string{recipient}}) {
		v.Refuse(openbadge.Invalid, "wrong-recipient", recipient)
	}
	return w.verdict(v, asJSON)
}

func (w stdio) verdict(v openbadge.Verdict, asJSON bool) error {
	if asJSON {
		if err := printJSON(w.out, v); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(w.out, v.State)
		for _, r := range v.Reasons {
			fmt.Fprintf(w.out, "  %s: %s. %s", r.Code, r.FR, r.EN)
			if r.Detail != "" {
				fmt.Fprintf(w.out, " (%s)", r.Detail)
			}
			fmt.Fprintln(w.out)
		}
		if v.Badge != nil {
			printBadge(w, v.Badge)
		}
	}
	switch v.State {
	case openbadge.Valid:
		return nil
	case openbadge.Indeterminate:
		return errCannotSay
	}
	return errNo
}

func readTrust(path string) ([]openbadge.Issuer, error) {
	if path == "" {
		return nil, wrong("--trust is missing").hinted("a signature proves nothing about who: name the file that says whose keys count")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, wrong("%w", err)
	}
	issuers, err := file.ParseTrust(path, b)
	if err != nil {
		return nil, err
	}
	var out []openbadge.Issuer
	for _, i := range issuers {
		out = append(out, openbadge.Issuer{ID: i.Profile, Keys: i.Keys})
	}
	return out, nil
}

func badgeShow(_ context.Context, w stdio, args []string) error {
	var asJSON bool
	rest, err := flags(w, "badge show", args, 1, func(fs *flag.FlagSet) { fs.BoolVar(&asJSON, "json", false, "print it as JSON") })
	if err != nil {
		return err
	}
	data, err := os.ReadFile(rest[0])
	if err != nil {
		return wrong("%w", err)
	}
	v := openbadge.Verify(data, openbadge.Options{})
	if v.Badge == nil {
		return wrong("%s: %s", rest[0], v.Why())
	}
	if asJSON {
		return printJSON(w.out, v.Badge)
	}
	printBadge(w, v.Badge)
	fmt.Fprintln(w.out, "not verified: portillon badge verify")
	return nil
}

func printBadge(w stdio, b *openbadge.Badge) {
	line := func(what, value string) {
		if value != "" {
			fmt.Fprintf(w.out, "%-12s %s\n", what, strings.ReplaceAll(value, "\n", " "))
		}
	}
	day := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Format(time.DateOnly)
	}
	line("badge", b.AchievementName)
	line("issuer", strings.TrimSpace(b.IssuerName+" "+b.IssuerID))
	line("achievement", b.AchievementID)
	line("for", b.Subject)
	for _, i := range b.Identifiers {
		line("for", i.Type+" "+i.Hash)
	}
	line("from", day(b.ValidFrom))
	line("until", day(b.ValidUntil))
	line("criteria", b.Criteria)
	for _, e := range b.Status {
		line("status", e.List)
	}
	for _, e := range b.Evidence {
		line("evidence", e.Narrative)
	}
}
