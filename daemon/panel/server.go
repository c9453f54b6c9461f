package panel

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"portillon/policy"
)

//go:embed web
var web embed.FS

// heartbeat is the longest interval between two events to a page. A page that receives nothing for 5 s shows that it is
// outdated (panel.js: old).
const heartbeat = 2 * time.Second

// server handles the requests of pages and phones.
type server struct {
	c       Config
	display *display
	screens *screens
	pages   *pages
	// Each channel has room for one value, which it contains while a form is read. The machine's own screens use the
	// separate channel screenForm, so that they do not wait for phones.
	phoneForm, screenForm chan struct{}
}

// build returns a hash of the page's parts in this program. A page that was opened before an upgrade has another build,
// so it reloads.
var build = sync.OnceValue(func() string {
	sum := sha256.New()
	for _, part := range []string{"page.html", "panel.css", "panel.js"} {
		b, err := web.ReadFile("web/" + part)
		if err != nil {
			return ""
		}
		sum.Write(b)
	}
	sum.Write([]byte(shapes()))
	return hex.EncodeToString(sum.Sum(nil)[:6])
})

// isAtMachine reports whether a request was sent by a screen at the machine.
func (s *server) isAtMachine(r *http.Request) bool { return s.screens.near(address(r)) }

// address returns the address of a request's sender, or the zero Addr if the address is unknown. The zero Addr never
// belongs to a screen at the machine.
func address(r *http.Request) netip.Addr {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}

// listen registers a page for notifications.
func (s *server) listen(a netip.Addr) (chan struct{}, bool) {
	near := s.screens.near(a)
	wake, ok := s.pages.add(a, near)
	if ok && near {
		s.screens.markSeen()
	}
	return wake, ok
}

// handler routes the page at /, its parts, /events, touches and forms.
func (s *server) handler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /{$}", s.page)
	m.HandleFunc("GET /panel.css", pagePart("panel.css", "text/css; charset=utf-8"))
	m.HandleFunc("GET /panel.js", pagePart("panel.js", "text/javascript; charset=utf-8"))
	m.HandleFunc("GET /phone.js", pagePart("phone.js", "text/javascript; charset=utf-8"))
	m.HandleFunc("GET /events", s.events)
	m.HandleFunc("POST /alive", s.alive)
	m.HandleFunc("POST /do", s.do)
	m.HandleFunc("POST /form", s.openForm)
	m.HandleFunc("GET /form/{token}", s.form)
	m.HandleFunc("POST /form/{token}", s.write)
	return s.guarded(http.NewCrossOriginProtection().Handler(m))
}

// pagePart sends one part of the page: the style, the script or a picture. http.FileServer is not used: its folders,
// ranges and dates would add 50 KB to the daemon, and no part needs them.
func pagePart(name, contentType string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		text, err := web.ReadFile("web/" + name)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		w.Write(text)
	}
}

// guarded adds security headers to each answer, and rejects requests with a foreign Host.
func (s *server) guarded(h http.Handler) http.Handler {
	frame := "'none'"
	if s.c.Framed != "" {
		frame = s.c.Framed
	}
	csp := "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; " +
		"base-uri 'none'; frame-ancestors " + frame
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", csp)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-cache")
		if !s.isLocalHost(r.Host) {
			http.Error(w, "unknown host name for this panel: set panel: url: in machine.yaml "+
				"one", http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// isLocalHost reports whether a Host is an address, a name that exists only in local networks, or the panel's own name.
func (s *server) isLocalHost(host string) bool {
	if u, err := url.Parse(s.c.URL); err == nil && u.Host != "" && strings.EqualFold(u.Host, host) {
		return true
	}
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	if net.ParseIP(name) != nil || !strings.Contains(name, ".") {
		return true
	}
	return slices.ContainsFunc(
		[]string{".local", ".lan", ".internal", ".home.arpa"},
		func(s string) bool { return strings.HasSuffix(name, s) },
	)
}

// page inserts the build and the drawings into the page's template. page does not use text/template, because that
// package would add a megabyte to the daemon.
func (s *server) page(w http.ResponseWriter, r *http.Request) {
	text, err := web.ReadFile("web/page.html")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	c, face := s.c, s.display.face()
	lang, code := "fr", ""
	if face.language == policy.English {
		lang = "en"
	}
	if q := newQR(c.URL); c.URL != "" && q != nil {
		code = fmt.Sprintf(`<svg viewBox="0 0 %d %d" aria-hidden="true"><path d="%s"/></svg>`, q.Size, q.Size, q.Path)
	}
	fill := strings.NewReplacer(
		"{{shapes}}",
		shapes(),
		"{{machine}}",
		html.EscapeString(string(c.Machine)),
		"{{fr}}",
		html.EscapeString(face.name.In(policy.French)),
		"{{en}}",
		html.EscapeString(face.name.In(policy.English)),
		"{{lang}}",
		lang,
		"{{look}}",
		face.look.String(),
		"{{build}}",
		build(),
		"{{here}}",
		strconv.FormatBool(s.isAtMachine(r)),
		"{{qr}}",
		code,
		"{{url}}",
		html.EscapeString(c.URL),
	)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fill.WriteString(w, string(text))
}

func (s *server) events(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet { // ServeMux also routes HEAD requests to this GET handler
		return
	}
	wake, ok := s.listen(address(r))
	if !ok {
		http.Error(w, fmt.Sprintf("too many open pages: at most %d in all and %d for one "+
			"computer", viewers, ofAddress), http.StatusServiceUnavailable)
		return
	}
	defer s.pages.remove(wake)
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	out.SetReadDeadline(time.Time{}) // an event stream lasts longer than the time limit of a request
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		b, err := json.Marshal(s.display.frame())
		if err != nil {
			return
		}
		out.SetWriteDeadline(time.Now().Add(2 * heartbeat))
		if _, err := fmt.Fprintf(w, "data: %s\n\n", b); err != nil || out.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-wake:
		case <-beat.C:
		}
	}
}
