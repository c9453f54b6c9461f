package openbadge

import (
	"slices"
	"strings"
)

// ob2Aliases are the words for which the context of Open Badges 2.0 has another: «Alias "verify" may be used» (section
// 4.1, and its context), which is all that Moodle writes, and the two for JSON-LD's own.
var ob2Aliases = [...]struct{ alias, word string }{{"verify", "verification"}, {"@id", "id"}, {"@type", "type"}}

// ob2Plain is a document of Open Badges 2.0, and all that stands within it, in the one word for each thing that is read
// here. Where a word stands beside its alias nobody could say which counts: that is refused. A list of one is that one
// (JSON-LD 1.1, section 4.3: the context has no ordered lists), and the same text twice is the text. Extensions stand
// under contexts of their own, and stay as they are. The document itself is not changed.
func ob2Plain(doc object) (object, error) {
	out := make(object, len(doc))
	for k, v := range doc {
		if v == nil {
			continue // a null is an absent value
		}
		word := plainWord(k)
		if word != k && doc[word] != nil {
			return nil, fault("ambiguous", "%q is present together with its alias %q", k, word)
		}
		if _, isText := v.(string); word == "id" && !isText {
			return nil, fault("malformed", "an id is not a text")
		}
		if k == "@context" || k == "revoked" || strings.HasPrefix(k, "extensions:") {
			// of revoked only true and false are taken
			out[word] = v
			continue
		}
		v, err := ob2PlainValue(v)
		if err != nil {
			return nil, err
		}
		if all, isList := v.([]any); isList && len(all) == 0 && word != "revokedAssertions" {
			continue // a list of nothing says nothing, but of revocations that there are none
		}
		out[word] = v
	}
	return out, nil
}

// maxAlike bounds the lists of which texts are compared with each other: types, above all.
const maxAlike = 16

func plainWord(k string) string {
	for _, a := range ob2Aliases {
		if a.alias == k {
			return a.word
		}
	}
	return k
}

func ob2PlainValue(v any) (any, error) {
	switch v := v.(type) {
	case object:
		return ob2Plain(v)
	case []any:
		out := make([]any, 0, len(v))
		for _, x := range v {
			x, err := ob2PlainValue(x)
			if err != nil {
				return nil, err
			}
			s, isText := x.(string)
			if twice := isText && len(v) <= maxAlike && slices.Contains(out, any(s)); x != nil && !twice {
				out = append(out, x)
			}
		}
		if len(out) == 1 {
			return out[0], nil
		}
		return out, nil
	}
	return v, nil
}
