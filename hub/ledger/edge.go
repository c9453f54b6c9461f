package ledger

import (
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// tileLevels is the distance between two stored levels of the tree. With a distance of 8, the ledger calculates a hash
// of any other level from at most 256 stored hashes.
const tileLevels = 8

// node is the stored root hash of a complete subtree. The subtree covers the records place<<level + 1 to
// (place+1)<<level.
type node struct {
	level int
	place int64
	hash  tlog.Hash
}

// edge contains the data that is needed to append leaves to a tree of size records: the hashes of the largest complete
// subtrees, from left to right. hashes contains one hash for each bit that is 1 in size. The zero edge is the empty
// tree.
type edge struct {
	size   int64
	hashes []tlog.Hash
}

// parseEdge parses the output of edge.bytes. parseEdge returns an error if the number of hashes is wrong for a tree of
// size records.
func parseEdge(size int64, b []byte) (edge, error) {
	if n := bits.OnesCount64(uint64(size)); len(b) != n*tlog.HashSize {
		return edge{}, fmt.Errorf(
			"corrupt ledger: stored tree edge has %d bytes, want %d bytes for %d records",
			len(b),
			n*tlog.HashSize,
			size,
		)
	}
	e := edge{size: size}
	for ; len(b) > 0; b = b[tlog.HashSize:] {
		e.hashes = append(e.hashes, tlog.Hash(b[:tlog.HashSize]))
	}
	return e, nil
}

// bytes returns the concatenated hashes, as the database stores an edge.
func (e edge) bytes() []byte {
	out := make([]byte, 0, len(e.hashes)*tlog.HashSize)
	for _, h := range e.hashes {
		out = append(out, h[:]...)
	}
	return out
}

// add appends a leaf to the tree. add calls store for each completed subtree of a stored level.
func (e *edge) add(leaf tlog.Hash, keep func(node)) {
	h, place := leaf, e.size
	for level := 1; place&1 == 1; level++ {
		last := len(e.hashes) - 1
		h, place = tlog.NodeHash(e.hashes[last], h), place>>1
		e.hashes = e.hashes[:last]
		if level%tileLevels == 0 {
			keep(node{level, place, h})
		}
	}
	e.hashes = append(e.hashes, h)
	e.size++
}

// root returns the hash of the whole tree (RFC 6962, section 2.1).
func (e edge) root() (tlog.Hash, error) {
	if e.size == 0 {
		return tlog.TreeHash(0, nil)
	}
	h := e.hashes[len(e.hashes)-1]
	for i := len(e.hashes) - 2; i >= 0; i-- {
		h = tlog.NodeHash(e.hashes[i], h)
	}
	return h, nil
}
