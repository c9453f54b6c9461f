package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"sync/atomic"

	"golang.org/x/mod/sumdb/tlog"

	"portillon/wire"
)

// tail is the number of last records that Open compares with the tree.
const tail = 8

// tree is the journal's Merkle tree (tlog, RFC 6962): the parts that the next record needs.
type tree struct {
	db     *database
	length atomic.Uint64 // number of records on the disk
	// edge contains the roots of the complete subtrees of the tree, by level: one root for each bit of length that is
	// set.
	edge [63]tlog.Hash
}

// load reads the length and the right edge, and returns the length.
func (t *tree) load() (last int64, err error) {
	var first int64
	q := "SELECT coalesce((SELECT min(seq) FROM records), 1), coalesce((SELECT max(seq) FROM records), 0)"
	if err := t.db.conn.QueryRowContext(background, q).Scan(&first, &last); err != nil {
		return 0, err
	}
	if first != 1 || last < 0 {
		return 0, fmt.Errorf("journal begins with record %d, want record 1", first)
	}
	for level := range bits.Len64(uint64(last)) {
		if last>>level&1 == 0 {
			continue
		}
		h, err := t.db.hash(level, last>>level-1)
		if err != nil {
			return 0, err
		}
		t.edge[level] = h
	}
	t.length.Store(uint64(last))
	return last, nil
}

// advance adds a record to the tree after the record was written to the disk.
func (t *tree) advance(seq uint64, hashes []tlog.Hash) {
	top := len(hashes) - 1
	t.edge[top] = hashes[top]
	t.length.Store(seq)
}

// checkTail recomputes the last leaves, and the subtrees that the last record completed. checkTail returns the records
// of the tail that are not erased.
func (t *tree) checkTail(last int64) (recent []wire.Record, err error) {
	from := max(1, last-tail+1)
	rows, err := t.db.rows(uint64(from), int(last-from+1)) // without records that a daemon has written since
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		rec, err := r.check()
		if err != nil {
			return nil, err
		}
		if r.record != nil {
			recent = append(recent, rec)
		}
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return recent, t.checkEnd(last, rows[len(rows)-1])
}

// checkEnd recomputes the subtrees that the last record completed. A subtree that a lost record completed is unknown,
// and is not checked.
func (t *tree) checkEnd(last int64, end row) error {
	if len(end.hashes) == 0 {
		return fmt.Errorf("last record %d is lost, so it cannot be checked", last)
	}
	var known knownTree
	for level := range len(end.hashes) - 1 {
		h, err := t.db.hash(level, last>>level-2)
		switch {
		case err == nil:
			known.edge[level], known.known[level] = h, true
		case !errors.Is(err, errLost):
			return err
		}
	}
	if !known.addHashes(uint64(last), end.hashes) {
		return fmt.Errorf("record %d does not match the hash tree", last)
	}
	return nil
}

// check recomputes the leaf hash of the row and decodes the row's record. For an erased row, check recomputes nothing
// and sets only Seq of the returned record.
func (r row) check() (wire.Record, error) {
	if r.record == nil {
		return wire.Record{Seq: r.seq}, nil
	}
	var rec wire.Record
	switch err := json.Unmarshal(r.record, &rec); {
	case err != nil:
		return rec, fmt.Errorf("record %d: %w", r.seq, err)
	case len(r.salt) != len(wire.Salt{}) || wire.Leaf(wire.Salt(r.salt), r.record) != r.hashes[0]:
		return rec, fmt.Errorf("record %d does not match its leaf hash: it was changed after it was written", r.seq)
	case rec.Seq != r.seq:
		return rec, fmt.Errorf("record %d contains the sequence number %d", r.seq, rec.Seq)
	}
	return rec, nil
}

// edgeReader reads hashes from the right edge of the tree. The next record needs no other hashes.
func (t *tree) edgeReader() tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			level, _ := tlog.SplitStoredHashIndex(x)
			out[i] = t.edge[level]
		}
		return out, nil
	})
}

// storedReader reads any of the tree's hashes from the disk.
func (t *tree) storedReader() tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			level, n := tlog.SplitStoredHashIndex(x)
			h, err := t.db.hash(level, n)
			if err != nil {
				return nil, err
			}
			out[i] = h
		}
		return out, nil
	})
}

// Root returns the root of the tree over its first size records.
func (j *Journal) Root(size uint64) (_ tlog.Hash, err error) {
	defer j.store.addNameAndRemedy(&err)
	j.store.mu.Lock()
	defer j.store.mu.Unlock()
	if err := j.store.requireUsable(); err != nil {
		return tlog.Hash{}, err
	}
	return j.store.tree.root(size)
}

func (t *tree) root(size uint64) (tlog.Hash, error) {
	n := t.length.Load()
	switch {
	case size > n:
		return tlog.Hash{}, fmt.Errorf("journal: no root over %[2]d records, journal has %[1]d records", n, size)
	case size == n:
		return tlog.TreeHash(int64(size), t.edgeReader())
	}
	return tlog.TreeHash(int64(size), t.storedReader())
}

// Checkpoint returns a signed checkpoint of all current records.
func (j *Journal) Checkpoint() (_ []byte, err error) {
	defer j.store.addNameAndRemedy(&err)
	j.store.mu.Lock()
	size := j.Len()
	root, err := tlog.Hash{}, j.store.requireUsable()
	if err == nil {
		root, err = j.store.tree.root(size)
	}
	j.store.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return j.store.sign(size, root)
}

// sign signs a checkpoint of the journal's first size records. sign needs no lock, so no caller waits for a signature.
func (s *store) sign(size uint64, root tlog.Hash) ([]byte, error) {
	if s.o.Signer == nil {
		return nil, errors.New("journal: cannot sign a checkpoint: the journal was opened without a key")
	}
	return wire.SignCheckpoint(wire.Checkpoint{Origin: s.origin, Size: size, Root: root}, s.o.Signer)
}
