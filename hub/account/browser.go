package account

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"portillon/hub/fault"
	"portillon/hub/store"

	"github.com/alexedwards/scs/v2"
)

// Limits of sessions. A session ends when the browser sends no request for the time idle, or when the session is older
// than life.
const (
	idleTrusted = 2 * time.Hour // administrators and owners
	lifeTrusted = 12 * time.Hour
	idleMember  = 7 * 24 * time.Hour
	lifeMember  = 30 * 24 * time.Hour
	lifeVisitor = 20 * time.Minute // session of a visitor who requested an e-mail link; must exceed linkLife

	touchEvery  = time.Minute // minimum time between two writes of a session's last use
	maxSessions = 50          // of an account
	maxVisitors = 5000
)

// Names of the values that a session stores.
const (
	keyAccount = "account"
	keyEpoch   = "epoch"
	keyHow     = "how"     // password, link, code
	keyBrowser = "browser" // secret that binds an e-mail link to the browser that requested the link
	keyIdle    = "idle"    // seconds
	keyLife    = "life"
)

// browsers manages the sessions of browsers: it creates sessions, and finds the account of a request's session.
type browsers struct {
	core    *core
	rights  *rights
	manager *scs.SessionManager
}

// newManager returns the manager of the session cookie. For an https URL, the name of the cookie has the prefix
// __Host-, so that browsers send the cookie only to this host and only over TLS (RFC 6265bis, section 4.1.3.2).
func newManager(c *core, url *url.URL) *scs.SessionManager {
	m := scs.New()
	m.Store = sessionStore{c}
	m.Codec = sessionCodec{}
	m.Lifetime = lifeMember // longest lifetime of a cookie; sessionStore ends a session earlier
	m.Cookie.HttpOnly, m.Cookie.SameSite, m.Cookie.Path = true, http.SameSiteLaxMode, "/"
	m.Cookie.Name, m.Cookie.Secure = "portillon", false
	if url != nil && url.Scheme == "https" {
		m.Cookie.Name, m.Cookie.Secure = "__Host-portillon", true
	}
	m.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) {
		c.log.Error("session failed", "err", err, "request", visitorOf(r.Context()).request)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	}
	return m
}

// sessionCodec encodes a session as JSON for package scs. The codec omits values that are not strings, because this
// package stores only strings.
type sessionCodec struct{}

// Encode implements scs.Codec.
func (sessionCodec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	texts := map[string]string{}
	for k, v := range values {
		if t, ok := v.(string); ok {
			texts[k] = t
		}
	}
	return json.Marshal(struct {
		Deadline time.Time         `json:"deadline"`
		Values   map[string]string `json:"values"`
	}{deadline, texts})
}

// Decode implements scs.Codec.
func (sessionCodec) Decode(b []byte) (time.Time, map[string]any, error) {
	var x struct {
		Deadline time.Time         `json:"deadline"`
		Values   map[string]string `json:"values"`
	}
	err := json.Unmarshal(b, &x)
	values := map[string]any{}
	for k, v := range x.Values {
		values[k] = v
	}
	return x.Deadline, values, err
}

// sessionStore stores the sessions of package scs in the hub's database, under the SHA-256 of their token. The
// session's row in the database states when the session ends. sessionStore ignores the deadline that scs passes.
type sessionStore struct{ core *core }

// errNoContext is the error of the methods without a context parameter. Package scs never calls these methods, because
// sessionStore also has the methods with a context.
var errNoContext = errors.New("session store: method was called without a context, want the method with a context")

func (sessionStore) Find(string) ([]byte, bool, error)      { return nil, false, errNoContext }
func (sessionStore) Delete(string) error                    { return errNoContext }
func (sessionStore) Commit(string, []byte, time.Time) error { return errNoContext }

