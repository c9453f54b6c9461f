package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"portillon/wire"
)

// store holds the records of a journal under one lock: the database, and the hash tree and the clock that are derived
// from the records. The methods of a store acquire the lock, except those whose comment says that the lock is held.
// Other packages use only Journal.
type store struct {
	o        Options
	path     string
	readOnly bool
	// These fields are set when the file is opened, and not changed later.
	origin     string // name of the journal, as in its checkpoints
	generation wire.Generation

	mu     sync.Mutex // guards all fields below, except atomic values in them
	db     *database
	tree   *tree
	clock  *clock
	stale  bool // a write failed: reload the state from the disk before the next write
	closed bool
}

func newStore(path string, o Options) *store {
	db := &database{path: path}
	return &store{o: o, path: path, db: db, tree: &tree{db: db}, clock: &clock{now: o.Now, isTrusted: o.Trusted}}
}

// attach opens the database and reads its origin. mode is the mode of database.connect.
func (s *store) attach(mode string) (err error) {
	if err := s.db.connect(mode); err != nil {
		return err
	}
	s.origin, s.generation, err = s.db.readOrigin()
	return err
}

// requireUsable returns an error with the reason if the journal cannot be used. The caller holds the lock.
func (s *store) requireUsable() error {
	if s.closed {
		return ErrClosed
	}
	if !s.stale {
		return nil
	}
	return s.load()
}

// load reads the length of the journal and the right edge of its tree, and checks the tail. The caller holds the lock.
func (s *store) load() error {
	last, err := s.tree.load()
	if err != nil {
		return wrapReadError(err)
	}
	recent, err := s.tree.checkTail(last)
	if err != nil {
		return wrapReadError(err)
	}
	for _, r := range recent {
		s.clock.addRecord(r)
	}
	s.clock.lookBack(s.db, last-tail)
	s.stale = false
	return nil
}

// append writes one record with its facts. The caller holds the lock.
func (s *store) append(e Entry) (wire.Record, error) {
	if s.readOnly {
		return wire.Record{}, ErrReadOnly
	}
	if err := s.requireUsable(); err != nil {
		return wire.Record{}, err
	}
	r, text, err := s.compose(e)
	if err != nil {
		return wire.Record{}, err
	}
	var salt wire.Salt
	if _, err := io.ReadFull(s.o.Salt, salt[:]); err != nil {
		return wire.Record{}, fmt.Errorf("read random salt: %w", err)
	}
	hashes, err := tlog.StoredHashesForRecordHash(int64(r.Seq-1), wire.Leaf(salt, text), s.tree.edgeReader())
	if err != nil {
		return wire.Record{}, err
	}
	if err := s.write(e.Facts, r, salt, text, hashes); err != nil {
		s.stale = true
		return wire.Record{}, err
	}
	s.clock.addRecord(r)
	s.db.commits++
	s.tree.advance(r.Seq, hashes)
	return r, nil
}

// compose makes the record and its canonical bytes. The caller holds the lock.
func (s *store) compose(e Entry) (wire.Record, []byte, error) {
	r := wire.Record{
		Site: s.o.Site, Machine: s.o.Machine, Seq: s.tree.length.Load() + 1, Boot: s.o.Boot, Mono: s.o.Mono(),
		Kind: e.Kind, Session: e.Session, Member: e.Member,
	}
	r.Wall, r.Clock = s.clock.time()
	if e.Body != nil {
		b, err := json.Marshal(e.Body)
		if err != nil {
			return r, nil, fmt.Errorf("record body: %w", err)
		}
		r.Body = b
	}
	text, err := r.Canonical()
	switch {
	case err != nil:
		return r, nil, err
	case len(text) > wire.MaxRecord:
		return r, nil, fmt.Errorf("record has %d bytes, want at most %d", len(text), wire.MaxRecord)
	case e.Kind == "":
		return r, nil, fmt.Errorf("record has an empty kind")
	}
	return r, text, nil
}

