package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/alexedwards/scs/v2"

	"portillon/hub/actor"
	"portillon/hub/audit"
	"portillon/hub/store"
	"portillon/policy"
)

// Person is what the directory says of a member.
type Person struct {
	ID       policy.MemberID `json:"id"`
	Name     string          `json:"name"`
	Language string          `json:"-"` // fr or en; empty: the site's
}

// People is what accounts ask the directory. Functions that are nil answer nothing.
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

// Standing is what a membership opens at the hub. The zero Standing opens nothing.
type Standing string

// The standings of a member. A member whom the directory does not know has none.
const (
	Current Standing = "current" // all that the roles give
	Lapsed  Standing = "lapsed"  // the membership has ended, or is suspended: one's own record alone
	Blocked Standing = "blocked" // signs in to nothing
)

// Settings are what an administrator may change while the hub runs.
type Settings struct {
	Title    string // of the site, in mails
	Language string // of members who have chosen none: fr or en
	Contact  string // whom members ask; in mails; empty: nobody is named
	Links    bool   // members may sign in by e-mail
}

// Options are what a Service is made from.
type Options struct {
	Site   *store.Site
	Folder string       // the hub's data folder: owner-code stands there
	Log    *slog.Logger // nil: none
	Audit  *audit.Log   // nil: none
	People People       //
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

// Service keeps accounts. Its methods may be called by many goroutines.
type Service struct {
	o         Options
	site      *store.Site
	log       *slog.Logger
	queue     *queue
	sessions  *scs.SessionManager
	maxLimits int
	spent     atomic.Uint64 // how often a limit was used, for pruning
	mail      chan struct{} // wakes RunMail
	derive    func(Argon, []byte, []byte) []byte
}

// New makes a Service.
func New(o Options) (*Service, error) {
	if o.Site == nil {
		return nil, errors.New("account: a site is required")
	}
	if o.URL != nil && (o.URL.Host == "" || o.URL.Scheme != "http" && o.URL.Scheme != "https") {
		return nil, fmt.Errorf("account: %q is no address for browsers, want https://host", o.URL)
	}
	if o.Mail != nil && o.URL == nil {
		return nil, errors.New("account: e-mail links need the hub's address for browsers (url:)")
	}
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
	s := &Service{o: o, site: o.Site, maxLimits: maxLimits, log: o.Log, queue: newQueue(), mail: make(chan struct{}, 1),
		derive: derive}
	if o.Refuse == nil {
		s.o.Refuse = s.refuse
	}
	s.sessions = s.newSessions()
	return s, nil
}

// now is the time as the database keeps it.
func (s *Service) now() int64 { return s.o.Now().UnixMilli() }

func at(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// random returns n random bytes.
func (s *Service) random(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(s.o.Random, b)
	return b, err
}

// newID makes an id that says nothing.
func (s *Service) newID(prefix string) (string, error) {
	b, err := s.random(8)
	return prefix + hex.EncodeToString(b), err
}

func hashOf(secret string) []byte {
	h := sha256.Sum256([]byte(secret))
	return h[:]
}

// Audit writes an entry of the audit log in the transaction tx. Services get it as Options.Audit.
func (s *Service) Audit(ctx context.Context, tx *store.Tx, a actor.Actor, act actor.Act, on, detail string) error {
	if s.o.Audit == nil {
		return nil
	}
	return s.o.Audit.Append(ctx, tx, a, act, on, detail)
}

// AuditLog reads the audit log, the newest entry first. The log asks by itself for actor.ReadAudit.
func (s *Service) AuditLog(ctx context.Context, a actor.Actor, p Page) ([]Entry, string, error) {
	if s.o.Audit == nil {
		return nil, "", nil
	}
	return s.o.Audit.Entries(ctx, a, p)
}

// ExportAudit writes the whole audit log, as audit.Verify reads it. The log asks by itself for actor.ReadAudit.
func (s *Service) ExportAudit(ctx context.Context, a actor.Actor, w io.Writer) error {
	if s.o.Audit == nil {
		return errors.New("this hub keeps no audit log")
	}
	return s.o.Audit.Export(ctx, a, w)
}
