package ld

import (
	"crypto"
	"maps"
	"slices"
)

// Document is a JSON-LD document in which all terms are known. The canonical form is calculated once for each hash
// algorithm, even if the document has several proofs. A Document must not be used concurrently.
type Document struct {
	Words Object
	terms *active
	quads []quad // statements of the document, without the statements of its proofs
	texts map[crypto.Hash]canonical
	most  int  // maximum size of the statements, in bytes
	work  *int // work spent on canonical forms, shared with all documents that With returns
}

// canonical holds a canonical form, or the error of its calculation.
type canonical struct {
	text []byte
	err  error
}

// Open reads a document and sets its proofs apart. Each term must be known, and each id and each type must be
// absolute. The error is a Fault.
func Open(words Object) (*Document, error) { return open(words, nil, maxText) }

// OpenList is Open for a status list. One text of a list may be longer than the limit for a badge. For one canonical
// form and one further hash, the additional length of this text does not count as work. A subject without an id needs
// this additional hash.
func OpenList(words Object) (*Document, error) {
	d, err := open(words, nil, maxListText)
	if err == nil {
		*d.work = -2 * max(0, len(Str(Obj(words, "credentialSubject"), "encodedList"))-MaxBytes)
	}
	return d, err
}

// Extra contains additional contexts for a test: for each address, the terms of the context with their IRIs.
type Extra map[string]map[string]string

// OpenKnowing is Open with additional contexts of a test. Only tests that use documents of other projects need
// additional contexts.
func OpenKnowing(words Object, extra Extra) (*Document, error) { return open(words, extra, maxText) }

// open is Open with additional contexts and a limit for the size of the statements in bytes.
func open(words Object, extra Extra, most int) (*Document, error) {
	terms, err := readContexts(words["@context"], extra)
	if err != nil {
		return nil, err
	}
	quads, err := toRDF(Without(words, "proof"), terms, most)
	if err != nil {
		return nil, err
	}
	return &Document{
		Words: words,
		terms: terms,
		quads: quads,
		texts: map[crypto.Hash]canonical{},
		most:  most,
		work:  new(int),
	}, nil
}

// With returns the document with some of its proofs as a part of its content. This content is what a proof with
// references to other proofs signs (VC Data Integrity 1.0, section 4.5). All documents that With returns share one
// limit of work for their canonical forms. The error is a Fault.
func (d *Document) With(proofs []Object) (*Document, error) {
	if len(proofs) == 0 {
		return d, nil
	}
	words := Without(d.Words, "proof")
	words["proof"] = Values(proofs)
	quads, err := toRDF(words, d.terms, d.most)
	if err != nil {
		return nil, err
	}
	return &Document{
		Words: words,
		terms: d.terms,
		quads: quads,
		texts: map[crypto.Hash]canonical{},
		most:  d.most,
		work:  d.work,
	}, nil
}

// Values returns the objects as a JSON array.
func Values(objects []Object) []any {
	out := make([]any, len(objects))
	for i, o := range objects {
		out[i] = o
	}
	return out
}

// Canonical returns the document's statements without its proofs as canonical N-Quads, by RDFC-1.0 with SHA-256 or
// SHA-384. The caller must not change the result.
func (d *Document) Canonical(h crypto.Hash) ([]byte, error) {
	c, done := d.texts[h]
	if !done {
		d.quads = sortedSet(d.quads)
		c.text, c.err = canonicaliseWithin(d.work, d.quads, h)
		d.texts[h] = c
	}
	return c.text, c.err
}

// JCS returns words as canonical JSON. The argument words contains the document's properties, possibly with other
// proofs. The size of the result counts towards the document's limit of work.
func (d *Document) JCS(words Object) ([]byte, error) {
	if err := checkWork(*d.work); err != nil {
		return nil, err
	}
	b, err := JCS(words)
	*d.work += len(b) / 2
	return b, err
}

// CanonicalOptions returns the statements of a proof's options as canonical N-Quads, with the document's contexts.
func (d *Document) CanonicalOptions(options Object, h crypto.Hash) ([]byte, error) {
	quads, err := toRDF(options, d.terms, maxText)
	if err != nil {
		return nil, err
	}
	return canonicalise(sortedSet(quads), h)
}

// contextOf returns a context that contains the terms of a test.
func contextOf(words map[string]string) *context {
	c := &context{}
	for _, name := range slices.Sorted(maps.Keys(words)) {
		c.terms = append(c.terms, term{name: name, iri: words[name]})
	}
	return c
}
