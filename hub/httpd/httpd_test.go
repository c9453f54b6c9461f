package httpd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// serve sends one request through the guard to a handler, and returns the response and the log.
func serve(t *testing.T, o Options, r *http.Request, h http.HandlerFunc) (*httptest.ResponseRecorder, string) {
	t.Helper()
	var log bytes.Buffer
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	g, err := Handler(o, h)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w, log.String()
}

func ok(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }

func get(target string, change ...func(*http.Request)) *http.Request {
	return made(http.MethodGet, target, change...)
}

func made(method, target string, change ...func(*http.Request)) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r.Host = "localhost:8038"
	for _, c := range change {
		c(r)
	}
	return r
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Add(name, value) }
}

func TestUnconfiguredHostsAreRejected(t *testing.T) {
	named := []string{"hub.example.org", "Hub.Local"}
	for _, c := range []struct {
		host  string
		hosts []string
		want  int
	}{
		{"localhost", nil, 200}, {"localhost:8038", nil, 200}, {"127.0.0.1:8038", nil, 200}, {"[::1]:8038", nil,
			200}, {"LOCALHOST.", nil, 200},
		{"hub.example.org", nil, 421}, {"", nil, 421}, {"evil.example", nil, 421}, {"localhost.evil.example", nil, 421},
		{"hub.example.org:443", named, 200}, {"hub.local", named, 200}, {"localhost", named, 421}, {"evil.hub.local", named,
			421},
		{"hub.example.org@evil.example", named, 421}, {"hub.example.org\r\nX: y", named, 421},
	} {
		w, _ := serve(t, Options{Hosts: c.hosts}, get("/", func(r *http.Request) { r.Host = c.host }), ok)
		if w.Code != c.want {
			t.Errorf("host %q of %v: %d, want %d", c.host, c.hosts, w.Code, c.want)
		}
	}
}

func TestForwardedAddressesAreTrustedOnlyFromConfiguredProxies(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	for _, c := range []struct {
		name, peer string
		forwarded  []string
		proto      string
		address    string
		secure     bool
	}{
		{"no proxy, no header", "192.0.2.7:1", nil, "", "192.0.2.7", false},
		{"a stranger's headers", "192.0.2.7:1", []string{"203.0.113.9"}, "https", "192.0.2.7", false},
		{"a named proxy", "10.0.0.1:1", []string{"203.0.113.9"}, "https", "203.0.113.9", true},
		{"the client wrote an address first", "10.0.0.1:1", []string{"127.0.0.1, 203.0.113.9"}, "", "203.0.113.9", false},
		{"two named proxies", "10.0.0.1:1", []string{"198.51.100.1, 203.0.113.9, 10.0.0.2"}, "", "203.0.113.9", false},
		{"two headers", "10.0.0.1:1", []string{"127.0.0.1", "203.0.113.9"}, "", "203.0.113.9", false},
		{"no address", "10.0.0.1:1", []string{"127.0.0.1, unknown"}, "", "10.0.0.1", false},
		{"mapped IPv6", "[::ffff:10.0.0.1]:1", []string{"::ffff:203.0.113.9"}, "", "203.0.113.9", false},
		{"two schemes", "10.0.0.1:1", nil, "https,http", "10.0.0.1", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := get("/", header("X-Forwarded-Host", "evil.example"), header("X-Request-Id", "chosen"))
			r.RemoteAddr = c.peer
			for _, f := range c.forwarded {
				r.Header.Add("X-Forwarded-For", f)
			}
			if c.proto != "" {
				r.Header.Set("X-Forwarded-Proto", c.proto)
			}
			serve(t, Options{Proxies: proxies}, r, func(_ http.ResponseWriter, r *http.Request) {
				if got := Address(r.Context()).String(); got != c.address || Secure(r.Context()) != c.secure {
					t.Errorf("address %s, secure %v, want %s, %v", got, Secure(r.Context()), c.address, c.secure)
				}
				for _, name := range notFromOutside {
					if r.Header.Get(name) != "" {
						t.Errorf("the handler sees %s", name)
					}
				}
			})
		})
	}
}

func TestAmbiguousPathsAreRejected(t *testing.T) {
	for path, want := range map[string]int{
		"/": 200, "/api/v1/members/m-lea": 200, "/a/": 200, "/a/..b": 200, "/%C3%A9": 200,
		"/a/../b": 400, "/..": 400, "/a//b": 400, "//evil.example": 400, "/a/./b": 400, "/a%2fb": 400, "/a%2F..%2Fb": 400,
		"/a%5Cb": 400,
		"/a%00":  400, "/a%0d%0aX:y": 400, "/%2e%2e/b": 400, "/%ff": 400, "/" + strings.Repeat("a", maxPath): 400,
	} {
		if w, _ := serve(t, Options{}, get("http://localhost"+path), ok); w.Code != want {
			t.Errorf("%q: %d, want %d", path, w.Code, want)
		}
	}
}

