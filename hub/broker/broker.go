// Package broker is the MQTT 3.1.1 broker inside: an embedded NATS server (nats-io/nats-server/v2) with its MQTT
// gateway, for the hub and the demo. Any other 3.1.1 broker does as well; the conformance test of this room runs on
// this one and on plain mosquitto.
//
// It accepts an address (loopback, unless accounts are set), a folder for what is retained, and accounts. With
// accounts, a machine publishes only under its own prefix, hears only its own commands and acknowledgements, and nobody
// but the hub publishes a command, an acknowledgement or a bundle. A watcher (Home Assistant) hears availability, state
// and discovery, and says only that it is there.
//
// Accounts may be set and removed while the broker runs; a removed account's connections end at once.
//
// A proxy of ours passes all packets to the embedded server, which has no limits by user, and shows a client id to its
// CustomClientAuthentication only within a string for logs. The proxy refuses MQTT 5, QoS 2 publishes, packets of more
// than wire.MaxPacket (it ends the connection, and logs the topic), strangers once there are accounts, and the client
// id of another account. By account it limits connections, connects a second, topic filters, and bytes a second: who
// sends more is made to wait. It sends the hub's manifest to machines itself (manifests), and has them subscribe with
// QoS 0 (lowerQoS): 1,000 of them cost the embedded server too much otherwise. The embedded server keeps a message that
// is not delivered for 30 s, and all of them
// within 64 MB; what is retained is one packet for each topic that the account may publish on. At its start it removes
// sessions, consumers and messages of the last run.
//
// Traits that were measured, and that its clients live with: a publish that is not allowed is acknowledged and dropped;
// «$share» delivers nothing; a space in a topic, or a dot, space or star in a client id, ends the connection; after a
// restart the first subscriber may get nothing of what was retained, nor may one that subscribes in the moment that it
// changes; a client id that is taken over fires no will. What it acknowledges it syncs every two minutes: a power cut
// may lose it. Portillon leans on none of that: only the hub's signed acknowledgement, after its own commit, moves a
// machine's cursor.
package broker

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"portillon/policy"
	"portillon/wire"
)

const (
	// maxPayload is what the embedded server accepts: a packet, and the headers that the server adds.
	maxPayload = wire.MaxPacket + 4<<10
	// maxInFlight is how many messages of a topic filter a client may owe a PUBACK for before it is sent no more.
	maxInFlight = 64
	// maxPending is how many bytes may wait for a client that does not read, before it is cut off.
	maxPending = 32 << 20
)

// ready is how long a start may take: a folder with thousands of retained messages is read within seconds.
const (
	ready     = 20 * time.Second
	lookEvery = 100 * time.Millisecond
)

// Config is how the broker is started.
type Config struct {
	Addr     string // host:port; empty: 127.0.0.1 and any free port
	Dir      string // where it keeps what is retained; made if absent
	Site     policy.SiteID
	Accounts []Account   // none: anybody who reaches the address may do anything, so it must be loopback
	TLS      *tls.Config // nil: in the clear
	// Room is for how many accounts there is room at most; 0: for those in Accounts.
	Room int
	// Wait has connections wait, unanswered, until Open is called. Dial does not wait.
	Wait bool
	Log  *slog.Logger // nil: says nothing
}

// Account is somebody who may connect.
type Account struct {
	User, Password string
	PasswordHash   [sha256.Size]byte // SHA-256 of the password, where Password is empty
	As             Part
	Machine        policy.MachineID // for AsMachine
}

// Part is what an account may do. The zero Part may do nothing.
type Part uint8

const (
	AsNobody  Part = iota
	AsHub          // everything of this site
	AsMachine      // what one machine says and hears
	AsWatcher      // Home Assistant: hears state, availability and discovery; says only that it is there
)

// Broker is a broker that runs until Close.
type Broker struct {
	s     *server.Server
	site  policy.SiteID
	gate  *gate
	proxy *proxy
	log   *quiet
	once  sync.Once
}

// Start runs a broker, and returns once it takes connections, or once Open may be called.
func Start(c Config) (*Broker, error) {
	b, err := start(c)
	if err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	return b, nil
}

// start starts the embedded server first and the proxy before it last, so that no connection finds half a broker.
func start(c Config) (*Broker, error) {
	addr, err := check(c)
	if err != nil {
		return nil, err
	}
	accounts, err := open(c.Site, c.Accounts, time.Now())
	if err != nil {
		return nil, err
	}
	setup := &server.User{Username: "+setup", Password: rand.Text()}
	g := &gate{users: map[string]*server.User{setup.Username: setup}}
	for _, a := range accounts {
		u, err := user(c.Site, a)
		if err != nil {
			return nil, err
		}
		g.set(u)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	log := &quiet{log: c.Log}
	s, inner, err := embedded(c, g, setup, log)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot serve on %s from %s: %w", c.Addr, c.Dir, err), l.Close())
	}
	b := &Broker{s: s, site: c.Site, gate: g, proxy: newProxy(l, inner, c, accounts), log: log}
	if !c.Wait {
		b.Open()
	}
	return b, nil
}

// Open answers connections from now on, first those that waited (Config.Wait). It may be called more than once.
func (b *Broker) Open() { b.proxy.open() }

