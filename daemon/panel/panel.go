// Package panel is what stands beside the machine and speaks to the member: one page, one shape, one sentence, one next
// step.
//
// It serves the page, its style and its script from the binary, so that it works with no Internet, and sends
// each View as a server-sent event. A browser that hears nothing for 5 s says so instead of showing what is stale.
//
// It accepts touches (POST /do) from the screen at the machine alone (this computer's own, and the addresses of
// Config.Screens), and forms: POST /form opens one, at that screen alone, for whoever tapped in the last minute, and
// gives a token that is good for one entry and for ten minutes, at the panel itself or on a phone that reads its QR
// code. What a phone sends is unsigned until its member confirms it at the machine. A machine without a screen takes no
// form from elsewhere. What may be done is the machine's to say (Actions); nothing that comes through a panel switches a
// relay on, and no panel ever sees a card number. Bodies are small, pictures at most 4 MB; a request whose Host is no
// address or name of the local network is refused, so that no page of the Internet can reach a panel by a name of its
// own (DNS rebinding).
package panel

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"portillon/policy"
)

//go:embed web
var web embed.FS

const (
	heartbeat = 2 * time.Second // a page that hears nothing for 5 s says so
	viewers   = 32              // pages open at once, beside the screen at the machine; more are refused
	ofOne     = 4               // of one address
)

// Config is what a page needs to know of its machine.
type Config struct {
	Machine  policy.MachineID
	Name     policy.Text
	Language policy.Language
	Now      func() time.Time // the machine's clock
	Zone     *time.Location
	Framed   string       // an origin that may show the page in a frame; empty: none
	URL      string       // where phones find this panel, as http://laser.local:8080; empty: they cannot
	Actions  Actions      // nil: a panel that only shows
	Photos   Photos       // nil: none are kept
	Screens  []netip.Addr // of screens that stand at the machine, beside this computer's own
}

// Panel holds the view of one machine. Its methods may be called at once and never block.
type Panel struct {
	c Config

	mu    sync.Mutex
	base  View
	flash *View
	timer *time.Timer
	look  policy.Look
	hub   bool
	note  policy.Text
	plain func(policy.Text) policy.Text // what a sentence is for the people of this machine; nil: as it is
	ears  []ear
	// Each holds one while a form is read: the second from the machine's own screens, which wait for no phone.
	taking, takingHere chan struct{}

	rev        uint64    // the revision of what is shown: it grows with each change
	revised    time.Time // when it last grew
	screens    map[netip.Addr]screen
	screenSeen bool // a page at one of the machine's own screens has reported itself
	stuck      bool // an own screen was silent when Screens last looked
}

// ear is a page that is open, and where.
type ear struct {
	wake chan struct{}
	at   netip.Addr
}

// New shows nothing but the reader that does not answer, until it is told more.
func New(c Config) *Panel {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	return &Panel{c: c, base: ReaderSilent(false), taking: make(chan struct{}, 1), takingHere: make(chan struct{}, 1), rev: 1, revised: c.Now(), screens: map[netip.Addr]screen{}}
}

// Show sets what is seen from now on. An answer that still flashes stays until its time is up.
func (p *Panel) Show(v View) {
	p.mu.Lock()
	same := reflect.DeepEqual(v, p.base)
	p.mu.Unlock()
	if !same { // a tick alone tells no page anything
		p.change(func() { p.base = v })
	}
}

// Flash shows an answer for d, then what Show set last.
func (p *Panel) Flash(v View, d time.Duration) {
	p.change(func() {
		p.still()
		p.flash = &v
		p.timer = time.AfterFunc(d, func() { p.change(func() { p.flash, p.timer = nil, nil }) })
	})
}

// EndFlash ends an answer that flashes.
func (p *Panel) EndFlash() { p.change(p.still) }

// patience is how long a card may go unanswered before the panel says that it was read.
const patience = 150 * time.Millisecond

