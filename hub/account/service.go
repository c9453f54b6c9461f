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

// Person is a member as the directory knows them: enough to address them and to sign them in.
type Person struct {
	ID       policy.MemberID `json:"id"`
	Name     string          `json:"name"`
	Language string          `json:"-"` // fr or en; empty: the site's
}

// People are the questions that this package asks the directory. The hub connects the two, so that neither package
// imports the other. A function that is nil answers nothing.
type People struct {
	// ByAddress gives the members whom an e-mail address may sign in: of a minor, the guardian's addresses only.
	ByAddress func(ctx context.Context, address string) ([]Person, error)
	// Member gives a member; *fault.NotFound where there is none.
	Member func(ctx context.Context, id policy.MemberID) (Person, error)
	// Roles gives the roles at machines that follow from a member's badges. Roles other than mentor and maintainer
	// are ignored.
	Roles func(ctx context.Context, id policy.MemberID) (map[policy.MachineID]actor.Role, error)
	// Standing says whether a member may sign in. nil: every member may.
	Standing func(ctx context.Context, id policy.MemberID) (Standing, error)
}

// Standing says what a membership allows at the hub. The zero Standing allows nothing.
type Standing string

// The standings of a member. A member whom the directory does not know has none.
const (
	Current Standing = "current" // all that the roles give
	Lapsed  Standing = "lapsed"  // the membership has ended, or is suspended: one's own record alone
	Blocked Standing = "blocked" // signs in to nothing
)

// Settings are the values that an administrator may change while the hub runs. This package reads them anew for each
// mail.
type Settings struct {
	Title    string // of the site, in mails
	Language string // of members who have chosen none: fr or en
	Contact  string // whom members ask; in mails; empty: nobody is named
	Links    bool   // members may sign in by e-mail
}

// Options are the parts that New makes the services from. Site is required; each other part says what holds without
// it.
type Options struct {
	Site   *store.Site
	Folder string       // the hub's data folder: owner-code stands there
	Log    *slog.Logger // nil: none
	Audit  *audit.Log   // nil: none
	People People       // the directory; zero: no member signs in by e-mail, and badges give no role
	// Settings are those of the site at this moment; nil: its id as title, in English, with links.
	Settings func() Settings
	URL      *url.URL // how browsers reach the hub, from its configuration; nil: no links and cookies in the clear
	Mail     Sender   // nil: without e-mail
	// Request gives a request's id and the client's address, as the handler before this one found them (package
	// httpd); nil: no id, and the address of the connection.
	Request func(*http.Request) (id, address string)
	// Refuse answers a request that Handler does not pass on: Status and RetryAfter say how. nil: in plain text.
	Refuse func(http.ResponseWriter, *http.Request, error)

	Now    func() time.Time // nil: time.Now
	Random io.Reader        // nil: crypto/rand
	Hash   Argon            // zero: 19 MiB, 2 passes, 1 lane
}

// Services are the accounts of one site, by duty. Callers name the duty, as in Sessions.End. Each service may be
// called by many goroutines; those that take an actor ask by themselves what the actor may do.
type Services struct {
	Passwords    *Passwords    // sign-in by name and password
	Links        *Links        // sign-in by a link in an e-mail
	PrintedCodes *PrintedCodes // sign-in by a code on paper
	Ownership    *Ownership    // the first owner
	Recovery     *Recovery     // codes for a new password
	Sessions     *Sessions     // browsers that are signed in
	Tokens       *Tokens       // API tokens
	Registry     *Registry     // the accounts themselves and their roles
	Outbox       *Outbox       // mails that are to be sent
	Requests     *Requests     // who asks, by the cookie or the token of an HTTP request
}

// New makes the services. It returns an error where o names no site, where its URL is no http or https address, or
// where mail is to be sent and links would have no address. It starts no goroutine: the caller runs Outbox.Run.
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
	// Services that sign people in share browsers, rights and limits: one limit counts the attempts of all.
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

// check refuses options that no services can be made from.
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

// withDefaults fills in what is not given.
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
