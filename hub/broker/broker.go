// Package broker is the built-in MQTT 3.1.1 broker for the hub and the demo: an embedded NATS server
// (nats-io/nats-server/v2) with its MQTT gateway. Portillon works with any other MQTT 3.1.1 broker, too. The
// conformance test of this package runs with this broker and with an unmodified mosquitto.
//
// The broker needs an address, a folder for retained messages, and accounts. Without accounts, the address must be
// loopback. With accounts, a machine publishes only on the machine's own topics and receives only the machine's own
// commands and acknowledgements. Only the hub publishes commands, acknowledgements and bundles. A watcher (Home
// Assistant) receives availability, state and discovery messages, and publishes only the watcher's own availability.
//
// Accounts can be set and removed while the broker runs. A removed account's connections end immediately.
//
// Clients connect to a proxy of this package, and the proxy connects to the embedded server. The proxy is needed
// because the embedded server has no limits by user and cannot check client ids. The proxy rejects MQTT 5, publishes
// with QoS 2, packets of more than wire.MaxPacket, unknown clients if there are accounts, and the client id of another
// account. For each account the proxy limits the number of connections, new connections per second, topic filters, and
// bytes per second. Because the embedded server would be too slow for 1,000 machines, the proxy sends the hub's
// manifest to the machines itself (manifests), and lowers the subscriptions of machines to QoS 0 (lowerQoS). The
// embedded server stores an undelivered message for 30 s, and at most 64 MB of undelivered messages. The embedded
// server retains one message per topic. When the broker starts, it removes the sessions, consumers and undelivered
// messages of the previous run.
//
// Clients must tolerate the following behaviour of the embedded server. A forbidden publish is acknowledged and
// dropped. A client that subscribes to "$share/…" receives no messages. A space in a topic, or a dot, space or star in
// a client id, ends the connection. After a restart the first subscriber may miss retained messages. A client that
// subscribes while a retained message is being replaced may also miss the message. If another connection uses the same
// client id, the server closes the old connection without publishing its will. A power cut may lose acknowledged
// messages, because the server syncs only every two minutes. No record is lost in these cases, because a machine
// repeats a record until the hub has committed the record and sent a signed acknowledgement.
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
	// maxPayload is the maximum size of a message at the embedded server, in bytes. A message is a packet with the
	// headers that the server adds.
	maxPayload = wire.MaxPacket + 4<<10
	// maxInFlight is the maximum number of messages of a topic filter without a PUBACK. The server sends further
	// messages only after a PUBACK.
	maxInFlight = 64
	// maxPending is the maximum number of bytes that may wait for a client that does not read. If more bytes wait, the
	// server closes the connection.
	maxPending = 32 << 20
)

// startTimeout is the maximum time for the start of the embedded server, which reads thousands of retained messages
// within seconds. pollInterval is the time between two checks whether the server has started.
const (
	startTimeout = 20 * time.Second
	pollInterval = 100 * time.Millisecond
)

// Config configures a broker.
type Config struct {
	Addr string // host:port; empty: 127.0.0.1 and any free port
	Dir  string // folder of the retained messages; created if missing
	Site policy.SiteID
	// empty: the broker needs no password, any client may use all topics, and Addr must be a loopback address
	Accounts []Account
	TLS      *tls.Config // nil: unencrypted
	// If Room is greater than the number of Accounts, the broker reserves space for Room accounts.
	Room int
	// Wait delays all network connections until Open is called. The broker serves connections from Dial immediately.
	Wait bool
	Log  *slog.Logger // nil: nothing is logged
}

// Account is the account of a client.
type Account struct {
	User, Password string
	PasswordHash   [sha256.Size]byte // SHA-256 of the password, for an account whose Password is empty
	As             Part
	Machine        policy.MachineID // for AsMachine
}

// Part is the role of an account. The zero Part has no permissions.
type Part uint8

// Parts of accounts.
const (
	AsNobody  Part = iota
	AsHub          // sends and receives all messages of this site
	AsMachine      // sends and receives the messages of one machine
	AsWatcher      // Home Assistant, which receives state, availability and discovery, and publishes its own availability
)

// Broker is a running broker. The broker runs until Close is called.
type Broker struct {
	s     *server.Server
	site  policy.SiteID
	gate  *authenticator
	proxy *proxy
	log   *serverLog
	once  sync.Once
}

// Start starts a broker. Start returns when the broker accepts connections or, with Config.Wait, when Open may be
// called.
func Start(c Config) (*Broker, error) {
	b, err := newBroker(c)
	if err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	return b, nil
}

// newBroker checks the configuration, starts the embedded server, and returns a broker whose proxy is not open yet.
func newBroker(c Config) (*Broker, error) {
	addr, err := checkConfig(c)
	if err != nil {
		return nil, err
	}
	accounts, err := newAccounts(c.Site, c.Accounts, time.Now())
	if err != nil {
		return nil, err
	}
	// Only this process uses the account setup: it sets the limits of the streams.
	setup := &server.User{Username: "+setup", Password: rand.Text()}
	g := &authenticator{users: map[string]*server.User{setup.Username: setup}}
	for _, a := range accounts {
		u, err := newUser(c.Site, a)
		if err != nil {
			return nil, err
		}
		g.set(u)
	}
	// Listen before the embedded server starts, so that Start fails without side effects if another program uses the port.
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	log := &serverLog{log: c.Log}
	s, inner, err := startEmbedded(c, g, setup, log)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot serve MQTT on %s with the folder %s: %w", c.Addr, c.Dir, err), l.Close())
	}
	b := &Broker{s: s, site: c.Site, gate: g, proxy: newProxy(l, inner, c, accounts), log: log}
	if !c.Wait {
		b.Open()
	}
	return b, nil
}

