package file

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// page contains a file for the formatter: the runes of the file (the YAML library counts columns in runes), which runes
// are part of scalars, and the comments.
type page struct {
	src      []rune
	lines    []int  // the offset in src at which each line begins
	words    []bool // true for the runes of scalars, in which # does not begin a comment
	blank    []rune // src with spaces in place of the comments
	comments []*comment
}

// comment is one comment, from its # to the end of the line.
type comment struct {
	at, line, column int // line and column are counted from 0
	text             string
	alone            bool // true if the line contains only this comment
	before, after    bool // true if a blank line precedes or follows the comment
}

// newPage finds the comments of data, which the YAML library has parsed into doc. newPage does not use the library's
// own comments, because the library loses some comments and moves others.
func newPage(data []byte, doc *yaml.Node) *page {
	g := &page{src: []rune(string(data)), lines: []int{0}}
	for i, r := range g.src {
		if isBreak(r) {
			g.lines = append(g.lines, i+1)
		}
	}
	g.words = make([]bool, len(g.src))
	g.blank = slices.Clone(g.src)
	g.scalars(doc, 0)
	g.find()
	return g
}

// isBreak reports whether the YAML library ends a line at r. The caller must have replaced carriage returns by line
// feeds.
func isBreak(r rune) bool { return r == '\n' || r == '\u0085' || r == '\u2028' || r == '\u2029' }

// isSpace reports whether r separates tokens.
func isSpace(r rune) bool { return r == ' ' || r == '\t' || isBreak(r) || r == '\ufeff' }

// offset returns the offset of a node in runes. For a position outside src, it returns the end of src.
func (g *page) offset(n *yaml.Node) int {
	line := min(max(n.Line-1, 0), len(g.lines)-1)
	return min(g.lines[line]+max(n.Column-1, 0), len(g.src))
}

// lineEnd returns the end of the line that contains byte offset «at».
func (g *page) lineEnd(at int) int {
	for at < len(g.src) && !isBreak(g.src[at]) {
		at++
	}
	return at
}

// scalars marks the runes of every scalar below n. column is the column of the block that contains n.
func (g *page) scalars(n *yaml.Node, column int) {
	if n.Kind == yaml.ScalarNode {
		at := g.offset(n)
		if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
			g.mark(at, g.headerEnd(at))
			g.mark(g.lineEnd(at), g.scalarEnd(n, column))
			return
		}
		g.mark(at, g.scalarEnd(n, column))
		return
	}
	if n.Kind != yaml.DocumentNode && n.Style&yaml.FlowStyle == 0 {
		column = n.Column - 1
	}
	for _, c := range n.Content {
		g.scalars(c, column)
	}
}

// mark marks the runes from the offset from up to, but without, the offset to.
func (g *page) mark(from, to int) {
	for i := from; i < to && i < len(g.words); i++ {
		g.words[i] = true
	}
}

// headerEnd returns the end of | or > and the indicators that follow (indentation, + or -).
func (g *page) headerEnd(at int) int {
	for at < len(g.src) && strings.ContainsRune("|>+-123456789", g.src[at]) {
		at++
	}
	return at
}

// scalarEnd returns the end of a scalar in a block that begins at column.
func (g *page) scalarEnd(n *yaml.Node, column int) int {
	at := g.offset(n)
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		return g.quoteEnd(at, '"', '\\')
	case n.Style&yaml.SingleQuotedStyle != 0:
		return g.quoteEnd(at, '\'', '\'')
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return g.blockEnd(at, column)
	}
	// compare without spaces, because in a plain scalar the library turns line breaks into spaces
	for _, r := range n.Value {
		if isSpace(r) {
			continue
		}
		i := at
		for i < len(g.src) && isSpace(g.src[i]) {
			i++
		}
		if i < len(g.src) && g.src[i] == r {
			at = i + 1
		}
	}
	return at
}

// quoteEnd returns the offset behind the closing quote. quoteEnd skips the rune after each escape, because an escaped
// quote does not end the scalar: \" in double quotes, two single quotes in single quotes.
func (g *page) quoteEnd(at int, quote, escape rune) int {
	for i := at + 1; i < len(g.src); i++ {
		switch next := i+1 < len(g.src); {
		case g.src[i] == escape && next && (escape != quote || g.src[i+1] == quote):
			i++
		case g.src[i] == quote:
			return i + 1
		}
	}
	return len(g.src)
}

// blockEnd returns the end of a scalar written with | or >. Such a scalar ends with the last line that is indented at
// least as far as the first line.
func (g *page) blockEnd(at, column int) int {
	end := g.lineEnd(at)
	deep := -1
	for _, r := range g.src[at:g.headerEnd(at)] {
		if r >= '1' && r <= '9' {
			deep = column + int(r-'0')
		}
	}
	for i := end + 1; i < len(g.src); {
		last := g.lineEnd(i)
		in := i
		for in < last && g.src[in] == ' ' {
			in++
		}
		if blank := in == last; !blank {
			if deep < 0 {
				deep = max(in-i, column+1)
			}
			if in-i < deep {
				break
			}
			end = last
		}
		i = last + 1
	}
	return end
}

// find collects the comments, and replaces them by spaces in blank.
func (g *page) find() {
	for i, from := range g.lines {
		to := g.lineEnd(from)
		at := from
		for at < to && (g.src[at] != '#' || g.words[at]) {
			at++
		}
		if at == to {
			continue
		}
		for j := at; j < to; j++ {
			g.blank[j] = ' '
		}
		g.comments = append(g.comments, &comment{
			at:     at,
			line:   i,
			column: at - from,
			text:   strings.TrimRight(string(g.src[at:to]), " \t\r"),
			alone:  g.empty(from, at),
			before: i > 0 && g.emptyLine(i-1),
			after:  i+2 < len(g.lines) && g.emptyLine(i+1),
		})
	}
}

// empty reports whether there are only blanks between two offsets.
func (g *page) empty(from, to int) bool {
	for _, r := range g.src[from:to] {
		if !isSpace(r) {
			return false
		}
	}
	return true
}

// emptyLine reports whether line i is blank.
func (g *page) emptyLine(i int) bool { return g.empty(g.lines[i], g.lineEnd(g.lines[i])) }

// skip returns the next offset from at on that is neither blank nor in a comment, or the end of the file.
func (g *page) skip(at int) int {
	for at < len(g.blank) && isSpace(g.blank[at]) {
		at++
	}
	return at
}
