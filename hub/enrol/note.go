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

// fetchLog stores which bundle each machine fetched, so that the hub knows which members' data is on the machine. The
// fetch is recorded before the hub sends the data.
type fetchLog struct {
	site    *store.Site
	now     func() time.Time
	log     *slog.Logger
	version func() uint64 // returns the version of the current bundle; nil: no fetches are recorded
	batches fetchBatches

	mu     sync.Mutex
	noted  map[policy.MachineID]uint64 // bundle version of the last fetch that was recorded for each machine
	noting map[policy.MachineID]bool   // machines whose fetch is being recorded
}

func newFetchLog(o Options) *fetchLog {
	return &fetchLog{site: o.Site, now: o.Now, log: o.Log, version: o.Version,
		noted: map[policy.MachineID]uint64{}, noting: map[policy.MachineID]bool{}}
}

// recordTimeout is the maximum time that a machine waits until its fetch is recorded.
const recordTimeout = time.Second

// beforeFetch records that a machine fetches the current bundle. If the database write fails or takes longer than
// recordTimeout, the machine receives the data nevertheless, and the machine's next request repeats the write.
func (n *fetchLog) beforeFetch(ctx context.Context, id policy.MachineID) {
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
	go func() { // the goroutine ends when the write ends, at the latest at the database's lock timeout (package store)
		defer close(done)
		err := n.write(context.WithoutCancel(ctx), id, v)
		n.mu.Lock()
		defer n.mu.Unlock()
		if delete(n.noting, id); err == nil {
			n.noted[id] = max(n.noted[id], v)
			return
		}
		n.log.Warn("recording the bundle that a machine fetches failed", "machine", id, "bundle", v, "err", err)
	}()
	t := time.NewTimer(recordTimeout)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
}

// fetchBatches collects the fetches of machines that fetch at the same time, because all machines of a site fetch a new
// bundle within a second. The fetches that arrive during one transaction are written together in the next transaction.
type fetchBatches struct {
	mu      sync.Mutex
	next    *fetchBatch // the batch for the next fetch; nil: the next fetch begins a new batch
	writing sync.Mutex  // locked by the goroutine that writes a batch
}

// fetchBatch contains the fetches of one transaction.
type fetchBatch struct {
	versions map[policy.MachineID]uint64
	done     chan struct{} // closed when the batch is on the disk or the write has failed with err
	err      error         // error of the write; may be read only after done is closed
}

// add adds a fetch to the next batch. If first is true, the batch is new and the caller must write the batch.
func (n *fetchBatches) add(id policy.MachineID, version uint64) (b *fetchBatch, first bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if first = n.next == nil; first {
		n.next = &fetchBatch{versions: map[policy.MachineID]uint64{}, done: make(chan struct{})}
	}
	b = n.next
	b.versions[id] = max(b.versions[id], version)
	return b, first
}

// close closes the current batch to further fetches, so that the next fetch begins a new batch.
func (n *fetchBatches) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.next = nil
}

// write records that a machine fetches a bundle. write returns when the fetch is on the disk or the write has failed.
func (n *fetchLog) write(ctx context.Context, id policy.MachineID, version uint64) error {
	b, first := n.batches.add(id, version)
	if first {
		// The write continues when ctx is done, because other callers wait for this batch, too.
		n.writeBatch(context.WithoutCancel(ctx), b)
	}
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// writeBatch writes a batch after the previous batch is written.
func (n *fetchLog) writeBatch(ctx context.Context, b *fetchBatch) {
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