// Reading says, unless an answer comes at once, that a card was read. Show does not end it; call what it returns once
// the answer is there.
func (p *Panel) Reading() (done func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	shown := false
	t := time.AfterFunc(patience, func() {
		p.change(func() {
			if p.flash == nil {
				v := OneMoment()
				p.flash, shown = &v, true
			}
		})
	})
	return func() {
		t.Stop()
		p.change(func() {
			if shown && p.flash != nil && p.flash.Sign == SignReading {
				p.flash = nil
			}
		})
	}
}

// SetHubOnline says whether the hub acknowledges.
func (p *Panel) SetHubOnline(up bool) {
	p.mu.Lock()
	same := up == p.hub
	p.mu.Unlock()
	if !same {
		p.change(func() { p.hub = up })
	}
}

// SetNote sets the line at the foot; an empty text removes it.
func (p *Panel) SetNote(t policy.Text) {
	p.mu.Lock()
	same := t == p.note
	p.mu.Unlock()
	if !same {
		p.change(func() { p.note = t })
	}
}

// SetMachine takes the machine's name, language, zone and look from a new policy.
func (p *Panel) SetMachine(name policy.Text, l policy.Language, zone *time.Location, look policy.Look) {
	p.change(func() {
		p.c.Name, p.c.Language, p.look = name, l, look
		if zone != nil {
			p.c.Zone = zone
		}
	})
}

// SetWording sets what a sentence is for the people of this machine, as its policy says: policy.Machine.Plain.
func (p *Panel) SetWording(f func(policy.Text) policy.Text) { p.change(func() { p.plain = f }) }