// Dial is a connection from this process, without TLS. It has the limits of its account, as any other.
func (b *Broker) Dial() (net.Conn, error) {
	client, server := net.Pipe()
	if !b.proxy.begin(func() { b.proxy.serve(server, nil) }, server) {
		return nil, errors.Join(net.ErrClosed, client.Close())
	}
	return client, nil
}

// embedded starts the NATS server on a free port of loopback, for the proxy alone: nobody else has a password for it.
func embedded(c Config, g *gate, setup *server.User, log *quiet) (*server.Server, string, error) {
	if err := removeLeftovers(c.Dir); err != nil {
		return nil, "", err
	}
	machines := max(len(c.Accounts), c.Room)
	if machines == 0 {
		machines = 32
	}
	o := &server.Options{
		ServerName: "portillon-" + string(c.Site), DontListen: true, // its own protocol is not offered: MQTT only
		NoSigs: true, NoSystemAccount: true, JetStream: true, StoreDir: c.Dir, MaxPayload: maxPayload, MaxPending: maxPending,
		JetStreamMaxStore: maxRetained(
			machines,
		) + maxWaiting + otherStores, CustomClientAuthentication: g, MaxControlLine: 4 << 10,
		// Each filter of QoS 1 is a consumer, and a stream has room for 1,000 unless this says otherwise: a machine has two
		// or three, the hub four, and one that behaves badly 32 on each of 4 connections (limitsOf).
		JetStreamLimits: server.JSLimitOpts{DefaultMaxConsumers: 4*(machines+16) + 128},
		// AckWait is short: a subscriber that lost a message asks for nothing, it waits.
		MQTT: server.MQTTOpts{Host: "127.0.0.1", Port: server.RANDOM_PORT, AckWait: 5 * time.Second,
			MaxAckPending: maxInFlight,
			// What a client has acknowledged is of no use after a restart, when removeLeftovers removes it: on the disk, the
			// state of three consumers for each machine would be written and synced at each message.
			ConsumerMemoryStorage: true,
			// After a restart the sessions of all machines are made at once: as long as a machine waits (daemon/uplink).
			JSAPITimeout: greetTime},
	}
	s, err := server.NewServer(o)
	if err != nil {
		return nil, "", err
	}
	s.SetLogger(log, false, false)
	s.Start()
	if err = await(s, log); err == nil {
		err = limitStreams(s, setup.Username, setup.Password, machines)
	}
	if err != nil {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, "", err
	}
	return s, net.JoinHostPort(o.MQTT.Host, strconv.Itoa(o.MQTT.Port)), nil
}

// await returns once the server takes connections, or has said why it will not.
func await(s *server.Server, l *quiet) error {
	for range ready / lookEvery {
		up := s.ReadyForConnections(lookEvery)
		if err := l.fatal(); err != nil {
			return err
		}
		if up {
			return nil
		}
	}
	return fmt.Errorf("the embedded server is not ready after %v", ready)
}

// Addr is host:port, as it was bound.
func (b *Broker) Addr() string { return b.proxy.l.Addr().String() }

// Close ends all connections and waits until what is retained is on the disk.
func (b *Broker) Close() (err error) {
	b.once.Do(func() {
		b.log.ends.Store(true)
		err = b.proxy.close()
		b.s.Shutdown()
		b.s.WaitForShutdown()
	})
	return err
}

// check finds what is wrong with a Config, and returns the address to listen on.
func check(c Config) (addr string, err error) {
	if addr = c.Addr; addr == "" {
		addr = "127.0.0.1:0"
	}
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("%q is no host:port, as in 127.0.0.1:1883: %w", addr, err)
	}
	if port, err := strconv.Atoi(p); err != nil || port < 0 || port > 65535 {
		return "", fmt.Errorf("the port of %q must be a number from 0 (any free one) to 65535", addr)
	}
	if len(c.Accounts) == 0 && !loopback(host) {
		return "", fmt.Errorf(
			"%q is not loopback and there are no accounts: anybody on the network could speak for a machine; "+
				"set accounts, or listen on 127.0.0.1",
			host,
		)
	}
	if c.Dir == "" {
		return "", errors.New("the folder for retained messages is missing")
	}
	return addr, nil
}

// loopback reports whether a host is this computer.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// quiet passes warnings on, and keeps what would have ended the process.
type quiet struct {
	log  *slog.Logger
	ends atomic.Bool // the server shuts down: that it then takes no more will of a client is no warning
	mu   sync.Mutex
	err  error
}

// say logs a message of the embedded server. While the server shuts down, all are of level debug.
func (q *quiet) say(l slog.Level, format string, v []any) {
	if q.ends.Load() {
		l = slog.LevelDebug
	}
	if q.log != nil {
		q.log.Log(context.Background(), l, "broker: "+fmt.Sprintf(format, v...)) // the server hands over no context
	}
}

// fatal is the error with which the embedded server would have ended the process; nil: none.
func (q *quiet) fatal() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}

// The methods are the server's own interface.
func (q *quiet) Noticef(format string, v ...any) { q.say(slog.LevelDebug, format, v) }
func (q *quiet) Warnf(format string, v ...any)   { q.say(slog.LevelDebug, format, v) }
func (q *quiet) Errorf(format string, v ...any)  { q.say(slog.LevelWarn, format, v) }
func (q *quiet) Debugf(string, ...any)           {}
func (q *quiet) Tracef(string, ...any)           {}
func (q *quiet) Fatalf(format string, v ...any) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.err = fmt.Errorf(format, v...)
}

var _ server.Logger = (*quiet)(nil)
