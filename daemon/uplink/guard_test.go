package uplink

import (
	"bytes"
	"io"
	"net"
	"slices"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"portillon/wire"
	"portillon/wire/mqtt"
)

// subscriptions is the number of topic filters in a machine's SUBSCRIBE.
var subscriptions = len(topics.Subscriptions(wire.MachineParty, "laser"))

// conn is a connection from which the test only reads.
type conn struct {
	net.Conn
	in io.Reader
}

func (c conn) Read(p []byte) (int, error) { return c.in.Read(p) }

// surviveLibrary reads all packets that the guard passes on, in the way in which the library reads them, and returns
// the packets.
func surviveLibrary(t testing.TB, raw []byte) (passed []packets.ControlPacket) {
	t.Helper()
	g := mqtt.Guard(conn{in: bytes.NewReader(raw)}, mqtt.Limits{Filters: subscriptions, Packet: wire.MaxPacket})
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

func TestGuardPassesValidPackets(t *testing.T) {
	suback := append([]byte{0x90, byte(2 + subscriptions), 0, 1}, bytes.Repeat([]byte{1}, subscriptions)...)
	good := slices.Concat(
		[]byte{0x20, 2, 0, 0}, // a CONNACK packet
		suback,
		[]byte{0x32, 6, 0, 1, 'a', 0, 1, 'x'}, // PUBLISH, QoS 1
		[]byte{0x31, 3, 0, 1, 'a'},            // a PUBLISH with QoS 0, retained and empty
		[]byte{0x40, 2, 0, 1},                 // a PUBACK packet
		[]byte{0xd0, 0},                       // a PINGRESP packet
	)
	if got := surviveLibrary(t, good); len(got) != 6 {
		t.Errorf("%d packets have passed, want 6: %v", len(got), got)
	}
	for name, raw := range invalidData() {
		if got := surviveLibrary(t, append([]byte{0x20, 2, 0, 0}, raw...)); len(got) != 1 {
			t.Errorf("%s has passed: %v", name, got[1:])
		}
	}
}

func FuzzGuardPassesOnlyPacketsThatTheLibraryCanRead(f *testing.F) {
	for _, raw := range invalidData() {
		f.Add(append([]byte{0x20, 2, 0, 0}, raw...))
	}
	f.Add([]byte{0x20, 2, 0, 0, 0x90, 5, 0, 1, 1, 1, 1, 0x32, 6, 0, 1, 'a', 0, 1, 'x', 0x40, 2, 0, 1, 0xd0, 0})
	f.Fuzz(func(t *testing.T, raw []byte) { surviveLibrary(t, raw) })
}
