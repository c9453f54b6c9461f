package uplink

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"portillon/wire"
)

// MQTT 3.1.1 §2.2.1: control packet types.
const (
	connack  = 2
	publish  = 3
	puback   = 4
	suback   = 9
	pingresp = 13
)

// subscriptions is how many topics greet asks for in its one SUBSCRIBE.
const subscriptions = 3

// maxPacket bounds what a broker may send: the largest signed text, its topic, and room for the header's fields.
const maxPacket = wire.MaxSigned + 1<<10

// guard stands between the broker and the library: only whole packets pass, of the kinds that a broker may send to a
// client like ours, and of a form that the library survives. On anything else the connection ends.
type guard struct {
	net.Conn
	packet  bytes.Reader // what has passed and is not read yet
	buf     []byte
	greeted bool
	failed  error
}

// open dials, with the guard around the connection. Once ctx is done the connection is closed, however far it has come.
func (l *link) open(ctx context.Context) mqtt.OpenConnectionFunc {
	return func(*url.URL, mqtt.ClientOptions) (net.Conn, error) {
		dial, cancel := context.WithTimeout(ctx, l.c.Timeout)
		defer cancel()
		c, err := (&net.Dialer{}).DialContext(dial, "tcp", l.broker.Host)
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
		return &guard{Conn: c}, nil
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

// Read gives the library bytes of packets that have passed.
func (g *guard) Read(p []byte) (int, error) {
	if g.packet.Len() == 0 {
		if g.failed == nil {
			g.failed = g.next()
		}
		if g.failed != nil {
			return 0, g.failed
		}
	}
	return g.packet.Read(p)
}

// next reads one packet and judges it.
func (g *guard) next() error {
	first, length, err := header(g.Conn, &g.buf)
	if err != nil {
		return err
	}
	if length > maxPacket {
		return fmt.Errorf("the broker announces a packet of %d bytes: at most %d", length, maxPacket)
	}
	n := len(g.buf)
	if need := n + length; cap(g.buf) < need || cap(g.buf) > 1<<16 && need < 1<<14 { // a large one is not kept for ever
		g.buf = append(make([]byte, 0, need), g.buf...)
	}
	g.buf = g.buf[:n+length]
	body := g.buf[n:]
	if _, err := io.ReadFull(g.Conn, body); err != nil {
		return err
	}
	if err := judge(first, body, g.greeted); err != nil {
		return err
	}
	g.greeted = true
	g.packet.Reset(g.buf)
	return nil
}

// header reads a fixed header (§2.2) into buf.
func header(r io.Reader, buf *[]byte) (first byte, length int, err error) {
	var b [1]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0, 0, err
	}
	first = b[0]
	*buf = append((*buf)[:0], first)
	for shift := 0; ; shift += 7 {
		if shift > 21 {
			return 0, 0, errors.New("the broker sends no MQTT: a length of more than four bytes")
		}
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return 0, 0, err
		}
		*buf = append(*buf, b[0])
		length |= int(b[0]&0x7f) << shift
		if b[0] < 0x80 {
			return first, length, nil
		}
	}
}

// judge says why a packet does not pass. Publishes with QoS 2 do not: nothing is subscribed with it.
func judge(first byte, body []byte, greeted bool) error {
	kind, flags, ok := first>>4, first&0x0f, false
	switch kind {
	case connack:
		ok = !greeted && flags == 0 && len(body) == 2 && body[1] <= 5
	case publish:
		ok = greeted && flags&0x06 <= 0x02 && publishFits(body, flags&0x06 != 0)
	case puback:
		ok = greeted && flags == 0 && len(body) == 2
	case suback:
		ok = greeted && flags == 0 && len(body) == 2+subscriptions
	case pingresp:
		ok = greeted && flags == 0 && len(body) == 0
	}
	if !ok {
		return fmt.Errorf("the broker sends what no broker may: a packet of type %d, flags %04b, %d bytes", kind, flags, len(body))
	}
	return nil
}

func publishFits(body []byte, withID bool) bool {
	if len(body) < 2 {
		return false
	}
	need := 2 + int(binary.BigEndian.Uint16(body))
	if withID {
		need += 2
	}
	return need > 2 && len(body) >= need
}
