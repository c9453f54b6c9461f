package openbadge

import (
	"crypto/sha256"
	"encoding/hex"
	"sort"
	"strconv"
	"strings"
)

// maxWork bounds what a document may cost to canonicalise, in hashes of the N-degree algorithm. A badge costs none; the
// W3C's hardest honest vectors cost a few thousand; a poison graph costs more than there is.
const maxWork = 20000

// canonicalise is RDFC-1.0 with SHA-256 (W3C Recommendation of 21 May 2024): the document's statements as sorted N-Quads
// with blank nodes named by what surrounds them.
func canonicalise(quads []quad) (string, error) {
	c := &canon{quads: quads, of: map[string][]int{}, issued: &issuer{prefix: "c14n"}, first: map[string]string{}}
	for i, q := range quads {
		for _, n := range [...]node{q.s, q.o, q.graph} {
			if n.kind == blank {
				if l := c.of[n.value]; len(l) == 0 || l[len(l)-1] != i {
					c.of[n.value] = append(l, i)
				}
			}
		}
	}
	if err := c.name(); err != nil {
		return "", err
	}
	lines := make([]string, len(quads))
	for i, q := range quads {
		lines[i] = nquad(q, func(b string) string { return c.issued.names[b] })
	}
	sort.Strings(lines)
	var b strings.Builder
	for i, l := range lines {
		if i == 0 || l != lines[i-1] {
			b.WriteString(l)
		}
	}
	return b.String(), nil
}

type canon struct {
	quads  []quad
	of     map[string][]int // a blank node's quads
	issued *issuer
	first  map[string]string // first-degree hashes
	work   int
}

// issuer gives names in the order they are asked for.
type issuer struct {
	prefix string
	names  map[string]string
	order  []string
}

func (i *issuer) issue(b string) string {
	if n, ok := i.names[b]; ok {
		return n
	}
	if i.names == nil {
		i.names = map[string]string{}
	}
	n := i.prefix + strconv.Itoa(len(i.order))
	i.names[b] = n
	i.order = append(i.order, b)
	return n
}

func (i *issuer) clone() *issuer {
	c := &issuer{prefix: i.prefix, names: make(map[string]string, len(i.names)), order: append([]string(nil), i.order...)}
	for k, v := range i.names {
		c.names[k] = v
	}
	return c
}

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

// name is the algorithm's main part (section 4.4.3).
func (c *canon) name() error {
	byHash := map[string][]string{}
	for b := range c.of {
		h := c.firstDegree(b)
		byHash[h] = append(byHash[h], b)
	}
	hashes := make([]string, 0, len(byHash))
	for h := range byHash {
		hashes = append(hashes, h)
	}
	sort.Strings(hashes)
	for _, h := range hashes {
		if len(byHash[h]) == 1 {
			c.issued.issue(byHash[h][0])
			byHash[h] = nil
		}
	}
	for _, h := range hashes {
		if err := c.nameTwins(byHash[h]); err != nil {
			return err
		}
	}
	return nil
}

