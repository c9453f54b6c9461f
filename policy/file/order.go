package file

import "slices"

// shape describes the value at a place of the file: a mapping of known keys, or a mapping of ids. A list has the shape
// of its entries. The zero shape is a value without keys.
type shape struct {
	all  map[string]mapping
	name string // name of the mapping; "" for a value without keys
	ids  bool   // true if the keys are ids; then name is the name of the mapping that each id has as its value
}

// top returns the shape of a whole file.
func top() shape { return shape{all: newTables().mappings(), name: "policy"} }

// under returns the shape of the value of a key.
func (s shape) under(key string) shape {
	if s.ids {
		return shape{all: s.all, name: s.name}
	}
	keys := s.all[s.name].keys
	if i := s.place(key); i < len(keys) {
		return shape{all: s.all, name: keys[i].below, ids: keys[i].ids}
	}
	return shape{all: s.all}
}

// place returns the rank of a known key in its table. Unknown keys come after the known keys, and ids keep the order of
// the file.
func (s shape) place(key string) int {
	if s.ids {
		return 0
	}
	keys := s.all[s.name].keys
	if i := slices.IndexFunc(keys, func(k spec) bool { return k.name == key }); i >= 0 {
		return i
	}
	return len(keys)
}
