package hub

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"

	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/hub/enrol"
	"portillon/openbadge"
	"portillon/policy"
	"portillon/site"
	"portillon/wire"
)

// Adopted is the result of Adopt.
type Adopted struct {
	Policy   int64  // number of the policy that is in force after the import
	Version  uint64 // version of the first bundle that the hub built; higher than the previous bundle's version
	Members  int
	Badges   int
	Machines []policy.MachineID
	Left     []string // items that could not be adopted, each with its name and the reason
}

// Adopt imports a site from its YAML files into the database of a hub that manages the site, and builds the hub's first
// bundle. The hub's folder must contain the bundle in force, and c must be the hub's new hub.yaml. No other process may
// have the hub open.
func Adopt(ctx context.Context, c Config, s *site.Site, o Options) (out Adopted, err error) {
	h := newHub(c, o)
	h.core.fetchDocuments = func(context.Context) openbadge.Resolver { return s.Web }
	defer func() { err = errors.Join(err, h.Close()) }()
	if err := (&opening{hub: h}).openToAdopt(); err != nil {
		return out, err
	}
	a := adopter{h: h, site: s, by: actor.Local("adopt"), out: &out}
	for _, step := range []func(context.Context) error{
		a.importPolicy, a.raiseNextVersion, a.importMembers, a.importFiles, a.registerMachines, a.buildBundle,
	} {
		if err := step(ctx); err != nil {
			return out, err
		}
	}
	return out, nil
}

// opening is a hub that is being opened: the methods of opening open one part each.
type opening struct {
	hub *Hub
}

// openToAdopt opens the parts of the hub that manage a site, but opens no listener.
func (op *opening) openToAdopt() (err error) {
	if !op.hub.core.c.Managed() {
		return errors.New("hub.yaml has no web section, which a hub needs to manage the site in its database")
	}
	if op.hub.core.signer, err = op.hub.core.c.Signer(); err != nil {
		return err
	}
	if err := op.openDatabase(); err != nil {
		return err
	}
	if err := op.ownBundleKey(); err != nil {
		return err
	}
	op.openStore()
	if err := op.openAudit(); err != nil {
		return err
	}
	op.hub.services.policies.read, op.hub.cards.rebinds.wake = op.hub.services.policyText, make(chan struct{}, 1)
	if err := op.openCardKey(); err != nil {
		return err
	}
	return op.openServices()
}

// adopter contains the state of the import of one site.
type adopter struct {
	h    *Hub
	site *site.Site
	by   actor.Actor
	out  *Adopted
}

// reportLeft adds an item that could not be adopted, with the reason, to the result of Adopt.
func (a *adopter) reportLeft(format string, args ...any) {
	a.out.Left = append(a.out.Left, fmt.Sprintf(format, args...))
}

// importPolicy publishes policy.yaml as the first version of the policy. If the site has a separate policy key, this
// computer cannot sign a policy. In that case importPolicy imports the signed policy of the bundle in force, with its
// number.
func (a *adopter) importPolicy(ctx context.Context) error {
	p := a.h.services.publish
	if a.h.core.c.Bundle.Policy == nil {
		v, err := p.Policies.Publish(ctx, a.by, string(a.site.Text()), "adopted from policy.yaml", 0, nil)
		a.out.Policy = v.Number
		return err
	}
	signed, text, err := a.signedPolicy()
	if err != nil {
		return err
	}
	if err := p.Policies.Adopt(ctx, signed); err != nil {
		return err
	}
	v, err := p.Policies.Current(ctx, a.by)
	if err != nil {
		return err
	}
	if a.out.Policy = v.Number; !bytes.Equal(text, a.site.Text()) {
		a.reportLeft("policy.yaml differs from policy number %d, which the policy key signed last "+
			"and which stays in force: sign the change (portillon policy sign) and publish it", v.Number)
	}
	return nil
}

