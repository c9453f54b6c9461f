package audit

import (
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// edge is the right edge of a Merkle tree (RFC 6962, section 2.1): the roots of its complete subtrees. After further
// leaves are added, the tree's root depends only on these hashes and on the leaves. A program that reads a whole log
// therefore needs at most 63 hashes in memory.
type edge struct {
	size   uint64
	hashes [63]tlog.Hash // hashes[n] is the root of a subtree with 2^n leaves; unused if bit n of size is 0
}

// add adds a leaf. As in binary addition, add joins two subtrees of the same size to one subtree of twice the size.
func (e *edge) add(leaf tlog.Hash) {
	level := 0
	for ; e.size>>level&1 == 1; level++ {
		leaf = tlog.NodeHash(e.hashes[level], leaf)
	}
	e.hashes[level] = leaf
	e.size++
}

// root returns the root of the tree: it joins the subtrees from the smallest to the largest.
func (e *edge) root() (tlog.Hash, error) {
	if e.size == 0 {
		return tlog.TreeHash(0, nil)
	}
	low := bits.TrailingZeros64(e.size)
	root := e.hashes[low]
	for level := low + 1; level < bits.Len64(e.size); level++ {
		if e.size>>level&1 == 1 {
			root = tlog.NodeHash(e.hashes[level], root)
		}
	}
	return root, nil
}

// bytes returns the hashes in the format of the database: the hashes of all levels from 0 up, including unused levels.
func (e *edge) bytes() []byte {
	var out []byte
	for level := range bits.Len64(e.size) {
		out = append(out, e.hashes[level][:]...)
	}
	return out
}

// edgeOf parses the hashes that bytes returned, for a tree of size leaves.
func edgeOf(size uint64, b []byte) (edge, error) {
	e := edge{size: size}
	n := bits.Len64(size)
	if n > len(e.hashes) || len(b) != n*tlog.HashSize {
		return edge{}, fmt.Errorf("stored tree of %d entries has %d bytes of hashes, want %d bytes",
			size, len(b), n*tlog.HashSize)
	}
	for level := range n {
		e.hashes[level] = tlog.Hash(b[level*tlog.HashSize : (level+1)*tlog.HashSize])
	}
	return e, nil
}
