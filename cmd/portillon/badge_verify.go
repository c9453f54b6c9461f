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

	"portillon/openbadge"
	"portillon/openbadge/fetch"
	"portillon/policy"
	"portillon/policy/file"
)

// verifying contains the flags of «badge verify».
type verifying struct {
	trust, status, documents, at, recipient string // each field is the value of the flag of the same name
	asJSON, checks, short, online, strict   bool   // asJSON: --json
	lang                                    *policy.Language
}

// declare declares the flags.
func (x *verifying) declare(fs *flag.FlagSet) {
	fs.StringVar(&x.trust, "trust", "", "any YAML with issuers: (a policy.yaml does)")
	fs.StringVar(&x.status, "status", "",
		"a folder with the issuers' status lists; default: status/ beside the trust file, where it is")
	fs.StringVar(&x.documents, "documents", "",
		"a folder with what stands on the web: DID documents, profiles, hosted badges; default: documents/ beside the "+
			"trust file, where it is")
	fs.BoolVar(&x.online, "online", false, "ask the web for what no folder is named for")
	fs.StringVar(&x.at, "at", "", "the time (RFC 3339); default: now")
	fs.StringVar(&x.recipient, "recipient", "", "the e-mail address or id that the badge must be for")
	fs.BoolVar(&x.short, "allow-short-lists", false,
		"take status lists of fewer than 131072 entries, as some platforms publish")
	fs.BoolVar(&x.strict, "strict", false, "refuse a badge that lacks what Open Badges 3.0 requires; default: warn of it")
	fs.BoolVar(&x.checks, "checks", false, "print every check and its outcome")
	fs.BoolVar(&x.checks, "v", false, "the same as --checks")
	fs.BoolVar(&x.asJSON, "json", false, "print the verdict as JSON")
	x.lang = langFlag(fs)
}

// badgeVerify runs «badge verify». The exit code is 0 for a valid badge, 1 for an invalid badge, and 3 if the verdict
// needs a missing document. The trust file names issuers and keys; a badge of another issuer is invalid. Revocation
// lists and hosted documents are read from folders, or from the web with --online. The flag --checks prints every
// check.
func badgeVerify(ctx context.Context, w stdio, args []string) error {
	var x verifying
	rest, err := parseFlags(w, "badge verify", args, 1, x.declare)
	if err != nil {
		return err
	}
	o, err := x.options(ctx)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(rest[0])
	if err != nil {
		return wrong("%w", err)
	}
	v := openbadge.Verify(data, o)
	if x.asJSON {
		err = printJSON(w.out, v)
	} else {
		x.print(w, v, o.At)
	}
	if err != nil {
		return err
	}
	return x.verdictError(rest[0], v)
}

// options reads the trust file and the folders.
func (x *verifying) options(ctx context.Context) (o openbadge.Options, err error) {
	if o.At, err = timeFlag("--at", x.at, time.Now()); err != nil {
		return o, err
	}
	if o.Trust, err = readTrust(x.trust); err != nil {
		return o, err
	}
	x.status, x.documents = x.folderOf(x.status, "status"), x.folderOf(x.documents, "documents")
	if o.Status, err = readDocuments(x.status); err != nil {
		return o, err
	}
	if o.Documents, err = readDocuments(x.documents); err != nil {
		return o, err
	}
	if x.online {
		x.goOnline(ctx, &o)
	}
	if x.recipient != "" {
		o.Recipient = &openbadge.Recipient{Emails: []string{x.recipient}, Subjects: []string{x.recipient}}
	}
	o.Allow.ShortStatusLists, o.Strict = x.short, x.strict
	return o, nil
}

// folderOf returns the named folder, or otherwise the folder with the default name beside the trust file, if that
// folder exists. With --online, folderOf never returns a default folder, because the documents in the folder may be old
// and the web has the current ones.
func (x *verifying) folderOf(named, folder string) string {
	dir := filepath.Join(filepath.Dir(x.trust), folder)
	if i, err := os.Stat(dir); named != "" || x.online || err != nil || !i.IsDir() {
		return named
	}
	return dir
}

