package broker

import (
	"net"
	"sync"
)

// connections holds the open connections of a proxy, and whether it accepts further ones.
type connections struct {
	mu       sync.Mutex
	all      map[net.Conn]bool
	greeting []net.Conn // connections without a CONNECT, oldest first
	opened   bool
	closed   bool
}

// open reports whether the caller must start to accept connections: true at the first call, false afterwards and after
// close.
func (cs *connections) open() bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.opened || cs.closed {
		return false
	}
	cs.opened = true
	return true
}

// add registers a connection without a CONNECT, and starts serve for it. If there are more than mostGreeting such
// connections, add closes the oldest one. If the proxy is closed, add closes c and returns false.
func (cs *connections) add(c net.Conn, mostGreeting int, serve func()) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.closed {
		c.Close()
		return false
	}
	if len(cs.greeting) >= mostGreeting {
		cs.greeting[0].Close()
		cs.greeting = cs.greeting[1:]
	}
	cs.greeting = append(cs.greeting, c)
	cs.all[c] = true
	serve() // under the lock, so that close waits for every goroutine that serve starts
	return true
}

// greeted records that a connection has sent its CONNECT.
func (cs *connections) greeted(c net.Conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for i, x := range cs.greeting {
		if x == c {
			cs.greeting = append(cs.greeting[:i], cs.greeting[i+1:]...)
			return
		}
	}
}

// remove closes a connection and removes it.
func (cs *connections) remove(c net.Conn) {
	c.Close()
	cs.greeted(c)
	cs.mu.Lock()
	defer cs.mu.Unlock()
	delete(cs.all, c)
}

// close closes the listener and all connections; no later connection is served.
func (cs *connections) close(l net.Listener) error {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.closed = true
	err := l.Close()
	for c := range cs.all {
		c.Close()
	}
	return err
}

// accountTable holds the accounts by name.
type accountTable struct {
	mu     sync.Mutex
	byName map[string]*account
}

// get returns the account with this name, or nil if there is none.
func (t *accountTable) get(user string) *account {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byName[user]
}

// all returns all accounts, unordered.
func (t *accountTable) all() (out []*account) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range t.byName {
		out = append(out, a)
	}
	return out
}

// count returns the number of accounts.
func (t *accountTable) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.byName)
}

// set replaces the account with this name, and ends the previous one; nil removes the account.
func (t *accountTable) set(user string, a *account) {
	t.mu.Lock()
	was := t.byName[user]
	if a == nil {
		delete(t.byName, user)
	} else {
		t.byName[user] = a
	}
	t.mu.Unlock()
	if was != nil {
		was.end()
	}
}
