package ld

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"slices"
	"sort"
	"strconv"
)

// maxWork limits the work for naming a document's blank nodes; the unit is a byte that is hashed, compared or copied.
// A badge needs a few thousand bytes of work. The most difficult regular vectors of the W3C (044 to 046) need 823,000
// bytes. A poison graph (made to be slow) needs more than every limit.
const maxWork = 1_200_000

// sortedSet sorts statements in place and removes repetitions, because a dataset is a set.
func sortedSet(quads []quad) []quad {
	sort.Slice(quads, func(i, j int) bool { return compareQuads(&quads[i], &quads[j]) < 0 })
	return slices.Compact(quads)
}

// canonicalise implements RDFC-1.0 with SHA-256 or SHA-384 (W3C Recommendation of 21 May 2024). canonicalise returns a
// dataset as sorted N-Quads. The name of a blank node depends on the statements around this node.
func canonicalise(quads []quad, h crypto.Hash) ([]byte, error) {
	return canonicaliseWithin(new(int), quads, h)
}

// canonicaliseWithin is canonicalise with a limit that several calls share: *work is the work that the earlier calls
// have needed. Two bytes of text count as one byte of work, because work takes more time than the same size of text.
func canonicaliseWithin(work *int, quads []quad, h crypto.Hash) ([]byte, error) {
	if err := checkWork(*work); err != nil {
		return nil, err
	}
	c := newCanon(quads, h)
	c.work = *work
	err := c.nameNodes()
	*work = c.work
	if err != nil {
		return nil, err
	}
	text := serialise(quads, func(n node) string { return c.label(n.value) }, nil)
	*work += len(text) / 2
	return text, nil
}

// checkWork returns an error if the work on a document has exceeded the limit.
func checkWork(work int) error {
	if work > maxWork {
		return Faultf("too-complex", "the document is too large for so many proofs")
	}
	return nil
}

// serialise returns the selected statements as sorted canonical N-Quads. The argument of contains indices of
// statements; nil selects all statements.
func serialise(quads []quad, label func(node) string, of []int32) []byte {
	var text []byte
	var ends []int
	put := func(q *quad) {
		text = appendQuad(text, q, label)
		ends = append(ends, len(text))
	}
	if of == nil {
		for i := range quads {
			put(&quads[i])
		}
	}
	for _, i := range of {
		put(&quads[i])
	}
	if len(ends) < 2 {
		return text
	}
	lines := make([][]byte, len(ends))
	start := 0
	for i, end := range ends {
		lines[i], start = text[start:end], end
	}
	slices.SortFunc(lines, bytes.Compare)
	return bytes.Join(lines, nil)
}

// compareQuads orders statements by subject, predicate, object and graph.
func compareQuads(a, b *quad) int {
	if c := compareNodes(&a.s, &b.s); c != 0 {
		return c
	}
	if c := cmp.Compare(a.p, b.p); c != 0 {
		return c
	}
	if c := compareNodes(&a.o, &b.o); c != 0 {
		return c
	}
	return compareNodes(&a.graph, &b.graph)
}

// compareNodes orders nodes by their kind, value, datatype and language.
func compareNodes(a, b *node) int {
	if a.kind != b.kind {
		return cmp.Compare(a.kind, b.kind)
	}
	if c := cmp.Compare(a.value, b.value); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.datatype, b.datatype), cmp.Compare(a.lang, b.lang))
}

// canon is the state of a canonicalisation. A blank node is represented by its index in the slice of.
type canon struct {
	hash  crypto.Hash
	quads []quad
	index map[string]int32 // number of each blank node, by its label
	// for each quad, the numbers of the blank nodes that are its subject, object and graph; -1 if there is none
	ends   [][3]int32
	of     [][]int32 // indices of the quads in which each blank node occurs
	first  []string  // first-degree hash of each blank node
	issued issuer
	work   int
}

// newCanon collects the blank nodes that occur in the statements.
func newCanon(quads []quad, h crypto.Hash) *canon {
	c := &canon{
		quads:  quads,
		hash:   h,
		index:  map[string]int32{},
		ends:   make([][3]int32, len(quads)),
		issued: issuer{prefix: "_:c14n"},
	}
	for i := range quads {
		for j, n := range [...]*node{&quads[i].s, &quads[i].o, &quads[i].graph} {
			if n.kind != blank {
				c.ends[i][j] = -1
				continue
			}
			b, known := c.index[n.value]
			if !known {
				b = int32(len(c.of))
				c.index[n.value] = b
				c.of = append(c.of, nil)
			}
			c.ends[i][j] = b
			if l := c.of[b]; len(l) == 0 || l[len(l)-1] != int32(i) {
				c.of[b] = append(l, int32(i))
			}
		}
	}
	c.first = make([]string, len(c.of))
	c.issued.names = make([]int32, len(c.of))
	return c
}

