// Package broker is the built-in MQTT 3.1.1 broker for the hub and the demo: an embedded NATS server
// (nats-io/nats-server/v2) with its MQTT gateway. Portillon works with any other MQTT 3.1.1 broker too; the conformance
// test of this package runs against this broker and against an unmodified mosquitto.
//
// The broker needs an address (loopback, unless there are accounts), a folder for retained messages, and accounts. With
// accounts, a machine publishes only under its own prefix and receives only its own commands and acknowledgements. Only
// the hub publishes commands, acknowledgements and bundles. A watcher (Home Assistant) receives availability, state and
// discovery messages, and publishes only its own availability.
//
// Accounts can be set and removed while the broker runs. A removed account's connections end immediately.
//
// A proxy of this package stands in front of the embedded server, which has no limits by user, and which gives its
// CustomClientAuthentication the client id only as part of a text for logs. The proxy rejects MQTT 5, publishes with
// QoS 2, packets of more than wire.MaxPacket (it closes the connection and logs the topic), unknown clients if there
// are accounts, and the client id of another account. For each account it limits connections, new connections a second,
// topic filters, and bytes a second: a faster sender has to wait. For 1,000 machines the embedded server would be too
// slow in two ways, so the proxy sends the hub's manifest to the machines itself (manifests), and lowers the
// subscriptions of machines to QoS 0 (lowerQoS). The embedded server keeps an undelivered message for 30 s, and at most
// 64 MB of them. It retains one packet for each topic that the account may publish on. At its start it removes
// sessions, consumers and messages of the previous run.
//
// Measured behaviour of the embedded server, which its clients must tolerate: a forbidden publish is acknowledged and
// dropped; "$share" delivers nothing; a space in a topic, or a dot, space or star in a client id, ends the connection;
// after a restart the first subscriber may miss retained messages, as may a client that subscribes at the moment of a
// change; a client whose id is taken over by another connection publishes no will. The server syncs acknowledged
// messages only every two minutes, so that a power cut may lose them. Portillon does not depend on any of this: only
// the hub's signed acknowledgement, after its own commit, moves a machine's cursor.
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

// Limits of the embedded server.
const (
	// maxPayload is the size limit of the embedded server in bytes: a packet and the headers that the server adds.
	maxPayload = wire.MaxPacket + 4<<10
	// maxInFlight is the maximum number of messages of a topic filter without a PUBACK. The server then stops sending.
	maxInFlight = 64
	// maxPending is the maximum number of bytes that may wait for a client that does not read. Then the connection is
	// closed.
	maxPending = 32 << 20
)

// ready is the maximum time of a start: a folder with thousands of retained messages is read within seconds. lookEvery
// is the interval between two checks.
const (
	ready     = 20 * time.Second
	lookEvery = 100 * time.Millisecond
)

// Config configures a broker.
type Config struct {
	Addr     string // host:port; empty: 127.0.0.1 and any free port
	Dir      string // folder of the retained messages; created if missing
	Site     policy.SiteID
	Accounts []Account   // empty: any client may do anything, so the address must be loopback
	TLS      *tls.Config // nil: unencrypted
	// Room is the number of accounts to reserve space for; 0: the number of Accounts.
	Room int
	// Wait delays all connections until Open is called. Dial does not wait.
	Wait bool
	Log  *slog.Logger // nil: nothing is logged
}

// Account is the account of a client.
type Account struct {
	User, Password string
	PasswordHash   [sha256.Size]byte // SHA-256 of the password, used if Password is empty
	As             Part
	Machine        policy.MachineID // for AsMachine
}

// Part is the role of an account. The zero Part has no permissions.
type Part uint8

// Parts of accounts.
const (
	AsNobody  Part = iota
	AsHub          // everything of this site
	AsMachine      // messages from and to one machine
	AsWatcher      // Home Assistant: receives state, availability and discovery; publishes only its own availability
)

// Broker is a running broker. It runs until Close.
type Broker struct {
	s     *server.Server
	site  policy.SiteID
	gate  *gate
	proxy *proxy
	log   *quiet
	once  sync.Once
}

// Start starts a broker. It returns when the broker accepts connections or, with Config.Wait, when Open may be called.
func Start(c Config) (*Broker, error) {
	b, err := start(c)
	if err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	return b, nil
}

