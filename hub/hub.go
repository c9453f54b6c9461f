// Package hub is the office of a site: it takes in what the machines recorded, hands out the bundle they work from, and
// gives orders.
//
//	hub.yaml ─▶ Config ─▶ New ─▶ Run(ctx) ─▶ Close
//
//	records ─▶ ledger (commit) ─▶ acknowledgement, signed, retained
//	bundle file ─▶ store ─▶ manifest, retained; chunks by hash over HTTP, on loopback
//	Command ─▶ signed order ─▶ reply
//	tag in a file ─▶ Command, until the machine's journal says that it hangs
//	ledger + policy ─▶ evidence, signed
//
// It trusts nobody on the broker: records count only as the ledger judges them, by the machines' own keys; a state is a
// hint, after which it sends what the machine seems to lack; a reply is believed to belong to the order whose id it
// bears. The broker may lose anything: manifest and acknowledgements are published anew on every connect. Run
// reconnects for ever, with a pause that grows and varies; a machine notices nothing of it.
//
// It refuses: a hub.yaml with any fault; a broker inside that the network could reach and that knows nobody; to serve
// chunks beyond loopback (they hold members' names); a bundle of another site, an older one, or one that the bundle key
// did not sign.
package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub/account"
	"portillon/hub/api"
	"portillon/hub/audit"
	"portillon/hub/broker"
	"portillon/hub/cardkey"
	"portillon/hub/chunks"
	"portillon/hub/directory"
	"portillon/hub/enrol"
	"portillon/hub/ledger"
	"portillon/hub/publish"
	"portillon/hub/report"
	"portillon/hub/store"
	"portillon/hub/web"
	"portillon/openbadge"
	"portillon/policy"
	"portillon/wire"
	"portillon/wire/mqtt"
)

// Hub is an office that is open until Close.
type Hub struct {
	c       Config
	log     *slog.Logger
	now     func() time.Time
	started time.Time
	program string      // the version
	linked  atomic.Bool // connected to the broker
	signer  note.Signer
	topics  wire.Topics
	db      *store.DB
	ledger  *ledger.Ledger
	seal    sealKeys
	broker  *broker.Broker // nil: outside
	dial    dialing
	store   wire.Store
	http    net.Listener // nil: chunks are not served

	// Machines that join over the network. All nil: a hub where none does.
	authority        *enrol.Authority // signs the machines' certificates
	siteCert         *siteCert        // the hub's certificate; nil: authority signs it
	enrolment        *enrol.Service
	machinesListener net.Listener
	replacing        map[policy.MachineID]string // who let the machine's next journal in

	// What a hub has that keeps the site itself: its directory, its policy, and those who sign in. All nil: a hub
	// beside a site of files.
	audit       *audit.Log
	accounts    *account.Service
	directory   *directory.Service
	publish     *publish.Service
	report      *report.Service
	policies    policies
	cardKey     *cardkey.Service
	rebinds     rebinds
	settings    settings
	returned    returnedPolicies
	api         *api.API
	pages       *web.Pages
	webServer   *http.Server
	webListener net.Listener
	// fetchDocuments finds documents on the web; nil: a client of the hub's own.
	fetchDocuments func(context.Context) openbadge.Resolver
	ownerCode      string // of the first owner; empty: there is an owner

	offline bool
	logs    struct { // what the newest journals say of now
		mu sync.Mutex
		of map[policy.MachineID]machineLog
	}
	orders  chan order
	seen    stamp         // of the bundle file, when it was last taken in; the watcher's own
	renewed chan struct{} // the bundle is another one; holds one
	heard   chan struct{} // closed at the first subscription
	first   sync.Once

	logDropped func(mqtt.Dropped)
	chunks     *chunks.Server

	mu       sync.Mutex // guards what follows
	manifest []byte     // signed; nil: none yet
	version  uint64
	inForce  wire.Manifest   // the same, read
	served   map[string]bool // the chunks that may be handed out, by their hashes
	readAll  time.Time       // when Bundles.Install last read all chunks; zero: the next one does
	machines map[policy.MachineID]*Machine
	waiting  map[string]chan wire.Reply // by the id of the command
	trouble  databaseTrouble
	// unwritten is why the last transaction of any service was not written; nil: it was.
	unwritten error
}

// dialing is how the broker is reached.
type dialing struct{ url, username, password string }

// Options are what a test brings. The zero Options are the process's own.
type Options struct {
	Log *slog.Logger
	Now func() time.Time
	// Offline keeps a hub from asking the web for badges, status lists and keys: for demonstrations.
	Offline bool
	// Version is the program's; empty: as it was built.
	Version string
}