// Open starts to serve network connections, including the connections that are already waiting (Config.Wait). A second
// call of Open does nothing.
func (b *Broker) Open() { b.proxy.open() }

// Dial connects to the broker from within this process, without TLS, and returns the connection. The limits of the
// account apply to the connection.
func (b *Broker) Dial() (net.Conn, error) {
	client, server := net.Pipe()
	if !b.proxy.serveNew(func() { b.proxy.serve(server, nil) }, server) {
		return nil, errors.Join(net.ErrClosed, client.Close())
	}
	return client, nil
}

// startEmbedded starts the NATS server on a free port of the loopback interface. Only the proxy has passwords for the
// NATS server.
func startEmbedded(c Config, g *authenticator, setup *server.User, log *serverLog) (*server.Server, string, error) {
	if err := removeLeftovers(c.Dir); err != nil {
		return nil, "", err
	}
	machines := max(len(c.Accounts), c.Room)
	if machines == 0 {
		machines = 32
	}
	o := &server.Options{
		// The server offers only MQTT over the network, not the NATS protocol.
		ServerName: "portillon-" + string(c.Site), DontListen: true,
		NoSigs: true, NoSystemAccount: true, JetStream: true, StoreDir: c.Dir, MaxPayload: maxPayload, MaxPending: maxPending,
		JetStreamMaxStore: maxRetained(
			machines,
		) + maxWaiting + otherStores, CustomClientAuthentication: g, MaxControlLine: 4 << 10,
		// Each topic filter with QoS 1 needs a consumer of the stream, and by default a stream has at most 1,000 consumers. A
		// machine has two or three filters, the hub has four, and a misbehaving machine has 32 filters on each of 4
		// connections (limitsOf).
		JetStreamLimits: server.JSLimitOpts{DefaultMaxConsumers: 4*(machines+16) + 128},
		// AckWait is the time after which a message without a PUBACK is sent again.
		MQTT: server.MQTTOpts{Host: "127.0.0.1", Port: server.RANDOM_PORT, AckWait: 5 * time.Second,
			MaxAckPending: maxInFlight,
			// Consumers are stored in memory, because a restart deletes all consumers (removeLeftovers). On the disk,
			// the server would write and sync the state of three consumers per machine for each message.
			ConsumerMemoryStorage: true,
			// After a restart, all machines connect at once, and the server must create all their sessions. JSAPITimeout is the
			// time that a machine waits for a connection (daemon/uplink).
			JSAPITimeout: greetTime},
	}
	s, err := server.NewServer(o)
	if err != nil {
		return nil, "", err
	}
	s.SetLogger(log, false, false)
	s.Start()
	if err = waitUntilReady(s, log); err == nil {
		err = limitStreams(s, setup.Username, setup.Password, machines)
	}
	if err != nil {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, "", err
	}
	return s, net.JoinHostPort(o.MQTT.Host, strconv.Itoa(o.MQTT.Port)), nil
}

// waitUntilReady waits until the server accepts connections. waitUntilReady returns the error of a failed start, or an
// error after startTimeout.
func waitUntilReady(s *server.Server, l *serverLog) error {
	for range startTimeout / pollInterval {
		up := s.ReadyForConnections(pollInterval)
		if err := l.fatalError(); err != nil {
			return err
		}
		if up {
			return nil
		}
	}
	return fmt.Errorf("embedded server does not accept connections %v after its start", startTimeout)
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

// checkConfig returns the address to listen on, or an error for the first fault of a Config.
func checkConfig(c Config) (addr string, err error) {
	if addr = c.Addr; addr == "" {
		addr = "127.0.0.1:0"
	}
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("invalid address %q, want host:port such as 127.0.0.1:1883: %w", addr, err)
	}
	if port, err := strconv.Atoi(p); err != nil || port < 0 || port > 65535 {
		return "", fmt.Errorf("invalid port in the address %q, want a number from 0 (any free port) to 65535", addr)
	}
	if len(c.Accounts) == 0 && !isLoopback(host) {
		return "", fmt.Errorf(
			"%q is not loopback and there are no accounts: any client on the network could pose as a machine; "+
				"set accounts, or listen on 127.0.0.1",
			host,
		)
	}
	if c.Dir == "" {
		return "", errors.New("configuration has no folder for retained messages")
	}
	return addr, nil
}

// isLoopback reports whether a host is localhost or a loopback address.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// serverLog writes the embedded server's log lines at lower levels, and stores the error of a failed start.
type serverLog struct {
	log  *slog.Logger
	ends atomic.Bool // true while the server shuts down, when its warnings about wills are expected
	mu   sync.Mutex
	err  error
}

// write logs a line of the embedded server.
func (q *serverLog) write(l slog.Level, format string, v []any) {
	if q.ends.Load() {
		l = slog.LevelDebug
	}
	if q.log != nil {
		// the server's Logger methods have no context parameter
		q.log.Log(context.Background(), l, "broker: "+fmt.Sprintf(format, v...))
	}
}

// fatalError returns the error that would have ended a stand-alone server.
func (q *serverLog) fatalError() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}

// The following methods implement server.Logger.
func (q *serverLog) Noticef(format string, v ...any) { q.write(slog.LevelDebug, format, v) }
func (q *serverLog) Warnf(format string, v ...any)   { q.write(slog.LevelDebug, format, v) }
func (q *serverLog) Errorf(format string, v ...any)  { q.write(slog.LevelWarn, format, v) }
func (q *serverLog) Debugf(string, ...any)           {}
func (q *serverLog) Tracef(string, ...any)           {}
func (q *serverLog) Fatalf(format string, v ...any) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.err = fmt.Errorf(format, v...)
}

var _ server.Logger = (*serverLog)(nil)
