// Package yamlfile reads the YAML files that people of a site write: policy, members, machine, hub.
//
// The package accepts one document of plain mappings, lists and scalars. The package rejects anchors, aliases, merge
// keys, tags, duplicate and empty keys, unknown keys, control characters, line ends that editors do not show (U+2028),
// encodings other than UTF-8, more than MaxBytes or MaxEntries, and nesting deeper than MaxDepth. The package does not
// stop at the first fault. The package reports each fault once, with file, line, column, field, the wrong value, and
// an example of a valid value. Only a syntax error of YAML stops the parser. The package then searches the text for
// the position of the error, because the YAML library does not report the position.
package yamlfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Doc is a file that is being read.
type Doc struct {
	name    string
	lines   []string // lines of the file, for excerpts and columns
	root    *yaml.Node
	faults  Faults
	private bool  // true: faults contain no excerpt of the file
	seen    Fault // line number and excerpt of the last fault
	letters int   // number of letters that were compared for hints so far
}

// Parse parses data. name is the file's name in faults. Parse always returns a Doc; call Err to find out whether the
// Doc is usable.
func Parse(name string, data []byte) *Doc {
	d := &Doc{name: name}
	if f, bad := sizeFault(data); bad {
		d.add(f)
		return d
	}
	d.lines = splitLines(data)
	if f, bad := characterFault(data, d.lines); bad {
		d.add(f)
		return d
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var top yaml.Node
	if err := dec.Decode(&top); err != nil {
		d.addSyntaxFault(data, err)
		return d
	}
	// Report text after the first document, even if the text is valid YAML.
	var second yaml.Node
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		d.reportSecondDocument(data, err == nil, second.Line)
	}
	if len(top.Content) == 1 && d.checkPlain(top.Content[0], 1) {
		d.root = top.Content[0]
	}
	return d
}

// Private removes the text of lines from the faults, because people send error messages to others, and the lines of a
// members.yaml are private.
func (d *Doc) Private() *Doc {
	d.private = true
	for i := range d.faults {
		d.faults[i].Excerpt = ""
	}
	return d
}

// reportSecondDocument reports a fault if there is text after the document.
func (d *Doc) reportSecondDocument(data []byte, document bool, line int) {
	if s, ok := diagnose(data); ok && !document {
		d.add(s.fault())
		return
	}
	f := Fault{
		Problem: "the file holds more than one document, or what follows the first is not YAML",
		Hint:    "one document a file",
	}
	if line > 0 {
		f.Line, f.Column = line, 1
	}
	d.add(f)
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// addSyntaxFault adds the fault of a file that the YAML library cannot parse.
func (d *Doc) addSyntaxFault(data []byte, err error) {
	if errors.Is(err, io.EOF) {
		d.add(Fault{Problem: "the file is empty"})
		return
	}
	if s, ok := diagnose(data); ok {
		d.add(s.fault())
		return
	}
	f := Fault{Problem: "this is not YAML: " + err.Error()}
	if m := yamlLine.FindStringSubmatch(strings.SplitN(err.Error(), "\n", 2)[0]); m != nil {
		f.Problem = "this is not YAML: " + m[2]
		if f.Line, _ = strconv.Atoi(m[1]); f.Line > 0 && f.Line <= len(d.lines) {
			f.Column = 1 + len(d.lines[f.Line-1]) - len(strings.TrimLeft(d.lines[f.Line-1], " \t"))
			f.Problem = fmt.Sprintf("this is not YAML, near line %d: %s", f.Line, m[2])
			f.Hint = "the fault may stand some lines above or below"
		}
	}
	d.add(f)
}

// fault returns the mistake as a Fault.
func (s suspect) fault() Fault {
	return Fault{Line: s.line, Column: s.column, Problem: "this is not YAML: " + s.problem, Hint: s.hint}
}

// checkPlain rejects YAML features that a reader could misunderstand, and reports whether the tree below n can be read.
func (d *Doc) checkPlain(n *yaml.Node, depth int) bool {
	at := Node{d: d, n: n}
	switch {
	case d.full():
		return false
	case depth > MaxDepth:
		at.Fault(fmt.Sprintf("at most %d deep", MaxDepth), "nested too deep")
		return false
	case n.Kind == yaml.AliasNode:
		at.Fault("write it out", "aliases are not read: *%.80s", n.Value)
		return false
	case n.Anchor != "":
		at.Fault("write it out where it is wanted", "anchors are not read: &%.80s", n.Anchor)
		return false
	case n.Style&yaml.TaggedStyle != 0:
		at.Fault("remove it", "tags are not read: %.80s", n.Tag)
		return false
	}
	ok := true
	// The nodes of a mapping are alternately keys and values.
	seen := map[string]int{}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			ok = d.checkKey(c, seen) && ok
		}
		ok = d.checkPlain(c, depth+1) && ok
	}
	return ok
}

