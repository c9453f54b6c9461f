package file

import (
	"sort"

	"go.yaml.in/yaml/v3"
)

// entry is a key with its value, or one value of a list, together with its comments. The whole file is an entry without
// a key.
type entry struct {
	key, value *yaml.Node // key is nil in a list
	start      int        // offset of the key, or of the dash of a list entry
	from, to   int        // offsets of the value
	flow       bool       // true if the value is written in brackets or braces
	entries    []*entry   // the entries of a value that is a mapping or a list

	head    []*comment // comments above the entry
	opening []*comment // comments beside the key, the dash or the opening bracket, if the value begins on a later line
	beside  []*comment // comments behind the value
	foot    []*comment // comments at the end of the value, on separate lines
	closing []*comment // comments beside the closing bracket
}

// collection reports whether the value is a mapping or a list.
func (e *entry) collection() bool {
	return e.value.Kind == yaml.MappingNode || e.value.Kind == yaml.SequenceNode
}

// column returns the column at which the entries of a block begin.
func (e *entry) column() int { return e.value.Column - 1 }

// layout turns the tree of a document into entries, and attaches each comment to an entry.
func (g *page) layout(doc *yaml.Node) *entry {
	root := g.entry(nil, doc.Content[0], g.offset(doc.Content[0]), 0)
	// next is the entry that follows the previous comment; limit is the column of the previous comment
	var last *entry
	limit := 0
	for _, c := range g.comments {
		if !c.alone && g.attachBeside(root, c) {
			continue
		}
		next := g.attachAbove(root, c, last, &limit)
		last = next
	}
	attachAtTop(root)
	return root
}

// entry returns the entry for a value that begins at start, in a block whose entries begin at column.
func (g *page) entry(key, value *yaml.Node, start, column int) *entry {
	e := &entry{key: key, value: value, start: start, from: g.offset(value)}
	switch {
	case value.Kind == yaml.ScalarNode && value.Value == "" && value.Style == 0:
		// For an empty value, the library returns no position.
		e.from = start + 1
		if key != nil {
			e.from = g.colon(g.scalarEnd(key, column))
		}
		e.to = e.from
	case !e.collection():
		e.to = g.scalarEnd(value, column)
	default:
		e.flow = value.Style&yaml.FlowStyle != 0
		if !e.flow {
			column = e.column()
		}
		g.fill(e, column)
	}
	e.to = max(e.to, e.from, e.start)
	return e
}

// colon returns the offset after the colon that follows a key, or at if no colon follows.
func (g *page) colon(at int) int {
	if i := g.skip(at); i < len(g.blank) && g.blank[i] == ':' {
		return i + 1
	}
	return at
}

// fill makes the entries of a collection, and finds the end of the collection.
func (g *page) fill(e *entry, column int) {
	bracket := e.flow && e.from < len(g.src) && (g.src[e.from] == '[' || g.src[e.from] == '{')
	at := e.from
	if bracket {
		at++
	}
	if e.value.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(e.value.Content); i += 2 {
			k := e.value.Content[i]
			e.entries = append(e.entries, g.entry(k, e.value.Content[i+1], g.offset(k), column))
		}
	} else {
		for _, c := range e.value.Content {
			start := g.offset(c)
			if !e.flow {
				start = g.skip(at) // the dash of the entry
			}
			x := g.entry(nil, c, start, column)
			e.entries = append(e.entries, x)
			at = x.to
		}
	}
	if n := len(e.entries); n > 0 {
		at = e.entries[n-1].to
	}
	e.to = at
	for i := at; bracket && i < len(g.blank); i++ {
		if !g.words[i] && (g.blank[i] == ']' || g.blank[i] == '}') {
			e.to = i + 1
			break
		}
	}
}

// innermost returns the smallest entry that contains the offset at.
func innermost(e *entry, at int) *entry {
	if i := e.after(at); i > 0 && at < e.entries[i-1].to {
		return innermost(e.entries[i-1], at)
	}
	return e
}

// after returns the index of the first entry that begins after the offset at.
func (e *entry) after(at int) int {
	return sort.Search(len(e.entries), func(i int) bool { return e.entries[i].start > at })
}

// attachBeside attaches a comment to the entry before it on the same line. attachBeside returns false if no entry on
// the line can have the comment.
func (g *page) attachBeside(root *entry, c *comment) bool {
	at := c.at - 1
	for at > 0 && isSpace(g.blank[at]) {
		at--
	}
	e := innermost(root, at)
	switch {
	case at < e.start || at >= e.to:
		return false
	case at < e.from || e.flow && at == e.from:
		e.opening = append(e.opening, c)
	case !e.collection():
		e.beside = append(e.beside, c)
	case e.flow && at == e.to-1 && len(e.entries) == 0:
		e.beside = append(e.beside, c)
	case e.flow && at == e.to-1:
		e.closing = append(e.closing, c)
	case e.flow:
		e.besideComma(c, at)
	default:
		return false
	}
	return true
}

// besideComma attaches a comment after a comma to the entry before the comma.
func (e *entry) besideComma(c *comment, at int) {
	if i := e.after(at); i > 0 {
		e.entries[i-1].beside = append(e.entries[i-1].beside, c)
	} else {
		e.opening = append(e.opening, c)
	}
}

// attachAbove attaches a comment on a separate line to the entry that follows, or to the end of a block that ends above
// and is not indented further than the comment. attachAbove returns the entry that follows. If the same entry follows
// two comments, limit is the column of the first comment. attachAbove treats the second comment as indented at most to
// limit, because otherwise the formatter would swap the two comments.
func (g *page) attachAbove(root *entry, c *comment, last *entry, limit *int) *entry {
	e := innermost(root, c.at)
	if e.value.Kind == yaml.ScalarNode || e.flow && c.at < e.from || e.flow && len(e.entries) == 0 && e != root {
		e.opening = append(e.opening, c)
		return e
	}
	var before, next *entry
	i := e.after(c.at)
	if i > 0 {
		before = e.entries[i-1]
	}
	if i < len(e.entries) {
		next = e.entries[i]
	}
	if next == nil && e.flow {
		e.foot = append(e.foot, c)
		return e
	}
	follows := next
	if follows == nil {
		follows = root
	}
	column := c.column
	if follows == last {
		column = min(column, *limit)
	}
	*limit = column
	end := lastEnded(before, column, e, next)
	switch {
	case end != nil:
		end.foot = append(end.foot, c)
	case next != nil:
		next.head = append(next.head, c)
	default:
		e.foot = append(e.foot, c)
	}
	return follows
}

// lastEnded returns the innermost block inside the block e that ends with the entry before. The column of this block is
// at most column, but greater than the column of the entry next.
func lastEnded(before *entry, column int, e, next *entry) *entry {
	var out *entry
	least := -1
	if next != nil && !e.flow {
		least = e.column()
	}
	for x := before; x != nil && x.collection() && !x.flow && len(x.entries) > 0; x = x.entries[len(x.entries)-1] {
		if x.column() > least && x.column() <= column {
			out = x
		}
	}
	return out
}

// attachAtTop attaches comments that are above the first key, and separated from it, to the whole file. Otherwise these
// comments would move with the first key if the formatter puts another key at the top.
func attachAtTop(root *entry) {
	if len(root.entries) == 0 {
		return
	}
	first, n := root.entries[0], 0
	for i, c := range first.head {
		if c.after {
			n = i + 1
		}
	}
	root.head, first.head = append(root.head, first.head[:n]...), first.head[n:]
}
