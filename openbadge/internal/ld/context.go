package ld

import (
	"slices"
	"sort"
)

// The contexts of what we issue.
const (
	VC         = "https://www.w3.org/ns/credentials/v2"
	OB         = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"
	Extensions = "https://purl.imsglobal.org/spec/ob/v3p0/extensions.json"
)

// container says how the values of a term stand together.
type container uint8

const (
	inList  container = 1 // in an order that counts
	inGraph container = 2 // each in a graph of its own
)

// term is what a context says of a word. The tables hold them in the order of their names.
type term struct {
	name      string
	iri       string
	typ       string // an IRI, @id, @vocab or @json; empty: as it stands
	container container
	scoped    *context // holds for the term's values, or for nodes of this type
}

// context is a compiled JSON-LD context. id and type are every context's words for @id and @type.
type context []term

// refused stands where a context says null: nothing of what follows can be read.
var refused = context{}

func (c *context) find(name string) (*term, bool) {
	t := *c
	i := sort.Search(len(t), func(i int) bool { return t[i].name >= name })
	if i < len(t) && t[i].name == name {
		return &t[i], true
	}
	return nil, false
}

// same reports whether two contexts mean the same by a term, and by all that is scoped to it.
func (t *term) same(o *term) bool {
	return t.iri == o.iri && t.typ == o.typ && t.container == o.container && t.scoped.same(o.scoped)
}

func (c *context) same(o *context) bool {
	if c == o || c == nil || o == nil {
		return c == o
	}
	if len(*c) != len(*o) {
		return false
	}
	for i := range *c {
		if x, y := &(*c)[i], &(*o)[i]; x.name != y.name || !x.same(y) {
			return false
		}
	}
	return true
}

// active is a stack of contexts: the last word on a term counts. It is never changed, only extended.
type active struct {
	ctx *context
	up  *active
}

func (a *active) find(name string) (*term, bool) {
	for ; a != nil; a = a.up {
		if t, ok := a.ctx.find(name); ok {
			return t, true
		}
	}
	return nil, false
}

// with puts c on top. All the contexts we know protect their terms: to say them differently is an error, but for the scope of a property.
func (a *active) with(c *context, override bool) (*active, error) {
	if c == &refused {
		return nil, Faultf("unsupported-form", "credentials within credentials are not read")
	}
	for i := range *c {
		if override {
			break
		}
		t := &(*c)[i]
		if old, ok := a.find(t.name); ok && !old.same(t) {
			return nil, Faultf("unknown-context", "two contexts say %q differently", t.name)
		}
	}
	return &active{c, a}, nil
}

// maxContexts bounds what a credential may name: those we issue name two or three.
const maxContexts = 8

// contexts reads the @context of a credential: known addresses, in an array or alone.
func contexts(v any, extra Extra) (*active, error) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	if len(list) > maxContexts {
		return nil, Faultf("too-complex", "%d contexts", len(list))
	}
	var a *active
	for _, x := range list {
		url, ok := x.(string)
		if !ok {
			return nil, Faultf("unknown-context", "a context within the document is not read: contexts are not signed")
		}
		ctx := lookup(url)
		if words, ok := extra[url]; ok {
			ctx = table(words)
		}
		if ctx == nil && slices.Contains(otherForms[:], url) {
			return nil, Faultf("unsupported-form", "it is written under %s: this version reads Open Badges 3.0 on the data model 2.0", url)
		}
		if ctx == nil {
			return nil, Faultf("unknown-context", "the context %.200q is not one we know", url)
		}
		var err error
		if a, err = a.with(ctx, false); err != nil {
			return nil, err
		}
	}
	if a == nil {
		return nil, Faultf("unknown-context", "there is no @context")
	}
	return a, nil
}

// otherForms are the contexts of other versions of Open Badges, which have rules of their own.
var otherForms = [...]string{
	"https://www.w3.org/2018/credentials/v1", "https://purl.imsglobal.org/spec/ob/v3p0/context.json", "https://w3id.org/openbadges/v2",
	"https://openbadgespec.org/v2/context.json", "https://w3id.org/openbadges/v1", "https://openbadgespec.org/v1/context.json",
}

func lookup(url string) *context {
	for i := range known {
		if known[i].url == url {
			return known[i].ctx
		}
	}
	return nil
}
