package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"portillon/wire"
)

// tail is how many of the last records Open checks against the tree.
const tail = 8

// load looks up how long the journal is and where its tree stands, and checks the tail. The lock is held.
func (j *Journal) load() error {
	var first, last int64
	q := "SELECT coalesce((SELECT min(seq) FROM records), 1), coalesce((SELECT max(seq) FROM records), 0)"
	if err := j.conn.QueryRowContext(background, q).Scan(&first, &last); err != nil {
		return torn(err)
	}
	if first != 1 || last < 0 {
		return torn(fmt.Errorf("its first record is number %d", first))
	}
	for level := range bits.Len64(uint64(last)) {
		if last>>level&1 == 0 {
			continue
		}
		h, err := j.hash(level, last>>level-1)
		if err != nil {
			return torn(err)
		}
		j.edge[level] = h
	}
	j.length.Store(uint64(last))
	if err := j.checkTail(last); err != nil {
		return torn(err)
	}
	j.lookBack(last - tail)
	j.stale = false
	return nil
}

// far is how many records without a trusted clock bind one that has one to the last that had: a time that was trusted
// and wrong counts no longer then.
const far = 2000

// lookBack finds the newest record up to last whose clock was trusted, where the tail has none. What is damaged there,
// Verify says.
func (j *Journal) lookBack(last int64) {
	for oldest := last - far; last > max(0, oldest) && j.sure.IsZero(); {
		from := max(1, last-step+1)
		rows, err := j.rows(uint64(from), int(last-from+1))
		if err != nil {
			return
		}
		for _, r := range slices.Backward(rows) {
			if rec, err := r.check(); err == nil && rec.Clock.Believed() {
				j.believe(rec.Wall)
				break
			}
		}
		last = from - 1
	}
}

// checkTail recomputes the last leaves, and what the very last record completed.
func (j *Journal) checkTail(last int64) error {
	from := max(1, last-tail+1)
	rows, err := j.rows(uint64(from), int(last-from+1)) // and none that a daemon has written since
	if err != nil {
		return err
	}
	for _, r := range rows {
		rec, err := r.check()
		if err != nil {
			return err
		}
		if r.record != nil {
			j.saw(rec)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return j.checkEnd(last, rows[len(rows)-1])
}

// checkEnd recomputes what the last record completed. A subtree that a lost record completed is not known, and proves
// nothing.
func (j *Journal) checkEnd(last int64, end row) error {
	if len(end.hashes) == 0 {
		return fmt.Errorf("record %d is lost", last)
	}
	var t knownTree
	for level := range len(end.hashes) - 1 {
		h, err := j.hash(level, last>>level-2)
		switch {
		case err == nil:
			t.edge[level], t.known[level] = h, true
		case !errors.Is(err, errLost):
			return err
		}
	}
	if !t.grow(uint64(last), end.hashes) {
		return fmt.Errorf("record %d does not fit the tree", last)
	}
	return nil
}

// errLost says that a hash stood with a record that Salvage could not read.
var errLost = errors.New("its record is lost")

// row is a record as it is kept.
type row struct {
	seq    uint64
	salt   []byte
	record []byte      // nil: erased, or lost
	hashes []tlog.Hash // none: Salvage could not read the record
	kind   string      // set by Salvage alone
}

// rows reads at most n rows from seq on, which must be there without a gap.
func (j *Journal) rows(from uint64, n int) ([]row, error) {
	rs, err := j.conn.QueryContext(background, "SELECT seq, salt, record, hashes FROM records WHERE seq >= ? ORDER BY seq LIMIT ?", int64(from), n)
	if err != nil {
		return nil, err
	}
	defer rs.Close()
	var out []row
	for rs.Next() {
		var r row
		var flat []byte
		if err := rs.Scan(&r.seq, &r.salt, &r.record, &flat); err != nil {
			return nil, err
		}
		if r.seq != from+uint64(len(out)) {
			return nil, fmt.Errorf("record %d is missing", from+uint64(len(out)))
		}
		for len(flat) >= tlog.HashSize {
			r.hashes, flat = append(r.hashes, tlog.Hash(flat[:tlog.HashSize])), flat[tlog.HashSize:]
		}
		if lost := len(r.hashes) == 0 && len(flat) == 0 && r.record == nil; lost {
			out = append(out, r)
			continue
		}
		if len(flat) != 0 || len(r.hashes) != bits.TrailingZeros64(r.seq)+1 {
			return nil, fmt.Errorf("record %d has %d hashes, %d expected", r.seq, len(r.hashes), bits.TrailingZeros64(r.seq)+1)
		}
		out = append(out, r)
	}
	return out, rs.Err()
}

// check recomputes the row's leaf and reads its record. An erased one has nothing to recompute; its Seq alone is set.
func (r row) check() (wire.Record, error) {
	if r.record == nil {
		return wire.Record{Seq: r.seq}, nil
	}
	var rec wire.Record
	switch err := json.Unmarshal(r.record, &rec); {
	case err != nil:
		return rec, fmt.Errorf("record %d: %w", r.seq, err)
	case len(r.salt) != len(wire.Salt{}) || wire.Leaf(wire.Salt(r.salt), r.record) != r.hashes[0]:
		return rec, fmt.Errorf("record %d was changed after it was written", r.seq)
	case rec.Seq != r.seq:
		return rec, fmt.Errorf("record %d says that it is number %d", r.seq, rec.Seq)
	}
	return rec, nil
}

// edgeReader knows the right edge of the tree as it stands: all that the next record's hashes are made of.
func (j *Journal) edgeReader() tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			level, _ := tlog.SplitStoredHashIndex(x)
			out[i] = j.edge[level]
		}
		return out, nil
	})
}

