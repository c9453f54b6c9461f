package file

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"portillon/yamlfile"
)

// Edit makes one change in the text of a policy file. All other lines and all comments stay as they are, except that
// line ends become line feeds. Edit refuses a file that Parse refuses. If the changed file would have faults, the error
// is a yamlfile.Faults that lists them, as for Parse.
//
// Edit checks its own output: the new file differs from the old one only in the keys of the change, and no comment is
// lost.
func Edit(name string, data []byte, c Change) ([]byte, error) {
	if _, err := Parse(name, data); err != nil {
		return nil, err
	}
	e, err := newEditor(name, lineFeeds(data))
	if err != nil {
		return nil, err
	}
	if err := c.apply(e); err != nil {
		return nil, err
	}
	out := []byte(string(e.g.src))
	if _, err := Parse(name, out); err != nil {
		return nil, err
	}
	return out, nil
}

// editor contains a policy file whose text is being changed. Each operation changes one place of the text, and then
// parses the text again.
type editor struct {
	name string
	doc  *yaml.Node
	g    *page
	root *entry
}

// newEditor parses a text.
func newEditor(name string, data []byte) (*editor, error) {
	doc, err := tree(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	g := newPage(data, doc)
	return &editor{name: name, doc: doc, g: g, root: g.layout(doc)}, nil
}

// child returns the position of a key (a string) or of a list index (an int) among the entries, or -1.
func (e *entry) child(step any) int {
	if i, ok := step.(int); ok && e.value.Kind == yaml.SequenceNode && i >= 0 && i < len(e.entries) {
		return i
	}
	return slices.IndexFunc(e.entries, func(x *entry) bool { return x.key != nil && x.key.Value == step })
}

// at returns the entry at a path of keys and list indices; nil: there is none.
func (e *editor) at(path ...any) *entry {
	x := e.root
	for _, step := range path {
		i := x.child(step)
		if i < 0 {
			return nil
		}
		x = x.entries[i]
	}
	return x
}

// text returns the scalar at a path; "": there is none.
func (e *editor) text(path ...any) string {
	if x := e.at(path...); x != nil && x.value.Kind == yaml.ScalarNode {
		return x.value.Value
	}
	return ""
}

// put writes the value of a key. If the mapping of the key is missing, put writes a mapping with this key.
func (e *editor) put(v *yaml.Node, path ...any) error {
	parent, key := path[:len(path)-1], path[len(path)-1].(string)
	want := changed(e.doc.Content[0], path, v)
	if x := e.at(path...); x != nil {
		if x.collection() {
			return e.refuse(path, "this value has several parts", "change it in the text")
		}
		return e.replace(x.from, x.to, oneLine(v), want)
	}
	m := e.at(parent...)
	switch {
	case m == nil:
		return e.put(mappingOf(key, v), parent...)
	case m.value.Kind != yaml.MappingNode:
		return e.refuse(parent, "this value has no keys", "change it in the text")
	case len(m.entries) == 0 && m.key != nil && !e.root.flow:
		lines := mappingOf(key, v)
		lines.Style = 0
		return e.replace(e.g.scalarEnd(m.key, 0), m.to, ":"+onLines(lines, m.start-e.lineStart(m.start)), want)
	case len(m.entries) == 0:
		return e.replace(m.from, m.to, oneLine(mappingOf(key, v)), want)
	}
	after := lastBefore(m, parent, key)
	words := scalar(key)
	switch {
	case m.flow && after == nil:
		return e.replace(m.entries[0].start, m.entries[0].start, words+": "+oneLine(v)+", ", want)
	case m.flow:
		return e.replace(after.to, after.to, ", "+words+": "+oneLine(v), want)
	case after == nil:
		at := m.entries[0].start
		return e.replace(at, at, words+":"+onLines(v, m.column())+newLine(m.column()), want)
	}
	at := e.end(after, m.column())
	return e.replace(at, at, newLine(m.column())+words+":"+onLines(v, m.column()), want)
}

// lastBefore returns the last entry of the mapping at a path that stands before a new key in the canonical order; nil:
// the new key is the first.
func lastBefore(m *entry, path []any, key string) (out *entry) {
	s := top()
	for _, step := range path {
		if k, ok := step.(string); ok {
			s = s.under(k)
		}
	}
	for _, x := range m.entries {
		if s.place(x.key.Value) <= s.place(key) {
			out = x
		}
	}
	return out
}

// push appends an entry to the list at a path.
func (e *editor) push(v *yaml.Node, path ...any) error {
	l := e.at(path...)
	if l == nil || l.value.Kind != yaml.SequenceNode || len(l.entries) == 0 {
		return e.refuse(path, "there is no list", "change it in the text")
	}
	want := changed(e.doc.Content[0], append(slices.Clone(path), len(l.entries)), v)
	last := l.entries[len(l.entries)-1]
	if l.flow {
		return e.replace(last.to, last.to, ", "+oneLine(v), want)
	}
	at := e.end(last, l.column())
	return e.replace(at, at, newLine(l.column())+"- "+oneLine(v), want)
}

// drop removes a key or an entry of a list. If nothing else is in the mapping or the list, drop removes it too. The
// comments of the removed lines stay, on lines of their own.
func (e *editor) drop(path ...any) error {
	last := len(path) - 1
	m := e.at(path[:last]...)
	if m == nil || m.child(path[last]) < 0 {
		return nil
	}
	if len(m.entries) == 1 && last > 0 {
		return e.drop(path[:last]...)
	}
	i := m.child(path[last])
	x, want := m.entries[i], changed(e.doc.Content[0], path, nil)
	if m.flow {
		from, to := e.cutInBrackets(m, i)
		if len(e.comments(from, to)) > 0 {
			return e.refuse(path, "there are comments inside the brackets", "change it in the text")
		}
		return e.replace(from, to, "", want)
	}
	from, to := e.lineStart(x.start), e.g.lineEnd(x.to)
	if !e.g.empty(from, x.start) {
		return e.refuse(path, "the line begins with another value", "change it in the text")
	}
	var kept strings.Builder
	for _, c := range e.comments(from, to) {
		kept.WriteString(strings.Repeat(" ", x.start-from) + c + "\n")
	}
	return e.replace(from, min(to+1, len(e.g.src)), kept.String(), want)
}

// cutInBrackets returns the part of the text to remove for entry i of a collection in brackets: the entry with the
// comma that separates it from another entry.
func (e *editor) cutInBrackets(m *entry, i int) (from, to int) {
	if i > 0 {
		return m.entries[i-1].to, m.entries[i].to
	}
	return m.entries[0].start, m.entries[1].start
}

// comments returns the comments between two offsets.
func (e *editor) comments(from, to int) (out []string) {
	for _, c := range e.g.comments {
		if c.at >= from && c.at < to {
			out = append(out, c.text)
		}
	}
	return out
}

// lineStart returns the offset at which the line of an offset begins.
func (e *editor) lineStart(at int) int {
	for at > 0 && !isBreak(e.g.src[at-1]) {
		at--
	}
	return at
}

// end returns the end of the last line of an entry in a block that begins at column. The comments below the entry that
// are indented further belong to the entry.
func (e *editor) end(x *entry, column int) int {
	at := e.g.lineEnd(x.to)
	for _, c := range e.g.comments {
		if c.alone && c.at > at && c.column > column && e.g.empty(at, c.at) {
			at = e.g.lineEnd(c.at)
		}
	}
	return at
}

// replace replaces a part of the text. want is the tree that the new text must have.
func (e *editor) replace(from, to int, by string, want *yaml.Node) error {
	src := e.g.src
	next, err := newEditor(e.name, []byte(string(src[:from])+by+string(src[to:])))
	if err != nil || !sameMeaning(want, next.doc.Content[0]) || lostComment(e.g, next.g) != nil {
		line := 1 + strings.Count(string(src[:from]), "\n")
		return yamlfile.Faults{{File: e.name, Line: line, Hint: "change it in the text",
			Problem: "this place is written in a way that the form cannot change"}}
	}
	*e = *next
	return nil
}

// refuse returns a fault at a path.
func (e *editor) refuse(path []any, problem, hint string) error {
	f := yamlfile.Fault{File: e.name, Problem: problem, Hint: hint}
	for _, step := range path {
		switch step := step.(type) {
		case int:
			f.Field += fmt.Sprintf("[%d]", step)
		case string:
			f.Field = strings.TrimPrefix(f.Field+"."+step, ".")
		}
	}
	if x := e.at(path...); x != nil {
		f.Line, f.Column = x.value.Line, x.value.Column
	}
	return yamlfile.Faults{f}
}

// changed returns a copy of a tree in which the value at a path is v, or in which the value is missing if v is nil. A
// path whose last index is the length of a list appends v.
func changed(n *yaml.Node, path []any, v *yaml.Node) *yaml.Node {
	if len(path) == 0 {
		return v
	}
	out := *n
	out.Content = slices.Clone(n.Content)
	at, width := len(out.Content), 1
	if key, ok := path[0].(string); ok {
		at, width = 0, 2
		for at+1 < len(out.Content) && out.Content[at].Value != key {
			at += 2
		}
		if at >= len(out.Content) { // a new key
			out.Content = append(out.Content, textNode(key), &yaml.Node{Kind: yaml.MappingNode})
		}
	} else if i := path[0].(int); i < at {
		at = i
	} else {
		out.Content = append(out.Content, nil)
	}
	value := at + width - 1
	if below := changed(out.Content[value], path[1:], v); below != nil {
		out.Content[value] = below
	} else {
		out.Content = slices.Delete(out.Content, at, at+width)
	}
	if v == nil && len(out.Content) == 0 {
		return nil
	}
	return &out
}

// textNode returns a text, which is quoted where YAML would read another kind of value.
func textNode(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }

// quoted returns a text in double quotes.
func quoted(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: s}
}

