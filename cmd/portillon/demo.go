package main

import (
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"crypto/rand"

	"portillon/hub"
	"portillon/policy"
	"portillon/site"
	siteexample "portillon/site-example"
)

// demoStart is when the demo happens: a Monday morning in the lab's opening hours, whenever it is run.
const demoStart = "2026-11-23T10:00:00+01:00"

// demo is a hub, three machines and their members, in a folder that goes when it ends.
type demo struct {
	dir      string
	lock     *os.File      // held for as long as the demo lives
	offset   time.Duration // of the demo's clock
	hub      *hub.Hub
	hubKey   string // the verifier's half
	hubEnd   func()
	hubErr   chan error
	conf     hub.Config
	site     *site.Site
	version  int
	machines []*demoMachine
	issued   map[string]bool // member/badge
}

func (d *demo) now() time.Time { return time.Now().Add(d.offset) }

func (d *demo) path(name ...string) string { return filepath.Join(append([]string{d.dir}, name...)...) }

func demoVerb(ctx context.Context, w stdio, args []string) error {
	var listen string
	if _, err := flags(w, "demo", args, 0, func(fs *flag.FlagSet) {
		fs.StringVar(&listen, "listen", "127.0.0.1:8036", "the address of the page, on loopback")
	}); err != nil {
		return err
	}
	if host, _, err := net.SplitHostPort(listen); err != nil || !net.ParseIP(host).IsLoopback() {
		return wrong("--listen: %q is not an address on this machine alone", listen).hinted("127.0.0.1:8036; anyone who reaches the demo's page can tap every card")
	}
	page, err := net.Listen("tcp", listen)
	if err != nil {
		return wrong("%w", err).hinted("another demo? --listen 127.0.0.1:0 finds a free port")
	}
	d, err := openDemo(ctx, w, "http://"+page.Addr().String())
	if err != nil {
		page.Close()
		return errors.Join(err, d.close())
	}
	d.welcome(w, page.Addr())
	err = d.serve(ctx, page)
	fmt.Fprintln(w.out, "\nthe demo has ended; nothing is left of it")
	return errors.Join(err, d.close())
}

func (d *demo) welcome(w stdio, a net.Addr) {
	fmt.Fprintf(w.out, `portillon demo: three machines of the site %s, one hub, no hardware

  open   http://%s

  1. click Léa's card: the laser comes on. Click again: it stops
  2. click Jules: first steps only. The machine waits for a mentor: click Karim
  3. click Inès (maintainer), then Léa who helps her, then each "Log" once; Inès ends, and they begin again until five count
  4. issue the badge; from then on Léa may choose "Maintain"

  Ctrl-C ends everything and leaves nothing behind
`, d.site.Policy.Site, a)
}

// openDemo builds the site, starts the hub, and a daemon for each machine. What it returns must be closed, with an error too.
func openDemo(ctx context.Context, w stdio, origin string) (*demo, error) {
	d := &demo{issued: map[string]bool{}}
	start, err := time.Parse(time.RFC3339, demoStart)
	if err != nil {
		return d, err
	}
	d.offset = time.Until(start)
	sweepDemos(os.TempDir())
	if d.dir, err = os.MkdirTemp("", demoPrefix); err != nil {
		return d, err
	}
	if d.lock, err = lockDemo(d.dir); err != nil {
		return d, err
	}
	if err := os.CopyFS(d.path("site"), siteexample.Files); err != nil {
		return d, err
	}
	if err := os.Chmod(d.path("site/keys/DEMO-ONLY-issuer.json"), 0o600); err != nil {
		return d, err
	}
	if d.site, err = site.Read(d.path("site")); err != nil {
		return d, err
	}
	if err := d.keys(ctx); err != nil {
		return d, err
	}
	if err := d.bundle(ctx); err != nil {
		return d, err
	}
	if err := d.startHub(); err != nil {
		return d, err
	}
	for _, m := range d.machines {
		if err := m.start(d, origin); err != nil {
			return d, fmt.Errorf("the daemon of %s: %w", m.id, err)
		}
	}
	return d, nil
}

// keys makes every key that a site has, as its operator would.
func (d *demo) keys(ctx context.Context) error {
	b := make([]byte, 32)
	rand.Read(b)
	if err := os.WriteFile(d.path("card.key"), []byte(hex.EncodeToString(b)), 0o600); err != nil {
		return err
	}
	var err error
	if d.hubKey, err = d.run(ctx, bundleKeygen, string(d.site.Policy.Site), "-o", d.path("hub.key")); err != nil {
		return err
	}
	for _, m := range d.site.Policy.Machines {
		key, err := d.run(ctx, bundleKeygen, string(m.ID)+"."+string(d.site.Policy.Site), "--kind", "machine", "-o", d.path(string(m.ID)+".key"))
		if err != nil {
			return err
		}
		d.machines = append(d.machines, &demoMachine{id: m.ID, name: m.Name, dir: d.path(string(m.ID)), verifier: key})
	}
	return nil
}

