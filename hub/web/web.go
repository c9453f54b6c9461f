// Package web serves the hub's pages: sign-in, today, members, machines, policy, cards, reports, settings.
//
// Pages are html/template on the server, one stylesheet and one script of at most 6 KB that only makes them more
// comfortable: without the script, every form is a POST that is answered with a redirect to a page that says what was
// done. Secrets that exist once (codes, tokens) are shown in the answer to the POST itself, and are in no address.
//
// A page contains no rule. Each handler calls a service, which decides by itself whether the actor may; a part of a
// page that the service denies is left out, and a page that it denies is answered with 403, or with the sign-in page
// where nobody is signed in. *fault.Invalid is shown at the fields, *fault.Conflict as a comparison with what is in
// force, *fault.NotFound as 404, and every other error as 500 with the id of the request.
//
// Every sentence comes from messages.txt, in French and English. The language is that of ?lang=, or of the cookie
// that ?lang= leaves once somebody is signed in, or of Accept-Language. No cookie is set before sign-in.
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

// Options are what the pages are made of. Every service may be missing: its pages then answer 404.
type Options struct {
	Site      string // the name of the site, as people call it
	Version   string // of the hub, for Settings
	Zone      *time.Location
	ZoneNow   func() *time.Location // of the policy in force, in the place of Zone; nil, or a nil result: Zone
	Now       func() time.Time
	Log       *slog.Logger
	Directory Directory
	Machines  Machines
	Codes     Codes  // needed where Machines is
	Orders    Orders // needed where Machines is
	CardKeys  CardKeys
	Policies  Policies
	Drafts    Drafts  // needed where Policies is
	Bundles   Bundles // needed where Policies is
	Accounts  Accounts
	Reports   Reports
	// Who says who asks, from the session that the request carries. The zero Actor: nobody is signed in.
	Who func(*http.Request) (actor.Actor, error)
	// Address is the visitor's address behind whatever proxy there is. nil: of the connection.
	Address func(*http.Request) string
	// RequestID is the id under which the logs have the request. nil: a new one.
	RequestID func(*http.Request) string
	// MachineName, BadgeName and IssuerName give the policy's names. nil, or an empty text: the id is shown.
	MachineName func(policy.MachineID) policy.Text
	BadgeName   func(policy.BadgeID) policy.Text
	IssuerName  func(profileOrKey string) string
	// PolicyMachines are the machines of the policy in force. nil: they are not offered where a machine is added.
	PolicyMachines func() []policy.MachineID
	Mail           bool // the hub can send e-mail
	// Live gives the site's name and whether members may sign in by e-mail, at this moment. nil: Site and Mail.
	Live func() (name string, mail bool)
	// Trouble is why the database accepts no changes, in a few English words; empty: it does. nil: nothing is known.
	Trouble func() string
}

// Pages are the hub's pages.
type Pages struct {
	o          Options
	words      words
	faults     *fault.Words
	auditWords *fault.Words
	views      map[string]*views // by language
	assets     assets
	families   []family
}

// New parses templates and messages.
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

// withDefaults fills in what a caller may leave out.
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

// zone is in which times are shown and days begin.
func (p *Pages) zone() *time.Location {
	if p.o.ZoneNow != nil {
		if now := p.o.ZoneNow(); now != nil {
			return now
		}
	}
	return p.o.Zone
}

// connection is the address of the other end of a request's connection, without its port.
func connection(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}

// contentPolicy lets a page load its own stylesheet, script, pictures and events, send its forms here, and nothing
// else; it may stand in no frame.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// smallForm bounds most forms, in bytes. maxForm bounds one with a policy: a text of 1 MiB fits percent-encoded.
// maxUpload bounds one with a file.
const (
	smallForm = 64 << 10
	maxForm   = 4 << 20
	maxUpload = 16 << 20
)

// Handler answers for all pages and their static files. Forms of other sites' pages are refused before it (package
// httpd).
func (p *Pages) Handler() http.Handler {
	m := http.NewServeMux()
	for _, r := range p.routes() {
		m.HandleFunc(r.pattern, p.serve(r.do))
	}
	m.HandleFunc("GET /static/{hash}/{name}", p.asset)
	m.HandleFunc("/", p.serve(func(q *request) error { return errNoPage }))
	return head(m)
}

// head sets the headers of every answer.
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

var errNoPage = errors.New("no such page")

// ctxOf is the request's context.
func ctxOf(q *request) context.Context { return q.r.Context() }
