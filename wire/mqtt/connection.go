package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

const (
	// protocol is the protocol level of MQTT 3.1.1 (§3.1.2.2). Because the level is set, the library does not try to
	// connect a second time with MQTT 3.1.
	protocol = 4
	// failure is the SUBACK return code for a topic filter that the broker denies (§3.9.3).
	failure = 0x80
	// qos is the QoS of every publish, with which the broker acknowledges each message.
	qos = 1
)

// Options are the settings of a connection, including the account at the broker. Broker, ClientID, Subscriptions,
// MaxPacket, Timeout, KeepAlive and Receive are required.
type Options struct {
	Broker *url.URL // address of the broker, from ParseBroker
	// Dial replaces the function that dials; nil: Connect dials the broker's address with TCP, and uses TLS if the scheme
	// of the URL requires it.
	Dial func(ctx context.Context) (net.Conn, error)
	// Function that maps the broker's address to the address to dial; nil: the same address.
	Resolve func(hostport string) string
	TLS     *tls.Config // TLS settings; nil: use the system's certificate authorities

	ClientID           string
	Username, Password string
	Will               *Message // message that the broker publishes if the connection is lost; nil: none

	Subscriptions map[string]byte // topic filters with their QoS, which are all sent in one SUBSCRIBE
	MaxPacket     int             // largest accepted remaining length of a packet, in bytes
	Timeout       time.Duration   // time limit for dialling with TLS, for each write, and for each PINGRESP
	KeepAlive     time.Duration
	// Receive is called for each received message, one at a time. While Receive blocks, no other message is received.
	Receive func(Message)
	// Dropped is called for each message that is too large. Dropped must not block. It may be nil.
	Dropped func(Dropped)
	After   func(time.Duration) <-chan time.Time // function that makes a timer; nil: time.After
}

// Message is a message on a topic.
type Message struct {
	Topic string
	// In a received message: the broker had stored the message; in a published message: the broker must store it.
	Retained bool
	Payload  []byte
}

// Token is a pending or finished request to the broker.
type Token interface {
	Done() <-chan struct{}
	Error() error // error of the request, valid once Done is closed; nil before
}

// Connection is one connection, from CONNECT to its end. Only one goroutine may call Publish at a time.
type Connection struct {
	o      Options
	client paho.Client
	cut    context.CancelFunc // function that closes the socket, even during dialling
	lost   chan error
}

// ParseBroker reads a broker's address, such as tcp://host:1883 or ssl://host:8883.
func ParseBroker(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Port() == "" || !secure(u) && u.Scheme != "tcp" && u.Scheme != "mqtt" {
		return nil, fmt.Errorf("broker address %q: want tcp://host:1883 or ssl://host:8883", address)
	}
	return u, nil
}

// secure reports whether the URL's scheme requires TLS.
func secure(u *url.URL) bool {
	return u.Scheme == "ssl" || u.Scheme == "tls" || u.Scheme == "mqtts"
}

// Connect dials the broker and returns once the broker has accepted the CONNECT. Cancelling ctx ends the attempt to
// connect, but does not end an established connection: use HangUp or Close for that.
func Connect(ctx context.Context, o Options) (*Connection, error) {
	if o.After == nil {
		o.After = time.After
	}
	socket, cut := context.WithCancel(context.WithoutCancel(ctx))
	c := &Connection{o: o, cut: cut, lost: make(chan error, 1)}
	c.client = paho.NewClient(c.clientOptions(socket))
	if err := c.Await(ctx, c.client.Connect(), "connect"); err != nil {
		c.HangUp()
		return nil, err
	}
	return c, nil
}

