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

// fetchNotes remembers which bundle each machine fetched, so that the hub knows whose data the machine holds. It writes
// the note before the machine gets the data.
type fetchNotes struct {
	site    *store.Site
	now     func() time.Time
	log     *slog.Logger
	version func() uint64 // of the bundle in force; nil: nothing is noted
	batches noteBatches

	mu     sync.Mutex
	noted  map[policy.MachineID]uint64 // the bundle that was last written for a machine
	noting map[policy.MachineID]bool   // a note of the machine is being written
}

func newFetchNotes(o Options) *fetchNotes {
	return &fetchNotes{site: o.Site, now: o.Now, log: o.Log, version: o.Version,
		noted: map[policy.MachineID]uint64{}, noting: map[policy.MachineID]bool{}}
}

// noteWait is how long a machine waits at most until its note is written.
const noteWait = time.Second

// beforeFetch writes that a machine fetches the bundle in force. If the database refuses the write or takes longer than
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
	go func() { // ends at the latest with the lock's timeout (store)
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

// noteBatches collects the notes of machines that fetch at the same time: all machines of a site fetch a new bundle
// within a second, and the notes that arrive during one transaction share the next one.
type noteBatches struct {
	mu      sync.Mutex
	next    *noteBatch // the batch that still accepts notes; nil: none
	writing sync.Mutex // held by the goroutine that writes a batch
}

// noteBatch is the notes of one transaction.
type noteBatch struct {
	versions map[policy.MachineID]uint64
	done     chan struct{} // closed once the batch is on the disk, or once err says why it is not
	err      error         // read it only after done
}

// add puts a note into the next batch. first tells the caller that the batch is new and that the caller must write it.
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

// write returns once the note that a machine fetches a bundle is on the disk, or could not be written.
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
