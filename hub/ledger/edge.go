package ledger

import (
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// tileLevels is how many levels of the tree lie between two that are stored: 8, so that a hash between is calculated
// from at most 256.
const tileLevels = 8

// node is a stored hash: that of the complete subtree over the records from place<<level + 1 to (place+1)<<level.
type node struct {
	level int
	place int64
	hash  tlog.Hash
}

// edge is what a tree of size records grows from: the hashes of the complete subtrees over its records, from the left,
// one for each bit of size that is set. The zero edge is the empty tree.
type edge struct {
	size   int64
	hashes []tlog.Hash
}

// parseEdge reads what edge.bytes wrote.
func parseEdge(size int64, b []byte) (edge, error) {
	if n := bits.OnesCount64(uint64(size)); len(b) != n*tlog.HashSize {
		return edge{}, fmt.Errorf(
			"the tree's edge has %d bytes, want %d for %d records: the ledger is corrupt",
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

// bytes are the hashes one after the other, as the database stores them.
func (e edge) bytes() []byte {
	out := make([]byte, 0, len(e.hashes)*tlog.HashSize)
	for _, h := range e.hashes {
		out = append(out, h[:]...)
	}
	return out
}

// add adds a leaf. Of the subtrees that it completes, keep is given those that are stored.
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

// root is the hash of the whole tree (RFC 6962, 2.1).
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
