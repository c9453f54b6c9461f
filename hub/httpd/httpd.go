// Package httpd protects every HTTP listener of the hub before a handler runs. The package assigns request ids, finds
// the client's address behind a configured proxy, checks the host and the path, sets security headers, blocks
// cross-site requests, writes an access log without secrets, and answers after a panic. The package does not depend on
// the hub's services.
//
// Every error response contains problem details (RFC 9457), in French or English.
package httpd

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"portillon/policy"
)

// Options configures a listener.
type Options struct {
	// Hosts are the host names, without a port, that requests may use. Empty: localhost, 127.0.0.1 and ::1. A request for
	// another host gets status 421 (RFC 9110, section 15.5.20). This stops DNS rebinding, an attack in which another
	// site's host name resolves to this hub's address.
	Hosts []string
	// Proxies are the reverse proxies whose X-Forwarded-For and X-Forwarded-Proto headers are trusted. Empty: none.
	Proxies []netip.Prefix
	// Origins are origins that may send changes, besides the request's own host. For example, set
	// https://hub.example.org if a proxy rewrites the Host header.
	Origins []string
	Log     *slog.Logger     // receives the access log; nil: the guard logs nothing
	Now     func() time.Time // nil: time.Now
}

// Handler returns a handler that protects next. Handler returns an error if an origin is invalid.
func Handler(o Options, next http.Handler) (http.Handler, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	cross := http.NewCrossOriginProtection()
	for _, origin := range o.Origins {
		if err := cross.AddTrustedOrigin(origin); err != nil {
			return nil, err
		}
	}
	g := &guard{hosts: hostNames(o.Hosts), proxies: o.Proxies, cross: cross, log: o.Log, now: o.Now, next: next}
	return g, nil
}

// guard is the handler that Handler returns.
type guard struct {
	hosts   []string
	proxies []netip.Prefix
	cross   *http.CrossOriginProtection
	log     *slog.Logger
	now     func() time.Time
	next    http.Handler
}

// request contains the guard's data about one HTTP request. Handlers read and change these data by the functions
// below, which find them in the context.
type request struct {
	id      string
	address netip.Addr
	secure  bool
	route   string // pattern of the matching route, such as "GET /api/v1/members/{member}"
	account string

	language policy.Language
}

// contextKey is the key of the request in a context.
type contextKey struct{}

// dataOf returns the guard's data about the request in ctx. If the request did not pass through the guard, the data
// are empty.
func dataOf(ctx context.Context) *request {
	if r, ok := ctx.Value(contextKey{}).(*request); ok {
		return r
	}
	return &request{}
}

// ID returns the id that the hub assigned to the request. The access log, the audit log and every problem include the
// id. The id is empty if the request did not pass through the guard.
func ID(ctx context.Context) string { return dataOf(ctx).id }

// Address returns the client's address as the outermost trusted proxy reported it. The address is zero if the request
// did not pass through the guard.
func Address(ctx context.Context) netip.Addr { return dataOf(ctx).address }

// Secure reports whether the client uses TLS to connect to the hub or to a trusted proxy.
func Secure(ctx context.Context) bool { return dataOf(ctx).secure }

// SetLanguage stores the language of the response, for services that compose sentences.
func SetLanguage(ctx context.Context, l policy.Language) { dataOf(ctx).language = l }

// LanguageOf returns the language of the response. The language is French until a handler calls SetLanguage, and for
// a request that did not pass through the guard.
func LanguageOf(ctx context.Context) policy.Language { return dataOf(ctx).language }

// SetRoute stores the pattern of the matching route for the access log. The access log contains the pattern instead of
// path and query, which may contain personal data.
func SetRoute(ctx context.Context, pattern string) { dataOf(ctx).route = pattern }

// SetAccount stores the account's id for the access log.
func SetAccount(ctx context.Context, id string) { dataOf(ctx).account = id }

// ServeHTTP implements http.Handler.
func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	known := &request{id: rand.Text()}
	known.address, known.secure = g.client(r)
	r = r.WithContext(context.WithValue(r.Context(), contextKey{}, known))
	for _, name := range notFromOutside {
		r.Header.Del(name)
	}
	out := &recorder{ResponseWriter: w}
	securityHeaders(out.Header(), known.id)
	began := g.now()
	defer func() { g.finish(out, r, began, recover()) }()
	if problem, bad := g.refuse(r); bad {
		WriteProblem(out, r, problem)
		return
	}
	g.next.ServeHTTP(out, r)
}

