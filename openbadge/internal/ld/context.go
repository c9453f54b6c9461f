package ld

import "slices"

// The contexts of what we issue.
const (
	VC         = "https://www.w3.org/ns/credentials/v2"
	OB         = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"
	Extensions = "https://purl.imsglobal.org/spec/ob/v3p0/extensions.json"
)

// container says how the values of a term stand together.
type container uint8

const (
	inSet   container = iota + 1 // in no order, as without a container
	inList                       // in an order that counts
	inGraph                      // each in a graph of its own
)

// term is what a context says of a word.
type term struct {
	name      string
	iri       string
	typ       string // an IRI, @id, @vocab or @json; empty: as it stands
	alias     string // the word that says the same; empty: this one alone says it
	container container
	scoped    *context // holds for the term's values, or for nodes of this type
}

// context is a compiled JSON-LD context; its terms are in the order of their names. id and type are every context's
// words for @id and @type.
type context struct {
	protected bool   // none may say its terms differently, but for the scope of a property
	leans     []term // prefixes that it takes from around it, with the meaning that it was compiled with; empty: none
	terms     []term
}

// refused stands where a context says null: nothing of what follows can be read.
var refused = context{}

// find looks a term up by binary search. Terms are sorted by name.
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

// same reports whether two contexts mean the same by a term, and by all that is scoped to it.
func (t *term) same(o *term) bool {
	return t == o || t.iri == o.iri && t.typ == o.typ && t.container == o.container && t.scoped.same(o.scoped)
}

// same reports whether two contexts define the same terms in the same way.
func (c *context) same(o *context) bool {
	if c == o || c == nil || o == nil {
		return c == o
	}
	sameTerm := func(x, y term) bool { return x.name == y.name && x.same(&y) }
	return c.protected == o.protected && slices.EqualFunc(c.terms, o.terms, sameTerm) &&
		slices.EqualFunc(c.leans, o.leans, sameTerm)
}

// active is a stack of contexts: the last word on a term counts. It is never changed, only extended.
type active struct {
	ctx      *context
	up       *active
	override bool // it is the scope of a property, and may say protected terms differently
}

// find looks a term up in the innermost context that defines it.
func (a *active) find(name string) (*term, bool) {
	for ; a != nil; a = a.up {
		if t, ok := a.ctx.find(name); ok {
			return t, true
		}
	}
	return nil, false
}

// protected reports whether the term is protected: where an unprotected context says a protected term again, and the
// same, it stays so.
func (a *active) protected(name string) bool {
	for ; a != nil; a = a.up {
		if _, ok := a.ctx.find(name); ok && (a.ctx.protected || a.override) {
			return a.ctx.protected
		}
	}
	return false
}

// with puts c on top. To say a protected term differently is an error, but for the scope of a property (JSON-LD 1.1,
// create term definition, step 27).
func (a *active) with(c *context, override bool) (*active, error) {
	if c == &refused {
		return nil, Faultf("unsupported-form", "credentials within credentials are not read")
	}
	if err := a.holds(c); err != nil {
		return nil, err
	}
	for i := range c.terms {
		if override {
			break
		}
		t := &c.terms[i]
		if old, ok := a.find(t.name); ok && !old.same(t) && a.protected(t.name) {
			return nil, Faultf("unknown-context", "two contexts say %q differently", t.name)
		}
	}
	return &active{c, a, override}, nil
}

// holds checks that the prefixes that c leans on mean what it was compiled with.
func (a *active) holds(c *context) error {
	for _, prefix := range c.leans {
		iri := ""
		if t, ok := a.find(prefix.name); ok {
			iri = t.iri
		}
		if iri != prefix.iri {
			return Faultf("unknown-context", "one context takes %q from another that means something else by it", prefix.name)
		}
	}
	return nil
}

// says reports whether a context would change nothing: all its terms hold already, as it has them.
func (a *active) says(c *context) bool {
	for i := range c.terms {
		if old, ok := a.find(c.terms[i].name); !ok || !old.same(&c.terms[i]) {
			return false
		}
	}
	return a.holds(c) == nil
}

// maxContexts bounds what a credential may name: those we issue name two or three.
const maxContexts = 8

// contexts reads the @context of a credential: known addresses, in an array or alone.
func contexts(v any, extra Extra) (*active, error) {
	list := List(v)
	if len(list) > maxContexts {
		return nil, Faultf("too-complex", "%d contexts", len(list))
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
		return nil, Faultf("unknown-context", "there is no @context")
	}
	return a, nil
}

// otherForms are the contexts of Open Badges 1 and 2, whose documents are plain JSON: nobody signs their statements.
var otherForms = [...]string{
	"https://w3id.org/openbadges/v2",
	"https://openbadgespec.org/v2/context.json",
	"https://w3id.org/openbadges/v1",
	"https://openbadgespec.org/v1/context.json",
}

// lookup is the context of an address, if it is one that we know.
func lookup(v any, extra Extra) (*context, error) {
	url, ok := v.(string)
	if !ok {
		return nil, Faultf("unknown-context", "a context within the document is not read: contexts are not signed")
	}
	for i := range known {
		if known[i].url == url {
			return known[i].ctx, nil
		}
	}
	if words, ok := extra[url]; ok {
		return table(words), nil
	}
	if slices.Contains(otherForms[:], url) {
		return nil, Faultf("unsupported-form", "%s is of Open Badges 2.0, and this is read as Open Badges 3.0", url)
	}
	return nil, Faultf("unknown-context", "the context %.200q is not one we know", url)
}
