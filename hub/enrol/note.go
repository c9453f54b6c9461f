package enrol

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"portillon/hub/store"
	"portillon/policy"
)

// fetchNotes stores which bundle each machine fetched, so that the hub knows which members' data the machine holds. The
// note is written before the machine gets the data.
type fetchNotes struct {
	site    *store.Site
	now     func() time.Time
	log     *slog.Logger
	version func() uint64 // version of the bundle in force; nil: no notes are written
	batches noteBatches

	mu     sync.Mutex
	noted  map[policy.MachineID]uint64 // the bundle version that was last written for each machine
	noting map[policy.MachineID]bool   // machines whose note is being written
}

func newFetchNotes(o Options) *fetchNotes {
	return &fetchNotes{site: o.Site, now: o.Now, log: o.Log, version: o.Version,
		noted: map[policy.MachineID]uint64{}, noting: map[policy.MachineID]bool{}}
}

// noteWait is the longest time that a machine waits until its note is written.
const noteWait = time.Second

// beforeFetch stores that a machine fetches the bundle in force. If the database refuses the write or takes longer than
// noteWait, the machine gets its data nevertheless, and its next request tries again.
func (n *fetchNotes) beforeFetch(ctx context.Context, id policy.MachineID) {
	if n.version == nil {
		return
	}
	v := n.version()
	n.mu.Lock()
	known := n.noted[id] >= v || n.noting[id]
	if !known && v > 0 {
		n.noting[id] = true
	}
	n.mu.Unlock()
	if known || v == 0 {
		return
	}
	done := make(chan struct{})
	go func() { // ends at the latest at the database's lock timeout (store)
		defer close(done)
		err := n.write(context.WithoutCancel(ctx), id, v)
		n.mu.Lock()
		defer n.mu.Unlock()
		if delete(n.noting, id); err == nil {
			n.noted[id] = max(n.noted[id], v)
			return
		}
		n.log.Warn("fetched bundle not noted", "machine", id, "bundle", v, "err", err)
	}()
	t := time.NewTimer(noteWait)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
}

// noteBatches collects the notes of machines that fetch at the same time. All machines of a site fetch a new bundle
// within a second. Notes that arrive during one transaction are written together in the next one.
type noteBatches struct {
	mu      sync.Mutex
	next    *noteBatch // the batch that still accepts notes; nil: none
	writing sync.Mutex // held by the goroutine that writes a batch
}

// noteBatch contains the notes of one transaction.
type noteBatch struct {
	versions map[policy.MachineID]uint64
	done     chan struct{} // closed once the batch is on the disk or has failed with err
	err      error         // read only after done is closed
}

// add puts a note into the next batch. If first is true, the batch is new and the caller must write it.
func (n *noteBatches) add(id policy.MachineID, version uint64) (b *noteBatch, first bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if first = n.next == nil; first {
		n.next = &noteBatch{versions: map[policy.MachineID]uint64{}, done: make(chan struct{})}
	}
	b = n.next
	b.versions[id] = max(b.versions[id], version)
	return b, first
}

// close makes the next note begin a new batch.
func (n *noteBatches) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.next = nil
}

// write stores the note that a machine fetches a bundle. It returns once the note is on the disk or could not be
// written.
func (n *fetchNotes) write(ctx context.Context, id policy.MachineID, version uint64) error {
	b, first := n.batches.add(id, version)
	if first {
		n.writeBatch(context.WithoutCancel(ctx), b) // other callers wait for this batch too
	}
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// writeBatch writes a batch as soon as the previous batch is written.
func (n *fetchNotes) writeBatch(ctx context.Context, b *noteBatch) {
	n.batches.writing.Lock()
	defer n.batches.writing.Unlock()
	n.batches.close()
	defer close(b.done)
	err := n.site.Write(ctx, func(tx *store.Tx) error {
		for id, version := range b.versions {
			_, err := tx.Exec(ctx, `UPDATE machine SET bundle = $3, fetched = $4
				WHERE site = $1 AND machine = $2 AND bundle < $3`, string(id), int64(version), n.now().UnixMilli())
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.err = fmt.Errorf("enrol: %w", err)
	}
}
