package hub

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"portillon/hub/broker"
	"portillon/wire"
	"portillon/wire/mqttguard"
)

const (
	// shortest and longest pause between two connects; it doubles, and varies by half so that a site does not return in
	// step.
	shortestPause = 250 * time.Millisecond
	longestPause  = 15 * time.Second
	// writeTimeout bounds how long a peer that stops reading can hold the hub up.
	writeTimeout = 10 * time.Second
	// connectTimeout bounds the way to a broker that does not answer.
	connectTimeout = 10 * time.Second
	// inbox is how many messages wait for the ledger before the broker has to.
	inbox = 64
)

// connector holds the connection to the broker.
type connector struct {
	core     *core
	fleet    *fleet
	messages *messages
	commands *commands
	bundles  *bundleStore

	linked atomic.Bool    // connected to the broker
	broker *broker.Broker // nil: outside
	dial   dialing
	heard  chan struct{} // closed at the first subscription
	first  sync.Once
}

// stayConnected holds a connection to the broker, a fresh client each time: the library's own reconnect reports success
// for messages it has lost.
func (h *connector) stayConnected(ctx context.Context) error {
	pause := shortestPause
	for {
		began := time.Now()
		err := h.connected(ctx)
		if ctx.Err() != nil {
			return nil
		}
		h.core.log.Warn("the broker is away", "broker", h.dial.url, "why", err)
		if time.Since(began) > time.Minute {
			pause = shortestPause
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause/2 + mrand.N(pause)):
		}
		pause = min(2*pause, longestPause)
	}
}

// link is one connection. One goroutine publishes on it.
type link struct {
	client   mqtt.Client
	in       chan mqtt.Message
	cleanups chan string // topics whose retained message was dropped
	lost     chan error
	offered  time.Time // when the manifest was last published, by the monotonic clock
	intake   intake
}

// connected works over one connection until it is lost or ctx ends.
func (h *connector) connected(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	l := &link{in: make(chan mqtt.Message, inbox), cleanups: make(chan string, maxCleanups), lost: make(chan error, 1)}
	l.client = mqtt.NewClient(h.clientOptions(ctx, l))
	defer l.client.Disconnect(250) // milliseconds for what is under way
	defer l.intake.finish()
	defer cancel() // first: a handler that waits for the inbox would hold the client
	if h.broker != nil {
		h.broker.Open() // the accounts are known
	}
	if err := await(ctx, l.client.Connect()); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if err := h.subscribe(ctx, l); err != nil {
		return err
	}
	h.core.log.Info("connected", "broker", h.dial.url)
	h.linked.Store(true)
	defer h.linked.Store(false)
	if err := h.greet(l); err != nil {
		return err
	}
	look := time.NewTicker(offerLook)
	defer look.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err = <-l.lost:
			return err
		case m := <-l.in:
			err = h.messages.receiveWaiting(l, m)
		case o := <-l.intake.taken:
			err = h.messages.tookAll(l, o)
		case topic := <-l.cleanups:
			err = h.messages.tidy(l, topic)
		case <-h.bundles.renewed:
			err = h.messages.offer(l)
		case <-look.C:
			err = h.messages.offerAgain(l)
		case o := <-h.commands.orders:
			err = l.publish(o.topic, o.retained, o.data)
		}
		if err != nil {
			return err
		}
	}
}

func (h *connector) clientOptions(ctx context.Context, l *link) *mqtt.ClientOptions {
	return mqtt.NewClientOptions().AddBroker(h.dial.url).
		SetClientID(h.core.topics.HubClientID()).
		SetUsername(h.dial.username).SetPassword(h.dial.password).
		SetProtocolVersion(4).SetCleanSession(true).SetAutoReconnect(false).SetConnectRetry(false).
		SetWriteTimeout(writeTimeout).SetConnectTimeout(connectTimeout).SetCustomOpenConnectionFn(h.opener(ctx, l)).
		SetKeepAlive(20 * time.Second).SetPingTimeout(10 * time.Second).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { l.lost <- err }).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
			select {
			case l.in <- m:
			case <-ctx.Done():
			}
		})
}

// opener dials, and puts a guard between the broker and the library. Once ctx is done the connection is closed, however
// far it has come.
func (h *connector) opener(ctx context.Context, l *link) mqtt.OpenConnectionFunc {
	return func(u *url.URL, _ mqtt.ClientOptions) (net.Conn, error) {
		c, err := h.dialBroker(ctx, u)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { c.Close() })
		return mqttguard.Conn(c, mqttguard.Limits{Filters: len(h.filters()), Packet: wire.MaxPacket,
			Dropped: func(d mqttguard.Dropped) { h.messages.dropped(l, d) }}), nil
	}
}

// dialBroker connects to the broker: the one inside without the network, which is not open to machines before.
func (h *connector) dialBroker(ctx context.Context, u *url.URL) (net.Conn, error) {
	if h.broker != nil {
		return h.broker.Dial()
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
	if err != nil || u.Scheme != "ssl" {
		return c, err
	}
	t := tls.Client(c, &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname()})
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return t, nil
}

// heard is what machines say that the hub wants to hear.
var heard = [...]string{"records", "reply", "state", "availability"}

// filters are what the hub subscribes to, and the QoS. With QoS 0 it looks for retained messages that should not be
// there.
func (h *connector) filters() map[string]byte {
	filters := map[string]byte{h.core.topics.Bundle(): 0, h.core.topics.Ack("+"): 0, h.core.topics.All("command"): 0,
		h.core.topics.All("checkpoint"): 0}
	for _, what := range heard {
		filters[h.core.topics.All(what)] = 1
	}
	return filters
}

// subscribe asks for the filters, and makes sure that those of QoS 1 were granted.
func (h *connector) subscribe(ctx context.Context, l *link) error {
	filters := h.filters()
	t := l.client.SubscribeMultiple(filters, nil)
	if err := await(ctx, t); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	for filter, granted := range t.(*mqtt.SubscribeToken).Result() {
		if granted > 2 && filters[filter] == 1 {
			return fmt.Errorf("subscribe: the broker does not let this hub hear %s", filter)
		}
	}
	return nil
}

// greet publishes what brokers may have lost.
func (h *connector) greet(l *link) error {
	select {
	case <-h.bundles.renewed: // it is offered now
	default:
	}
	err := h.messages.offer(l)
	for _, m := range h.fleet.list() {
		err = errors.Join(err, h.messages.acknowledge(l, m.ID))
	}
	h.first.Do(func() { close(h.heard) })
	return err
}

// Hearing is closed once the hub has subscribed for the first time: what machines say from then on is heard.
func (h *Hub) Hearing() <-chan struct{} { return h.connector.heard }

// publish sends with QoS 1 and does not wait: what is lost with a connection is published anew on the next.
func (l *link) publish(topic string, retained bool, data []byte) error {
	t := l.client.Publish(topic, 1, retained, data)
	select {
	case <-t.Done():
		if err := t.Error(); err != nil {
			return fmt.Errorf("publish on %s: %w", topic, err)
		}
	default:
	}
	return nil
}

// await waits for the broker's answer, or ctx.
func await(ctx context.Context, t mqtt.Token) error {
	select {
	case <-t.Done():
		return t.Error()
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(2 * writeTimeout):
		return errors.New("no answer")
	}
}

// random is n bytes that nobody can guess, in hexadecimal.
func random(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// order is a command on its way.
type order struct {
	topic    string
	data     []byte
	retained bool
}
