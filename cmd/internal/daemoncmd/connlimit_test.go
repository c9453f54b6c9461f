package daemoncmd

import (
	"net"
	"net/netip"
	"testing"
)

// Neither one other computer nor all other computers together can keep more connections open than the limit. After a
// connection is closed, another connection is accepted.
func TestPanelConnectionsAreLimitedPerAddress(t *testing.T) {
	c := &limitedListener{of: map[netip.Addr]int{}}
	at := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}) }
	for range maxPerAddress {
		if !c.admit(at(1)) {
			t.Fatal("no room for the first")
		}
	}
	if c.admit(at(1)) {
		t.Error("one computer takes more than its places")
	}
	n := maxPerAddress
	for i := 0; c.admit(at(2 + i/maxPerAddress)); i++ {
		n++
	}
	if n != maxOthers {
		t.Errorf("%d connections in all", n)
	}
	c.release(at(1))
	if !c.admit(at(200)) {
		t.Error("who left made no room")
	}
}

func TestConnectionsOfThisComputerAreNotLimited(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := limitConnections(l, nil).(*limitedListener)
	c.all = maxOthers
	defer c.Close()
	done := make(chan error, 1)
	go func() {
		conn, err := c.Accept()
		if err == nil {
			conn.Close()
		}
		done <- err
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := <-done; err != nil || c.all != maxOthers {
		t.Error(err, c.all)
	}
}

// Idle connections from other computers must not block the tablet at the machine.
func TestConfiguredScreenCanConnectWhileOtherComputersUseAllConnections(t *testing.T) {
	at := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}) }
	screen := at(250)
	c := &limitedListener{screens: []netip.Addr{screen}, of: map[netip.Addr]int{}}
	for i := 0; c.admit(at(1 + i/maxPerAddress)); i++ {
	}
	for n := range maxPerAddress {
		if !c.admit(screen) {
			t.Fatalf("the screen got %d places", n)
		}
	}
	if c.admit(screen) {
		t.Error("a screen takes more than its places")
	}
	for range maxPerAddress {
		c.release(screen)
	}
	if c.all != maxOthers || c.of[screen] != 0 {
		t.Errorf("%d strangers are counted, %d of the screen", c.all, c.of[screen])
	}
}
