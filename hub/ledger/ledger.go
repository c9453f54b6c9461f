// Package ledger is the hub's copy of every machine's journals, each record kept exactly once on (machine, generation, seq), in one
// SQLite file.
//
// It accepts batches as machines publish them (wire.Batch), in any order and as often as they come. It believes a batch
// only when the machine's own key has signed a checkpoint whose root comes out of the records already held and those
// that came: a record that the machine did not write, was changed on the way, or takes the place of an earlier one
// cannot enter. What Take has returned without error is committed and synced: only then may it be acknowledged.
//
// It refuses, with a code and a sentence (Refusal): what is no batch, machines without a pinned key, signatures of others,
// another machine's records, gaps (and says which record it wants), roots that do not come out, and journals that have
// been rolled back or have forked, and journals of another generation than the machine's last. The first generation of a machine is taken as
// it comes; Replace lets the next one in, and the records of those before stay, with their checkpoints and proofs. A refusal changes nothing. It refuses to open a database of something else, of another
// site, or one that is torn; it never overwrites one.
package ledger

import (
	"database/sql"
	"fmt"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"portillon/policy"
	"portillon/wire"
)

// Ledger is an open ledger. Its methods may be called by many goroutines.
type Ledger struct {
	site policy.SiteID
	keys Keys
	mu   sync.Mutex // one batch at a time: SQLite has one writer
	path string
	w, r *sql.DB // w is nil where the ledger was opened for reading only
	from tables  // what r reads
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

// Open opens the ledger at path, and makes it where there is none.
func Open(path string, site policy.SiteID, keys Keys) (_ *Ledger, err error) {
	defer named(path, &err)
	if err := prepare(path); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	w, err := openDB(path, false)
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w", path, err)
	}
	w.SetMaxOpenConns(1)
	form, err := check(w, site)
	switch {
	case err == nil && form == 0:
		err = create(w, site)
	case err == nil && form < schemaVersion:
		err = migrate(w)
	}
	if err == nil {
		err = sound(path, w)
	}
	if err != nil {
		w.Close()
		return nil, fmt.Errorf("ledger %s: %w", path, err)
	}
	l, err := OpenReadOnly(path, site)
	if err != nil {
		w.Close()
		return nil, err
	}
	l.w, l.keys = w, keys
	return l, nil
}

// OpenReadOnly opens a ledger that another process may be writing.
func OpenReadOnly(path string, site policy.SiteID) (_ *Ledger, err error) {
	defer named(path, &err)
	r, err := openDB(path, true)
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w", path, err)
	}
	r.SetMaxOpenConns(4)
	form, err := check(r, site)
	if err == nil && form == 0 {
		err = fmt.Errorf("it holds nothing yet")
	}
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("ledger %s: %w", path, err)
	}
	l := &Ledger{site: site, path: path, r: r, from: form2}
	if form == 1 {
		l.from = form1
	}
	return l, nil
}

// Close waits for a running Take.
func (l *Ledger) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.r.Close()
	if l.w != nil {
		if werr := l.w.Close(); err == nil {
			err = werr
		}
	}
	return err
}
