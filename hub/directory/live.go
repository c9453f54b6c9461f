package directory

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"

	"portillon/hub/store"
	"portillon/policy"
)

// liveIndex caches the index of all members. liveIndex updates the index from the rows before each use.
type liveIndex struct {
	site *store.Site

	mu     sync.Mutex
	last   *index    // the last index; nil: the rows have not been read yet
	recent []touched // the latest writes of this process that the index does not contain yet
}

// touched lists the members whose rows the write of one generation changed.
type touched struct {
	generation int64
	ids        []policy.MemberID
}

// maxRecent is the maximum number of writes that liveIndex stores until the next use of the index.
const maxRecent = 1000

// remember stores which members a transaction changes, before the commit, so that every reader of the new generation
// knows these members. If the commit fails, the next transaction uses the same generation number, and the index reads
// these members once more than needed.
func (s *liveIndex) remember(t touched) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.recent = append(s.recent, t); len(s.recent) > maxRecent {
		s.recent = s.recent[len(s.recent)-maxRecent:]
	}
}

// generationOf reads the generation of the rows: the number of writes to the directory.
func generationOf(ctx context.Context, row *sql.Row) (g int64, err error) {
	if err = row.Scan(&g); errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return g, err
}

// current returns the index of the current rows. current reads the generation of the rows each time, so that it detects
// changes by another process. If the generation has changed, current reads the changed members, or all members if the
// changed members are unknown.
func (s *liveIndex) current(ctx context.Context) (*index, error) {
	g, err := generationOf(ctx, s.site.QueryRow(ctx, `SELECT generation FROM directory_state WHERE site = $1`))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != nil && s.last.generation >= g {
		return s.last, nil
	}
	// Read only the changed members if this process made all the changes.
	if ids, known := s.since(g); known {
		if err := s.renew(ctx, ids, g); err != nil {
			return nil, err
		}
	} else if err := s.readAll(ctx, g); err != nil {
		return nil, err
	}
	s.recent = slices.DeleteFunc(s.recent, func(t touched) bool { return t.generation <= g })
	return s.last, nil
}

// since returns the members that changed since the last index. known is false if another process has changed rows, or
// if too many members changed to read them one by one. The caller must hold mu.
func (s *liveIndex) since(g int64) (ids []policy.MemberID, known bool) {
	if s.last == nil {
		return nil, false
	}
	seen := map[int64]bool{}
	for _, t := range s.recent {
		if t.generation > s.last.generation && t.generation <= g {
			seen[t.generation] = true
			ids = append(ids, t.ids...)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return ids, int64(len(seen)) == g-s.last.generation && len(ids) <= maxRecent
}

// readAll builds the index from all rows. readAll may also read rows that are newer than generation g, because the
// next call reads those rows again. The caller must hold mu.
func (s *liveIndex) readAll(ctx context.Context, g int64) error {
	all, err := loadAll(ctx, s.site)
	if err != nil {
		return err
	}
	x := &index{generation: g, byID: make(map[policy.MemberID]*entry, len(all))}
	for _, m := range all {
		e := newEntry(m)
		x.entries = append(x.entries, e)
		x.byID[m.ID] = e
	}
	slices.SortFunc(x.entries, order)
	s.last = x
	return nil
}

// renew builds a new index. renew reads the members with these ids again, and shares all other entries with the last
// index. The caller must hold mu.
func (s *liveIndex) renew(ctx context.Context, ids []policy.MemberID, g int64) error {
	some, err := load(ctx, s.site, ids)
	if err != nil {
		return err
	}
	old := s.last
	x := &index{generation: g, byID: make(map[policy.MemberID]*entry, len(old.byID))}
	x.entries = slices.DeleteFunc(slices.Clone(old.entries), func(e *entry) bool {
		_, again := slices.BinarySearch(ids, e.ID)
		return again
	})
	for _, m := range some {
		e := newEntry(m)
		at, _ := slices.BinarySearchFunc(x.entries, e, order)
		x.entries = slices.Insert(x.entries, at, e)
	}
	for _, e := range x.entries {
		x.byID[e.ID] = e
	}
	s.last = x
	return nil
}
