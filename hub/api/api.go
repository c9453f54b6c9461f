// Package api is the hub's JSON interface under /api/v1. The package calls the services and contains no rules of its
// own. Each service checks permissions (actor.Actor.May), and package api converts the services' errors to responses.
//
// The method allRoutes returns all routes, and the handwritten openapi.yaml describes each route. Tests compare the
// routes with the description, and validate every response in every test against the description.
//
//   - Errors are problem details (RFC 9457), in French or English depending on Accept-Language.
//   - Lists have pages with an opaque cursor: {"items": […], "next": "/api/v1/…"}. The last page has no next.
//   - The ETag of a resource is the resource's version. A request that changes the resource names the version in
//     If-Match. The response is 428 if If-Match is missing, and 412 if the resource has changed since the client read
//     that version.
//   - Request bodies are limited in size and strict: an unknown, repeated or misplaced field is rejected, and the error
//     names the most similar known field.
//   - Programs send an API token (Authorization: Bearer …), and browsers send a session cookie.
package api

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/policy"
)

// Prefix is the path of the API.
const Prefix = "/api/v1"

// Options contains the services of one site. If a service is nil, the routes of the service respond with status 501.
type Options struct {
	Directory Directory
	Machines  Machines
	Codes     Codes  // required with Machines
	Orders    Orders // required with Machines
	CardKeys  CardKeys
	Issuing   Issuing
	Policies  Policies
	Drafts    Drafts   // required with Policies
	Bundles   Bundles  // required with Policies
	Accounts  Accounts // required
	Reports   Reports
	Hub       Hub
	Search    Search
	Visitors  VisitorDesk
	Events    Events
	// Maintenance is the service of what the machines need.
	Maintenance Maintenance
	// Session returns the user of a browser's session cookie, or the zero Actor if there is no session. If Session is
	// nil, browsers cannot sign in.
	Session func(*http.Request) (actor.Actor, error)
	// SessionNow does the work of Session, but never returns a cached user. Event streams call SessionNow, because a
	// session may end during a stream. If SessionNow is nil, streams call Session.
	SessionNow func(*http.Request) (actor.Actor, error)
	// Status returns the HTTP status for an error of package account (account.Status). RetryAfter returns the number of
	// seconds that the client must wait, or 0 (account.RetryAfter). If Status is nil, an error of package account gets
	// status 500.
	Status     func(error) int
	RetryAfter func(error) int

	Log     *slog.Logger     // nil: no logging
	Now     func() time.Time // nil: time.Now
	Version string           // version of the program, which openapi.yaml shows
}

// State is the state of the hub, for programs that monitor the hub.
type State struct {
	Program  string        `json:"program"` // version of the program
	Site     policy.SiteID `json:"site"`
	Started  time.Time     `json:"started"`
	Ready    bool          `json:"ready"`
	Bundle   uint64        `json:"bundle"` // version of the bundle in force
	Policy   int64         `json:"policy"` // number of the policy version in force
	Broker   bool          `json:"broker"` // true if the hub is connected to its MQTT broker
	Listens  Listens       `json:"listens"`
	Machines int           `json:"machines"`
	Online   int           `json:"online"`
	Records  uint64        `json:"records"`           // number of records of all machines in the hub's ledger
	Disk     int64         `json:"disk_free_bytes"`   // free space of the data folder in bytes; -1: unknown
	Database int64         `json:"database_bytes"`    // size of the database file in bytes
	Backup   time.Time     `json:"backup,omitzero"`   // time of the last backup; zero: no backup exists
	Warnings []string      `json:"warnings,omitzero"` // names of the problems that an administrator should check
}

// Listens contains the addresses of the hub.
type Listens struct {
	Web string `json:"web"` // host:port, for people
	// host:port for machines that join; empty: machines cannot join over the network.
	Machines string `json:"machines,omitempty"`
	Broker   string `json:"broker"` // URL
}

// Settings are the site's settings that an administrator can change at run time. Zone, URL and Mail are read-only,
// because the policy and hub.yaml set these values.
type Settings struct {
	Version  int64         `json:"version"`
	Site     policy.SiteID `json:"site"`
	Name     string        `json:"name"`
	Language string        `json:"language"`          // fr, en
	Contact  string        `json:"contact,omitempty"` // contact for members' questions, which mails name

	MailLinks bool   `json:"mail_links"` // true if members may sign in with a link sent by e-mail
	Mail      bool   `json:"mail"`       // true if hub.yaml configures a mail server
	Zone      string `json:"time_zone"`
	URL       string `json:"url"` // address of the hub for browsers
}