// FindCtx reads a session that is neither idle for too long nor too old. FindCtx records the session's use at most once
// per touchEvery, and ignores background requests of an open page.
func (st sessionStore) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	var data []byte
	var seen, idle, expires int64
	// A token of package scs has 43 characters: reject a longer cookie without a database query.
	if len(token) > 100 {
		return nil, false, nil
	}
	hash := hashOf(token)
	err := st.core.site.QueryRow(ctx, `SELECT data, seen, idle, expires FROM account_session
		WHERE site = $1 AND hash = $2`,
		hash).
		Scan(&data, &seen, &idle, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	// A session ends after its lifetime, or after its idle time without a request.
	now := st.core.now()
	if err != nil || now >= expires || now >= seen+idle {
		return nil, false, err
	}
	if now-seen >= touchEvery.Milliseconds() && !visitorOf(ctx).background {
		err := st.core.site.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE account_session SET seen = $3 WHERE site = $1 AND hash = $2`, hash, now)
			return err
		})
		if err != nil { // a failed write, for example on a full disk, must not end the session
			st.core.log.Warn("recording the last use of a session failed", "err", err)
		}
	}
	return data, true, nil
}

// DeleteCtx removes a session, and notifies event streams so that they check their session again.
func (st sessionStore) DeleteCtx(ctx context.Context, token string) error {
	return st.core.site.Write(ctx, func(tx *store.Tx) error {
		// Notify all event streams, so that each stream checks its session and the streams of the deleted session end.
		tx.Changed(store.Accounts)
		_, err := tx.Exec(ctx, `DELETE FROM account_session WHERE site = $1 AND hash = $2`, hashOf(token))
		return err
	})
}

// CommitCtx writes a session. Only the first write of a session sets the time at which the session ends at the latest.
// After the write, CommitCtx removes sessions beyond the limits.
func (st sessionStore) CommitCtx(ctx context.Context, token string, b []byte, _ time.Time) error {
	_, values, err := sessionCodec{}.Decode(b)
	if err != nil {
		return err
	}
	text := func(k string) string { t, _ := values[k].(string); return t }
	life := parseDuration(text(keyLife), lifeVisitor)
	idle := parseDuration(text(keyIdle), lifeVisitor)
	epoch, _ := strconv.ParseInt(text(keyEpoch), 10, 64)
	id, err := st.core.newID("s-")
	if err != nil {
		return err
	}
	v, now := visitorOf(ctx), st.core.now()
	return st.core.site.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO account_session (site, hash, id, account, epoch, data, made, seen, idle, expires,
			address, agent)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10, $11)
			ON CONFLICT (site, hash) DO UPDATE SET data = excluded.data, account = excluded.account,
			epoch = excluded.epoch, seen = excluded.seen`,
			hashOf(token), id, text(keyAccount), epoch, b, now, idle.Milliseconds(), now+life.Milliseconds(), v.address, v.agent)
		if err != nil {
			return err
		}
		return st.removeExcess(ctx, tx, text(keyAccount))
	})
}

// parseDuration parses a number of seconds that a session stores, and returns at most lifeMember. parseDuration returns
// the default duration for a value that is not a positive number.
func parseDuration(seconds string, otherwise time.Duration) time.Duration {
	n, err := strconv.ParseInt(seconds, 10, 32)
	if err != nil || n <= 0 {
		return otherwise
	}
	return min(time.Duration(n)*time.Second, lifeMember)
}

