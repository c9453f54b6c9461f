package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"portillon/hub"
	"portillon/policy"
	siteexample "portillon/site-example"
)

// demoStart is the time at which the demo's clock always starts: a Monday morning within opening hours.
const demoStart = "2026-11-23T10:00:00+01:00"

// demo is a hub that manages its site, and three machines, in a temporary folder.
type demo struct {
	dir      string         // the temporary folder
	lock     *os.File       // lock of the demo's folder, held until the demo ends
	offset   time.Duration  // the demo's clock minus the real clock
	hub      *hub.Hub       // the running hub
	hubEnd   func()         // cancels the hub's context
	hubDone  chan struct{}  // closed when the hub has ended
	hubFault error          // error with which the hub has ended; valid only after hubDone
	conf     hub.Config     // the hub's configuration
	cardKey  []byte         // the site's card key, with which the site hashes card numbers
	people   []*demoPerson  // accounts with which the demo's page can sign in
	machines []*demoMachine // the machines of the policy

	mu     sync.Mutex
	issued map[string]bool // badges that the demo has issued, each as member/badge
}

// now returns the time on the demo's clock.
func (d *demo) now() time.Time { return time.Now().Add(d.offset) }

// path returns a path below the demo's folder.
func (d *demo) path(name ...string) string { return filepath.Join(append([]string{d.dir}, name...)...) }

// demoVerb runs «demo» until a signal ends it, and then removes all files of the demo. The page listens on loopback
// only, because anyone who can open the page can present every card. If the demo is killed with SIGKILL, the next demo
// removes its folder.
func demoVerb(ctx context.Context, w stdio, args []string) error {
	var listen string
	if _, err := parseFlags(w, "demo", args, 0, func(fs *flag.FlagSet) {
		fs.StringVar(&listen, "listen", "127.0.0.1:8036", "the address of the page, on loopback")
	}); err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(listen)
	if err != nil || host != "127.0.0.1" && host != "::1" {
		return wrong("--listen: %q is not an address on this machine alone", listen).
			hinted("127.0.0.1:8036; anyone who reaches the demo's page can tap every card")
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
	d.printWelcome(w, page.Addr())
	err = d.serve(ctx, page)
	fmt.Fprintln(w.out, "\nthe demo has ended; nothing is left of it")
	return errors.Join(err, d.close())
}

// printWelcome prints suggestions of what to try in the demo.
func (d *demo) printWelcome(w stdio, a net.Addr) {
	fmt.Fprintf(w.out, `portillon demo: three machines of the site %s, one hub, no hardware

  open   http://%s

  1. click Léa's card: the laser comes on. Click again: it stops
  2. click Jules: first steps only. The machine waits for a mentor: click Karim
  3. click Inès (maintainer), then Léa who helps her, then each "Log" once;
     Inès ends, and they begin again until five count
  4. issue the badge; from then on Léa may choose "Maintain"
  5. click the unknown card, then open the hub as Olivia, its owner, and give that card to a member

  Ctrl-C ends everything and leaves nothing behind
`, d.conf.Site, a)
}

// openDemo creates the hub with the site, and starts a daemon for each machine. Each machine joins the hub as a real
// machine does. The caller must close the result, even after an error. The argument origin is the address of the demo's
// page.
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
	// Make the issuer's key readable only by this user, because the tool rejects other keys.
	if err := os.Chmod(d.path("site/keys/DEMO-ONLY-issuer.json"), 0o600); err != nil {
		return d, err
	}
	for _, step := range []func(context.Context, string) error{d.openHub, d.fillHub, d.startHub, d.startMachines} {
		if err := step(ctx, origin); err != nil {
			return d, err
		}
	}
	return d, nil
}

// issue performs the steps of an administrator as soon as a member has enough evidence for the badge: it exports the
// evidence, issues the badge with this evidence, and adds the badge at the hub, which sends the badge to the machines.
func (d *demo) issue(ctx context.Context, member policy.MemberID, badge policy.BadgeID) error {
	m, err := d.hub.Directory().Members.Get(ctx, demoActor, member)
	if err != nil {
		return err
	}
	if len(m.Emails) == 0 {
		return fmt.Errorf("member %s has no e-mail address, want one as the badge's recipient", m.Name)
	}
	// Write the policy to the demo's folder, from which the commands below read it.
	if err := d.writePolicy(ctx); err != nil {
		return err
	}
	evidence, at := d.path(string(member)+".evidence"), d.now().UTC().Format(time.RFC3339)
	if _, err := d.runVerb(ctx, evidenceExport, d.hubFile(), "--site", d.path("site"), "--member", string(member),
		"--badge", string(badge), "--at", at, "-o", evidence); err != nil {
		return err
	}
	name := string(member) + "-" + string(badge) + ".json"
	if _, err := d.runVerb(ctx, badgeIssue, "--key", d.path("site/keys/DEMO-ONLY-issuer.json"),
		"--policy", d.path("site/policy.yaml"), "--badge", string(badge), "--recipient", m.Emails[0],
		"--evidence", evidence, "--hub", d.hubFile(), "--from", at,
		"--criteria", "Cinq interventions validées par un mainteneur", "-o", d.path("site/badges", name)); err != nil {
		return err
	}
	// Add the badge together with its status list, because this hub fetches nothing from the web.
	files, err := zipped(os.DirFS(d.path("site")), "badges/"+name, "status/*.json")
	if err != nil {
		return err
	}
	if _, err := d.hub.Directory().Badges.AddBadges(ctx, demoActor, member, name+".zip", files); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.issued[string(member)+"/"+string(badge)] = true
	return nil
}

// hasIssued reports whether the badge was issued in this demo.
func (d *demo) hasIssued(member policy.MemberID, badge policy.BadgeID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.issued[string(member)+"/"+string(badge)]
}

// close ends the daemons, then the hub, and removes the folder.
func (d *demo) close() error {
	errs := make([]error, len(d.machines))
	var all sync.WaitGroup
	for i, m := range d.machines {
		all.Go(func() { errs[i] = m.stop() })
	}
	// End the hub last, because the machines use it.
	all.Wait()
	if d.hubEnd != nil {
		d.hubEnd()
		<-d.hubDone
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

// serve serves the page until ctx is cancelled or the hub ends.
func (d *demo) serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	web, err := fs.Sub(demoFiles, "demo")
	if err != nil {
		return err
	}
	p := newDemoPage(d, web)
	handler, err := p.handler()
	if err != nil {
		return err
	}
	go p.watch(ctx)
	s := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx }}
	go s.Serve(l)
	defer s.Close()
	select {
	case <-ctx.Done():
		return nil
	case <-d.hubDone:
		return d.hubFault
	}
}
