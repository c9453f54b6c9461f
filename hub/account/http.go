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

// BackgroundHeader is the header of requests that a page sends in the background. A background request does not extend
// the session, so that an open page does not keep its user signed in for ever.
const BackgroundHeader = "Portillon-Background"

// Requests determines the actor of an HTTP request, by the session cookie or the API token.
type Requests struct {
	sessions *Sessions
	tokens   *Tokens
	manager  *scs.SessionManager
	request  func(*http.Request) (id, address string)
	refuse   func(http.ResponseWriter, *http.Request, error)
}

// Handler stores the actor of each request in the request's context (ActorOf) and calls next. Handler refuses a request
// with both a token and a session (400), with a wrong token (401), and after too many wrong tokens (429). Package httpd
// has already refused requests with a foreign Host and forms sent by another site's page.
//
// A visitor gets no cookie before the visitor signs in or requests a link.
func (s *Requests) Handler(next http.Handler) http.Handler {
	browser := s.manager.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := visitorOf(r.Context())
		v.session = true
		ctx := context.WithValue(r.Context(), visitorKey, v)
		a, err := s.sessions.FromSession(ctx)
		s.serve(w, r.WithContext(ctx), next, a, err)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := visitor{agent: shorten(replaceUnprintable(r.UserAgent()), 200), background: r.Header.Get(BackgroundHeader) != ""}
		v.request, v.address = s.request(r)
		r = r.WithContext(context.WithValue(r.Context(), visitorKey, v))
		if _, given := r.Header["Authorization"]; !given {
			browser.ServeHTTP(w, r)
			return
		}
		a, err := s.tokenActor(r)
		s.serve(w, r, next, a, err)
	})
}

// connectionAddress is the default of Options.Request. connectionAddress returns an empty request id and the address of
// the connection, and ignores the headers of proxies.
func connectionAddress(r *http.Request) (id, address string) {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "", ""
	}
	return "", from.Addr().Unmap().WithZone("").String()
}

// tokenActor returns the actor of a request's API token. A request with a token and a session cookie is refused
// (ErrBoth), because its actor would be ambiguous.
func (s *Requests) tokenActor(r *http.Request) (actor.Actor, error) {
	if _, err := r.Cookie(s.manager.Cookie.Name); err == nil {
		return actor.Actor{}, ErrBoth
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || len(r.Header["Authorization"]) != 1 {
		token = ""
	}
	return s.tokens.FromToken(r.Context(), strings.TrimSpace(token), "")
}

// serve refuses the request if err is not nil. Otherwise serve stores the actor in the request's context and calls
// next.
func (s *Requests) serve(w http.ResponseWriter, r *http.Request, next http.Handler, a actor.Actor, err error) {
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	v := visitorOf(r.Context())
	a.Request, a.Address = v.request, v.address
	next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), actorKey, a)))
}

// Status returns the HTTP status for an error of this package, or 0 for an error of another package.
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

// plainRefusal is the default of Options.Refuse: a response in plain text.
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
				err = errors.New("API token is wrong or has expired")
			}
		}
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, err.Error(), status)
	}
}

// RetryAfter returns the number of seconds until the client may try again (header Retry-After), or 0 if a retry cannot
// succeed.
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

// ActorOf returns the actor that Requests.Handler stored in ctx, or the zero Actor, who has no rights.
func ActorOf(ctx context.Context) actor.Actor {
	a, _ := ctx.Value(actorKey).(actor.Actor)
	return a
}

// RequestID returns the id of the request to which ctx belongs. Log lines contain this id.
func RequestID(ctx context.Context) string { return visitorOf(ctx).request }
