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
	"portillon/site"

	"golang.org/x/mod/sumdb/note"
)

// issuing contains the flags of «badge issue» and the badge that the flags describe.
type issuing struct {
	key, policy, badge, out, form, evidence, hub, issuerName, from, until string
	jwt, force                                                            bool
	// --members: directory of a site, whose members receive the badge
	members string
	who     []choice // --all-who: conditions that must all be true
	place   place    // place of the new badge in the issuer's status list
	draft   openbadge.Draft
}

// declare declares the flags.
func (i *issuing) declare(fs *flag.FlagSet) {
	fs.StringVar(&i.key, "key", "", "the issuer's key (badge keygen); an RSA key signs a VC-JWT with RS256")
	fs.StringVar(&i.policy, "policy", "", "a policy.yaml that names the badge")
	fs.StringVar(&i.badge, "badge", "", "with a policy: the badge, as the policy names it")
	fs.StringVar(&i.draft.IssuerID, "issuer", "",
		"the issuer's id: a did:web or an https address; default: the policy's, or the key's did:key")
	fs.StringVar(&i.issuerName, "issuer-name", "", "the issuer's name; default: as in the policy")
	fs.StringVar(&i.draft.Achievement.ID, "achievement", "", "without a policy: the achievement's id (a URL)")
	fs.StringVar(&i.draft.Achievement.Name, "name", "", "without a policy: the badge's name")
	fs.StringVar(&i.draft.Achievement.Description, "description", "", "what the badge stands for; default: its name")
	fs.StringVar(&i.draft.Achievement.Criteria, "criteria", "", "what is done to earn it")
	fs.StringVar(&i.draft.Email, "recipient", "", "the recipient's e-mail address; it is hashed")
	fs.StringVar(&i.draft.Subject, "subject", "", "the recipient's id, where they have one")
	fs.StringVar(&i.from, "from", "", "valid from (RFC 3339); default: now")
	fs.StringVar(&i.until, "until", "", "valid until (RFC 3339), or how long, as in 365d; default: no end")
	fs.StringVar(&i.draft.Status, "status", "", "the URL of the issuer's 1EdTech revocation list")
	i.place.declare(fs)
	fs.StringVar(&i.members, "members", "",
		"a site's directory: issue to members of its members.yaml, under its policy; with --all-who")
	fs.Func("all-who",
		"with --members: all, hold:BADGE or lack:BADGE; may be repeated, and all must hold. Who has the badge already "+
			"is passed over", i.parseChoice)
	fs.StringVar(&i.draft.ID, "id", "", "the badge's id; default: a fresh urn:uuid")
	fs.StringVar(&i.evidence, "evidence", "", "an evidence file (evidence export) that the badge is earned by")
	fs.StringVar(&i.hub, "hub", "", "with --evidence: the hub.yaml whose hub and machines signed it")
	fs.Func("evidence-note", "in your own words, what it was earned by; may be repeated", i.addNote)
	fs.StringVar(&i.form, "form", "", "json (eddsa-rdfc-2022) or jwt (VC-JWT); default: json, and jwt with an RSA key")
	fs.BoolVar(&i.jwt, "jwt", false, "the same as --form jwt")
	fs.BoolVar(&i.draft.HeaderKey, "header-key", false, "the JWT's header holds the public key too, as some wallets want")
	fs.StringVar(&i.out, "o", "",
		"the file; default: standard output. With --members: the folder; default: the site's badges/")
	fs.BoolVar(&i.force, "force", false, "write over a file that exists")
}

// addNote adds a sentence of evidence (--evidence-note).
func (i *issuing) addNote(s string) error {
	i.draft.Evidence = append(i.draft.Evidence, openbadge.Evidence{Narrative: s})
	return nil
}

// badgeIssue runs «badge issue», for one recipient or for many members of a site. The recipient is one e-mail address,
// which the badge contains as a salted hash, or one subject. With --policy and --badge, the policy defines the
// achievement, and the badge has an index in the issuer's status list, so that the badge can be revoked.
func badgeIssue(ctx context.Context, w stdio, args []string) error {
	var i issuing
	if _, err := parseFlags(w, "badge issue", args, 0, i.declare); err != nil {
		return err
	}
	if i.members != "" && i.policy == "" {
		i.policy = filepath.Join(i.members, "policy.yaml")
	}
	if err := i.checkComplete(); err != nil {
		return err
	}
	// Read the key first, because the remaining checks depend on the kind of key.
	k, err := readIssuerKey(i.key)
	if err != nil {
		return wrong("%w", err)
	}
	if err := i.prepare(ctx, k); err != nil {
		return err
	}
	if i.members != "" {
		return i.issueToMany(w, k)
	}
	return i.issueOne(k, w, func(b []byte) error { return w.writeOut(i.out, b, i.force) })
}

