// Package ledger is the hub's copy of every machine's journals, each record kept exactly once on (machine, generation,
// seq), in the hub's database.
//
// It accepts batches as machines publish them (wire.Batch), in any order and as often as they come. It believes a batch
// only when the machine's own key has signed a checkpoint whose root comes out of the records already held and those
// that came: a record that the machine did not write, was changed on the way, or takes the place of an earlier one
// cannot enter. What Take has returned without error is committed and synced: only then may it be acknowledged.
//
// It refuses, with a code and a sentence (Refusal): what is no batch, machines without a pinned key, signatures of
// others, another machine's records, gaps (and says which record it wants), roots that do not come out, and journals
// that have been rolled back or have forked, and journals of another generation than the machine's last. The first
// generation of a machine is taken as it comes; Replace lets the next one in, and the records of those before stay,
// with their checkpoints and proofs. A refusal changes nothing.
//
// Before portillon.db the ledger was a file of its own, ledger.db. Open takes its records over; OpenReadOnly reads it
// as it is.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

// Ledger is an open ledger. Its methods may be called by many goroutines.
type Ledger struct {
	site  *store.Site
	owned *store.DB // what Close closes; nil: another one's

	mu   sync.RWMutex // guards keys
	keys Keys
}

// Keys are the machines' pinned keys. A machine that is not among them has no records here.
type Keys map[policy.MachineID]note.Verifier

// Head is how much of a machine's newest journal is held.
type Head struct {
	Seq        uint64    // all records up to this one; 0: none
	Root       tlog.Hash // of the tree over them
	Generation wire.Generation
	Known      bool // the machine has a generation here; otherwise the first that comes is taken
}

// New is the ledger of a site whose database is open.
func New(site *store.Site, keys Keys) *Ledger { return &Ledger{site: site, keys: keys} }

// Open opens the database at path with the site's ledger in it, and makes it where there is none. A ledger.db beside
// it is taken over first (TakeOver); where path is a ledger.db, the database is portillon.db beside it.
func Open(path string, site policy.SiteID, keys Keys) (*Ledger, error) {
	ctx := context.Background()
	if old, err := isOld(path); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	} else if old {
		path = filepath.Join(filepath.Dir(path), store.Name)
	}
	db, err := store.Open(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	l := New(db.Site(site), keys)
	l.owned = db
	if _, err := l.TakeOver(ctx, OldPath(path)); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// OpenReadOnly opens the ledger of a database that another process may be writing, or that of a ledger.db.
func OpenReadOnly(path string, site policy.SiteID) (*Ledger, error) {
	old, err := openOld(path, site)
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w", path, err)
	}
	if old != nil {
		return &Ledger{site: old.Site(site), owned: old}, nil
	}
	db, err := store.OpenReadOnly(context.Background(), path)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return &Ledger{site: db.Site(site), owned: db}, nil
}

// Close closes the database where Open or OpenReadOnly opened it. It waits for a running Take.
func (l *Ledger) Close() error {
	if l.owned == nil {
		return nil
	}
	return l.owned.Close()
}
