package uplink

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"portillon/wire"
	"portillon/wire/mqttguard"
)

// subscriptions is how many topics greet asks for in its one SUBSCRIBE.
const subscriptions = 3

// open dials, with the guard around the connection: only packets pass that the library survives. Once ctx is done the
// connection is closed, however far it has come.
func (l *link) open(ctx context.Context) mqtt.OpenConnectionFunc {
	return func(*url.URL, mqtt.ClientOptions) (net.Conn, error) {
		dial, cancel := context.WithTimeout(ctx, l.c.Timeout)
		defer cancel()
		at := l.broker.Host
		if l.c.Resolve != nil {
			at = l.c.Resolve(at)
		}
		c, err := (&net.Dialer{}).DialContext(dial, "tcp", at)
		if err != nil {
			return nil, err
		}
		if secure(l.broker) {
			t := tls.Client(c, tlsConfig(l.c.TLS, l.broker.Hostname()))
			if err := t.HandshakeContext(dial); err != nil {
				return nil, errors.Join(err, c.Close())
			}
			c = t
		}
		context.AfterFunc(ctx, func() { c.Close() })
		return mqttguard.Conn(c, mqttguard.Limits{Filters: subscriptions, Packet: wire.MaxPacket, Dropped: l.dropped}), nil
	}
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
