package audit

import "golang.org/x/mod/sumdb/tlog"

// RootOf returns the root of a tree of leaves.
func RootOf(leaves []tlog.Hash) (tlog.Hash, error) {
	var e edge
	for _, l := range leaves {
		e.add(l)
	}
	return e.root()
}
