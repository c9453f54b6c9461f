package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// These are control packets of MQTT 3.1.1 (§2.2.1), with the flags that a client must set.
const (
	mqttConnect   = 0x10
	mqttConnack   = 0x20
	mqttPublish   = 0x30
	mqttPuback    = 0x40
	mqttSubscribe = 0x82
	mqttSuback    = 0x90
	mqttPing      = 0xc0
	mqttQoS1      = 0x02
	mqttRetain    = 0x01
	mqttKeepAlive = 30 // keep-alive time in seconds, as in the daemon
	mqttPingEvery = 20 * time.Second
	mqttMaxPacket = 2 << 20
	// flags of CONNECT: clean session, retained will with QoS 1, user name, password
	mqttFirstFlags = 0x02 | 0x04 | 0x08 | 0x20 | 0x40 | 0x80
)

// mqttConn is the MQTT connection of a simulated machine. It implements only the part of MQTT 3.1.1 that the daemon
// uses. Only one goroutine at a time may call read.
type mqttConn struct {
	c  net.Conn
	r  *bufio.Reader
	id uint16

	mu sync.Mutex // lock for writing and for the field id
}

// mqttHello is what a CONNECT packet contains.
type mqttHello struct{ client, user, password, willTopic, will string }

// openMQTT sends a CONNECT packet, and waits at most for the time patience until the broker answers.
func openMQTT(c net.Conn, h mqttHello, patience time.Duration) (*mqttConn, error) {
	m := &mqttConn{c: c, r: bufio.NewReaderSize(c, 4<<10)}
	body := append(mqttText(nil, "MQTT"), 4, mqttFirstFlags, 0, mqttKeepAlive)
	for _, s := range []string{h.client, h.willTopic, h.will, h.user, h.password} {
		body = mqttText(body, s)
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if err := m.write(mqttConnect, body); err != nil {
		return nil, err
	}
	kind, answer, err := m.read()
	if err != nil {
		return nil, err
	}
	if kind != mqttConnack || len(answer) != 2 || answer[1] != 0 {
		return nil, fmt.Errorf("broker refused CONNECT with packet %#x %x", kind, answer)
	}
	return m, c.SetDeadline(time.Time{})
}

// mqttText appends the length of a text, and then the text, to a packet.
func mqttText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// write sends one packet.
func (m *mqttConn) write(first byte, body []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writeLocked(first, body)
}

// writeLocked sends one packet. The caller must hold the lock mu.
func (m *mqttConn) writeLocked(first byte, body []byte) error {
	// The packet's length is written as a varint of base 128 (§2.2.3).
	packet := append(binary.AppendUvarint([]byte{first}, uint64(len(body))), body...)
	_, err := m.c.Write(packet)
	return err
}

// nextID returns a new packet identifier, which is never 0. The caller must hold the lock mu.
func (m *mqttConn) nextID() uint16 {
	if m.id++; m.id == 0 {
		m.id = 1
	}
	return m.id
}

// subscribe subscribes to topics with QoS 1.
func (m *mqttConn) subscribe(topics ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	body := binary.BigEndian.AppendUint16(nil, m.nextID())
	for _, t := range topics {
		body = append(mqttText(body, t), 1)
	}
	return m.writeLocked(mqttSubscribe, body)
}

// publish sends a message with QoS 1.
func (m *mqttConn) publish(topic string, retained bool, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	first := byte(mqttPublish | mqttQoS1)
	if retained {
		first |= mqttRetain
	}
	body := append(binary.BigEndian.AppendUint16(mqttText(nil, topic), m.nextID()), data...)
	return m.writeLocked(first, body)
}

// read returns the next packet: its first byte and its body.
func (m *mqttConn) read() (first byte, body []byte, err error) {
	if first, err = m.r.ReadByte(); err != nil {
		return 0, nil, err
	}
	n, err := binary.ReadUvarint(m.r)
	if err != nil {
		return 0, nil, err
	}
	if n > mqttMaxPacket {
		return 0, nil, fmt.Errorf("packet from the broker has %d bytes, want at most %d", n, mqttMaxPacket)
	}
	body = make([]byte, n)
	_, err = io.ReadFull(m.r, body)
	return first, body, err
}

// message parses a PUBLISH packet, and acknowledges it if its QoS is 1.
func (m *mqttConn) message(first byte, body []byte) (topic string, data []byte, err error) {
	if len(body) < 2 || len(body) < 2+int(binary.BigEndian.Uint16(body)) {
		return "", nil, errors.New("packet PUBLISH from the broker is too short for its topic")
	}
	n := 2 + int(binary.BigEndian.Uint16(body))
	topic, data = string(body[2:n]), body[n:]
	if first&0x06 == 0 {
		return topic, data, nil
	}
	if len(data) < 2 {
		return "", nil, errors.New("packet PUBLISH from the broker has QoS 1 but no packet identifier")
	}
	return topic, data[2:], m.write(mqttPuback, data[:2])
}