// spoken is a view in the words of this machine.
func (p *Panel) spoken(v View) View {
	if p.plain == nil {
		return v
	}
	v.Line, v.Next, v.Note = p.plain(v.Line), p.plain(v.Next), p.plain(v.Note)
	return v
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
	p.rev++
	p.revised = p.c.Now()
	for _, e := range p.ears {
		select {
		case e.wake <- struct{}{}:
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
	v.Visitor, v.Offers = p.base.Visitor, p.base.Offers
	if p.flash != nil && v.Visitor != nil { // an answer goes before a question
		d := *v.Visitor
		d.Question, d.Line, d.Items = "", policy.Text{}, nil
		v.Visitor = &d
	}
	switch v.Sign { // whose buttons these are has just been said no to, or thanked
	case SignRefused, SignUnknown, SignOccupied, SignExpired, SignRecent, SignHours, SignReading:
		v.Offers = nil
	}
	v.Hub, v.Note, v.Now, v.Look = p.hub, p.note, p.c.Now(), p.look.String()
	_, v.Zone = v.Now.In(p.c.Zone).Zone()
	v.Build, v.Rev = build(), p.rev
	return p.spoken(v)
}

// build names the page's parts as this program holds them: after an upgrade, a page that was left open is not of it any
// more.
var build = sync.OnceValue(func() string {
	sum := sha256.New()
	for _, part := range []string{"page.html", "panel.css", "panel.js"} {
		b, err := web.ReadFile("web/" + part)
		if err != nil {
			return ""
		}
		sum.Write(b)
	}
	return hex.EncodeToString(sum.Sum(nil)[:6])
})

// here reports whether a request comes from a screen that stands at the machine.
func (p *Panel) here(r *http.Request) bool { return p.near(address(r)) }

func (p *Panel) near(a netip.Addr) bool { return a.IsLoopback() || slices.Contains(p.c.Screens, a) }

// address is where a request comes from; the zero Addr where that cannot be known, which is nowhere near.
func address(r *http.Request) netip.Addr {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}

// listen has a page told of changes. Places are counted, of each address and in all; the screens at the machine have
// places of their own.
func (p *Panel) listen(a netip.Addr) (chan struct{}, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	own, far, near := 0, 0, p.near(a)
	for _, e := range p.ears {
		if e.at == a {
			own++
		}
		if !p.near(e.at) {
			far++
		}
	}
	if near && own >= viewers || !near && (own >= ofOne || far >= viewers) {
		return nil, false
	}
	p.screenSeen = p.screenSeen || near
	e := ear{make(chan struct{}, 1), a}
	p.ears = append(p.ears, e)
	return e.wake, true
}

func (p *Panel) leave(wake chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ears = slices.DeleteFunc(p.ears, func(x ear) bool { return x.wake == wake })
}

// Handler serves the page at /, its parts, /events, and what is touched and written.
func (p *Panel) Handler() http.Handler {
	static, err := fs.Sub(web, "web")
	if err != nil {
		panic(err) // the folder is in the binary
	}
	m := http.NewServeMux()
	m.HandleFunc("GET /{$}", p.page)
	for _, part := range []string{"panel.css", "panel.js", "phone.js"} {
		m.Handle("GET /"+part, http.FileServerFS(static))
	}
	m.HandleFunc("GET /events", p.events)
	m.HandleFunc("POST /alive", p.alive)
	m.HandleFunc("POST /do", p.do)
	m.HandleFunc("POST /form", p.ask)
	m.HandleFunc("GET /form/{token}", p.form)
	m.HandleFunc("POST /form/{token}", p.write)
	return p.guarded(http.NewCrossOriginProtection().Handler(m))
}

// guarded sends the headers that keep a page to itself.
func (p *Panel) guarded(h http.Handler) http.Handler {
	frame := "'none'"
	if p.c.Framed != "" {
		frame = p.c.Framed
	}
	csp := "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors " + frame
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", csp)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-cache")
		if !p.local(r.Host) {
			http.Error(w, "this panel is not known by that name: panel: url: in machine.yaml gives it one", http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// local reports whether a Host is an address, or a name that only a local network gives, or the panel's own.
func (p *Panel) local(host string) bool {
	if u, err := url.Parse(p.c.URL); err == nil && u.Host != "" && strings.EqualFold(u.Host, host) {
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
	return slices.ContainsFunc([]string{".local", ".lan", ".internal", ".home.arpa"}, func(s string) bool { return strings.HasSuffix(name, s) })
}

// page fills in the one page. It is no template: text/template alone would add a megabyte to the daemon.
func (p *Panel) page(w http.ResponseWriter, r *http.Request) {
	text, err := web.ReadFile("web/page.html")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	p.mu.Lock()
	c, look := p.c, p.look.String()
	p.mu.Unlock()
	lang, code := "fr", ""
	if c.Language == policy.English {
		lang = "en"
	}
	if q := newQR(c.URL); c.URL != "" && q != nil {
		code = fmt.Sprintf(`<svg viewBox="0 0 %d %d" role="img" aria-label="%s"><path d="%s"/></svg>`, q.Size, q.Size, html.EscapeString(c.URL), q.Path)
	}
	fill := strings.NewReplacer("{{machine}}", html.EscapeString(string(c.Machine)), "{{fr}}", html.EscapeString(c.Name.In(policy.French)),
		"{{en}}", html.EscapeString(c.Name.In(policy.English)), "{{lang}}", lang, "{{look}}", look, "{{build}}", build(), "{{here}}", strconv.FormatBool(p.here(r)), "{{qr}}", code, "{{url}}", html.EscapeString(c.URL))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fill.WriteString(w, string(text))
}

func (p *Panel) events(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet { // HEAD too is a GET to a ServeMux
		return
	}
	wake, ok := p.listen(address(r))
	if !ok {
		http.Error(w, fmt.Sprintf("too many pages are open already: %d in all, %d of one computer", viewers, ofOne), http.StatusServiceUnavailable)
		return
	}
	defer p.leave(wake)
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	out.SetReadDeadline(time.Time{}) // a stream outlives the time that a request may take
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
		case <-wake:
		case <-beat.C:
		}
	}
}