// checkKey checks a key of a mapping. seen maps each earlier key to its line.
func (d *Doc) checkKey(k *yaml.Node, seen map[string]int) bool {
	at := Node{d: d, n: k}
	if k.Kind != yaml.ScalarNode || k.Tag == "!!merge" {
		at.Fault("", "a key must be one word")
		return false
	}
	if k.Tag == "!!null" {
		at.Fault("put it in quotes if it is meant as a word", "an empty key")
		return false
	}
	if line, twice := seen[k.Value]; twice {
		at.Fault(fmt.Sprintf("it stands on line %d already", line), "the key %.80q stands twice", k.Value)
		return false
	}
	seen[k.Value] = k.Line
	return true
}

// add adds a fault if the list is not full and does not contain the same fault.
func (d *Doc) add(f Fault) {
	f.File, f.Problem, f.Hint = d.name, clip(f.Problem, maxWords), clip(f.Hint, maxWords)
	if d.full() || slices.ContainsFunc(d.faults, f.equals) {
		return
	}
	if f.Line > 0 && f.Line <= len(d.lines) && !d.private {
		if d.seen.Line != f.Line { // compute the excerpt once, because a long line may have many faults
			d.seen = Fault{Line: f.Line, Excerpt: excerpt(d.lines[f.Line-1])}
		}
		f.Excerpt = d.seen.Excerpt
	}
	d.faults = append(d.faults, f)
}

// Enough reports whether the file has the maximum number of faults. After that, callers may stop reading.
func (x Node) Enough() bool { return x.d.full() }

// full reports whether the file has the maximum number of faults. If full is true, add stores no further fault.
func (d *Doc) full() bool { return len(d.faults) >= maxFaults }

// Err returns all faults found so far as Faults; nil: there are none.
func (d *Doc) Err() error {
	if len(d.faults) == 0 {
		return nil
	}
	sort.SliceStable(d.faults, func(i, j int) bool { return d.faults[i].Line < d.faults[j].Line })
	return d.faults
}

// Root returns the node of the whole document.
func (d *Doc) Root() Node { return Node{d: d, n: d.root} }

// Node is a node of a file. The methods return the zero value for a missing or wrong value. If the value is wrong,
// the methods also report a fault.
type Node struct {
	d      *Doc
	n      *yaml.Node
	parent *yaml.Node
	path   string // path from the root, without key
	key    string // last part of the path; stored separately, because most nodes never need their full path
}

// Present reports whether the node has a value. An empty value (null) is not present.
func (x Node) Present() bool { return x.n != nil && x.n.Tag != "!!null" }

// Path returns the path of the node from the root, such as machines.laser.grants[0].role.
func (x Node) Path() string {
	if x.key == "" {
		return x.path
	}
	return join(x.path, x.key)
}

// Line returns the node's line number, from 1. For an absent node, Line returns 0.
func (x Node) Line() int {
	if x.n == nil {
		return 0
	}
	return x.n.Line
}

// Fault reports an error at this node. The parameter hint may be empty.
func (x Node) Fault(hint, format string, a ...any) {
	if x.d.full() {
		return
	}
	f := Fault{Field: x.Path(), Hint: hint, Problem: fmt.Sprintf(format, a...)}
	at := x.n
	if at == nil {
		at = x.parent
	}
	if at != nil {
		f.Line, f.Column = at.Line, at.Column
	}
	x.d.add(f)
}

// Required reports a fault if x is absent.
func (x Node) Required() Node {
	if !x.Present() && x.d.root != nil {
		x.Fault("", "is missing")
	}
	return x
}

// Get returns the value of a key in a mapping. The caller must call Only with the key before.
func (x Node) Get(key string) Node {
	out := Node{d: x.d, parent: x.n, path: x.Path(), key: key}
	if x.n == nil || x.n.Kind != yaml.MappingNode || x.d.full() {
		return out
	}
	for i := 0; i+1 < len(x.n.Content); i += 2 {
		if x.n.Content[i].Value == key {
			out.n = x.n.Content[i+1]
		}
	}
	return out
}

