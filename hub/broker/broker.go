// Package broker is the MQTT 3.1.1 broker inside: an embedded NATS server (nats-io/nats-server/v2) with its MQTT gateway,
// for the hub and the demo. Any other 3.1.1 broker does as well; the conformance test of this room runs on this one
// and on plain mosquitto.
//
// It accepts an address (loopback, unless accounts are set), a folder for what is retained, and accounts. With accounts, a
// machine publishes only under its own prefix, hears only its own commands and acknowledgements, and nobody but the hub
// publishes a command, an acknowledgement or a bundle. A watcher (Home Assistant) hears availability, state and
// discovery, and says only that it is there.
//
// It refuses messages of more than 1 MB (it ends the connection), MQTT 5, and strangers once there are accounts.
// Traits that were measured, and that its clients live with: a publish that is not allowed is acknowledged and dropped;
// «$share» delivers nothing; a space in a topic, or a dot, space or star in a client id, ends the connection; after a restart the
// first subscriber may get nothing of what was retained, nor may one that subscribes in the moment that it changes; a client id that is taken over fires no will. What it acknowledges it
// syncs every two minutes: a power cut may lose it. Portillon leans on none of that: only the hub's signed
// acknowledgement, after its own commit, moves a machine's cursor.
package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"portillon/policy"
)

// MaxPayload bounds a message, in bytes.
const MaxPayload = 1 << 20

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
	Accounts []Account    // none: anybody who reaches the address may do anything, so it must be loopback
	TLS      *tls.Config  // nil: in the clear
	Log      *slog.Logger // nil: says nothing
}

// Account is somebody who may connect.
type Account struct {
	User, Password string
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
	s    *server.Server
	addr string
	once sync.Once
}

// Start runs a broker, and returns once it takes connections.
func Start(c Config) (*Broker, error) {
	o, err := options(c)
	if err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	s, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	l := &quiet{log: c.Log}
	s.SetLogger(l, false, false)
	s.Start()
	if err := await(s, l); err != nil {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, fmt.Errorf("broker: cannot serve on %s from %s: %w", c.Addr, c.Dir, err)
	}
	return &Broker{s: s, addr: net.JoinHostPort(o.MQTT.Host, strconv.Itoa(o.MQTT.Port))}, nil
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
	return fmt.Errorf("it is not ready after %v", ready)
}

// Addr is host:port, as it was bound.
func (b *Broker) Addr() string { return b.addr }

// Close ends all connections and waits until what is retained is on the disk.
func (b *Broker) Close() error {
	b.once.Do(func() {
		b.s.Shutdown()
		b.s.WaitForShutdown()
	})
	return nil
}

func options(c Config) (*server.Options, error) {
	host, port, err := split(c.Addr)
	if err != nil {
		return nil, err
	}
	if len(c.Accounts) == 0 && !loopback(host) {
		return nil, fmt.Errorf("%q is not loopback and there are no accounts: anybody on the network could speak for a machine; set accounts, or listen on 127.0.0.1", host)
	}
	if c.Dir == "" {
		return nil, errors.New("no folder for what is retained is given")
	}
	users, err := users(c.Site, c.Accounts)
	if err != nil {
		return nil, err
	}
	return &server.Options{
		ServerName: "portillon-" + string(c.Site), DontListen: true, // its own protocol is not offered: MQTT only
		NoSigs: true, NoSystemAccount: true, JetStream: true, StoreDir: c.Dir, MaxPayload: MaxPayload,
		Users: users, MaxControlLine: 4 << 10,
		// AckWait is short: a subscriber that lost a message asks for nothing, it waits.
		MQTT: server.MQTTOpts{Host: host, Port: port, AckWait: 5 * time.Second, TLSConfig: c.TLS, TLSTimeout: 5},
	}, nil
}

func split(addr string) (host string, port int, err error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("%q is no host:port, as in 127.0.0.1:1883: %w", addr, err)
	}
	port, err = strconv.Atoi(p)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("the port of %q must be a number from 0 (any free one) to 65535", addr)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return host, port, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// quiet passes warnings on, and keeps what would have ended the process.
type quiet struct {
	log *slog.Logger
	mu  sync.Mutex
	err error
}

func (q *quiet) say(l slog.Level, format string, v []any) {
	if q.log != nil {
		q.log.Log(context.Background(), l, "broker: "+fmt.Sprintf(format, v...)) // the server hands over no context
	}
}

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