func (c *Connection) clientOptions(socket context.Context) *paho.ClientOptions {
	o := paho.NewClientOptions().AddBroker(c.o.Broker.String()).
		SetClientID(c.o.ClientID).SetUsername(c.o.Username).SetPassword(c.o.Password).
		SetProtocolVersion(protocol).SetCleanSession(true).SetAutoReconnect(false).SetConnectRetry(false).
		SetWriteTimeout(c.o.Timeout).SetConnectTimeout(c.o.Timeout).
		SetKeepAlive(c.o.KeepAlive).SetPingTimeout(c.o.Timeout).
		SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) {
			c.o.Receive(Message{Topic: m.Topic(), Retained: m.Retained(), Payload: m.Payload()})
		}).
		SetConnectionLostHandler(func(_ paho.Client, err error) {
			select {
			case c.lost <- err:
			default: // an earlier call has already reported the loss of the connection
			}
		}).
		SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) { return c.open(socket) })
	if w := c.o.Will; w != nil {
		o.SetBinaryWill(w.Topic, w.Payload, qos, w.Retained)
	}
	return o
}

// open dials, and puts the guard between the broker and the client library. When ctx is done, the connection is closed,
// whatever its state is.
func (c *Connection) open(ctx context.Context) (net.Conn, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	limits := Limits{Filters: len(c.o.Subscriptions), Packet: c.o.MaxPacket, Dropped: c.o.Dropped}
	return Guard(conn, limits), nil
}

func (c *Connection) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	if c.o.Dial != nil {
		return c.o.Dial(ctx)
	}
	address := c.o.Broker.Host
	if c.o.Resolve != nil {
		address = c.o.Resolve(address)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil || !secure(c.o.Broker) {
		return conn, err
	}
	t := tls.Client(conn, tlsConfig(c.o.TLS, c.o.Broker.Hostname()))
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return t, nil
}

func tlsConfig(c *tls.Config, host string) *tls.Config {
	if c == nil {
		c = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	c = c.Clone()
	if c.ServerName == "" {
		c.ServerName = host
	}
	return c
}

// Await waits for the broker's answer, for at most twice Options.Timeout: one timeout for dialling, and one for the
// handshake. If the broker does not answer in time, Await closes the connection, which also finishes the token.
func (c *Connection) Await(ctx context.Context, t Token, what string) error {
	select {
	case <-t.Done():
		if err := t.Error(); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	case err := <-c.lost:
		return fmt.Errorf("%s: %w", what, err)
	case <-c.o.After(2 * c.o.Timeout):
		c.HangUp()
		return fmt.Errorf("%s: broker did not answer", what)
	case <-ctx.Done():
		c.HangUp()
		return ctx.Err()
	}
}

// Lost returns the channel that receives, once, the error that ended the connection.
func (c *Connection) Lost() <-chan error { return c.lost }

// Subscribe subscribes to Options.Subscriptions and returns the filters that the broker denied, sorted.
func (c *Connection) Subscribe(ctx context.Context) (denied []string, err error) {
	t := c.client.SubscribeMultiple(c.o.Subscriptions, nil)
	if err := c.Await(ctx, t, "subscribe"); err != nil {
		return nil, err
	}
	if s, ok := t.(*paho.SubscribeToken); ok {
		for filter, granted := range s.Result() {
			if granted >= failure {
				denied = append(denied, filter)
			}
		}
	}
	slices.Sort(denied)
	return denied, nil
}

// Publish sends a message with QoS 1. While the broker does not read, Publish may block for Options.Timeout.
func (c *Connection) Publish(m Message) Token {
	return c.client.Publish(m.Topic, qos, m.Retained, m.Payload)
}

// HangUp closes the connection at once. HangUp closes the socket first, so that the client library does not wait for
// the broker.
func (c *Connection) HangUp() {
	c.cut()
	c.client.Disconnect(0)
}

// Close sends a DISCONNECT, so that the broker does not publish the will. Close waits for at most the time quiesce, and
// then closes the connection.
func (c *Connection) Close(quiesce time.Duration) {
	c.client.Disconnect(uint(quiesce / time.Millisecond))
	c.cut()
}
