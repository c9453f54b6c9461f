// Package directory stores the members of a site: their names, addresses, cards, memberships and badges. It decides
// which actor sees which field.
//
// Every method accepts the actor who asks, and checks the actor's rights. Fields that the actor may not see are left
// out of the answer: card numbers without actor.WriteCards, notes without actor.ReadNotes.
//
// Snapshot returns the content of a folder of package site, so that a bundle built from the directory equals the bundle
// built from the exported folder. The database rows are authoritative. An index of all members is kept in memory for
// lists, searches and questions about rights. Every write raises a generation number, by which the index detects
// changed rows.
//
// The audit log contains nothing that names a person, because audit entries cannot be removed.
//
// The directory is split into services by duty (Services). What the services share is read-only or protects itself with
// a mutex: core holds the clock, the policy in force and the rows; liveIndex holds the index; bases holds what verdicts
// depend on. Every change goes through core.write, which raises the generation and writes the audit entry in one
// transaction.
//
// A badge is judged in two ways. The verdict is for people: it includes dates and status, and is stored with every
// check. Decisions use only the proof (held) and the standing that the status lists gave: machines check the dates at
// each tap.
package directory

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base32"
	"errors"
	"log/slog"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/store"
	"portillon/openbadge"
	"portillon/policy"
)

// Options are what the services need from the hub. Site and Policy are required, the other fields may be nil.
type Options struct {
	Site *store.Site
	Now  func() time.Time // nil: time.Now
	Log  *slog.Logger     // nil: slog.Default

	// Policy returns the policy in force; nil: there is no policy yet, and no badge counts. As long as the policy is
	// unchanged, Policy returns the same pointer.
	Policy func(context.Context) (*policy.Policy, error)

	// Audit writes an entry in the transaction of a change; nil: no audit entries.
	Audit func(ctx context.Context, tx *store.Tx, a actor.Actor, act actor.Act, on, detail string) error

	// Forget removes what other packages store about a member who is erased, in the same transaction; nil: other
	// packages store nothing.
	Forget func(ctx context.Context, tx *store.Tx, a actor.Actor, id policy.MemberID, addresses []string) error

	// Merged moves what other packages store about the member drop to the member keep, in the same transaction; nil:
	// other packages store nothing.
	Merged func(ctx context.Context, tx *store.Tx, a actor.Actor, keep, drop policy.MemberID) error

	// Taps returns the unknown cards that were tapped since a time, from the ledger; nil: no taps are known.
	Taps func(ctx context.Context, since time.Time) ([]UnknownTap, error)

	// Practice returns the practice of members at some machines, from the machines' records; nil: no practice is known.
	Practice func(ctx context.Context, machines []policy.MachineID) (Practised, error)

	// CardHash returns the HMAC of a card's number under the site's card key, in hexadecimal, as bundles hold it. With
	// CardHash, the directory refuses to add a card by its number if the card was already enrolled by its code, because
	// no bundle could be built with both entries; nil: not checked.
	CardHash func(number []byte) string
	// OldCardKey returns the check value of the previous card key while the site changes its card key, else an empty
	// string. OldCardHash returns the entry of a number under the previous key, with its mark. Nil: the card key never
	// changes.
	OldCardKey  func() string
	OldCardHash func(number []byte) string

	// Fetch returns a resolver for documents on the web: badges by URL, status lists, keys. The resolver itself refuses
	// addresses of the hub's network (package openbadge/fetch). Nil: nothing is fetched.
	Fetch func(context.Context) openbadge.Resolver
}

// Services are the directory of one site, split by duty. Callers name the duty, as in Members.Add. Each service may be
// called by many goroutines. All methods except those of Lookup and Verdicts, and Exports.Snapshot, accept the actor
// who asks and check the actor's rights.
type Services struct {
	Members  *Members  // people: their names, addresses and memberships
	Cards    *Cards    // the cards of members
	Taps     *Taps     // unknown cards that were tapped
	Rekeying *Rekeying // cards while the site changes its card key
	Badges   *Badges   // adds and removes badges
	Verdicts *Verdicts // verifies the badges again
	Imports  *Imports  // lists of members in uploaded files
	Exports  *Exports  // the whole directory, for people and for bundles
	Erasures *Erasures // removes a person's data
	Lookup   *Lookup   // questions of the hub itself, without an actor
}

// New returns the services. The error is non-nil if o has no site or no policy. New reads no rows: the first call that
// needs the index reads all rows.
func New(o Options) (*Services, error) {
	if o.Site == nil || o.Policy == nil {
		return nil, errors.New("directory: Options.Site and Options.Policy are needed")
	}
	o = o.withDefaults()
	core := &core{site: o.Site, now: o.Now, log: o.Log, policy: o.Policy, audit: o.Audit, bases: &bases{},
		index: &liveIndex{site: o.Site}, hashing: cardHashing{hash: o.CardHash, oldKey: o.OldCardKey, oldHash: o.OldCardHash}}
	documents := &documents{site: o.Site, fetch: o.Fetch}
	practice := &practiceSource{ask: o.Practice}
	previews := &previewStore{now: o.Now, plans: map[string]*plan{}}
	cards := &Cards{core: core}
	return &Services{
		Members:  &Members{core: core, mergeElsewhere: o.Merged},
		Cards:    cards,
		Taps:     &Taps{core: core, cards: cards, taps: o.Taps},
		Rekeying: &Rekeying{core: core},
		Badges:   &Badges{core: core, documents: documents},
		Verdicts: &Verdicts{core: core, documents: documents},
		Imports:  &Imports{core: core, practice: practice, previews: previews},
		Exports:  &Exports{core: core},
		Erasures: &Erasures{core: core, previews: previews, forgetElsewhere: o.Forget},
		Lookup:   &Lookup{core: core, documents: documents, practice: practice},
	}, nil
}

// withDefaults returns the options with defaults for fields that are not set.
func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Audit == nil {
		o.Audit = func(context.Context, *store.Tx, actor.Actor, actor.Act, string, string) error { return nil }
	}
	return o
}

// reader reads rows: a *store.Site outside of a transaction, or the transaction's *store.Tx.
type reader interface {
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// newID returns a new id of a member, card or preview: a prefix and 40 random bits in lower-case letters and digits
// (base 32). With 10,000 members, one new id in 100 million is already taken; adding the member then fails.
func newID(prefix string) string {
	b := make([]byte, 5)
	rand.Read(b) // never fails (crypto/rand)
	return prefix + strings.ToLower(base32.StdEncoding.EncodeToString(b))
}

// millis returns a time in the database's form: milliseconds since 1970; the zero time is 0.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// fromMillis returns the time, in UTC, of a value of millis; 0 is the zero time.
func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// flag returns a boolean in the database's form: 1 or 0.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
