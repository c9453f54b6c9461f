package openbadge

import (
	"slices"
	"strings"
)

// ob2Aliases lists the aliases in Open Badges 2.0: "verify" (section 4.1, and the context), which Moodle always uses,
// and two JSON-LD keywords.
var ob2Aliases = [...]struct{ alias, word string }{{"verify", "verification"}, {"@id", "id"}, {"@type", "type"}}

// withoutAliases returns a document of Open Badges 2.0, with all nested objects, without aliases. A key together with
// its alias is an error, because readers could disagree on the value. A list with one element becomes the element
// (JSON-LD 1.1, section 4.3: the context has no ordered lists), and repeated texts are removed. Extensions have their
// own contexts and stay unchanged. withoutAliases does not modify doc.
func withoutAliases(doc object) (object, error) {
	out := make(object, len(doc))
	for k, v := range doc {
		if v == nil {
			continue // skip null, because null means an absent value
		}
		word := resolveAlias(k)
		if word != k && doc[word] != nil {
			return nil, fault("ambiguous", "%q is present together with its alias %q", k, word)
		}
		if _, isText := v.(string); word == "id" && !isText {
			return nil, fault("malformed", "an id is not a text")
		}
		if k == "@context" || k == "revoked" || strings.HasPrefix(k, "extensions:") {
			// Do not unwrap a list, because revoked accepts only a boolean.
			out[word] = v
			continue
		}
		v, err := valueWithoutAliases(v)
		if err != nil {
			return nil, err
		}
		if all, isList := v.([]any); isList && len(all) == 0 && word != "revokedAssertions" {
			continue // skip empty lists, except revokedAssertions, where an empty list means that nothing is revoked
		}
		out[word] = v
	}
	return out, nil
}

// maxAlike is the maximum length of a list in which repeated texts are removed. Most such lists are lists of types.
const maxAlike = 16

// resolveAlias returns the key for an alias, and any other key unchanged.
func resolveAlias(k string) string {
	for _, a := range ob2Aliases {
		if a.alias == k {
			return a.word
		}
	}
	return k
}

// valueWithoutAliases is withoutAliases for any value.
func valueWithoutAliases(v any) (any, error) {
	switch v := v.(type) {
	case object:
		return withoutAliases(v)
	case []any:
		out := make([]any, 0, len(v))
		for _, x := range v {
			x, err := valueWithoutAliases(x)
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
