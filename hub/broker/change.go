package broker

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// authenticator authenticates connections for the embedded server. The server calls Check at each connection, so that
// users can change while the server runs.
type authenticator struct {
	mu    sync.Mutex
	users map[string]*server.User
}

// set adds or replaces a user.
func (g *authenticator) set(u *server.User) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.users[u.Username] = u
}

// remove removes a user, whose next connection is refused.
func (g *authenticator) remove(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.users, name)
}

// Check implements server.Authentication.
func (g *authenticator) Check(c server.ClientAuthentication) bool {
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

// Set adds an account or replaces the account with the same name. Set closes the old account's connections if the
// account changed, and does nothing if the account is unchanged. If the broker was started without accounts, Set
// returns an error, because any client may use such a broker.
func (b *Broker) Set(a Account) error {
	if b.proxy.accounts.get("") != nil {
		return fmt.Errorf("broker: cannot add account %q to a broker that was started without accounts", a.User)
	}
	made, err := newAccounts(b.site, []Account{a}, time.Now())
	if err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	next := made[a.User]
	u, err := newUser(b.site, next)
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
