// Package yamlfile reads the YAML files that people of a site write: policy, members, machine, hub.
//
// It accepts one document of plain mappings, lists and scalars. It refuses anchors, aliases, merge keys, tags,
// duplicate keys, keys that nobody asked for, more than MaxBytes, and nesting beyond MaxDepth. It never stops
// at the first fault: all are collected, each with file, line, column, field, the words given, and what would do.
package yamlfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

const (
	MaxBytes = 4 << 20 // a members.yaml of 10,000 people is about 2 MB
	MaxDepth = 32
	// maxFaults keeps an answer readable, and quick on a hostile file.
	maxFaults = 50
)

// Fault is one thing wrong with a file.
type Fault struct {
	File         string
	Line, Column int    // from 1; 0: the file as a whole
	Field        string // "machines.laser.grants[0].role"
	Problem      string // what is wrong, with what was given
	Hint         string // what would do; may be empty
	Excerpt      string // the line
}

// String is the fault as an operator reads it, with the line and a caret below it.
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", f.Line, f.Column)
	}
	b.WriteString(": ")
	if f.Field != "" {
		b.WriteString(f.Field + ": ")
	}
	b.WriteString(f.Problem)
	if f.Hint != "" {
		fmt.Fprintf(&b, " (%s)", f.Hint)
	}
	if f.Excerpt != "" {
		fmt.Fprintf(&b, "\n%6d | %s\n       | %s^", f.Line, f.Excerpt, indent(f.Excerpt, f.Column-1))
	}
	return b.String()
}

