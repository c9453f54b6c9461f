package openbadge

import (
	"encoding/json"
	"math"
	"sort"
	"strconv"
	"strings"

	"github.com/gowebpki/jcs"
)

const (
	rdf        = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
	xsd        = "http://www.w3.org/2001/XMLSchema#"
	xsdString  = xsd + "string"
	langString = rdf + "langString"
	// maxQuads bounds the work on a document. A badge has about 40.
	maxQuads = 5000
)

// node is a subject, object or graph of a quad.
type node struct {
	kind     kind
	value    string // an IRI, a blank node's label, or a literal's text
	datatype string // of a literal
	lang     string
}

type kind uint8

const (
	none kind = iota // the default graph
	iri
	blank
	literal
)

// quad is an RDF statement.
type quad struct {
	s     node
	p     string
	o     node
	graph node
}

// expander makes quads of a JSON-LD document whose words are all known.
type expander struct {
	quads  []quad
	blanks int
}

// toRDF expands the document under the contexts. Every word must be known, every id and type absolute.
func toRDF(doc object, a *active) ([]quad, error) {
	x := &expander{}
	if _, err := x.node(doc, a, node{}, true); err != nil {
		return nil, err
	}
	return x.quads, nil
}

func (x *expander) blank() node {
	x.blanks++
	return node{kind: blank, value: "b" + strconv.Itoa(x.blanks-1)}
}

func (x *expander) emit(q quad) error {
	if len(x.quads) >= maxQuads {
		return fault("too-complex", "more than %d statements", maxQuads)
	}
	x.quads = append(x.quads, q)
	return nil
}

// node expands an object. outer is the context in force around it: what a type brings does not reach nested nodes.
func (x *expander) node(o object, outer *active, graph node, top bool) (node, error) {
	self := node{}
	switch id := o["id"].(type) {
	case nil:
		self = x.blank()
	case string:
		if !absolute(id, outer) {
			return node{}, fault("relative-iri", "the id %.100q is not absolute", id)
		}
		self = node{kind: iri, value: id}
	default:
		return node{}, fault("malformed", "an id is no string")
	}
	inner, err := x.types(o, self, outer, graph)
	if err != nil {
		return node{}, err
	}
	keys := make([]string, 0, len(o))
	for k := range o {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		if k == "id" || k == "type" || k == "@context" && top {
			continue
		}
		t, ok := inner.find(k)
		if !ok {
			return node{}, fault("unknown-term", "the word %.60q is in none of the contexts", k)
		}
		if other := alias(k, t, inner); other != "" {
			return node{}, fault("unknown-term", "%.60q is another word for %q", k, other)
		}
		if err := x.property(self, t, o[k], outer, graph); err != nil {
			return node{}, err
		}
	}
	return self, nil
}

// readWords are what read takes out of a credential. The contexts know other words for some of them, which would be signed alike and not be seen.
var readWords = [...]string{"achievement", "credentialStatus", "credentialSubject", "criteria", "description", "evidence", "genre", "hashed", "identifier",
	"identityHash", "identityType", "issuer", "name", "narrative", "proof", "salt", "validFrom", "validUntil",
	"created", "cryptosuite", "expires", "proofPurpose", "proofValue", "verificationMethod"}

// alias is the word that k says differently, or "".
func alias(k string, t *term, a *active) string {
	for _, w := range readWords {
		if o, ok := a.find(w); ok && o.iri == t.iri && w != k {
			return w
		}
	}
	return ""
}

// types says what the node is, and brings in what its types define.
func (x *expander) types(o object, self node, outer *active, graph node) (*active, error) {
	inner := outer
	var names []string
	for _, v := range list(o["type"]) {
		name, ok := v.(string)
		if !ok {
			return nil, fault("malformed", "a type is no string")
		}
		names = append(names, name)
	}
	for _, name := range names {
		full := name
		if t, ok := outer.find(name); ok {
			full = t.iri
		} else if !absolute(name, outer) {
			return nil, fault("unknown-term", "the type %.60q is in none of the contexts", name)
		}
		if err := x.emit(quad{self, rdf + "type", node{kind: iri, value: full}, graph}); err != nil {
			return nil, err
		}
	}
	sort.Strings(names) // JSON-LD 1.1, expansion step 11: in lexicographical order
	for _, name := range names {
		if t, ok := outer.find(name); ok && t.scoped != nil {
			var err error
			if inner, err = inner.with(t.scoped, false); err != nil {
				return nil, err
			}
		}
	}
	return inner, nil
}

func (x *expander) property(self node, t *term, v any, outer *active, graph node) error {
	if v == nil {
		return nil
	}
	if t.typ == "@json" {
		return x.jsonLiteral(self, t, v, graph)
	}
	a := outer
	if t.scoped != nil {
		var err error
		if a, err = a.with(t.scoped, true); err != nil {
			return err
		}
	}
	if t.container == inList {
		return x.listOf(self, t, list(v), a, graph)
	}
	return x.each(list(v), func(v any) error {
		n, err := x.value(t, v, a, graph)
		if err != nil {
			return err
		}
		return x.emit(quad{self, t.iri, n, graph})
	})
}

