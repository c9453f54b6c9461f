package file

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"portillon/yamlfile"
)

// Format writes a policy file in its canonical form: keys in the order of the tables, two spaces a level, a blank line
// around each section; mappings on one line in braces stay on one line. The policy does not change. Format refuses a
// file that Parse refuses.
//
// Comments are kept. Comments above or beside a key or an entry of a list move with it. Comments at the end of a block,
// or at the top or the end of the file, stay there. A collection with comments inside its brackets is written without
// brackets, over several lines. Format checks its own output, and returns an error if a comment is lost or the policy
// has changed.
func Format(name string, data []byte) ([]byte, error) {
	if _, err := Parse(name, data); err != nil {
		return nil, err
	}
	data = lineFeeds(data)
	doc, err := tree(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	g := newPage(data, doc)
	root := g.layout(doc)
	root.arrange(top())
	p := &printer{g: g}
	p.file(root)
	out := []byte(p.String())
	return out, checkKept(name, g, doc, out)
}

// lineFeeds replaces all line ends by line feeds, and removes a byte order mark.
func lineFeeds(data []byte) []byte {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(data, []byte("\r"), []byte("\n"))
}

// tree parses a document. An empty document is an error.
func tree(data []byte) (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	if len(doc.Content) != 1 {
		return nil, errors.New("the file is empty")
	}
	return &doc, nil
}

// checkKept returns an error if the output has another meaning than the input, or lacks a comment of the input.
func checkKept(name string, before *page, doc *yaml.Node, out []byte) error {
	again, err := tree(out)
	if err != nil || !sameMeaning(doc, again) {
		return fmt.Errorf("%s: the canonical form would be a different policy, so nothing is written", name)
	}
	if c := lostComment(before, newPage(out, again)); c != nil {
		return yamlfile.Faults{{
			File:    name,
			Line:    c.line + 1,
			Column:  c.column + 1,
			Problem: "this comment would be lost, so nothing is written",
			Hint:    "put it on a line of its own, above what it is about",
			Excerpt: string(before.src[before.lines[c.line]:before.lineEnd(c.at)]),
		}}
	}
	return nil
}

// lostComment returns the first comment of before that after lacks; nil: no comment is lost.
func lostComment(before, after *page) *comment {
	left := slices.Clone(after.comments)
	for _, c := range before.comments {
		i := slices.IndexFunc(left, func(x *comment) bool { return x.text == c.text })
		if i < 0 {
			return c
		}
		left = slices.Delete(left, i, i+1)
	}
	return nil
}

// sameMeaning reports whether two trees have the same values. The order of keys does not count.
func sameMeaning(a, b *yaml.Node) bool {
	if a.Kind != b.Kind || a.ShortTag() != b.ShortTag() || len(a.Content) != len(b.Content) {
		return false
	}
	if a.Kind == yaml.ScalarNode {
		return a.Value == b.Value || a.ShortTag() == "!!null"
	}
	if a.Kind != yaml.MappingNode {
		return slices.EqualFunc(a.Content, b.Content, sameMeaning)
	}
	values := map[string]*yaml.Node{}
	for i := 0; i+1 < len(b.Content); i += 2 {
		values[b.Content[i].Value] = b.Content[i+1]
	}
	for i := 0; i+1 < len(a.Content); i += 2 {
		if v := values[a.Content[i].Value]; v == nil || !sameMeaning(a.Content[i+1], v) {
			return false
		}
	}
	return true
}
