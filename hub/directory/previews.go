package directory

import (
	"slices"
	"sync"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
)

// previewStore stores the previews of imports in memory, for at most an hour.
type previewStore struct {
	now func() time.Time

	mu    sync.Mutex // guards plans, and each plan's Preview
	plans map[string]*plan
}

// add stores a preview under a new id for previewLife. add removes expired previews and, if there are more than
// maxPreviews, the oldest preview.
func (s *previewStore) add(pl *plan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	pl.ID, pl.Until = newID("i-"), now.Add(previewLife).UTC()
	oldest := ""
	for id, other := range s.plans {
		if now.After(other.Until) {
			delete(s.plans, id)
		} else if oldest == "" || other.Until.Before(s.plans[oldest].Until) {
			oldest = id
		}
	}
	if len(s.plans) >= maxPreviews {
		delete(s.plans, oldest)
	}
	s.dropLists(maxPreviewData - len(pl.in.Data))
	s.plans[pl.ID] = pl
}

// dropLists forgets the lists of the oldest previews until all lists have at most this number of bytes. A preview
// without its list can still be applied, but its columns cannot be changed.
func (s *previewStore) dropLists(most int) {
	total := 0
	var all []*plan
	for _, pl := range s.plans {
		all, total = append(all, pl), total+len(pl.in.Data)
	}
	slices.SortFunc(all, func(a, b *plan) int { return a.Until.Compare(b.Until) })
	for _, pl := range all {
		if total <= most {
			return
		}
		total -= len(pl.in.Data)
		pl.in.Data = nil
	}
}

// list returns the list of a preview as it was sent; ok is false if the list was dropped.
func (s *previewStore) list(pl *plan) (in Import, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return pl.in, pl.in.Data != nil
}

// remove discards a preview.
func (s *previewStore) remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.plans, id)
}

// clear removes all previews. An erasure calls clear, because a preview may name the erased member.
func (s *previewStore) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.plans)
}

// find returns a preview that the actor's account requested. If there is none, the error is *fault.NotFound. find
// checks the rights of the preview again, because the account or the token may have lost rights.
func (s *previewStore) find(a actor.Actor, id string) (*plan, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pl := s.plans[id]
	if pl == nil || pl.account != a.Account || s.now().After(pl.Until) {
		return nil, &fault.NotFound{What: "preview", ID: clip(id, 64)}
	}
	return pl, mayImport(a, pl.needs)
}
