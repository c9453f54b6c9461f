package daemoncmd

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"portillon/daemon"
	"portillon/daemon/control"
	"portillon/daemon/journal"
	"portillon/daemon/panel"
	"portillon/daemon/roster"
	"portillon/daemon/session"
	"portillon/daemon/uplink"
	"portillon/policy"
	"portillon/rfid"
	"portillon/wire"
)

// Daemon is a portillond with all its parts. Call Run once, then Close.
type Daemon struct {
	c       Config
	clock   clock
	log     *slog.Logger
	local   *localJournal    // opens the journal
	journal *journal.Journal // nil: not open
	guard   *guardClient
	bundles *bundleUpdater
	machine *daemon.Machine
	// loop is the machine, or nil until the machine's loop runs. While loop is nil, the guard does not check whether
	// the loop is alive, because a slow disk at the start must not count as a hanging daemon. The relay cannot be
	// switched on before the loop runs.
	loop   atomic.Pointer[daemon.Machine]
	uplink *uplink.Uplink
	panel  *panel.Panel
	web    net.Listener
	socket net.Listener
	taps   chan rfid.Event
	orders *wire.Commands
	broken error // error that prevents the opening of the journal; nil: the journal is open
	// brokenStamp is the size and the modification time of the journal file that could not be opened.
	brokenStamp string
	older       *daemon.JournalMismatch
	seal        sealKey
	stateKeys   func() wire.StateKeys
	hub         *hubWatch // nil: the machine was not enrolled, or the hub's files cannot be read
}

// store returns the folder with the bundle in force.
func (c Config) store(k keys) wire.Store {
	return wire.Store{Dir: filepath.Join(c.Data, "bundle"), Site: policy.SiteID(c.Site), Keys: k.bundle, Policy: k.policy}
}

// rosterOptions returns this machine's options for reading bundles, without the options for files in the data folder.
func (c Config) rosterOptions(k keys) roster.Options {
	ring := k.cardKeyRing()
	return roster.Options{
		Machine:       policy.MachineID(c.Machine),
		CardKey:       ring[0],
		OtherCardKeys: ring[1:],
		ShortNumbers:  c.Reader.GivesShortNumbers(),
		Policy:        k.policy,
	}
}

