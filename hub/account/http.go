package account

import (
	"context"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"portillon/hub/actor"
)

// Handler gives every request to next an id (X-Request-Id), the client's address, and who asks: ActorOf. Before that it
// refuses
//
//   - a Host that the hub's configuration does not name (421): a page elsewhere that points its name at the hub,
//   - a request that changes something and comes from another site's page (403), unless it has an API token: pages of
//     other sites cannot send one,
//   - a request with a token and a session (400), a wrong token (401), and too many wrong ones (429).
//
// A visitor gets no cookie before SignIn, MailLink and their like.
func (s *Service) Handler(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	if s.o.URL != nil {
		// The error is about the form of an origin; New has checked it.
		_ = cross.AddTrustedOrigin(s.o.URL.Scheme + "://" + s.o.URL.Host)
	}
	browser := cross.Handler(s.sessions.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := visitorOf(r.Context())
		v.session = true
		ctx := context.WithValue(r.Context(), visitorKey, v)
		a, err := s.FromSession(ctx)
		s.serve(w, r.WithContext(ctx), next, a, err)
	})))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := visitor{agent: shorten(printable(r.UserAgent()), 200)}
		if s.o.Request != nil {
			v.request, v.address = s.o.Request(r)
		} else {
			id, err := s.random(8)
			if err != nil {
				http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
				return
			}
			v.request, v.address = hex.EncodeToString(id), s.ClientAddress(r)
			w.Header().Set("X-Request-Id", v.request)
		}
		r = r.WithContext(context.WithValue(r.Context(), visitorKey, v))
		if !s.IsOurHost(r.Host) {
			http.Error(w, "this hub has another name", http.StatusMisdirectedRequest)
			return
		}
		if _, given := r.Header["Authorization"]; !given {
			browser.ServeHTTP(w, r)
			return
		}
		a, err := s.bearer(r)
		s.serve(w, r, next, a, err)
	})
}

// bearer is whom a request's API token speaks for.
func (s *Service) bearer(r *http.Request) (actor.Actor, error) {
	if _, err := r.Cookie(s.sessions.Cookie.Name); err == nil {
		return actor.Actor{}, ErrBoth
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || len(r.Header["Authorization"]) != 1 {
		token = ""
	}
	return s.FromToken(r.Context(), strings.TrimSpace(token), "")
}

// serve passes a request on with its actor, or says why not.
func (s *Service) serve(w http.ResponseWriter, r *http.Request, next http.Handler, a actor.Actor, err error) {
	if err != nil {
		s.Refuse(w, r, err)
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

// Refuse answers a request with an error of this package in plain text. Handlers may answer in their own form: Status
// and RetryAfter have what they need.
func (s *Service) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	status := Status(err)
	if status == 0 {
		s.log.Error("request failed", "err", err, "request", visitorOf(r.Context()).request)
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

// Actor is ActorOf a request.
func (s *Service) Actor(r *http.Request) actor.Actor { return ActorOf(r.Context()) }

// RequestID is the id of the request that ctx comes from, for logs.
func RequestID(ctx context.Context) string { return visitorOf(ctx).request }

// IsOurHost reports whether the hub's configuration names a Host header, with or without the port.
func (s *Service) IsOurHost(host string) bool {
	if s.o.URL == nil && len(s.o.Hosts) == 0 {
		return true
	}
	name := strings.ToLower(host)
	bare := name
	if h, _, err := net.SplitHostPort(name); err == nil {
		bare = h
	}
	bare = strings.TrimSuffix(bare, ".")
	ours := slices.Clone(s.o.Hosts)
	if s.o.URL != nil {
		ours = append(ours, s.o.URL.Host, s.o.URL.Hostname())
	}
	return slices.ContainsFunc(ours, func(our string) bool {
		our = strings.ToLower(our)
		return our != "" && (our == name || our == bare)
	})
}

// maxForwarded bounds the addresses in X-Forwarded-For that are looked at.
const maxForwarded = 20

// ClientAddress is from where a request came. X-Forwarded-For counts only where a proxy that the configuration names
// sent it, and of it the last address that is no such proxy.
func (s *Service) ClientAddress(r *http.Request) string {
	direct, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	client := direct.Addr().Unmap().WithZone("")
	if !s.isProxy(client) {
		return client.String()
	}
	all := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	if len(all) > maxForwarded {
		all = all[len(all)-maxForwarded:]
	}
	for _, text := range slices.Backward(all) {
		a, err := netip.ParseAddr(strings.TrimSpace(text))
		if err != nil {
			break
		}
		client = a.Unmap().WithZone("")
		if !s.isProxy(client) {
			break
		}
	}
	return client.String()
}

func (s *Service) isProxy(a netip.Addr) bool {
	return slices.ContainsFunc(s.o.Proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}
