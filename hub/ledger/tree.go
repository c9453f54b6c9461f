package ledger

import (
	"database/sql"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"portillon/policy"
	"portillon/wire"
)

// stored is a hash and its place in tlog's order.
type stored struct {
	index int64
	hash  tlog.Hash
}

// tree is a journal's tree, cut after some records and grown again in memory: the database does not change.
type tree struct {
	q     queryer
	from  string // the table of hashes
	m     policy.MachineID
	g     wire.Generation
	size  int64 // records
	base  int64 // hashes before this index are read from the database, those from it on are grown
	grown []tlog.Hash
}

func newTree(q queryer, from tables, m policy.MachineID, g wire.Generation, size int64) *tree {
	return &tree{q: q, from: from.hashes, m: m, g: g, size: size, base: tlog.StoredHashIndex(0, size)}
}

// held reads one hash from the database.
func (t *tree) held(index int64) (tlog.Hash, error) {
	var b []byte
	err := t.q.QueryRow("SELECT hash FROM "+t.from+" WHERE machine = ? AND generation = ? AND idx = ?", string(t.m), string(t.g), index).Scan(&b)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && len(b) != tlog.HashSize:
		return tlog.Hash{}, fmt.Errorf("hash %d of %s is not there: the ledger is torn", index, t.m)
	case err != nil:
		return tlog.Hash{}, err
	}
	return tlog.Hash(b), nil
}

// ReadHashes is tlog's way to read the tree.
func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x >= t.base {
			if x-t.base >= int64(len(t.grown)) {
				return nil, fmt.Errorf("hash %d is beyond the tree", x)
			}
			out[i] = t.grown[x-t.base]
			continue
		}
		h, err := t.held(x)
		if err != nil {
			return nil, err
		}
		out[i] = h
	}
	return out, nil
}

// grow adds a leaf.
func (t *tree) grow(leaf tlog.Hash) error {
	h, err := tlog.StoredHashesForRecordHash(t.size, leaf, t)
	if err != nil {
		return err
	}
	t.grown = append(t.grown, h...)
	t.size++
	return nil
}

func (t *tree) root() (tlog.Hash, error) { return tlog.TreeHash(t.size, t) }

// since are the hashes that a tree of size records does not hold.
func (t *tree) since(size int64) []stored {
	var out []stored
	for i := max(0, tlog.StoredHashIndex(0, size)-t.base); i < int64(len(t.grown)); i++ {
		out = append(out, stored{t.base + i, t.grown[i]})
	}
	return out
}
