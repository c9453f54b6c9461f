package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/policy"
	"portillon/wire"
)

// These intervals and timeouts are those of the daemon (daemon/uplink, cmd/internal/hublink). With other values, the
// measurement would not show how real machines behave.
const (
	simBackoff    = 500 * time.Millisecond
	simBackoffMax = 20 * time.Second
	simTimeout    = 10 * time.Second
	simIdle       = 20 * time.Second // time after which an idle HTTPS connection is closed
)

// simHub contains the addresses and the keys that simulated machines need to connect to the hub.
type simHub struct {
	site     policy.SiteID
	name     string // name in the hub's certificate, which the machines verify
	machines string // host:port at which the hub accepts HTTPS requests of machines
	broker   string // host:port of the hub's broker
	ca       *x509.Certificate
	keys     note.Verifiers // keys with which machines verify manifests and acknowledgements
}

// simulated is a simulated machine that uses the same protocols as a real machine. Over MQTT, with its own account,
// the machine publishes its state as a retained message and receives the manifest. Over HTTPS, with its own
// certificate, the machine fetches the missing parts of a bundle and verifies their hashes (sim_fetch.go). A bundle
// is in force on a simulated machine when the machine has verified the manifest and has fetched all missing parts.
type simulated struct {
	*machine
	hub      *simHub
	fleet    *fleet
	password string
	cert     tls.Certificate
	http     *http.Client
	wake     chan struct{} // signals that a new manifest has arrived

	mu       sync.Mutex
	manifest []byte // newest received manifest
	acked    uint64 // number of records that the hub has acknowledged
	heard    bool   // true: the hub has sent an acknowledgement on the present connection
	pending  []byte // the batch that the hub has not acknowledged; nil: there is none
	online   bool

	inForce *wire.Manifest // only the method install uses the fields below
	version atomic.Uint64  // version of inForce
	bytes   atomic.Int64   // number of bytes received on all connections since the last call of fleet.bytes
}

// prepare creates the machine's HTTPS client with the machine's certificate.
func (m *simulated) prepare() {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: m.hub.name, InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			return wire.VerifyHub(s.PeerCertificates, m.hub.ca, m.hub.name, time.Now(), true)
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &m.cert, nil }}
	m.http = &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{DisableCompression: true, MaxIdleConns: 1,
		IdleConnTimeout: simIdle, TLSHandshakeTimeout: 15 * time.Second, TLSClientConfig: config,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return m.dial(ctx, network, m.hub.machines)
		}}}
	m.wake = make(chan struct{}, 1)
}

// dial opens a connection, and counts the bytes that the machine receives on it.
func (m *simulated) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return countedConn{c, &m.bytes}, nil
}

// run keeps the machine connected to the broker until ctx ends; after a failure, run waits as long as the daemon
// does.
func (m *simulated) run(ctx context.Context) {
	m.prepare()
	var fetches sync.WaitGroup
	defer fetches.Wait()
	fetches.Go(func() { m.install(ctx) })
	wait := simBackoff
	for ctx.Err() == nil {
		progress, err := m.session(ctx)
		m.setOnline(false)
		if ctx.Err() != nil {
			return
		}
		m.fleet.countRetried("session", err)
		if progress {
			wait = simBackoff
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(float64(wait) * (0.5 + 0.5*rand.Float64()))):
		}
		wait = min(2*wait, simBackoffMax)
	}
}

// setOnline stores whether the machine is connected to the broker.
func (m *simulated) setOnline(is bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.online = is
	if !is {
		m.heard = false
	}
}

// topics returns the MQTT topics of the machine's site.
func (m *simulated) topics() wire.Topics { return wire.Topics{Site: m.hub.site} }

