package broker

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// gate authenticates connections for the embedded server, which asks at each connection, so that accounts can change.
type gate struct {
	mu    sync.Mutex
	users map[string]*server.User
}

// set adds or replaces a user.
func (g *gate) set(u *server.User) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.users[u.Username] = u
}

// remove removes a user, whose next connection is refused.
func (g *gate) remove(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.users, name)
}

// Check implements server.Authentication.
func (g *gate) Check(c server.ClientAuthentication) bool {
	o := c.GetOpts()
	g.mu.Lock()
	u, known := g.users[o.Username]
	g.mu.Unlock()
	if !known || subtle.ConstantTimeCompare([]byte(u.Password), []byte(o.Password)) != 1 {
		return false
	}
	c.RegisterUser(u)
	return true
}

// Set adds an account or replaces the account with the same name. It closes the old account's connections if the
// password changed. An identical account has no effect. Set fails on a broker that was started without accounts, which
// any client may use.
func (b *Broker) Set(a Account) error {
	if b.proxy.accounts.get("") != nil {
		return fmt.Errorf("broker: account %q: cannot add accounts to a broker that was started without accounts", a.User)
	}
	made, err := open(b.site, []Account{a}, time.Now())
	if err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	next := made[a.User]
	u, err := user(b.site, next)
	if err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	if was := b.proxy.accounts.get(a.User); was != nil && was.Account == a {
		return nil
	}
	b.gate.set(u)
	b.proxy.accounts.set(a.User, next)
	return nil
}

// Remove removes an account and closes its connections. A missing account is not an error.
func (b *Broker) Remove(user string) error {
	was := b.proxy.accounts.get(user)
	if user == "" || was == nil {
		return nil
	}
	if was.As == AsHub {
		return errors.New("broker: cannot remove the hub's own account")
	}
	b.gate.remove(was.inner.user)
	b.proxy.accounts.set(user, nil)
	return nil
}
