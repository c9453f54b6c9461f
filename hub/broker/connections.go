package broker

import (
	"net"
	"sync"
)

// connections contains the open connections of a proxy, and whether the proxy accepts further connections.
type connections struct {
	mu       sync.Mutex
	all      map[net.Conn]bool
	greeting []net.Conn // connections that have not sent a CONNECT, the oldest first
	opened   bool
	closed   bool
}

// open returns true if the caller must start to accept connections. open returns false if open or close was called
// before.
func (cs *connections) open() bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.opened || cs.closed {
		return false
	}
	cs.opened = true
	return true
}

// add registers a connection that has not sent a CONNECT, and calls serve. If more than mostGreeting connections have
// not sent a CONNECT, add closes the oldest of these connections. If the proxy is closed, add closes c and returns
// false.
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
	serve() // call serve under the lock, so that close waits for every goroutine that serve starts
	return true
}

// markGreeted records that a connection has sent a CONNECT.
func (cs *connections) markGreeted(c net.Conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for i, x := range cs.greeting {
		if x == c {
			cs.greeting = append(cs.greeting[:i], cs.greeting[i+1:]...)
			return
		}
	}
}

// remove closes a connection and removes the connection from the list.
func (cs *connections) remove(c net.Conn) {
	c.Close()
	cs.markGreeted(c)
	cs.mu.Lock()
	defer cs.mu.Unlock()
	delete(cs.all, c)
}

// close closes the listener and all connections. After close, the proxy serves no new connections.
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

// accountTable contains the accounts by user name.
type accountTable struct {
	mu     sync.Mutex
	byName map[string]*account
}

// get returns the account with this user name, or nil if no account has the name.
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

// set replaces the account with this name by a, and ends the previous account. If a is nil, set removes the account.
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
