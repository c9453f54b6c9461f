// Package panel is what stands beside the machine and speaks to the member: one page, one shape, one sentence, one next step.
//
// It serves the page, its style and its script from the binary, so that it works with no Internet, and sends
// each View as a server-sent event. A browser that hears nothing for 12 s says so instead of showing what is stale.
// It accepts one order, the choice among roles that the machine itself offers; it can never switch a relay,
// and it never sees a card number.
package panel

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"portillon/policy"
)

//go:embed web
var web embed.FS

const (
	heartbeat = 5 * time.Second
	viewers   = 32 // pages open at once; more are refused
)

// Config is what a page needs to know of its machine.
type Config struct {
	Machine  policy.MachineID
	Name     policy.Text
	Language policy.Language
	Now      func() time.Time // the machine's clock
	Zone     *time.Location
	Framed   string                           // an origin that may show the page in a frame; empty: none
	Choose   func(policy.Role) (string, bool) // takes a role for the session under way; may be nil. The string says why not
}

// Panel holds the view of one machine. Its methods may be called at once and never block.
type Panel struct {
	c Config

	mu    sync.Mutex
	base  View
	flash *View
	timer *time.Timer
	hub   bool
	note  policy.Text
	ears  []chan struct{}
}

// New shows nothing but the reader that does not answer, until it is told more.
func New(c Config) *Panel {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	return &Panel{c: c, base: Silent(false)}
}

// Show sets what is seen from now on. An answer that still flashes stays until its time is up.
func (p *Panel) Show(v View) { p.change(func() { p.base = v }) }

// Flash shows an answer for d, then what Show set last.
func (p *Panel) Flash(v View, d time.Duration) {
	p.change(func() {
		p.still()
		p.flash = &v
		p.timer = time.AfterFunc(d, func() { p.change(func() { p.flash, p.timer = nil, nil }) })
	})
}

// Settle ends an answer that flashes.
func (p *Panel) Settle() { p.change(p.still) }

// Hub says whether the hub can be reached.
func (p *Panel) Hub(up bool) { p.change(func() { p.hub = up }) }

// Note sets the line at the foot; an empty text removes it.
func (p *Panel) Note(t policy.Text) { p.change(func() { p.note = t }) }

// Rename takes the machine's name, language and zone from a new policy.
func (p *Panel) Rename(name policy.Text, l policy.Language, zone *time.Location) {
	p.change(func() {
		p.c.Name, p.c.Language = name, l
		if zone != nil {
			p.c.Zone = zone
		}
	})
}

func (p *Panel) still() {
	if p.timer != nil {
		p.timer.Stop()
	}
	p.flash, p.timer = nil, nil
}

func (p *Panel) change(do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	do()
	for _, e := range p.ears {
		select {
		case e <- struct{}{}:
		default: // it has one coming
		}
	}
}

// Current is the view as a page sees it now.
func (p *Panel) Current() View {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.base
	if p.flash != nil {
		v = *p.flash
	}
	v.Hub, v.Note, v.Now = p.hub, p.note, p.c.Now()
	_, v.Zone = v.Now.In(p.c.Zone).Zone()
	return v
}

func (p *Panel) listen() (chan struct{}, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.ears) >= viewers {
		return nil, false
	}
	e := make(chan struct{}, 1)
	p.ears = append(p.ears, e)
	return e, true
}

func (p *Panel) leave(e chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ears = slices.DeleteFunc(p.ears, func(x chan struct{}) bool { return x == e })
}

// Handler serves the page at /, its parts, /events, and POST /role.
func (p *Panel) Handler() http.Handler {
	static, err := fs.Sub(web, "web")
	if err != nil {
		panic(err) // the folder is in the binary
	}
	m := http.NewServeMux()
	m.HandleFunc("GET /{$}", p.page)
	m.Handle("GET /panel.css", http.FileServerFS(static))
	m.Handle("GET /panel.js", http.FileServerFS(static))
	m.HandleFunc("GET /events", p.events)
	m.HandleFunc("POST /role", p.role)
	return p.guarded(http.NewCrossOriginProtection().Handler(m))
}

// guarded sends the headers that keep a page to itself.
func (p *Panel) guarded(h http.Handler) http.Handler {
	frame := "'none'"
	if p.c.Framed != "" {
		frame = p.c.Framed
	}
	csp := "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors " + frame
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", csp)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-cache")
		h.ServeHTTP(w, r)
	})
}

var pageTemplate = template.Must(template.ParseFS(web, "web/page.html"))

func (p *Panel) page(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	name, l := p.c.Name, p.c.Language
	p.mu.Unlock()
	lang := "fr"
	if l == policy.English {
		lang = "en"
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	pageTemplate.Execute(w, struct{ Machine, FR, EN, Lang string }{string(p.c.Machine), name.In(policy.French), name.In(policy.English), lang})
}

func (p *Panel) events(w http.ResponseWriter, r *http.Request) {
	ear, ok := p.listen()
	if !ok {
		http.Error(w, fmt.Sprintf("%d pages are open already", viewers), http.StatusServiceUnavailable)
		return
	}
	defer p.leave(ear)
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		b, err := json.Marshal(p.Current())
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
		case <-ear:
		case <-beat.C:
		}
	}
}

func (p *Panel) role(w http.ResponseWriter, r *http.Request) {
	b := make([]byte, 64)
	n, _ := r.Body.Read(b)
	var role policy.Role
	if err := role.UnmarshalText([]byte(strings.TrimSpace(string(b[:n])))); err != nil || role == policy.NoRole {
		http.Error(w, "that is no role", http.StatusBadRequest)
		return
	}
	if p.c.Choose == nil {
		http.Error(w, "this panel offers no roles", http.StatusNotFound)
		return
	}
	if why, ok := p.c.Choose(role); !ok {
		http.Error(w, why, http.StatusConflict)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
