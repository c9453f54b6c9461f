package panel

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"
	"sort"
	"sync"
	"time"
)

// These are the limits for watching the machine's own screens. A page on such a screen reports every 5 s (panel.js:
// aliveEvery).
const (
	silentAfter = 15 * time.Second // time in which a screen should have sent three reports
	// restartGap is the shortest time between two restarts. A browser on a Pi 3 takes up to half a minute to show its
	// page again (measured by hand).
	restartGap  = time.Minute
	restartMost = 3 // largest number of restarts within restartWindow
	// 61 minutes, so that the panel never reaches systemd's own limit of 3 restarts per hour.
	restartWindow = 61 * time.Minute
)

// Screen is the state of one of the machine's own screens: the screen of this computer, or a screen in Config.Screens.
type Screen struct {
	Addr   netip.Addr // address of the screen; 127.0.0.1: this computer's own screen
	Silent time.Duration
	// Restart means that the browser on this computer's own screen must be restarted.
	Restart bool
	// Fell and Back are set in one evaluation only: Fell when the screen has become silent, and Back when it has reported
	// again.
	Fell, Back bool
}

// screen is what the panel stores about one screen. The zero screen has never reported.
type screen struct {
	alive    time.Time   // time of the last report; zero: never, or the page was closed
	fell     bool        // true once a caller has received the information that the screen is silent
	restarts []time.Time // times within restartWindow at which a restart was requested
}

// judge evaluates a screen at the time now. local reports whether the screen is this computer's own. Only this
// computer's own screen can be restarted.
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
	s.restarts = slices.DeleteFunc(
		slices.Clone(s.restarts),
		func(at time.Time) bool { return now.Sub(at) >= restartWindow },
	)
	n := len(s.restarts)
	if local && out.Silent > 0 && n < restartMost && (n == 0 || now.Sub(s.restarts[n-1]) >= restartGap) {
		s.restarts, out.Restart = append(s.restarts, now), true
	}
	return s, out
}

// screens holds the machine's own screens and their reports.
type screens struct {
	named []netip.Addr // addresses of the screens, from Config.Screens
	now   func() time.Time

	mu       sync.Mutex
	reported map[netip.Addr]screen
	seen     bool // true once a page on one of the screens was opened or has reported
	stuck    bool // true if one of the screens was silent at the last judgeAll
}

// newScreens returns the screens of a panel, none of which is connected yet.
func newScreens(c Config) *screens {
	return &screens{named: c.Screens, now: c.Now, reported: map[netip.Addr]screen{}}
}

// near reports whether an address belongs to a screen at the machine.
func (s *screens) near(a netip.Addr) bool { return a.IsLoopback() || slices.Contains(s.named, a) }

// judgeAll implements Panel.Screens.
func (s *screens) judgeAll() []Screen {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	var out []Screen
	s.stuck = false
	for addr, one := range s.reported {
		next, x := one.judge(now, addr.IsLoopback())
		s.reported[addr] = next
		if x.Addr = addr; !next.alive.IsZero() || x.Back {
			out = append(out, x)
		}
		s.stuck = s.stuck || x.Silent > 0
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Addr.Less(out[j].Addr) })
	return out
}

func (s *screens) isStuck() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stuck
}

func (s *screens) markSeen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = true
}

// hasScreen reports whether the machine has its own screen: either a screen is configured, or a page on this computer
// has reported.
func (s *screens) hasScreen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.named) > 0 || s.seen
}

// storeReport stores a report from a page on one of the machine's own screens. shown is the display's revision that the
// page shows, and since is the time of that revision. If the page still shows a view that was replaced more than 15 s
// ago, the report is ignored, because the page shows wrong content.
func (s *screens) storeReport(a netip.Addr, r report, shown uint64, since time.Time) {
	if a.IsLoopback() {
		a = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if r.Rev != 0 && r.Rev != shown && now.Sub(since) >= silentAfter {
		return
	}
	one := s.reported[a]
	one.alive = now
	if r.Leaves {
		one.alive = time.Time{}
	}
	s.reported[a], s.seen = one, true
}

// report is the report of a page about itself.
type report struct {
	Rev uint64 `json:"rev"` // revision of the shown view; 0: the page shows no view
	// True if the page is being closed on purpose, so the browser must not be restarted.
	Leaves bool `json:"leaves,omitempty"`
}

// alive serves POST /alive, with which a page reports that it works. Only pages on the machine's own screens are
// watched.
func (s *server) alive(w http.ResponseWriter, r *http.Request) {
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(orderTime))
	var said report
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder))
	d.DisallowUnknownFields()
	if err := d.Decode(&said); err != nil {
		http.Error(w, "invalid request: "+err.Error(), http.StatusBadRequest)
		return
	}
	if a := address(r); s.screens.near(a) {
		rev, since := s.display.revision()
		s.screens.storeReport(a, said, rev, since)
	}
	w.WriteHeader(http.StatusNoContent)
}
