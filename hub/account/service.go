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
	Language string          `json:"-"` // language of mails: fr, en, or empty for the site's language
}

// People contains the functions by which this package queries the directory. The hub sets the functions, so that this
// package and the directory do not import each other. A nil function means that the hub has no such data.
type People struct {
	// ByAddress returns the members who may sign in with an e-mail address. A minor may sign in only with a guardian's
	// address.
	ByAddress func(ctx context.Context, address string) ([]Person, error)
	// Member returns the member with this id. The error is *fault.NotFound if no member has the id.
	Member func(ctx context.Context, id policy.MemberID) (Person, error)
	// Roles returns the roles at machines that follow from a member's badges. Roles other than mentor and maintainer
	// are ignored.
	Roles func(ctx context.Context, id policy.MemberID) (map[policy.MachineID]actor.Role, error)
	// Standing returns whether a member may use the hub fully, read only their own record, or not sign in. A nil Standing
	// permits every member to sign in.
	Standing func(ctx context.Context, id policy.MemberID) (Standing, error)
}

// Standing states what a member may do at the hub, depending on the membership. The zero Standing permits nothing.
type Standing string

// Values of Standing, by the state of the membership. A member who is not in the directory has the zero Standing.
const (
	Current Standing = "current" // the member has all rights of the member's roles
	Lapsed  Standing = "lapsed"  // the membership ended or is suspended, and the member may read only their own record
	Blocked Standing = "blocked" // the member is blocked and may not sign in
	Visitor Standing = "visitor" // the member visits, may read only their own record, and has no assigned role either
)

// Settings are the values that an administrator may change while the hub runs. This package reads the current values
// for each mail.
type Settings struct {
	Title    string // the site's title, in mails
	Language string // default language of members: fr or en
	Contact  string // contact person or address for members' questions, in mails; empty: none
	Links    bool   // members may sign in by e-mail
}

// Options are the dependencies of New. Site is required. The comment of each optional field says what happens if the
// field is not set.
type Options struct {
	Site   *store.Site
	Folder string       // the hub's data folder, which contains the file owner-code
	Log    *slog.Logger // nil: no log
	Audit  *audit.Log   // nil: no audit log is written
	People People       // zero: members cannot sign in by e-mail, and badges give no roles
	// Settings returns the site's current settings. If Settings is nil, the title is the site's id, the language is
	// English, and members may sign in by e-mail.
	Settings func() Settings
	URL      *url.URL // the hub's URL in browsers; nil: no e-mail links, and cookies without TLS
	Mail     Sender   // nil: no e-mail
	// Request returns a request's id and the client's address, as package httpd determined them. If Request is nil, the
	// id is empty and the address is that of the connection.
	Request func(*http.Request) (id, address string)
	// Refuse writes the response to a request that Requests.Handler refuses. Status and RetryAfter return the
	// response's status and header. If Refuse is nil, the response is plain text.
	Refuse func(http.ResponseWriter, *http.Request, error)

	Now    func() time.Time // nil: time.Now
	Random io.Reader        // nil: crypto/rand
	Hash   Argon            // zero: 19 MiB of memory, 2 passes, 1 lane
}

// Services contains the services for the accounts of one site, one field for each task. Many goroutines may call each
// service at the same time. Methods with an actor parameter check the actor's rights.
type Services struct {
	Passwords    *Passwords    // sign-in by name and password
	Links        *Links        // sign-in by a link in an e-mail
	PrintedCodes *PrintedCodes // sign-in by a code on paper
	Ownership    *Ownership    // the first owner
	Recovery     *Recovery     // codes with which a person sets a new password
	Sessions     *Sessions     // signed-in browsers
	Tokens       *Tokens       // API tokens
	Registry     *Registry     // adds, changes and removes accounts and their roles
	AddressCodes *AddressCodes // codes that prove an e-mail address
	Outbox       *Outbox       // mails to send
	Requests     *Requests     // finds the actor of an HTTP request by the cookie or the token
}

// New returns the services. The error is non-nil if o has no site, if o.URL is not an http or https address, or if o
// configures mail without a URL for links. New starts no goroutine: the caller runs Outbox.Run.
func New(o Options) (*Services, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	core := &core{site: o.Site, log: o.Log, clock: o.Now, entropy: o.Random, auditLog: o.Audit}
	limits := &throttle{core: core, most: maxLimits}
	hasher := &hasher{core: core, queue: newQueue(), cost: o.Hash, derive: deriveKey}
	rights := &rights{people: o.People, log: o.Log}
	rows := &accountRows{core: core}
	browsers := &browsers{core: core, rights: rights, manager: newManager(core, o.URL)}
	outbox := &Outbox{core: core, sender: o.Mail, added: make(chan struct{}, 1)}
	// Services that sign people in share browsers, rights and limits, so that a limit counts the attempts of all
	// services.
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
		Recovery:     &Recovery{core: core, limits: limits, rights: rights, passwords: passwords},
		Sessions:     sessions,
		Tokens:       tokens,
		Registry:     &Registry{core: core, hasher: hasher, rights: rights, rows: rows},
		AddressCodes: &AddressCodes{core: core, limits: limits, outbox: outbox, settings: o.Settings},
		Outbox:       outbox,
		Requests: &Requests{sessions: sessions, tokens: tokens, manager: browsers.manager, request: o.Request,
			refuse: o.Refuse},
	}, nil
}

// check returns an error if New cannot create services from the options.
func (o Options) check() error {
	if o.Site == nil {
		return errors.New("account: Options.Site is nil, want a site of the store")
	}
	if o.URL != nil && (o.URL.Host == "" || o.URL.Scheme != "http" && o.URL.Scheme != "https") {
		return fmt.Errorf("account: base URL %q cannot be used in a browser, want https://host", o.URL)
	}
	if o.Mail != nil && o.URL == nil {
		return errors.New("account: sign-in by e-mail is configured without the hub's base URL: set the key url")
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
		o.Request = connectionAddress
	}
	if o.Settings == nil {
		o.Settings = func() Settings { return Settings{Title: string(o.Site.ID()), Language: "en", Links: true} }
	}
	if o.Refuse == nil {
		o.Refuse = plainRefusal(o.Log)
	}
	return o
}
