// Package directory stores the members of a site: their names, addresses, cards, memberships and badges. The package
// decides which actor sees which field.
//
// Every method has a parameter for the actor, and checks the actor's rights. Answers leave out the fields that the
// actor may not see: card numbers without actor.WriteCards, notes without actor.ReadNotes.
//
// Snapshot returns the directory in the form of a site's folder, so that a bundle built from the directory equals the
// bundle built from the exported folder. The database rows are authoritative. An index of all members in memory serves
// lists, searches and questions about rights. Every write increments a generation number, by which the index detects
// changed rows.
//
// The audit log contains nothing that names a person, because audit entries cannot be removed.
//
// The directory is split into services by duty (Services). The services share core (clock, policy in force and rows),
// liveIndex (the index) and bases (the data on which verdicts depend). Shared data are read-only or protected by a
// mutex. Every change goes through core.write, which increments the generation and writes the audit entry in one
// transaction.
//
// Verifying a badge gives two results. The verdict, which people read, includes dates and status; the database stores
// the verdict with every check. Decisions about rights use only the proof (held) and the standing according to the
// status lists, because machines check the dates of badges at each tap.
package directory

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base32"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/store"
	"portillon/openbadge"
	"portillon/policy"
)

// Options are the dependencies of the services. Site and Policy are required; the other fields may be nil.
type Options struct {
	Site *store.Site
	Now  func() time.Time // nil: time.Now
	Log  *slog.Logger     // nil: slog.Default

	// Policy returns the policy in force; nil: there is no policy yet, so no badge gives a right. As long as the
	// policy is unchanged, Policy returns the same pointer.
	Policy func(context.Context) (*policy.Policy, error)

	// Audit writes an entry in the transaction of a change; nil: no audit entries.
	Audit func(ctx context.Context, tx *store.Tx, a actor.Actor, act actor.Act, on, detail string) error

	// Forget removes what other packages store about a member who is erased, in the same transaction; nil: other
	// packages store nothing.
	Forget func(ctx context.Context, tx *store.Tx, a actor.Actor, id policy.MemberID, addresses []string) error

	// Merged moves what other packages store about the member drop to the member keep, in the same transaction; nil:
	// other packages store nothing.
	Merged func(ctx context.Context, tx *store.Tx, a actor.Actor, keep, drop policy.MemberID) error

	// Taps returns the taps of unknown cards since a time, from the ledger; nil: no taps are known.
	Taps func(ctx context.Context, since time.Time) ([]UnknownTap, error)

	// Practice returns the practice of members at some machines, from the machines' records; nil: no practice is known.
	Practice func(ctx context.Context, machines []policy.MachineID) (Practised, error)

	// PracticeOf returns the practice of one member, and the machines of which the hub has records; nil: no practice is
	// known.
	PracticeOf func(ctx context.Context, id policy.MemberID) ([]policy.Practice, map[policy.MachineID]bool, error)

	// States returns the last known states of machines; nil: no states are known.
	States func(ctx context.Context) (map[policy.MachineID]MachineState, error)

	// Achieved returns what the machines' records say about a member's way to further badges; nil: nothing is known.
	Achieved func(ctx context.Context, p *policy.Policy, id policy.MemberID) (Achieved, error)

	// RecordsOf returns all records of machines about a member; nil: there are no records.
	RecordsOf func(ctx context.Context, id policy.MemberID) ([]OwnRecord, error)

	// CardHash returns the HMAC of a card's number under the site's card key, in hexadecimal, as bundles contain it. With
	// CardHash, the directory refuses to add a card by its number if the card was already enrolled by its code, because no
	// bundle could contain both entries. If CardHash is nil, the directory does not check whether the card was
	// already enrolled.
	CardHash func(number []byte) string
	// OldCardKey returns the check value of the previous card key while the site changes its card key, and otherwise an
	// empty string. OldCardHash returns the HMAC of a number under the previous key, with the key's mark. If both are nil,
	// the card key never changes.
	OldCardKey  func() string
	OldCardHash func(number []byte) string

	// Fetch returns a resolver for documents on the web: badges by URL, status lists, keys. The resolver refuses addresses
	// of the hub's network (package openbadge/fetch). If Fetch is nil, the directory fetches nothing.
	Fetch func(context.Context) openbadge.Resolver

	// Lists are the lists of members that the hub fetches from other programs, each name once.
	Lists []ListSource
	// Tell tells the administrators that a list waits for them or fails; nil: only pages show it.
	Tell func(context.Context, SourceState) error
}