// bundle builds the site's next bundle for the hub.
func (d *demo) bundle(ctx context.Context) error {
	d.version++
	_, err := d.run(ctx, bundleBuild, d.path("site"), "--key", d.path("hub.key"), "--card-key", d.path("card.key"), "--version", fmt.Sprint(d.version),
		"--at", d.now().UTC().Format(time.RFC3339), "-o", d.path("site.bundle"))
	return err
}

func (d *demo) startHub() (err error) {
	text := fmt.Sprintf("portillon: 1\nsite: %s\ndata: hub\nkey: hub.key\nmqtt: { listen: \"127.0.0.1:0\" }\nhttp: \"127.0.0.1:0\"\nbundle: { file: site.bundle, key: %q }\nmachines:\n",
		d.site.Policy.Site, d.hubKey)
	for _, m := range d.machines {
		m.hubKey = d.hubKey
		text += fmt.Sprintf("  %s: { key: %q }\n", m.id, m.verifier)
	}
	if err := os.WriteFile(d.path("hub.yaml"), []byte(text), 0o600); err != nil {
		return err
	}
	if d.conf, err = hub.ReadConfig(d.path("hub.yaml")); err != nil {
		return err
	}
	if err := os.MkdirAll(d.conf.Data, 0o700); err != nil {
		return err
	}
	if d.hub, err = hub.New(d.conf, hub.Options{Now: d.now, Log: slog.New(slog.DiscardHandler)}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.hubEnd, d.hubErr = cancel, make(chan error, 1)
	go func() { d.hubErr <- d.hub.Run(ctx) }()
	select {
	case <-d.hub.Hearing(): // before any machine speaks
		return nil
	case err := <-d.hubErr:
		return err
	case <-time.After(20 * time.Second):
		return errors.New("the hub did not reach its broker in 20 s")
	}
}

// issue is what the operator does when the evidence is complete: export it, issue the badge from it, put it into the site, bundle the site.
func (d *demo) issue(ctx context.Context, member policy.MemberID, badge policy.BadgeID) error {
	email := ""
	for _, m := range d.site.Members {
		if m.ID == member && len(m.Emails) > 0 {
			email = m.Emails[0]
		}
	}
	if email == "" {
		return fmt.Errorf("%s has no address to issue a badge to", member)
	}
	file, at := d.path(string(member)+".evidence"), d.now().UTC().Format(time.RFC3339)
	if _, err := d.run(ctx, evidenceExport, d.path("hub.yaml"), "--site", d.path("site"), "--member", string(member), "--badge", string(badge), "--at", at, "-o", file); err != nil {
		return err
	}
	if _, err := d.run(ctx, badgeIssue, "--key", d.path("site/keys/DEMO-ONLY-issuer.json"), "--policy", d.path("site/policy.yaml"), "--badge", string(badge),
		"--recipient", email, "--evidence", file, "--hub", d.path("hub.yaml"), "--from", at, "--criteria", "Cinq interventions validées par un mainteneur",
		"-o", d.path("site/badges", string(member)+"-"+string(badge)+".json")); err != nil {
		return err
	}
	if err := d.bundle(ctx); err != nil {
		return err
	}
	d.issued[string(member)+"/"+string(badge)] = true
	return nil
}

// close ends the daemons, then the hub, and removes the folder.
func (d *demo) close() error {
	var errs []error
	for _, m := range d.machines {
		errs = append(errs, m.stop())
	}
	if d.hubEnd != nil {
		d.hubEnd()
	}
	if d.hub != nil {
		errs = append(errs, d.hub.Close())
	}
	if d.dir != "" {
		errs = append(errs, os.RemoveAll(d.dir))
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
	}
	return errors.Join(errs...)
}

// serve shows the page until ctx ends, or the hub does.
func (d *demo) serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	web, err := fs.Sub(demoFiles, "demo")
	if err != nil {
		return err
	}
	p := newDemoPage(d, web)
	go p.watch(ctx)
	s := &http.Server{Handler: p.handler(), ReadHeaderTimeout: 5 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	go s.Serve(l)
	defer s.Close()
	select {
	case <-ctx.Done():
		return nil
	case err := <-d.hubErr:
		return err
	}
}