// write writes a record and its facts in one transaction. A record without facts is one statement, which is a
// transaction in itself. The caller holds the lock.
func (s *store) write(facts map[string][]byte, r wire.Record, salt wire.Salt, text []byte, hashes []tlog.Hash) error {
	if err := s.db.requireSync(); err != nil {
		return err
	}
	if len(facts) == 0 {
		return s.db.insert(r, salt, text, hashes)
	}
	return s.db.transact(func() error {
		if err := s.db.insert(r, salt, text, hashes); err != nil {
			return err
		}
		return s.db.setFacts(facts)
	})
}

func (s *store) take(from uint64, n int) ([]row, tlog.Hash, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.requireUsable(); err != nil {
		return nil, tlog.Hash{}, err
	}
	if from == 0 || from > s.tree.length.Load() {
		return nil, tlog.Hash{}, nil
	}
	rows, err := s.db.rows(from, n)
	if err != nil || len(rows) == 0 {
		return nil, tlog.Hash{}, err
	}
	size, keep := 0, 0
	for keep < len(rows) && (keep == 0 || size+len(rows[keep].record) <= BatchBytes) {
		size += len(rows[keep].record) + 60 // 60: the salt, and the JSON around salt and record
		keep++
	}
	rows = rows[:keep]
	for _, r := range rows { // the hub would refuse these records, and all later records
		if _, err := r.check(); err != nil {
			return nil, tlog.Hash{}, fmt.Errorf("%w: %w; %s", ErrDamaged, err, damageRemedy(s.path))
		}
	}
	root, err := s.tree.root(rows[keep-1].seq)
	return rows, root, err
}

// each calls f with the rows from seq on that existed at the time of the call, a few rows at a time, so that Append
// does not wait long.
func (s *store) each(ctx context.Context, from uint64, f func(row) error) error {
	for end := s.tree.length.Load(); from <= end; {
		s.mu.Lock()
		rows, err := []row(nil), s.requireUsable()
		if err == nil {
			rows, err = s.db.rows(from, int(min(step, end-from+1)))
		}
		s.mu.Unlock()
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return fmt.Errorf("record %d is missing", from)
		}
		for _, r := range rows {
			if err := f(r); err != nil {
				return err
			}
		}
		from += uint64(len(rows))
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// verifyFrom compares the records from seq on with their hashes, and also checks the tree if seq is 1.
func (s *store) verifyFrom(ctx context.Context, from uint64) error {
	var t knownTree
	err := s.each(ctx, from, func(r row) error {
		switch {
		case len(r.hashes) == 0:
			t.addUnknown(r.seq)
		case r.record != nil && (len(r.salt) != len(wire.Salt{}) || wire.Leaf(wire.Salt(r.salt), r.record) != r.hashes[0]):
			return fmt.Errorf("record %d does not match its leaf hash: it was changed after it was written", r.seq)
		case !t.addHashes(r.seq, r.hashes):
			return fmt.Errorf("record %d does not match the hash tree", r.seq)
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		return wrapReadError(err)
	}
	return err
}

func (s *store) quickCheck(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.requireUsable(); err != nil {
		return err
	}
	found, err := s.db.runCheck(ctx, "quick_check")
	if err != nil {
		return wrapReadError(err)
	}
	if found != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, found)
	}
	return nil
}

func (s *store) integrity(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	found, err := s.db.runCheck(ctx, "integrity_check")
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if found != "ok" {
		return fmt.Errorf("journal: file is damaged: %s", found)
	}
	return nil
}

// removedTags calls found with the id of each tag that a record shows as removed. Erased records are skipped, because
// they name no tag.
func (s *store) removedTags(found func(id string)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.requireUsable(); err != nil {
		return err
	}
	rows, err := s.db.conn.QueryContext(background, "SELECT record FROM records WHERE kind = ? AND record IS NOT "+
		"NULL", string(wire.Untagged))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var text []byte
		if err := rows.Scan(&text); err != nil {
			return err
		}
		var r wire.Record
		var b wire.TagBody
		if json.Unmarshal(text, &r) == nil && json.Unmarshal(r.Body, &b) == nil && b.Tag != "" {
			found(b.Tag)
		}
	}
	return rows.Err()
}