// start checks the configuration, starts the embedded server and then the proxy in front of it.
func start(c Config) (*Broker, error) {
	addr, err := check(c)
	if err != nil {
		return nil, err
	}
	accounts, err := open(c.Site, c.Accounts, time.Now())
	if err != nil {
		return nil, err
	}
	// The setup account is only used inside this process, to set the limits of streams.
	setup := &server.User{Username: "+setup", Password: rand.Text()}
	g := &gate{users: map[string]*server.User{setup.Username: setup}}
	for _, a := range accounts {
		u, err := user(c.Site, a)
		if err != nil {
			return nil, err
		}
		g.set(u)
	}
	// Listen before the embedded server starts, so that a used port is reported without side effects.
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

// Open starts to answer connections, and first those that are waiting (Config.Wait). Further calls do nothing.
func (b *Broker) Open() { b.proxy.open() }

// Dial returns a connection within this process, without TLS. It has the same limits as any other connection of its
// account.
func (b *Broker) Dial() (net.Conn, error) {
	client, server := net.Pipe()
	if !b.proxy.begin(func() { b.proxy.serve(server, nil) }, server) {
		return nil, errors.Join(net.ErrClosed, client.Close())
	}
	return client, nil
}

// embedded starts the NATS server on a free port of the loopback interface. Only the proxy has passwords for it.
func embedded(c Config, g *gate, setup *server.User, log *quiet) (*server.Server, string, error) {
	if err := removeLeftovers(c.Dir); err != nil {
		return nil, "", err
	}
	machines := max(len(c.Accounts), c.Room)
	if machines == 0 {
		machines = 32
	}
	o := &server.Options{
		ServerName: "portillon-" + string(c.Site), DontListen: true, // offer MQTT only, not the server's own protocol
		NoSigs: true, NoSystemAccount: true, JetStream: true, StoreDir: c.Dir, MaxPayload: maxPayload, MaxPending: maxPending,
		JetStreamMaxStore: maxRetained(
			machines,
		) + maxWaiting + otherStores, CustomClientAuthentication: g, MaxControlLine: 4 << 10,
		// Each filter with QoS 1 is a consumer, and by default a stream has room for 1,000. A machine has two or three, the
		// hub four, and a misbehaving machine 32 on each of 4 connections (limitsOf).
		JetStreamLimits: server.JSLimitOpts{DefaultMaxConsumers: 4*(machines+16) + 128},
		// AckWait is short, because a subscriber that lost a message only waits for its repetition.
		MQTT: server.MQTTOpts{Host: "127.0.0.1", Port: server.RANDOM_PORT, AckWait: 5 * time.Second,
			MaxAckPending: maxInFlight,
			// Consumers are useless after a restart, where removeLeftovers deletes them. On the disk, the state of three
			// consumers for each machine would be written and synced for each message.
			ConsumerMemoryStorage: true,
			// After a restart the sessions of all machines are created together. The limit is the time that a machine waits
			// (daemon/uplink).
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

// await waits until the server accepts connections. It returns the error of a failed start, or after the time ready.
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
	return fmt.Errorf("embedded server not ready after %v", ready)
}

// Addr returns the bound address as host:port.
func (b *Broker) Addr() string { return b.proxy.l.Addr().String() }

// Close closes all connections and waits until retained messages are on the disk.
func (b *Broker) Close() (err error) {
	b.once.Do(func() {
		b.log.ends.Store(true)
		err = b.proxy.close()
		b.s.Shutdown()
		b.s.WaitForShutdown()
	})
	return err
}

// check returns the address to listen on, or the first fault of a Config.
func check(c Config) (addr string, err error) {
	if addr = c.Addr; addr == "" {
		addr = "127.0.0.1:0"
	}
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("invalid address %q, want host:port such as 127.0.0.1:1883: %w", addr, err)
	}
	if port, err := strconv.Atoi(p); err != nil || port < 0 || port > 65535 {
		return "", fmt.Errorf("invalid port in %q, want a number from 0 (any free port) to 65535", addr)
	}
	if len(c.Accounts) == 0 && !loopback(host) {
		return "", fmt.Errorf(
			"%q is not loopback and there are no accounts: any client on the network could pose as a machine; "+
				"set accounts, or listen on 127.0.0.1",
			host,
		)
	}
	if c.Dir == "" {
		return "", errors.New("folder for retained messages is missing")
	}
	return addr, nil
}

// loopback reports whether a host is localhost or a loopback address.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// quiet passes the embedded server's log on at lower levels, and keeps the error of a failed start.
type quiet struct {
	log  *slog.Logger
	ends atomic.Bool // the server is shutting down: its warnings about wills are expected
	mu   sync.Mutex
	err  error
}

// say logs a line of the embedded server.
func (q *quiet) say(l slog.Level, format string, v []any) {
	if q.ends.Load() {
		l = slog.LevelDebug
	}
	if q.log != nil {
		q.log.Log(context.Background(), l, "broker: "+fmt.Sprintf(format, v...)) // the server passes no context
	}
}

// fatal returns the error that would have ended a stand-alone server.
func (q *quiet) fatal() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}

// The following methods implement server.Logger.
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
