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

// manifests sends what the hub publishes as its manifest to the machines that subscribed to it. The embedded server
// would take a buffer of 64 KB for each machine at once, as a manifest has more than 4 KB, and copy it through a
// connection of its own to each.
//
// Machines that subscribed before the hub has published anything get the manifest from the embedded server, which knows
// what was retained before.
type manifests struct {
	topic string

	mu     sync.Mutex
	number uint64 // of the newest; 0: none was published
	packet []byte // a PUBLISH of QoS 0
	kept   []byte // the same as a retained message; nil: none is retained
	to     map[*downward]bool
}

// newManifests sends manifests of a topic.
func newManifests(topic string) *manifests {
	return &manifests{topic: topic, to: map[*downward]bool{}}
}

// publish sends a manifest to all machines that subscribed.
func (m *manifests) publish(payload []byte) {
	body := append(binary.BigEndian.AppendUint16(nil, uint16(len(m.topic))), m.topic...)
	body = append(body, payload...)
	packet := append(appendHeader(make([]byte, 0, len(body)+5), typePublish<<4, len(body)), body...)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.number++
	m.packet, m.kept = packet, nil
	if len(payload) > 0 { // an empty message clears what is retained (MQTT 3.1.1 §3.3.1.3)
		m.kept = append([]byte{packet[0] | 1}, packet[1:]...)
	}
	for d := range m.to {
		d.work.Go(func() { d.sendNewest(m) })
	}
}

// subscribe sends what is retained to a machine, and all that is published until leave. It reports false where nothing
// was published yet.
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

// leave ends subscribe.
func (m *manifests) leave(d *downward) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.to, d)
}

// newest is the newest manifest's packet and its number.
func (m *manifests) newest() (number uint64, packet []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.number, m.packet
}

// downward passes packets from the embedded server to a client, and those of manifests between them.
type downward struct {
	c    net.Conn
	work *sync.WaitGroup

	mu   sync.Mutex // held while a packet is written
	sent uint64     // the number of the manifest that was sent last
}

// sendNewest sends the newest manifest, unless a later call has sent it.
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

// write writes whole packets to the client; no other packet comes between them.
func (d *downward) write(b []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.writeLocked(b)
}

// writeLocked ends the connection of a client that stops reading.
func (d *downward) writeLocked(b []byte) error {
	d.c.SetWriteDeadline(time.Now().Add(stallTime))
	_, err := d.c.Write(b)
	if err != nil {
		d.c.Close()
	}
	return err
}

// copy passes packets until either side ends.
func (d *downward) copy(inner net.Conn) {
	r := bufio.NewReaderSize(inner, downBuffer)
	for {
		first, length, err := header(r)
		if err == nil {
			err = d.pass(r, appendHeader(make([]byte, 0, 5), first, length), length)
		}
		if err != nil {
			return
		}
	}
}

// pass passes one packet whose header was read, with those that follow it in the buffer.
func (d *downward) pass(r *bufio.Reader, head []byte, length int) error {
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

// wholePackets is how many bytes of b are packets that end within it.
func wholePackets(b []byte) (n int) {
	for {
		r := strings.NewReader(string(b[n:min(n+5, len(b))]))
		_, length, err := header(r)
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

// silent is the topic to which the embedded server thinks a machine has subscribed instead of the manifest's. Nobody
// may publish on it.
func silent(a *account) string {
	return wire.Topics{Site: a.site}.State(a.Machine) + "/manifests"
}

// divert has a machine's SUBSCRIBE name silent in the place of the manifest's topic, where manifests come from here.
// body is that of a SUBSCRIBE that filtersOf has accepted.
func (u *upward) divert(body []byte) []byte {
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
			topic = silent(u.a)
		}
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(topic))), topic...)
		out = append(out, body[end])
		at = end + 1
	}
	return out
}

// isManifest reports whether the PUBLISH whose header was read is the hub's on the manifest's topic.
func (u *upward) isManifest(kind byte, length int) bool {
	n := 2 + len(u.p.manifests.topic)
	if kind != typePublish || u.a.As != AsHub || length < n { // a look beyond the packet would wait for the next one
		return false
	}
	b, err := u.in.Peek(n)
	return err == nil && int(binary.BigEndian.Uint16(b))+2 == n && string(b[2:]) == u.p.manifests.topic
}

// manifest passes the hub's manifest to the embedded server, which retains it, and to the machines.
func (u *upward) manifest(first byte, length int) error {
	body := make([]byte, length)
	if _, err := io.ReadFull(u.in, body); err != nil {
		return err
	}
	if _, err := u.out.Write(append(appendHeader(nil, first, length), body...)); err != nil {
		return err
	}
	payload := body[2+len(u.p.manifests.topic):]
	if first&0x06 != 0 { // QoS 1: a packet identifier (MQTT 3.1.1 §3.3.2.2)
		if len(payload) < 2 {
			return &limitError{"malformed PUBLISH", "no packet identifier"}
		}
		payload = payload[2:]
	}
	u.p.manifests.publish(payload)
	return nil
}
