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

const (
	laser policy.MachineID = "laser"
	// card is Inès's of the example site: a maintainer of the laser, who may start it at any time.
	card = "04A224BA115E80"
	// patience is how long one thing may take on a loaded computer.
	patience = 30 * time.Second
	look     = 20 * time.Millisecond
)

// program is a portillond, and the number of the formats that it writes.
type program struct {
	path   string
	format int
}

// place is a site's folder, with a hub and one machine.
type place struct {
	dir       string
	site      *site.Site
	key       note.Signer // of bundles
	vkey      string
	hubKey    string // what machines pin
	conf      hub.Config
	hub       *hub.Hub
	start     time.Time // the programs' clock began at monday then
	version   uint64
	generated wire.Generation // of the journal, as the first program made it
}

// monday is when the example site's badges are valid.
var monday = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func (p *place) now() time.Time { return monday.Add(time.Since(p.start)) }

// story runs the programs one after the other on one machine's data, beside one hub.
func story(ctx context.Context, dir string, programs []program) error {
	p := &place{dir: dir, start: time.Now()}
	if err := p.prepare(); err != nil {
		return err
	}
	var log bytes.Buffer
	h, err := hub.New(p.conf, hub.Options{Now: p.now, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		return err
	}
	p.hub = h
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	for i, x := range programs {
		if err = p.chapter(ctx, i == 0, x); err != nil {
			err = fmt.Errorf("program %d: %w", i+1, err)
			break
		}
	}
	cancel()
	<-done
	if err = errors.Join(err, h.Close()); err != nil {
		return fmt.Errorf("%w\nthe hub's log:\n%s", err, log.String())
	}
	return nil
}

func newKey(name string) (skey, vkey string, err error) { return note.GenerateKey(rand.Reader, name) }

func (p *place) prepare() (err error) {
	machine := filepath.Join(p.dir, "m")
	if err := os.MkdirAll(machine, 0o700); err != nil {
		return err
	}
	if p.site, err = site.Read("site-example"); err != nil {
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
	p.conf = hub.Config{Site: "biklab", Data: filepath.Join(p.dir, "hub"), Key: filepath.Join(p.dir, "hub.key"),
		MQTT: hub.MQTTConfig{Listen: "127.0.0.1:0"}, HTTP: "127.0.0.1:0",
		Bundle:   hub.BundleConfig{File: filepath.Join(p.dir, "site.bundle"), Key: bundleKey},
		Machines: []hub.MachineConfig{{ID: laser, Key: pinned, PasswordFile: filepath.Join(p.dir, "password")}}}
	return p.bundle()
}

// bundle writes the next version of the bundle, where the hub looks for it.
func (p *place) bundle() error {
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

// daemon starts a portillond. The returned function ends it, and returns its log.
func (p *place) daemon(x program) (end func() string, err error) {
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
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
		stop := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer stop.Stop()
		_ = cmd.Wait() // the log says why
		return log.String()
	}, nil
}

// chapter is what one program must do.
func (p *place) chapter(ctx context.Context, first bool, x program) error {
	end, err := p.daemon(x)
	if err != nil {
		return err
	}
	err = p.work(ctx, first, x)
	if log := end(); err != nil {
		return fmt.Errorf("%w\nthe machine's log:\n%s", err, log)
	}
	return nil
}

// work takes a new bundle, starts a session, stops it and puts a tag on the machine, each seen by machine and hub.
func (p *place) work(ctx context.Context, first bool, x program) error {
	if err := p.waitForBundle(ctx); err != nil {
		return err
	}
	if !first { // the program before left its tag
		if err := p.untag(ctx); err != nil {
			return err
		}
	}
	if err := p.bundle(); err != nil {
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
	return p.settled(ctx, first, x)
}

func (p *place) waitForBundle(ctx context.Context) error {
	return p.wait(ctx, fmt.Sprintf("version %d of the bundle", p.version),
		func(s control.Status, w wire.State) bool { return s.Bundle == p.version && w.Bundle == p.version })
}

func (p *place) waitForTag(ctx context.Context) error {
	return p.wait(ctx, "the hub's tag",
		func(s control.Status, w wire.State) bool { return len(s.Tags) == 1 && w.Tagged })
}

// untag takes off the tag that the hub put on while another program ran here.
func (p *place) untag(ctx context.Context) error {
	if err := p.waitForTag(ctx); err != nil {
		return err
	}
	if _, err := p.ask(ctx, control.Request{Do: "untag"}); err != nil {
		return err
	}
	return p.wait(ctx, "no tag",
		func(s control.Status, w wire.State) bool { return len(s.Tags) == 0 && !w.Tagged })
}

// startAndStop starts a session with a card and ends it with a command of the hub.
func (p *place) startAndStop(ctx context.Context) error {
	if _, err := p.ask(ctx, control.Request{Do: "tap", Card: card}); err != nil {
		return err
	}
	if err := p.wait(ctx, "a session with the relay closed",
		func(s control.Status, w wire.State) bool { return s.Relay && w.Relay && s.Session != "" }); err != nil {
		return err
	}
	if r, err := p.hub.Command(ctx, laser, wire.Command{Do: "stop"}); err != nil || !r.OK {
		return fmt.Errorf("stop: %+v, %v", r, err)
	}
	return p.wait(ctx, "the relay open after the stop",
		func(s control.Status, w wire.State) bool { return !s.Relay && !w.Relay && s.Session == "" })
}

// settled waits until the hub has acknowledged all records, and looks at formats and generations.
func (p *place) settled(ctx context.Context, first bool, x program) error {
	if err := p.wait(ctx, "all records acknowledged", func(s control.Status, w wire.State) bool {
		return s.Journal > 5 && s.Acked == s.Journal && w.Journal == s.Journal && p.hub.Machines()[0].Held == s.Journal
	}); err != nil {
		return err
	}
	m := p.hub.Machines()[0]
	if m.Trouble != "" {
		return fmt.Errorf("the hub refused records: %s", m.Trouble)
	}
	if got := max(1, m.State.Format); got != x.format || (got > 1) != (m.State.Program != "") {
		return fmt.Errorf("the state says format %d and program %q, want format %d", m.State.Format, m.State.Program,
			x.format)
	}
	if first {
		p.generated = m.State.Generation
	}
	return p.sameGeneration(ctx, first, x, m.State.Generation)
}

// sameGeneration compares the generation of the journal as the first program, the state and the ledger name it.
func (p *place) sameGeneration(ctx context.Context, first bool, x program, inState wire.Generation) error {
	all, err := p.hub.Ledger().Generations(ctx, laser)
	if err != nil || len(all) != 1 || all[0].Generation != inState || inState != p.generated {
		return fmt.Errorf("the state says generation %q, the first program made %q, the ledger has %+v, %v",
			string(inState), string(p.generated), all, err)
	}
	if (p.generated == "") != (first && x.format == 1 || !first) {
		return fmt.Errorf("generation %q of a journal that a program of format %d goes on with", string(p.generated),
			x.format)
	}
	return nil
}

func (p *place) ask(ctx context.Context, r control.Request) (control.Reply, error) {
	out, err := control.Call(ctx, filepath.Join(p.dir, "m", "s"), r)
	if err == nil && !out.OK {
		err = fmt.Errorf("%s is refused: %s %s", r.Do, out.Error, out.EN)
	}
	return out, err
}

// wait looks at the machine, and at its state as the hub knows it, until both are as wanted.
func (p *place) wait(ctx context.Context, what string, ok func(control.Status, wire.State) bool) error {
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
	return fmt.Errorf("within %s: want %s; the machine says %+v, its state %+v, %v", patience, what, status, state,
		errors.Join(err, ctx.Err()))
}
