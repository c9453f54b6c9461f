package openbadge

import (
	"strings"
)

// ob2Aliases are the words for which the context of Open Badges 2.0 has another: «Alias "verify" may be used» (section 4.1, and its
// context), which is all that Moodle writes, and the two for JSON-LD's own.
var ob2Aliases = [...]struct{ alias, word string }{{"verify", "verification"}, {"@id", "id"}, {"@type", "type"}}

// ob2Plain is a document of Open Badges 2.0, and all that stands within it, in the one word for each thing that is read here. Where a
// word stands beside its alias nobody could say which counts: that is refused. Extensions stand under contexts of their own, and stay
// as they are. The document itself is not changed.
func ob2Plain(doc object) (object, error) {
	out := make(object, len(doc))
	for k, v := range doc {
		if v == nil {
			continue // a null is an absent value
		}
		word := plainWord(k)
		if word != k && doc[word] != nil {
			return nil, fault("ambiguous", "%q stands beside %q, which is another word for it", k, word)
		}
		if k != "@context" && !strings.HasPrefix(k, "extensions:") {
			var err error
			if v, err = ob2PlainValue(v); err != nil {
				return nil, err
			}
		}
		out[word] = v
	}
	return out, nil
}

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
		out := make([]any, len(v))
		for i, x := range v {
			var err error
			if out[i], err = ob2PlainValue(x); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}