func TestMethodsCannotBeOverridden(t *testing.T) {
	for _, name := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
		if w, _ := serve(t, Options{}, made("POST", "/", header(name, "DELETE")), ok); w.Code != 400 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	for _, m := range []string{"TRACE", "CONNECT", "GETT", "get"} {
		if w, _ := serve(t, Options{}, made(m, "/"), ok); w.Code != 501 {
			t.Errorf("%s: %d", m, w.Code)
		}
	}
}

func TestEveryAnswerHasSecurityHeaders(t *testing.T) {
	answers := map[string]http.HandlerFunc{
		"ok": ok, "refused": nil,
		"panic":   func(http.ResponseWriter, *http.Request) { panic("no") },
		"problem": func(w http.ResponseWriter, r *http.Request) { WriteProblem(w, r, Internal(r)) },
	}
	for name, h := range answers {
		r := get("/")
		if h == nil {
			r.Host, h = "evil.example", ok
		}
		w, _ := serve(t, Options{}, r, h)
		for header, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
			"Cache-Control": "no-store",
		} {
			if got := w.Header().Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
		if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") ||
			!strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", name, csp)
		}
		if len(w.Header().Get("Request-Id")) != 26 {
			t.Errorf("%s: request id %q", name, w.Header().Get("Request-Id"))
		}
	}
	for _, policy := range []string{DataPolicy, PagePolicy} {
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(policy, want) || strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
				t.Errorf("policy %q", policy)
			}
		}
	}
}

func TestCrossSiteChangesAreRejected(t *testing.T) {
	for _, c := range []struct {
		name, method  string
		fetch, origin string
		want          int
	}{
		{"a form of another site", "POST", "cross-site", "https://evil.example", 403},
		{"a form of a sibling host", "POST", "same-site", "http://other.localhost", 403},
		{"an old browser at another site", "POST", "", "https://evil.example", 403},
		{"no origin to tell", "DELETE", "", "null", 403},
		{"the hub's own form", "POST", "same-origin", "http://localhost:8038", 200},
		{"an old browser at the hub", "PATCH", "", "http://localhost:8038", 200},
		{"typed in the address bar", "GET", "none", "", 200},
		{"a link of another site", "GET", "cross-site", "", 200},
		{"a program", "POST", "", "", 200},
		{"an origin that is named", "POST", "cross-site", "https://hub.example.org", 200},
	} {
		r := made(c.method, "/")
		if c.fetch != "" {
			r.Header.Set("Sec-Fetch-Site", c.fetch)
		}
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		if w, _ := serve(t, Options{Origins: []string{"https://hub.example.org"}}, r, ok); w.Code != c.want {
			t.Errorf("%s: %d, want %d", c.name, w.Code, c.want)
		}
	}
	if _, err := Handler(Options{Origins: []string{"hub.example.org/x"}}, http.NotFoundHandler()); err == nil {
		t.Error("an origin without a scheme was taken")
	}
}

// The access log contains the route's pattern, but no path, query, header or name.
func TestAccessLogHasNoSecretsAndCannotBeForged(t *testing.T) {
	r := get("/link/s3cret?token=s3cret&name=Léa", header("Authorization", "Bearer s3cret"),
		header("Cookie", "session=s3cret"),
		header("User-Agent", "x\nlevel=ERROR forged"), header("Referer", "http://localhost/s3cret"), header("X-Request-Id",
			"s3cret"))
	_, log := serve(t, Options{}, r, func(w http.ResponseWriter, r *http.Request) {
		SetRoute(r.Context(), "GET /link/{token}")
		SetAccount(r.Context(), "a-1")
		w.WriteHeader(204)
	})
	if strings.Contains(log, "s3cret") || strings.Contains(log, "Léa") || strings.Contains(log, "forged") ||
		strings.Count(log, "\n") != 1 {
		t.Errorf("log %q", log)
	}
	for _, want := range []string{`route="GET /link/{token}"`, "status=204", "method=GET", "account=a-1",
		"address=192.0.2.1", "request="} {
		if !strings.Contains(log, want) {
			t.Errorf("log %q lacks %s", log, want)
		}
	}
	r = get("/")
	r.Method = "GET\nlevel=ERROR forged"
	_, log = serve(t, Options{}, r, ok)
	if strings.Contains(log, "forged") || !strings.Contains(log, "method=other") {
		t.Errorf("log %q", log)
	}
}

