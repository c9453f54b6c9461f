package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Control packet types that the proxy handles (MQTT 3.1.1, section 2.2.1).
const (
	typeConnect     = 1
	typeConnack     = 2
	typePublish     = 3
	typeSubscribe   = 8
	typeUnsubscribe = 10
)

// Return codes of CONNACK (MQTT 3.1.1, section 3.2.2.3).
const (
	badProtocol   = 1
	badClientID   = 2
	notAvailable  = 3
	notAuthorized = 5
)

// Flags of CONNECT (MQTT 3.1.1, section 3.1.2.3).
const (
	flagReserved = 0x01
	flagClean    = 0x02
	flagWill     = 0x04
	flagWillQoS  = 0x18
	flagRetain   = 0x20
	flagPassword = 0x40
	flagUser     = 0x80
)

// maxConnect is the maximum length of a CONNECT packet, in bytes. A CONNECT of a machine is short, because its will has
// only a few bytes.
const maxConnect = 8 << 10

// errProtocol is the error for a client that requests a version other than MQTT 3.1.1.
var errProtocol = errors.New("client requests an unsupported protocol, want MQTT 3.1.1")

// connect is a decoded CONNECT packet (MQTT 3.1.1, section 3.1).
type connect struct {
	flags       byte
	keepAlive   uint16
	id          string
	willTopic   []byte
	will        []byte
	user        string
	password    string
	hasPassword bool
}

// readHeader reads the fixed header of a packet (MQTT 3.1.1, section 2.2): the first byte and the remaining length.
func readHeader(r io.ByteReader) (first byte, length int, err error) {
	if first, err = r.ReadByte(); err != nil {
		return 0, 0, err
	}
	for shift := 0; shift <= 21; shift += 7 {
		b, err := r.ReadByte()
		if err != nil {
			return 0, 0, err
		}
		length |= int(b&0x7f) << shift
		if b < 0x80 {
			return first, length, nil
		}
	}
	return 0, 0, errors.New("remaining length of the packet has more than four bytes, want at most four")
}

// appendHeader appends a fixed header in the format that readHeader reads.
func appendHeader(b []byte, first byte, length int) []byte {
	b = append(b, first)
	for length >= 0x80 {
		b = append(b, byte(length)|0x80)
		length >>= 7
	}
	return append(b, byte(length))
}

// fieldReader reads length-prefixed fields (MQTT 3.1.1, section 1.5.3). After the first error, fieldReader returns only
// empty fields.
type fieldReader struct {
	rest []byte
	bad  bool
}

// readBytes returns the next n bytes, or n zeros after an error.
func (f *fieldReader) readBytes(n int) []byte {
	if f.bad || len(f.rest) < n {
		f.bad = true
		return make([]byte, n)
	}
	b := f.rest[:n]
	f.rest = f.rest[n:]
	return b
}

// readField returns the next length-prefixed field.
func (f *fieldReader) readField() []byte {
	n := int(binary.BigEndian.Uint16(f.readBytes(2)))
	if f.bad || n > len(f.rest) {
		f.bad = true
		return nil
	}
	return f.readBytes(n)
}

// parseConnect decodes the body of a CONNECT packet.
func parseConnect(body []byte) (connect, error) {
	f := &fieldReader{rest: body}
	name, level := string(f.readField()), f.readBytes(1)[0]
	if f.bad {
		return connect{}, errors.New("malformed CONNECT")
	}
	if name != "MQTT" || level != 4 {
		return connect{}, fmt.Errorf("%w, but the client sent protocol %.10q with level %d", errProtocol, name, level)
	}
	c := connect{flags: f.readBytes(1)[0], keepAlive: binary.BigEndian.Uint16(f.readBytes(2)), id: string(f.readField())}
	if c.flags&flagWill != 0 {
		c.willTopic, c.will = f.readField(), f.readField()
	}
	if c.flags&flagUser != 0 {
		c.user = string(f.readField())
	}
	if c.hasPassword = c.flags&flagPassword != 0; c.hasPassword {
		c.password = string(f.readField())
	}
	switch {
	case f.bad, len(f.rest) > 0, c.flags&flagReserved != 0, c.hasPassword && c.flags&flagUser == 0,
		c.flags&flagWill == 0 && c.flags&(flagWillQoS|flagRetain) != 0, c.flags&flagWillQoS > 1<<3:
		return connect{}, errors.New("malformed CONNECT")
	}
	return c, nil
}

// packet returns the CONNECT packet for the embedded server. The packet requests a clean session, so that the server
// stores nothing for an offline client.
func (c connect) packet() []byte {
	flags := c.flags&(flagWill|flagWillQoS|flagRetain) | flagClean | flagUser | flagPassword
	body := []byte{0, 4, 'M', 'Q', 'T', 'T', 4, flags}
	body = binary.BigEndian.AppendUint16(body, c.keepAlive)
	add := func(s string) {
		body = binary.BigEndian.AppendUint16(body, uint16(len(s)))
		body = append(body, s...)
	}
	add(c.id)
	if c.flags&flagWill != 0 {
		add(string(c.willTopic))
		add(string(c.will))
	}
	add(c.user)
	add(c.password)
	return append(appendHeader(nil, typeConnect<<4, len(body)), body...)
}

// filtersOf returns the topic filters of a SUBSCRIBE or UNSUBSCRIBE (MQTT 3.1.1, sections 3.8.3 and 3.10.3).
func filtersOf(kind byte, body []byte) ([]string, error) {
	f := &fieldReader{rest: body}
	f.readBytes(2) // packet identifier
	var out []string
	for !f.bad && len(f.rest) > 0 {
		out = append(out, string(f.readField()))
		if kind == typeSubscribe {
			f.readBytes(1)
		}
	}
	if f.bad || len(out) == 0 {
		return nil, errors.New("topic filters of a SUBSCRIBE or UNSUBSCRIBE are malformed")
	}
	return out, nil
}
