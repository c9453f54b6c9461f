package hubd

import (
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/mod/sumdb/note"

	"portillon/hub"
	"portillon/hub/ledger"
	"portillon/hub/store"
	"portillon/site"
	"portillon/wire"
)

// adopt runs «portillon-hub adopt SITE hub.yaml».
func adopt(ctx context.Context, args []string, out, errs io.Writer) int {
	fs := flag.NewFlagSet("portillon-hub adopt", flag.ContinueOnError)
	fs.SetOutput(errs)
	a := adoption{out: out, now: time.Now}
	fs.StringVar(&a.to, "to", "/var/lib/portillon-hub", "the new hub's folder, which must not be there or be empty")
	fs.StringVar(&a.cardKey, "card-key", "", "the file of the site's card key; without it: card-key of hub.yaml")
	fs.StringVar(&a.web, "web", "127.0.0.1:8040", "where people reach the new hub, host:port")
	fs.BoolVar(&a.accept, "accept", false, "go on although something is left behind, or somebody gains or loses access")
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if fs.NArg() != 2 {
		return printError(errs, errors.New("argument SITE or hub.yaml is missing"),
			"portillon-hub adopt [-to FOLDER] SITE hub.yaml")
	}
	a.site, a.config, a.to = fs.Arg(0), fs.Arg(1), filepath.Clean(a.to)
	if err := a.run(ctx); err != nil {
		hint := "stop the hub of before first; what it has stays as it is"
		if errors.Is(err, errLeft) {
			hint = "correct the site's files and build its bundle again, or say -accept; nothing was written"
		}
		return printError(errs, fmt.Errorf("adopt: %w", err), hint)
	}
	fmt.Fprintf(out, "portillon-hub: %s keeps the site %s: policy %d, %d members, %d badges, %d machines, %d records\n",
		a.to, a.conf.Site,
		a.adopted.Policy, a.adopted.Members, a.adopted.Badges, len(a.adopted.Machines), a.records)
	fmt.Fprintf(out,
		"portillon-hub: bundle %d takes the place of %d: nobody gains or loses access but those named above\n",
		a.adopted.Version, a.before.Version)
	fmt.Fprintf(out, "portillon-hub: start it with -config %s\n", filepath.Join(a.to, "hub.yaml"))
	return 0
}

// errLeft is returned if an adoption would lose data or change the rights of members.
var errLeft = errors.New("hub cannot be adopted without a loss or a change of rights")

// adoption copies a file-based hub into a new folder, and turns the copy into a hub that manages the site. The complete
// folder is renamed to its final name, so an interrupted adoption leaves only FOLDER.new. An adoption changes no file
// of the old hub. No machine needs a change, because keys, accounts, ports and journals stay the same, and the new
// hub's bundle has a higher version than the bundle in force.
type adoption struct {
	site, config, to string
	cardKey, web     string
	accept           bool
	out              io.Writer
	now              func() time.Time

	conf    hub.Config
	keyHex  []byte
	new     string // path of the new folder under its temporary name, FOLDER.new
	before  wire.Manifest
	adopted hub.Adopted
	records uint64
}

// run creates the new folder under its temporary name, and renames the folder at the end.
func (a *adoption) run(ctx context.Context) (err error) {
	s, err := a.read()
	if err != nil {
		return err
	}
	// Write all files into a folder beside the final folder, so that a failed adoption leaves no incomplete folder.
	a.new = a.to + ".new"
	if err := os.RemoveAll(a.new); err != nil { // remove a folder that an interrupted adoption has left
		return err
	}
	if err := os.MkdirAll(filepath.Join(a.new, "keys"), 0o700); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(a.new))
		}
	}()
	// installBundle needs the folder with the bundle in force, which is one of the folders that copyFolders copies.
	for _, step := range []func(context.Context) error{a.copyFolders, a.installBundle, a.writeConfig, a.copyDatabase} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := a.fill(ctx, s); err != nil {
		return err
	}
	// The adoption must not change the rights of a member unnoticed, so reportDifferences fails unless the caller has
	// accepted the differences.
	if err := a.reportDifferences(); err != nil {
		return err
	}
	// Remove the final folder, which is empty as the method read has checked.
	if err := os.Remove(a.to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Rename(a.new, a.to)
}

// read reads hub.yaml and the site, and rejects a hub whose adoption would require a change on a machine.
func (a *adoption) read() (*site.Site, error) {
	var err error
	if a.conf, err = hub.ReadConfig(a.config); err != nil {
		return nil, err
	}
	s, err := site.Read(a.site)
	if err != nil {
		return nil, err
	}
	own, err := a.conf.PublicKey()
	if err != nil {
		return nil, err
	}
	if there, err := os.ReadDir(a.to); err == nil && len(there) > 0 {
		return nil, fmt.Errorf("the folder %s is not empty: an adoption overwrites nothing", a.to)
	}
	// The new hub must sign with the keys of the old hub, because the machines have pinned these keys.
	switch {
	case s.Policy.Site != a.conf.Site:
		return nil, fmt.Errorf("folder %s belongs to site %q, but %s belongs to site %q",
			a.site, s.Policy.Site, a.config, a.conf.Site)
	case a.conf.Managed():
		return nil, fmt.Errorf("%s already contains web:, so this hub manages its site itself", a.config)
	case a.conf.Bundle.Key == nil:
		return nil,
			fmt.Errorf("%s has no bundle:, so the machines' bundle key and the bundle in force are unknown",
				a.config)
	case a.conf.Bundle.Public != own:
		return nil,
			fmt.Errorf("machines pin the key %q for bundles, and the hub signs with %q: a hub that keeps the site signs "+
				"bundles and acknowledgements with one key; want the key of bundles as key: in %s, "+
				"and as hub-key: in each machine.yaml",
				a.conf.Bundle.Key.Name(), strings.SplitN(own, "+", 2)[0], a.config)
	}
	// The hub stores only a hash of each card's number, made with the card key. If the new hub had a new card key, it
	// would recognise no card.
	if a.cardKey == "" {
		a.cardKey = a.conf.Join.CardKey
	}
	if a.cardKey == "" {
		return nil, errors.New("site's card key is unknown, want -card-key FILE with the key of the bundle in force")
	}
	text, err := os.ReadFile(a.cardKey)
	if err != nil {
		return nil, err
	}
	if a.keyHex, err = hex.DecodeString(strings.TrimSpace(string(text))); err != nil || len(a.keyHex) < 16 {
		return nil, fmt.Errorf("%s is no card key, want at least 32 hexadecimal digits on one line", a.cardKey)
	}
	return s, nil
}

// installBundle installs the bundle file, as the old hub would do at its next start, and so finds out which bundle is
// in force.
func (a *adoption) installBundle(context.Context) error {
	s := a.store()
	// If the bundle file is rejected, for example because it is too old, the previously installed bundle remains in
	// force.
	if f, err := os.Open(a.conf.Bundle.File); err == nil {
		_, err = s.InstallFile(f, nil)
		var old *wire.Refusal
		if err = errors.Join(err, f.Close()); err != nil && !errors.As(err, &old) {
			return fmt.Errorf("%s: %w", a.conf.Bundle.File, err)
		}
	}
	var err error
	if a.before, err = s.Current(); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("no bundle is in force: build one (portillon bundle build -o %s)", a.conf.Bundle.File)
	} else if err != nil {
		return err
	}
	// The new hub hashes cards with this key, and machines compare the hashes with those in the bundle in force.
	if err := wire.CheckCardKey(a.before, a.keyHex); err != nil {
		return fmt.Errorf("%s is not the card key of the bundle in force: %w", a.cardKey, err)
	}
	return nil
}

// store returns the new hub's store of bundles.
func (a *adoption) store() wire.Store {
	s := wire.Store{Dir: filepath.Join(a.new, "bundle"), Site: a.conf.Site, Keys: note.VerifierList(a.conf.Bundle.Key)}
	if a.conf.Bundle.Policy != nil {
		s.Policy = note.VerifierList(a.conf.Bundle.Policy)
	}
	return s
}

// reportDifferences prints which data the adoption does not copy, and which members gain or lose rights. If the caller
// has not accepted these differences, reportDifferences returns an error.
func (a *adoption) reportDifferences() error {
	changes, err := a.changes()
	if err != nil {
		return err
	}
	for _, text := range a.adopted.Left {
		fmt.Fprintf(a.out, "portillon-hub: left behind: %s\n", text)
	}
	for _, text := range changes {
		fmt.Fprintf(a.out, "portillon-hub: changes: %s\n", text)
	}
	for _, text := range a.bundleFiles() {
		fmt.Fprintf(a.out, "portillon-hub: warning: %s\n", text)
	}
	if n := len(a.adopted.Left) + len(changes); n > 0 && !a.accept {
		return fmt.Errorf("%w: %d lines above", errLeft, n)
	}
	return nil
}

// copyFolders copies the old hub's folders beside its database: the keys of sealed cards, tags and the bundle in force.
// copyFolders does not copy the broker's retained messages, because the new hub publishes them again.
func (a *adoption) copyFolders(context.Context) error {
	for _, dir := range []string{"seal", "tags", "bundle"} {
		from := filepath.Join(a.conf.Data, dir)
		if _, err := os.Stat(from); errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err := os.CopyFS(filepath.Join(a.new, dir), os.DirFS(from)); err != nil {
			return err
		}
	}
	return nil
}

// writeConfig writes the old hub.yaml with the new paths.
func (a *adoption) writeConfig(context.Context) error {
	text, err := os.ReadFile(a.config)
	if err != nil {
		return err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return err
	}
	// Edit the YAML tree, so that comments and the order of the old file survive.
	root := doc.Content[0] // the document is a mapping, because hub.ReadConfig has already accepted the file
	setValue(root, ".", "data")
	// Files of keys and passwords may be in any folder of the old hub. The adoption copies all these files to keys/.
	files := map[string][]string{a.conf.Key: {"key"}, a.conf.MQTT.Cert: {"mqtt", "cert"},
		a.conf.MQTT.CertKey: {"mqtt", "cert-key"},
		a.conf.MQTT.Watcher: {"mqtt", "watcher"}, a.conf.MQTT.PasswordFile: {"mqtt", "password-file"}}
	for path, at := range files {
		if err := a.copyKey(root, path, strings.Join(at, "-"), at...); err != nil {
			return err
		}
	}
	for _, m := range a.conf.Machines {
		if err := a.copyKey(root, m.PasswordFile, string(m.ID)+".password", "machines", string(m.ID),
			"password-file"); err != nil {
			return err
		}
	}
	// Remove the path of the bundle file, because the new hub builds the bundle itself.
	dropKey(root, "bundle")
	dropKey(root, "card-key")
	addKey(root, "web", map[string]string{"listen": a.web})
	card, err := os.ReadFile(a.cardKey)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(a.new, "keys", "card.key"), card, 0o600); err != nil {
		return err
	}
	addKey(root, "card-key", filepath.Join("keys", "card.key"))
	if a.conf.Bundle.PolicyPublic != "" {
		addKey(root, "policy-key", a.conf.Bundle.PolicyPublic)
	}
	out, err := yaml.Marshal(&doc)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(a.new, "hub.yaml"), out, 0o600)
}

// copyKey copies a secret into keys/, and sets its new path in the configuration.
func (a *adoption) copyKey(root *yaml.Node, path, name string, at ...string) error {
	if path == "" {
		return nil
	}
	if name == "key" {
		name = "hub.key"
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	setValue(root, filepath.Join("keys", name), at...)
	return os.WriteFile(filepath.Join(a.new, "keys", name), b, 0o600)
}

// setValue changes an existing value.
func setValue(n *yaml.Node, value string, at ...string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != at[0] {
			continue
		}
		if len(at) == 1 {
			n.Content[i+1].SetString(value)
			return
		}
		setValue(n.Content[i+1], value, at[1:]...)
	}
}

// dropKey removes a key from a mapping.
func dropKey(n *yaml.Node, key string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content = append(n.Content[:i], n.Content[i+2:]...)
			return
		}
	}
}

// addKey appends a key to a mapping. The error of Encode is impossible, because the value contains only texts.
func addKey(n *yaml.Node, key string, value any) {
	var k, v yaml.Node
	if k.Encode(key) == nil && v.Encode(value) == nil {
		n.Content = append(n.Content, &k, &v)
	}
}

// copyDatabase copies the old hub's database, or the ledger.db that an older release wrote.
func (a *adoption) copyDatabase(ctx context.Context) error {
	from := a.conf.Ledger()
	if _, err := os.Stat(from); errors.Is(err, os.ErrNotExist) {
		return nil // return no error: the old hub has never run, so it has no database
	}
	// SQLite copies the database, because the database may be in use. Function fill converts a ledger.db of an older
	// release.
	if from == a.conf.Database() {
		return store.BackUp(ctx, from, filepath.Join(a.new, store.Name))
	}
	return ledger.CopyOld(ctx, from, filepath.Join(a.new, filepath.Base(from)))
}

// fill opens the new database, which converts a ledger.db to the present format, and makes the hub manage the site.
func (a *adoption) fill(ctx context.Context, s *site.Site) (err error) {
	conf, err := hub.ReadConfig(filepath.Join(a.new, "hub.yaml"))
	if err != nil {
		return err
	}
	if a.adopted, err = hub.Adopt(ctx, conf, s, hub.Options{Now: a.now}); err != nil {
		return err
	}
	db, err := store.Open(ctx, conf.Database())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	// Count the copied records, so that the person can compare them with the old hub.
	l := ledger.New(db.Site(conf.Site), conf.Keys())
	for _, m := range conf.Machines {
		head, err := l.Head(m.ID)
		if err != nil {
			return err
		}
		a.records += head.Seq
	}
	return nil
}
