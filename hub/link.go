package hub

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"portillon/hub/broker"
	"portillon/wire"
	"portillon/wire/mqtt"
)

const (
	// shortest and longest pause between two connects; it doubles, and varies by half so that a site does not return in
	// step.
	shortestPause = 250 * time.Millisecond
	longestPause  = 15 * time.Second
	// brokerTimeout bounds dialling a broker that does not answer, and each write to one that stops reading.
	brokerTimeout = 10 * time.Second
	keepAlive     = 20 * time.Second
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

// link is the work over one connection. One goroutine publishes on it.
type link struct {
	conn     *mqtt.Connection
	in       chan mqtt.Message
	cleanups chan string // topics whose retained message was dropped
	offered  time.Time   // when the manifest was last published, by the monotonic clock
	intake   intake
}

// connected works over one connection until it is lost or ctx ends.
func (h *connector) connected(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l := &link{in: make(chan mqtt.Message, inbox), cleanups: make(chan string, maxCleanups)}
	if h.broker != nil {
		h.broker.Open() // the accounts are known
	}
	if l.conn, err = h.connect(ctx, l); err != nil {
		return err
	}
	defer l.conn.HangUp()
	defer l.intake.finish()
	defer cancel() // before HangUp: the library waits for a receive that waits for the inbox
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
		case err = <-l.conn.Lost():
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

// connect opens a connection under the hub's account: to the broker inside without the network, which is not open to
// machines before.
func (h *connector) connect(ctx context.Context, l *link) (*mqtt.Connection, error) {
	address, err := mqtt.ParseBroker(h.dial.url)
	if err != nil {
		return nil, err
	}
	o := mqtt.Options{
		Broker: address, ClientID: h.core.topics.HubClientID(), Username: h.dial.username, Password: h.dial.password,
		Subscriptions: h.core.topics.Subscriptions(wire.HubParty, "+"), MaxPacket: wire.MaxPacket,
		Timeout: brokerTimeout, KeepAlive: keepAlive,
		Receive: func(m mqtt.Message) {
			select {
			case l.in <- m:
			case <-ctx.Done():
			}
		},
		Dropped: func(d mqtt.Dropped) { h.messages.dropped(l, d) },
	}
	if h.broker != nil {
		o.Dial = func(context.Context) (net.Conn, error) { return h.broker.Dial() }
	}
	return mqtt.Connect(ctx, o)
}

// subscribe fails where the broker denies a topic that the hub works with. Without one that it only inspects, retained
// messages of machines that are gone stay there.
func (h *connector) subscribe(ctx context.Context, l *link) error {
	denied, err := l.conn.Subscribe(ctx)
	if err != nil {
		return err
	}
	wanted := h.core.topics.Subscriptions(wire.HubParty, "+")
	for _, filter := range denied {
		if wanted[filter] > 0 {
			return fmt.Errorf("subscribe: the broker denies this hub the topic %s", filter)
		}
		h.core.log.Warn("broker denies the hub a subscription", "topic", filter)
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
	t := l.conn.Publish(mqtt.Message{Topic: topic, Retained: retained, Payload: data})
	select {
	case <-t.Done():
		if err := t.Error(); err != nil {
			return fmt.Errorf("publish on %s: %w", topic, err)
		}
	default:
	}
	return nil
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
