package uplink

import (
	"bytes"
	"io"
	"net"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"portillon/wire"
	"portillon/wire/mqtt"
)

// subscriptions is how many topic filters a machine's one SUBSCRIBE has.
var subscriptions = len(topics.Subscriptions(wire.MachineParty, "laser"))

// conn is a connection of which only reading is of interest.
type conn struct {
	net.Conn
	in io.Reader
}

func (c conn) Read(p []byte) (int, error) { return c.in.Read(p) }

// surviveLibrary reads all packets that pass, as the library does, and returns them.
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

func TestGuardPassesWhatABrokerMaySend(t *testing.T) {
	good := []byte{
		0x20,
		2,
		0,
		0,
		0x90,
		5,
		0,
		1,
		1,
		1,
		1,
		0x32,
		6,
		0,
		1,
		'a',
		0,
		1,
		'x',
		0x31,
		3,
		0,
		1,
		'a',
		0x40,
		2,
		0,
		1,
		0xd0,
		0,
	}
	if got := surviveLibrary(t, good); len(got) != 6 {
		t.Errorf("%d packets have passed, want 6: %v", len(got), got)
	}
	for name, raw := range wrong() {
		if got := surviveLibrary(t, append([]byte{0x20, 2, 0, 0}, raw...)); len(got) != 1 {
			t.Errorf("%s has passed: %v", name, got[1:])
		}
	}
}

func FuzzGuardPassesOnlyWhatTheLibrarySurvives(f *testing.F) {
	for _, raw := range wrong() {
		f.Add(append([]byte{0x20, 2, 0, 0}, raw...))
	}
	f.Add([]byte{0x20, 2, 0, 0, 0x90, 5, 0, 1, 1, 1, 1, 0x32, 6, 0, 1, 'a', 0, 1, 'x', 0x40, 2, 0, 1, 0xd0, 0})
	f.Fuzz(func(t *testing.T, raw []byte) { surviveLibrary(t, raw) })
}
