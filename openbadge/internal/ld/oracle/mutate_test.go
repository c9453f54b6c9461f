package oracle

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

type object = map[string]any

// mutator makes documents by changing documents of other projects. The same seed always gives the same documents.
type mutator struct {
	*rand.Rand
	words []string // all terms of all contexts
	urls  []string
	texts []string
}

func newMutator(o *oracle, seed uint64) *mutator {
	m := &mutator{Rand: rand.New(rand.NewPCG(seed, 2026)), urls: []string{
		"https://www.w3.org/ns/credentials/v2",
		"https://www.w3.org/2018/credentials/v1",
		"https://purl.imsglobal.org/spec/ob/v3p0/context.json",
		"https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.1.json",
		"https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.2.json",
		"https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
		"https://purl.imsglobal.org/spec/ob/v3p0/extensions.json",
		"https://w3id.org/security/suites/ed25519-2020/v1",
		"https://w3id.org/security/data-integrity/v1",
		"https://w3id.org/security/data-integrity/v2",
		"https://w3id.org/security/multikey/v1",
		"https://www.w3.org/ns/credentials/status/v1",
		"https://w3id.org/vc/status-list/2021/v1",
	}}
	seen := map[string]bool{}
	for _, url := range m.urls {
		collect(o.contexts[url], seen)
	}
	m.words = slices.Sorted(maps.Keys(seen))
	m.texts = []string{
		"",
		"x",
		"é",
		"😀",
		"e\u0301",
		"\u0000",
		"\u0001",
		"\b\f",
		"\u001f",
		"\u007f",
		"\u0080",
		"\u2028",
		"\ufeff",
		"\ufffd",
		"\ufffe",
		"\U0010ffff",
		"a\tb\nc\rd",
		`"\`,
		"'",
		" x ",
		"urn:x:1",
		"urn:uuid:8f5a1c8e-1",
		"https://a.example/b?c=d#e",
		"https://a.example/é",
		"https://A.example",
		"did:key:z6Mk#z6Mk",
		"mailto:a@b.example",
		"data:image/png;base64,AA==",
		"tag:a.example,2026:x",
		"name:x",
		"xsd:string",
		"sec:proof",
		"cred:issuer",
		"_:b0",
		"_:x",
		"#x",
		"/x",
		"x/y",
		"../x",
		"a:b",
		"a:",
		":b",
		"http://",
		"https://a b",
		"urn:<x>",
		"urn:x\u0085y",
		"2026-01-01T00:00:00Z",
		"true",
		"1",
		"@id",
		"@type",
		"@json",
		"@foo",
		"fr",
		"FR-fr",
		"assertionMethod",
		"authentication",
	}
	return m
}

// collect adds the terms that a context and its scoped contexts define.
func collect(v any, seen map[string]bool) {
	switch v := v.(type) {
	case object:
		for k, def := range v {
			if strings.HasPrefix(k, "@") && k != "@context" {
				continue
			}
			if k != "@context" {
				seen[k] = true
			}
			collect(def, seen)
		}
	}
}

func pick[T any](m *mutator, of []T) T { return of[m.IntN(len(of))] }

// place is the position of a value in a document.
type place struct {
	in  any // the object or the array that contains the value
	key string
	at  int
}

func (p place) get() any {
	if o, ok := p.in.(object); ok {
		return o[p.key]
	}
	return p.in.([]any)[p.at]
}

func (p place) set(v any) {
	if o, ok := p.in.(object); ok {
		o[p.key] = v
	} else {
		p.in.([]any)[p.at] = v
	}
}

// places returns all positions in a document outside its @context.
func places(v any, out []place) []place {
	switch v := v.(type) {
	case object:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if k != "@context" {
				out = places(v[k], append(out, place{in: v, key: k}))
			}
		}
	case []any:
		for i := range v {
			out = places(v[i], append(out, place{in: v, at: i}))
		}
	}
	return out
}

// mutate changes the document in one to three places. Sometimes mutate also changes the document's contexts.
func (m *mutator) mutate(doc object) {
	for range 1 + m.IntN(3) {
		all := places(doc, nil)
		if len(all) == 0 {
			return
		}
		p := pick(m, all)
		switch m.IntN(12) {
		case 0:
			if o, ok := p.in.(object); ok {
				delete(o, p.key)
			}
		case 1, 2:
			if o, ok := p.in.(object); ok { // give a key another name, or repeat a key
				v := o[p.key]
				if m.IntN(2) == 0 {
					delete(o, p.key)
				}
				o[m.word(all)] = v
			}
		case 3:
			p.set(clone(pick(m, all).get()))
		case 4, 5:
			p.set(m.value(all))
		case 6:
			p.set(m.many(p.get(), all))
		case 7:
			p.set(object{"id": m.id(), "type": m.types(all), m.word(all): p.get()})
		case 8, 9:
			if o, ok := p.get().(object); ok {
				m.node(o, all)
			}
		case 10:
			if s, ok := p.get().(string); ok && p.key != "type" {
				p.set(s + m.text())
			}
		case 11:
			m.contexts(doc, all)
		}
	}
}

// word returns a key for an object. Most keys come from the document itself, because other keys have no meaning in
// most places.
func (m *mutator) word(all []place) string {
	if m.IntN(8) > 0 {
		if p := pick(m, all); p.key != "" {
			return p.key
		}
	}
	return pick(m, m.words)
}

func (m *mutator) text() string { return pick(m, m.texts) }

// In most cases id returns an address, because both programs reject most other texts.
func (m *mutator) id() string {
	if m.IntN(4) == 0 {
		return m.text()
	}
	return pick(
		m,
		[]string{
			"urn:x:1",
			"urn:x:2",
			"did:key:z6Mk#z6Mk",
			"https://a.example/b?c=d#e",
			"https://a.example/é",
			"mailto:a@b.example",
		},
	)
}

// In most cases class returns a term that begins with a capital letter, because types have such names.
func (m *mutator) class() string {
	w := pick(m, m.words)
	for m.IntN(8) > 0 && (w[0] < 'A' || w[0] > 'Z') {
		w = pick(m, m.words)
	}
	return w
}

func (m *mutator) types(all []place) any {
	if m.IntN(8) == 0 {
		return m.text()
	}
	var out []any
	for range m.IntN(3) {
		out = append(out, m.class())
	}
	for _, p := range all {
		if p.key == "type" && m.IntN(4) == 0 && len(out) < 4 {
			out = append(out, clone(p.get()))
		}
	}
	return flat(out)
}

func flat(v []any) (out []any) {
	for _, x := range v {
		if l, ok := x.([]any); ok {
			out = append(out, l...)
		} else {
			out = append(out, x)
		}
	}
	return append([]any{}, out...)
}

var numbers = []json.Number{
	"0",
	"-0",
	"0.0",
	"1",
	"1.0",
	"-1",
	"1.5",
	"0.1",
	"1e2",
	"1.10e1",
	"123456789012",
	"9007199254740991",
	"9007199254740992",
	"1e-5",
	"0.000001",
	"1e-7",
	"1.23456789012345678",
	"4294967296.5",
	"-273.15",
	"1E15",
}

func (m *mutator) value(all []place) any {
	switch m.IntN(12) {
	case 0:
		return nil
	case 1:
		return m.IntN(2) == 0
	case 2, 3:
		return pick(m, numbers)
	case 4:
		return object{}
	case 5:
		return []any{}
	case 6:
		return object{"@value": m.text(), "@language": pick(m, []string{"fr", "en-GB", "FR", "x", "f r", ""})}
	case 7:
		return object{"@value": pick(m, []any{m.text(), true, pick(m, numbers), nil})}
	case 8:
		return object{"id": m.id()}
	case 9:
		return object{pick(m, []string{"@list", "@set", "@graph", "@id", "@type", "@value"}): clone(pick(m, all).get())}
	}
	return m.text()
}

func (m *mutator) many(v any, all []place) any {
	list, ok := v.([]any)
	switch n := m.IntN(5); {
	case !ok:
		return append([]any{v}, pick(m, []any{v, nil, m.text(), m.value(all), clone(pick(m, all).get())}))
	case n == 0 && len(list) == 1:
		return list[0]
	case n == 1:
		m.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		return list
	case n == 2 && len(list) > 0:
		return list[1:]
	case n == 3 && len(list) > 0:
		return append(slices.Clone(list), list[m.IntN(len(list))])
	}
	return append(slices.Clone(list), m.value(all))
}

// node changes the types of an object, or its properties.
func (m *mutator) node(o object, all []place) {
	switch m.IntN(5) {
	case 0:
		o["id"] = m.id()
	case 1:
		delete(o, "id")
	case 2:
		o["type"] = m.types(all)
	case 3:
		o[m.word(all)] = m.value(all)
	case 4:
		o[m.word(all)] = clone(pick(m, all).get())
	}
}

// contexts changes the order of the document's contexts, or repeats some of them in a nested object.
func (m *mutator) contexts(doc object, all []place) {
	list, _ := doc["@context"].([]any)
	list = slices.Clone(list)
	m.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	switch m.IntN(4) {
	case 0:
		doc["@context"] = list
	case 1:
		doc["@context"] = append(list, pick(m, m.urls))
	case 2:
		for i := range list {
			if m.IntN(2) == 0 {
				list[i] = pick(m, m.urls)
			}
		}
		doc["@context"] = list
	case 3:
		if o, ok := pick(m, all).get().(object); ok {
			o["@context"] = list[:m.IntN(len(list)+1)]
		}
	}
}

func clone(v any) any {
	switch v := v.(type) {
	case object:
		out := object{}
		for k, x := range v {
			out[k] = clone(x)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = clone(v[i])
		}
		return out
	}
	return v
}

func decode(t testing.TB, b []byte) (doc object) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

var (
	documents = flag.Int("documents", 220_000, "how many documents to make")
	seed      = flag.Uint64("seed", 1, "which ones")
)

// The test mutates 220,000 documents. If json-gold rejects a document, package ld must reject it too. If both
// programs accept a document, they must create the same statements.
func TestMutatedDocumentsGiveTheSameStatements(t *testing.T) {
	o, c := newOracle(t), count{why: map[string]int{}}
	var seeds []object
	all := fixtures(t)
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if _, err := ours(all[path]); err == nil && len(all[path]) < 8000 {
			seeds = append(seeds, decode(t, all[path]))
		}
	}
	m, start, wrong := newMutator(o, *seed), time.Now(), 0
	for i := range *documents {
		doc := clone(pick(m, seeds)).(object)
		m.mutate(doc)
		if why := c.judge(o, doc); why != "" {
			t.Errorf("document %d: %s\n%s", i, why, marshal(doc))
			if wrong++; wrong == 10 {
				t.FailNow()
			}
		}
	}
	took := time.Since(start)
	t.Logf(
		"%d documents of %d fixtures: %s; %.0f a second",
		*documents,
		len(seeds),
		&c,
		float64(*documents)/took.Seconds(),
	)
	if c.equal < *documents*9/20 {
		t.Errorf("only %d were compared", c.equal)
	}
}
