package openbadge

import (
	"slices"
	"strings"
)

// ob2Aliases lists the aliases in Open Badges 2.0: "verify" (section 4.1, and the context), which Moodle always uses,
// and two JSON-LD keywords.
var ob2Aliases = [...]struct{ alias, word string }{{"verify", "verification"}, {"@id", "id"}, {"@type", "type"}}

// withoutAliases returns an Open Badges 2.0 document in which each alias, also in nested objects, is replaced by its
// key. An error is returned if a key and its alias are both present, because readers could disagree on the value.
// withoutAliases replaces a list of one element by the element (JSON-LD 1.1, section 4.3: the context has no ordered
// lists), and removes repeated texts. withoutAliases does not change extensions, because they have their own
// contexts. withoutAliases does not modify doc, but returns a copy.
func withoutAliases(doc object) (object, error) {
	out := make(object, len(doc))
	for k, v := range doc {
		if v == nil {
			continue // leave out null, because null means an absent value
		}
		word := resolveAlias(k)
		if word != k && doc[word] != nil {
			return nil, fault("ambiguous", "%q is present together with its alias %q", k, word)
		}
		if _, isText := v.(string); word == "id" && !isText {
			return nil, fault("malformed", "an id is not a text")
		}
		if k == "@context" || k == "revoked" || strings.HasPrefix(k, "extensions:") {
			// do not replace this list by its element, because revoked accepts only a boolean
			out[word] = v
			continue
		}
		v, err := valueWithoutAliases(v)
		if err != nil {
			return nil, err
		}
		if all, isList := v.([]any); isList && len(all) == 0 && word != "revokedAssertions" {
			continue // leave out empty lists, except revokedAssertions, where an empty list means that nothing is revoked
		}
		out[word] = v
	}
	return out, nil
}

// maxAlike is the length up to which repeated texts are removed from a list. Most lists with repeated texts are lists
// of types.
const maxAlike = 16

// resolveAlias returns the key for which an alias stands; a key that is not an alias is returned unchanged.
func resolveAlias(k string) string {
	for _, a := range ob2Aliases {
		if a.alias == k {
			return a.word
		}
	}
	return k
}

// valueWithoutAliases is withoutAliases for a value of any type.
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
