package file

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// order is how keys follow each other, whatever mapping they stand in. Keys that are not here are names, and stay as they are.
var order = []string{"portillon", "site", "language", "timezone", "status-grace", "holidays", "panel", "issuers", "roles", "defaults", "badges", "machines", "tests", "never", "evidence",
	"name", "id", "keys", "issuer", "achievement",
	"grants", "role", "needs", "badge", "all", "any", "within", "used-within", "assurance", "supervisor", "learners", "hours", "booked", "quota", "session",
	"at", "machine", "member", "card", "holds", "supervisor-holds", "last-used", "logged", "used", "answering", "clock", "bundle-age", "tagged", "fault", "as", "expect", "because",
	"without", "on", "alone",
	"interventions", "maintenance", "vouch", "kind", "days", "block", "names", "look",
	"when-idle", "cooldown", "mode", "bundle", "fresh", "then", "pass", "bookings", "from", "to", "for",
	"day", "week", "max", "idle", "warn", "extend", "issued", "expires", "revoked", "interventions", "kinds", "endorsed-by", "fr", "en"}

// Format writes a policy file in its canonical form: keys in one order, two spaces a level, a blank line before each section.
// Comments stay with what they stand at, and what is written on one line in braces stays so. The policy is the same; a file that Parse
// refuses is refused.
func Format(name string, data []byte) ([]byte, error) {
	if _, err := Parse(name, data); err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(lifted(data), &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	arrange(&doc)
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(&doc); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	out := sections(b.String())
	if _, err := Parse(name, out); err != nil {
		return nil, fmt.Errorf("%s: the canonical form would not be the same policy: %w", name, err)
	}
	return out, nil
}

// lifted puts a comment between a key and a list in brackets on the next line above the key: the YAML library takes it for the next key's.
func lifted(data []byte) []byte {
	lines := strings.Split(string(data), "\n")
	for i, line := range lines[:len(lines)-1] {
		m := bareKey.FindStringSubmatch(line)
		if next := strings.TrimSpace(lines[i+1]); m != nil && (strings.HasPrefix(next, "[") || strings.HasPrefix(next, "{")) {
			lines[i] = m[1] + m[3] + "\n" + m[1] + m[2]
		}
	}
	return []byte(strings.Join(lines, "\n"))
}

var bareKey = regexp.MustCompile(`^( *)([a-z0-9-]+:)\s+(#.*)$`)

// arrange sorts the known keys of every mapping. A mapping with a key that is not known is one of names.
func arrange(n *yaml.Node) {
	for _, c := range n.Content {
		arrange(c)
	}
	if n.Kind != yaml.MappingNode {
		return
	}
	type pair struct{ key, value *yaml.Node }
	var pairs []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		if !slices.Contains(order, n.Content[i].Value) {
			return
		}
		pairs = append(pairs, pair{n.Content[i], n.Content[i+1]})
	}
	slices.SortStableFunc(pairs, func(a, b pair) int {
		return slices.Index(order, a.key.Value) - slices.Index(order, b.key.Value)
	})
	n.Content = n.Content[:0]
	for _, p := range pairs {
		n.Content = append(n.Content, p.key, p.value)
	}
}

// sections puts a blank line before each key of the top that holds more than a value, or before the comment that stands above it.
func sections(text string) []byte {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	var out []string
	comment := -1 // where the comment above the next key begins in out
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, "#"):
			if comment < 0 {
				comment = len(out)
			}
		case line == "":
			continue
		case line[0] != ' ' && line[0] != '-':
			at := comment
			if at < 0 {
				at = len(out)
			}
			more := i+1 < len(lines) && (strings.HasPrefix(lines[i+1], " ") || strings.HasPrefix(lines[i+1], "-"))
			if more && at > 0 {
				out = slices.Insert(out, at, "")
			}
			comment = -1
		}
		out = append(out, line)
	}
	return []byte(strings.Join(out, "\n") + "\n")
}