// notFromOutside lists headers that the guard removes before a handler runs, because the guard has already read their
// trusted part.
var notFromOutside = []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port",
	"Forwarded",
	"X-Real-Ip", "X-Request-Id", "Request-Id", "X-Original-Url", "X-Rewrite-Url"}

// refuse reports whether the guard must refuse a request, and returns the problem for the response.
func (g *guard) refuse(r *http.Request) (Problem, bool) {
	switch {
	case !slices.Contains(g.hosts, hostName(r.Host)):
		return problemOf(r, http.StatusMisdirectedRequest, "unknown-host",
			Text{"ce hub ne répond pas sous ce nom : voir web: hosts: dans hub.yaml",
				"the hub does not answer for this name: see web: hosts: in hub.yaml"}), true
	case !slices.Contains(methods, r.Method):
		return problemOf(r, http.StatusNotImplemented, "unknown-method",
			Text{"méthode HTTP inconnue", "unknown HTTP method"}), true
	case overridesMethod(r.Header):
		return problemOf(r, http.StatusBadRequest, "method-override",
			Text{"un en-tête qui change la méthode est refusé", "headers that override the method are not allowed"}), true
	case !plainPath(r):
		return problemOf(r, http.StatusBadRequest, "path",
			Text{"chemin refusé : sans « .. », « // », « \\ » ni caractère de contrôle",
				`path refused: want one without "..", "//", "\" and control characters`}), true
	}
	if err := g.cross.Check(r); err != nil {
		return problemOf(r, http.StatusForbidden, "cross-origin",
			Text{"demande venue d’un autre site", "request from another site"}), true
	}
	return Problem{}, false
}

// methods are the HTTP methods that the guard accepts.
var methods = []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPost, http.MethodPut,
	http.MethodPatch, http.MethodDelete}

// overridesMethod reports whether a header such as X-HTTP-Method-Override names a different method than the request
// line.
func overridesMethod(h http.Header) bool {
	return h.Get("X-Http-Method-Override") != "" || h.Get("X-Http-Method") != "" || h.Get("X-Method-Override") != ""
}

// plainPath reports whether a path is so simple that a proxy, the guard and a handler interpret it in the same way.
func plainPath(r *http.Request) bool {
	p := r.URL.Path
	if !strings.HasPrefix(p, "/") {
		return p == "*" && r.Method == http.MethodOptions
	}
	for _, part := range strings.Split(p[1:], "/") {
		if part == "." || part == ".." {
			return false
		}
	}
	return len(p) <= maxPath && !strings.Contains(p, "//") &&
		!strings.ContainsFunc(p, unsafeInPath) && !strings.Contains(strings.ToLower(r.URL.RawPath), "%2f")
}

const maxPath = 2048 // maximum length of a path in bytes; the longest path of the hub contains two ids of 64 bytes

// unsafeInPath reports whether a character is not allowed in a path.
func unsafeInPath(c rune) bool { return c < 0x20 || c == 0x7f || c == '\\' || c == utf8.RuneError }

// finish writes the access log and, after a panic, the response. crash is the value of the recovered panic; nil:
// there was no panic.
func (g *guard) finish(out *recorder, r *http.Request, began time.Time, crash any) {
	known := dataOf(r.Context())
	if crash != nil && crash != http.ErrAbortHandler {
		g.log.Error("request handler panicked", "request", known.id, "route", route(r), "panic", crash, "stack", stack())
		if out.status == 0 {
			WriteProblem(out, r, Internal(r))
		} else {
			crash = http.ErrAbortHandler // abort the response, so that no client mistakes a partial body for a complete one
		}
	}
	status := out.status
	if status == 0 {
		status = http.StatusOK
	}
	g.log.Info("request", "request", known.id, "method", knownMethod(r.Method), "route", route(r), "status", status,
		"bytes", out.bytes, "ms", g.now().Sub(began).Milliseconds(),
		"address", known.address.String(), "account", known.account)
	if crash == http.ErrAbortHandler {
		panic(http.ErrAbortHandler)
	}
}

// route returns the pattern of the request's handler, or "none".
func route(r *http.Request) string {
	if known := dataOf(r.Context()); known.route != "" {
		return known.route
	}
	if r.Pattern != "" {
		return r.Pattern
	}
	return "none"
}

// knownMethod returns the method for the log: a known method or a placeholder, because clients can send any text.
func knownMethod(m string) string {
	if slices.Contains(methods, m) {
		return m
	}
	return "other"
}
