package hub

import (
	"context"
	"errors"
	"sync"
	"time"

	"portillon/hub/ledger"
	"portillon/hub/store"
)

// openDatabase opens the database and the ledger in it. The records of a ledger.db of a hub of before are taken over.
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
		op.hub.core.log.Info("ledger taken over", "from", old, "records", n)
	}
	return nil
}

// troubleEvery is how often the same error of the database is logged.
const troubleEvery = time.Minute

// databaseTrouble is why the database last took or gave nothing.
type databaseTrouble struct {
	err    error // nil: it works
	logged time.Time
}

// health is whether the database takes records and changes.
type health struct {
	core *core

	mu      sync.Mutex
	trouble databaseTrouble
	// unwritten is why the last transaction of any service was not written; nil: it was.
	unwritten error
}

// noteDatabase notes an error of the database, or that it works. A database that is full, slow or broken stops
// acknowledgements, and nothing else: machines keep their records and send them again, and the bundle, commands and
// tags are files.
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
		h.core.log.Error("records not taken", "err", err)
	}
}

// noteWrite notes how a transaction of any service ended, where the file or its disk is at fault.
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

// failure is why the database does not take records, or changes; nil: it does, as far as the hub knows.
func (h *health) failure() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.trouble.err != nil {
		return h.trouble.err
	}
	return h.unwritten
}

// databaseReason is what is wrong with the database, in a few words; empty: it works, as far as the hub knows.
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

// notReady is why the hub cannot serve. Its Reason may be read by anybody.
type notReady struct {
	error
	reason string
}

// Reason is what is wrong, in a few words.
func (n notReady) Reason() string { return n.reason }

// Unwrap is the cause.
func (n notReady) Unwrap() error { return n.error }

// ready reports whether the hub can serve: its database answers, and takes changes. After an error it is asked to take
// one, so that the hub is ready again as soon as the disk is.
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
