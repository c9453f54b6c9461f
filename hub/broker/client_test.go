package broker_test

import (
	"net"
	"net/url"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"portillon/hub/broker"
	"portillon/wire"
)

// client is an MQTT connection of a test, with the options of the uplink and the hub.
type client struct {
	t    *testing.T
	c    mqtt.Client
	conn net.Conn
	in   chan mqtt.Message
}

func options(addr string) *mqtt.ClientOptions {
	return mqtt.NewClientOptions().AddBroker("tcp://" + addr).SetProtocolVersion(4).SetCleanSession(true).
		SetAutoReconnect(false).SetConnectRetry(false).SetWriteTimeout(patience).SetConnectTimeout(patience)
}

func connect(t *testing.T, addr, willTopic string) *client {
	t.Helper()
	o := options(addr)
	if willTopic != "" {
		o.SetWill(willTopic, "offline", 1, true)
	}
	return open(t, o)
}

func connectAs(t *testing.T, addr, id string) *client {
	t.Helper()
	return open(t, options(addr).SetClientID(id))
}

func login(t *testing.T, addr, user string) *client {
	t.Helper()
	for _, a := range withVinyl() {
		if a.User == user {
			return open(t, options(addr).SetUsername(user).SetPassword(a.Password).SetClientID(clientID(a)))
		}
	}
	t.Fatalf("no account %s", user)
	return nil
}

// clientID returns a client id that the account may use.
func clientID(a broker.Account) string {
	topics := wire.Topics{Site: "biklab"}
	switch a.As {
	case broker.AsHub:
		return topics.HubClientID()
	case broker.AsMachine:
		return topics.ClientID(a.Machine)
	}
	return "home"
}

// open connects, and retries while the broker is starting.
func open(t *testing.T, o *mqtt.ClientOptions) *client {
	t.Helper()
	c := &client{t: t, in: make(chan mqtt.Message, 10000)}
	o.SetCustomOpenConnectionFn(func(u *url.URL, _ mqtt.ClientOptions) (net.Conn, error) {
		var err error
		poll := time.Tick(10 * time.Millisecond) // time between two attempts to connect
		for end := time.Now().Add(patience); time.Now().Before(end); <-poll {
			if c.conn, err = net.Dial("tcp", u.Host); err == nil {
				return c.conn, nil
			}
		}
		return nil, err
	})
	o.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { c.in <- m })
	c.c = mqtt.NewClient(o)
	c.must(c.c.Connect())
	t.Cleanup(func() { c.c.Disconnect(0) })
	return c
}

func (c *client) must(tok mqtt.Token) {
	c.t.Helper()
	if !tok.WaitTimeout(patience) || tok.Error() != nil {
		c.t.Fatal("no answer from the broker: ", tok.Error())
	}
}

func (c *client) publish(topic string, retained bool, payload string) {
	c.t.Helper()
	c.must(c.c.Publish(topic, 1, retained, payload))
}

func (c *client) subscribe(filters ...string) {
	c.t.Helper()
	for _, f := range filters {
		tok := c.c.Subscribe(f, 1, nil)
		c.must(tok)
		if got := tok.(*mqtt.SubscribeToken).Result()[f]; got > 1 { // the broker may grant QoS 0 to a machine (lowerQoS)
			c.t.Fatalf("subscribed to %s with %d, want QoS 0 or 1", f, got)
		}
	}
}

// trySubscribe subscribes, and ignores a refusal.
func (c *client) trySubscribe(filters ...string) {
	for _, f := range filters {
		c.c.Subscribe(f, 1, nil).WaitTimeout(patience)
	}
}

func (c *client) next() mqtt.Message {
	c.t.Helper()
	select {
	case m := <-c.in:
		return m
	case <-time.After(patience):
		c.t.Fatal("no message arrived")
		return nil
	}
}

// cut closes the connection without a DISCONNECT.
func (c *client) cut() { c.conn.Close() }
