package ld

import (
	"encoding/json"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	rdf        = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
	xsd        = "http://www.w3.org/2001/XMLSchema#"
	xsdString  = xsd + "string"
	langString = rdf + "langString"
	// maxQuads and maxText bound the work on a document: its statements, and the bytes that they are written with. A badge
	// has about 40 statements; one with an image within may have a megabyte of text, but says it once.
	maxQuads    = 5000
	maxText     = 2 * MaxBytes
	maxListText = MaxListBytes + maxText
	maxTypes    = 16 // of one node
)

// node is a subject, object or graph of a quad.
type node struct {
	kind     kind
	value    string // an IRI, a blank node's label, or a literal's text
	datatype string // of a literal
	lang     string
}

// kind is the kind of a node in a statement.
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
	text   int    // bytes in quads
	most   int    // bytes that they may have
	root   string // the document's own id
	own    []any  // the addresses of its @context
	again  int    // contexts within that were read
}

// toRDF is what the document says under the contexts. Every word must be known, every id and type absolute.
func toRDF(doc Object, a *active, most int) ([]quad, error) {
	x := &expander{root: Str(doc, "id"), own: List(doc["@context"]), most: most}
	if _, err := x.node(doc, a, node{}, true); err != nil {
		return nil, err
	}
	return x.quads, nil
}

// blank makes a new blank node.
func (x *expander) blank() node {
	x.blanks++
	return node{kind: blank, value: "b" + strconv.Itoa(x.blanks-1)}
}

// emit adds a statement, within the bounds on statements and bytes.
func (x *expander) emit(q quad) error {
	x.text += len(q.s.value) + len(q.p) + len(q.o.value) + len(q.o.datatype)
	if len(x.quads) >= maxQuads || x.text > x.most {
		return Faultf("too-complex", "more than %d statements, or than %d bytes of them", maxQuads, x.most)
	}
	x.quads = append(x.quads, q)
	return nil
}

// node expands an object. outer is the context in force around it: what a type brings does not reach nested nodes.
func (x *expander) node(o Object, outer *active, graph node, top bool) (node, error) {
	self := node{}
	id, named := o["id"]
	switch id := id.(type) {
	case nil:
		if named {
			return node{}, Faultf("malformed", "an id is null")
		}
		self = x.blank()
	case string:
		self = node{kind: iri, value: id}
	default:
		return node{}, Faultf("malformed", "an id is no string")
	}
	if !top && self.value == x.root && self.kind == iri {
		if err := silent(o); err != nil {
			return node{}, err
		}
	}
	if c, ok := o["@context"]; ok && !top {
		if err := x.nothingNew(c, outer); err != nil {
			return node{}, err
		}
	}
	inner, err := x.types(o, self, outer, graph)
	if err != nil {
		return node{}, err
	}
	if self.kind == iri && !absolute(self.value, inner) { // the types' prefixes hold for it too
		return node{}, Faultf("relative-iri", "the id %.100q is not absolute", self.value)
	}
	for _, k := range slices.Sorted(maps.Keys(o)) {
		if k == "id" || k == "type" || k == "@context" {
			continue
		}
		t, err := word(k, inner)
		if err != nil {
			return node{}, err
		}
		if err := x.property(self, t, o[k], inner, outer, graph); err != nil {
			return node{}, err
		}
	}
	return self, nil
}

// silent refuses a second node with the credential's id that says something. Statements have no place: what the issuer
// said of the credential could be moved there, would be signed alike, and would not be seen by those who read the
// credential.
func silent(o Object) error {
	for k := range o {
		if k != "id" && k != "type" {
			return Faultf("ambiguous", "a second node with the credential's id says %.60q", k)
		}
	}
	return nil
}

// maxAgain bounds the nodes that have contexts of their own: an endorsement has, and 1EdTech's fullest sample has five.
const maxAgain = 64

// nothingNew checks the @context of a node within: it may name again what the document's own @context names, as
// endorsements do, and only where that changes nothing, so that every word means there what it means without it.
func (x *expander) nothingNew(v any, a *active) error {
	if x.again++; x.again > maxAgain {
		return Faultf("too-complex", "more than %d contexts within", maxAgain)
	}
	if v == nil {
		return Faultf("unknown-context", "a context within is null: it takes the meaning of every word away")
	}
	if len(List(v)) > maxContexts {
		return Faultf("too-complex", "%d contexts within", len(List(v)))
	}
	for _, c := range List(v) {
		ctx, err := lookup(c, nil)
		switch {
		case err != nil:
			return err
		case !slices.Contains(x.own, c):
			return Faultf("unknown-context", "a context within names %.200q, which the document's own does not", c)
		case !a.says(ctx):
			return Faultf("unknown-context", "a context within changes what words mean: contexts are not signed")
		}
	}
	return nil
}

