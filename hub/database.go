package hub

import (
	"context"
	"time"

	"portillon/hub/ledger"
	"portillon/hub/store"
)

// openDatabase opens the database and the ledger in it. The records of a ledger.db of a hub of before are taken over.
func (h *Hub) openDatabase() (err error) {
	ctx := context.Background()
	if h.db, err = store.Open(ctx, h.c.Database()); err != nil {
		return err
	}
	keys, err := h.c.machineKeys(ctx, h.db)
	if err != nil {
		return err
	}
	h.ledger = ledger.New(h.db.Site(h.c.Site), keys.InForce())
	old := ledger.OldPath(h.c.Database())
	n, err := h.ledger.TakeOver(ctx, old)
	if err != nil {
		return err
	}
	if n > 0 {
		h.log.Info("ledger taken over", "from", old, "records", n)
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

// noteDatabase notes an error of the database, or that it works. A database that is full, slow or broken stops
// acknowledgements, and nothing else: machines keep their records and send them again, and the bundle, commands and
// tags are files.
func (h *Hub) noteDatabase(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	was, now := h.trouble.err, h.now()
	h.trouble.err = err
	switch {
	case err == nil && was != nil:
		h.log.Info("database works again")
	case err != nil && (was == nil || was.Error() != err.Error() || now.Sub(h.trouble.logged).Abs() >= troubleEvery):
		h.trouble.logged = now
		h.log.Error("records not taken", "err", err)
	}
}

// DatabaseError is why the database does not take records; nil: it does, as far as the hub knows.
func (h *Hub) DatabaseError() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.trouble.err
}
