// Package directory keeps who the members of a site are: their names, addresses, cards, memberships and badges, and
// who may see what of it.
//
// Every method takes the actor who asks and refuses by itself. What an actor may not see is left out of the answer:
// card numbers without actor.WriteCards, notes without actor.ReadNotes.
//
// Snapshot gives what a folder of package site holds, so that a bundle built of the directory is the bundle built of
// the exported folder. The rows are the truth; an index of all members stands in memory, for lists, searches and
// questions about rights. The index follows the rows by a generation number that every write raises.
//
// Nothing that names a person goes into the audit log: it cannot be removed from there.
package directory

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base32"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"portillon/hub/actor"
	"portillon/hub/store"
	"portillon/openbadge"
	"portillon/policy"
)

// Options are what a Service needs of the hub. Site and Policy are needed, the others may be nil.
type Options struct {
	Site *store.Site
	Now  func() time.Time // nil: time.Now
	Log  *slog.Logger     // nil: slog.Default

	// Policy is the policy in force; nil: there is none yet, and no badge counts. While the policy is the same, so is
	// the pointer.
	Policy func(context.Context) (*policy.Policy, error)

	// Audit writes an entry in the transaction of a change; nil: nobody does.
	Audit func(ctx context.Context, tx *store.Tx, a actor.Actor, act actor.Act, on, detail string) error

	// Forget removes what others keep of a member who is erased, in the same transaction; nil: nobody keeps anything.
	Forget func(ctx context.Context, tx *store.Tx, a actor.Actor, id policy.MemberID, addresses []string) error

	// Merged brings what others keep of a member who is merged to the one who stays, in the same transaction; nil: nobody
	// keeps anything.
	Merged func(ctx context.Context, tx *store.Tx, a actor.Actor, keep, drop policy.MemberID) error

	// Taps are the unknown cards that were tapped since a moment, from the ledger; nil: none are known.
	Taps func(ctx context.Context, since time.Time) ([]UnknownTap, error)

	// Practice is what members did at some machines, from the machines' records; nil: nothing is known of it.
	Practice func(ctx context.Context, machines []policy.MachineID) (Practised, error)

	// CardHash is the HMAC of a card's number under the site's card key, in hexadecimal, as bundles hold it. With it, a
	// card that is enrolled by its code is not added a second time by its number, which no bundle could be built of;
	// nil: not checked.
	CardHash func(number []byte) string
	// OldCardKey is the check value of the card key before, while the site changes it, else empty; OldCardHash is the
	// entry of a number under it, with its mark. Nil: the card key is never changed.
	OldCardKey  func() string
	OldCardHash func(number []byte) string

	// Fetch gives documents on the web: badges by URL, status lists, keys. It refuses addresses of the hub's own
	// network by itself (package openbadge/fetch). Nil: nothing is fetched.
	Fetch func(context.Context) openbadge.Resolver
}

// Service is the directory of one site. Its methods may be called by many goroutines.
type Service struct {
	o    Options
	site *store.Site
	log  *slog.Logger

	mu       sync.Mutex
	index    *index    // nil: not read yet
	recent   []touched // what this process wrote, the last ones
	previews map[string]*plan

	bases bases
}

// New makes a Service.
func New(o Options) (*Service, error) {
	if o.Site == nil || o.Policy == nil {
		return nil, errors.New("directory: Options.Site and Options.Policy are needed")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Audit == nil {
		o.Audit = func(context.Context, *store.Tx, actor.Actor, actor.Act, string, string) error { return nil }
	}
	return &Service{o: o, site: o.Site, log: o.Log, previews: map[string]*plan{}}, nil
}

// change is a transaction that is under way.
type change struct {
	*store.Tx
	s   *Service
	now time.Time
	ids []policy.MemberID // members whose rows changed
}

// touch notes a member whose rows changed.
func (c *change) touch(ids ...policy.MemberID) { c.ids = append(c.ids, ids...) }

// touched are the members of one generation.
type touched struct {
	generation int64
	ids        []policy.MemberID
}

// maxRecent bounds the writes that are remembered until the index is next asked for.
const maxRecent = 1000

// auditName is how the audit log names a member: an erasure finds the entries by it.
func auditName(id policy.MemberID) string { return "member " + string(id) }

// write runs f in a transaction with its audit entry, and tells the subscribers. on and detail name no person: on is a
// pseudonym, detail the names of fields.
func (s *Service) write(ctx context.Context, a actor.Actor, act actor.Act, f func(*change) (on, detail string,
	err error)) error {
	c := &change{s: s, now: s.o.Now()}
	var generation int64
	return s.site.Write(ctx, func(tx *store.Tx) error {
		c.Tx = tx
		on, detail, err := f(c)
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `INSERT INTO directory_state (site, generation) VALUES ($1, 1)
			ON CONFLICT (site) DO UPDATE SET generation = directory_state.generation + 1
			WHERE directory_state.site = $1 RETURNING generation`).Scan(&generation)
		if err != nil {
			return err
		}
		if err := s.o.Audit(ctx, tx, a, act, on, detail); err != nil {
			return err
		}
		tx.Changed(store.Directory)
		s.remember(touched{generation, c.ids})
		return nil
	})
}

// remember notes what a transaction changes, before it is committed: whoever reads the new generation then knows it.
// If the commit fails, the same generation comes again, and its members are read once more than needed.
func (s *Service) remember(t touched) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.recent = append(s.recent, t); len(s.recent) > maxRecent {
		s.recent = s.recent[len(s.recent)-maxRecent:]
	}
}

// reader reads rows: the site's, or a transaction's.
type reader interface {
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// newID is 40 random bits in lower-case letters and digits.
func newID(prefix string) string {
	b := make([]byte, 5)
	rand.Read(b) // never fails (crypto/rand)
	return prefix + strings.ToLower(base32.StdEncoding.EncodeToString(b))
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