// goOnline makes the verifier fetch documents from the web unless a folder was named, and also use the badge's refresh
// service.
func (x *verifying) goOnline(ctx context.Context, o *openbadge.Options) {
	web := fetch.New(fetch.Options{}).For(ctx)
	if x.documents == "" {
		o.Documents = web
	}
	if x.status == "" {
		o.Status = web
	}
	o.Refresh = web
}

// verdictError maps a verdict to an error with an exit code. If the file cannot be parsed as a document, the exit code
// is that for unreadable input.
func (x *verifying) verdictError(path string, v openbadge.Verdict) error {
	switch {
	case v.State == openbadge.Valid:
		return nil
	case v.State == openbadge.Indeterminate && hasReason(v, "hosted-unreachable") && !x.online:
		return (&failure{code: 3, err: fmt.Errorf("verdict on %s needs documents at the issuer's addresses, which were "+
			"not fetched", path)}).
			hinted("--documents names a folder with copies of it; --online asks the web")
	case v.State == openbadge.Indeterminate:
		return errCannotSay
	case isUnreadable(v):
		return wrong("%s cannot be read: %s", path, v.Why())
	}
	return errNo
}

// hasReason reports whether the verdict has a reason with this code.
func hasReason(v openbadge.Verdict, code string) bool {
	return slices.ContainsFunc(v.Reasons, func(r openbadge.Reason) bool { return r.Code == code })
}

// isUnreadable reports whether the file could not even be parsed as a document.
func isUnreadable(v openbadge.Verdict) bool {
	return len(v.Checks) == 1 && v.Checks[0].Name == "form" && v.Checks[0].Outcome == "malformed"
}

// print prints the verdict for a person, then the badge.
func (x *verifying) print(w stdio, v openbadge.Verdict, at time.Time) {
	l := *x.lang
	fmt.Fprintln(w.out, stateWord(l, v.State))
	for _, r := range v.Reasons {
		fmt.Fprintf(w.out, "  %s: %s", r.Code, say(l, r.FR, r.EN))
		if r.Detail != "" {
			fmt.Fprintf(w.out, " (%s)", plain(r.Detail))
		}
		fmt.Fprintln(w.out)
	}
	if !x.strict { // with --strict, the reasons above already contain the warnings
		for _, n := range v.Warnings {
			fmt.Fprintf(w.out, "  %s: %s: %s (%s)\n", say(l, "avertissement", "warning"), n.Code, say(l, n.FR, n.EN),
				plain(n.Path))
		}
	}
	if x.checks {
		for _, c := range v.Checks {
			fmt.Fprintf(w.out, "  %-10s %s\n", c.Name, strings.TrimSpace(c.Outcome+"  "+plain(c.Detail)))
		}
	}
	if v.Badge != nil {
		fmt.Fprintln(w.out)
		page{w.out, l, at}.badge(v)
	}
}

// stateWord returns the verdict as one word.
func stateWord(l policy.Language, s openbadge.State) string {
	switch s {
	case openbadge.Valid:
		return say(l, "valide", "valid")
	case openbadge.Indeterminate:
		return say(l, "indéterminé", "indeterminate")
	}
	return say(l, "invalide", "invalid")
}

// readTrust reads the issuers whose signatures are trusted.
func readTrust(path string) ([]openbadge.Issuer, error) {
	if path == "" {
		return nil, wrong("--trust is missing").
			hinted("name the file that lists the issuers and keys to trust: a signature alone does not say who signed")
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
		out = append(out, openbadge.Issuer{ID: i.Profile, Keys: i.Keys, StatusIssuers: policy.StatusProfiles(issuers, i)})
	}
	return out, nil
}

// readDocuments opens a folder of documents. If no folder is named, the verifier can read no document. The verdict on a
// badge that needs a document is then indeterminate.
func readDocuments(dir string) (openbadge.Resolver, error) {
	if dir == "" {
		return &openbadge.Directory{}, nil
	}
	d, err := openbadge.OpenDirectory(dir)
	if err != nil {
		return nil, wrong("%w", err)
	}
	return d, nil
}