// Services are the directory of one site, split by duty. Each service may be called by many goroutines. All methods
// have an actor and check the actor's rights, except those of Lookup and Verdicts, and Exports.Snapshot.
type Services struct {
	Members  *Members  // stores names, addresses and memberships of members
	Cards    *Cards    // stores the cards of members
	Taps     *Taps     // lists and assigns unknown cards that were tapped
	Rekeying *Rekeying // binds cards to a new card key
	Badges   *Badges   // adds and removes badges
	Verdicts *Verdicts // verifies the badges again
	Imports  *Imports  // imports lists of members from files
	Sources  *Sources  // fetches lists of members from other programs
	Exports  *Exports  // exports the whole directory, for people and for bundles
	Erasures *Erasures // removes a person's data
	Own      *Own      // answers members' questions about their own access
	Lookup   *Lookup   // returns data that the hub itself needs, without an actor
}

// New returns the services. New returns an error if o has no site or no policy. New reads no rows from the database;
// the first call that needs the index reads all rows.
func New(o Options) (*Services, error) {
	if o.Site == nil || o.Policy == nil {
		return nil, errors.New("directory: Options.Site or Options.Policy is missing")
	}
	o = o.withDefaults()
	core := &core{site: o.Site, now: o.Now, log: o.Log, policy: o.Policy, audit: o.Audit, bases: &bases{},
		index: &liveIndex{site: o.Site}, hashing: cardHashing{hash: o.CardHash, oldKey: o.OldCardKey, oldHash: o.OldCardHash}}
	documents := &documents{site: o.Site, fetch: o.Fetch}
	practice := &practiceSource{ask: o.Practice}
	previews := &previewStore{now: o.Now, plans: map[string]*plan{}}
	cards := &Cards{core: core}
	imports := &Imports{core: core, practice: practice, previews: previews, isFetched: func(name string) bool {
		return slices.ContainsFunc(o.Lists, func(l ListSource) bool { return l.Name == name })
	}}
	return &Services{
		Members:  &Members{core: core, mergeElsewhere: o.Merged},
		Cards:    cards,
		Taps:     &Taps{core: core, cards: cards, taps: o.Taps},
		Rekeying: &Rekeying{core: core},
		Badges:   &Badges{core: core, documents: documents},
		Verdicts: &Verdicts{core: core, documents: documents},
		Imports:  imports,
		Sources:  newSources(core, imports, o),
		Exports:  &Exports{core: core},
		Erasures: &Erasures{core: core, previews: previews, forgetElsewhere: o.Forget},
		Own: &Own{core: core, practice: o.PracticeOf, states: o.States, achieved: o.Achieved,
			records: o.RecordsOf},
		Lookup: &Lookup{core: core, documents: documents, practice: practice},
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

// reader is a source of rows: a *store.Site or, in a transaction, a *store.Tx.
type reader interface {
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// newID returns a new id for a member, card or preview: a prefix and 40 random bits in base 32 with lower-case letters.
// In a site with 10,000 members, one new id in 100 million is already used, and adding that member fails.
func newID(prefix string) string {
	b := make([]byte, 5)
	rand.Read(b) // crypto/rand.Read never fails
	return prefix + strings.ToLower(base32.StdEncoding.EncodeToString(b))
}

// millis returns a time as the database stores it: in milliseconds since 1970, 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// fromMillis is the inverse of millis. fromMillis returns the time in UTC.
func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// toInt returns a boolean as the database stores it: 1 or 0.
func toInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