// indent keeps tabs, so that the caret stands under the word.
func indent(line string, n int) string {
	var b strings.Builder
	for i, r := range []rune(line) {
		if i >= n {
			break
		}
		if r == '\t' {
			b.WriteRune(r)
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// Faults is an error made of all that is wrong, in the file's order.
type Faults []Fault

func (f Faults) Error() string {
	out := make([]string, len(f))
	for i, x := range f {
		out[i] = x.String()
	}
	return strings.Join(out, "\n")
}

// Doc is a file being read.
type Doc struct {
	name    string
	lines   []string
	root    *yaml.Node
	faults  Faults
	private bool
}

// Parse reads data; name stands in every fault. It always returns a Doc: Err says whether it can be used.
func Parse(name string, data []byte) *Doc {
	d := &Doc{name: name}
	if len(data) > MaxBytes {
		d.add(Fault{Problem: fmt.Sprintf("the file has %d bytes", len(data)), Hint: fmt.Sprintf("at most %d", MaxBytes)})
		return d
	}
	if tooDeep(data) {
		d.add(Fault{Problem: "brackets are nested too deep", Hint: fmt.Sprintf("at most %d deep", MaxDepth)})
		return d
	}
	d.lines = strings.Split(string(data), "\n")
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var top yaml.Node
	if err := dec.Decode(&top); err != nil {
		d.syntax(err)
		return d
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		d.add(Fault{Problem: "the file holds more than one document, or what follows the first is not YAML", Hint: "one document a file"})
	}
	if len(top.Content) == 1 && d.plain(top.Content[0], 1) {
		d.root = top.Content[0]
	}
	return d
}

// Private keeps lines out of the faults: an error about a file of members is sent to others more readily than the file.
func (d *Doc) Private() *Doc {
	d.private = true
	for i := range d.faults {
		d.faults[i].Excerpt = ""
	}
	return d
}

// tooDeep looks for nesting before the YAML reader does, whose own work grows with it.
func tooDeep(data []byte) bool {
	depth := 0
	for _, c := range data {
		switch c {
		case '[', '{':
			if depth++; depth > 4*MaxDepth { // brackets also stand in quoted words
				return true
			}
		case ']', '}', '\n':
			depth = max(depth-1, 0)
		}
	}
	return false
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

func (d *Doc) syntax(err error) {
	if errors.Is(err, io.EOF) {
		d.add(Fault{Problem: "the file is empty"})
		return
	}
	f := Fault{Problem: "this is not YAML: " + err.Error()}
	if m := yamlLine.FindStringSubmatch(strings.SplitN(err.Error(), "\n", 2)[0]); m != nil {
		f.Problem = "this is not YAML: " + m[2]
		if f.Line, _ = strconv.Atoi(m[1]); f.Line > 0 {
			f.Column = 1
		}
	}
	d.add(f)
}

// plain refuses what a reader could misread, and says whether the tree below n can be walked.
func (d *Doc) plain(n *yaml.Node, depth int) bool {
	at := Node{d: d, n: n}
	switch {
	case depth > MaxDepth:
		at.Fault(fmt.Sprintf("at most %d deep", MaxDepth), "nested too deep")
		return false
	case n.Kind == yaml.AliasNode:
		at.Fault("write it out", "aliases are not read: *%s", n.Value)
		return false
	case n.Anchor != "":
		at.Fault("write it out where it is wanted", "anchors are not read: &%s", n.Anchor)
		return false
	case n.Style&yaml.TaggedStyle != 0:
		at.Fault("remove it", "tags are not read: %s", n.Tag)
		return false
	}
	ok := true
	seen := map[string]int{}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			ok = d.key(c, seen) && ok
		}
		ok = d.plain(c, depth+1) && ok
	}
	return ok
}

func (d *Doc) key(k *yaml.Node, seen map[string]int) bool {
	at := Node{d: d, n: k}
	if k.Kind != yaml.ScalarNode || k.Tag == "!!merge" {
		at.Fault("", "a key must be one word")
		return false
	}
	if line, twice := seen[k.Value]; twice {
		at.Fault(fmt.Sprintf("it stands on line %d already", line), "the key %q stands twice", k.Value)
		return false
	}
	seen[k.Value] = k.Line
	return true
}

func (d *Doc) add(f Fault) {
	if len(d.faults) >= maxFaults {
		return
	}
	f.File = d.name
	if f.Line > 0 && f.Line <= len(d.lines) && !d.private {
		f.Excerpt = strings.TrimRight(d.lines[f.Line-1], "\r")
		if len(f.Excerpt) > 160 || strings.Contains(f.Excerpt, "PRIVATE+KEY") || strings.Contains(f.Excerpt, "secretKey") { // a key file given by mistake
			f.Excerpt = ""
		}
	}
	d.faults = append(d.faults, f)
}

// Err is nil, or Faults with all that was found so far.
func (d *Doc) Err() error {
	if len(d.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(d.faults, func(a, b Fault) int { return a.Line - b.Line })
	return d.faults
}

// Root is the whole document.
func (d *Doc) Root() Node { return Node{d: d, n: d.root} }

// Node is a place in a file. The zero value of what it holds stands for what is absent or wrong; wrong has been reported.
type Node struct {
	d      *Doc
	n      *yaml.Node
	parent *yaml.Node
	path   string
}

// Present reports whether something stands here. An empty value (null) does not.
func (x Node) Present() bool { return x.n != nil && x.n.Tag != "!!null" }

// Path is the field's name from the root.
func (x Node) Path() string { return x.path }

// Line is where the node stands in its file, from 1; 0: nowhere.
func (x Node) Line() int {
	if x.n == nil {
		return 0
	}
	return x.n.Line
}

// Fault reports what is wrong here. hint may be empty.
func (x Node) Fault(hint, format string, a ...any) {
	f := Fault{Field: x.path, Hint: hint, Problem: fmt.Sprintf(format, a...)}
	at := x.n
	if at == nil {
		at = x.parent
	}
	if at != nil {
		f.Line, f.Column = at.Line, at.Column
	}
	x.d.add(f)
}

// Required reports x where it is absent.
func (x Node) Required() Node {
	if !x.Present() && x.d.root != nil {
		x.Fault("", "is missing")
	}
	return x
}

// Get is the value of key, which Only must have allowed.
func (x Node) Get(key string) Node {
	out := Node{d: x.d, parent: x.n, path: join(x.path, key)}
	if x.n == nil || x.n.Kind != yaml.MappingNode {
		return out
	}
	for i := 0; i+1 < len(x.n.Content); i += 2 {
		if x.n.Content[i].Value == key {
			out.n = x.n.Content[i+1]
		}
	}
	return out
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// Only reports every key but these, and anything that is no mapping.
func (x Node) Only(keys ...string) Node {
	for _, p := range x.Pairs() {
		if !slices.Contains(keys, p.Key) {
			hint := DidYouMean(p.Key, keys)
			if hint == "" {
				hint = "known here: " + strings.Join(keys, ", ")
			}
			p.KeyNode.Fault(hint, "unknown key %q", p.Key)
		}
	}
	return x
}

// Pair is a key and its value.
type Pair struct {
	Key     string
	KeyNode Node
	Value   Node
}

// Pairs are the entries of a mapping, in the file's order.
func (x Node) Pairs() []Pair {
	if !x.is(yaml.MappingNode, "a mapping (key: value)") {
		return nil
	}
	var out []Pair
	for i := 0; i+1 < len(x.n.Content); i += 2 {
		k, v := x.n.Content[i], x.n.Content[i+1]
		path := join(x.path, k.Value)
		out = append(out, Pair{k.Value, Node{d: x.d, n: k, path: x.path}, Node{d: x.d, n: v, parent: k, path: path}})
	}
	return out
}

// List are the entries of a list, in order.
func (x Node) List() []Node {
	if !x.is(yaml.SequenceNode, "a list ([…] or lines that begin with -)") {
		return nil
	}
	var out []Node
	for i, c := range x.n.Content {
		out = append(out, Node{d: x.d, n: c, parent: x.n, path: fmt.Sprintf("%s[%d]", x.path, i)})
	}
	return out
}

// IsScalar, IsList and IsMap say what stands here.
func (x Node) IsScalar() bool { return x.Present() && x.n.Kind == yaml.ScalarNode }
func (x Node) IsList() bool   { return x.Present() && x.n.Kind == yaml.SequenceNode }
func (x Node) IsMap() bool    { return x.Present() && x.n.Kind == yaml.MappingNode }

func (x Node) is(k yaml.Kind, what string) bool {
	if !x.Present() {
		return false
	}
	if x.n.Kind != k {
		x.Fault("", "must be %s", what)
		return false
	}
	return true
}

// Str is a scalar's words. Numbers and dates written without quotes are words too.
func (x Node) Str() string {
	if !x.is(yaml.ScalarNode, "one value") {
		return ""
	}
	return x.n.Value
}

// Strs is a list of words; one word alone is a list of one.
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

// OneOf is a word of a closed list, or "".
func (x Node) OneOf(words ...string) string {
	s := x.Str()
	if s == "" && !x.Present() || slices.Contains(words, s) {
		return s
	}
	hint := DidYouMean(s, words)
	if hint == "" {
		hint = "one of: " + strings.Join(words, ", ")
	}
	x.Fault(hint, "%q is not known here", s)
	return ""
}

// Int is a whole number between least and most.
func (x Node) Int(least, most int) int {
	s := x.Str()
	if !x.Present() {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		x.Fault(fmt.Sprintf("a whole number from %d to %d", least, most), "%q does not do", s)
		return 0
	}
	return n
}

// Bool is true or false.
func (x Node) Bool() bool { return x.OneOf("true", "false") == "true" }

// Duration reads 45s, 10m, 2h, 180d; not negative.
func (x Node) Duration() time.Duration {
	s := x.Str()
	if !x.Present() {
		return 0
	}
	d, err := ParseDuration(s)
	if err != nil {
		x.Fault("a number and s, m, h or d: 45s, 10m, 1h30m, 180d", "%q is not a length of time", s)
	}
	return d
}

// ParseDuration is time.ParseDuration with days (d, 24 h), and without negatives.
func ParseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 100*366 {
			return 0, fmt.Errorf("%q is not a number of days", s)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(s)
	if err == nil && d < 0 {
		err = errors.New("negative")
	}
	if err != nil {
		return 0, fmt.Errorf("%q is not a length of time", s)
	}
	return d, nil
}

var slug = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$`)

// Slug is an id: lower-case letters, digits and hyphens, at most 64.
func (x Node) Slug() string {
	s := x.Str()
	if x.Present() && !slug.MatchString(s) {
		x.Fault("lower-case letters, digits and hyphens, at most 64", "%q is not an id", s)
		return ""
	}
	return s
}
