// Package web serves the hub's pages: sign-in, today, members, machines, policy, cards, reports, settings.
//
// Pages are rendered with html/template on the server, with one stylesheet and one optional script of at most 6 KB. The
// pages work without the script: every form is a POST, which the hub answers with a redirect to a page that confirms
// the action. Secrets that are shown only once (codes, tokens) are in the response to the POST itself, never in an
// address.
//
// The pages decide no permissions: each handler calls a service, which checks the user's permissions. A page leaves out
// a part that the user may not see. For a denied page, the hub answers 403, or redirects a visitor to the sign-in page.
// A page shows *fault.Invalid next to the fields, *fault.Conflict as a comparison with the current values,
// *fault.NotFound as 404, and every other error as 500 with the id of the request.
//
// Every sentence comes from messages.txt, in French and English. The query parameter lang, a cookie or the header
// Accept-Language determines the language of a page. The parameter lang sets the cookie only for signed-in users,
// because the pages set no cookie before the sign-in.
package web

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/policy"
)

//go:embed templates messages.txt audit.txt static
var files embed.FS

// Options contains the services that the pages call, and the settings of the pages. If a service is missing, the hub
// answers 404 for the pages that call the service.
type Options struct {
	Site      string // name of the site, as pages show it
	Version   string // version of the hub, as the settings page shows it
	Zone      *time.Location
	ZoneNow   func() *time.Location // returns the policy's time zone; if it is nil or returns nil, Zone is used
	Now       func() time.Time
	Log       *slog.Logger
	Directory Directory
	Machines  Machines
	Codes     Codes  // required with Machines
	Orders    Orders // required with Machines
	CardKeys  CardKeys
	Issuing   Issuing
	Policies  Policies
	Drafts    Drafts  // required with Policies
	Bundles   Bundles // required with Policies
	Accounts  Accounts
	Reports   Reports
	Display   Display
	Search    Search
	Visitors  Visitors
	// OwnBadges serves members' own badges and their public pages; nil: the hub issues no badges.
	OwnBadges OwnBadges
	// Trainings is the service of trainings at machines; nil: the hub issues no badges.
	Trainings Trainings
	// Maintenance is the service of what the machines need.
	Maintenance Maintenance
	// Who returns the user who sent a request; the zero Actor: the user is not signed in.
	Who func(*http.Request) (actor.Actor, error)
	// Address returns the client's address behind any proxies; nil: the address of the connection is used.
	Address func(*http.Request) string
	// RequestID returns the id of the request in the logs; nil: the pages create a new id.
	RequestID func(*http.Request) string
	// MachineName, BadgeName and IssuerName return names from the policy. If the function is nil or the name empty, the
	// page shows the id.
	MachineName func(policy.MachineID) policy.Text
	BadgeName   func(policy.BadgeID) policy.Text
	IssuerName  func(profileOrKey string) string
	// PolicyMachines returns the machines of the current policy, which the form of a new machine suggests; nil: no
	// machines.
	PolicyMachines func() []policy.MachineID
	Mail           bool // true: the hub can send e-mail
	// Live returns the current name of the site, and whether members may sign in by e-mail; nil: Site and Mail are used.
	Live func() (name string, mail bool)
	// Trouble returns why the database rejects changes, in a few English words; empty: the database accepts changes. If
	// Trouble is nil, the pages show no problem.
	Trouble func() string
}

// Pages are the hub's pages. The methods of Pages may be called concurrently.
type Pages struct {
	o          Options
	words      words
	faults     *fault.Words
	auditWords *fault.Words
	views      map[string]*views // templates by language
	assets     assets
	families   []family
}

// New parses all templates and messages, and returns the pages.
func New(o Options) (*Pages, error) {
	p := &Pages{o: withDefaults(o), views: map[string]*views{}}
	var err error
	if p.words, err = readWords(); err != nil {
		return nil, err
	}
	if p.faults, err = fault.ReadWords(); err != nil {
		return nil, err
	}
	if p.auditWords, err = readAudited(); err != nil {
		return nil, err
	}
	if p.assets, err = readAssets(); err != nil {
		return nil, err
	}
	for _, lang := range languages {
		if p.views[lang], err = p.parse(lang); err != nil {
			return nil, err
		}
	}
	p.families = slices.DeleteFunc(p.table(), func(f family) bool { return !f.on })
	return p, nil
}

// withDefaults sets options that are missing to their defaults.
func withDefaults(o Options) Options {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Who == nil {
		o.Who = func(*http.Request) (actor.Actor, error) { return actor.Actor{}, nil }
	}
	if o.Live == nil {
		name, mail := o.Site, o.Mail
		o.Live = func() (string, bool) { return name, mail }
	}
	if o.Address == nil {
		o.Address = connection
	}
	if o.RequestID == nil {
		o.RequestID = func(*http.Request) string { return rand.Text()[:12] }
	}
	return o
}

// zone returns the time zone of the pages' times and days.
func (p *Pages) zone() *time.Location {
	if p.o.ZoneNow != nil {
		if now := p.o.ZoneNow(); now != nil {
			return now
		}
	}
	return p.o.Zone
}

// connection returns the client's address of a request's connection.
func connection(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}

// contentPolicy is the content security policy of pages. contentPolicy allows only stylesheets, scripts, pictures,
// events and forms of the hub itself, and forbids frames.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// These are the maximum sizes of forms in bytes. maxForm is for a form with a policy (1 MiB of text with
// percent-encoding), maxUpload for a form with a file, and smallForm for all others.
const (
	smallForm = 64 << 10
	maxForm   = 4 << 20
	maxUpload = 16 << 20
)

// Handler returns the handler of all pages and static files. Package httpd rejects forms of other sites before it calls
// this handler.
func (p *Pages) Handler() http.Handler { return p.Public(p.private()) }

// private returns the handler of all pages that depend on who asks, and of the static files.
func (p *Pages) private() http.Handler {
	m := http.NewServeMux()
	for _, r := range p.routes() {
		m.HandleFunc(r.pattern, p.serve(r.do))
	}
	m.HandleFunc("GET /static/{hash}/{name}", p.asset)
	m.HandleFunc("/", p.serve(func(q *request) error { return errNoPage }))
	return head(m)
}

// head returns a handler that sets the security headers of every page and calls next.
func head(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		h.Set("Vary", "Accept-Language, Cookie")
		next.ServeHTTP(w, r)
	})
}

var errNoPage = errors.New("page does not exist")

// ctxOf returns the request's context.
func ctxOf(q *request) context.Context { return q.r.Context() }
