package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"portillon/hub"
	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/policy"
)

// demoActor is the actor in the hub's audit log for every action that the demo itself performs.
var demoActor = actor.System("demo")

// demoPatience is the time limit of each wait at the start.
const demoPatience = 20 * time.Second

// hubFile returns the path of the hub's configuration.
func (d *demo) hubFile() string { return d.path("hub", "hub.yaml") }

// openHub creates a new hub as portillon-hub does in an empty folder. Every listener of the hub uses a free port on the
// loopback address. The hub fetches no document from the web.
func (d *demo) openHub(_ context.Context, origin string) error {
	p, err := readPolicy(d.path("site/policy.yaml"))
	if err != nil {
		return err
	}
	page, err := url.Parse(origin)
	if err != nil {
		return err
	}
	made, err := hub.Create(d.path("hub"), hub.NewHub{Site: p.Site, Host: "localhost",
		Web: net.JoinHostPort(page.Hostname(), "0"), Machines: "127.0.0.1:0", Broker: "127.0.0.1:0"})
	if err != nil {
		return err
	}
	if d.conf, err = hub.ReadConfig(made.Config); err != nil {
		return err
	}
	text, err := os.ReadFile(d.conf.Join.CardKey)
	if err != nil {
		return err
	}
	if d.cardKey, err = hex.DecodeString(strings.TrimSpace(string(text))); err != nil {
		return err
	}
	if err := os.MkdirAll(d.conf.Data, 0o700); err != nil {
		return err
	}
	d.hub, err = hub.New(d.conf, hub.Options{Now: d.now, Log: slog.New(slog.DiscardHandler), Offline: true})
	return err
}

// fillHub adds policy, members, badges, machines and accounts to the hub, through the services that the hub's pages
// use. The hub does not run yet, so its first bundle already contains everything that fillHub adds.
func (d *demo) fillHub(ctx context.Context, _ string) error {
	// Replace the new hub's policy by the example's policy.
	first, err := d.hub.Publishing().Policies.Current(ctx, demoActor)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(d.path("site/policy.yaml"))
	if err != nil {
		return err
	}
	_, err = d.hub.Publishing().Policies.Publish(ctx, demoActor, string(text), "site-example", first.Number, nil)
	if err != nil {
		return err
	}
	if err := d.importMembers(ctx); err != nil {
		return err
	}
	// Add the badges with their status lists.
	badges, err := zipped(os.DirFS(d.path("site")), "badges/*.json", "status/*.json")
	if err != nil {
		return err
	}
	kept, err := d.hub.Directory().Badges.AddBadges(ctx, demoActor, "", "site-example.zip", badges)
	if err != nil {
		return err
	}
	for _, b := range kept {
		if b.Refused != "" {
			return fmt.Errorf("hub rejects badge %s: %s", b.From, b.Refused)
		}
	}
	// Add every machine of the policy.
	p, err := d.hub.Policy(ctx)
	if err != nil {
		return err
	}
	for _, m := range p.Machines {
		if _, err := d.hub.Enrol().Machines.Add(ctx, demoActor, m.ID); err != nil {
			return err
		}
		d.machines = append(d.machines, &demoMachine{id: m.ID, name: m.Name, dir: d.path(string(m.ID))})
	}
	return d.addPeople(ctx)
}

// importMembers imports the example's members.yaml as the hub's import page does.
func (d *demo) importMembers(ctx context.Context) error {
	data, err := os.ReadFile(d.path("site/members.yaml"))
	if err != nil {
		return err
	}
	preview, err := d.hub.Directory().Imports.Preview(ctx, demoActor, directory.Import{Name: "members.yaml", Data: data})
	if err != nil {
		return err
	}
	_, err = d.hub.Directory().Imports.Apply(ctx, demoActor, preview.ID)
	return err
}

// zipped returns a ZIP of the files that match the patterns.
func zipped(from fs.FS, patterns ...string) ([]byte, error) {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, pattern := range patterns {
		files, err := fs.Glob(from, pattern)
		if err != nil {
			return nil, err
		}
		for _, name := range files {
			data, err := fs.ReadFile(from, name)
			if err != nil {
				return nil, err
			}
			w, err := z.Create(name)
			if err != nil {
				return nil, err
			}
			if _, err := w.Write(data); err != nil {
				return nil, err
			}
		}
	}
	err := z.Close() // Close the ZIP here, because Close writes the ZIP's directory
	return out.Bytes(), err
}

