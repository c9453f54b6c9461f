package panel

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"
	"time"
)

// How the machine's own screens are watched. A page at such a screen reports itself every 5 s (panel.js: aliveEvery).
const (
	silentAfter = 15 * time.Second // three reports missed
	// a browser on a Pi 3 takes up to half a minute to show its page again (measured by hand; check)
	restartGap    = time.Minute
	restartMost   = 3                // restarts within restartWindow
	restartWindow = 61 * time.Minute // an hour, and a minute so that systemd's own limit of 3 an hour is never reached
)

// Screen is one of the machine's own screens: this computer's, or one that Config.Screens names.
type Screen struct {
	Addr   netip.Addr // 127.0.0.1 for this computer's own
	Silent time.Duration
	// Restart says that the browser at this computer's own screen must be started anew.
	Restart bool
	// Fell and Back are set once, when the screen fell silent and when it reported again.
	Fell, Back bool
}

// screen is what the panel remembers of one. The zero screen has never reported.
type screen struct {
	alive    time.Time   // when its page last reported; zero: never, or it was closed
	fell     bool        // its silence was said
	restarts []time.Time // when a restart was asked for, within restartWindow
}

// judge decides what a screen's silence means at now. local says that the screen is this computer's own, which alone
// can be restarted.
func (s screen) judge(now time.Time, local bool) (screen, Screen) {
	out := Screen{}
	if s.alive.IsZero() {
		s.fell = false
		return s, out
	}
	if quiet := now.Sub(s.alive); quiet >= silentAfter {
		out.Silent = quiet
	}
	out.Fell, out.Back = out.Silent > 0 && !s.fell, out.Silent == 0 && s.fell
	s.fell = out.Silent > 0
	s.restarts = slices.DeleteFunc(slices.Clone(s.restarts), func(at time.Time) bool { return now.Sub(at) >= restartWindow })
	n := len(s.restarts)
	if local && out.Silent > 0 && n < restartMost && (n == 0 || now.Sub(s.restarts[n-1]) >= restartGap) {
		s.restarts, out.Restart = append(s.restarts, now), true
	}
	return s, out
}

// Screens judges every screen that has ever reported itself, at this moment. Fell, Back and Restart are answered once:
// one caller acts on them.
func (p *Panel) Screens() []Screen {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.c.Now()
	var out []Screen
	p.stuck = false
	for addr, s := range p.screens {
		next, x := s.judge(now, addr.IsLoopback())
		p.screens[addr] = next
		if x.Addr = addr; !next.alive.IsZero() || x.Back {
			out = append(out, x)
		}
		p.stuck = p.stuck || x.Silent > 0
	}
	slices.SortFunc(out, func(a, b Screen) int { return a.Addr.Compare(b.Addr) })
	return out
}

// hasScreen reports whether the machine has a screen of its own: one is configured, or a page on this computer has
// reported itself.
func (p *Panel) hasScreen() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.c.Screens) > 0 || p.screenSeen
}

// report is what a page sends of itself.
type report struct {
	Rev    uint64 `json:"rev"`              // the revision of the view that it shows; 0: it says that it shows none
	Leaves bool   `json:"leaves,omitempty"` // it is being closed, and nobody needs to restart it
}

// alive is POST /alive: a page says that it runs, and what it shows. A page that is not at one of the machine's own
// screens is not watched.
func (p *Panel) alive(w http.ResponseWriter, r *http.Request) {
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(orderTime))
	var said report
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder))
	d.DisallowUnknownFields()
	if err := d.Decode(&said); err != nil {
		http.Error(w, "this is nothing that a panel sends: "+err.Error(), http.StatusBadRequest)
		return
	}
	if a := address(r); p.near(a) {
		p.reported(a, said)
	}
	w.WriteHeader(http.StatusNoContent)
}

// reported notes that the page at an own screen runs. A page that still shows a view which was replaced more than 15 s
// ago does not count: it runs, and what it shows is wrong.
func (p *Panel) reported(a netip.Addr, said report) {
	if a.IsLoopback() {
		a = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.c.Now()
	if said.Rev != 0 && said.Rev != p.rev && now.Sub(p.revised) >= silentAfter {
		return
	}
	s := p.screens[a]
	s.alive = now
	if said.Leaves {
		s.alive = time.Time{}
	}
	p.screens[a], p.screenSeen = s, true
}
