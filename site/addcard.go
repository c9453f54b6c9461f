package site

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"portillon/policy"
	"portillon/wire"
)

// AddCard adds a card to a member in the text of a members.yaml. hmac is the card's HMAC as bundles contain it. AddCard
// inserts one entry and leaves the rest of the text unchanged, including comments. AddCard parses the result again, and
// returns an error if anything but the additional card has changed.
func AddCard(name string, data []byte, member policy.MemberID, hmac string) ([]byte, error) {
	if !wire.IsCardHash(hmac) {
		return nil, fmt.Errorf("HMAC of the card has %d characters, want 64 hexadecimal digits in lower case", len(hmac))
	}
	before, err := ParseMembers(name, data)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(before, func(m Member) bool { return m.ID == member })
	if at < 0 {
		return nil, fmt.Errorf("%s has no member %.64q, want the id of a member in this file", name, member)
	}
	entry := hmacPrefix + hmac
	for _, m := range before {
		if slices.Contains(m.allNumbers(), entry) {
			return nil, fmt.Errorf("the card already belongs to %s (%s)", m.Name, m.ID)
		}
	}
	var top yaml.Node
	if err := yaml.Unmarshal(data, &top); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	out, ok := insertCard(string(data), memberNode(&top, at), `"`+entry+`"`)
	if ok {
		after, err := ParseMembers(name, []byte(out))
		if err == nil && isOneCardMore(before, after, at, entry) {
			return []byte(out), nil
		}
	}
	return nil, fmt.Errorf("%s has a form that this program cannot change: add %q by hand to the cards: of member %s",
		name, entry, member)
}

// isOneCardMore reports whether after equals before, except that the cards of the member at index at contain the
// additional entry.
func isOneCardMore(before, after []Member, at int, entry string) bool {
	if len(after) != len(before) || !slices.Contains(after[at].Cards, entry) {
		return false
	}
	m := &after[at]
	m.Cards = slices.DeleteFunc(m.Cards, func(c string) bool { return c == entry })
	if len(m.Cards) == 0 {
		m.Cards = before[at].Cards // ignore these lists, which were compared above; nil and an empty list are equal
	}
	return reflect.DeepEqual(before, after)
}

// memberNode returns the mapping of the member at index at; nil: there is none.
func memberNode(top *yaml.Node, at int) *yaml.Node {
	if len(top.Content) != 1 {
		return nil
	}
	if list := valueOf(top.Content[0], "members"); list != nil && at < len(list.Content) {
		return list.Content[at]
	}
	return nil
}

// valueOf returns the value of a key of a mapping; nil: the mapping does not have the key.
func valueOf(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// insertCard inserts an entry into the cards: of a member, or adds the key cards: if the member has none. insertCard
// returns false if the text has a form that it cannot change.
func insertCard(text string, m *yaml.Node, entry string) (string, bool) {
	if m == nil || m.Kind != yaml.MappingNode {
		return "", false
	}
	key := ""
	for _, k := range []string{"cards", "card"} { // both keys have the same meaning
		v := valueOf(m, k)
		switch {
		case v == nil && key == "":
			key = k
		case v == nil || v.Kind != yaml.SequenceNode:
		case v.Style&yaml.FlowStyle != 0:
			return insertInFlow(text, v, entry)
		case len(v.Content) > 0:
			return insertItem(text, v.Content[0], entry)
		}
	}
	if key == "" {
		return "", false
	}
	line := key + ": [" + entry + "]"
	if m.Style&yaml.FlowStyle != 0 {
		return insertInFlow(text, m, line)
	}
	if len(m.Content) < 4 {
		return "", false
	}
	return insertLine(text, m.Content[2], line)
}

// insertItem inserts an item into a block list, before the first item.
func insertItem(text string, first *yaml.Node, entry string) (string, bool) {
	start, at, ok := place(text, first)
	if !ok {
		return "", false
	}
	indent, rest := text[start:at], ""
	if indent, rest, ok = strings.Cut(indent, "-"); !ok || strings.TrimSpace(indent+rest) != "" {
		return "", false
	}
	return text[:start] + indent + "- " + entry + "\n" + text[start:], true
}

// insertLine inserts a line before the line of a key in a block mapping.
func insertLine(text string, key *yaml.Node, line string) (string, bool) {
	start, at, ok := place(text, key)
	if !ok || strings.TrimSpace(text[start:at]) != "" {
		return "", false
	}
	return text[:start] + text[start:at] + line + "\n" + text[start:], true
}

// place returns the byte offset of a node, and of the start of its line. The YAML library counts columns in
// characters, not in bytes.
func place(text string, n *yaml.Node) (start, at int, ok bool) {
	for range n.Line - 1 {
		i := strings.IndexByte(text[start:], '\n')
		if i < 0 {
			return 0, 0, false
		}
		start += i + 1
	}
	column := 1
	for i := range text[start:] {
		if column == n.Column {
			return start, start + i, true
		}
		column++
	}
	return 0, 0, false
}

// insertInFlow inserts an entry at the end of a list or mapping in brackets.
func insertInFlow(text string, n *yaml.Node, entry string) (string, bool) {
	_, open, ok := place(text, n)
	if !ok || text[open] != '[' && text[open] != '{' {
		return "", false
	}
	end, last, ok := closingBracket(text, open)
	if !ok {
		return "", false
	}
	comma := ", "
	switch text[last] {
	case '[', '{':
		comma = pickText(text[last+1:end] == "" && text[open] == '[', "", " ")
	case ',':
		comma = " "
	}
	return text[:last+1] + comma + entry + text[last+1:], true
}

// pickText returns a if first is true, otherwise b.
func pickText(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// quotedEnd returns the offset of the quote that closes the quote at i, or the length of the text.
func quotedEnd(text string, i int) int {
	quote := text[i]
	for i++; i < len(text) && text[i] != quote; i++ {
		if quote == '"' && text[i] == '\\' {
			i++ // skip the escaped character
		}
	}
	return i
}

// closingBracket returns the offset of the bracket that closes the bracket at open, and the offset of the last
// character before it that is neither blank nor in a comment.
func closingBracket(text string, open int) (end, last int, ok bool) {
	depth, last := 0, open
	for i := open; i < len(text); i++ {
		c := text[i]
		switch {
		case strings.IndexByte(`"'`, c) >= 0 && strings.ContainsRune(" \t\n[{,:", rune(text[i-1])):
			i = quotedEnd(text, i)
		case c == '#' && strings.ContainsRune(" \t\n", rune(text[i-1])):
			j := strings.IndexByte(text[i:], '\n')
			if j < 0 {
				return 0, 0, false
			}
			i += j
			continue
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			if depth--; depth == 0 {
				return i, last, true
			}
		}
		if !strings.ContainsRune(" \t\r\n", rune(c)) {
			last = min(i, len(text)-1)
		}
	}
	return 0, 0, false
}
