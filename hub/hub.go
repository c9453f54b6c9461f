// Package hub is the hub of a site: it stores the records of the machines, serves the bundle that the machines use, and
// sends commands to the machines.
//
//	hub.yaml ─▶ Config ─▶ New ─▶ Run(ctx) ─▶ Close
//
//	records ─▶ ledger (commit) ─▶ acknowledgement, signed, retained
//	bundle file ─▶ store ─▶ manifest, retained; chunks by hash over HTTP, on loopback
//	Command ─▶ signed command ─▶ reply
//	tag in a file ─▶ Command, until the machine's journal has the tag
//	ledger + policy ─▶ evidence, signed
//
// The hub trusts no client of the broker. The ledger accepts a record only if the machine's key signed it. The hub
// uses a machine's reported state only to choose which messages it sends to the machine again. A reply must contain
// the id of its command. Because the broker may lose any message, the hub publishes manifest and acknowledgements
// again on every connection. If the connection is lost, Run reconnects with backoff and jitter; the machines continue
// to work.
//
// New refuses a hub.yaml with a fault, and a broker without accounts that can be reached from the network. The hub
// serves chunks only on loopback and to enrolled machines, because chunks contain members' names. The hub refuses a
// bundle of another site, a bundle older than the bundle in force, and a bundle that the bundle key did not sign.
package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub/broker"
	"portillon/hub/ledger"
	"portillon/wire"
)

// Hub is the hub of a site, from New until Close. Each part of the hub is a separate type.
type Hub struct {
	core        *core
	fleet       *fleet
	connector   *connector
	commands    *commands
	tags        *tagKeeper
	bundles     *bundleStore
	loopback    *loopback
	health      *health
	cards       *cards
	enrolments  *enrolments
	services    *services
	pagesServer *pagesServer
}

// dialing contains the parameters with which the hub connects to the broker.
type dialing struct{ url, username, password string }

// Options replace dependencies of the hub for tests. A real hub uses the zero Options.
type Options struct {
	Log *slog.Logger
	Now func() time.Time
	// Offline is set for demonstrations: the hub fetches no badges, status lists or keys over the network.
	Offline bool
	// Version is the program's version; empty: the version from the build.
	Version string
}

