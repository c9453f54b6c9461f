package hub

import (
	"context"
	"errors"
	"sync"
	"time"

	"portillon/hub/ledger"
	"portillon/hub/store"
)

// openDatabase opens the database and the ledger, whose records are in the database. openDatabase moves the records
// of an earlier release's ledger.db into the database.
func (op *opening) openDatabase() (err error) {
	ctx := context.Background()
	if op.hub.core.db, err = store.Open(ctx, op.hub.core.c.Database()); err != nil {
		return err
	}
	op.hub.core.db.Watch(op.hub.health.noteWrite)
	keys, err := op.hub.core.c.machineKeys(ctx, op.hub.core.db)
	if err != nil {
		return err
	}
	op.hub.core.ledger = ledger.New(op.hub.core.db.Site(op.hub.core.c.Site), keys.InForce())
	old := ledger.OldPath(op.hub.core.c.Database())
	n, err := op.hub.core.ledger.TakeOver(ctx, old)
	if err != nil {
		return err
	}
	if n > 0 {
		op.hub.core.log.Info("ledger of an earlier release imported", "from", old, "records", n)
	}
	return nil
}

// troubleEvery is the shortest interval between two log lines for the same error of the database.
const troubleEvery = time.Minute

// databaseTrouble is the error of the last access to the database.
type databaseTrouble struct {
	err    error // error of the last access; nil: success
	logged time.Time
}

// health stores the errors because of which the database accepts no records or changes.
type health struct {
	core *core

	mu      sync.Mutex
	trouble databaseTrouble
	// unwritten is the error of the last transaction of any service; nil: the transaction was written.
	unwritten error
}

// noteDatabase stores the result of an access to the ledger; nil: success. If the database is full, slow or damaged,
// the hub only stops sending acknowledgements. Machines store unacknowledged records and send them again. The bundle,
// commands and tags are stored in files.
func (h *health) noteDatabase(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	was, now := h.trouble.err, h.core.now()
	h.trouble.err = err
	switch {
	case err == nil && was != nil:
		h.core.log.Info("database works again")
	case err != nil && (was == nil || was.Error() != err.Error() || now.Sub(h.trouble.logged).Abs() >= troubleEvery):
		h.trouble.logged = now
		h.core.log.Error("records not stored", "err", err)
	}
}

// noteWrite stores the result of a service's transaction, if the database file or its disk caused the error.
func (h *health) noteWrite(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.unwritten
	h.unwritten = err
	switch {
	case err == nil && was != nil:
		h.core.log.Info("database accepts changes again")
	case err != nil && (was == nil || was.Error() != err.Error()):
		h.core.log.Error("database accepts no changes", "err", err)
	}
}

// failure returns why the database accepts no records or changes; nil: the last access to the database succeeded.
func (h *health) failure() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.trouble.err != nil {
		return h.trouble.err
	}
	return h.unwritten
}

// databaseReason describes the error of the database in a few words; empty: the last access to the database
// succeeded.
func (h *health) databaseReason() string {
	switch err := h.failure(); {
	case err == nil:
		return ""
	case errors.Is(err, errSlow):
		return errSlow.Error()
	default:
		return store.Reason(err)
	}
}

// notReady is the error that ready returns if the hub cannot serve requests. Anybody may read the reason, because it
// contains nothing confidential.
type notReady struct {
	error
	reason string
}

// Reason returns the problem in a few words.
func (n notReady) Reason() string { return n.reason }

// Unwrap returns the cause.
func (n notReady) Unwrap() error { return n.error }

// ready returns nil if the hub can serve requests: the database answers and accepts changes. After an error, ready
// writes to the database, so that the hub is ready again as soon as the disk works.
func (h *health) ready(ctx context.Context) error {
	var one int
	site := h.core.db.Site(h.core.c.Site)
	if err := site.QueryRow(ctx, `SELECT count(*) FROM site WHERE site = $1`).Scan(&one); err != nil {
		return notReady{err, store.Reason(err)}
	}
	if h.failure() == nil {
		return nil
	}
	err := site.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx,
			`INSERT INTO site (site, made) VALUES ($1, $2) ON CONFLICT (site) DO UPDATE SET made = site.made`,
			h.core.now().UnixMilli())
		return err
	})
	if err != nil {
		return notReady{err, store.Reason(err)}
	}
	if reason := h.databaseReason(); reason != "" {
		return notReady{h.failure(), reason}
	}
	return nil
}
