package ledger

import (
	"context"
	"database/sql"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"portillon/policy"
)

// tileID identifies a tile: 256 consecutive hashes of a stored level, beginning at place block*256. The last tile of a
// level may be shorter.
type tileID struct {
	level int
	block int64
}

// maxTiles is the maximum number of tiles in the cache of a tree. A tile has 8 KB.
const maxTiles = 64

// tree reads the hashes of a journal's stored tree. A tree must not be used after the end of its transaction.
type tree struct {
	ctx     context.Context
	q       queryer
	m       policy.MachineID
	journal int64
	tiles   map[tileID][]tlog.Hash
}

// newTree returns a tree with an empty cache of tiles.
func newTree(ctx context.Context, q queryer, m policy.MachineID, journal int64) *tree {
	return &tree{ctx: ctx, q: q, m: m, journal: journal, tiles: map[tileID][]tlog.Hash{}}
}

// loadTile reads a tile from the cache or from the database. The leaves are stored with the records, and the hashes of
// levels 8, 16, … are stored in ledger_hashes.
func (t *tree) loadTile(id tileID) ([]tlog.Hash, error) {
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
			break // a hash is missing in the database; use only the hashes before the gap
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

// hash returns the hash of the complete subtree at a level and place.
func (t *tree) hash(level int, place int64) (tlog.Hash, error) {
	up := level % tileLevels
	first := place << up // place, at the next lower stored level, of the first hash below this subtree
	id := tileID{level - up, first >> tileLevels}
	hashes, err := t.loadTile(id)
	if err != nil {
		return tlog.Hash{}, err
	}
	at := int(first - id.block<<tileLevels)
	if at+1<<up > len(hashes) {
		return tlog.Hash{}, fmt.Errorf("corrupt ledger: hash %d of tree level %d of machine %s is missing", place, level, t.m)
	}
	return rootOf(hashes[at : at+1<<up]), nil
}

// rootOf returns the root of a complete subtree with these leaves.
func rootOf(hashes []tlog.Hash) tlog.Hash {
	if len(hashes) == 1 {
		return hashes[0]
	}
	half := len(hashes) / 2
	return tlog.NodeHash(rootOf(hashes[:half]), rootOf(hashes[half:]))
}

// edgeAt returns the edge of the tree over the first size records.
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

// ReadHashes implements tlog.HashReader.
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