// New opens the ledger, starts the broker inside this program if configured, and opens the listeners. Close closes
// everything.
func New(c Config, o Options) (*Hub, error) {
	h := newHub(c, o)
	if err := (&opening{hub: h}).open(); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// newHub returns a hub whose database, broker and listeners are not open yet.
func newHub(c Config, o Options) *Hub {
	k := &core{c: c, log: o.Log, now: o.Now, topics: wire.Topics{Site: c.Site}, program: o.Version, offline: o.Offline}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	if k.now == nil {
		k.now = time.Now
	}
	if k.program == "" {
		k.program = buildVersion()
	}
	k.started = k.now()
	return newParts(k)
}

// open opens the parts of the hub in the order of their dependencies: the database first, the listeners last.
func (op *opening) open() (err error) {
	if op.hub.core.signer, err = op.hub.core.c.Signer(); err != nil {
		return err
	}
	if err := op.openDatabase(); err != nil {
		return err
	}
	// Create today's seal key, with which machines encrypt the numbers of unknown cards.
	op.hub.cards.seal = sealKeys{dir: op.hub.core.c.sealDir()}
	op.hub.cards.renewSeal()
	// Add the machines of hub.yaml. openJoin adds the machines that joined over the network.
	for _, m := range op.hub.core.c.Machines {
		if err := op.hub.fleet.know(m.ID); err != nil {
			return err
		}
	}
	if err := op.ownBundleKey(); err != nil {
		return err
	}
	// Read the stored bundle, and install a newer bundle from the bundle file.
	if op.hub.core.c.Bundle.Key != nil {
		op.openStore()
		if op.hub.core.c.Bundle.File != "" {
			op.hub.bundles.seen = fileStampOf(op.hub.core.c.Bundle.File)
			op.hub.bundles.installBundleFile(op.hub.bundles.seen)
		}
	}
	if op.hub.core.c.HTTP != "" {
		if op.hub.loopback.http, err = net.Listen("tcp", op.hub.core.c.HTTP); err != nil {
			return fmt.Errorf("http: %w", err)
		}
	}
	// The authority starts before the broker, because the authority signs the broker's certificate. The broker starts
	// before the enrolment, because the enrolment adds the machines' accounts to the broker.
	if err := op.prepareJoin(); err != nil {
		return err
	}
	if err := op.reach(); err != nil {
		return err
	}
	if err := op.openAudit(); err != nil {
		return err
	}
	if err := op.openJoin(); err != nil {
		return err
	}
	return op.openManaged()
}

// openStore opens the folder with the bundle in force.
func (op *opening) openStore() {
	op.hub.bundles.store = wire.Store{
		Dir:    filepath.Join(op.hub.core.c.Data, "bundle"),
		Site:   op.hub.core.c.Site,
		Keys:   note.VerifierList(op.hub.core.c.Bundle.Key),
		Policy: op.hub.core.c.Bundle.policyKeys(),
	}
	op.hub.bundles.readStore()
}

// reach starts the broker inside this program, or stores the parameters for connecting to a separate broker.
func (op *opening) reach() error {
	m := op.hub.core.c.MQTT
	if m.Broker != "" {
		op.hub.connector.dial = dialing{url: m.Broker, username: m.Username}
		if m.PasswordFile == "" {
			return nil
		}
		var err error
		op.hub.connector.dial.password, err = readPassword(m.PasswordFile)
		return err
	}
	accounts, err := op.brokerAccounts()
	if err != nil {
		return err
	}
	// The broker accepts machines only once openJoin has added the accounts of joined machines.
	c := broker.Config{
		Addr:     m.Listen,
		Dir:      filepath.Join(op.hub.core.c.Data, "broker"),
		Site:     op.hub.core.c.Site,
		Accounts: accounts,
		Wait:     true,
		Log:      op.hub.core.log,
	}
	scheme := "tcp"
	if m.Cert != "" {
		cert, err := tls.LoadX509KeyPair(m.Cert, m.CertKey)
		if err != nil {
			return fmt.Errorf("mqtt: cert: %w", err)
		}
		c.TLS, scheme = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, "ssl"
	}
	if op.hub.enrolments.authority != nil {
		c.TLS, scheme, c.Room = op.hub.enrolments.brokerTLS(), "ssl", maxJoined
	}
	if op.hub.connector.broker, err = op.startBroker(c); err != nil {
		return err
	}
	op.hub.connector.dial.url = scheme + "://" + op.hub.connector.broker.Addr()
	return nil
}

// brokerAccounts returns the accounts at the broker inside this program. The hub's own account has a random password
// that is never stored.
func (op *opening) brokerAccounts() ([]broker.Account, error) {
	var out []broker.Account
	for _, m := range op.hub.core.c.Machines {
		if m.PasswordFile == "" {
			continue
		}
		p, err := readPassword(m.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("machines.%s.password-file: %w", m.ID, err)
		}
		out = append(out, broker.Account{User: string(m.ID), Password: p, As: broker.AsMachine, Machine: m.ID})
	}
	if len(out) == 0 && op.hub.enrolments.authority == nil {
		return nil, nil
	}
	if op.hub.core.c.MQTT.Watcher != "" {
		p, err := readPassword(op.hub.core.c.MQTT.Watcher)
		if err != nil {
			return nil, fmt.Errorf("mqtt.watcher: %w", err)
		}
		out = append(out, broker.Account{User: "+watcher", Password: p, As: broker.AsWatcher})
	}
	// The name of the hub's account contains a plus, because no machine can have an id with a plus.
	op.hub.connector.dial.username, op.hub.connector.dial.password = "+hub", randomHex(16)
	return append(
		out,
		broker.Account{User: op.hub.connector.dial.username, Password: op.hub.connector.dial.password, As: broker.AsHub},
	), nil
}

// Run runs the hub until ctx ends. Run returns ctx's error, or the error that stopped the hub.
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
	start(h.connector.stayConnected)
	start(h.tags.sendTags)
	start(h.releaseMemory)
	start(h.cards.keepSealFresh)
	start(h.fleet.keepStates)
	if h.core.c.Bundle.File != "" {
		start(h.bundles.watchBundle)
	}
	if h.loopback.http != nil {
		start(h.loopback.serve)
	}
	if h.enrolments.listener != nil {
		start(h.enrolments.serveJoin)
	}
	(&opening{hub: h}).runManaged(start)
	<-ctx.Done()
	all.Wait()
	return context.Cause(ctx)
}

// Close closes the listeners, the broker and the database that New opened, in reverse order.
func (h *Hub) Close() error {
	var errs []error
	if h.connector.broker != nil {
		errs = append(errs, h.connector.broker.Close())
	}
	if h.loopback.http != nil {
		if err := h.loopback.http.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	errs = append(errs, (&opening{hub: h}).closeManaged(), (&opening{hub: h}).closeJoin())
	if h.core.db != nil {
		errs = append(errs, h.core.db.Close())
	}
	return errors.Join(errs...)
}

// Broker returns the URL of the broker that the hub uses.
func (h *Hub) Broker() string { return h.connector.dial.url }

// HTTP returns the base URL of the manifest and the chunks; empty: the hub serves no chunks.
func (h *Hub) HTTP() string {
	if h.loopback.http == nil {
		return ""
	}
	return "http://" + h.loopback.http.Addr().String()
}

// Ledger returns the hub's ledger, for reading.
func (h *Hub) Ledger() *ledger.Ledger { return h.core.ledger }

// Run opens a hub, runs the hub until ctx ends, and closes the hub.
func Run(ctx context.Context, c Config, o Options) error {
	h, err := New(c, o)
	if err != nil {
		return err
	}
	err = h.Run(ctx)
	return errors.Join(err, h.Close())
}
