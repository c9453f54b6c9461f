package mqtt

import (
	"bytes"
	"io"
	"net"
	"testing"
	"testing/iotest"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// limits are a machine's limits: the size of the largest signed text, plus its header.
var limits = Limits{Filters: 3, Packet: 1<<20 + 1<<10}

// readerConn is a connection from which tests only read.
type readerConn struct {
	net.Conn
	in io.Reader
}

func (r readerConn) Read(p []byte) (int, error) { return r.in.Read(p) }

func TestGuardAllocatesNoMemoryForAPacketThatIsTooLarge(t *testing.T) {
	over := limits.Packet + 1
	raw := []byte{0x30, byte(over)&0x7f | 0x80, byte(over>>7)&0x7f | 0x80, byte(over >> 14), 0, 1, 'a'} // length: §2.2.3
	g := &guard{Conn: readerConn{in: bytes.NewReader(raw)}, limits: limits, greeted: true}
	_, err := packets.ReadPacket(g)
	if err == nil || cap(g.buf) > 1<<10 {
		t.Errorf("%v; %d bytes are reserved", err, cap(g.buf))
	}
}

// If a packet arrives in pieces, the guard forwards the pieces as one packet. The guard frees the buffer of a large
// packet afterwards.
func TestGuardReadsPacketsInPieces(t *testing.T) {
	payload := make([]byte, 500_000)
	big := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	big.TopicName, big.Payload = "a", payload
	var raw bytes.Buffer
	raw.Write([]byte{0x20, 2, 0, 0})
	if err := big.Write(&raw); err != nil {
		t.Fatal(err)
	}
	raw.Write([]byte{0xd0, 0, 0xd0, 0})
	g := &guard{Conn: readerConn{in: iotest.OneByteReader(bytes.NewReader(raw.Bytes()))}, limits: limits}
	for _, want := range []int{2, 500_003, 0, 0} {
		p, err := packets.ReadPacket(g)
		if err != nil {
			t.Fatalf("after %d: %v", want, err)
		}
		if pub, ok := p.(*packets.PublishPacket); ok && len(pub.Payload) != len(payload) {
			t.Fatalf("%d bytes", len(pub.Payload))
		}
	}
	if cap(g.buf) > 1<<16 {
		t.Errorf("%d bytes are kept", cap(g.buf))
	}
}