// each goes through a list, and lists within it: sets in sets are one set.
func (x *expander) each(vs []any, do func(any) error) error {
	for _, v := range vs {
		if v == nil {
			continue
		}
		if inner, ok := v.([]any); ok {
			if err := x.each(inner, do); err != nil {
				return err
			}
			continue
		}
		if err := do(v); err != nil {
			return err
		}
	}
	return nil
}

func (x *expander) listOf(self node, t *term, vs []any, a *active, graph node) error {
	var items []node
	err := x.each(vs, func(v any) error {
		n, err := x.value(t, v, a, graph)
		items = append(items, n)
		return err
	})
	if err != nil {
		return err
	}
	rest := node{kind: iri, value: rdf + "nil"}
	for i := len(items) - 1; i >= 0; i-- {
		cell := x.blank()
		if err := x.emit(quad{cell, rdf + "first", items[i], graph}); err != nil {
			return err
		}
		if err := x.emit(quad{cell, rdf + "rest", rest, graph}); err != nil {
			return err
		}
		rest = cell
	}
	return x.emit(quad{self, t.iri, rest, graph})
}

func (x *expander) jsonLiteral(self node, t *term, v any, graph node) error {
	b, err := json.Marshal(v)
	if err == nil {
		b, err = jcs.Transform(b)
	}
	if err != nil {
		return fault("malformed", "%s: %v", t.name, err)
	}
	return x.emit(quad{self, t.iri, node{kind: literal, value: string(b), datatype: rdf + "JSON"}, graph})
}

func (x *expander) value(t *term, v any, a *active, graph node) (node, error) {
	switch v := v.(type) {
	case object:
		return x.nested(t, v, a, graph)
	case string:
		return x.word(t, v, a)
	case bool:
		return typed(strconv.FormatBool(v), t.typ, xsd+"boolean"), nil
	case json.Number:
		return number(v, t)
	}
	return node{}, fault("malformed", "%s: a value that is none", t.name)
}

func (x *expander) nested(t *term, o object, a *active, graph node) (node, error) {
	for k := range o {
		if strings.HasPrefix(k, "@") {
			return node{}, fault("unknown-term", "%s: the keyword %.30q is not read", t.name, k)
		}
	}
	if t.container != inGraph {
		return x.node(o, a, graph, false)
	}
	g := x.blank()
	_, err := x.node(o, a, g, false)
	return g, err
}

func (x *expander) word(t *term, s string, a *active) (node, error) {
	switch t.typ {
	case "@id", "@vocab":
		if t.typ == "@vocab" {
			if w, ok := a.find(s); ok {
				return node{kind: iri, value: w.iri}, nil
			}
		}
		if !absolute(s, a) {
			return node{}, fault("relative-iri", "%s: %.100q is not absolute", t.name, s)
		}
		return node{kind: iri, value: s}, nil
	}
	return typed(s, t.typ, xsdString), nil
}

func typed(text, want, plain string) node {
	if want == "" || strings.HasPrefix(want, "@") {
		want = plain
	}
	return node{kind: literal, value: text, datatype: want}
}

// number writes a number as JSON-LD 1.1's «Data Round Tripping» says: an integer as such, all else as a canonical double.
func number(n json.Number, t *term) (node, error) {
	f, err := n.Float64()
	if err != nil || math.IsInf(f, 0) {
		return node{}, fault("malformed", "%s: the number %.40s is too large", t.name, n)
	}
	if f == math.Trunc(f) && math.Abs(f) < 1e21 && t.typ != xsd+"double" {
		return typed(strconv.FormatFloat(f, 'f', -1, 64), t.typ, xsd+"integer"), nil
	}
	mant, exp, _ := strings.Cut(strconv.FormatFloat(f, 'E', 15, 64), "E")
	mant = strings.TrimRight(mant, "0")
	if strings.HasSuffix(mant, ".") {
		mant += "0"
	}
	e, _ := strconv.Atoi(exp)
	return typed(mant+"E"+strconv.Itoa(e), t.typ, xsd+"double"), nil
}

// absolute reports whether s is an IRI that means the same everywhere: with a scheme, and one that no context could expand.
func absolute(s string, a *active) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || scheme == "" || rest == "" || scheme == "_" || len(s) > 8192 {
		return false
	}
	for i, r := range scheme {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", r)) {
			return false
		}
	}
	if strings.ContainsAny(s, "<>\"{}|^`\\ ") || strings.ContainsFunc(s, func(r rune) bool { return r <= 0x20 }) {
		return false
	}
	_, word := a.find(scheme)
	return !word
}
