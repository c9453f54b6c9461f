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

// liveIndex keeps the index of all members, and brings it up to date with the rows before it gives it.
type liveIndex struct {
	site *store.Site

	mu     sync.Mutex
	last   *index    // nil: not read yet
	recent []touched // what this process wrote, the last ones
}

// touched are the members whose rows the write of one generation changed.
type touched struct {
	generation int64
	ids        []policy.MemberID
}

// maxRecent bounds the writes that are remembered until the index is next asked for.
const maxRecent = 1000

// remember notes which members a transaction changes, before it is committed: whoever reads the new generation then
// knows them. If the commit fails, the same generation number comes again, and these members are read once more than
// needed.
func (s *liveIndex) remember(t touched) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.recent = append(s.recent, t); len(s.recent) > maxRecent {
		s.recent = s.recent[len(s.recent)-maxRecent:]
	}
}

// generationOf reads the generation of the rows: how often the directory was written. 0: never.
func generationOf(ctx context.Context, row *sql.Row) (g int64, err error) {
	if err = row.Scan(&g); errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return g, err
}

// current is the index of the rows as they are now. It asks for the generation of the rows each time, so that a change
// by another process counts too. It reads again the members that changed, or all of them where it does not know which.
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
	// Read the changed members alone, where this process made all the changes itself.
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

// since are the members that changed since the last index was made. known is false where another process wrote, or
// where too many members changed to read them one by one. The caller holds mu.
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

// readAll makes the index of all rows. Rows that are newer than g do no harm: the next call reads them again. The
// caller holds mu.
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

// renew makes a new index in which the members ids are read again; it shares all other entries with the last one. The
// caller holds mu.
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
