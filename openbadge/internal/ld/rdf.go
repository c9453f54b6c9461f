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
	// maxQuads and maxText limit the work on a document: the number of its statements, and their size in bytes. A
	// badge has about 40 statements. A badge with an embedded image may have a megabyte of text, but only in one
	// statement.
	maxQuads    = 5000
	maxText     = 2 * MaxBytes
	maxListText = MaxListBytes + maxText
	maxTypes    = 16 // largest accepted number of types of one node
)

// node is the subject, object or graph of a quad.
type node struct {
	kind     kind
	value    string // an IRI, the label of a blank node, or the text of a literal, depending on the kind
	datatype string // datatype IRI of a literal; empty for other kinds
	lang     string
}

// kind is the kind of a node: IRI, blank node or literal.
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

// expander converts a JSON-LD document with known terms to quads.
type expander struct {
	quads  []quad
	blanks int
	text   int    // size of the quads so far, in bytes
	most   int    // largest accepted size of the quads, in bytes
	root   string // the id of the document
	own    []any  // the addresses that the document's @context names
	again  int    // number of nested contexts read so far
}

// toRDF returns the document's statements. Every term must be known, and every id and every type must be absolute.
func toRDF(doc Object, a *active, most int) ([]quad, error) {
	x := &expander{root: Str(doc, "id"), own: List(doc["@context"]), most: most}
	if _, err := x.node(doc, a, node{}, true); err != nil {
		return nil, err
	}
	return x.quads, nil
}

// blank returns a new blank node.
func (x *expander) blank() node {
	x.blanks++
	return node{kind: blank, value: "b" + strconv.Itoa(x.blanks-1)}
}

// emit adds a statement to the quads, or returns an error if a limit is exceeded.
func (x *expander) emit(q quad) error {
	x.text += len(q.s.value) + len(q.p) + len(q.o.value) + len(q.o.datatype)
	if len(x.quads) >= maxQuads || x.text > x.most {
		return Faultf("too-complex", "more than %d statements, or %d bytes of statements", maxQuads, x.most)
	}
	x.quads = append(x.quads, q)
	return nil
}

// node converts an object to statements, and returns its node. The argument outer is the active context around the
// object; it is needed because the context of a type does not apply to nested nodes.
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
		return node{}, Faultf("malformed", "an id is not a string")
	}
	if !top && self.value == x.root && self.kind == iri {
		if err := rejectContent(o); err != nil {
			return node{}, err
		}
	}
	if c, ok := o["@context"]; ok && !top {
		if err := x.checkNestedContext(c, outer); err != nil {
			return node{}, err
		}
	}
	inner, err := x.addTypes(o, self, outer, graph)
	if err != nil {
		return node{}, err
	}
	if self.kind == iri && !isAbsolute(self.value, inner) { // the prefixes that the types define also apply to the id
		return node{}, Faultf("relative-iri", "the id %.100q is not an absolute IRI", self.value)
	}
	for _, k := range slices.Sorted(maps.Keys(o)) {
		if k == "id" || k == "type" || k == "@context" {
			continue
		}
		t, err := definition(k, inner)
		if err != nil {
			return node{}, err
		}
		if err := x.addProperty(self, t, o[k], inner, outer, graph); err != nil {
			return node{}, err
		}
	}
	return self, nil
}

// rejectContent returns an error if a second node has the credential's id and also has content. A signature does not
// cover the position of a statement. An attacker could therefore move the issuer's statements to a second node. The
// signature would stay valid, and readers of the credential would miss these statements.
func rejectContent(o Object) error {
	for k := range o {
		if k != "id" && k != "type" {
			return Faultf("ambiguous", "a second node with the credential's id has the key %.60q", k)
		}
	}
	return nil
}

// maxAgain is the largest accepted number of nodes that have their own contexts. Endorsements have such nodes, and
// 1EdTech's most complete sample has five of them.
const maxAgain = 64

// checkNestedContext checks the @context of a nested node. The node may repeat contexts of the document, as
// endorsements do, if every term still has the same meaning.
func (x *expander) checkNestedContext(v any, a *active) error {
	if x.again++; x.again > maxAgain {
		return Faultf("too-complex", "more than %d nodes with a context", maxAgain)
	}
	if v == nil {
		return Faultf("unknown-context", "the context of a node is null, which removes all definitions")
	}
	if len(List(v)) > maxContexts {
		return Faultf("too-complex", "%d contexts in a node, want at most %d", len(List(v)), maxContexts)
	}
	for _, c := range List(v) {
		ctx, err := lookup(c, nil)
		switch {
		case err != nil:
			return err
		case !slices.Contains(x.own, c):
			return Faultf("unknown-context", "the context of a node names %.200q, which the document's context does not", c)
		case !a.contains(ctx):
			return Faultf("unknown-context", "the context of a node changes definitions, and no signature covers contexts")
		}
	}
	return nil
}

