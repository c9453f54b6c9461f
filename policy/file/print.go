package file

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// arrange sorts the keys of every mapping into the canonical order, and decides where each comment is written.
func (e *entry) arrange(s shape) {
	for _, x := range e.entries {
		below := s // a list has the same shape as its entries
		if x.key != nil {
			below = s.under(x.key.Value)
		}
		x.arrange(below)
		if block := x.collection() && !x.flow; block && x.key == nil {
			// Move the comments of the first key above the dash, because the key is on the same line as the dash.
			x.head, x.entries[0].head = append(x.head, x.entries[0].head...), nil
		}
	}
	if e.value.Kind == yaml.MappingNode {
		slices.SortStableFunc(e.entries, func(a, b *entry) int { return s.place(a.key.Value) - s.place(b.key.Value) })
	}
	e.flow = e.flow && !e.commented() // a collection with comments inside needs several lines
	if block := e.collection() && !e.flow; block {
		e.foot = append(e.foot, onOwnLines(e.closing)...)
	} else {
		e.beside = append(e.beside, e.closing...)
	}
	if block := e.collection() && !e.flow; block && e.key != nil {
		e.beside = append(e.opening, e.beside...)
	} else {
		e.head = append(e.head, onOwnLines(e.opening)...)
	}
	if n := len(e.beside); n > 1 { // a line can have only one comment beside it
		e.head, e.beside = append(e.head, onOwnLines(e.beside[:n-1])...), e.beside[n-1:]
	}
}

// commented reports whether there are comments inside the value.
func (e *entry) commented() bool {
	for _, x := range e.entries {
		if len(x.head)+len(x.beside) > 0 || x.collection() && !x.flow {
			return true
		}
	}
	return len(e.foot) > 0
}

// onOwnLines marks comments that are written on separate lines, without blank lines around them.
func onOwnLines(cs []*comment) []*comment {
	for _, c := range cs {
		c.before, c.after = false, false
	}
	return cs
}

// printer collects the rows of the output.
type printer struct {
	g    *page
	rows []row
}

// row is one line of the output.
type row struct {
	text    string
	comment string // comment behind the text
}

// add appends a row.
func (p *printer) add(indent int, text string) {
	p.rows = append(p.rows, row{text: strings.TrimRight(strings.Repeat(" ", indent)+text, " ")})
}

// blank appends a blank line, unless the output is empty or ends with one.
func (p *printer) blank() {
	if n := len(p.rows); n > 0 && p.rows[n-1].text != "" {
		p.rows = append(p.rows, row{})
	}
}

// comments appends comments, each on a separate line.
func (p *printer) comments(cs []*comment, indent int) {
	for _, c := range cs {
		if c.before {
			p.blank()
		}
		p.add(indent, c.text)
		if c.after {
			p.blank()
		}
	}
}

// file writes the whole file. At the top level, blank lines separate entries of more than one line from their
// neighbours.
func (p *printer) file(root *entry) {
	p.comments(root.head, 0)
	if root.flow {
		p.add(0, p.g.brackets(root))
	}
	tall := false
	for i, e := range root.entries {
		if root.flow {
			break
		}
		was := tall
		tall = e.collection() && !e.flow || len(p.g.scalar(e)) > 1
		if i > 0 && (was || tall) {
			p.blank()
		}
		p.entry(e, 0)
	}
	p.comments(root.foot, 0)
}

// entry writes a key or a list entry with its value.
func (p *printer) entry(e *entry, indent int) {
	p.comments(e.head, indent)
	at := len(p.rows)
	name := "-"
	if e.key != nil {
		name = p.g.word(e.key) + ":"
	}
	switch block := e.collection() && !e.flow; {
	case block && e.key == nil:
		for _, x := range e.entries {
			p.entry(x, indent+2)
		}
		p.rows[at].text = strings.Repeat(" ", indent) + "- " + strings.TrimLeft(p.rows[at].text, " ")
	case block:
		p.add(indent, name)
		for _, x := range e.entries {
			p.entry(x, indent+2)
		}
	default:
		for i, words := range p.g.scalar(e) {
			if i == 0 {
				p.add(indent, strings.TrimRight(name+" "+words, " "))
			} else {
				p.add(indent+2, words)
			}
		}
	}
	if len(e.beside) > 0 {
		p.rows[at].comment = e.beside[0].text
	}
	p.comments(e.foot, indent+2)
}