func TestPanicsAreAnsweredAndLogged(t *testing.T) {
	w, log := serve(t, Options{}, get("/"), func(http.ResponseWriter, *http.Request) { panic("secret reason") })
	var p Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != 500 || p.Status != 500 || p.Instance == "" {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	if strings.Contains(w.Body.String(), "secret reason") || !strings.Contains(log, "secret reason") ||
		!strings.Contains(log, p.Instance) {
		t.Errorf("answer %s, log %s", w.Body, log)
	}
	defer func() {
		if recover() != http.ErrAbortHandler {
			t.Error("an answer that had begun was not cut off")
		}
	}()
	serve(t, Options{}, get("/"), func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w,
			"half")
		panic("later")
	})
}

func TestRequestIDsAreUniqueAndIgnoreTheClientsID(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		w, _ := serve(t, Options{}, get("/", header("X-Request-Id", "chosen")), func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, ID(r.Context()))
		})
		id := w.Body.String()
		if id == "chosen" || seen[id] || id != w.Header().Get("Request-Id") {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
}

func TestProblemsAreInTheReadersLanguage(t *testing.T) {
	for accept, want := range map[string]string{
		"": "fr", "fr": "fr", "en": "en", "en-GB,fr;q=0.5": "en", "fr-CA,en;q=0.9": "fr", "de": "en", "de,fr;q=0.5": "fr",
		"en;q=0.2,fr;q=0.8": "fr", "!!": "fr", strings.Repeat("en,", 200): "fr",
	} {
		r := get("/", header("Accept-Language", accept))
		w := httptest.NewRecorder()
		WriteProblem(w, r, NewProblem(r, 404, "not-found", Text{"rien ici", "nothing here"}))
		var p Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		if got := w.Header().Get("Content-Language"); got != want ||
			p.Detail != (map[string]string{"fr": "rien ici", "en": "nothing here"})[want] {
			t.Errorf("%q: language %s, %q", accept, got, p.Detail)
		}
		if p.Type != "urn:portillon:problem:not-found" || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("problem %+v", p)
		}
	}
}

func TestReadinessFailsWhileHealthSucceeds(t *testing.T) {
	var broken error
	var log bytes.Buffer
	h := Health(func(context.Context) error { return broken }, slog.New(slog.NewTextHandler(&log, nil)),
		http.NotFoundHandler())
	ask := func(path string) int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, get(path))
		if strings.Contains(w.Body.String(), "disk") {
			t.Errorf("%s says why: %s", path, w.Body)
		}
		return w.Code
	}
	if ask("/healthz") != 200 || ask("/readyz") != 200 || ask("/else") != 404 {
		t.Error("a working hub is not ready")
	}
	broken = errors.New("disk full")
	if ask("/healthz") != 200 || ask("/readyz") != 503 || !strings.Contains(log.String(), "disk full") {
		t.Error("a hub with a broken store says that it is ready, or that it is dead")
	}
}

func TestServerHasTimeoutsAndLimits(t *testing.T) {
	s := Server(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if s.ReadHeaderTimeout == 0 || s.ReadTimeout == 0 || s.WriteTimeout == 0 || s.IdleTimeout == 0 ||
		s.MaxHeaderBytes == 0 {
		t.Errorf("a bound is missing: %+v", s)
	}
	var served *http.Server = s
	ts := httptest.NewUnstartedServer(nil)
	ts.Config = served
	ts.Start()
	defer ts.Close()
	req, _ := http.NewRequest("GET", ts.URL, nil)
	req.Header.Set("X-Long", strings.Repeat("a", 32<<10))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("32 KiB of headers: %d", resp.StatusCode)
	}
}

// The wrapped writer must support Flush, which event streams need.
func TestResponseControllerCanFlushThroughTheGuard(t *testing.T) {
	g, err := Handler(Options{}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(g)
	defer ts.Close()
	resp, err := http.Get(ts.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

func FuzzGuard(f *testing.F) {
	f.Add("GET", "localhost", "/a", "203.0.113.1", "en")
	f.Add("POST", "evil\x00", "/%2e%2e", "::1,,", "fr;q=x")
	f.Fuzz(func(t *testing.T, method, host, path, forwarded, accept string) {
		r := get("/")
		r.Method, r.Host, r.URL.Path, r.RemoteAddr = method, host, path, "10.0.0.1:1"
		r.Header.Set("X-Forwarded-For", forwarded)
		r.Header.Set("Accept-Language", accept)
		w, log := serve(t, Options{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, r, ok)
		if w.Code == 200 && (!strings.HasPrefix(path, "/") && path != "*" || strings.Contains(path, "..") &&
			strings.Contains(path+"/", "/../")) {
			t.Errorf("%q was let in", path)
		}
		if strings.Count(log, "\n") != 1 {
			t.Errorf("log of %d lines: %q", strings.Count(log, "\n"), log)
		}
	})
}