// word is what the contexts say of a key. One statement may be written with one word only, in all the contexts that we
// know: an alias would be signed alike, and not be seen by those who look for the word.
func word(k string, a *active) (*term, error) {
	t, ok := a.find(k)
	if !ok {
		return nil, Faultf("unknown-term", "the word %.60q is in none of the contexts", k)
	}
	if t.alias != "" {
		return nil, Faultf("unknown-term", "%.60q is another word for %q", k, t.alias)
	}
	return t, nil
}

// types says what the node is, and brings in what its types define.
func (x *expander) types(o Object, self node, outer *active, graph node) (*active, error) {
	inner := outer
	var names []string
	if v, named := o["type"]; named && v == nil {
		return nil, Faultf("malformed", "a type is null")
	}
	if len(List(o["type"])) > maxTypes {
		return nil, Faultf("too-complex", "a node of more than %d types", maxTypes)
	}
	for _, v := range List(o["type"]) {
		name, ok := v.(string)
		if !ok {
			return nil, Faultf("malformed", "a type is no string")
		}
		names = append(names, name)
	}
	for _, name := range names {
		full := name
		if t, ok := outer.find(name); ok {
			full = t.iri
		} else if !absolute(name, outer) {
			return nil, Faultf("unknown-term", "the type %.60q is in none of the contexts", name)
		}
		if err := x.emit(quad{self, rdf + "type", node{kind: iri, value: full}, graph}); err != nil {
			return nil, err
		}
	}
	slices.Sort(names) // JSON-LD 1.1, expansion step 11: in lexicographical order
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

// property says what o says of self. A single value is read as the node's types have it, and so is an id alone; what
// nested nodes are is read as it was before them, for a type's context does not reach further in (JSON-LD 1.1,
// expansion step 7).
func (x *expander) property(self node, t *term, v any, inner, outer *active, graph node) error {
	if t.typ == "@json" {
		return x.jsonLiteral(self, t, v, graph)
	}
	if v == nil {
		return nil
	}
	s := scopes{inner, outer}
	if t.scoped != nil {
		var err error
		if s.inner, err = inner.with(t.scoped, true); err != nil {
			return err
		}
		if s.outer, err = outer.with(t.scoped, true); err != nil {
			return err
		}
	}
	if t.container == inList {
		return x.listOf(self, t, List(v), s, graph)
	}
	return x.each(List(v), func(v any) error {
		n, err := x.value(t, v, s, graph)
		if err != nil {
			return err
		}
		return x.emit(quad{self, t.iri, n, graph})
	})
}

// scopes are the contexts in force for a property's values: for a single value, and for a nested node.
type scopes struct{ inner, outer *active }

// each goes through a list. Lists in lists are refused: no badge has them, and readers differ on what they mean.
func (x *expander) each(vs []any, do func(any) error) error {
	for _, v := range vs {
		if v == nil {
			continue
		}
		if _, ok := v.([]any); ok {
			return Faultf("malformed", "a list within a list")
		}
		if err := do(v); err != nil {
			return err
		}
	}
	return nil
}

// listOf emits the values of an ordered list (rdf:first, rdf:rest).
func (x *expander) listOf(self node, t *term, vs []any, s scopes, graph node) error {
	var items []node
	err := x.each(vs, func(v any) error {
		n, err := x.value(t, v, s, graph)
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

// jsonLiteral emits a value of type @json as a literal in canonical JSON.
func (x *expander) jsonLiteral(self node, t *term, v any, graph node) error {
	b, err := JCS(v)
	if err != nil {
		return err
	}
	return x.emit(quad{self, t.iri, node{kind: literal, value: string(b), datatype: rdf + "JSON"}, graph})
}

// value is the node for one value of a term.
func (x *expander) value(t *term, v any, s scopes, graph node) (node, error) {
	if o, ok := v.(Object); ok {
		if _, ok := o["@value"]; ok {
			return spoken(t, o)
		}
		if _, ok := o["id"]; ok && len(o) == 1 {
			return x.nested(t, o, s.inner, graph) // it is a reference, and no node of its own
		}
		return x.nested(t, o, s.outer, graph)
	}
	if t.container == inGraph {
		return node{}, Faultf("malformed", "%s: want an object", t.name)
	}
	switch v := v.(type) {
	case string:
		return reference(t, v, s.inner)
	case bool:
		return typed(strconv.FormatBool(v), t.typ, xsd+"boolean"), nil
	case json.Number:
		return number(v, t)
	}
	return node{}, Faultf("malformed", "%s: a value that is none", t.name)
}

// nested expands a nested object under its own context.
func (x *expander) nested(t *term, o Object, a *active, graph node) (node, error) {
	for k := range o {
		if strings.HasPrefix(k, "@") && k != "@context" {
			return node{}, Faultf("unknown-term", "%s: the keyword %.30q is not read", t.name, k)
		}
	}
	if t.container != inGraph {
		return x.node(o, a, graph, false)
	}
	g := x.blank()
	_, err := x.node(o, a, g, false)
	return g, err
}

// spoken is a text with its language, as the VC data model writes names and descriptions (section 11.1): {"@value": …,
// "@language": …}. A direction of writing is refused, because it would not be signed.
func spoken(t *term, o Object) (node, error) {
	text, ok := o["@value"].(string)
	lang, hasLang := o["@language"].(string)
	if !ok || len(o) > 2 || len(o) == 2 && !hasLang || t.typ != "" {
		return node{}, Faultf("malformed", "%s: a value object of a form that is not read", t.name)
	}
	if !hasLang {
		return node{kind: literal, value: text, datatype: xsdString}, nil
	}
	if !languageTag(lang) {
		return node{}, Faultf("malformed", "%s: %.40q is no language", t.name, lang)
	}
	return node{kind: literal, value: text, datatype: langString, lang: strings.ToLower(lang)}, nil
}

// languageTag reports whether s has the form of BCP 47: parts of one to eight letters or digits, the first of letters.
func languageTag(s string) bool {
	for i, part := range strings.Split(s, "-") {
		if len(part) < 1 || len(part) > 8 {
			return false
		}
		for _, c := range []byte(part) {
			if letter := 'a' <= c|0x20 && c|0x20 <= 'z'; !letter && (i == 0 || c < '0' || c > '9') {
				return false
			}
		}
	}
	return true
}

// reference is a string as its term means it: the id of a node, a word of the contexts, or a text.
func reference(t *term, s string, a *active) (node, error) {
	if t.typ != "@id" && t.typ != "@vocab" {
		return typed(s, t.typ, xsdString), nil
	}
	if t.typ == "@vocab" {
		if w, ok := a.find(s); ok {
			return node{kind: iri, value: w.iri}, nil
		}
	}
	if !absolute(s, a) {
		return node{}, Faultf("relative-iri", "%s: %.100q is not absolute", t.name, s)
	}
	return node{kind: iri, value: s}, nil
}

// typed is a literal of the wanted datatype, or of plain if none is wanted.
func typed(text, want, plain string) node {
	if want == "" || strings.HasPrefix(want, "@") {
		want = plain
	}
	return node{kind: literal, value: text, datatype: want}
}

// number writes a number as JSON-LD 1.1's «Data Round Tripping» says: a whole number below 1e21 in all its digits, all
// else as a canonical double of 16 digits. jsonld.js, which others sign with, takes for whole what ECMAScript, and so
// RFC 8785, writes without a point: 1e-7 would be 0 there, and is refused.
func number(n json.Number, t *term) (node, error) {
	f, err := n.Float64()
	if err != nil || t.typ == "@id" || t.typ == "@vocab" {
		return node{}, Faultf("malformed", "%s: the number %.40s is out of place", t.name, n)
	}
	if f == 0 {
		f = 0 // not -0
	}
	if f != 0 && math.Abs(f) < 1e-6 && !strings.Contains(strconv.FormatFloat(f, 'e', -1, 64), ".") {
		return node{}, Faultf("malformed", "%s: the number %.40s is so small that readers write it differently", t.name, n)
	}
	if f == math.Trunc(f) && math.Abs(f) < 1e21 && t.typ != xsd+"double" {
		return typed(strconv.FormatFloat(f, 'f', 0, 64), t.typ, xsd+"integer"), nil
	}
	mant, exp, _ := strings.Cut(strconv.FormatFloat(f, 'E', 15, 64), "E")
	mant = strings.TrimRight(mant, "0")
	if strings.HasSuffix(mant, ".") {
		mant += "0"
	}
	e, _ := strconv.Atoi(exp)
	return typed(mant+"E"+strconv.Itoa(e), t.typ, xsd+"double"), nil
}

// absolute reports whether s is an IRI that means the same everywhere: with a scheme, one that no context could expand,
// and well formed, for some processors leave out statements with others.
func absolute(s string, a *active) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || scheme == "" || rest == "" || scheme == "_" {
		return false
	}
	for i := range len(scheme) {
		c := scheme[i]
		if letter := 'a' <= c|0x20 && c|0x20 <= 'z'; !letter &&
			(i == 0 || !strings.Contains("0123456789+-.", scheme[i:i+1])) {
			return false
		}
	}
	if !wellFormed(rest) {
		return false
	}
	if strings.HasPrefix(rest, "//") {
		if _, err := url.Parse(s); err != nil { // its host and port
			return false
		}
	}
	_, word := a.find(scheme)
	return !word
}

// wellFormed reports whether what follows a scheme has only what an IRI may have (RFC 3987, section 2.2), and each %
// its two digits.
func wellFormed(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c <= 0x20 || c == 0x7f,
			c == '<' || c == '>' || c == '"' || c == '{' || c == '}' || c == '|' || c == '^' || c == '`' || c == '\\':
			return false
		case c == '%':
			if len(s)-i < 3 || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return false
			}
		}
	}
	return true
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }
