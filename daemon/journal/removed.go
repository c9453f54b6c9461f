package journal

import (
	"fmt"
	"strings"
)

// factRemovedIndexed marks a journal whose facts name every tag that its records show as removed.
const factRemovedIndexed = "removed-indexed"

// RemovedTags returns the ids of all tags that were removed. The caller writes a fact with the key prefix+id with each
// record of a removed tag. In a journal from before these facts existed, RemovedTags reads all records once and adds
// the facts.
func (j *Journal) RemovedTags(prefix string) (map[string]bool, error) {
	facts, err := j.Facts("")
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for key := range facts {
		if id, ok := strings.CutPrefix(key, prefix); ok {
			out[id] = true
		}
	}
	if facts[factRemovedIndexed] != nil {
		return out, nil
	}
	if err := j.store.removedTags(func(id string) { out[id] = true }); err != nil {
		return nil, fmt.Errorf("journal: read the removed tags: %w", err)
	}
	add := map[string][]byte{factRemovedIndexed: []byte("1")}
	for id := range out {
		add[prefix+id] = []byte("1")
	}
	_ = j.Keep(add) // if the disk is full, the records are read again at the next start
	return out, nil
}
