package brokertest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"sync"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// Fate is what the broker does with a PUBLISH that a client has sent.
type Fate int

const (
	Deliver Fate = iota // the message is stored, forwarded and acknowledged
	Swallow             // the message is acknowledged, then dropped
	Lose                // the message is dropped, and the connection is closed
	// The message is stored and forwarded, and then the connection is closed without an acknowledgement.
	CutLate
	Mute  // the message is stored and forwarded, but never acknowledged
	Stall // the broker stops reading from this connection
)

// Message is a message that a client published.
type Message struct {
	Client, Topic string
	Payload       []byte
	Retain        bool
}

// Broker listens on a free port of 127.0.0.1 until Close. A test may set the exported fields before the first
// connection.
type Broker struct {
	// Decide returns the fate of each PUBLISH. If Decide is nil, the fate is Deliver. Decide must be safe for concurrent
	// use.
	Decide func(Message) Fate
	// Refuse returns the CONNACK's return code for a client. If Refuse is nil, the code is 0, which accepts the client.
	Refuse func(client string) byte
	// Joined is called with the id of each client that connects. If Joined is nil, nothing is called.
	Joined func(client string)
	// Silent makes the broker ignore CONNECT.
	Silent bool
	// Greet returns raw bytes that the broker sends to a client right after the client's SUBACK.
	Greet func(client string) []byte

	listener net.Listener
	wg       sync.WaitGroup
	mu       sync.Mutex
	peers    map[*peer]bool
	retained map[string][]byte
	closed   bool
}

type peer struct {
	conn    net.Conn
	id      string
	will    *packets.PublishPacket
	mu      sync.Mutex // serializes writes to the connection
	filters []string
	closed  chan struct{}
	once    sync.Once
}

func (p *peer) close() {
	p.once.Do(func() {
		close(p.closed)
		p.conn.Close()
	})
}

// Listen starts a broker.
func Listen() (*Broker, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &Broker{listener: l, peers: map[*peer]bool{}, retained: map[string][]byte{}}
	b.wg.Go(b.accept)
	return b, nil
}

// URL returns the address for clients.
func (b *Broker) URL() string { return "tcp://" + b.listener.Addr().String() }

// Close stops the broker, closes every connection, and waits until the goroutines of the connections have ended.
func (b *Broker) Close() error {
	b.mu.Lock()
	b.closed = true
	err := b.listener.Close()
	b.mu.Unlock()
	b.Cut("")
	b.wg.Wait()
	return err
}

// Cut closes the connections of clients whose id begins with prefix.
func (b *Broker) Cut(prefix string) {
	b.each(prefix, (*peer).close)
}

// Send writes raw bytes to clients whose id begins with prefix.
func (b *Broker) Send(prefix string, raw []byte) {
	b.each(prefix, func(p *peer) { p.write(raw) })
}

// Publish publishes a message in the name of the broker itself.
func (b *Broker) Publish(topic string, payload []byte, retain bool) {
	b.forward(Message{Topic: topic, Payload: payload, Retain: retain})
}

// Retained returns the retained message of a topic.
func (b *Broker) Retained(topic string) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.retained[topic]
}

func (b *Broker) each(prefix string, f func(*peer)) {
	b.mu.Lock()
	var all []*peer
	for p := range b.peers {
		if strings.HasPrefix(p.id, prefix) {
			all = append(all, p)
		}
	}
	b.mu.Unlock()
	for _, p := range all {
		f(p)
	}
}

func (b *Broker) accept() {
	for {
		c, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.wg.Go(func() { b.serve(c) })
	}
}

func (b *Broker) serve(c net.Conn) {
	p := &peer{conn: c, closed: make(chan struct{})}
	defer p.close()
	first, err := packets.ReadPacket(c)
	hello, ok := first.(*packets.ConnectPacket)
	if err != nil || !ok {
		return
	}
	p.id = hello.ClientIdentifier
	if hello.WillFlag {
		p.will = packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
		p.will.TopicName, p.will.Payload, p.will.Retain = hello.WillTopic, hello.WillMessage, hello.WillRetain
	}
	if !b.join(p) {
		return
	}
	defer b.part(p)
	if b.Joined != nil {
		b.Joined(p.id)
	}
	if b.Silent {
		_, _ = io.Copy(io.Discard, c)
		return
	}
	ack := packets.NewControlPacket(packets.Connack).(*packets.ConnackPacket)
	if b.Refuse != nil {
		ack.ReturnCode = b.Refuse(p.id)
	}
	p.send(ack)
	if ack.ReturnCode != 0 {
		p.will = nil
		return
	}
	for b.handlePacket(p) == nil {
	}
}

