package mqtt

// The guard checks the broker's packets before the client library reads them. Without the guard, paho.mqtt.golang
// panics on a SUBACK that is longer than its SUBSCRIBE, and allocates 256 MB if a header announces a packet of that
// size.
//
// The guard forwards only whole packets, and only of types that a broker may send to its client. The client publishes
// and subscribes with QoS 0 and 1, and sends one SUBSCRIBE with a known number of filters. Any other packet is an
// error, after which all Reads fail. The guard does not check the client's own packets.
//
// A PUBLISH larger than Limits.Packet does not end the connection, because a broker that retains this message would
// send it again after each reconnect. The guard discards the message, calls Limits.Dropped, and acknowledges the
// message if its QoS is 1, so that the broker does not send it again.

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// These are the control packet types of MQTT 3.1.1 §2.2.1.
const (
	connack  = 2
	publish  = 3
	puback   = 4
	suback   = 9
	pingresp = 13
)

const (
	// maxTopic is how many bytes of the topic of a dropped message are reported.
	maxTopic = 256
	// pulse is how many bytes of a dropped message the guard reads between two PINGRESPs that it sends to the client.
	// Without these PINGRESPs, the client would end the connection 10 s after its PINGREQ, while a large message arrives
	// over a slow network.
	pulse = 256 << 10
)

// Limits are the limits of the packets that the guard passes on to its client.
type Limits struct {
	Filters int           // number of filters in the client's SUBSCRIBE
	Packet  int           // remaining length (§2.2.3) of the largest packet, in bytes
	Dropped func(Dropped) // function that is called for each dropped PUBLISH; it must not block, and may be nil
}

// Dropped describes a PUBLISH that the guard discarded because it was too large.
type Dropped struct {
	Topic    string // the first 256 bytes of the topic
	Bytes    int    // remaining length of the packet (§2.2.3)
	Retained bool   // true if the broker had retained the message
}

// Guard returns a connection like c whose Reads return only checked packets. The returned connection passes writes,
// deadlines and Close to c unchanged.
func Guard(c net.Conn, l Limits) net.Conn { return &guard{Conn: c, limits: l} }

type guard struct {
	net.Conn
	limits  Limits
	packet  bytes.Reader // checked bytes that the client has not read yet
	buf     []byte
	greeted bool
	failed  error
	skip    int      // number of bytes of a dropped PUBLISH that must still be discarded
	owed    *[2]byte // packet identifier that is acknowledged once the dropped PUBLISH was discarded; nil: none
}

// Read returns bytes of checked packets.
func (g *guard) Read(p []byte) (int, error) {
	for g.packet.Len() == 0 {
		if g.failed == nil {
			g.failed = g.readPacket()
		}
		if g.failed != nil {
			return 0, g.failed
		}
	}
	return g.packet.Read(p)
}

// readPacket reads and checks one packet, or discards a part of a dropped PUBLISH.
func (g *guard) readPacket() error {
	if g.skip > 0 {
		return g.drain()
	}
	first, length, err := g.readHeader()
	if err != nil {
		return err
	}
	if length > g.limits.Packet {
		if g.greeted && first>>4 == publish && first&0x06 <= 0x02 {
			return g.drop(first, length)
		}
		return fmt.Errorf("broker announces a packet of %d bytes, want at most %d", length, g.limits.Packet)
	}
	head := len(g.buf)
	// Make the buffer larger, or free a large buffer.
	if need := head + length; cap(g.buf) < need || cap(g.buf) > 1<<16 && need < 1<<14 {
		g.buf = append(make([]byte, 0, need), g.buf...)
	}
	g.buf = g.buf[:head+length]
	if _, err := io.ReadFull(g.Conn, g.buf[head:]); err != nil {
		return err
	}
	if err := g.check(first, g.buf[head:]); err != nil {
		return err
	}
	g.greeted = true
	g.packet.Reset(g.buf)
	return nil
}

