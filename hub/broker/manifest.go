package broker

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"portillon/wire"
)

// manifests sends the hub's manifest, in place of the embedded server, to the machines that subscribed to the
// manifest's topic. A manifest has more than 4 KB, so that the embedded server would need a buffer of 64 KB for each
// machine and copy the manifest once per machine.
//
// Machines that subscribe before the hub has published a manifest receive the retained manifest from the embedded
// server.
type manifests struct {
	topic string

	mu     sync.Mutex
	number uint64 // number of the newest manifest; 0: the hub has published no manifest
	packet []byte // the newest manifest as a PUBLISH packet with QoS 0
	kept   []byte // the newest manifest as a retained message; nil: no message is retained
	to     map[*downward]bool
}

// newManifests returns a manifests without a manifest and without subscribers.
func newManifests(topic string) *manifests {
	return &manifests{topic: topic, to: map[*downward]bool{}}
}

// publish sends a manifest to all subscribed machines.
func (m *manifests) publish(payload []byte) {
	body := append(binary.BigEndian.AppendUint16(nil, uint16(len(m.topic))), m.topic...)
	body = append(body, payload...)
	packet := append(appendHeader(make([]byte, 0, len(body)+5), typePublish<<4, len(body)), body...)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.number++
	m.packet, m.kept = packet, nil
	if len(payload) > 0 { // an empty message deletes the retained message (MQTT 3.1.1, section 3.3.1.3)
		m.kept = append([]byte{packet[0] | 1}, packet[1:]...)
	}
	for d := range m.to {
		d.work.Go(func() { d.sendNewest(m) })
	}
}

// subscribe sends the retained manifest to a machine, and later manifests until leave is called. subscribe returns
// false if the hub has not published a manifest yet.
func (m *manifests) subscribe(d *downward) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.number == 0 {
		return false
	}
	m.to[d] = true
	if kept := m.kept; kept != nil {
		d.work.Go(func() { d.write(kept) })
	}
	return true
}

// leave ends the subscription of a machine.
func (m *manifests) leave(d *downward) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.to, d)
}

// newest returns the newest manifest and its number.
func (m *manifests) newest() (number uint64, packet []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.number, m.packet
}

// downward forwards packets from the embedded server to a client, and inserts packets with manifests.
type downward struct {
	c    net.Conn
	work *sync.WaitGroup

	mu   sync.Mutex // locked while a goroutine writes a packet to the client
	sent uint64     // number of the last manifest that was sent
}

// sendNewest sends the newest manifest if it has not been sent yet.
func (d *downward) sendNewest(m *manifests) {
	d.mu.Lock()
	defer d.mu.Unlock()
	number, packet := m.newest()
	if number <= d.sent {
		return
	}
	d.sent = number
	d.writeLocked(packet)
}

// write sends whole packets to the client.
func (d *downward) write(b []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.writeLocked(b)
}

// writeLocked sends b to the client, and closes the connection if the client does not read for stallTime. The caller
// must have locked mu.
func (d *downward) writeLocked(b []byte) error {
	d.c.SetWriteDeadline(time.Now().Add(stallTime))
	_, err := d.c.Write(b)
	if err != nil {
		d.c.Close()
	}
	return err
}

// copy forwards packets until the embedded server or the client closes the connection.
func (d *downward) copy(inner net.Conn) {
	r := bufio.NewReaderSize(inner, downBuffer)
	for {
		first, length, err := readHeader(r)
		if err == nil {
			err = d.forward(r, appendHeader(make([]byte, 0, 5), first, length), length)
		}
		if err != nil {
			return
		}
	}
}

// forward sends one packet to the client, together with the complete packets that follow in the buffer. head is the
// header of the first packet, which the caller has read.
func (d *downward) forward(r *bufio.Reader, head []byte, length int) error {
	if buffered := r.Buffered(); length <= buffered {
		b, err := r.Peek(buffered)
		if err != nil {
			return err
		}
		n := length + wholePackets(b[length:])
		if err := d.write(append(head, b[:n]...)); err != nil {
			return err
		}
		_, err = r.Discard(n)
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.writeLocked(head); err != nil {
		return err
	}
	d.c.SetWriteDeadline(time.Now().Add(stallTime))
	_, err := io.CopyN(d.c, r, int64(length))
	return err
}

// wholePackets returns the length of the complete packets at the start of b.
func wholePackets(b []byte) (n int) {
	for {
		r := strings.NewReader(string(b[n:min(n+5, len(b))]))
		_, length, err := readHeader(r)
		if err != nil {
			return n
		}
		end := min(n+5, len(b)) - r.Len() + length
		if end > len(b) {
			return n
		}
		n = end
	}
}

// unusedTopic returns a topic on which no account may publish. A machine subscribes to the unused topic at the embedded
// server in place of the manifest's topic.
func unusedTopic(a *account) string {
	return wire.Topics{Site: a.site}.State(a.Machine) + "/manifests"
}

// replaceManifestTopic replaces the manifest's topic in a machine's SUBSCRIBE by the unused topic, if the proxy sends
// the manifests. The caller has already checked the body with filtersOf.
func (u *upward) replaceManifestTopic(body []byte) []byte {
	if u.a.As != AsMachine || u.down == nil {
		return body
	}
	out := append([]byte{}, body[:2]...)
	for at := 2; at+2 <= len(body); {
		end := at + 2 + int(binary.BigEndian.Uint16(body[at:]))
		if end >= len(body) {
			return body
		}
		topic := string(body[at+2 : end])
		if topic == u.p.manifests.topic && u.p.manifests.subscribe(u.down) {
			topic = unusedTopic(u.a)
		}
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(topic))), topic...)
		out = append(out, body[end])
		at = end + 1
	}
	return out
}

// isManifest reports whether a packet is the hub's PUBLISH with the manifest's topic. The caller has read the header of
// the packet.
func (u *upward) isManifest(kind byte, length int) bool {
	n := 2 + len(u.p.manifests.topic)
	// the packet is too short to contain the topic; a read beyond the packet would wait for the next packet
	if kind != typePublish || u.a.As != AsHub || length < n {
		return false
	}
	b, err := u.in.Peek(n)
	return err == nil && int(binary.BigEndian.Uint16(b))+2 == n && string(b[2:]) == u.p.manifests.topic
}

// forwardManifest sends the hub's manifest to the embedded server, which retains the manifest, and to the machines.
func (u *upward) forwardManifest(first byte, length int) error {
	body := make([]byte, length)
	if _, err := io.ReadFull(u.in, body); err != nil {
		return err
	}
	if _, err := u.out.Write(append(appendHeader(nil, first, length), body...)); err != nil {
		return err
	}
	payload := body[2+len(u.p.manifests.topic):]
	if first&0x06 != 0 { // with QoS 1, a packet identifier precedes the payload (MQTT 3.1.1, section 3.3.2.2)
		if len(payload) < 2 {
			return &limitError{"malformed PUBLISH", "no packet identifier"}
		}
		payload = payload[2:]
	}
	u.p.manifests.publish(payload)
	return nil
}
