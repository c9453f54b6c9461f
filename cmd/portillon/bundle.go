package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/keykind"
	"portillon/policy"
	"portillon/policy/analysis"
	policyfile "portillon/policy/file"
	"portillon/site"
	"portillon/wire"
)

// slug is the pattern of a site's id, the same as in package yamlfile.
var slug = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$`)

// bundleKeygen runs «bundle keygen», which writes the private half of a new signing key and prints the public half. The
// key's name contains the key's kind (site, policy, hub or machine) and site, so that a key in the wrong field is
// recognised.
func bundleKeygen(_ context.Context, w stdio, args []string) error {
	var out, name, kind string
	rest, err := parseFlags(w, "bundle keygen", args, 1, func(fs *flag.FlagSet) {
		fs.StringVar(&out, "o", "", "the file for the signing key (mode 0600)")
		fs.StringVar(&kind, "kind", "site",
			"what the key is for: site, policy or hub (where they are not the site's key) or machine; a "+
				"machine is named as MACHINE.SITE")
		fs.StringVar(&name, "name", "", "what the key is called; default: portillon:KIND:SITE, which says its kind")
	})
	if err != nil {
		return err
	}
	if out == "" {
		return wrong("-o is missing").hinted("a file that no other file system user can read: -o hub.key")
	}
	if name, err = keyName(rest[0], kind, name); err != nil {
		return err
	}
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return err
	}
	if err := writeNew(out, []byte(skey+"\n")); err != nil {
		return err
	}
	fmt.Fprintln(w.out, vkey)
	return nil
}

// writeNew writes a secret to a new file. An existing file is never overwritten.
func writeNew(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return wrong("%s exists already", path).hinted("a key that is overwritten is lost: move it away first")
	}
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// readSigner reads a private key of this kind, in the format of bundle keygen.
func readSigner(path string, kind keykind.Kind) (note.Signer, error) {
	if path == "" {
		return nil, wrong("--key is missing").hinted("portillon bundle keygen SITE -o hub.key makes one")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, wrong("%w", err)
	}
	if err := checkKind("--key", path, string(b), keykind.Place{Kind: kind, Private: true}); err != nil {
		return nil, err
	}
	s, err := note.NewSigner(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, wrong("%s is not a signing key", path).hinted("a signing key is one line that begins with PRIVATE+KEY+")
	}
	return s, nil
}

// readCardKey reads the site's card key: at least 16 bytes in hexadecimal.
func readCardKey(path string) ([]byte, error) {
	if path == "" {
		return nil, wrong("--card-key is missing").
			hinted("the site's key for card numbers, the same file as on its machines; `openssl rand -hex 32` makes one")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, wrong("%w", err)
	}
	if err := checkKind("--card-key", path, string(b), keykind.Place{Kind: keykind.Card, Private: true}); err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(key) < 16 {
		return nil, wrong("%s is not a card key", path).hinted("at least 32 hexadecimal digits on one line")
	}
	return key, nil
}

// bundleBuild runs «bundle build». The default of --version is the time in seconds. A later bundle therefore always has
// a higher version, as machines require. Warnings about unusable badges are printed to standard error and stop the
// build only with --strict.
func bundleBuild(_ context.Context, w stdio, args []string) error {
	var key, cardKey, out, at, hubFile string
	var version uint64
	var life time.Duration
	var strict bool
	var pol policyFlags
	rest, err := parseFlags(w, "bundle build", args, 1, func(fs *flag.FlagSet) {
		fs.StringVar(&key, "key", "", "the key that signs the site's bundles")
		fs.StringVar(&cardKey, "card-key", "", "the site's key for card numbers")
		fs.StringVar(&out, "o", "", "the bundle file")
		fs.StringVar(&hubFile, "hub", "", "a hub.yaml: the key must be the one that it names for bundles")
		fs.Uint64Var(&version, "version", 0, "the bundle's version; default: the time, in seconds")
		spanFlag(fs, &life, "life", 30*24*time.Hour, "how long the bundle is fresh, as in 30d or 12h; default: 30d")
		fs.StringVar(&at, "at", "", "the time of issue (RFC 3339); default: now")
		pol.declare(fs)
		fs.BoolVar(&strict, "strict", false, "write no bundle where a file is skipped or a badge is left out")
	})
	if err != nil {
		return err
	}
	// Set the defaults that depend on the time of issue.
	o := site.Order{Version: version, Issued: time.Now()}
	if o.Issued, err = timeFlag("--at", at, o.Issued); err != nil {
		return err
	}
	if o.Expires = o.Issued.Add(life); o.Version == 0 {
		o.Version = uint64(o.Issued.Unix())
	}
	if out == "" {
		return wrong("-o is missing").hinted("-o site.bundle")
	}
	// Read the three keys: for bundles, for the policy, and for card numbers.
	if o.Signer, err = readSigner(key, pol.signerKind()); err != nil {
		return err
	}
	if o.Policy, err = pol.addTo(o.Issued); err != nil {
		return err
	}
	if o.CardKey, err = readCardKey(cardKey); err != nil {
		return err
	}
	return w.bundle(rest[0], out, o, strict, checkedSigner(key, hubFile, pol.signerKind()))
}

// bundle writes the bundle of the site in dir to the file out. If a file of the site is faulty, bundle leaves out the
// file and prints a warning; if strict is true, bundle then writes no bundle. If an example of the policy fails, bundle
// returns an error. The argument checks contains functions that reject unsuitable keys.
func (w stdio) bundle(dir, out string, o site.Order, strict bool, checks func(*site.Site) error) error {
	// Reject unreadable files, wrong keys and a faulty policy before the bundle is built.
	s, err := site.Read(dir)
	if err != nil {
		return err
	}
	if err := checks(s); err != nil {
		return err
	}
	if err := sameKeys(out, o); err != nil {
		return err
	}
	if err := checkPromises(s.Policy, dir, o.Issued); err != nil {
		return err
	}
	if err := w.checkLaws(s.Policy, filepath.Join(dir, "policy.yaml"), o.Issued); err != nil {
		return err
	}
	b, err := s.Build(o)
	if err != nil {
		return err
	}
	// Report the files and badges that were left out.
	w.warn(b.Warnings)
	for _, x := range b.Errors {
		fmt.Fprintf(w.err, "portillon: error: %s\n", x)
	}
	if left := len(b.Warnings) + len(b.Errors); strict && left > 0 {
		return no("%s: %d files or badges are left out, and --strict writes no bundle then", dir, left)
	}
	var file bytes.Buffer
	if err := wire.WriteBundle(&file, b.Signed, b.Manifest, b.Chunk); err != nil {
		return err
	}
	if err := wire.WriteFile(out, file.Bytes(), 0o600); err != nil {
		return err
	}
	fmt.Fprintf(w.out, "%s: site %s, version %d, %d members, %d badges\n", out, b.Manifest.Site, b.Manifest.Version,
		b.Members, b.Counted)
	fmt.Fprintf(w.out, "signed by %s, card key with the check value %s\n", o.Signer.Name(), b.Manifest.CardCheck)
	if b.Policy.Number > 0 {
		fmt.Fprintln(w.out, policyWords(b.Policy, wire.PolicyKeyName(b.Manifest.SignedPolicy)))
	}
	w.endings(b.Ending, s.Policy)
	return nil
}

// checkPromises rejects a policy whose examples fail, or that breaks a rule under never:. No machine may receive such a
// policy.
func checkPromises(p *policy.Policy, dir string, at time.Time) error {
	failed := len(analysis.Breaches(p, at))
	for _, r := range policyfile.RunTests(p) {
		if r.Problem != (policy.Text{}) {
			failed++
		}
	}
	if failed > 0 {
		return no("%s: %d of the policy's examples and rules under never: do not hold", dir, failed).
			hinted("portillon policy test %s says which", filepath.Join(dir, "policy.yaml"))
	}
	return nil
}

// checkLaws prints the same warnings as «policy check», and returns an error if the policy breaks a law that every
// policy must satisfy. If there are too many cases to check, checkLaws only prints a warning, because the policy may be
// right.
func (w stdio) checkLaws(p *policy.Policy, path string, at time.Time) error {
	where, l := placesIn(path), environment()
	warnings, err := analysis.Warnings(p, at)
	for _, x := range warnings {
		w.warn([]string{where.ofGrant(x.Machine, x.Grant) + say(l, " : ", ": ") + x.Text.In(l)})
	}
	if err == nil {
		err = analysis.Prove(p, at)
	}
	var f *analysis.Flaw
	if errors.As(err, &f) && !f.Broken {
		w.warn([]string{withPosition(err, where, l).Error()})
		return nil
	}
	return withPosition(err, where, l)
}

// timeFlag reads a flag with a time (RFC 3339). For an empty flag, timeFlag returns the argument absent.
func timeFlag(name, given string, absent time.Time) (time.Time, error) {
	if given == "" {
		return absent, nil
	}
	t, err := time.Parse(time.RFC3339, given)
	if err != nil {
		return t, wrong("%s: %q is not a time", name, given).hinted("RFC 3339, as in 2026-11-23T10:00:00+01:00")
	}
	return t, nil
}

// siteTime parses a time in the form that the examples in a policy use: in the site's time zone, or with an offset.
func siteTime(name, given string, zone *time.Location, absent time.Time) (time.Time, error) {
	for _, form := range []string{"2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.ParseInLocation(form, given, zone); err == nil {
			return t, nil
		}
	}
	t, err := timeFlag(name, given, absent)
	if err != nil {
		return t, wrong("%s: %q is not a time", name, given).
			hinted("2026-11-23T10:00 at the site, or with its offset: 2026-11-23T10:00:00+01:00")
	}
	return t, nil
}

// several returns a number followed by a noun, with an s in the plural.
func several(n int, noun string) string {
	if n > 1 {
		noun += "s"
	}
	return fmt.Sprint(n, " ", noun)
}

// bundleInfo is the result of «bundle verify» as JSON.
type bundleInfo struct {
	Verdict string         `json:"verdict"`            // valid or invalid
	Reasons []reason       `json:"reasons"`            // reason why machines would reject the bundle; empty if valid
	Bundle  *wire.Manifest `json:"bundle,omitempty"`   // the manifest
	CardKey string         `json:"card_key,omitempty"` // check value of the card key
	Policy  *policyInfo    `json:"policy,omitempty"`   // the signed policy, if the bundle contains one
}

// reason tells why the verdict is negative.
type reason struct {
	Code   string `json:"code"`             // word that identifies the reason for programs; it never changes
	Detail string `json:"detail,omitempty"` // phrase for people
}

// bundleVerify runs «bundle verify», which checks a bundle as a machine does, except versions and times. For an invalid
// bundle, the exit code is 1. The flag --card-key also checks that the bundle was built with this card key; with
// another key, machines would recognise no card.
func bundleVerify(_ context.Context, w stdio, args []string) error {
	var pub, cardKey, policyPub string
	var asJSON bool
	rest, err := parseFlags(w, "bundle verify", args, 1, func(fs *flag.FlagSet) {
		fs.StringVar(&cardKey, "card-key", "",
			"also compare the site's key for card numbers with the one that the bundle was built with")
		fs.StringVar(&pub, "pub", "", "the verifier key that bundle keygen printed")
		fs.StringVar(&policyPub, "policy-pub", "", "the policy key's, where machines pin one apart")
		fs.BoolVar(&asJSON, "json", false, "print the verdict as JSON")
	})
	if err != nil {
		return err
	}
	v, err := bundleVerifier(pub, policyPub != "")
	if err != nil {
		return err
	}
	var card []byte
	if cardKey != "" {
		if card, err = readCardKey(cardKey); err != nil {
			return err
		}
	}
	// An error of type Refusal means that the verdict is "invalid". Any other error means that the file could not be read.
	m, err := inspect(rest[0], note.VerifierList(v), card)
	var pol *policyInfo
	var words string
	if err == nil {
		pol, words, err = policyOf(*m, policyPub)
	}
	info := bundleInfo{Verdict: "valid", Reasons: []reason{}, Bundle: m, CardKey: m.CardCheck, Policy: pol}
	var r *wire.Refusal
	if errors.As(err, &r) {
		info = bundleInfo{Verdict: "invalid", Reasons: []reason{{r.Code, r.Detail}}}
	} else if err != nil {
		return wrong("%w", err)
	}
	if asJSON {
		if err := printJSON(w.out, info); err != nil {
			return err
		}
	} else if r != nil {
		fmt.Fprintf(w.out, "invalid: %s\n", r)
	} else {
		fmt.Fprintf(w.out, "valid: site %s, version %d, %d chunks%s\n", m.Site, m.Version, len(m.Chunks),
			cardCheckOf(*m, ", card key with the check value "))
		if words != "" {
			fmt.Fprintln(w.out, words)
		}
	}
	if r != nil {
		return errNo
	}
	return nil
}

// bundleVerifier parses --pub, which is the site's key, or the hub's key if machines pin a separate policy key.
func bundleVerifier(pub string, policyApart bool) (note.Verifier, error) {
	if pub == "" {
		return nil, wrong("--pub is missing").hinted("the line that bundle keygen printed: portillon:site:SITE+…")
	}
	if strings.HasPrefix(pub, "PRIVATE+KEY+") && keykind.Look(pub) == (keykind.Found{}) {
		return nil, wrong("--pub: this is the private half of a key").
			hinted("the public half is the line that bundle keygen printed; whoever saw this line should not sign bundles " +
				"with it")
	}
	kind := keykind.Site
	if policyApart {
		kind = keykind.Hub
	}
	if err := checkKind("--pub", "", pub, keykind.Place{Kind: kind}); err != nil {
		return nil, err
	}
	v, err := note.NewVerifier(pub)
	if err != nil {
		return nil, wrong("--pub: %.80q is not a verifier key", pub)
	}
	return v, nil
}

// inspect reads a bundle file completely and checks every chunk. The argument card, if not nil, must be the key with
// which the bundle was built.
func inspect(path string, keys note.Verifiers, card []byte) (*wire.Manifest, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var m wire.Manifest
	err = wire.ReadBundle(f, keys, func(_ []byte, got wire.Manifest) error {
		m = got
		if err := wire.CheckCardKey(m, card); err != nil {
			return &wire.Refusal{Code: "other-card-key", Detail: err.Error()}
		}
		return nil
	}, func(string, []byte) error { return nil })
	return &m, err
}

// bundleShow runs «bundle show», which prints the manifest without verification: site, version, dates, signers, policy,
// and the chunks with their sizes.
func bundleShow(_ context.Context, w stdio, args []string) error {
	rest, err := parseFlags(w, "bundle show", args, 1, nil)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(rest[0])
	if err != nil {
		return wrong("%w", err)
	}
	text, m, err := wire.Peek(bytes.NewReader(b))
	if err != nil {
		return wrong("%s: %w", filepath.Base(rest[0]), err)
	}
	fmt.Fprintf(w.out, "site      %s\nversion   %d\nissued    %s\nexpires   %s\n", m.Site, m.Version,
		m.Issued.Format(time.RFC3339), m.Expires.Format(time.RFC3339))
	for _, line := range strings.Split(text, "\n") {
		if name, ok := strings.CutPrefix(line, "— "); ok && !strings.HasPrefix(name, "card."+string(m.Site)+" ") {
			fmt.Fprintf(w.out, "signed by %s (not verified: portillon bundle verify)\n", strings.Fields(name + " ?")[0])
		}
	}
	if _, words, err := policyOf(m, ""); err != nil {
		fmt.Fprintf(w.out, "policy    %v\n", err)
	} else if words != "" {
		fmt.Fprintf(w.out, "policy    %s\n", strings.TrimPrefix(words, "policy "))
	}
	fmt.Fprint(w.out, cardCheckOf(m, "card key  check value "),
		pick(m.CardCheck == "", "card key  no check value: an older program built it\n", "\n"))
	for _, c := range m.Chunks {
		fmt.Fprintf(w.out, "%9d  %s  %s\n", c.Size, c.SHA256[:16], c.Name)
	}
	return nil
}
