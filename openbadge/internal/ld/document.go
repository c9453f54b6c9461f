package ld

import (
	"crypto"
	"maps"
	"slices"
)

// Document is a JSON-LD document whose words are all known. What it says is put into canonical form once for each hash,
// whatever the number of its proofs. It is not safe for concurrent use.
type Document struct {
	Words Object
	terms *active
	quads []quad // what it says, its proofs apart
	texts map[crypto.Hash]canonical
	most  int  // bytes of statements that it may have
	work  *int // on canonical forms so far, of this document and of all that With makes of it
}

// canonical is a canonical form, or why there is none.
type canonical struct {
	text []byte
	err  error
}

// Open reads the words of a document but for its proofs: each must be known, each id and type absolute. The error is a
// Fault.
func Open(words Object) (*Document, error) { return open(words, nil, maxText) }

// OpenList is Open of a status list, whose one long text may be longer than a badge's. What it is longer is not counted
// as work where it is put into one form, and hashed once for a subject that has no id.
func OpenList(words Object) (*Document, error) {
	d, err := open(words, nil, maxListText)
	if err == nil {
		*d.work = -2 * max(0, len(Str(Obj(words, "credentialSubject"), "encodedList"))-MaxBytes)
	}
	return d, err
}

// Extra are contexts that a test knows besides: the words of each, by its address.
type Extra map[string]map[string]string

// OpenKnowing is Open with contexts that are none of Open Badges'. Only tests on other people's documents have a use
// for it.
func OpenKnowing(words Object, extra Extra) (*Document, error) { return open(words, extra, maxText) }

// open expands a document and converts it to statements. most bounds their size in bytes.
func open(words Object, extra Extra, most int) (*Document, error) {
	terms, err := contexts(words["@context"], extra)
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

// With is the document with some of its proofs among what it says: what a proof signs that follows those (VC Data
// Integrity 1.0, section 4.5). All canonical forms of all of them together are under one limit of work. The error is a
// Fault.
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

// Values are objects as a JSON array holds them.
func Values(objects []Object) []any {
	out := make([]any, len(objects))
	for i, o := range objects {
		out[i] = o
	}
	return out
}

// Canonical is what the document says, its proofs apart, as canonical N-Quads: RDFC-1.0 with SHA-256 or SHA-384. The
// caller does not change it.
func (d *Document) Canonical(h crypto.Hash) ([]byte, error) {
	c, done := d.texts[h]
	if !done {
		d.quads = dataset(d.quads)
		c.text, c.err = spending(d.work, d.quads, h)
		d.texts[h] = c
	}
	return c.text, c.err
}

// JCS is words, which are the document's or nearly so, as canonical JSON, under the limit of work of all its canonical
// forms.
func (d *Document) JCS(words Object) ([]byte, error) {
	if err := affordable(*d.work); err != nil {
		return nil, err
	}
	b, err := JCS(words)
	*d.work += len(b) / 2
	return b, err
}

// CanonicalOptions is what a proof's options say under the document's contexts, as canonical N-Quads.
func (d *Document) CanonicalOptions(options Object, h crypto.Hash) ([]byte, error) {
	quads, err := toRDF(options, d.terms, maxText)
	if err != nil {
		return nil, err
	}
	return canonicalise(dataset(quads), h)
}

// table makes a context of a test's words.
func table(words map[string]string) *context {
	c := &context{}
	for _, name := range slices.Sorted(maps.Keys(words)) {
		c.terms = append(c.terms, term{name: name, iri: words[name]})
	}
	return c
}