// Open assembles the daemon. The relay is off when Open returns.
func Open(ctx context.Context, c Config, clk clock, log *slog.Logger) (*Daemon, error) {
	k, errs := c.readKeys(c.secrets())
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	d := &Daemon{c: c, clock: clk, log: log, taps: make(chan rfid.Event, 8)}
	d.local = &localJournal{c: c, clock: clk, log: log, onDamage: d.reportDamage}
	if err := d.open(ctx, k); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// open opens the journal, the connection to the hub, the bundle and the sockets, in this order, because each step uses
// the results of the previous steps. If the journal cannot be opened, the machine stays off and the panel shows the
// reason (openBroken).
func (d *Daemon) open(ctx context.Context, k keys) (err error) {
	if err := os.MkdirAll(d.c.Data, 0o700); err != nil {
		return d.openBroken(err)
	}
	d.c.Reader.host.Prove = k.strong
	d.c.Reader.host.Keypad = func() { d.log.Info("key presses on the reader's keypad are ignored") }
	d.c.Reader.host.Unread = func(u rfid.Unread) {
		select {
		case d.taps <- rfid.Event{Unread: u}:
		default: // the machine's loop is busy and the reader must not wait, so drop the notice
		}
	}
	err = d.local.open(ctx, k)
	if d.journal = d.local.journal; errors.Is(err, journal.ErrInUse) {
		return err
	} else if err != nil {
		return d.openBroken(err)
	}
	if err := d.local.restoreFacts(ctx); err != nil {
		return err
	}
	// Restore what the previous daemon stored: the hub's acknowledgement, the hub's seal key, and the time of the last
	// clock synchronisation.
	d.older = d.local.olderThanAcked(k)
	if a, ok := d.local.lastAck(k); ok {
		d.seal.set(a.Seal)
	}
	if v := d.clock.trust; v != nil {
		if was, err := d.journal.Facts(factClockSync); err == nil {
			v.restore(was[factClockSync], journal.BootID())
		}
	}
	// Prepare the connection to the hub, and the bundle updater. No connection is opened yet.
	d.openHub(k)
	d.stateKeys = d.c.stateKeys(k, diskFree)
	if err := d.openUplink(k); err != nil {
		return err
	}
	d.openBundles(k)
	// Open the sockets last, so that no client connects before the machine is complete.
	if d.web, err = d.c.Panel.listen(); err != nil {
		return err
	}
	if d.socket, err = control.Listen(d.c.Control); err != nil {
		return err
	}
	return d.assemble(ctx)
}

// openBundles prepares the bundle updater.
func (d *Daemon) openBundles(k keys) {
	d.bundles = &bundleUpdater{
		machine:   policy.MachineID(d.c.Machine),
		store:     d.c.store(k),
		conf:      d.c.Bundle,
		now:       d.clock.now,
		log:       d.log,
		options:   d.c.rosterOptions(k),
		manifests: make(chan []byte, 1),
		chunks:    wire.Assembler{Source: d.hub.chunks()},
	}
	d.bundles.chunks.Store = d.bundles.store
	d.bundles.returns.log = d.log
	d.bundles.cardKeys.keep = func(given, held [][]byte) ([][]byte, error) {
		return d.c.keepCardKeys(given, held, d.bundles.store)
	}
	if d.hub != nil {
		d.hub.bundles = d.bundles
		d.bundles.cardKeys.ask, d.bundles.cardKeys.again = d.hub.link.CardKeys, make(chan struct{}, 1)
		d.bundles.returns.to = d.hub.link
	}
	d.bundles.options.Memory = filepath.Join(d.c.Data, "verdicts")
	d.bundles.options.Revoked = filepath.Join(d.c.Data, "revoked.json")
}

// assemble starts the guard, loads the bundle, ends the session that the previous daemon left open, and creates the
// machine.
func (d *Daemon) assemble(ctx context.Context) error {
	signals := make(chan daemon.Signal, 16)
	d.guard = &guardClient{
		command: d.guardCommand,
		signals: signals,
		log:     d.log,
		alive:   func() bool { m := d.loop.Load(); return m == nil || m.Alive() },
	}
	guarded := make(chan error, 1)
	go func() { guarded <- d.guard.start(ctx) }() // start the guard while the bundle is loaded
	first, refused := d.bundles.firstRoster()
	// Sessions are counted in days of the site's time zone.
	zone := time.UTC
	if first != nil {
		zone = first.Policy.Zone
	}
	if err := <-guarded; err != nil {
		// do not record the end of the last session yet, because the guard of the previous daemon may keep the relay on
		// until its job is finished
		return err
	}
	owed, err := d.local.endOpenSession(zone)
	if err != nil {
		return err
	}
	removed, err := d.journal.RemovedTags(daemon.FactRemoved)
	if err != nil {
		return err
	}
	// Compare the tags in the facts with the tags in the records. If a tag is only in the records and not in the facts,
	// the tag is in force too.
	was, unread := d.local.readFacts()
	why, err := d.local.compareTags(&was, unread)
	if err != nil {
		return err
	}
	d.panel = d.newPanel(machineActions{d})
	p := d.machineConfig(was)
	p.Roster, p.Signals, p.RemovedTags, p.Owed = first, signals, removed, owed
	p.LastTrusted, p.Keys = d.journal.LastTrusted, d.stateKeys
	if d.uplink != nil {
		p.Uplink, p.Acked, p.HubHealth, p.SealKey = d.uplink, d.uplink.Acked, d.hubHealth, d.seal.get
	}
	if p.Awaits, p.Restored, err = d.local.restoreFlags(); err != nil {
		return err
	}
	d.machine = daemon.New(p)
	d.bundles.onState = d.machine.SetBundleState
	d.machine.SetBundleState(d.bundles.state)
	if d.older != nil {
		d.machine.SetJournalMismatch(*d.older)
	}
	return d.local.recordStart(first, refused, d.local.faultRecords(was, why))
}

// newPanel creates the panel. The panel calls actions when somebody touches the page.
func (d *Daemon) newPanel(actions panel.Actions) *panel.Panel {
	return panel.New(panel.Config{
		Machine: policy.MachineID(d.c.Machine),
		Name:    policy.Text{FR: d.c.Machine, EN: d.c.Machine},
		Now:     d.clock.now,
		Framed:  d.c.Panel.Framed,
		URL:     d.c.Panel.URL,
		Screens: d.c.Panel.Screens,
		Actions: actions,
		Photos:  d.album(),
	})
}

// machineConfig returns the machine's configuration, from the file and from what the previous daemon stored.
func (d *Daemon) machineConfig(was facts) daemon.Config {
	return daemon.Config{
		Site:          policy.SiteID(d.c.Site),
		Machine:       policy.MachineID(d.c.Machine),
		Now:           d.clock.now,
		Trusted:       d.clock.trusted,
		NewID:         newID,
		Program:       Version,
		HasBusy:       d.c.Relay.Busy != "",
		Ignore:        d.c.Relay.Ignore,
		Reader:        d.c.Reader.Kind != noReader,
		Journal:       diskJournal{d.journal},
		Switch:        d.guard,
		Panel:         d.panel,
		Logger:        d.log,
		Taps:          d.taps,
		Tags:          was.tags,
		Practice:      was.practice,
		Done:          was.done,
		Ran:           was.ran,
		RestartScreen: restartScreen(os.Getenv("RUNTIME_DIRECTORY"), d.c.Machine),
	}
}

// machineActions executes the actions that somebody requests at the panel. The panel is created before the machine, so
// each call looks up the machine.
type machineActions struct{ d *Daemon }

// Do implements panel.Actions.
func (c machineActions) Do(ctx context.Context, o panel.Touch) error {
	return c.d.machine.Actions().Do(ctx, o)
}

// Form implements panel.Actions.
func (c machineActions) Form(ctx context.Context, a panel.FormRequest) (panel.Form, error) {
	return c.d.machine.Actions().Form(ctx, a)
}

// Write implements panel.Actions.
func (c machineActions) Write(ctx context.Context, token string, e panel.Entry) (policy.Text, error) {
	return c.d.machine.Actions().Write(ctx, token, e)
}

// album returns the folder for photos beside the journal, limited to 200 MB: about 800 photos of the size that the
// page of a phone sends.
func (d *Daemon) album() *panel.Album {
	a := &panel.Album{Dir: filepath.Join(d.c.Data, "photos"), Max: 200 << 20, Most: 2000}
	a.Forget()
	return a
}

// guardCommand returns the command that starts the guard's process, which is this program under the name portillond.
func (d *Daemon) guardCommand() *exec.Cmd {
	args := []string{"portillond", "guard"}
	args = append(args, guardFlags(d.c.wiring())...)
	return &exec.Cmd{Path: executablePath(), Args: args, Stderr: os.Stderr}
}

// executablePath returns the path of the running executable. On Linux the path leads to the running program even if an
// upgrade has replaced the file, because daemon and guard must have the same version.
func executablePath() string {
	const running = "/proc/self/exe"
	if _, err := os.Stat(running); err == nil {
		return running
	}
	if path, err := os.Executable(); err == nil {
		return path
	}
	return os.Args[0]
}

// openUplink prepares the connection to the broker, but does not dial yet. Without a broker, the machine has no uplink.
func (d *Daemon) openUplink(k keys) error {
	if d.c.MQTT.Broker == "" {
		return nil
	}
	site, m := policy.SiteID(d.c.Site), policy.MachineID(d.c.Machine)
	topic, doc := wire.Topics{Site: site}.Discovery(m, d.c.Machine, Version)
	d.orders = &wire.Commands{Site: site, Machine: m, Keys: k.hub, Started: d.clock.now()}
	password, err := d.c.secrets().path("mqtt: password-file", d.c.MQTT.PasswordFile)
	if err != nil {
		return err
	}
	tlsOfHub, resolve := d.hub.brokerRoute()
	d.uplink, err = uplink.New(
		uplink.Config{
			TLS:          tlsOfHub,
			Resolve:      resolve,
			Broker:       d.c.MQTT.Broker,
			Username:     d.c.MQTT.Username,
			PasswordFile: password,
			Site:         site,
			Machine:      m,
			Keys:         k.hub,
			Discovery:    uplink.Message{Topic: topic, Payload: doc},
			Logger:       d.log,
			Now:          d.clock.now,
			Trusted:      d.clock.trusted,
		},
		d.journal,
		uplink.Handlers{
			Bundle:  func(_ context.Context, m []byte) { d.bundles.offer(m) },
			Command: d.executeCommand,
			Acked:   func(signed []byte) { d.local.storeAck(signed); d.storeSeal(signed, k) },
			Other: func(o uplink.Other) {
				d.machine.SetJournalMismatch(daemon.JournalMismatch{Hub: o.Hub, Here: o.Here, New: o.New})
			},
			Fits:   func() { d.machine.JournalFits() },
			Former: d.local.replaced,
		},
	)
	return err
}

// hubHealth returns the state of the connection to the hub.
func (d *Daemon) hubHealth() daemon.HubHealth {
	h := d.uplink.Health()
	return daemon.HubHealth{
		Acknowledges: h.Hub,
		Broker:       h.Broker,
		Since:        h.Since,
		Owed:         h.Owed,
		Overdue:      h.Overdue,
		Why:          h.Code(),
		Detail:       h.Detail,
	}
}

// executeCommand executes a command that arrived over MQTT, and returns the reply. A refusal contains the reason, which
// the hub shows. The machine does not reply to a command for another machine or to a command that the hub has not sent.
func (d *Daemon) executeCommand(ctx context.Context, order []byte) []byte {
	if wire.IsRestore(order) {
		return d.restore(ctx, order)
	}
	c, err := d.orders.Open(order, d.clock.now(), d.clock.trusted())
	if err == nil {
		err = d.machine.Obey(ctx, c)
	}
	if err != nil {
		d.log.Warn("command refused", "do", c.Do, "why", err)
	}
	return replyTo(c.ID, err)
}

// replyTo returns the reply to a message of the hub, or nil if the message needs no reply.
func replyTo(id string, err error) []byte {
	if id == "" {
		return nil
	}
	out := wire.Reply{ID: id, OK: err == nil}
	if err != nil {
		out.Why = err.Error()
	}
	b, err := json.Marshal(out)
	if err != nil {
		return nil
	}
	return b
}

// idleGCPercent is the value of GOGC after the start. A Pi Zero has little memory and the daemon has little work, so
// garbage is collected more often than by default. The daemon sets the value after the start, because a start with this
// value would take an eighth longer.
const idleGCPercent = 50

// Run operates the machine until ctx ends. When Run returns, the relay is off, the end of the session is recorded, and
// all goroutines have ended.
func (d *Daemon) Run(ctx context.Context) error {
	if d.broken != nil {
		return d.runBroken(ctx)
	}
	rest, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	d.serve(rest, &work)
	fmt.Printf("ready panel=http://%s/\n", d.web.Addr())
	go notifySystemd(ctx, d.machine.Alive)
	d.loop.Store(d.machine)
	work.Go(func() {
		debug.SetGCPercent(idleGCPercent)
		releaseMemory()
	})
	err := d.machine.Run(ctx, tick) // Run of the machine returns once the relay is off and the end is recorded
	cancel()
	done := make(chan struct{})
	go func() { work.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(shutdownTimeout):
		d.log.Error("shutdown timed out while some goroutines still run")
	}
	return err
}

// serve starts all goroutines that communicate with the machine's loop.
func (d *Daemon) serve(ctx context.Context, work *sync.WaitGroup) {
	if open := d.c.Reader.readerOpener(); open != nil {
		work.Go(func() { rfid.Watch(ctx, open, d.taps) })
	}
	if d.uplink != nil {
		work.Go(func() { d.uplink.Run(ctx) })
	}
	work.Go(func() {
		d.bundles.run(ctx, func(r *roster.Roster) { d.machine.SetRoster(ctx, r) },
			func(err error) { d.machine.Refuse(ctx, 0, err) })
	})
	work.Go(func() {
		if err := control.Serve(ctx, d.socket, d.machine.Do); ctx.Err() == nil {
			d.log.Error("control", "why", err)
		}
	})
	if d.hub != nil {
		work.Go(func() { d.hub.run(ctx) })
	}
	if v := d.clock.trust; v != nil {
		work.Go(func() { v.watchClock(ctx, journal.BootID(), d.journal.Keep) })
	}
	web := limitConnections(d.web, d.c.Panel.Screens)
	page := &http.Server{
		Handler:           d.panel.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	work.Go(func() {
		if err := page.Serve(web); ctx.Err() == nil {
			d.log.Error("panel", "why", err)
		}
	})
	work.Go(func() { <-ctx.Done(); page.Close() })
	d.runLights(ctx, work)
}

// Close opens the relay, ends the guard and closes the journal.
func (d *Daemon) Close() error {
	var errs []error
	if d.guard != nil {
		errs = append(errs, d.guard.close())
	}
	if d.socket != nil {
		d.socket.Close()
	}
	if d.web != nil {
		d.web.Close()
	}
	if d.journal != nil {
		errs = append(errs, d.journal.Close())
	}
	return errors.Join(errs...)
}

// runLights sets the lamps to the state that the panel shows, if lamps are wired.
func (d *Daemon) runLights(ctx context.Context, work *sync.WaitGroup) {
	for _, set := range d.c.lamps() {
		if l := set.open(outputPin, d.log); l != (panel.Lights{}) {
			work.Go(func() { l.Follow(ctx, d.panel, d.log) })
		}
	}
}

// diskJournal implements daemon.Journal with the journal on the disk.
type diskJournal struct{ *journal.Journal }

// Append implements daemon.Journal.
func (r diskJournal) Append(e session.Record, facts map[string][]byte) error {
	_, err := r.Journal.Append(journal.Entry{Kind: e.Kind, Session: e.Session, Member: e.Member, Body: e.Body,
		Facts: facts})
	return err
}

// newID returns a random id for a session or a tag.
func newID() string {
	b := make([]byte, 8)
	rand.Read(b)
	return hex.EncodeToString(b)
}
