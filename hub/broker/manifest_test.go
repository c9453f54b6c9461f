package broker

import (
	"bytes"
	"net"
	"sync"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"portillon/policy"
)

// readUntil reads PUBLISH packets on a machine's connection until a packet has this payload.
func readUntil(t *testing.T, c net.Conn, payload string) *packets.PublishPacket {
	t.Helper()
	for {
		p, err := packets.ReadPacket(c)
		if err != nil {
			t.Fatal(err)
		}
		if x, is := p.(*packets.PublishPacket); is && string(x.Payload) == payload {
			return x
		}
	}
}

func TestMachinesGetTheManifestAtSubscriptionAndAtChanges(t *testing.T) {
	const topic = "portillon/lab/bundle"
	m := newManifests(topic)
	var work sync.WaitGroup
	far, near := net.Pipe()
	defer far.Close()
	d := &downward{c: near, work: &work}
	if m.subscribe(d) {
		t.Fatal("subscribed before there was a manifest: the embedded server has what is retained")
	}
	m.publish([]byte("first"))
	if !m.subscribe(d) {
		t.Fatal("not subscribed")
	}
	if p := readUntil(t, far, "first"); !p.Retain || p.Qos != 0 || p.TopicName != topic {
		t.Errorf("received packet is %v", p)
	}
	m.publish([]byte("second"))
	if p := readUntil(t, far, "second"); p.Retain || p.Qos != 0 {
		t.Errorf("received packet is %v", p)
	}
	m.publish([]byte("second")) // The hub publishes the same manifest again, for machines that missed the first copy
	readUntil(t, far, "second")
	m.leave(d)
	m.publish([]byte("third"))
	work.Wait() // a further write of a packet would block here, because no goroutine reads
	m.publish(nil)
	if !m.subscribe(d) {
		t.Error("not subscribed after what is retained was cleared")
	}
	work.Wait()
}

func TestSlowMachinesGetOnlyTheNewestManifest(t *testing.T) {
	m := newManifests("portillon/lab/bundle")
	var work sync.WaitGroup
	far, near := net.Pipe()
	defer far.Close()
	d := &downward{c: near, work: &work}
	d.mu.Lock() // Lock as a goroutine does while it writes a packet
	m.publish([]byte("first"))
	m.to[d] = true
	m.publish([]byte("second"))
	m.publish([]byte("third"))
	d.mu.Unlock()
	readUntil(t, far, "third")
	work.Wait() // a further write of a packet would block here, because no goroutine reads
}

func TestManifestsAreSentOnlyBetweenWholePackets(t *testing.T) {
	m := newManifests("portillon/lab/bundle")
	var work sync.WaitGroup
	defer work.Wait()
	far, near := net.Pipe()
	server, inner := net.Pipe()
	d := &downward{c: near, work: &work}
	m.publish([]byte("manifest 0"))
	m.to[d] = true
	var sent bytes.Buffer
	sizes := []int{0, 1, 100, 127, 128, 4000, 5000, 70000, 3, 3, 3}
	for i, n := range sizes {
		p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
		p.TopicName, p.Payload = "ack", bytes.Repeat([]byte{byte(i)}, n)
		if err := p.Write(&sent); err != nil {
			t.Fatal(err)
		}
	}
	work.Go(func() { d.copy(inner); near.Close() })
	work.Go(func() {
		defer server.Close()
		for b := sent.Bytes(); len(b) > 0; {
			n := min(len(b), 1000)
			if _, err := server.Write(b[:n]); err != nil {
				t.Error(err)
				return
			}
			b = b[n:]
			m.publish([]byte("manifest"))
		}
	})
	got := 0
	for got < len(sizes) {
		p, err := packets.ReadPacket(far)
		if err != nil {
			t.Fatal(got, err)
		}
		switch x := p.(*packets.PublishPacket); x.TopicName {
		case "ack":
			if len(x.Payload) != sizes[got] || len(x.Payload) > 0 && x.Payload[0] != byte(got) {
				t.Fatalf("packet %d has %d bytes, want %d", got, len(x.Payload), sizes[got])
			}
			got++
		case m.topic:
		default:
			t.Fatalf("topic %q", x.TopicName)
		}
	}
	far.Close()
}

func TestEmbeddedServerNeverSendsManifestsToMachines(t *testing.T) {
	const bundle, ack = "portillon/lab/bundle", "portillon/lab/ack/mill"
	var work sync.WaitGroup
	a := &account{Account: Account{As: AsMachine, Machine: policy.MachineID("mill")}, site: "lab"}
	u := &upward{p: &proxy{manifests: newManifests(bundle)}, a: a, down: &downward{work: &work}}
	body := subscribeTo(ack, bundle)
	if got := u.replaceManifestTopic(body); !bytes.Equal(got, body) {
		t.Errorf("before there is a manifest: %q", got)
	}
	u.p.manifests.publish(nil)
	if got, want := u.replaceManifestTopic(body), subscribeTo(ack, unusedTopic(a)); !bytes.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	a.As = AsHub
	if got := u.replaceManifestTopic(body); !bytes.Equal(got, body) {
		t.Errorf("the hub's: %q", got)
	}
}