// startHub runs the hub, and waits until the hub listens for machines and has built its first bundle.
func (d *demo) startHub(ctx context.Context, _ string) error {
	// The hub has its own context, because it ends after the machines (see close).
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d.hubEnd, d.hubDone = cancel, make(chan struct{})
	go func() {
		defer close(d.hubDone)
		if err := d.hub.Run(run); !errors.Is(err, context.Canceled) {
			d.hubFault = err
		}
	}()
	// Wait for the connection to the broker and for the first bundle.
	late := time.NewTimer(demoPatience)
	defer late.Stop()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	hearing := d.hub.Hearing()
	for heard := false; ; {
		select {
		case <-hearing:
			hearing, heard = nil, true
		case <-look.C:
		case <-d.hubDone:
			return errors.Join(errors.New("hub ended during its start"), d.hubFault)
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			return fmt.Errorf("hub has no bundle or no connection to its broker after %v", demoPatience)
		}
		if _, version := d.hub.Manifest(); heard && version > 0 {
			return nil
		}
	}
}

// startMachines enrols all machines at the hub and starts them, in parallel.
func (d *demo) startMachines(ctx context.Context, origin string) error {
	errs := make([]error, len(d.machines))
	var all sync.WaitGroup
	for i, m := range d.machines {
		all.Go(func() {
			err := m.join(ctx, d)
			if err == nil {
				err = m.start(d, origin)
			}
			if err != nil {
				errs[i] = fmt.Errorf("machine %s does not start: %w", m.id, err)
			}
		})
	}
	all.Wait()
	return errors.Join(append(errs, d.writeKeys(ctx))...)
}

// writeKeys writes the machines' public keys into hub.yaml, in which «evidence export» and «badge issue» look them up.
// The running hub already has these keys from the enrolment.
func (d *demo) writeKeys(ctx context.Context) error {
	all, err := d.hub.Enrol().Machines.Enrolled(ctx)
	if err != nil {
		return err
	}
	text := "machines:\n"
	for _, m := range all {
		text += fmt.Sprintf("  %s: { key: %q }\n", m.ID, m.Public)
	}
	f, err := os.OpenFile(d.hubFile(), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// writePolicy writes the policy in force into the demo's folder, where the tool's commands read the policy.
func (d *demo) writePolicy(ctx context.Context) error {
	now, err := d.hub.Publishing().Policies.Current(ctx, demoActor)
	if err != nil {
		return err
	}
	return os.WriteFile(d.path("site/policy.yaml"), []byte(now.Text), 0o600)
}

// addPeople creates the accounts with which the demo's page can sign in. addPeople sets no passwords, because hashing a
// password needs 19 MiB and time, and in most demos nobody signs in as the owner.
func (d *demo) addPeople(ctx context.Context) error {
	d.people = demoPeople()
	for _, p := range d.people {
		if p.role == actor.Owner {
			continue // skip the owner, whose account the first owner's code creates
		}
		given := account.Account{Name: p.address, Member: p.member, Site: p.role}
		made, err := d.hub.Accounts().Registry.Add(ctx, demoActor, given, "")
		if err != nil {
			return err
		}
		p.account = made.ID
	}
	return nil
}

// demoPerson is a person who can sign in at the demo's hub.
type demoPerson struct {
	id      string
	name    string          // first name, which the page shows
	does    policy.Text     // role, which the page shows
	address string          // name with which the person signs in
	member  policy.MemberID // member id; empty for the owner and the administrator
	role    actor.Role      // role at the hub

	mu       sync.Mutex
	account  string // id of the account; empty: not created yet
	password string // password of an owner or administrator; empty: not set yet
}

// demoPeople returns one person of each role. The badges in site-example determine which member is a mentor and which
// is a maintainer.
func demoPeople() []*demoPerson {
	return []*demoPerson{
		{id: "owner", name: "Olivia", address: "olivia@biklab.example", role: actor.Owner,
			does: policy.Text{FR: "propriétaire : tout, les comptes aussi", EN: "owner: everything, accounts too"}},
		{id: "administrator", name: "Adrien", address: "adrien@biklab.example", role: actor.Administrator,
			does: policy.Text{FR: "administrateur : membres, règles, machines", EN: "administrator: members, policy, machines"}},
		{id: "maintainer", name: "Inès", address: "ines@example.org", member: "m-2dc899", role: actor.Member,
			does: policy.Text{FR: "mainteneuse de la découpe laser", EN: "maintainer of the laser cutter"}},
		{id: "mentor", name: "Karim", address: "karim@example.org", member: "m-be879f", role: actor.Member,
			does: policy.Text{FR: "mentor à la découpe laser", EN: "mentor at the laser cutter"}},
		{id: "member", name: "Léa", address: "lea@example.org", member: "m-020dc2", role: actor.Member,
			does: policy.Text{FR: "membre : sa propre fiche", EN: "member: her own record"}},
	}
}