// issueOne reserves an index in the status list, signs the badge and passes it to write. issueOne writes a new status
// list before it writes the first badge that names the list.
func (i *issuing) issueOne(k *openbadge.Key, w stdio, write func([]byte) error) (err error) {
	if i.draft.Statuses, err = i.place.entries(k); err != nil {
		return err
	}
	b, err := i.sign(k)
	if err != nil {
		return err
	}
	if err := i.place.write(w); err != nil {
		return err
	}
	if err := write(b); err != nil {
		return err
	}
	if len(i.draft.Statuses) == 0 && i.draft.Status == "" {
		w.warnOfNoStatus()
	}
	return i.place.register(b)
}

// checkComplete returns one error that names every missing flag.
func (i *issuing) checkComplete() error {
	a := i.draft.Achievement
	if err := i.checkConsistent(); err != nil {
		return err
	}
	needs := []need{
		{"--key", i.key != ""},
		{"--recipient", i.members != "" || i.draft.Email != "" || i.draft.Subject != ""},
		{"--criteria", strings.TrimSpace(a.Criteria) != ""},
	}
	if i.members != "" {
		needs = append(needs, need{"--all-who", len(i.who) > 0})
	}
	if i.policy != "" {
		needs = append(needs, need{"--badge", i.badge != ""})
	} else if i.badge != "" || i.evidence != "" {
		needs = append(needs, need{"--policy", false})
	} else {
		needs = append(needs, need{"--achievement", a.ID != ""}, need{"--name", a.Name != ""})
	}
	needs = append(needs, need{"--hub", i.evidence == "" || i.hub != ""})
	return missing(
		"--recipient may be a --subject; --policy with --badge names the achievement; portillon badge keygen makes a key",
		needs...)
}

// checkConsistent rejects flags that contradict each other.
func (i *issuing) checkConsistent() error {
	one := i.draft.Email != "" || i.draft.Subject != "" || i.draft.ID != "" || i.evidence != "" || i.place.index >= 0
	switch {
	case i.place.none && (i.place.list != "" || i.draft.Status != "" || i.place.url != ""):
		return wrong("--no-status contradicts --status-list, --status-url and --status")
	case i.members != "" && one:
		return wrong("--members issues to many: --recipient, --subject, --id, --evidence and --status-index are of one badge")
	case i.members == "" && len(i.who) > 0:
		return wrong("--members is missing").hinted("--all-who chooses among the members of a site")
	}
	return nil
}

// sign signs the draft in the form that --form names. Without --form, RSA keys sign a VC-JWT and other keys sign JSON.
func (i *issuing) sign(k *openbadge.Key) ([]byte, error) {
	if i.jwt || i.form == "" && k.Algorithm() == "RS256" {
		i.form = "jwt"
	}
	var b []byte
	var err error
	switch i.form {
	case "json", "":
		b, err = openbadge.IssueJSON(i.draft, k, i.draft.ValidFrom)
	case "jwt":
		b, err = openbadge.IssueJWT(i.draft, k)
	default:
		return nil, wrong("--form: %q is no form", i.form).hinted("json or jwt")
	}
	if err != nil {
		return nil, wrong("%w", err)
	}
	return b, nil
}

// prepare fills the draft of the badge with the dates, the policy's achievement and the evidence.
func (i *issuing) prepare(ctx context.Context, k *openbadge.Key) (err error) {
	if i.draft.ValidFrom, err = timeFlag("--from", i.from, time.Now()); err != nil {
		return err
	}
	if i.until != "" {
		if i.draft.ValidUntil, err = endFlag("--until", i.until, i.draft.ValidFrom); err != nil {
			return err
		}
	}
	if i.policy != "" {
		if err := i.fromPolicy(k); err != nil {
			return err
		}
	}
	if i.issuerName != "" {
		i.draft.IssuerName = i.issuerName
	}
	if i.draft.Achievement.Description == "" {
		i.draft.Achievement.Description = i.draft.Achievement.Name
	}
	if i.evidence != "" {
		return i.useEvidence(ctx)
	}
	return nil
}

