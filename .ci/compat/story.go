package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/daemon/control"
	"portillon/hub"
	"portillon/policy"
	"portillon/site"
	"portillon/wire"
)

// These are the machine, the card and the waiting times of all sequences.
const (
	laser policy.MachineID = "laser"
	// card is the card of Inès on the example site. She is a maintainer of the laser and may start it at any time.
	card = "04A224BA115E80"
	// patience is how long one operation may take on a busy computer.
	patience = 30 * time.Second
	look     = 20 * time.Millisecond // pause between two attempts
)

// program is a portillond that was built from one release.
type program struct {
	path   string // path of the program
	format int    // version number of the data formats that the program writes
}

// testSite is a folder that contains a site, a hub and one machine.
type testSite struct {
	dir       string          // folder of everything
	site      *site.Site      // the example site
	key       note.Signer     // signs bundles
	vkey      string          // public key with which machines verify bundles
	hubKey    string          // public key of the hub, which the machines pin
	conf      hub.Config      // the hub's configuration
	hub       *hub.Hub        // the running hub of this release
	start     time.Time       // the real time at which the programs' clock showed the time monday
	version   uint64          // version of the last bundle that was written
	generated wire.Generation // generation of the journal that the first program of the sequence created
}

// monday is a time at which the badges of the example site are valid.
var monday = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// now returns the time that the programs' clock shows.
func (p *testSite) now() time.Time { return monday.Add(time.Since(p.start)) }

// runSequence runs programs one after the other on the data of one machine, with one hub.
func runSequence(ctx context.Context, dir string, programs []program) error {
	p := &testSite{dir: dir, start: time.Now()}
	if err := p.prepare(); err != nil {
		return err
	}
	var log bytes.Buffer
	// The hub runs in this process, so that its ledger and its view of the machine can be read directly.
	h, err := hub.New(p.conf, hub.Options{Now: p.now, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		return err
	}
	p.hub = h
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	for i, x := range programs {
		if err = p.runProgram(ctx, i == 0, x); err != nil {
			err = fmt.Errorf("program %d of the sequence: %w", i+1, err)
			break
		}
	}
	cancel()
	<-done
	if err = errors.Join(err, h.Close()); err != nil {
		return fmt.Errorf("%w\nhub's log:\n%s", err, log.String())
	}
	return nil
}

// newKey returns a new private and public key.
func newKey(name string) (skey, vkey string, err error) { return note.GenerateKey(rand.Reader, name) }

// prepare writes the keys, the configuration of the hub, and the first bundle.
func (p *testSite) prepare() (err error) {
	machine := filepath.Join(p.dir, "m")
	if err := os.MkdirAll(machine, 0o700); err != nil {
		return err
	}
	// The previous release's example site: its machines refuse a policy with keys that only this release knows.
	if p.site, err = site.Read(filepath.Join(filepath.Dir(p.dir), "source", "site-example")); err != nil {
		return err
	}
	skey, vkey, err := newKey("portillon-biklab")
	if err != nil {
		return err
	}
	p.vkey = vkey
	if p.key, err = note.NewSigner(skey); err != nil {
		return err
	}
	// The hub and the machine each sign with their own key, and have only the public key of the other.
	hubSecret, hubKey, err := newKey("portillon-hub")
	if err != nil {
		return err
	}
	laserSecret, laserKey, err := newKey("portillon-laser")
	if err != nil {
		return err
	}
	p.hubKey = hubKey
	for name, text := range map[string]string{"hub.key": hubSecret, "m/machine.key": laserSecret, "password": "secret",
		"card.key": strings.Repeat("5a", 32)} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text+"\n"), 0o600); err != nil {
			return err
		}
	}
	bundleKey, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	pinned, err := note.NewVerifier(laserKey)
	if err != nil {
		return err
	}
	// The operating system chooses free ports, so that several runs can run at the same time.
	p.conf = hub.Config{Site: "biklab", Data: filepath.Join(p.dir, "hub"), Key: filepath.Join(p.dir, "hub.key"),
		MQTT: hub.MQTTConfig{Listen: "127.0.0.1:0"}, HTTP: "127.0.0.1:0",
		Bundle:   hub.BundleConfig{File: filepath.Join(p.dir, "site.bundle"), Key: bundleKey},
		Machines: []hub.MachineConfig{{ID: laser, Key: pinned, PasswordFile: filepath.Join(p.dir, "password")}}}
	return p.writeBundle()
}

