package file

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// page is a file as the formatter sees it: runes, since the YAML library counts columns in them, and what is a word of
// it or a comment.
type page struct {
	src      []rune
	lines    []int  // where each line begins
	words    []bool // runes that belong to a scalar: a # in them begins no comment
	blank    []rune // src without its comments
	comments []*comment
}

// comment is one, from its # to the end of its line.
type comment struct {
	at, line, column int // line and column from 0
	text             string
	alone            bool // nothing else stands on its line
	before, after    bool // a blank line stands there
}

// newPage finds the comments. The library's own finding loses some of them, and moves others. data is what the library
// has read as doc.
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

// isBreak is what ends a line for the YAML library; a carriage return has become a line feed before.
func isBreak(r rune) bool { return r == '\n' || r == '\u0085' || r == '\u2028' || r == '\u2029' }

func isSpace(r rune) bool { return r == ' ' || r == '\t' || isBreak(r) || r == '\ufeff' }

// offset is where a node begins. It is within src, whatever the library says.
func (g *page) offset(n *yaml.Node) int {
	line := min(max(n.Line-1, 0), len(g.lines)-1)
	return min(g.lines[line]+max(n.Column-1, 0), len(g.src))
}

// lineEnd is where the line that at stands on ends.
func (g *page) lineEnd(at int) int {
	for at < len(g.src) && !isBreak(g.src[at]) {
		at++
	}
	return at
}

// scalars marks the words of every scalar; column is where the block begins that n stands in.
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

func (g *page) mark(from, to int) {
	for i := from; i < to && i < len(g.words); i++ {
		g.words[i] = true
	}
}

// headerEnd is the end of | or >, and of what says how the block ends.
func (g *page) headerEnd(at int) int {
	for at < len(g.src) && strings.ContainsRune("|>+-123456789", g.src[at]) {
		at++
	}
	return at
}

// scalarEnd is where a scalar ends that stands in a block at column.
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
	for _, r := range n.Value { // a plain scalar: its breaks may have become spaces
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

// quoteEnd is behind the closing quote. After escape the next rune has no meaning of its own: \" in double quotes, two
// single quotes in single quotes.
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

// blockEnd is the end of a scalar written with | or >: the last line that is as far in as its first.
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

// find collects the comments, and blanks them.
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

// empty reports whether nothing stands between two places.
func (g *page) empty(from, to int) bool {
	for _, r := range g.src[from:to] {
		if !isSpace(r) {
			return false
		}
	}
	return true
}

func (g *page) emptyLine(i int) bool { return g.empty(g.lines[i], g.lineEnd(g.lines[i])) }

// skip is the next place from at on where something stands that is no comment, or the end.
func (g *page) skip(at int) int {
	for at < len(g.blank) && isSpace(g.blank[at]) {
		at++
	}
	return at
}
