package file

import "portillon/yamlfile"

// key describes one key of a mapping that is read into a T: its place in the canonical order is its place in the table,
// read is how its value gets into the model, and the rest is what the JSON Schema says of it.
type key[T any] struct {
	spec
	read func(r *reader, n yamlfile.Node, to *T) // called only where the key has a value
}

// spec is what the printer and the schema need of a key: nothing of the type that it is read into.
type spec struct {
	name     string
	about    string // what editors show beside the key
	required bool
	form
}

// form is how a value is written: its JSON Schema, and which mapping stands below it.
type form struct {
	schema thing
	below  string // the name of the mapping that the value is, or that each entry of its list is; "" for none
	ids    bool   // the value maps ids, which people choose, to the mapping below; ids keep the order of the file
}

// value is a form and its reader. Keys that hold the same kind of value share one.
type value[V any] struct {
	form
	read func(r *reader, n yamlfile.Node) V
}

// keyOf makes a key whose value is of a shared kind.
func keyOf[T, V any](name string, v value[V], about string, set func(to *T, v V)) key[T] {
	return keyWith(name, v.form, about, func(r *reader, n yamlfile.Node, to *T) { set(to, v.read(r, n)) })
}

// keyWith makes a key with a reader of its own.
func keyWith[T any](name string, f form, about string, read func(r *reader, n yamlfile.Node, to *T)) key[T] {
	return key[T]{spec{name: name, about: about, form: f}, read}
}

// must makes a key required.
func (k key[T]) must() key[T] {
	k.required = true
	return k
}

// table describes one kind of mapping by its keys, in canonical order.
type table[T any] struct {
	name  string
	keys  []key[T]
	names []string // of the keys
	rules thing    // of the JSON Schema, about several keys: dependentRequired, minProperties, anyOf
}

func newTable[T any](name string, rules thing, keys ...key[T]) table[T] {
	t := table[T]{name: name, keys: keys, rules: rules}
	for _, k := range keys {
		t.names = append(t.names, k.name)
	}
	return t
}

// mapping is a table as the printer and the schema see it.
type mapping struct {
	name  string
	keys  []spec
	rules thing
}

func (t table[T]) mapping() mapping {
	m := mapping{name: t.name, rules: t.rules}
	for _, k := range t.keys {
		m.keys = append(m.keys, k.spec)
	}
	return m
}

// fill reads the mapping n into to, key by key in the table's order. It reports whether no key was refused: what seems
// to be missing may be what was misspelt.
func fill[T any](r *reader, n yamlfile.Node, t table[T], to *T) (sound bool) {
	sound = only(n, t.names...)
	for _, k := range t.keys {
		v := n.Get(k.name)
		if k.required {
			v = v.Required()
		}
		if v.Present() {
			k.read(r, v, to)
		}
	}
	return sound
}