// definition returns the definition of a key in the active context. If the key is an alias, an error is returned: the
// signature would be the same, but readers who look for the other term would miss the value.
func definition(k string, a *active) (*term, error) {
	t, ok := a.find(k)
	if !ok {
		return nil, Faultf("unknown-term", "the term %.60q is in none of the contexts", k)
	}
	if t.alias != "" {
		return nil, Faultf("unknown-term", "%.60q is an alias of %q", k, t.alias)
	}
	return t, nil
}

// addTypes adds statements for the types of a node, and returns the context with the definitions of these types.
func (x *expander) addTypes(o Object, self node, outer *active, graph node) (*active, error) {
	inner := outer
	var names []string
	if v, named := o["type"]; named && v == nil {
		return nil, Faultf("malformed", "a type is null")
	}
	if len(List(o["type"])) > maxTypes {
		return nil, Faultf("too-complex", "a node has more than %d types", maxTypes)
	}
	for _, v := range List(o["type"]) {
		name, ok := v.(string)
		if !ok {
			return nil, Faultf("malformed", "a type is not a string")
		}
		names = append(names, name)
	}
	for _, name := range names {
		full := name
		if t, ok := outer.find(name); ok {
			full = t.iri
		} else if !isAbsolute(name, outer) {
			return nil, Faultf("unknown-term", "the type %.60q is in none of the contexts", name)
		}
		if err := x.emit(quad{self, rdf + "type", node{kind: iri, value: full}, graph}); err != nil {
			return nil, err
		}
	}
	slices.Sort(names) // JSON-LD 1.1, expansion step 11: process the types in lexicographical order
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

// addProperty adds statements for the values of a property. For a plain value, or an object that has only an id, the
// context of the node's types applies. For nested nodes, the context without these types applies (JSON-LD 1.1,
// expansion step 7).
func (x *expander) addProperty(self node, t *term, v any, inner, outer *active, graph node) error {
	if t.typ == "@json" {
		return x.addJSON(self, t, v, graph)
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
		return x.addList(self, t, List(v), s, graph)
	}
	return x.each(List(v), func(v any) error {
		n, err := x.valueNode(t, v, s, graph)
		if err != nil {
			return err
		}
		return x.emit(quad{self, t.iri, n, graph})
	})
}

// scopes contains the two contexts for a property's values: inner for a plain value, and outer for a nested node.
type scopes struct{ inner, outer *active }

// each calls the function do for each element of a list. each rejects lists inside lists, because no badge needs them
// and processors treat them differently.
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

// addList adds the statements of an ordered list: linked cells with rdf:first and rdf:rest.
func (x *expander) addList(self node, t *term, vs []any, s scopes, graph node) error {
	var items []node
	err := x.each(vs, func(v any) error {
		n, err := x.valueNode(t, v, s, graph)
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

// addJSON adds a statement with a value of type @json, in canonical JSON.
func (x *expander) addJSON(self node, t *term, v any, graph node) error {
	b, err := JCS(v)
	if err != nil {
		return err
	}
	return x.emit(quad{self, t.iri, node{kind: literal, value: string(b), datatype: rdf + "JSON"}, graph})
}

// valueNode converts one value to a node, which is a literal, a reference or a nested object.
func (x *expander) valueNode(t *term, v any, s scopes, graph node) (node, error) {
	if o, ok := v.(Object); ok {
		if _, ok := o["@value"]; ok {
			return languageLiteral(t, o)
		}
		if _, ok := o["id"]; ok && len(o) == 1 {
			return x.nested(t, o, s.inner, graph) // an object that has only an id is a reference
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
		return typedLiteral(strconv.FormatBool(v), t.typ, xsd+"boolean"), nil
	case json.Number:
		return numberLiteral(v, t)
	}
	return node{}, Faultf("malformed", "%s: invalid value", t.name)
}

// nested converts a nested object to statements, and returns its node.
func (x *expander) nested(t *term, o Object, a *active, graph node) (node, error) {
	for k := range o {
		if strings.HasPrefix(k, "@") && k != "@context" {
			return node{}, Faultf("unknown-term", "%s: unsupported keyword %.30q", t.name, k)
		}
	}
	if t.container != inGraph {
		return x.node(o, a, graph, false)
	}
	g := x.blank()
	_, err := x.node(o, a, g, false)
	return g, err
}

// languageLiteral converts a text with a language, the form of names and descriptions in the VC data model (section
// 11.1): {"@value": …, "@language": …}. It rejects a text with a direction, because no signature would cover the
// direction.
func languageLiteral(t *term, o Object) (node, error) {
	text, ok := o["@value"].(string)
	lang, hasLang := o["@language"].(string)
	if !ok || len(o) > 2 || len(o) == 2 && !hasLang || t.typ != "" {
		return node{}, Faultf("malformed", "%s: unsupported form of value object", t.name)
	}
	if !hasLang {
		return node{kind: literal, value: text, datatype: xsdString}, nil
	}
	if !languageTag(lang) {
		return node{}, Faultf("malformed", "%s: invalid language tag %.40q", t.name, lang)
	}
	return node{kind: literal, value: text, datatype: langString, lang: strings.ToLower(lang)}, nil
}

// languageTag reports whether s has the form of BCP 47: parts of one to eight letters or digits, and the first part has
// only letters.
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

// reference converts a string as the definition of its term requires: to the id of a node, to a term of the contexts,
// or to a text.
func reference(t *term, s string, a *active) (node, error) {
	if t.typ != "@id" && t.typ != "@vocab" {
		return typedLiteral(s, t.typ, xsdString), nil
	}
	if t.typ == "@vocab" {
		if w, ok := a.find(s); ok {
			return node{kind: iri, value: w.iri}, nil
		}
	}
	if !isAbsolute(s, a) {
		return node{}, Faultf("relative-iri", "%s: %.100q is not an absolute IRI", t.name, s)
	}
	return node{kind: iri, value: s}, nil
}

// typedLiteral returns a literal with the datatype want. If want does not name a datatype, the literal has the
// datatype plain.
func typedLiteral(text, want, plain string) node {
	if want == "" || strings.HasPrefix(want, "@") {
		want = plain
	}
	return node{kind: literal, value: text, datatype: want}
}

// numberLiteral converts a number as JSON-LD 1.1, "Data Round Tripping", requires: an integer below 1e21 with all
// digits, any other number as a canonical double of 16 digits. jsonld.js, which other issuers use, treats a number as
// an integer if ECMAScript (and so RFC 8785) writes the number without a point. jsonld.js would convert 1e-7 to 0, so
// numberLiteral rejects such numbers.
func numberLiteral(n json.Number, t *term) (node, error) {
	f, err := n.Float64()
	if err != nil || t.typ == "@id" || t.typ == "@vocab" {
		return node{}, Faultf("malformed", "%s: misplaced number %.40s", t.name, n)
	}
	if f == 0 {
		f = 0 // adding 0 removes the sign of -0
	}
	if f != 0 && math.Abs(f) < 1e-6 && !strings.Contains(strconv.FormatFloat(f, 'e', -1, 64), ".") {
		return node{}, Faultf("malformed", "%s: the number %.40s is so small that readers write it differently", t.name, n)
	}
	if f == math.Trunc(f) && math.Abs(f) < 1e21 && t.typ != xsd+"double" {
		return typedLiteral(strconv.FormatFloat(f, 'f', 0, 64), t.typ, xsd+"integer"), nil
	}
	mant, exp, _ := strings.Cut(strconv.FormatFloat(f, 'E', 15, 64), "E")
	mant = strings.TrimRight(mant, "0")
	if strings.HasSuffix(mant, ".") {
		mant += "0"
	}
	e, _ := strconv.Atoi(exp)
	return typedLiteral(mant+"E"+strconv.Itoa(e), t.typ, xsd+"double"), nil
}

// isAbsolute reports whether s is an absolute IRI with the same meaning for all processors. The scheme must not be a
// term of the context, because the text would then be a compact IRI. The IRI must be well-formed, because some
// processors omit statements with malformed IRIs.
func isAbsolute(s string, a *active) bool {
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
	if !isWellFormed(rest) {
		return false
	}
	if strings.HasPrefix(rest, "//") {
		if _, err := url.Parse(s); err != nil { // url.Parse checks host and port
			return false
		}
	}
	_, word := a.find(scheme)
	return !word
}

// isWellFormed reports whether the part after the scheme has only characters of an IRI (RFC 3987, section 2.2), with
// two digits after each percent sign.
func isWellFormed(s string) bool {
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

// isHex reports whether the character c is a hexadecimal digit.
func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }
