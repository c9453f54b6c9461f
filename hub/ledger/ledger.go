// Package ledger stores a copy of every machine's journals in the hub's database. The ledger keeps each record exactly
// once, under its machine, generation and sequence number.
//
// The ledger accepts batches as machines publish them (wire.Batch), in any order and any number of times. A batch is
// accepted only if the machine's own key signed a checkpoint, and if the tree over the stored and the new records has
// the checkpoint's root. The ledger therefore contains no record that the machine did not write, that was changed in
// transit, or that replaces an earlier record. When Take returns without error, the batch is committed and synced, and
// the hub may acknowledge the batch.
//
// The ledger rejects malformed batches, machines without a pinned key, signatures by other keys, records of other
// machines, gaps, wrong roots, rolled back and forked journals, and journals of another generation than the machine's
// current generation. For each of these, the error is a Refusal with a code and a sentence. The first generation of a
// machine is accepted without a decision. A later generation needs an administrator's decision (Replace). Records of
// earlier generations stay in the ledger with their checkpoints and proofs. A rejected batch changes nothing.
//
// Early releases stored the ledger in a separate file, ledger.db. Open imports the records of such a file, and
// OpenReadOnly reads such a file without changing it.
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

// Ledger is an open ledger. The methods may be called concurrently.
type Ledger struct {
	site  *store.Site
	owned *store.DB // the database that Close closes; nil: the caller of New closes the database

	mu   sync.RWMutex // guards keys
	keys Keys
}

// Keys contains the pinned keys by machine. The ledger rejects records of machines without a pinned key.
type Keys map[policy.MachineID]note.Verifier

// Head is the extent of a machine's newest journal in the ledger.
type Head struct {
	Seq        uint64    // sequence number of the last record in the ledger; 0: no records
	Root       tlog.Hash // root of the tree over the records up to Seq
	Generation wire.Generation
	// true if the ledger has a journal of the machine; otherwise the ledger accepts the first generation that arrives
	Known bool
}

// New returns the ledger of a site in an open database. The caller must close the database.
func New(site *store.Site, keys Keys) *Ledger { return &Ledger{site: site, keys: keys} }

// Open opens the ledger of a site in the database at path, and creates the database if the file is missing. If the
// folder contains a ledger.db, Open first imports the file (TakeOver). If path names a ledger.db, the database is
// portillon.db in the same folder.
func Open(path string, site policy.SiteID, keys Keys) (*Ledger, error) {
	ctx := context.Background()
	if old, err := isOldLedger(path); err != nil {
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

// OpenReadOnly opens a ledger only for reading, from the hub's database or from a ledger.db. Another process may write
// to the database meanwhile.
func OpenReadOnly(path string, site policy.SiteID) (*Ledger, error) {
	old, err := openOld(path, site)
	if err != nil {
		return nil, fmt.Errorf("ledger %s cannot be opened: %w", path, err)
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

// Close closes a database that Open or OpenReadOnly opened. Close waits for a running Take.
func (l *Ledger) Close() error {
	if l.owned == nil {
		return nil
	}
	return l.owned.Close()
}