// removeExcess removes expired sessions. If an account, or all visitors together, have more sessions than permitted,
// removeExcess also removes the oldest of them.
func (st sessionStore) removeExcess(ctx context.Context, tx *store.Tx, account string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM account_session WHERE site = $1 AND expires <= $2`, st.core.now()); err != nil {
		return err
	}
	most := maxSessions
	if account == "" {
		most = maxVisitors
	}
	_, err := tx.Exec(ctx, `DELETE FROM account_session WHERE site = $1 AND account = $2 AND hash IN (SELECT hash FROM
		account_session
		WHERE site = $1 AND account = $2 ORDER BY made DESC LIMIT 1000000 OFFSET $3)`, account, most)
	return err
}

// contextKey is the type of the keys under which Requests stores values in the context of a request.
type contextKey int

const (
	visitorKey contextKey = iota
	actorKey
)

// visitor contains what the hub knows about the sender of a request before sign-in.
type visitor struct {
	request, address, agent string
	session                 bool // true after package scs has loaded or created a session for the request
	// true if the page sent the request in the background; such a request does not extend the session
	background bool
}

// visitorOf returns the visitor who sent the request of ctx, or the zero visitor if ctx belongs to no request.
func visitorOf(ctx context.Context) visitor {
	v, _ := ctx.Value(visitorKey).(visitor)
	return v
}

// beginSession signs in the account x in the browser that sent the request of ctx. method is "password", "link" or
// "code". The browser gets a new token, so that an attacker who knew the old token is not signed in (session fixation).
// If ctx belongs to no browser, beginSession does nothing.
func (s *browsers) beginSession(ctx context.Context, x row, method string) error {
	if !visitorOf(ctx).session {
		return nil
	}
	// Accounts with more rights have shorter sessions.
	idle, life := idleMember, lifeMember
	if x.isTrusted() {
		idle, life = idleTrusted, lifeTrusted
	}
	if err := s.manager.Clear(ctx); err != nil {
		return err
	}
	if err := s.manager.RenewToken(ctx); err != nil {
		return err
	}
	s.manager.SetDeadline(ctx, time.Now().Add(life)) // the cookie's expiry uses real time, as browsers do
	for k, v := range map[string]string{keyAccount: x.ID, keyEpoch: strconv.FormatInt(x.epoch, 10), keyHow: method,
		keyIdle: strconv.Itoa(int(idle.Seconds())), keyLife: strconv.Itoa(int(life.Seconds()))} {
		s.manager.Put(ctx, k, v)
	}
	return nil
}

// linkSecret returns the random value that binds an e-mail link to the session of the browser that requested the link.
// An empty value means that this browser has no secret. If make is true, linkSecret creates a missing secret.
func (s *browsers) linkSecret(ctx context.Context, make bool) (string, error) {
	if !visitorOf(ctx).session {
		return "", nil
	}
	secret := s.manager.GetString(ctx, keyBrowser)
	if secret != "" || !make {
		return secret, nil
	}
	b, err := s.core.randomBytes(16)
	if err != nil {
		return "", err
	}
	secret = hex.EncodeToString(b)
	s.manager.Put(ctx, keyBrowser, secret)
	return secret, nil
}

// account returns the account that is signed in in the browser that sent the request of ctx. ok is false if there is no
// session, if the account was removed or disabled, if the session has an earlier epoch, or if the member is blocked.
func (s *browsers) account(ctx context.Context) (row, bool, error) {
	if !visitorOf(ctx).session {
		return row{}, false, nil
	}
	id := s.manager.GetString(ctx, keyAccount)
	if id == "" {
		return row{}, false, nil
	}
	x, err := byID(ctx, s.core.site, id)
	if missing := (*fault.NotFound)(nil); errors.As(err, &missing) {
		return row{}, false, nil
	}
	if err != nil {
		return row{}, false, err
	}
	if s.manager.GetString(ctx, keyEpoch) != strconv.FormatInt(x.epoch, 10) {
		return row{}, false, nil
	}
	shut, err := s.rights.isShut(ctx, x)
	return x, !shut, err
}

// usedCodeRecently reports whether this browser signed in by a link or a code within the last 15 minutes (linkLife).
// After such a sign-in, the browser may set a password without the old password.
func (s *browsers) usedCodeRecently(ctx context.Context) bool {
	if how := s.signInMethod(ctx); how != "link" && how != "code" {
		return false
	}
	var made int64
	err := s.core.site.QueryRow(ctx, `SELECT made FROM account_session WHERE site = $1 AND hash = $2`,
		hashOf(s.manager.Token(ctx))).Scan(&made)
	return err == nil && s.core.now()-made < linkLife.Milliseconds()
}

// signInMethod returns the way in which this browser signed in: "password", "link", "code", or empty if it is not
// signed in.
func (s *browsers) signInMethod(ctx context.Context) string {
	if !visitorOf(ctx).session {
		return ""
	}
	return s.manager.GetString(ctx, keyHow)
}
