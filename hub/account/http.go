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

// BackgroundHeader marks what a page asks for by itself: it does not count as a use of the session, so that a page that
// is left open keeps nobody signed in.
const BackgroundHeader = "Portillon-Background"

// Requests finds out who asks, from the session cookie or the API token of an HTTP request.
type Requests struct {
	sessions *Sessions
	tokens   *Tokens
	manager  *scs.SessionManager
	request  func(*http.Request) (id, address string)
	refuse   func(http.ResponseWriter, *http.Request, error)
}

// Handler gives every request to next who asks: ActorOf. It refuses a request with a token and a session (400), a wrong
// token (401), and too many wrong ones (429). What a listener refuses before anybody is asked for, a foreign Host or a
// form of another site's page, is refused by package httpd.
//
// A visitor gets no cookie before SignIn, MailLink and their like.
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

// connection is where a request comes from, without a handler before this one that knows proxies.
func connection(r *http.Request) (id, address string) {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "", ""
	}
	return "", from.Addr().Unmap().WithZone("").String()
}

// bearer is whom a request's API token speaks for.
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

// serve passes a request on with its actor, or says why not.
func (s *Requests) serve(w http.ResponseWriter, r *http.Request, next http.Handler, a actor.Actor, err error) {
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	v := visitorOf(r.Context())
	a.Request, a.Address = v.request, v.address
	next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), actorKey, a)))
}

// Status is the HTTP status of an error of this package; 0: it is not of this package.
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

// RetryAfter is after how many seconds to try again; 0: trying again is of no use.
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

// ActorOf is who asks, as Handler found out. A request that did not come through Handler is nobody's.
func ActorOf(ctx context.Context) actor.Actor {
	a, _ := ctx.Value(actorKey).(actor.Actor)
	return a
}

// RequestID is the id of the request that ctx comes from, for logs.
func RequestID(ctx context.Context) string { return visitorOf(ctx).request }