// label returns the canonical name of the blank node whose label in the document was came.
func (c *canon) label(came string) string { return c.issued.label(c.index[came]) }

// addWork adds n to the work, and returns an error if the work exceeds the limit.
func (c *canon) addWork(n int) error {
	if c.work += n; c.work > maxWork {
		return Faultf("too-complex", "the blank nodes are linked in too many ways")
	}
	return nil
}

// issuer gives names to blank nodes in the order in which issue is called.
type issuer struct {
	prefix string
	order  []int32
	// names contains, for each blank node, its index in order plus 1; 0 means that the node has no name. Only the
	// canonical issuer fills names. Other issuers have few nodes, so find searches their slice order.
	names []int32
}

// find returns the index of a blank node in order, or -1 if the node has no name.
func (s *issuer) find(b int32) int {
	if s.names != nil {
		return int(s.names[b]) - 1
	}
	return slices.Index(s.order, b)
}

// label returns the name of a blank node that already has a name.
func (s *issuer) label(b int32) string { return s.prefix + strconv.Itoa(s.find(b)) }

// issue gives a name to a blank node unless it has one, and returns the node's index in order.
func (s *issuer) issue(b int32) int {
	if at := s.find(b); at >= 0 {
		return at
	}
	s.order = append(s.order, b)
	if s.names != nil {
		s.names[b] = int32(len(s.order))
	}
	return len(s.order) - 1
}

