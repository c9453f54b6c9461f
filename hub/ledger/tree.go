package ledger

import (
	"context"
	"database/sql"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"portillon/policy"
)

// tile is the hashes of 256 neighbours of a stored level, from place block*256 on; fewer at the end of a journal.
type tile struct {
	level int
	block int64
}

// maxTiles bounds the tiles that a tree keeps in memory, of 8 KB each.
const maxTiles = 64

// tree reads the hashes of a journal's stored tree. It belongs to one transaction.
type tree struct {
	ctx     context.Context
	q       queryer
	m       policy.MachineID
	journal int64
	tiles   map[tile][]tlog.Hash
}

// newTree reads the hashes of one journal's tree. Hashes that were read are kept for the tree's life.
func newTree(ctx context.Context, q queryer, m policy.MachineID, journal int64) *tree {
	return &tree{ctx: ctx, q: q, m: m, journal: journal, tiles: map[tile][]tlog.Hash{}}
}

// load reads a tile: leaves are in the rows of their records, the hashes of levels 8, 16, … in a table of their own.
func (t *tree) load(id tile) ([]tlog.Hash, error) {
	if hashes, ok := t.tiles[id]; ok {
		return hashes, nil
	}
	first := id.block << tileLevels
	var rows *sql.Rows
	var err error
	if id.level == 0 {
		rows, err = t.q.Query(
			t.ctx,
			"SELECT seq - 1, leaf FROM ledger_records WHERE site = $1 AND journal = $2 AND seq > $3 AND seq <= $4 ORDER BY seq",
			t.journal,
			first,
			first+1<<tileLevels,
		)
	} else {
		rows, err = t.q.Query(t.ctx, "SELECT place, hash FROM ledger_hashes WHERE site = $1 AND journal = $2 AND level = $3 "+
			"AND place >= $4 AND place < $5 ORDER BY place",
			t.journal, id.level, first, first+1<<tileLevels)
	}
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []tlog.Hash
	for rows.Next() {
		var place int64
		var b []byte
		if err := rows.Scan(&place, &b); err != nil {
			return nil, err
		}
		if place != first+int64(len(out)) || len(b) != tlog.HashSize {
			break // what follows is missing
		}
		out = append(out, tlog.Hash(b))
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if len(t.tiles) >= maxTiles {
		clear(t.tiles)
	}
	t.tiles[id] = out
	return out, nil
}

// hash is that of the complete subtree at a level and place.
func (t *tree) hash(level int, place int64) (tlog.Hash, error) {
	up := level % tileLevels
	first := place << up // of the hashes below, at the stored level
	id := tile{level - up, first >> tileLevels}
	hashes, err := t.load(id)
	if err != nil {
		return tlog.Hash{}, err
	}
	at := int(first - id.block<<tileLevels)
	if at+1<<up > len(hashes) {
		return tlog.Hash{}, fmt.Errorf("hash %d of level %d of %s is not there: the ledger is corrupt", place, level, t.m)
	}
	return fold(hashes[at : at+1<<up]), nil
}

// fold is the hash over the leaves of a complete subtree.
func fold(hashes []tlog.Hash) tlog.Hash {
	if len(hashes) == 1 {
		return hashes[0]
	}
	half := len(hashes) / 2
	return tlog.NodeHash(fold(hashes[:half]), fold(hashes[half:]))
}

// edgeAt is the edge of the tree's first size records.
func (t *tree) edgeAt(size int64) (edge, error) {
	e := edge{size: size}
	for level := 62; level >= 0; level-- {
		if size>>level&1 == 0 {
			continue
		}
		h, err := t.hash(level, size>>level-1)
		if err != nil {
			return edge{}, err
		}
		e.hashes = append(e.hashes, h)
	}
	return e, nil
}

// ReadHashes is tlog's way to read the tree.
func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		level, place := tlog.SplitStoredHashIndex(x)
		h, err := t.hash(level, place)
		if err != nil {
			return nil, err
		}
		out[i] = h
	}
	return out, nil
}