// join registers a client, and closes the connection of another client with the same id (MQTT 3.1.1 §3.1.4).
func (b *Broker) join(p *peer) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	for other := range b.peers {
		if other.id == p.id {
			other.close()
		}
	}
	b.peers[p] = true
	return true
}

func (b *Broker) part(p *peer) {
	b.mu.Lock()
	delete(b.peers, p)
	closed := b.closed
	b.mu.Unlock()
	if p.will != nil && !closed {
		b.forward(Message{Client: p.id, Topic: p.will.TopicName, Payload: p.will.Payload, Retain: p.will.Retain})
	}
}

// handlePacket reads and answers one packet.
func (b *Broker) handlePacket(p *peer) error {
	in, err := packets.ReadPacket(p.conn)
	if err != nil {
		return err
	}
	switch in := in.(type) {
	case *packets.PublishPacket:
		return b.published(p, in)
	case *packets.SubscribePacket:
		b.subscribe(p, in)
	case *packets.PingreqPacket:
		p.send(packets.NewControlPacket(packets.Pingresp))
	case *packets.DisconnectPacket:
		p.will = nil
		return io.EOF
	}
	return nil
}

func (b *Broker) published(p *peer, in *packets.PublishPacket) error {
	m := Message{Client: p.id, Topic: in.TopicName, Payload: in.Payload, Retain: in.Retain}
	fate := Deliver
	if b.Decide != nil {
		fate = b.Decide(m)
	}
	switch fate {
	case Lose:
		return errors.New("cut")
	case Stall: // the broker reads nothing from this client, so it does not detect that the client disconnects
		<-p.closed
		return io.EOF
	case Swallow:
	default:
		b.forward(m)
	}
	if fate == CutLate {
		return errors.New("cut")
	}
	if in.Qos == 1 && fate != Mute {
		ack := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
		ack.MessageID = in.MessageID
		p.send(ack)
	}
	return nil
}

func (b *Broker) subscribe(p *peer, in *packets.SubscribePacket) {
	p.mu.Lock()
	p.filters = append(p.filters, in.Topics...)
	p.mu.Unlock()
	ack := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
	ack.MessageID = in.MessageID
	ack.ReturnCodes = make([]byte, len(in.Topics))
	p.send(ack)
	b.mu.Lock()
	var kept []*packets.PublishPacket
	for topic, payload := range b.retained {
		for _, f := range in.Topics {
			if Matches(f, topic) {
				kept = append(kept, packet(topic, payload, true))
				break
			}
		}
	}
	b.mu.Unlock()
	for _, m := range kept {
		p.send(m)
	}
	if b.Greet != nil {
		p.write(b.Greet(p.id))
	}
}

func packet(topic string, payload []byte, retained bool) *packets.PublishPacket {
	m := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	m.TopicName, m.Payload, m.Retain = topic, payload, retained
	return m
}

func (b *Broker) forward(m Message) {
	if m.Retain {
		b.mu.Lock()
		// An empty payload removes the topic's retained message (§3.3.1.3).
		if b.retained[m.Topic] = m.Payload; len(m.Payload) == 0 {
			delete(b.retained, m.Topic)
		}
		b.mu.Unlock()
	}
	b.each("", func(p *peer) {
		if p.wants(m.Topic) {
			p.send(packet(m.Topic, m.Payload, false))
		}
	})
}

func (p *peer) wants(topic string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.filters {
		if Matches(f, topic) {
			return true
		}
	}
	return false
}

func (p *peer) send(c packets.ControlPacket) {
	var b bytes.Buffer
	if c.Write(&b) == nil {
		p.write(b.Bytes())
	}
}

func (p *peer) write(raw []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = p.conn.Write(raw) // the goroutine that reads detects a closed connection
}

// Matches reports whether a topic filter matches a topic (MQTT 3.1.1 §4.7).
func Matches(filter, topic string) bool {
	f, t := strings.Split(filter, "/"), strings.Split(topic, "/")
	for i, level := range f {
		switch {
		case level == "#":
			return true
		case i >= len(t) || level != "+" && level != t[i]:
			return false
		}
	}
	return len(f) == len(t)
}
