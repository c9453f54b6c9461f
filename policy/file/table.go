package file

import "portillon/yamlfile"

// key describes one key of a mapping that is read into a T. The position of a key in the table is the position in the
// canonical order. read stores the key's value in the model. The other fields are for the JSON Schema.
type key[T any] struct {
	spec
	read func(r *reader, n yamlfile.Node, to *T) // reads the value into the model; called only if the key has a value
}

// spec is the part of a key that the printer and the schema need, without the type that the key is read into.
type spec struct {
	name     string
	about    string // the text that editors show for the key
	required bool
	form
}

// form describes how a value is written: the value's JSON Schema, and the name of the mapping of the value.
type form struct {
	schema thing
	below  string // the name of the mapping of the value, or of each entry of a list; "" if there is no mapping
	// true if the value is a mapping from ids to the mapping named below; the formatter keeps the order of ids
	ids bool
}

// value describes a kind of value: its form in the file, and the function that reads it. Keys with the same kind of
// value share one value.
type value[V any] struct {
	form
	read func(r *reader, n yamlfile.Node) V
}

// keyOf returns a key with a shared kind of value.
func keyOf[T, V any](name string, v value[V], about string, set func(to *T, v V)) key[T] {
	return keyWith(name, v.form, about, func(r *reader, n yamlfile.Node, to *T) { set(to, v.read(r, n)) })
}

// keyWith returns a key with a separate reader.
func keyWith[T any](name string, f form, about string, read func(r *reader, n yamlfile.Node, to *T)) key[T] {
	return key[T]{spec{name: name, about: about, form: f}, read}
}

// must returns the key as a required key.
func (k key[T]) must() key[T] {
	k.required = true
	return k
}

// table describes one kind of mapping by its keys, in canonical order.
type table[T any] struct {
	name  string
	keys  []key[T]
	names []string // the names of the keys
	rules thing    // parts of the JSON Schema about several keys: dependentRequired, minProperties, anyOf
}

// newTable returns a table of keys.
func newTable[T any](name string, rules thing, keys ...key[T]) table[T] {
	t := table[T]{name: name, keys: keys, rules: rules}
	for _, k := range keys {
		t.names = append(t.names, k.name)
	}
	return t
}

// mapping is a table without its type, for the printer and the schema.
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

// fill reads the mapping n into to, key by key in the order of the table. The result sound is false if fill reported a
// fault of a key. The caller must then not report a missing key, because the key may only be misspelt.
func fill[T any](r *reader, n yamlfile.Node, t table[T], to *T) (sound bool) {
	sound = onlyKeys(n, t.names...)
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
