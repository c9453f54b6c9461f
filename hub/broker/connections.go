package broker

import (
	"net"
	"sync"
)

// connections are the open connections of a proxy, and whether it accepts further ones.
type connections struct {
	mu       sync.Mutex
	all      map[net.Conn]bool
	greeting []net.Conn // those whose CONNECT has not come yet, oldest first
	opened   bool
	closed   bool
}

// open reports whether the caller must start to accept connections: true once, and never after close.
func (cs *connections) open() bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.opened || cs.closed {
		return false
	}
	cs.opened = true
	return true
}

// add registers a connection that has not said who it is, and starts serve for it. When more than mostGreeting are in
// that state, add closes the oldest of them. It closes c and reports false if the proxy is closed.
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

// greeted notes that the CONNECT of a connection has come.
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

// remove closes a connection and forgets it.
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

// get is the account of this name; nil: there is none.
func (t *accountTable) get(user string) *account {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byName[user]
}

// all are all accounts, in no order.
func (t *accountTable) all() (out []*account) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range t.byName {
		out = append(out, a)
	}
	return out
}

// count is how many accounts there are.
func (t *accountTable) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.byName)
}

// set replaces the account of this name, and ends the previous one; nil: the account is removed.
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
