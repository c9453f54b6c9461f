// Package httpd is what every HTTP listener of the hub needs before a handler runs: a request id, the client's real
// address behind a named proxy, a list of hosts that the hub answers for, strict paths, security headers, protection
// against cross-site requests, an access log without secrets, and an answer to a panic. It knows no service.
//
// Every error is answered as problem details (RFC 9457), in French or English.
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

// Options says what a listener is asked for and by whom.
type Options struct {
	// Hosts are the names, without a port, that the hub answers for. Empty: localhost, 127.0.0.1 and ::1.
	// A request for another host is answered with 421 (RFC 9110 §15.5.20): a page of another site that has its name
	// point to this hub (DNS rebinding) reads nothing.
	Hosts []string
	// Proxies are the reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are trusted. Empty: none are.
	Proxies []netip.Prefix
	// Origins are origins beside the request's own host that may send changes, as https://hub.example.org for a proxy
	// that rewrites Host.
	Origins []string
	Log     *slog.Logger     // nil: nothing is logged
	Now     func() time.Time // nil: time.Now
}

// Handler puts the hygiene around next.
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

// guard is what Handler checks requests with.
type guard struct {
	hosts   []string
	proxies []netip.Prefix
	cross   *http.CrossOriginProtection
	log     *slog.Logger
	now     func() time.Time
	next    http.Handler
}

// request is what the guard knows of a request.
type request struct {
	id      string
	address netip.Addr
	secure  bool
	route   string // the pattern that answered, as in "GET /api/v1/members/{member}"
	account string

	language policy.Language
}

// contextKey is the key of the request's facts in its context.
type contextKey struct{}

// of are the facts of a request that Handler has let through; otherwise empty ones, never nil.
func of(ctx context.Context) *request {
	if r, ok := ctx.Value(contextKey{}).(*request); ok {
		return r
	}
	return &request{}
}

// ID is the request's id, made here. The log, the audit log and every problem name it. Empty outside of Handler.
func ID(ctx context.Context) string { return of(ctx).id }

// Address is the client's address, as seen by the outermost trusted proxy. Zero outside of Handler.
func Address(ctx context.Context) netip.Addr { return of(ctx).address }

// Secure reports whether the client speaks TLS, to the hub or to a trusted proxy.
func Secure(ctx context.Context) bool { return of(ctx).secure }

// SetLanguage notes the language that the answer is in, for services that put sentences together.
func SetLanguage(ctx context.Context, l policy.Language) { of(ctx).language = l }

// LanguageOf is the language of the answer; French before SetLanguage, and outside of Handler.
func LanguageOf(ctx context.Context) policy.Language { return of(ctx).language }

// SetRoute names the pattern that answers, for the access log, which never holds a path or a query.
func SetRoute(ctx context.Context, pattern string) { of(ctx).route = pattern }

// SetAccount names the account's id for the access log.
func SetAccount(ctx context.Context, id string) { of(ctx).account = id }

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
	if problem, bad := g.refusal(r); bad {
		WriteProblem(out, r, problem)
		return
	}
	g.next.ServeHTTP(out, r)
}

// notFromOutside are headers that no handler may see: the guard has read what it believes of them.
var notFromOutside = []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port",
	"Forwarded",
	"X-Real-Ip", "X-Request-Id", "Request-Id", "X-Original-Url", "X-Rewrite-Url"}

// refusal says why no handler gets the request.
func (g *guard) refusal(r *http.Request) (Problem, bool) {
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
			Text{"un en-tête qui change la méthode est refusé", "a header that changes the method is refused"}), true
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

var methods = []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPost, http.MethodPut,
	http.MethodPatch, http.MethodDelete}

// overridesMethod reports whether a header asks for another method than the request has: a check of the method would be
// worth nothing.
func overridesMethod(h http.Header) bool {
	return h.Get("X-Http-Method-Override") != "" || h.Get("X-Http-Method") != "" || h.Get("X-Method-Override") != ""
}

// plainPath reports whether the path means the same to a proxy, to the guard and to a handler.
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

const maxPath = 2048 // bytes; the longest path of ours has two ids of 64

// unsafeInPath reports whether a path with this character is refused.
func unsafeInPath(c rune) bool { return c < 0x20 || c == 0x7f || c == '\\' || c == utf8.RuneError }

// finish answers a panic and writes the access log.
func (g *guard) finish(out *recorder, r *http.Request, began time.Time, crash any) {
	known := of(r.Context())
	if crash != nil && crash != http.ErrAbortHandler {
		g.log.Error("request handler panicked", "request", known.id, "route", route(r), "panic", crash, "stack", stack())
		if out.status == 0 {
			WriteProblem(out, r, Internal(r))
		} else {
			crash = http.ErrAbortHandler // the answer is cut off, so that nobody takes it for whole
		}
	}
	status := out.status
	if status == 0 {
		status = http.StatusOK
	}
	g.log.Info("request", "request", known.id, "method", method(r.Method), "route", route(r), "status", status,
		"bytes", out.bytes, "ms", g.now().Sub(began).Milliseconds(),
		"address", known.address.String(), "account", known.account)
	if crash == http.ErrAbortHandler {
		panic(http.ErrAbortHandler)
	}
}

// route is the pattern of the route that answered, for the log: a path could hold a member's name.
func route(r *http.Request) string {
	if known := of(r.Context()); known.route != "" {
		return known.route
	}
	if r.Pattern != "" {
		return r.Pattern
	}
	return "none"
}

// method is a method as the log may hold it: one of a closed list.
func method(m string) string {
	if slices.Contains(methods, m) {
		return m
	}
	return "other"
}
