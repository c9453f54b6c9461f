package main

import (
	"log"
	"maps"
	"slices"
	"strings"
)

// table is a compiled context.
type table struct {
	protected bool
	terms     []*term
	// prefixes that this context takes from surrounding contexts, with their meaning there; an empty meaning means
	// undefined
	leans map[string]string
}

// term is a compiled term definition.
type term struct {
	name, iri, typ, container, alias string
	scoped                           *table
	null                             bool // the scoped context is the value null
}

// compiler compiles the context whose address is in the field at.
type compiler struct{ at string }

// fatal prints an error with the address of the context, and ends the program.
func (c *compiler) fatal(format string, a ...any) {
	log.Fatalf(c.at+": "+format, a...)
}

// scope looks up terms in a context and then in the surrounding contexts.
type scope struct {
	terms map[string]any
	table *table
	up    *scope
}

// compile compiles a context.
func (c *compiler) compile(terms map[string]any, up *scope) *table {
	out := &table{leans: map[string]string{}}
	s := &scope{terms, out, up}
	for _, name := range slices.Sorted(maps.Keys(terms)) {
		switch def := terms[name]; {
		case name == "@protected":
			out.protected = def.(bool)
		case name == "@version":
		case strings.HasPrefix(name, "@"):
			c.fatal("unsupported keyword %s", name)
		case name == "id" || name == "type":
			if def != "@"+name {
				c.fatal("%s is not @%s", name, name)
			}
		default:
			out.terms = append(out.terms, c.compileTerm(name, def, s))
		}
	}
	return out
}

// containers maps the supported containers to their names in the Go tables.
var containers = map[any]string{"@set": "inSet", "@list": "inList", "@graph": "inGraph"}

// compileTerm compiles a term definition.
func (c *compiler) compileTerm(name string, def any, s *scope) *term {
	t := &term{name: name}
	d, ok := def.(map[string]any)
	if !ok {
		d = map[string]any{"@id": def}
	}
	for k, v := range d {
		switch k {
		case "@id":
			t.iri = c.expandIRI(v.(string), s)
			if ok && t.iri != "" && strings.ContainsAny(t.iri[len(t.iri)-1:], ":/?#[]@") {
				c.fatal("%s looks like a prefix but is not one", name)
			}
		case "@type":
			if t.typ = v.(string); !slices.Contains([]string{"@id", "@vocab", "@json"}, t.typ) {
				t.typ = c.expandIRI(t.typ, s)
			}
		case "@container":
			if t.container = containers[v]; t.container == "" {
				c.fatal("%s: unsupported container %v", name, v)
			}
		case "@context":
			if t.null = v == nil; !t.null {
				t.scoped = c.compile(v.(map[string]any), s)
			}
		default:
			c.fatal("%s: unsupported keyword %s", name, k)
		}
	}
	if !strings.Contains(t.iri, ":") || strings.HasPrefix(t.iri, "@") {
		c.fatal("%s: invalid IRI %q", name, t.iri)
	}
	return t
}

// expandIRI expands a value: a term, prefix:rest, or an IRI. If a context uses a prefix that another context defines,
// the table records the prefix with its meaning.
func (c *compiler) expandIRI(word string, s *scope) string {
	prefix, rest, compact := strings.Cut(word, ":")
	if compact && strings.HasPrefix(rest, "//") {
		return word
	}
	def, from := s.find(prefix)
	switch def := def.(type) {
	case nil:
		if !compact {
			c.fatal("invalid IRI %q", word)
		}
		s.table.leans[prefix] = ""
		return word
	case string: // only a term with a simple definition is a prefix (JSON-LD 1.1, create term definition, step 14.2.5)
		if compact && strings.ContainsAny(def[len(def)-1:], ":/?#[]@") {
			if from != s {
				s.table.leans[prefix] = def
			}
			return c.expandIRI(def, from) + rest
		}
	case map[string]any:
		if !compact && from == s {
			return c.expandIRI(def["@id"].(string), from)
		}
	}
	c.fatal("%q depends on %q in an unsupported way", word, prefix)
	return ""
}

// find returns the definition of a name, and the scope in which it was found.
func (s *scope) find(name string) (any, *scope) {
	for ; s != nil; s = s.up {
		if v, ok := s.terms[name]; ok {
			return v, s
		}
	}
	return nil, nil
}
