package daemoncmd

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

// These constants limit the open connections of a panel. The limits exist because each connection uses memory, and a
// stranger could open thousands of connections.
const (
	maxPerAddress = 24  // maximum number of connections from one other computer
	maxOthers     = 160 // maximum number of connections from all computers except this one and the screens in machine.yaml
)

// limitConnections returns a listener that closes connections beyond these limits. Each screen has a separate limit,
// which connections from other addresses cannot exhaust.
func limitConnections(l net.Listener, screens []netip.Addr) net.Listener {
	return &limitedListener{Listener: l, screens: screens, of: map[netip.Addr]int{}}
}

type limitedListener struct {
	net.Listener
	screens []netip.Addr
	mu      sync.Mutex
	of      map[netip.Addr]int
	all     int
}

// Accept implements net.Listener.
func (c *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		at := netip.Addr{}
		if a, err := netip.ParseAddrPort(conn.RemoteAddr().String()); err == nil {
			at = a.Addr().Unmap()
		}
		if at.IsLoopback() {
			return conn, nil
		}
		if c.admit(at) {
			return &countedConn{Conn: conn, leave: sync.OnceFunc(func() { c.release(at) })}, nil
		}
		conn.Close()
	}
}

// admit counts a new connection from an address. The result false means that the limit is reached and that the caller
// must close the connection.
func (c *limitedListener) admit(at netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	screen := slices.Contains(c.screens, at)
	if c.of[at] >= maxPerAddress || !screen && c.all >= maxOthers {
		return false
	}
	c.of[at]++
	if !screen {
		c.all++
	}
	return true
}

// release removes a connection from the count.
func (c *limitedListener) release(at netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.screens, at) {
		c.all--
	}
	if c.of[at]--; c.of[at] == 0 {
		delete(c.of, at)
	}
}

// countedConn is a connection that is counted until it is closed.
type countedConn struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (g *countedConn) Close() error {
	g.leave()
	return g.Conn.Close()
}