// mappingOf returns a mapping with one key, in braces.
func mappingOf(key string, v *yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle, Content: []*yaml.Node{textNode(key), v}}
}

// newLine returns a line feed and an indentation.
func newLine(column int) string { return "\n" + strings.Repeat(" ", column) }

// scalar returns a text as YAML writes it inside brackets.
func scalar(s string) string { return oneLine(textNode(s)) }

// oneLine returns a value on one line.
func oneLine(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode {
		list := encode(&yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle, Content: []*yaml.Node{n}})
		return strings.TrimSuffix(strings.TrimPrefix(list, "["), "]")
	}
	var parts []string
	for i, c := range n.Content {
		switch {
		case n.Kind == yaml.SequenceNode:
			parts = append(parts, oneLine(c))
		case i%2 == 1:
			parts = append(parts, oneLine(n.Content[i-1])+": "+oneLine(c))
		}
	}
	if all := strings.Join(parts, ", "); n.Kind == yaml.MappingNode {
		return "{ " + all + " }"
	} else {
		return "[" + all + "]"
	}
}

// onLines returns the value of a key that stands at column, with what separates it from the colon. A mapping or a list
// without the flow style gets several lines.
func onLines(n *yaml.Node, column int) string {
	if n.Kind == yaml.ScalarNode { // outside brackets, more texts need no quotes
		in := encode(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{textNode("k"), n}})
		if !strings.Contains(in, "\n") {
			return strings.TrimPrefix(in, "k:")
		}
	}
	if n.Kind == yaml.ScalarNode || n.Style&yaml.FlowStyle != 0 {
		return " " + oneLine(n)
	}
	var b strings.Builder
	for i, c := range n.Content {
		switch {
		case n.Kind == yaml.SequenceNode:
			b.WriteString(newLine(column+2) + "- " + oneLine(c))
		case i%2 == 1:
			b.WriteString(newLine(column+2) + oneLine(n.Content[i-1]) + ":" + onLines(c, column+2))
		}
	}
	return b.String()
}
