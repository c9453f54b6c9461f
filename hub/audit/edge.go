package audit

import (
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// edge is the right edge of a Merkle tree (RFC 6962, section 2.1): the roots of its complete subtrees. The next root
// needs no other hash, so a log that is read once from its first entry keeps 63 hashes at most.
type edge struct {
	size   uint64
	hashes [63]tlog.Hash // of level n: the root of 2^n leaves, where that bit of size is set
}

// add adds a leaf. As in binary addition, two subtrees of one size become one of the next.
func (e *edge) add(leaf tlog.Hash) {
	level := 0
	for ; e.size>>level&1 == 1; level++ {
		leaf = tlog.NodeHash(e.hashes[level], leaf)
	}
	e.hashes[level] = leaf
	e.size++
}

// root is the root of the tree: the subtrees joined from the smallest to the largest.
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

// bytes are the hashes from level 0 up as the database keeps them, those that are not set too.
func (e *edge) bytes() []byte {
	var out []byte
	for level := range bits.Len64(e.size) {
		out = append(out, e.hashes[level][:]...)
	}
	return out
}

// edgeOf reads the hashes that bytes wrote, of a tree with this many leaves.
func edgeOf(size uint64, b []byte) (edge, error) {
	e := edge{size: size}
	n := bits.Len64(size)
	if n > len(e.hashes) || len(b) != n*tlog.HashSize {
		return edge{}, fmt.Errorf("the tree of %d entries has %d bytes of hashes, want %d", size, len(b), n*tlog.HashSize)
	}
	for level := range n {
		e.hashes[level] = tlog.Hash(b[level*tlog.HashSize : (level+1)*tlog.HashSize])
	}
	return e, nil
}
