package hub

import (
	"context"

	"portillon/hub/ledger"
	"portillon/hub/store"
)

// openDatabase opens the database and the ledger in it. The records of a ledger.db of a hub of before are taken over.
func (h *Hub) openDatabase() (err error) {
	ctx := context.Background()
	if h.db, err = store.Open(ctx, h.c.Database()); err != nil {
		return err
	}
	h.ledger = ledger.New(h.db.Site(h.c.Site), h.c.Keys())
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