// join returns the path of a key below a path.
func join(path, key string) string {
	key = clip(key, maxName)
	if path == "" {
		return key
	}
	return path + "." + key
}

// Only reports a fault for every key of a mapping that is not in keys, and if the node is not a mapping.
func (x Node) Only(keys ...string) Node {
	if !x.is(yaml.MappingNode, mapping) {
		return x
	}
	for i := 0; i+1 < len(x.n.Content) && !x.d.full(); i += 2 {
		k := x.n.Content[i]
		if slices.Contains(keys, k.Value) {
			continue
		}
		hint := lookalike(k.Value)
		if hint == "" {
			hint = x.DidYouMean(k.Value, keys)
		}
		if hint == "" {
			hint = "known here: " + strings.Join(keys, ", ")
		}
		Node{d: x.d, n: k, path: x.Path()}.Fault(hint, "unknown key %.80q", k.Value)
	}
	return x
}

const mapping = "a mapping (key: value)"

// Pair is a key and its value.
type Pair struct {
	Key     string
	KeyNode Node
	Value   Node
}

// Pairs returns the entries of a mapping, in the file's order.
func (x Node) Pairs() []Pair {
	if !x.is(yaml.MappingNode, mapping) {
		return nil
	}
	at, out := x.Path(), make([]Pair, 0, len(x.n.Content)/2)
	for i := 0; i+1 < len(x.n.Content); i += 2 {
		k, v := x.n.Content[i], x.n.Content[i+1]
		out = append(out, Pair{k.Value, Node{d: x.d, n: k, path: at}, Node{d: x.d, n: v, parent: k, path: join(at, k.Value)}})
	}
	return out
}

// List returns the entries of a list, in order.
func (x Node) List() []Node {
	if !x.is(yaml.SequenceNode, "a list ([…] or lines that begin with -)") {
		return nil
	}
	at, out := x.Path(), make([]Node, 0, len(x.n.Content))
	for i, c := range x.n.Content {
		out = append(out, Node{d: x.d, n: c, parent: x.n, path: at + "[" + strconv.Itoa(i) + "]"})
	}
	return out
}

// IsScalar reports whether the node is a single value.
func (x Node) IsScalar() bool { return x.Present() && x.n.Kind == yaml.ScalarNode }

// IsList reports whether the node is a list.
func (x Node) IsList() bool { return x.Present() && x.n.Kind == yaml.SequenceNode }

// IsMap reports whether the node is a mapping.
func (x Node) IsMap() bool { return x.Present() && x.n.Kind == yaml.MappingNode }

// is reports whether the node is present and of this kind. If the node is of another kind, is reports a fault.
func (x Node) is(k yaml.Kind, what string) bool {
	if !x.Present() || x.d.full() {
		return false
	}
	if x.n.Kind != k {
		x.Fault("", "must be %s", what)
		return false
	}
	return true
}

// Str returns a scalar's text. Str returns numbers and dates without quotes as text too.
func (x Node) Str() string {
	if !x.is(yaml.ScalarNode, "one value") {
		return ""
	}
	return x.n.Value
}

// word returns a scalar's text, and whether the node is a scalar. For any other node, word reports a fault.
func (x Node) word() (string, bool) {
	s := x.Str()
	return s, x.IsScalar()
}

// Strs returns the texts of a list. Strs treats a single scalar as a list with one element.
func (x Node) Strs() []string {
	if x.IsScalar() {
		return []string{x.Str()}
	}
	var out []string
	for _, n := range x.List() {
		out = append(out, n.Str())
	}
	return out
}

// OneOf returns the node's value if it is one of words. For any other value, OneOf reports a fault and returns an
// empty text.
func (x Node) OneOf(words ...string) string {
	s, ok := x.word()
	if !ok || slices.Contains(words, s) {
		return s
	}
	hint := x.DidYouMean(s, words)
	if hint == "" {
		hint = "one of: " + strings.Join(words, ", ")
	}
	x.Fault(hint, "%.80q is not known here", s)
	return ""
}

// Int returns the node's value as a whole number between least and most. For any other value, Int reports a fault and
// returns 0.
func (x Node) Int(least, most int) int {
	s, ok := x.word()
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		x.Fault(fmt.Sprintf("a whole number from %d to %d", least, most), "%.80q does not do", s)
		return 0
	}
	return n
}

// Bool returns the node's value as a boolean. For any other value, Bool reports a fault and returns false.
func (x Node) Bool() bool { return x.OneOf("true", "false") == "true" }