// signedPolicy returns the policy that the policy key signed for the bundle in force.
func (a *adopter) signedPolicy() (signed, text []byte, err error) {
	store := a.h.bundles.store
	m, err := store.Current()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil,
			errors.New("policy-key: the policy key is not on this computer, and no bundle in force contains a signed policy")
	}
	if err != nil {
		return nil, nil, err
	}
	if _, err := m.CheckPolicy(a.h.core.c.Bundle.policyKeys()); err != nil {
		return nil, nil, err
	}
	f := wire.PolicyFile{Signed: []byte(m.SignedPolicy), Chunks: map[string][]byte{}}
	for _, c := range m.Chunks {
		if c.Name != wire.PolicyChunk && c.Name != wire.DocumentsChunk && !wire.IsBindingsChunk(c.Name) {
			continue
		}
		if f.Chunks[c.Name], err = store.Chunk(m, c.Name); err != nil {
			return nil, nil, err
		}
	}
	var out bytes.Buffer
	err = wire.WritePolicyFile(&out, f)
	return out.Bytes(), f.Chunks[wire.PolicyChunk], err
}

// raiseNextVersion makes sure that the next bundle gets a higher version than the bundle in force.
func (a *adopter) raiseNextVersion(ctx context.Context) error {
	signed, err := a.h.bundles.store.Signed()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return a.h.services.publish.Bundles.Adopt(ctx, signed)
}

// importMembers imports members.yaml.
func (a *adopter) importMembers(ctx context.Context) error {
	all, renamed := a.site.Members, directory.FileNames(a.site.Badges)
	for i := range all {
		for k, name := range all[i].Badges {
			if to, ok := renamed[name]; ok {
				all[i].Badges[k] = to
			} else {
				a.reportLeft("members.yaml: %s: badges: there is no file %s", all[i].ID, name)
			}
		}
	}
	d := a.h.services.directory
	preview, err := d.Imports.Preview(ctx, a.by, directory.Import{Name: "members.yaml", Data: site.FormatMembers(all),
		Source: "members.yaml"})
	if err != nil {
		return fmt.Errorf("members.yaml: %w", err)
	}
	if _, err := d.Imports.Apply(ctx, a.by, preview.ID); err != nil {
		return fmt.Errorf("members.yaml: %w", err)
	}
	a.out.Members = len(all)
	return nil
}

// importFiles imports the status lists and the badges, with the documents of their issuers.
func (a *adopter) importFiles(ctx context.Context) error {
	for _, skipped := range a.site.Skipped {
		a.reportLeft("%s", skipped)
	}
	status, err := a.h.services.directory.Badges.AddFiles(ctx, a.by, a.site.Status)
	if err != nil {
		return fmt.Errorf("status: %w", err)
	}
	badges, err := a.h.services.directory.Badges.AddFiles(ctx, a.by, a.site.Badges)
	if err != nil {
		return fmt.Errorf("badges: %w", err)
	}
	for _, b := range status {
		a.reportLeft("%s: no trusted issuer signed this status list", b.From)
	}
	for _, b := range badges {
		if b.Refused != "" {
			a.reportLeft("%s: %s", b.From, b.Refused)
		} else {
			a.out.Badges++
		}
	}
	return nil
}

// registerMachines registers the machines of hub.yaml as enrolled, with their keys and accounts.
func (a *adopter) registerMachines(ctx context.Context) error {
	var all []enrol.Enrolled
	for _, m := range a.h.core.c.Machines {
		e := enrol.Enrolled{ID: m.ID, Public: m.Public}
		if m.PasswordFile != "" {
			p, err := readPassword(m.PasswordFile)
			if err != nil {
				return fmt.Errorf("machines.%s.password-file: %w", m.ID, err)
			}
			e.Password = sha256.Sum256([]byte(p))
		}
		all, a.out.Machines = append(all, e), append(a.out.Machines, m.ID)
	}
	return enrol.Adopt(ctx, a.h.core.db.Site(a.h.core.c.Site), a.h.core.now(), all)
}

// buildBundle builds the hub's first bundle, with a higher version than the bundle that the machines use.
func (a *adopter) buildBundle(ctx context.Context) error {
	if err := a.h.services.publish.Builder.Once(ctx); err != nil {
		return err
	}
	m, err := a.h.bundles.store.Current()
	a.out.Version = m.Version
	return err
}