// writeBundle writes the next version of the bundle into the file from which the hub reads its bundle.
func (p *testSite) writeBundle() error {
	p.version++
	b, err := p.site.Build(site.Order{Version: p.version, Issued: monday, Expires: monday.AddDate(0, 1, 0), Signer: p.key,
		CardKey: bytes.Repeat([]byte{0x5a}, 32)})
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := wire.WriteBundle(&out, b.Signed, b.Manifest, b.Chunk); err != nil {
		return err
	}
	return wire.WriteFile(p.conf.Bundle.File, out.Bytes(), 0o600)
}

// startDaemon starts the daemon portillond. The returned function ends the daemon and returns what the daemon has
// logged.
func (p *testSite) startDaemon(x program) (end func() string, err error) {
	dir := filepath.Join(p.dir, "m")
	conf := filepath.Join(dir, "machine.yaml")
	text := fmt.Sprintf(`portillon: 1
site: biklab
machine: laser
data: data
control: s
card-key: ../card.key
machine-key: machine.key
bundle: { key: %q, from: %q }
reader: { kind: none }
relay: { pin: "sim:pin" }
mqtt: { broker: %q, username: laser, password-file: ../password, hub-key: %q }
panel: { listen: "127.0.0.1:0" }
`, p.vkey, p.hub.HTTP(), p.hub.Broker(), p.hubKey)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, err
	}
	var log bytes.Buffer
	cmd := exec.Command(x.path, "-config", conf, "-demo-clock", p.now().Format(time.RFC3339))
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() string {
		_ = cmd.Process.Signal(syscall.SIGTERM) // ignore the error, because the program may have ended already
		stop := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer stop.Stop()
		_ = cmd.Wait() // the log shows why the program has ended
		return log.String()
	}, nil
}

// runProgram starts one program, performs all steps of checkWork with it, and ends it.
func (p *testSite) runProgram(ctx context.Context, first bool, x program) error {
	end, err := p.startDaemon(x)
	if err != nil {
		return err
	}
	err = p.checkWork(ctx, first, x)
	if log := end(); err != nil {
		return fmt.Errorf("%w\nmachine's log:\n%s", err, log)
	}
	return nil
}

// checkWork publishes a new bundle, starts a session, stops the session from the hub, and tags the machine. After
// each step, checkWork compares the machine's status with the hub's view of the machine.
func (p *testSite) checkWork(ctx context.Context, first bool, x program) error {
	if err := p.waitForBundle(ctx); err != nil {
		return err
	}
	if !first { // the hub set the tag while the previous program of the sequence ran
		if err := p.untag(ctx); err != nil {
			return err
		}
	}
	if err := p.writeBundle(); err != nil {
		return err
	}
	if err := p.waitForBundle(ctx); err != nil {
		return err
	}
	if err := p.startAndStop(ctx); err != nil {
		return err
	}
	if _, err := p.conf.TagOut(laser, "courroie usée", false, p.now()); err != nil {
		return err
	}
	if err := p.waitForTag(ctx); err != nil {
		return err
	}
	return p.waitForRecords(ctx, first, x)
}

// waitForBundle waits until the last written bundle is in force on the machine.
func (p *testSite) waitForBundle(ctx context.Context) error {
	return p.wait(ctx, fmt.Sprintf("version %d of the bundle", p.version),
		func(s control.Status, w wire.State) bool { return s.Bundle == p.version && w.Bundle == p.version })
}

// waitForTag waits until the tag of the hub is set on the machine.
func (p *testSite) waitForTag(ctx context.Context) error {
	return p.wait(ctx, "the hub's tag",
		func(s control.Status, w wire.State) bool { return len(s.Tags) == 1 && w.Tagged })
}

