package ld

import "slices"

// These are the contexts of the badges that package openbadge issues.
const (
	VC         = "https://www.w3.org/ns/credentials/v2"
	OB         = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"
	Extensions = "https://purl.imsglobal.org/spec/ob/v3p0/extensions.json"
)

// container is the container mapping of a term in JSON-LD.
type container uint8

const (
	inSet   container = iota + 1 // the order of the values has no meaning, as for values without a container
	inList                       // the order of the values has a meaning (@list)
	inGraph                      // each value is in its own graph (@graph)
)

// term is a term definition of a context.
type term struct {
	name      string
	iri       string
	typ       string // type of the term's values: an IRI, @id, @vocab or @json; empty if the term has no type
	alias     string // another term with the same IRI; empty if there is no such term
	container container
	scoped    *context // context that applies inside the term's values, or inside nodes of this type; nil if there is none
}

// context is a compiled JSON-LD context. The terms of a context are sorted by name. In every context, id and type are
// the terms for @id and @type.
type context struct {
	protected bool // no other context may redefine the terms of this context, except in the scope of a property
	// prefixes that this context takes from surrounding contexts, with their meaning at compilation; an empty IRI means
	// undefined
	leans []term
	terms []term
}

// refused represents the value null where a context is expected. The package rejects a document that uses a null
// context.
var refused = context{}

// find returns the definition of a term, by binary search.
func (c *context) find(name string) (*term, bool) {
	lo, hi := 0, len(c.terms)
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		switch t := &c.terms[mid]; {
		case t.name == name:
			return t, true
		case t.name < name:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return nil, false
}

// same reports whether two terms have the same meaning and scoped contexts with the same meaning.
func (t *term) same(o *term) bool {
	return t == o || t.iri == o.iri && t.typ == o.typ && t.container == o.container && t.scoped.same(o.scoped)
}

// same reports whether two contexts define the same terms with the same meanings.
func (c *context) same(o *context) bool {
	if c == o || c == nil || o == nil {
		return c == o
	}
	sameTerm := func(x, y term) bool { return x.name == y.name && x.same(&y) }
	return c.protected == o.protected && slices.EqualFunc(c.terms, o.terms, sameTerm) &&
		slices.EqualFunc(c.leans, o.leans, sameTerm)
}

// active is a stack of contexts. If several contexts define a term, the last definition is valid. An active stack
// never changes: adding a context makes a new value.
type active struct {
	ctx      *context
	up       *active
	override bool // this context is the scope of a property, so it may redefine protected terms
}

// find returns the last definition of a term.
func (a *active) find(name string) (*term, bool) {
	for ; a != nil; a = a.up {
		if t, ok := a.ctx.find(name); ok {
			return t, true
		}
	}
	return nil, false
}

// isProtected reports whether the term is protected by a context of the stack. A protected term stays protected if an
// unprotected context repeats its definition.
func (a *active) isProtected(name string) bool {
	for ; a != nil; a = a.up {
		if _, ok := a.ctx.find(name); ok && (a.ctx.protected || a.override) {
			return a.ctx.protected
		}
	}
	return false
}

// with returns a new stack with the context c on top. An error is returned if c redefines a protected term, unless c
// is the scope of a property (JSON-LD 1.1, create term definition, step 27).
func (a *active) with(c *context, override bool) (*active, error) {
	if c == &refused {
		return nil, Faultf("unsupported-form", "embedded credentials are not supported")
	}
	if err := a.checkPrefixes(c); err != nil {
		return nil, err
	}
	for i := range c.terms {
		if override {
			break
		}
		t := &c.terms[i]
		if old, ok := a.find(t.name); ok && !old.same(t) && a.isProtected(t.name) {
			return nil, Faultf("unknown-context", "two contexts define %q differently", t.name)
		}
	}
	return &active{c, a, override}, nil
}

// checkPrefixes checks that the prefixes in c.leans still have the meaning that they had at compilation.
func (a *active) checkPrefixes(c *context) error {
	for _, prefix := range c.leans {
		iri := ""
		if t, ok := a.find(prefix.name); ok {
			iri = t.iri
		}
		if iri != prefix.iri {
			return Faultf("unknown-context", "a context needs the prefix %q, which another one defines differently", prefix.name)
		}
	}
	return nil
}

// contains reports whether the stack already has all terms of the context with the same definitions. If contains
// returns true, adding the context would change nothing.
func (a *active) contains(c *context) bool {
	for i := range c.terms {
		if old, ok := a.find(c.terms[i].name); !ok || !old.same(&c.terms[i]) {
			return false
		}
	}
	return a.checkPrefixes(c) == nil
}

// maxContexts is the maximum number of contexts of a credential. Known badges have two or three contexts.
const maxContexts = 8

// readContexts reads the @context of a credential: one known address, or an array of known addresses.
func readContexts(v any, extra Extra) (*active, error) {
	list := List(v)
	if len(list) > maxContexts {
		return nil, Faultf("too-complex", "%d contexts, want at most %d", len(list), maxContexts)
	}
	var a *active
	for _, x := range list {
		ctx, err := lookup(x, extra)
		if err == nil {
			a, err = a.with(ctx, false)
		}
		if err != nil {
			return nil, err
		}
	}
	if a == nil {
		return nil, Faultf("unknown-context", "@context is missing")
	}
	return a, nil
}

// otherForms are the contexts of Open Badges 1 and 2. Documents with these contexts are plain JSON and not signed as
// statements.
var otherForms = [...]string{
	"https://w3id.org/openbadges/v2",
	"https://openbadgespec.org/v2/context.json",
	"https://w3id.org/openbadges/v1",
	"https://openbadgespec.org/v1/context.json",
}

// lookup returns the context for an address, or an error for an unknown address.
func lookup(v any, extra Extra) (*context, error) {
	url, ok := v.(string)
	if !ok {
		return nil, Faultf("unknown-context", "embedded contexts are not supported, as no signature covers them")
	}
	for i := range known {
		if known[i].url == url {
			return known[i].ctx, nil
		}
	}
	if words, ok := extra[url]; ok {
		return contextOf(words), nil
	}
	if slices.Contains(otherForms[:], url) {
		return nil, Faultf("unsupported-form", "%s belongs to Open Badges 1 or 2, want a context of Open Badges 3.0", url)
	}
	return nil, Faultf("unknown-context", "unknown context %.200q", url)
}
