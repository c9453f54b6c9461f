package hubd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"portillon/hub"
	"portillon/hub/ledger"
	"portillon/hub/store"
	"portillon/site"
)

// ImportSite puts what a site's files say of members, cards, badges and policy into the database of the hub that adopts
// the site.
type ImportSite func(ctx context.Context, db *store.DB, s *site.Site) error

// adopt runs «portillon-hub adopt SITE hub.yaml».
func adopt(ctx context.Context, args []string, out, errs io.Writer, imports ImportSite) int {
	fs := flag.NewFlagSet("portillon-hub adopt", flag.ContinueOnError)
	fs.SetOutput(errs)
	to := fs.String("to", "/var/lib/portillon-hub", "the new hub's folder, which must not be there or be empty")
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if fs.NArg() != 2 {
		return complain(errs, errors.New("the site's folder or hub.yaml is missing"), "portillon-hub adopt [-to FOLDER] SITE hub.yaml")
	}
	a := adoption{site: fs.Arg(0), config: fs.Arg(1), to: filepath.Clean(*to), imports: imports}
	if err := a.run(ctx); err != nil {
		return complain(errs, fmt.Errorf("adopt: %w", err), "stop the hub of before first; what it has stays as it is")
	}
	fmt.Fprintf(out, "portillon-hub: %s has the site %s, with %d machines and %d records\n", a.to, a.conf.Site, len(a.conf.Machines), a.records)
	return 0
}

// adoption copies a hub of files into a new folder. The folder gets its name when it is complete, so that an adoption
// that was cut off leaves nothing but FOLDER.new; the hub of before stays as it is. Machines notice nothing: the keys,
// accounts, ports and journals are the same.
type adoption struct {
	site, config, to string
	imports          ImportSite // nil: members, badges and policy stay files

	conf    hub.Config
	new     string // the folder while it is made
	records uint64
}

func (a *adoption) run(ctx context.Context) (err error) {
	if a.conf, err = hub.ReadConfig(a.config); err != nil {
		return err
	}
	s, err := site.Read(a.site)
	if err != nil {
		return err
	}
	if s.Policy.Site != a.conf.Site {
		return fmt.Errorf("the folder %s is the site %q's, %s is %q's", a.site, s.Policy.Site, a.config, a.conf.Site)
	}
	if there, err := os.ReadDir(a.to); err == nil && len(there) > 0 {
		return fmt.Errorf("the folder %s is not empty: an adoption overwrites nothing", a.to)
	}
	a.new = a.to + ".new"
	if err := os.RemoveAll(a.new); err != nil { // of an adoption that was cut off
		return err
	}
	if err := os.MkdirAll(filepath.Join(a.new, "keys"), 0o700); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{a.copyFolders, a.writeConfig, a.copyDatabase} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := a.fill(ctx, s); err != nil {
		return err
	}
	if err := os.Remove(a.to); err != nil && !errors.Is(err, os.ErrNotExist) { // it is empty
		return err
	}
	return os.Rename(a.new, a.to)
}

// copyFolders copies what the hub of before has beside its database: the keys of sealed cards, tags and the bundle in
// force. What its broker retained is published anew.
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

// writeConfig writes the hub.yaml of before with the new places of its files.
func (a *adoption) writeConfig(context.Context) error {
	text, err := os.ReadFile(a.config)
	if err != nil {
		return err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return err
	}
	root := doc.Content[0] // hub.ReadConfig has read it
	set(root, ".", "data")
	files := map[string][]string{a.conf.Key: {"key"}, a.conf.MQTT.Cert: {"mqtt", "cert"}, a.conf.MQTT.CertKey: {"mqtt", "cert-key"},
		a.conf.MQTT.Watcher: {"mqtt", "watcher"}, a.conf.MQTT.PasswordFile: {"mqtt", "password-file"}}
	for path, at := range files {
		if err := a.copyKey(root, path, strings.Join(at, "-"), at...); err != nil {
			return err
		}
	}
	for _, m := range a.conf.Machines {
		if err := a.copyKey(root, m.PasswordFile, string(m.ID)+".password", "machines", string(m.ID), "password-file"); err != nil {
			return err
		}
	}
	if a.conf.Bundle.File != "" { // the file stays where the site's administrator writes it
		abs, err := filepath.Abs(a.conf.Bundle.File)
		if err != nil {
			return err
		}
		set(root, abs, "bundle", "file")
	}
	out, err := yaml.Marshal(&doc)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(a.new, "hub.yaml"), out, 0o600)
}

// copyKey copies a secret into keys/, and names its new place.
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
	set(root, filepath.Join("keys", name), at...)
	return os.WriteFile(filepath.Join(a.new, "keys", name), b, 0o600)
}

// set changes a value that the file has.
func set(n *yaml.Node, value string, at ...string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != at[0] {
			continue
		}
		if len(at) == 1 {
			n.Content[i+1].SetString(value)
			return
		}
		set(n.Content[i+1], value, at[1:]...)
	}
}

// copyDatabase copies the database of before, or the ledger.db that is taken over.
func (a *adoption) copyDatabase(ctx context.Context) error {
	from := a.conf.Ledger()
	if _, err := os.Stat(from); errors.Is(err, os.ErrNotExist) {
		return nil // the hub has never run
	}
	if from == a.conf.Database() {
		return store.BackUp(ctx, from, filepath.Join(a.new, store.Name))
	}
	return ledger.CopyOld(ctx, from, filepath.Join(a.new, filepath.Base(from)))
}

// fill opens the new database, which takes over a ledger.db, and imports the site's files.
func (a *adoption) fill(ctx context.Context, s *site.Site) (err error) {
	conf, err := hub.ReadConfig(filepath.Join(a.new, "hub.yaml"))
	if err != nil {
		return err
	}
	db, err := store.Open(ctx, conf.Database())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	l := ledger.New(db.Site(conf.Site), conf.Keys())
	if _, err := l.TakeOver(ctx, ledger.OldPath(conf.Database())); err != nil {
		return err
	}
	for _, m := range conf.Machines {
		head, err := l.Head(m.ID)
		if err != nil {
			return err
		}
		a.records += head.Seq
	}
	if a.imports == nil {
		return nil
	}
	return a.imports(ctx, db, s)
}