// sum returns the hash of b in hexadecimal.
func (c *canon) sum(b []byte) string {
	if c.hash == crypto.SHA384 {
		h := sha512.Sum384(b)
		return hex.EncodeToString(h[:])
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// nameNodes names all blank nodes. nameNodes is the main part of the algorithm (section 4.4.3).
func (c *canon) nameNodes() error {
	all := make([]int32, len(c.of))
	for b := range all {
		all[b] = int32(b)
		c.first[b] = c.firstDegree(int32(b))
	}
	slices.SortFunc(all, func(a, b int32) int { return cmp.Or(cmp.Compare(c.first[a], c.first[b]), cmp.Compare(a, b)) })
	same := func(a, b int32) bool { return c.first[a] == c.first[b] }
	for twins := range groups(all, same) {
		if len(twins) == 1 {
			c.issued.issue(twins[0])
		}
	}
	for twins := range groups(all, same) {
		if len(twins) > 1 {
			if err := c.nameTwins(twins); err != nil {
				return err
			}
		}
	}
	return nil
}

// groups yields each run of equal elements in the list.
func groups[T any](all []T, same func(a, b T) bool) func(func([]T) bool) {
	return func(yield func([]T) bool) {
		for len(all) > 0 {
			n := 1
			for n < len(all) && same(all[0], all[n]) {
				n++
			}
			if !yield(all[:n]) {
				return
			}
			all = all[n:]
		}
	}
}

// nameTwins names the blank nodes that share one first-degree hash.
func (c *canon) nameTwins(twins []int32) error {
	type result struct {
		hash string
		iss  issuer
	}
	var results []result
	for _, b := range twins {
		if c.issued.find(b) >= 0 {
			continue
		}
		h, iss, err := c.nDegree(b, issuer{prefix: "_:b", order: []int32{b}})
		if err != nil {
			return err
		}
		results = append(results, result{h, iss})
	}
	sort.SliceStable(results, func(i, j int) bool { return results[i].hash < results[j].hash })
	for _, r := range results {
		for _, b := range r.iss.order {
			c.issued.issue(b)
		}
	}
	return nil
}

// firstDegree returns the first-degree hash of a node (section 4.6): the hash of the node's statements.
func (c *canon) firstDegree(b int32) string {
	return c.sum(serialise(c.quads, func(n node) string {
		if c.index[n.value] == b {
			return "_:a"
		}
		return "_:z"
	}, c.of[b]))
}

// relatedNode is a node that is related to another node, with the hash of this relation (section 4.7).
type relatedNode struct {
	hash  string
	other int32
}

// hashRelation returns the hash of the relation to another node. position is s, o or g: the related node is the
// subject, the object or the graph of the statement.
func (c *canon) hashRelation(other int32, q *quad, iss *issuer, position byte) (relatedNode, error) {
	text := append(make([]byte, 0, 192), position)
	if position != 'g' {
		text = append(append(append(text, '<'), q.p...), '>')
	}
	switch {
	case c.issued.find(other) >= 0:
		text = append(text, c.issued.label(other)...)
	case iss.find(other) >= 0:
		text = append(text, iss.label(other)...)
	default:
		text = append(text, c.first[other]...)
	}
	return relatedNode{c.sum(text), other}, c.addWork(64 + len(text) + len(iss.order))
}

// nDegree returns the N-degree hash of a node (section 4.8), which covers everything that the node is related to.
func (c *canon) nDegree(b int32, iss issuer) (string, issuer, error) {
	var ties []relatedNode
	for _, i := range c.of[b] {
		for j, other := range c.ends[i] {
			if other < 0 || other == b {
				continue
			}
			t, err := c.hashRelation(other, &c.quads[i], &iss, "sog"[j])
			if err != nil {
				return "", iss, err
			}
			ties = append(ties, t)
		}
	}
	sort.SliceStable(ties, func(i, j int) bool { return ties[i].hash < ties[j].hash })
	var data []byte
	for alike := range groups(ties, func(a, b relatedNode) bool { return a.hash == b.hash }) {
		path, chosen, err := c.leastPath(alike, iss)
		if err != nil {
			return "", iss, err
		}
		data = append(append(data, alike[0].hash...), path...)
		iss = chosen
	}
	return c.sum(data), iss, c.addWork(64 + len(data))
}

// leastPath tries all orders of the related nodes that share a hash, and returns the least path.
func (c *canon) leastPath(alike []relatedNode, iss issuer) (best []byte, chosen issuer, err error) {
	order := make([]int32, len(alike))
	for i, t := range alike {
		order[i] = t.other
	}
	err = permute(order, func() error {
		path, got, err := c.path(order, iss, best)
		if err == nil && path != nil && (best == nil || bytes.Compare(path, best) < 0) {
			best, chosen = path, got
		}
		return err
	})
	return best, chosen, err
}

// path returns the path for one order of the related nodes. If the path for this order becomes greater than the least
// path so far, path returns nil without an error.
func (c *canon) path(order []int32, iss issuer, best []byte) ([]byte, issuer, error) {
	iss.order = slices.Clone(iss.order)
	if err := c.addWork(64 + len(order) + len(iss.order)); err != nil {
		return nil, iss, err
	}
	path := make([]byte, 0, 8*len(order))
	worse := func() bool { return best != nil && len(path) >= len(best) && bytes.Compare(path, best) > 0 }
	var recurse []int32
	for _, r := range order {
		if c.issued.find(r) >= 0 {
			path = append(path, c.issued.label(r)...)
		} else {
			if iss.find(r) < 0 {
				recurse = append(recurse, r)
			}
			iss.issue(r)
			path = append(path, iss.label(r)...)
		}
		if err := c.addWork(8 + 3*len(iss.order)); err != nil {
			return nil, iss, err
		}
		if worse() {
			return nil, iss, nil
		}
	}
	for _, r := range recurse {
		h, got, err := c.nDegree(r, iss)
		if err != nil {
			return nil, iss, err
		}
		path = append(append(append(append(path, iss.label(r)...), '<'), h...), '>')
		if iss = got; worse() {
			return nil, iss, nil
		}
	}
	return path, iss, nil
}

// permute calls the function do with every order of s (Heap's algorithm).
func permute(s []int32, do func() error) error {
	n := make([]int, len(s))
	if err := do(); err != nil {
		return err
	}
	for i := 0; i < len(s); {
		if n[i] >= i {
			n[i] = 0
			i++
			continue
		}
		if i%2 == 0 {
			s[0], s[i] = s[i], s[0]
		} else {
			s[n[i]], s[i] = s[i], s[n[i]]
		}
		if err := do(); err != nil {
			return err
		}
		n[i]++
		i = 0
	}
	return nil
}

// appendQuad appends a statement in the form of canonical N-Quads. The function label gives the name of a blank node.
func appendQuad(b []byte, q *quad, label func(node) string) []byte {
	b = appendNode(b, &q.s, label)
	b = append(append(append(b, " <"...), q.p...), "> "...)
	b = appendNode(b, &q.o, label)
	if q.graph.kind != none {
		b = appendNode(append(b, ' '), &q.graph, label)
	}
	return append(b, " .\n"...)
}

// appendNode appends a node in the form of canonical N-Quads.
func appendNode(b []byte, n *node, label func(node) string) []byte {
	switch n.kind {
	case iri:
		return append(append(append(b, '<'), n.value...), '>')
	case blank:
		return append(b, label(*n)...)
	}
	b = append(appendEscaped(append(b, '"'), n.value), '"')
	switch {
	case n.lang != "":
		return append(append(b, '@'), n.lang...)
	case n.datatype != xsdString:
		return append(append(append(b, "^^<"...), n.datatype...), '>')
	}
	return b
}

// appendEscaped appends a literal's text with the escapes of RDFC-1.0's canonical form (section 5).
func appendEscaped(b []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\b':
			b = append(b, `\b`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\f':
			b = append(b, `\f`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20 || c == 0x7f:
			b = append(b, '\\', 'u', '0', '0', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
		default:
			b = append(b, c)
		}
	}
	return b
}