// untag removes the tag that the hub set while the previous program of the sequence ran.
func (p *testSite) untag(ctx context.Context) error {
	if err := p.waitForTag(ctx); err != nil {
		return err
	}
	if _, err := p.ask(ctx, control.Request{Do: "untag"}); err != nil {
		return err
	}
	return p.wait(ctx, "no tag",
		func(s control.Status, w wire.State) bool { return len(s.Tags) == 0 && !w.Tagged })
}

// startAndStop starts a session with a card, and ends the session with a stop command from the hub.
func (p *testSite) startAndStop(ctx context.Context) error {
	if _, err := p.ask(ctx, control.Request{Do: "tap", Card: card}); err != nil {
		return err
	}
	if err := p.wait(ctx, "a session with the relay closed",
		func(s control.Status, w wire.State) bool { return s.Relay && w.Relay && s.Session != "" }); err != nil {
		return err
	}
	if r, err := p.hub.Command(ctx, laser, wire.Command{Do: "stop"}); err != nil || !r.OK {
		return fmt.Errorf("machine did not end its session after the hub's stop command: %+v, %v", r, err)
	}
	return p.wait(ctx, "the relay open after the stop",
		func(s control.Status, w wire.State) bool { return !s.Relay && !w.Relay && s.Session == "" })
}

// waitForRecords waits until the hub has acknowledged all records, and then checks the formats and the generation of
// the journal.
func (p *testSite) waitForRecords(ctx context.Context, first bool, x program) error {
	if err := p.wait(ctx, "all records acknowledged", func(s control.Status, w wire.State) bool {
		return s.Journal > 5 && s.Acked == s.Journal && w.Journal == s.Journal && p.hub.Machines()[0].Held == s.Journal
	}); err != nil {
		return err
	}
	m := p.hub.Machines()[0]
	if m.Trouble != "" {
		return fmt.Errorf("hub refused records: %s", m.Trouble)
	}
	if got := max(1, m.State.Format); got != x.format || (got > 1) != (m.State.Program != "") {
		return fmt.Errorf("machine's state has format %d and program %q, want format %d", m.State.Format, m.State.Program,
			x.format)
	}
	if first {
		p.generated = m.State.Generation
	}
	return p.sameGeneration(ctx, first, x, m.State.Generation)
}

// sameGeneration checks that the journal of the first program, the machine's state and the hub's ledger have the same
// generation.
func (p *testSite) sameGeneration(ctx context.Context, first bool, x program, inState wire.Generation) error {
	all, err := p.hub.Ledger().Generations(ctx, laser)
	if err != nil || len(all) != 1 || all[0].Generation != inState || inState != p.generated {
		return fmt.Errorf("journal's generations differ: state has %q, first program created %q, ledger has %+v, %v",
			string(inState), string(p.generated), all, err)
	}
	if (p.generated == "") != (first && x.format == 1 || !first) {
		return fmt.Errorf("generation %q of the journal does not match a program of format %d", string(p.generated),
			x.format)
	}
	return nil
}

// ask sends a request to the machine's control socket, and fails if the machine refuses the request.
func (p *testSite) ask(ctx context.Context, r control.Request) (control.Reply, error) {
	out, err := control.Call(ctx, filepath.Join(p.dir, "m", "s"), r)
	if err == nil && !out.OK {
		err = fmt.Errorf("machine refused request %s: %s %s", r.Do, out.Error, out.EN)
	}
	return out, err
}

// wait waits until the function ok accepts the machine's status and the hub's view of the machine.
func (p *testSite) wait(ctx context.Context, what string, ok func(control.Status, wire.State) bool) error {
	var status control.Status
	var state wire.State
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(look) {
		var r control.Reply
		if r, err = p.ask(ctx, control.Request{Do: "status"}); err != nil || r.Status == nil {
			continue
		}
		status = *r.Status
		if m := p.hub.Machines(); len(m) == 1 && m[0].State != nil {
			state = *m[0].State
		}
		if ok(status, state) {
			return nil
		}
	}
	return fmt.Errorf(
		"waited %s in vain for %s; machine's status is %+v, its state at the hub is %+v, %v",
		patience,
		what,
		status,
		state,
		errors.Join(err, ctx.Err()),
	)
}
