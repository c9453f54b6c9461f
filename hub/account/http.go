package account

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"portillon/hub/actor"

	"github.com/alexedwards/scs/v2"
)

// BackgroundHeader marks a request that a page makes by itself. Such a request is no use of the session: a page that
// is left open does not keep anybody signed in.
const BackgroundHeader = "Portillon-Background"

// Requests finds out who asks, from the session cookie or the API token of an HTTP request.
type Requests struct {
	sessions *Sessions
	tokens   *Tokens
	manager  *scs.SessionManager
	request  func(*http.Request) (id, address string)
	refuse   func(http.ResponseWriter, *http.Request, error)
}

// Handler calls next with the actor of each request in its context (ActorOf). It refuses a request with a token and a
// session (400), with a wrong token (401), and after too many wrong tokens (429). Package httpd refuses before what
// concerns the listener alone: a foreign Host, or a form that another site's page sends.
//
// A visitor gets no cookie before they sign in or ask for a link.
func (s *Requests) Handler(next http.Handler) http.Handler {
	browser := s.manager.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := visitorOf(r.Context())
		v.session = true
		ctx := context.WithValue(r.Context(), visitorKey, v)
		a, err := s.sessions.FromSession(ctx)
		s.serve(w, r.WithContext(ctx), next, a, err)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := visitor{agent: shorten(printable(r.UserAgent()), 200), background: r.Header.Get(BackgroundHeader) != ""}
		v.request, v.address = s.request(r)
		r = r.WithContext(context.WithValue(r.Context(), visitorKey, v))
		if _, given := r.Header["Authorization"]; !given {
			browser.ServeHTTP(w, r)
			return
		}
		a, err := s.bearer(r)
		s.serve(w, r, next, a, err)
	})
}

// connection is Options.Request where there is none: no id, and the address of the connection. It trusts no header of
// a proxy.
func connection(r *http.Request) (id, address string) {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "", ""
	}
	return "", from.Addr().Unmap().WithZone("").String()
}

// bearer is the actor that the API token of a request speaks for. A request with a token and a session cookie is
// refused (ErrBoth): it would be unclear who asks.
func (s *Requests) bearer(r *http.Request) (actor.Actor, error) {
	if _, err := r.Cookie(s.manager.Cookie.Name); err == nil {
		return actor.Actor{}, ErrBoth
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || len(r.Header["Authorization"]) != 1 {
		token = ""
	}
	return s.tokens.FromToken(r.Context(), strings.TrimSpace(token), "")
}

// serve calls next with the actor of the request, or refuses the request where err is not nil.
func (s *Requests) serve(w http.ResponseWriter, r *http.Request, next http.Handler, a actor.Actor, err error) {
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	v := visitorOf(r.Context())
	a.Request, a.Address = v.request, v.address
	next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), actorKey, a)))
}

// Status is the HTTP status that answers an error of this package; 0: the error is of another package.
func Status(err error) int {
	var full *Throttled
	var busy *Busy
	var choose *Choose
	switch {
	case errors.As(err, &full):
		return http.StatusTooManyRequests
	case errors.As(err, &busy):
		return http.StatusServiceUnavailable
	case errors.Is(err, ErrWrong), errors.Is(err, ErrCode):
		return http.StatusUnauthorized
	case errors.Is(err, ErrBoth), errors.Is(err, ErrNoBrowser):
		return http.StatusBadRequest
	case errors.As(err, &choose):
		return http.StatusConflict
	case errors.Is(err, ErrNoMail):
		return http.StatusNotFound
	}
	return 0
}

// plainRefusal is Options.Refuse where there is none: in plain text.
func plainRefusal(log *slog.Logger) func(http.ResponseWriter, *http.Request, error) {
	return func(w http.ResponseWriter, r *http.Request, err error) {
		status := Status(err)
		if status == 0 {
			log.Error("request failed", "err", err, "request", visitorOf(r.Context()).request)
			status, err = http.StatusInternalServerError, errors.New(http.StatusText(http.StatusInternalServerError))
		}
		if after := RetryAfter(err); after > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(after))
		}
		if status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", "Bearer")
			if errors.Is(err, ErrWrong) {
				err = errors.New("token is wrong or has expired")
			}
		}
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, err.Error(), status)
	}
}

// RetryAfter is after how many seconds to try again (header Retry-After); 0: another attempt is of no use.
func RetryAfter(err error) int {
	var full *Throttled
	var busy *Busy
	switch {
	case errors.As(err, &full):
		return max(1, full.Seconds())
	case errors.As(err, &busy):
		return 1
	}
	return 0
}

// ActorOf is the actor of the request that ctx comes from, as Requests.Handler found out. The zero Actor, who may do
// nothing, where ctx comes from no such request.
func ActorOf(ctx context.Context) actor.Actor {
	a, _ := ctx.Value(actorKey).(actor.Actor)
	return a
}

// RequestID is the id of the request that ctx comes from, for logs.
func RequestID(ctx context.Context) string { return visitorOf(ctx).request }