// storedReader reads any of the tree's hashes from the disk.
func (j *Journal) storedReader() tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			level, n := tlog.SplitStoredHashIndex(x)
			h, err := j.hash(level, n)
			if err != nil {
				return nil, err
			}
			out[i] = h
		}
		return out, nil
	})
}

// hash reads the n-th complete subtree's root of a level: it stands with the record that completed it.
func (j *Journal) hash(level int, n int64) (tlog.Hash, error) {
	var b []byte
	q := "SELECT substr(hashes, ?, ?) FROM records WHERE seq = ?"
	err := j.conn.QueryRowContext(background, q, level*tlog.HashSize+1, tlog.HashSize, (n+1)<<level).Scan(&b)
	if err != nil {
		return tlog.Hash{}, fmt.Errorf("hash %d of level %d: %w", n, level, err)
	}
	if len(b) == 0 {
		return tlog.Hash{}, fmt.Errorf("hash %d of level %d: %w", n, level, errLost)
	}
	if len(b) != tlog.HashSize {
		return tlog.Hash{}, fmt.Errorf("hash %d of level %d is not there", n, level)
	}
	return tlog.Hash(b), nil
}

// Root is the tree's root when it had size records.
func (j *Journal) Root(size uint64) (_ tlog.Hash, err error) {
	defer j.named(&err)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.usable(); err != nil {
		return tlog.Hash{}, err
	}
	return j.root(size)
}

func (j *Journal) root(size uint64) (tlog.Hash, error) {
	n := j.length.Load()
	switch {
	case size > n:
		return tlog.Hash{}, fmt.Errorf("journal: it has %d records, not %d", n, size)
	case size == n:
		return tlog.TreeHash(int64(size), j.edgeReader())
	}
	return tlog.TreeHash(int64(size), j.storedReader())
}

// Checkpoint signs the journal as it stands.
func (j *Journal) Checkpoint() (_ []byte, err error) {
	defer j.named(&err)
	j.mu.Lock()
	size := j.length.Load()
	root, err := tlog.Hash{}, j.usable()
	if err == nil {
		root, err = j.root(size)
	}
	j.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return j.sign(size, root)
}

func (j *Journal) sign(size uint64, root tlog.Hash) ([]byte, error) {
	if j.o.Signer == nil {
		return nil, errors.New("journal: there is no key to sign a checkpoint with")
	}
	return wire.SignCheckpoint(wire.Checkpoint{Origin: j.origin, Size: size, Root: root}, j.o.Signer)
}
