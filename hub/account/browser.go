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

// How long a session lasts without a request, and at most.
const (
	idleTrusted = 2 * time.Hour // administrators and owners
	lifeTrusted = 12 * time.Hour
	idleMember  = 7 * 24 * time.Hour
	lifeMember  = 30 * 24 * time.Hour
	lifeVisitor = 20 * time.Minute // a visitor who asked to sign in: longer than a link is valid

	touchEvery  = time.Minute // a session's last use is written so often: reading a page costs no write
	maxSessions = 50          // of an account
	maxVisitors = 5000
)

// What a session holds.
const (
	keyAccount = "account"
	keyEpoch   = "epoch"
	keyHow     = "how"     // password, link, code
	keyBrowser = "browser" // the secret that binds an e-mail link to the browser that asked
	keyIdle    = "idle"    // seconds
	keyLife    = "life"
)

// browsers are the sessions of browsers: it begins them, and says which account the session of a request belongs to.
type browsers struct {
	core    *core
	rights  *rights
	manager *scs.SessionManager
}

// newManager makes the manager of the session cookie. With https the cookie carries the prefix __Host- (RFC 6265bis,
// section 4.1.3.2), which binds it to this host and to TLS.
func newManager(c *core, url *url.URL) *scs.SessionManager {
	m := scs.New()
	m.Store = sessionStore{c}
	m.Codec = sessionCodec{}
	m.Lifetime = lifeMember // the store's own clock and columns decide; this is the cookie's upper bound
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

// sessionCodec encodes a session as JSON for package scs. Values that are no strings are left out: this package stores
// strings only.
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

// sessionStore keeps the sessions of package scs in the hub's database, under the SHA-256 of their token. It decides
// by its own columns whether a session has ended, not by the deadline that scs gives.
type sessionStore struct{ core *core }

// errNoContext is returned by the methods without a context, which package scs calls only where a store has none with
// one.
var errNoContext = errors.New("session store: a context is required")

func (sessionStore) Find(string) ([]byte, bool, error)      { return nil, false, errNoContext }
func (sessionStore) Delete(string) error                    { return errNoContext }
func (sessionStore) Commit(string, []byte, time.Time) error { return errNoContext }

// FindCtx reads a session that has not ended: neither its idle time nor its lifetime has passed. It records the use at
// most once in touchEvery, and not for a request that a page made by itself.
func (st sessionStore) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	var data []byte
	var seen, idle, expires int64
	// A token of package scs has 43 characters: a longer cookie is not looked up.
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
	// A session ends after its lifetime, and earlier where it was idle for too long.
	now := st.core.now()
	if err != nil || now >= expires || now >= seen+idle {
		return nil, false, err
	}
	if now-seen >= touchEvery.Milliseconds() && !visitorOf(ctx).background {
		err := st.core.site.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE account_session SET seen = $3 WHERE site = $1 AND hash = $2`, hash, now)
			return err
		})
		if err != nil { // a full disk ends no session
			st.core.log.Warn("session use is not recorded", "err", err)
		}
	}
	return data, true, nil
}

// DeleteCtx removes a session, and tells event streams, which ask again who listens.
func (st sessionStore) DeleteCtx(ctx context.Context, token string) error {
	return st.core.site.Write(ctx, func(tx *store.Tx) error {
		tx.Changed(store.Accounts) // an event stream of this session ends
		_, err := tx.Exec(ctx, `DELETE FROM account_session WHERE site = $1 AND hash = $2`, hashOf(token))
		return err
	})
}

// CommitCtx writes a session. Its absolute end stays what it was when its token was new: only the first write of a
// token sets it. Then it removes sessions beyond the bounds.
func (st sessionStore) CommitCtx(ctx context.Context, token string, b []byte, _ time.Time) error {
	_, values, err := sessionCodec{}.Decode(b)
	if err != nil {
		return err
	}
	text := func(k string) string { t, _ := values[k].(string); return t }
	life := duration(text(keyLife), lifeVisitor)
	idle := duration(text(keyIdle), lifeVisitor)
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
		return st.bound(ctx, tx, text(keyAccount))
	})
}

// duration reads seconds as a session holds them, at most lifeMember. A value that is no positive number gives the
// other duration.
func duration(seconds string, otherwise time.Duration) time.Duration {
	n, err := strconv.ParseInt(seconds, 10, 32)
	if err != nil || n <= 0 {
		return otherwise
	}
	return min(time.Duration(n)*time.Second, lifeMember)
}

// bound removes what has ended, and the oldest of an account's (or of all visitors') sessions beyond the limit.
func (st sessionStore) bound(ctx context.Context, tx *store.Tx, account string) error {
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

// contextKey is the type of the keys under which Requests puts values into the context of a request.
type contextKey int

const (
	visitorKey contextKey = iota
	actorKey
)

// visitor is what is known of a request before anybody signs in.
type visitor struct {
	request, address, agent string
	session                 bool // scs has loaded a session, or would make one
	background              bool // a page asks by itself: this is no use of the session
}

// visitorOf is the visitor whose request ctx comes from; the zero visitor where ctx is of no request.
func visitorOf(ctx context.Context) visitor {
	v, _ := ctx.Value(visitorKey).(visitor)
	return v
}

// begin signs in the browser whose request ctx comes from, as the account x. how is "password", "link" or "code". The
// browser gets a new token, so that somebody who knew the old one is not signed in with it (session fixation). Where
// ctx comes from no browser, begin does nothing: the caller returns the actor alone.
func (s *browsers) begin(ctx context.Context, x row, how string) error {
	if !visitorOf(ctx).session {
		return nil
	}
	// Accounts with more rights are signed out sooner.
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
	s.manager.SetDeadline(ctx, time.Now().Add(life)) // of the cookie: browsers have a clock of their own
	for k, v := range map[string]string{keyAccount: x.ID, keyEpoch: strconv.FormatInt(x.epoch, 10), keyHow: how,
		keyIdle: strconv.Itoa(int(idle.Seconds())), keyLife: strconv.Itoa(int(life.Seconds()))} {
		s.manager.Put(ctx, k, v)
	}
	return nil
}

// secret is the random value that binds an e-mail link to the session of the browser that asked for it; empty: this
// browser has none. With make, a browser without one gets one.
func (s *browsers) secret(ctx context.Context, make bool) (string, error) {
	if !visitorOf(ctx).session {
		return "", nil
	}
	secret := s.manager.GetString(ctx, keyBrowser)
	if secret != "" || !make {
		return secret, nil
	}
	b, err := s.core.random(16)
	if err != nil {
		return "", err
	}
	secret = hex.EncodeToString(b)
	s.manager.Put(ctx, keyBrowser, secret)
	return secret, nil
}

// account is the account that is signed in in the browser whose request ctx comes from. ok is false where nobody is:
// no session, an account that was removed or disabled, a session of an earlier epoch, or a member who is blocked.
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

// justCame reports whether this browser signed in by a link or a code within the last 15 minutes (linkLife). Such a
// browser may set a password without giving the old one.
func (s *browsers) justCame(ctx context.Context) bool {
	if how := s.how(ctx); how != "link" && how != "code" {
		return false
	}
	var made int64
	err := s.core.site.QueryRow(ctx, `SELECT made FROM account_session WHERE site = $1 AND hash = $2`,
		hashOf(s.manager.Token(ctx))).Scan(&made)
	return err == nil && s.core.now()-made < linkLife.Milliseconds()
}

// how says how this browser signed in: "password", "link" or "code"; empty: nobody is signed in.
func (s *browsers) how(ctx context.Context) string {
	if !visitorOf(ctx).session {
		return ""
	}
	return s.manager.GetString(ctx, keyHow)
}