// New opens the ledger, starts the broker inside if there is to be one, and listens. Close undoes all of it.
func New(c Config, o Options) (*Hub, error) {
	h := newHub(c, o)
	if err := h.open(); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// newHub is a hub that has nothing open yet.
func newHub(c Config, o Options) *Hub {
	h := &Hub{c: c, log: o.Log, now: o.Now, topics: wire.Topics{Site: c.Site}, orders: make(chan order), renewed: make(chan struct{}, 1), heard: make(chan struct{}),
		machines: map[policy.MachineID]*Machine{}, waiting: map[string]chan wire.Reply{}}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.now == nil {
		h.now = time.Now
	}
	if h.program = o.Version; h.program == "" {
		h.program = buildVersion()
	}
	h.started = h.now()
	h.logDropped, h.offline = mqtt.LogDropped(h.log, h.now), o.Offline
	h.chunks = chunks.New(chunks.Options{Served: h.isServed, Read: h.chunk})
	return h
}

func (h *Hub) open() (err error) {
	if h.signer, err = h.c.Signer(); err != nil {
		return err
	}
	if err := h.openDatabase(); err != nil {
		return err
	}
	h.seal = sealKeys{dir: h.c.sealDir()}
	h.renewSeal()
	for _, m := range h.c.Machines {
		if err := h.know(m.ID); err != nil {
			return err
		}
	}
	if err := h.ownBundleKey(); err != nil {
		return err
	}
	if h.c.Bundle.Key != nil {
		h.openStore()
		if h.c.Bundle.File != "" {
			h.seen = stampOf(h.c.Bundle.File)
			h.takeBundle(h.seen)
		}
	}
	if h.c.HTTP != "" {
		if h.http, err = net.Listen("tcp", h.c.HTTP); err != nil {
			return fmt.Errorf("http: %w", err)
		}
	}
	if err := h.prepareJoin(); err != nil {
		return err
	}
	if err := h.reach(); err != nil {
		return err
	}
	if err := h.openAudit(); err != nil {
		return err
	}
	if err := h.openJoin(); err != nil {
		return err
	}
	return h.openManaged()
}

// openStore opens the folder of the bundle in force.
func (h *Hub) openStore() {
	h.store = wire.Store{Dir: filepath.Join(h.c.Data, "bundle"), Site: h.c.Site, Keys: note.VerifierList(h.c.Bundle.Key),
		Policy: h.c.Bundle.policyKeys()}
	h.readStore()
}

// reach starts the broker inside, or notes how the one outside is reached.
func (h *Hub) reach() error {
	m := h.c.MQTT
	if m.Broker != "" {
		h.dial = dialing{url: m.Broker, username: m.Username}
		if m.PasswordFile == "" {
			return nil
		}
		var err error
		h.dial.password, err = readPassword(m.PasswordFile)
		return err
	}
	accounts, err := h.brokerAccounts()
	if err != nil {
		return err
	}
	// Machines wait until the accounts of those that joined are known (openJoin).
	c := broker.Config{Addr: m.Listen, Dir: filepath.Join(h.c.Data, "broker"), Site: h.c.Site, Accounts: accounts,
		Wait: true, Log: h.log}
	scheme := "tcp"
	if m.Cert != "" {
		cert, err := tls.LoadX509KeyPair(m.Cert, m.CertKey)
		if err != nil {
			return fmt.Errorf("mqtt: cert: %w", err)
		}
		c.TLS, scheme = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, "ssl"
	}
	if h.authority != nil {
		c.TLS, scheme, c.Room = h.brokerTLS(), "ssl", maxJoined
	}
	if h.broker, err = h.startBroker(c); err != nil {
		return err
	}
	h.dial.url = scheme + "://" + h.broker.Addr()
	return nil
}

// brokerAccounts are those at the broker inside. The hub's own has a password that nobody ever sees.
func (h *Hub) brokerAccounts() ([]broker.Account, error) {
	var out []broker.Account
	for _, m := range h.c.Machines {
		if m.PasswordFile == "" {
			continue
		}
		p, err := readPassword(m.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("machines.%s.password-file: %w", m.ID, err)
		}
		out = append(out, broker.Account{User: string(m.ID), Password: p, As: broker.AsMachine, Machine: m.ID})
	}
	if len(out) == 0 && h.authority == nil {
		return nil, nil
	}
	if h.c.MQTT.Watcher != "" {
		p, err := readPassword(h.c.MQTT.Watcher)
		if err != nil {
			return nil, fmt.Errorf("mqtt.watcher: %w", err)
		}
		out = append(out, broker.Account{User: "+watcher", Password: p, As: broker.AsWatcher})
	}
	h.dial.username, h.dial.password = "+hub", random(16) // no machine's id holds a plus
	return append(out, broker.Account{User: h.dial.username, Password: h.dial.password, As: broker.AsHub}), nil
}

// Run works until ctx ends. It returns ctx's error, or what made work impossible.
func (h *Hub) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	start := func(f func(context.Context) error) {
		all.Go(func() {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				cancel(err)
			}
		})
	}
	start(h.stayConnected)
	start(h.bringTags)
	start(h.releaseMemory)
	start(h.keepSealFresh)
	start(h.keepStates)
	if h.c.Bundle.File != "" {
		start(h.watchBundle)
	}
	if h.http != nil {
		start(h.serve)
	}
	if h.machinesListener != nil {
		start(h.serveJoin)
	}
	h.runManaged(start)
	<-ctx.Done()
	all.Wait()
	return context.Cause(ctx)
}

// Close closes what New opened, last in, first out.
func (h *Hub) Close() error {
	var errs []error
	if h.broker != nil {
		errs = append(errs, h.broker.Close())
	}
	if h.http != nil {
		if err := h.http.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	errs = append(errs, h.closeManaged(), h.closeJoin())
	if h.db != nil {
		errs = append(errs, h.db.Close())
	}
	return errors.Join(errs...)
}

// Broker is the URL of the broker that the hub uses.
func (h *Hub) Broker() string { return h.dial.url }

// HTTP is the URL below which the manifest and chunks are served; empty: nowhere.
func (h *Hub) HTTP() string {
	if h.http == nil {
		return ""
	}
	return "http://" + h.http.Addr().String()
}

// Ledger is the hub's ledger, for reading.
func (h *Hub) Ledger() *ledger.Ledger { return h.ledger }

// Run opens a hub, works until ctx ends, and closes it.
func Run(ctx context.Context, c Config, o Options) error {
	h, err := New(c, o)
	if err != nil {
		return err
	}
	err = h.Run(ctx)
	return errors.Join(err, h.Close())
}