// drop reads the topic and the packet identifier of a PUBLISH that is too large (§3.3.2). The function drain discards
// the rest of the packet.
func (g *guard) drop(first byte, length int) error {
	var b [2]byte
	if _, err := io.ReadFull(g.Conn, b[:]); err != nil {
		return err
	}
	topic := int(binary.BigEndian.Uint16(b[:]))
	head := 2 + topic
	if first&0x06 != 0 {
		head += 2
	}
	if topic == 0 || head > length {
		return fmt.Errorf("broker violates MQTT: PUBLISH of %d bytes with a topic of %d", length, topic)
	}
	kept := make([]byte, min(topic, maxTopic))
	if _, err := io.ReadFull(g.Conn, kept); err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, g.Conn, int64(topic-len(kept))); err != nil {
		return err
	}
	g.owed = nil
	if first&0x06 != 0 {
		g.owed = new([2]byte)
		if _, err := io.ReadFull(g.Conn, g.owed[:]); err != nil {
			return err
		}
	}
	if g.limits.Dropped != nil {
		g.limits.Dropped(Dropped{Topic: string(kept), Bytes: length, Retained: first&1 != 0})
	}
	g.skip = length - head
	return g.drain()
}

// drain discards the next bytes of a dropped PUBLISH, and acknowledges the message at its end. After each call, the
// client can read a PINGRESP (§3.13), which shows that the connection works.
func (g *guard) drain() error {
	n, err := io.CopyN(io.Discard, g.Conn, int64(min(g.skip, pulse)))
	g.skip -= int(n)
	if err != nil {
		return err
	}
	if g.skip == 0 && g.owed != nil {
		// This write cannot fall inside a packet of the client: the client writes each packet with one Write, and net.Conn
		// executes one Write at a time.
		if _, err := g.Conn.Write([]byte{puback << 4, 2, g.owed[0], g.owed[1]}); err != nil {
			return err
		}
	}
	g.packet.Reset([]byte{pingresp << 4, 0})
	return nil
}

// readHeader reads a fixed header (§2.2) into buf.
func (g *guard) readHeader() (first byte, length int, err error) {
	var b [1]byte
	if _, err := io.ReadFull(g.Conn, b[:]); err != nil {
		return 0, 0, err
	}
	first = b[0]
	g.buf = append(g.buf[:0], first)
	for shift := 0; shift <= 21; shift += 7 {
		if _, err := io.ReadFull(g.Conn, b[:]); err != nil {
			return 0, 0, err
		}
		g.buf = append(g.buf, b[0])
		length |= int(b[0]&0x7f) << shift
		if b[0] < 0x80 {
			return first, length, nil
		}
	}
	return 0, 0, errors.New("broker violates MQTT: length has more than four bytes")
}

// check returns an error if a broker must not send this packet at this point.
func (g *guard) check(first byte, body []byte) error {
	kind, flags := first>>4, first&0x0f
	ok := false
	if kind == publish {
		ok = g.greeted && flags&0x06 <= 0x02 && isValidPublish(body, flags&0x06 != 0)
	} else if flags == 0 && g.greeted == (kind != connack) { // CONNACK must come first, and only once (§3.2)
		ok = g.isValidAnswer(kind, body)
	}
	if !ok {
		return fmt.Errorf("broker violates MQTT: packet of type %d with flags %04b and %d bytes",
			kind, flags, len(body))
	}
	return nil
}

// isValidAnswer checks the length of an answer of the broker, and the return code of a CONNACK.
func (g *guard) isValidAnswer(kind byte, body []byte) bool {
	switch kind {
	case connack:
		return len(body) == 2 && body[1] <= 5
	case puback:
		return len(body) == 2
	case suback:
		return len(body) == 2+g.limits.Filters
	case pingresp:
		return len(body) == 0
	}
	return false
}

// isValidPublish reports whether a PUBLISH is complete: the topic has at least one byte, and the packet identifier is
// present if the QoS requires one. The payload may be empty (§3.3).
func isValidPublish(body []byte, withID bool) bool {
	if len(body) < 2 {
		return false
	}
	need := 2 + int(binary.BigEndian.Uint16(body))
	if withID {
		need += 2
	}
	return body[0]|body[1] != 0 && len(body) >= need
}
