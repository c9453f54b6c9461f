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
	// shortestPause and longestPause are the limits of the pause between two connection attempts. The pause doubles after
	// each failure. The pause varies randomly by half, so that not all clients of a site reconnect at the same moment.
	shortestPause = 250 * time.Millisecond
	longestPause  = 15 * time.Second
	// brokerTimeout is the timeout for connecting to a broker and for each write to it.
	brokerTimeout = 10 * time.Second
	keepAlive     = 20 * time.Second
	// inboxSize is the number of received messages that are buffered before the connection stops reading.
	inboxSize = 64
)

// connector maintains the connection to the broker.
type connector struct {
	core     *core
	fleet    *fleet
	messages *messages
	commands *commands
	bundles  *bundleStore

	linked atomic.Bool    // true: the hub is connected to the broker
	broker *broker.Broker // the broker inside this program; nil: the broker is a separate program
	dial   dialing
	heard  chan struct{} // channel that is closed when the hub has subscribed for the first time
	first  sync.Once
}

// stayConnected connects to the broker again whenever the connection is lost. stayConnected creates a new client for
// each connection, because the library's own reconnect reports success for messages that it has lost.
func (h *connector) stayConnected(ctx context.Context) error {
	pause := shortestPause
	for {
		began := time.Now()
		err := h.connected(ctx)
		if ctx.Err() != nil {
			return nil
		}
		h.core.log.Warn("connection to the broker failed", "broker", h.dial.url, "why", err)
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

// link is the state of one connection to the broker. Only one goroutine publishes on a link.
type link struct {
	conn     *mqtt.Connection
	in       chan mqtt.Message
	cleanups chan string // topics whose retained message the hub dropped and must clear
	offered  time.Time   // time of the last publication of the manifest, by the monotonic clock
	intake   intake
}

// connected handles one connection until the connection is lost or ctx ends.
func (h *connector) connected(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l := &link{in: make(chan mqtt.Message, inboxSize), cleanups: make(chan string, maxCleanups)}
	if h.broker != nil {
		h.broker.Open() // accept clients now that all accounts have been added
	}
	if l.conn, err = h.connect(ctx, l); err != nil {
		return err
	}
	defer l.conn.HangUp()
	defer l.intake.finish()
	defer cancel() // closed before HangUp, because HangUp waits for a callback that may wait for the inbox
	if err := h.subscribe(ctx, l); err != nil {
		return err
	}
	h.core.log.Info("connected", "broker", h.dial.url)
	h.linked.Store(true)
	defer h.linked.Store(false)
	if err := h.publishRetained(l); err != nil {
		return err
	}
	look := time.NewTicker(offerPoll)
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
			err = h.messages.acknowledgeStored(l, o)
		case topic := <-l.cleanups:
			err = h.messages.tidy(l, topic)
		case <-h.bundles.renewed:
			err = h.messages.publishManifest(l)
		case <-look.C:
			err = h.messages.republishManifest(l)
		case o := <-h.commands.orders:
			err = l.publish(o.topic, o.retained, o.data)
		}
		if err != nil {
			return err
		}
	}
}

// connect opens a connection with the hub's account. connect connects to the broker inside this program without the
// network, because that broker accepts no network connections yet.
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

// subscribe subscribes to the hub's topics. subscribe returns an error if the broker denies a topic that the hub needs.
// If the broker denies a topic that the hub only cleans, retained messages of removed machines stay on that topic.
func (h *connector) subscribe(ctx context.Context, l *link) error {
	denied, err := l.conn.Subscribe(ctx)
	if err != nil {
		return err
	}
	wanted := h.core.topics.Subscriptions(wire.HubParty, "+")
	for _, filter := range denied {
		if wanted[filter] > 0 {
			return fmt.Errorf("subscribe: the broker denies the hub the topic %s", filter)
		}
		h.core.log.Warn("broker denies the hub a subscription", "topic", filter)
	}
	return nil
}

// publishRetained publishes the messages that brokers may have lost: the manifest and all acknowledgements.
func (h *connector) publishRetained(l *link) error {
	select {
	case <-h.bundles.renewed: // drop the signal, because greet publishes the manifest below
	default:
	}
	err := h.messages.publishManifest(l)
	for _, m := range h.fleet.list() {
		err = errors.Join(err, h.messages.acknowledge(l, m.ID))
	}
	h.first.Do(func() { close(h.heard) })
	return err
}

// Hearing returns a channel that is closed once the hub has subscribed for the first time. All later messages of
// machines reach the hub.
func (h *Hub) Hearing() <-chan struct{} { return h.connector.heard }

// publish sends a message with QoS 1 and does not wait for the broker's answer. If the connection is lost, the next
// connection publishes the message again.
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

// randomHex returns n random bytes in hexadecimal.
func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// order is a signed command that waits to be sent.
type order struct {
	topic    string
	data     []byte
	retained bool
}
