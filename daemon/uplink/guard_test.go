package uplink

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// conn is a connection of which only reading is of interest.
type conn struct {
	net.Conn
	in io.Reader
}

func (c conn) Read(p []byte) (int, error) { return c.in.Read(p) }

// surviveLibrary reads all packets that pass, as the library does, and returns them.
func surviveLibrary(t testing.TB, raw []byte) (passed []packets.ControlPacket) {
	t.Helper()
	g := &guard{Conn: conn{in: bytes.NewReader(raw)}}
	for {
		p, err := packets.ReadPacket(g)
		if err != nil {
			return passed
		}
		if s, ok := p.(*packets.SubackPacket); ok && len(s.ReturnCodes) != subscriptions {
			t.Fatalf("a SUBACK with %d return codes has passed: the library would panic", len(s.ReturnCodes))
		}
		passed = append(passed, p)
	}
}

func TestGuardPassesWhatABrokerMaySend(t *testing.T) {
	good := []byte{0x20, 2, 0, 0, 0x90, 5, 0, 1, 1, 1, 1, 0x32, 6, 0, 1, 'a', 0, 1, 'x', 0x31, 3, 0, 1, 'a', 0x40, 2, 0, 1, 0xd0, 0}
	if got := surviveLibrary(t, good); len(got) != 6 {
		t.Errorf("%d packets have passed, want 6: %v", len(got), got)
	}
	for name, raw := range wrong() {
		if got := surviveLibrary(t, append([]byte{0x20, 2, 0, 0}, raw...)); len(got) != 1 {
			t.Errorf("%s has passed: %v", name, got[1:])
		}
	}
}

func TestGuardReservesNothingForAPacketThatIsTooLarge(t *testing.T) {
	over := maxPacket + 1
	raw := []byte{0x30, byte(over)&0x7f | 0x80, byte(over>>7)&0x7f | 0x80, byte(over >> 14)} // §2.2.3
	g := &guard{Conn: conn{in: bytes.NewReader(raw)}, greeted: true}
	_, err := packets.ReadPacket(g)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("packet of %d bytes", over)) || cap(g.buf) > 1<<10 {
		t.Errorf("%v; %d bytes are reserved", err, cap(g.buf))
	}
}

// A packet that comes in pieces is one packet, and a large one is not kept in memory for ever.
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
	g := &guard{Conn: conn{in: oneByte{bytes.NewReader(raw.Bytes())}}}
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

type oneByte struct{ r io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.r.Read(p[:min(1, len(p))]) }

func FuzzGuardPassesOnlyWhatTheLibrarySurvives(f *testing.F) {
	for _, raw := range wrong() {
		f.Add(append([]byte{0x20, 2, 0, 0}, raw...))
	}
	f.Add([]byte{0x20, 2, 0, 0, 0x90, 5, 0, 1, 1, 1, 1, 0x32, 6, 0, 1, 'a', 0, 1, 'x', 0x40, 2, 0, 1, 0xd0, 0})
	f.Fuzz(func(t *testing.T, raw []byte) { surviveLibrary(t, raw) })
}