// API is the HTTP handler of /api/v1. New creates an API.
type API struct {
	o      Options
	mux    *http.ServeMux
	routes []Route
	spec   []byte
	texts  *texts
}

// New returns the handler of /api/v1, or an error if Options.Accounts.Tokens is nil.
func New(o Options) (*API, error) {
	if o.Accounts.Tokens == nil {
		return nil, errors.New("api: Options.Accounts.Tokens is nil, want the service that checks API tokens")
	}
	// Set defaults.
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.SessionNow == nil {
		o.SessionNow = o.Session
	}
	spec, err := description(o.Version)
	if err != nil {
		return nil, err
	}
	words, err := fault.ReadWords()
	if err != nil {
		return nil, err
	}
	s := &API{o: o, mux: http.NewServeMux(), spec: spec,
		texts: &texts{words: words, log: o.Log, status: o.Status, retryAfter: o.RetryAfter}}
	s.routes = s.allRoutes()
	// Group the routes by path, so that the response to an unknown method lists the methods of the path.
	byPath := map[string]map[string]*Route{}
	for i := range s.routes {
		r := &s.routes[i]
		if byPath[r.Path] == nil {
			byPath[r.Path] = map[string]*Route{}
		}
		byPath[r.Path][r.Method] = r
	}
	for path, methods := range byPath {
		s.mux.HandleFunc(Prefix+path, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, methods) })
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { s.texts.fail(w, r, noRoute()) })
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Routes returns the routes of the API.
func (s *API) Routes() []Route { return append([]Route(nil), s.routes...) }

// allRoutes returns all routes. A route whose service is nil responds with status 501.
func (s *API) allRoutes() (all []Route) {
	o := s.o
	accounts := &accountAPI{accounts: o.Accounts, now: o.Now}
	policies := &policyAPI{policies: o.Policies, drafts: o.Drafts, bundles: o.Bundles, texts: s.texts}
	events := &eventAPI{events: o.Events, streams: newStreams(), authenticate: s.authenticate, sessionNow: o.SessionNow}
	for _, part := range []struct {
		on     bool
		routes []Route
	}{
		{o.Directory != (Directory{}), (&memberAPI{directory: o.Directory}).routes()},
		{o.Directory != (Directory{}), (&cardAPI{directory: o.Directory}).routes()},
		{o.Directory != (Directory{}), (&badgeAPI{directory: o.Directory, texts: s.texts}).routes()},
		{o.Directory != (Directory{}), (&importAPI{directory: o.Directory, texts: s.texts}).routes()},
		{o.Directory != (Directory{}), (&importAPI{directory: o.Directory, texts: s.texts}).sourceRoutes()},
		{o.Machines != nil, (&machineAPI{machines: o.Machines, codes: o.Codes, orders: o.Orders}).routes()},
		{o.CardKeys != nil, (&cardKeyAPI{keys: o.CardKeys}).routes()},
		{o.Issuing != nil, (&awardAPI{issuing: o.Issuing}).routes()},
		{o.Policies != nil, policies.routes()},
		{true, accounts.routes()},
		{o.Reports != nil, (&reportAPI{reports: o.Reports}).routes()},
		{o.Maintenance != nil, (&maintenanceAPI{maintenance: o.Maintenance}).routes()},
		{o.Hub != nil, (&hubAPI{hub: o.Hub}).routes()},
		{o.Search != nil, (&searchAPI{search: o.Search}).routes()},
		{o.Visitors != nil, (&visitorAPI{desk: o.Visitors}).routes()},
		{o.Events != nil, events.routes()},
		{true, accounts.ownRoutes()},
		{true, []Route{{Method: "GET", Path: "/openapi.json", Answer: map[string]any{}, handle: s.getDescription}}},
	} {
		for _, r := range part.routes {
			if !part.on {
				r.handle = func(*call) (answer, error) { return answer{}, noService() }
			}
			all = append(all, r)
		}
	}
	return all
}
