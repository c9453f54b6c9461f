// Package ledger holds the hub's copy of every machine's journals in the hub's database. The ledger keeps each record
// exactly once, under its machine, generation and sequence number.
//
// The ledger accepts batches as machines publish them (wire.Batch), in any order and any number of times. It trusts a
// batch only if the machine's own key signed a checkpoint, and if the records already held together with the new ones
// give the checkpoint's root. So no record can enter that the machine did not write, that was changed in transit, or
// that replaces an earlier record. A batch that Take returned without error is committed and synced: only then may the
// hub acknowledge it.
//
// The ledger rejects, with a code and a sentence (Refusal): malformed batches, machines without a pinned key,
// signatures by other keys, records of other machines, gaps (the answer names the record to send next), wrong roots,
// rolled back and forked journals, and journals of another generation than the machine's current one. The first
// generation of a machine is accepted without a decision. Replace accepts the next one; records of earlier generations
// stay in the ledger with their checkpoints and proofs. A rejected batch changes nothing.
//
// Before portillon.db existed, the ledger was a separate file, ledger.db. Open imports its records; OpenReadOnly reads
// it without a change.
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

// Ledger is an open ledger. Its methods may be called concurrently.
type Ledger struct {
	site  *store.Site
	owned *store.DB // the database that Close closes; nil: the caller of New owns it

	mu   sync.RWMutex // guards keys
	keys Keys
}

// Keys holds the machines' pinned keys. The ledger rejects records of other machines.
type Keys map[policy.MachineID]note.Verifier

// Head is the extent of a machine's newest journal in the ledger.
type Head struct {
	Seq        uint64    // the ledger has all records up to this sequence number; 0: none
	Root       tlog.Hash // root of the tree over these records
	Generation wire.Generation
	Known      bool // the ledger has a journal of the machine; false: the ledger accepts the first generation that arrives
}

// New returns the ledger of a site in an open database. The caller closes the database.
func New(site *store.Site, keys Keys) *Ledger { return &Ledger{site: site, keys: keys} }

// Open opens the ledger of a site in the database at path, and creates the database if the file is missing. It first
// imports a ledger.db in the same folder (TakeOver). If path names a ledger.db, the database is portillon.db beside it.
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

// OpenReadOnly opens the ledger in a database that another process may be writing, or the ledger in an old ledger.db.
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

// Close closes the database if Open or OpenReadOnly opened it. Close waits for a running Take.
func (l *Ledger) Close() error {
	if l.owned == nil {
		return nil
	}
	return l.owned.Close()
}
