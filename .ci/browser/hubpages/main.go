// Command hubpages serves the hub's pages of an invented site for the browser tests, at / and below. All accounts of
// this site have the same password. GET /api/v1/events is an event stream that sends "taps" each time POST /test/tell
// is called. POST /test/reset creates a new site; with ?sign=1 the hub of the new site does not have the policy key.
// GET /test/routes returns the URL patterns of all pages.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"

	"portillon/hub/web"
	"portillon/hub/web/webtest"
)

// server serves the pages of the current site, and replaces the site on request.
type server struct {
	mu      sync.Mutex    // guards the other fields
	pages   http.Handler  // pages of the current site
	routes  []string      // URL patterns of all pages
	changed chan struct{} // channel that the next request POST /test/tell closes
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address")
	more := flag.Int("members", 0, "number of members in addition to the invented ones with a history")
	flag.Parse()
	s := &server{changed: make(chan struct{})}
	if err := s.reset(*more, false); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	m := http.NewServeMux()
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		// Copy the handler while the lock is held, and serve the request without the lock, because a request may last
		// longer than the site.
		p := s.pages
		s.mu.Unlock()
		p.ServeHTTP(w, r)
	})
	m.HandleFunc("POST /test/reset", func(w http.ResponseWriter, r *http.Request) {
		if err := s.reset(*more, r.URL.Query().Get("sign") != ""); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	m.HandleFunc("GET /test/routes", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := json.NewEncoder(w).Encode(s.routes); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	// When the channel is closed, all event streams send an event. Event streams wait for the next change on the new
	// channel.
	m.HandleFunc("POST /test/tell", func(http.ResponseWriter, *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		close(s.changed)
		s.changed = make(chan struct{})
	})
	m.HandleFunc("GET /api/v1/events", s.events)
	fmt.Printf("hub http://%s/\n", l.Addr())
	if err := http.Serve(l, m); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// directoryOf returns a directory whose services are all the same fake.
func directoryOf(d webtest.Directory) web.Directory {
	return web.Directory{Members: d, Cards: d, Taps: d, Badges: d, Imports: d, Sources: d, Exports: d,
		Erasures: webtest.Erasures(d), Own: webtest.Own(d)}
}

// displayOf returns the services of the public status and of wall screens.
func displayOf(s *webtest.Site) web.Display {
	return web.Display{Settings: webtest.DisplaySettings{Site: s}, Screens: webtest.Screens{Site: s},
		Board: webtest.Board{Site: s}}
}

// visitorsOf returns the services of visits; one fake implements desk and arrivals.
func visitorsOf(s *webtest.Site) web.Visitors {
	return web.Visitors{Settings: webtest.VisitorSettings{Site: s}, Desk: webtest.Desk{Site: s},
		Arrivals: webtest.Arrivals{Site: s}}
}

// accountsOf returns accounts whose services are all the same fake.
func accountsOf(a webtest.Accounts) web.Accounts {
	return web.Accounts{Passwords: a, Links: a, PrintedCodes: a, Ownership: a, Recovery: a, Sessions: a, Tokens: a,
		Registry: a, Audit: a}
}

// reset replaces the site by a new site with the given number of additional members.
func (s *server) reset(more int, sign bool) error {
	site := webtest.New(more)
	site.ShowPublic()
	webtest.PermitPhones(site)
	p, err := web.New(web.Options{Site: "BIK'LAB", Version: "0.7.0", Zone: webtest.Paris(), Now: webtest.Now, Mail: true,
		Directory: directoryOf(webtest.Directory{Site: site}), Machines: webtest.Machines{Site: site},
		Codes: webtest.Codes{Site: site}, Orders: webtest.Orders{Site: site},
		CardKeys: webtest.CardKeys{Site: site}, Issuing: webtest.Issuing{Site: site},
		Policies: webtest.Policies{Site: site, Sign: sign},
		Drafts:   webtest.Drafts{Site: site}, Bundles: webtest.Bundles{Site: site},
		Accounts: accountsOf(webtest.Accounts{Site: site}), Reports: webtest.Reports{Site: site},
		Display: displayOf(site), Visitors: visitorsOf(site), Search: webtest.Search{Site: site}, Who: site.Who,
		OwnBadges: webtest.Issuing{Site: site}, Trainings: webtest.Trainings{Site: site},
		Maintenance: webtest.Maintenance{Site: site},
		MachineName: webtest.MachineName, BadgeName: webtest.BadgeName})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages, s.routes = site.Handler(p.Handler()), p.Routes()
	return nil
}

// events serves an event stream in the format of the API; each event names the topics that have changed.
func (s *server) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	c := http.NewResponseController(w)
	fmt.Fprint(w, ": ready\n\n")
	for c.Flush() == nil {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
			fmt.Fprint(w, "event: taps\ndata: {\"topic\":\"taps\"}\n\n")
		case <-r.Context().Done():
			return
		}
	}
}
