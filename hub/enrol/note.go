package enrol

import (
	"context"
	"fmt"
	"sync"

	"portillon/hub/store"
	"portillon/policy"
)

// notes writes which bundle machines fetch. All machines of a site fetch a new bundle in the same moment, and each is
// noted before it gets anything: those that come while a transaction is written share the next one.
type notes struct {
	mu      sync.Mutex
	next    *noteBatch // that gathers; nil: none
	writing sync.Mutex // held by whoever writes a batch
}

// noteBatch is what one transaction notes.
type noteBatch struct {
	versions map[policy.MachineID]uint64
	done     chan struct{} // closed once it is on the disk, or err says why not
	err      error
}

// add puts a note into the batch that gathers. first: the caller has begun it, and must write it.
func (n *notes) add(id policy.MachineID, version uint64) (b *noteBatch, first bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if first = n.next == nil; first {
		n.next = &noteBatch{versions: map[policy.MachineID]uint64{}, done: make(chan struct{})}
	}
	b = n.next
	b.versions[id] = max(b.versions[id], version)
	return b, first
}

// close has a batch gather no more.
func (n *notes) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.next = nil
}

// noteFetched returns once it is on the disk that a machine fetches a bundle.
func (s *Service) noteFetched(ctx context.Context, id policy.MachineID, version uint64) error {
	b, first := s.notes.add(id, version)
	if first {
		s.writeNotes(context.WithoutCancel(ctx), b) // the others wait for it too
	}
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// writeNotes writes a batch once the one before is written.
func (s *Service) writeNotes(ctx context.Context, b *noteBatch) {
	s.notes.writing.Lock()
	defer s.notes.writing.Unlock()
	s.notes.close()
	defer close(b.done)
	err := s.o.Site.Write(ctx, func(tx *store.Tx) error {
		for id, version := range b.versions {
			_, err := tx.Exec(ctx, `UPDATE machine SET bundle = $3, fetched = $4
				WHERE site = $1 AND machine = $2 AND bundle < $3`, string(id), int64(version), s.millis())
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
