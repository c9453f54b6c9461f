package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"portillon/hub/actor"
	"portillon/hub/audit"
	"portillon/hub/store"
	"portillon/policy"
)

// Person is a member with the fields that mails and sign-in need.
type Person struct {
	ID       policy.MemberID `json:"id"`
	Name     string          `json:"name"`
	Language string          `json:"-"` // fr or en; empty: the site's language
}

// People holds the functions by which this package queries the directory. The hub sets them, so that neither package
// imports the other. A nil function returns no result.
type People struct {
	// ByAddress returns the members who may sign in with an e-mail address: for a minor, only the guardian's addresses
	// are valid.
	ByAddress func(ctx context.Context, address string) ([]Person, error)
	// Member returns a member; the error is *fault.NotFound if there is none.
	Member func(ctx context.Context, id policy.MemberID) (Person, error)
	// Roles returns the roles at machines that follow from a member's badges. Roles other than mentor and maintainer
	// are ignored.
	Roles func(ctx context.Context, id policy.MemberID) (map[policy.MachineID]actor.Role, error)
	// Standing returns whether a member may sign in. nil: every member may.
	Standing func(ctx context.Context, id policy.MemberID) (Standing, error)
}

// Standing is what a membership permits at the hub. The zero Standing permits nothing.
type Standing string

// The standings of a member. An unknown member has the zero Standing.
const (
	Current Standing = "current" // all rights of the member's roles
	Lapsed  Standing = "lapsed"  // membership ended or suspended: may read only the own record
	Blocked Standing = "blocked" // may not sign in
)

// Settings are the values that an administrator may change while the hub runs. This package reads the current values
// for each mail.
type Settings struct {
	Title    string // the site's title, in mails
	Language string // default language of members: fr or en
	Contact  string // whom members can ask, in mails; empty: no contact
	Links    bool   // members may sign in by e-mail
}

// Options are the dependencies of New. Site is required; the comment of each other field states its default.
type Options struct {
	Site   *store.Site
	Folder string       // the hub's data folder, which holds owner-code
	Log    *slog.Logger // nil: no log
	Audit  *audit.Log   // nil: no audit log
	People People       // zero: no sign-in by e-mail, no roles from badges
	// Settings returns the site's current settings; nil: the site's id as title, in English, with links.
	Settings func() Settings
	URL      *url.URL // the hub's address in browsers; nil: no links, and cookies without TLS
	Mail     Sender   // nil: no e-mail
	// Request returns a request's id and the client's address, as package httpd found them; nil: an empty id, and the
	// address of the connection.
	Request func(*http.Request) (id, address string)
	// Refuse answers a request that Handler refuses: Status and RetryAfter give the response's status and header. nil:
	// a response in plain text.
	Refuse func(http.ResponseWriter, *http.Request, error)

	Now    func() time.Time // nil: time.Now
	Random io.Reader        // nil: crypto/rand
	Hash   Argon            // zero: 19 MiB, 2 passes, 1 lane
}

// Services are the accounts of one site, split by duty. Callers name the duty, as in Sessions.End. Each service may be
// called by many goroutines; methods with an actor parameter check the actor's rights.
type Services struct {
	Passwords    *Passwords    // sign-in by name and password
	Links        *Links        // sign-in by a link in an e-mail
	PrintedCodes *PrintedCodes // sign-in by a code on paper
	Ownership    *Ownership    // the first owner
	Recovery     *Recovery     // codes for a new password
	Sessions     *Sessions     // signed-in browsers
	Tokens       *Tokens       // API tokens
	Registry     *Registry     // accounts and their roles
	Outbox       *Outbox       // mails to send
	Requests     *Requests     // the actor of an HTTP request, by the cookie or the token
}

// New returns the services. The error is non-nil if o has no site, if its URL is not an http or https address, or if
// mail is configured without a URL for links. New starts no goroutine: the caller runs Outbox.Run.
func New(o Options) (*Services, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	core := &core{site: o.Site, log: o.Log, clock: o.Now, entropy: o.Random, auditLog: o.Audit}
	limits := &throttle{core: core, most: maxLimits}
	hasher := &hasher{core: core, queue: newQueue(), cost: o.Hash, derive: derive}
	rights := &rights{people: o.People, log: o.Log}
	rows := &accountRows{core: core}
	browsers := &browsers{core: core, rights: rights, manager: newManager(core, o.URL)}
	outbox := &Outbox{core: core, sender: o.Mail, added: make(chan struct{}, 1)}
	// Services that sign people in share browsers, rights and limits, so that one limit counts all attempts.
	codes := &oneTimeCodes{core: core, rights: rights, rows: rows, browsers: browsers}
	passwords := &Passwords{core: core, limits: limits, hasher: hasher, rights: rights, browsers: browsers}
	tokens := &Tokens{core: core, limits: limits, rights: rights}
	sessions := &Sessions{core: core, rights: rights, browsers: browsers}
	return &Services{
		Passwords: passwords,
		Links: &Links{core: core, limits: limits, rights: rights, browsers: browsers, codes: codes, outbox: outbox,
			settings: o.Settings, url: o.URL},
		PrintedCodes: &PrintedCodes{core: core, limits: limits, member: o.People.Member, codes: codes},
		Ownership: &Ownership{core: core, limits: limits, hasher: hasher, rights: rights, rows: rows, browsers: browsers,
			folder: o.Folder},
		Recovery: &Recovery{core: core, limits: limits, rights: rights, passwords: passwords},
		Sessions: sessions,
		Tokens:   tokens,
		Registry: &Registry{core: core, hasher: hasher, rights: rights, rows: rows},
		Outbox:   outbox,
		Requests: &Requests{sessions: sessions, tokens: tokens, manager: browsers.manager, request: o.Request,
			refuse: o.Refuse},
	}, nil
}

// check returns an error for options from which no services can be created.
func (o Options) check() error {
	if o.Site == nil {
		return errors.New("account: a site is required")
	}
	if o.URL != nil && (o.URL.Host == "" || o.URL.Scheme != "http" && o.URL.Scheme != "https") {
		return fmt.Errorf("account: %q is no address for browsers, want https://host", o.URL)
	}
	if o.Mail != nil && o.URL == nil {
		return errors.New("account: e-mail links need the hub's address for browsers (url:)")
	}
	return nil
}

// withDefaults returns the options with defaults for fields that are not set.
func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Hash == (Argon{}) {
		o.Hash = defaultArgon
	}
	if o.Request == nil {
		o.Request = connection
	}
	if o.Settings == nil {
		o.Settings = func() Settings { return Settings{Title: string(o.Site.ID()), Language: "en", Links: true} }
	}
	if o.Refuse == nil {
		o.Refuse = plainRefusal(o.Log)
	}
	return o
}