// fromPolicy fills the draft with the achievement of a badge of the policy. The policy must pin the key for the badge's
// issuer, because machines reject badges that another key signed.
func (i *issuing) fromPolicy(k *openbadge.Key) error {
	p, err := readPolicy(i.policy)
	if err != nil {
		return err
	}
	b, ok := p.Badge(policyBadge(i.badge))
	if !ok {
		return wrong("--badge: the policy has no badge %q", i.badge)
	}
	is, _ := p.Issuer(b.Issuer)
	if !mayBePinned(is.Keys, k) {
		return wrong("the key %s is not among the keys of the issuer %s in %s", k.Name(), is.ID, i.policy).
			hinted("no machine accepts a badge that this key signs")
	}
	if i.draft.IssuerID != "" && i.draft.IssuerID != is.Profile {
		return wrong("--issuer: the policy knows the issuer %s as %s", is.ID, is.Profile)
	}
	i.draft.Achievement.ID, i.draft.Achievement.Name = b.Achievement, b.Name.In(p.Language)
	i.draft.IssuerID, i.draft.IssuerName = is.Profile, is.Name
	// Without a flag for the status list, use the status list beside the policy.
	if i.place.list == "" && i.draft.Status == "" && !i.place.none {
		i.place.since = i.draft.ValidFrom
		return i.place.byPolicy(i.policy, is, b.Achievement, k)
	}
	return nil
}

// mayBePinned reports whether one of the pinned keys may be k. If the policy contains the key itself, that key must
// equal k. If the policy pins a key by a web address, mayBePinned returns true without fetching the document.
func mayBePinned(keys []string, k *openbadge.Key) bool {
	return slices.ContainsFunc(keys, func(s string) bool {
		return s == k.Name() || s == k.DID() && s != "" || strings.HasPrefix(s, "did:web:") ||
			strings.HasPrefix(s, "https://")
	})
}

// useEvidence bases the badge on an evidence file, after verifying the signatures of the hub and of the machines and
// checking that the interventions satisfy the badge's rule.
func (i *issuing) useEvidence(ctx context.Context) error {
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
	machines, err := c.MachineKeys(ctx)
	if err != nil {
		return wrong("%w", err)
	}
	f, progress, err := evidence.VerifyBy(data, note.VerifierList(v), machines.Of)
	if err != nil {
		return no("%s: %w", i.evidence, err)
	}
	if i.badge != string(f.Rule.Badge) {
		return no("the evidence is for the badge %q, not %q", f.Rule.Badge, i.badge)
	}
	if !progress.Complete {
		return no("the evidence is not complete: %d of %d interventions count", len(progress.Counted), progress.Needed)
	}
	i.draft.Evidence = append(i.draft.Evidence, evidenceOf(f, progress)...)
	return i.checkRecipient(f.Member)
}

// checkRecipient checks that the recipient is the member whose interventions the evidence file lists. The file
// members.yaml beside the policy contains the member's addresses.
func (i *issuing) checkRecipient(id policy.MemberID) error {
	path := filepath.Join(filepath.Dir(i.policy), "members.yaml")
	data, err := os.ReadFile(path)
	if err != nil {
		return (&failure{code: 3, err: fmt.Errorf("file %s, which must contain the member of the evidence, does not exist",
			path)}).hinted(
			"--policy names the policy.yaml of a site, which has members.yaml beside it",
		)
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
	return no("--recipient is not an address of the member %s, whose evidence it is", id)
}

// evidenceOf returns a description of each counted intervention for the badge: the work, time, machine, and the
// endorsing maintainer's pseudonym.
func evidenceOf(f evidence.File, p evidence.Progress) []openbadge.Evidence {
	var out []openbadge.Evidence
	for _, c := range p.Counted {
		r := c.Record
		narrative := fmt.Sprintf("%s on %s at %s, logged under the tap of maintainer %s (record %d of the machine's journal)",
			c.What.What, r.Machine, r.Wall.Format(time.RFC3339), c.What.Endorser, r.Seq)
		if f.Rule.AtTheTime {
			narrative += ", who confirmed it at the machine"
		}
		if c.Minutes > 0 {
			narrative += fmt.Sprintf(", %d min", c.Minutes)
		}
		if c.What.Note != "" {
			narrative += ": " + c.What.Note
		}
		out = append(
			out,
			openbadge.Evidence{
				ID:        fmt.Sprintf("urn:portillon:%s:%s:%d", f.Site, r.Machine, r.Seq),
				Name:      c.What.What,
				Narrative: narrative,
				Genre:     "maintenance",
			},
		)
	}
	return out
}
