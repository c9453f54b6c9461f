package broker

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"portillon/policy"
	"portillon/wire"
)

// account is an Account with the account's current state at the broker.
type account struct {
	Account
	limits
	site     policy.SiteID
	granted  []wire.Permission // what the account may publish and subscribe to, from the table of topics
	inner    login
	connects *bucket
	bytes    *bucket // nil: no limit

	mu      sync.Mutex
	gone    bool // true after the account was removed
	open    int
	conns   map[net.Conn]bool
	refused map[string]*refusal // by reason
}

// login is an account's name and password at the embedded server. Each start of the broker generates new passwords, and
// only this process knows them.
type login struct{ user, password string }

// refusal counts the refusals of one account for one reason.
type refusal struct {
	count  int
	logged time.Time
}

// newAccount returns the state of an account without connections. The account's password at the embedded server is
// random.
func newAccount(site policy.SiteID, a Account, now time.Time) *account {
	x := &account{Account: a, limits: limitsOf(a.As), site: site, granted: a.permissions(site),
		inner:   login{user: a.User, password: rand.Text()},
		refused: map[string]*refusal{}, conns: map[net.Conn]bool{}}
	if x.inner.user == "" {
		x.inner.user = anyone
	}
	x.connects = newBucket(x.limits.connects, max(burstConnects, x.limits.connects), now)
	if x.rate > 0 {
		x.bytes = newBucket(x.rate, x.burst, now)
	}
	return x
}

// anyone is the user name of all clients at the embedded server if the broker has no accounts.
const anyone = "anyone"

// mayUse reports whether the account may use a client id. A machine has exactly one client id, and the hub has exactly
// one client id. A watcher may use any id that does not begin with "portillon-". Without accounts, every id is allowed.
func (a *account) mayUse(id string) bool {
	topics := wire.Topics{Site: a.site}
	switch a.As {
	case AsMachine:
		return id == topics.ClientID(a.Machine)
	case AsHub:
		return id == topics.HubClientID()
	case AsWatcher:
		return !strings.HasPrefix(id, "portillon-")
	}
	return a.User == ""
}

// enter counts a new connection. enter returns false if the account has the maximum number of connections or was
// removed.
func (a *account) enter(c net.Conn) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone || a.open >= a.connections {
		return false
	}
	a.open++
	a.conns[c] = true
	return true
}

// leave removes an ended connection from the count.
func (a *account) leave(c net.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open--
	delete(a.conns, c)
}

// end marks the account as removed and closes its connections.
func (a *account) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone = true
	for c := range a.conns {
		c.Close()
	}
}

// hasPassword reports whether the password is correct. The comparison takes constant time.
func (a *account) hasPassword(password string) bool {
	want := a.PasswordHash
	if a.Password != "" {
		want = sha256.Sum256([]byte(a.Password))
	}
	got := sha256.Sum256([]byte(password))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// refuse counts a refused request of an account. The first refusal for a reason is logged immediately, later refusals
// for the same reason at most once a minute.
func (p *proxy) refuse(a *account, reason, detail string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.refused[reason]
	if r == nil {
		r = &refusal{}
		a.refused[reason] = r
	}
	r.count++
	if now := p.now(); r.logged.IsZero() || now.Sub(r.logged) >= time.Minute {
		r.logged = now
		p.log.Warn("broker refused a request", "account", a.User, "why", reason, "detail", detail, "count", r.count)
	}
}

// AccountStatus is the current state of an account at the broker.
type AccountStatus struct {
	User        string `json:"user"`
	Connections int    `json:"connections"`
	// number of refused requests since the broker started, by reason
	Refused map[string]int `json:"refused,omitempty"`
}

// Accounts returns the state of all accounts, sorted by user. The entry with the user "" counts clients with an unknown
// user or a wrong password.
func (b *Broker) Accounts() []AccountStatus {
	all := append([]*account{b.proxy.unknown}, b.proxy.accounts.all()...)
	var out []AccountStatus
	for _, a := range all {
		a.mu.Lock()
		s := AccountStatus{User: a.User, Connections: a.open, Refused: map[string]int{}}
		for reason, r := range a.refused {
			s.Refused[reason] = r.count
		}
		a.mu.Unlock()
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b AccountStatus) int { return cmp.Compare(a.User, b.User) })
	return out
}
