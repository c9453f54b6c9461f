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
//
// The duties of the directory are services of their own (Services). What they share is read-only or guards itself: core
// holds the clock, the policy in force and the rows; liveIndex holds the index; bases holds what verdicts rest on.
// Every change goes through core.write, which raises the generation and writes the audit entry in one transaction.
//
// A badge has two judgements. Its verdict is for people: it has dates and status, and is stored with every check. What
// decisions use (held) is the proof alone with the standing that the status lists gave: machines judge the dates
// themselves, at each tap.
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

// Options are what the services need of the hub. Site and Policy are needed, the others may be nil.
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

// Services are the directory of one site, by duty. Callers name the duty, as in Members.Add. Each service may be
// called by many goroutines. All but Lookup, Verdicts and Exports.Snapshot take the actor who asks and refuse by
// themselves.
type Services struct {
	Members  *Members  // people: their names, addresses and memberships
	Cards    *Cards    // the cards of members
	Taps     *Taps     // unknown cards that were tapped
	Rekeying *Rekeying // cards while the site changes its card key
	Badges   *Badges   // adds and removes badges
	Verdicts *Verdicts // judges the badges again
	Imports  *Imports  // lists of members that come as files
	Exports  *Exports  // the whole directory, for people and for bundles
	Erasures *Erasures // removes a person's data
	Lookup   *Lookup   // questions of the hub itself, on nobody's behalf
}

// New makes the services. It returns an error where o lacks a site or a policy. It reads no row: the first call that
// needs the index reads them all.
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

// withDefaults fills in what is not given.
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

// reader reads rows: a *store.Site outside of a transaction, or the *store.Tx of one.
type reader interface {
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// newID makes the id of a member, card or preview: a prefix and 40 random bits in lower-case letters and digits (base
// 32). At 10,000 members one new id in 100 million is taken; adding the member then fails.
func newID(prefix string) string {
	b := make([]byte, 5)
	rand.Read(b) // never fails (crypto/rand)
	return prefix + strings.ToLower(base32.StdEncoding.EncodeToString(b))
}

// millis is a moment as the database keeps it: milliseconds since 1970; the zero time is 0.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// fromMillis is the moment of a time that the database keeps, in UTC; 0 is the zero time.
func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// flag is a boolean as the database keeps it: 1 or 0.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