// session handles one connection to the broker until the connection ends. The result progress is true if the hub has
// answered on this connection.
func (m *simulated) session(ctx context.Context) (progress bool, err error) {
	dial, cancel := context.WithTimeout(ctx, simTimeout)
	defer cancel()
	raw, err := m.dial(dial, "tcp", m.hub.broker)
	if err != nil {
		return false, err
	}
	defer raw.Close()
	config := m.http.Transport.(*http.Transport).TLSClientConfig.Clone()
	config.GetClientCertificate = nil
	c := tls.Client(raw, config)
	if err := c.HandshakeContext(dial); err != nil {
		return false, fmt.Errorf("handshake: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	t := m.topics()
	q, err := openMQTT(c, mqttHello{client: t.ClientID(m.id), user: string(m.id), password: m.password,
		willTopic: t.Availability(m.id), will: wire.Offline}, simTimeout)
	if err != nil {
		return false, fmt.Errorf("connect: %w", err)
	}
	if err := q.subscribe(t.Ack(m.id), t.Command(m.id), t.Bundle()); err != nil {
		return false, err
	}
	return m.serve(ctx, q)
}

// serve announces the machine after the broker's SUBACK, and then handles messages.
func (m *simulated) serve(ctx context.Context, q *mqttConn) (progress bool, err error) {
	end, done := context.WithCancel(ctx)
	defer done()
	for {
		first, body, err := q.read()
		if err != nil {
			return progress, fmt.Errorf("lost: %w", err)
		}
		switch first & 0xf0 {
		case mqttSuback:
			if err := m.greet(q); err != nil {
				return progress, err
			}
			m.setOnline(true)
			go m.publishChanges(end, q) // the goroutine ends when the connection ends
		case mqttPublish:
			topic, data, err := q.message(first, body)
			if err != nil {
				return progress, err
			}
			progress = m.handleMessage(topic, data) || progress
		}
	}
}

// greet publishes the machine's availability and state, and sends the batch that is not acknowledged yet.
func (m *simulated) greet(q *mqttConn) error {
	t := m.topics()
	return errors.Join(q.publish(t.Availability(m.id), true, []byte(wire.Online)), m.publishState(q), m.send(q))
}

// publishState publishes the state of the machine.
func (m *simulated) publishState(q *mqttConn) error {
	m.mu.Lock()
	journal := uint64(m.n)
	m.mu.Unlock()
	data, err := json.Marshal(
		wire.State{Machine: m.id, Phase: "idle", Bundle: m.version.Load(), Journal: journal, Format: 2,
			Program: "simulated", Clock: "trusted"},
	)
	if err != nil {
		return err
	}
	return q.publish(m.topics().State(m.id), true, data)
}

// send publishes the unacknowledged batch, if the machine has one.
func (m *simulated) send(q *mqttConn) error {
	m.mu.Lock()
	batch := m.pending
	m.mu.Unlock()
	if batch == nil {
		return nil
	}
	return q.publish(m.topics().Records(m.id), false, batch)
}

// Until the connection ends, publishChanges publishes changes of the state and repeats a batch that is not
// acknowledged.
func (m *simulated) publishChanges(ctx context.Context, q *mqttConn) {
	ping, again := time.NewTicker(mqttPingEvery), time.NewTicker(m.fleet.again)
	defer ping.Stop()
	defer again.Stop()
	shown := m.version.Load()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-ping.C:
			err = q.write(mqttPing, nil)
		case <-again.C:
			err = m.send(q) // repeat a batch that is still unacknowledged after 10 s, as the daemon does
		case <-m.fleet.changesOf(m):
			if v := m.version.Load(); v != shown {
				shown, err = v, m.publishState(q)
			}
			err = errors.Join(err, m.send(q))
		}
		if err != nil {
			q.c.Close()
			return
		}
	}
}

// handleMessage handles a message, and reports whether it is an acknowledgement of the hub.
func (m *simulated) handleMessage(topic string, data []byte) bool {
	switch topic {
	case m.topics().Bundle():
		m.mu.Lock()
		m.manifest = data
		m.mu.Unlock()
		select {
		case m.wake <- struct{}{}:
		default:
		}
	case m.topics().Ack(m.id):
		a, err := wire.OpenAck(data, m.hub.keys, m.hub.site, m.id)
		if err != nil {
			m.fleet.countRetried("acknowledgement", err)
			return false
		}
		m.mu.Lock()
		again := m.heard && a.Seq <= m.acked && m.pending != nil
		m.heard = true
		if m.acked = max(m.acked, a.Seq); m.acked >= uint64(m.n) {
			m.pending = nil
		}
		m.mu.Unlock()
		if again { // if the hub repeats an acknowledgement, it did not receive the batch (daemon/uplink, flow)
			m.fleet.notify(m)
		}
		m.fleet.changed()
		return true
	}
	return false
}

// Until ctx ends, install brings the bundle of each new manifest into force; it makes at most four attempts for each
// bundle.
func (m *simulated) install(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			m.http.CloseIdleConnections()
			return
		case <-m.wake:
		}
		m.mu.Lock()
		manifest := m.manifest
		m.mu.Unlock()
		for tries := 0; ctx.Err() == nil; tries++ {
			err := m.fetchBundle(ctx, manifest)
			if err == nil || tries == 3 {
				break
			}
			m.fleet.countRetried("bundle", err)
		}
	}
}

// record appends n records to the machine's journal and makes them the batch to send.
func (m *simulated) record(n int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, _, err := m.batch(n)
	if err != nil {
		return err
	}
	m.pending = data
	return nil
}

// caughtUp reports whether the machine is connected, has at least this version of the bundle, and has no
// unacknowledged record.
func (m *simulated) caughtUp(version uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.online && m.pending == nil && m.version.Load() >= version
}
