package machined

import (
	"net"
	"net/netip"
	"sync"
)

// How many connections a panel holds at once: each costs memory, and a stranger may open thousands.
const (
	crowdOfOne = 24  // of one other computer
	crowdMost  = 160 // of all others; this computer's own screen is not counted
)

// crowd is a listener that hangs up on who is too many.
func crowd(l net.Listener) net.Listener { return &counted{Listener: l, of: map[netip.Addr]int{}} }

type counted struct {
	net.Listener
	mu  sync.Mutex
	of  map[netip.Addr]int
	all int
}

// Accept implements net.Listener.
func (c *counted) Accept() (net.Conn, error) {
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
		if c.enter(at) {
			return &guest{Conn: conn, leave: sync.OnceFunc(func() { c.left(at) })}, nil
		}
		conn.Close()
	}
}

func (c *counted) enter(at netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[at] >= crowdOfOne || c.all >= crowdMost {
		return false
	}
	c.of[at]++
	c.all++
	return true
}

func (c *counted) left(at netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if c.of[at]--; c.of[at] == 0 {
		delete(c.of, at)
	}
}

// guest is a connection that is counted until it closes.
type guest struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (g *guest) Close() error {
	g.leave()
	return g.Conn.Close()
}
