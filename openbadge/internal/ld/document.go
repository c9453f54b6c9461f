package ld

import (
	"crypto"
	"maps"
	"slices"
)

// Document is a JSON-LD document whose words are all known. What it says is put into canonical form once for each hash, whatever
// the number of its proofs. It is not safe for concurrent use.
type Document struct {
	Words Object
	terms *active
	quads []quad // what it says, its proofs apart
	texts map[crypto.Hash]canonical
}

// canonical is a canonical form, or why there is none.
type canonical struct {
	text []byte
	err  error
}

// Open reads the words of a document but for its proofs: each must be known, each id and type absolute. The error is a Fault.
func Open(words Object) (*Document, error) { return OpenKnowing(words, nil) }

// Extra are contexts that a test knows besides: the words of each, by its address.
type Extra map[string]map[string]string

// OpenKnowing is Open with contexts that are none of Open Badges'. Only tests on other people's documents have a use for it.
func OpenKnowing(words Object, extra Extra) (*Document, error) {
	terms, err := contexts(words["@context"], extra)
	if err != nil {
		return nil, err
	}
	quads, err := toRDF(Without(words, "proof"), terms)
	if err != nil {
		return nil, err
	}
	return &Document{Words: words, terms: terms, quads: quads, texts: map[crypto.Hash]canonical{}}, nil
}

// Canonical is what the document says, its proofs apart, as canonical N-Quads: RDFC-1.0 with SHA-256 or SHA-384. The caller does
// not change it.
func (d *Document) Canonical(h crypto.Hash) ([]byte, error) {
	c, done := d.texts[h]
	if !done {
		d.quads = dataset(d.quads)
		c.text, c.err = canonicalise(d.quads, h)
		d.texts[h] = c
	}
	return c.text, c.err
}

// CanonicalOptions is what a proof's options say under the document's contexts, as canonical N-Quads.
func (d *Document) CanonicalOptions(options Object, h crypto.Hash) ([]byte, error) {
	quads, err := toRDF(options, d.terms)
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
