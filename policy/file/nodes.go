package file

import (
	"net/url"
	"strings"
	"time"

	"portillon/policy"
	"portillon/yamlfile"
)

// only refuses other keys, and keys without a value: "hours:" left empty must not mean "at any hour".
func only(n yamlfile.Node, keys ...string) {
	n.Only(keys...)
	for _, p := range n.Pairs() {
		if !p.Value.Present() {
			p.KeyNode.Fault("give one or remove the key", "%q has no value", p.Key)
		}
	}
}

// bare refuses an entry of a list that is empty; as a key's value, only has refused it.
func bare(n yamlfile.Node) {
	if !n.Present() && strings.HasSuffix(n.Path(), "]") {
		n.Fault("", "an empty entry")
	}
}

// names are the ids of one kind that the file defines.
type names struct {
	set   map[string]bool
	order []string
	hints int
}

// What a hint may cost is bounded: a hostile file is wrong in thousands of places.
const (
	maxHints     = 20
	maxHintWords = 1000
)

// add takes the key of an entry as an id.
func (s *names) add(e yamlfile.Pair) string {
	if s.set == nil {
		s.set = map[string]bool{}
	}
	id := e.KeyNode.Slug()
	if id != "" {
		s.set[id] = true
		s.order = append(s.order, id)
	}
	return id
}

// ref is an id that stands as a value.
func (s *names) ref(n yamlfile.Node, kind string) string {
	id := n.Str()
	if !n.IsScalar() || s.set[id] {
		return id
	}
	n.Fault(s.hint(id, kind), "unknown %s %q", kind, id)
	return ""
}

// key is an id that stands as a key.
func (s *names) key(e yamlfile.Pair, kind string) string {
	if !s.set[e.Key] {
		e.KeyNode.Fault(s.hint(e.Key, kind), "unknown %s %q", kind, e.Key)
		return ""
	}
	return e.Key
}

func (s *names) hint(id, kind string) string {
	if s.hints++; s.hints > maxHints {
		return ""
	}
	if h := yamlfile.DidYouMean(id, s.order[:min(len(s.order), maxHintWords)]); h != "" {
		return h
	}
	return "name it under " + kind + "s:"
}

// positive is a length of time above zero: zero would read as "no limit".
func positive(n yamlfile.Node) time.Duration {
	d := n.Duration()
	if !n.IsScalar() || d > 0 {
		return d
	}
	if _, err := yamlfile.ParseDuration(n.Str()); err == nil {
		n.Fault("more than nothing, or remove the key", "%q does not do", n.Str())
	}
	return 0
}

// line is a name, on one line.
func line(n yamlfile.Node) string {
	s := n.Str()
	if n.IsScalar() && (strings.TrimSpace(s) == "" || strings.ContainsAny(s, "\n\r\t") || len(s) > 200) {
		n.Fault("one line of at most 200 bytes", "%q is not a name", s)
		return ""
	}
	return s
}

// words is a name in one or two languages.
func words(n yamlfile.Node) policy.Text {
	if n.IsMap() {
		only(n, "fr", "en")
		if len(n.Pairs()) == 0 {
			n.Fault("{ fr: …, en: … }", "no name")
		}
		return policy.Text{FR: line(n.Get("fr")), EN: line(n.Get("en"))}
	}
	return policy.Text{FR: line(n)}
}

// absolute is a URL, a DID or a URN as credentials name things.
func absolute(n yamlfile.Node) string {
	s := n.Str()
	if !n.IsScalar() {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Host+u.Opaque == "" || strings.ContainsAny(s, " \n\t") || withoutQuery(s) == "" {
		n.Fault("as it stands in the badge: https://… or did:…", "%q is not an absolute URL", s)
		return ""
	}
	return s
}

func withoutQuery(s string) string {
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		return s[:i]
	}
	return s
}
