package openbadge

import (
	"slices"
	"strings"
)

// ob2Aliases are the aliases in Open Badges 2.0: 'Alias "verify" may be used' (section 4.1, and the context), which
// Moodle always uses, and two JSON-LD keywords.
var ob2Aliases = [...]struct{ alias, word string }{{"verify", "verification"}, {"@id", "id"}, {"@type", "type"}}

// ob2Plain returns a document of Open Badges 2.0, with all nested objects, without aliases. A key together with its
// alias is an error, because it is unclear which of them counts. A list with one element becomes the element (JSON-LD
// 1.1, section 4.3: the context has no ordered lists), and repeated texts are removed. Extensions have their own
// contexts and stay unchanged. ob2Plain does not modify doc.
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
			// Keep the value: revoked accepts only a boolean, not a list.
			out[word] = v
			continue
		}
		v, err := ob2PlainValue(v)
		if err != nil {
			return nil, err
		}
		if all, isList := v.([]any); isList && len(all) == 0 && word != "revokedAssertions" {
			continue // skip empty lists, except revokedAssertions: there it means that nothing is revoked
		}
		out[word] = v
	}
	return out, nil
}

// maxAlike is the maximum length of lists that are searched for repeated texts, mainly lists of types.
const maxAlike = 16

// plainWord returns the key for an alias, and any other key unchanged.
func plainWord(k string) string {
	for _, a := range ob2Aliases {
		if a.alias == k {
			return a.word
		}
	}
	return k
}

// ob2PlainValue is ob2Plain for any value.
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