// scalar returns the lines of a value that is not a block: one line, or the lines of a scalar written with | or >. In
// such a scalar, all lines except the first are indented further.
func (g *page) scalar(e *entry) []string {
	switch {
	case e.collection():
		return []string{g.brackets(e)}
	case e.value.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0:
		return []string{g.word(e.value)}
	}
	value := withoutComments(e.value)
	for _, style := range []yaml.Style{e.value.Style, yaml.LiteralStyle, yaml.DoubleQuotedStyle} {
		value.Style = style
		in := encode(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: "k"}, value}})
		var out map[string]string
		if yaml.Unmarshal([]byte(in+"\n"), &out) == nil && out["k"] == value.Value {
			// Keep the lines of the scalar as written, because the YAML library would fold long lines.
			lines := strings.Split(strings.TrimPrefix(in, "k: "), "\n")
			for i := range lines[1:] {
				lines[i+1] = strings.TrimPrefix(lines[i+1], "  ")
			}
			return lines
		}
	}
	return []string{g.word(e.value)}
}

// brackets returns a collection on one line.
func (g *page) brackets(e *entry) string {
	parts := make([]string, len(e.entries))
	for i, x := range e.entries {
		if x.key != nil {
			parts[i] = g.word(x.key) + ": "
		}
		switch value := ""; {
		case x.collection():
			parts[i] += g.brackets(x)
		default:
			if value = g.word(x.value); value == "" {
				value = "~"
			}
			parts[i] += value
		}
	}
	switch all := strings.Join(parts, ", "); {
	case e.value.Kind == yaml.SequenceNode:
		return "[" + all + "]"
	case all == "":
		return "{}"
	default:
		return "{ " + all + " }"
	}
}

// word returns a scalar as it is written in the file, so that quotes are kept. A scalar over several lines is joined
// into one line.
func (g *page) word(n *yaml.Node) string {
	at := g.offset(n)
	raw := g.src[at:max(at, g.scalarEnd(n, 0))]
	if n.Value == "" && n.Style == 0 {
		return ""
	}
	if !slices.ContainsFunc(raw, isBreak) {
		return string(raw)
	}
	one := withoutComments(n)
	if strings.Contains(n.Value, "\n") {
		one.Style = yaml.DoubleQuotedStyle
	}
	// Encode the scalar inside a list, so that the library adds the quotes that a scalar in a list needs.
	list := encode(&yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle, Content: []*yaml.Node{one}})
	return strings.TrimSuffix(strings.TrimPrefix(list, "["), "]")
}

// withoutComments returns a copy of a scalar without the comments that the library attached to the scalar.
func withoutComments(n *yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: n.Kind, Style: n.Style, Tag: n.Tag, Value: n.Value}
}

// encode returns a value as the YAML library writes it, or "" if the library fails. checkKept then reports the
// difference.
func encode(n *yaml.Node) string {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(n); err != nil {
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// String returns the formatted file. Comments behind neighbouring lines of the same indentation are aligned, except if
// a line would become too long.
func (p *printer) String() string {
	var b strings.Builder
	column := 0
	for i, r := range p.rows {
		if i == 0 || !r.beside(p.rows[i-1]) {
			column = 0
			for j := i; j < len(p.rows) && (j == i || p.rows[j].beside(p.rows[j-1])); j++ {
				if n := utf8.RuneCountInString(p.rows[j].text); n <= 80 {
					column = max(column, n)
				}
			}
		}
		b.WriteString(r.text)
		if r.comment != "" {
			b.WriteString(strings.Repeat(" ", max(column-utf8.RuneCountInString(r.text), 0)) + "   " + r.comment)
		}
		b.WriteByte('\n')
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// beside reports whether the comments of two neighbouring rows are aligned.
func (r row) beside(above row) bool {
	in := func(s string) int { return len(s) - len(strings.TrimLeft(s, " ")) }
	return r.comment != "" && above.comment != "" && in(r.text) == in(above.text)
}