// nameTwins names blank nodes that look alike from nearby.
func (c *canon) nameTwins(twins []string) error {
	type result struct {
		hash string
		iss  *issuer
	}
	var results []result
	sort.Strings(twins)
	for _, b := range twins {
		if _, done := c.issued.names[b]; done {
			continue
		}
		temp := &issuer{prefix: "b"}
		temp.issue(b)
		h, iss, err := c.nDegree(b, temp)
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

// firstDegree is section 4.6: the hash of the statements a node stands in.
func (c *canon) firstDegree(b string) string {
	if h, ok := c.first[b]; ok {
		return h
	}
	lines := make([]string, 0, len(c.of[b]))
	for _, i := range c.of[b] {
		lines = append(lines, nquad(c.quads[i], func(x string) string {
			if x == b {
				return "a"
			}
			return "z"
		}))
	}
	sort.Strings(lines)
	h := sum(strings.Join(lines, ""))
	c.first[b] = h
	return h
}

// related is section 4.7: the hash of how a node is tied to another.
func (c *canon) related(other string, q quad, iss *issuer, position byte) string {
	var id string
	switch {
	case c.issued.names[other] != "":
		id = "_:" + c.issued.names[other]
	case iss.names[other] != "":
		id = "_:" + iss.names[other]
	default:
		id = c.firstDegree(other)
	}
	s := string(position)
	if position != 'g' {
		s += "<" + q.p + ">"
	}
	return sum(s + id)
}

// nDegree is section 4.8: the hash of everything a node is tied to.
func (c *canon) nDegree(b string, iss *issuer) (string, *issuer, error) {
	if c.work++; c.work > maxWork {
		return "", nil, fault("too-complex", "its blank nodes are tied together in too many ways")
	}
	ties := map[string][]string{}
	for _, i := range c.of[b] {
		q := c.quads[i]
		for _, x := range [...]struct {
			n node
			p byte
		}{{q.s, 's'}, {q.o, 'o'}, {q.graph, 'g'}} {
			if x.n.kind == blank && x.n.value != b {
				h := c.related(x.n.value, q, iss, x.p)
				ties[h] = append(ties[h], x.n.value)
			}
		}
	}
	hashes := make([]string, 0, len(ties))
	for h := range ties {
		hashes = append(hashes, h)
	}
	sort.Strings(hashes)
	var data strings.Builder
	for _, h := range hashes {
		data.WriteString(h)
		path, chosen, err := c.shortest(ties[h], iss)
		if err != nil {
			return "", nil, err
		}
		data.WriteString(path)
		iss = chosen
	}
	return sum(data.String()), iss, nil
}

// shortest tries every order of nodes that are tied alike, and keeps the least path.
func (c *canon) shortest(nodes []string, iss *issuer) (string, *issuer, error) {
	var best string
	var chosen *issuer
	err := permute(nodes, func(order []string) error {
		if c.work++; c.work > maxWork {
			return fault("too-complex", "its blank nodes are tied together in too many ways")
		}
		path, got, err := c.path(order, iss.clone(), best)
		if err == nil && got != nil && (chosen == nil || path < best) {
			best, chosen = path, got
		}
		return err
	})
	return best, chosen, err
}

// path is one order's path; nil without error where it cannot become the least.
func (c *canon) path(order []string, iss *issuer, best string) (string, *issuer, error) {
	var path string
	var recurse []string
	worse := func() bool { return best != "" && len(path) >= len(best) && path > best }
	for _, r := range order {
		if n := c.issued.names[r]; n != "" {
			path += "_:" + n
		} else {
			if iss.names[r] == "" {
				recurse = append(recurse, r)
			}
			path += "_:" + iss.issue(r)
		}
		if worse() {
			return "", nil, nil
		}
	}
	for _, r := range recurse {
		h, got, err := c.nDegree(r, iss)
		if err != nil {
			return "", nil, err
		}
		path += "_:" + iss.issue(r) + "<" + h + ">"
		iss = got
		if worse() {
			return "", nil, nil
		}
	}
	return path, iss, nil
}

// permute calls do with every order of s (Heap's algorithm); do must not keep what it is given.
func permute(s []string, do func([]string) error) error {
	s = append([]string(nil), s...)
	n := make([]int, len(s))
	if err := do(s); err != nil {
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
		if err := do(s); err != nil {
			return err
		}
		n[i]++
		i = 0
	}
	return nil
}

// nquad writes a statement as canonical N-Quads; label gives a blank node's name.
func nquad(q quad, label func(string) string) string {
	var b strings.Builder
	put := func(n node) {
		switch n.kind {
		case iri:
			b.WriteString("<" + n.value + ">")
		case blank:
			b.WriteString("_:" + label(n.value))
		case literal:
			b.WriteByte('"')
			escape(&b, n.value)
			b.WriteByte('"')
			if n.lang != "" {
				b.WriteString("@" + n.lang)
			} else if n.datatype != xsdString {
				b.WriteString("^^<" + n.datatype + ">")
			}
		}
	}
	put(q.s)
	b.WriteString(" <" + q.p + "> ")
	put(q.o)
	if q.graph.kind != none {
		b.WriteByte(' ')
		put(q.graph)
	}
	b.WriteString(" .\n")
	return b.String()
}

// escape writes a literal's text as RDFC-1.0's canonical form says (section 5).
func escape(b *strings.Builder, s string) {
	for _, r := range s {
		switch {
		case r == '\b':
			b.WriteString(`\b`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\f':
			b.WriteString(`\f`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '"':
			b.WriteString(`\"`)
		case r == '\\':
			b.WriteString(`\\`)
		case r < 0x20 || r == 0x7f:
			b.WriteString(`\u00`)
			b.WriteString(strings.ToUpper(hex.EncodeToString([]byte{byte(r)})))
		default:
			b.WriteRune(r)
		}
	}
}
