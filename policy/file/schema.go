package file

import (
	"encoding/json"
	"maps"

	"portillon/policy"
	"portillon/yamlfile"
)

// Schema returns the JSON Schema (draft 2020-12) of a policy file, for editors. A schema cannot express some rules,
// such as that a badge is defined or that hours can be parsed. Only Parse checks these rules.
func Schema() []byte {
	all := newTables().mappings()
	s := all["policy"].object()
	s["$schema"], s["title"] = "https://json-schema.org/draft/2020-12/schema", "Portillon: policy.yaml"
	defs := valueForms()
	for _, name := range []string{
		"issuer", "badge", "accept", "evidence", "session", "grant", "machine", "booking", "upkeep", "test", "never",
	} {
		defs[name] = all[name].object()
	}
	defs["name"] = thing{"anyOf": []any{ref("line"), all["name"].object()}}
	defs["held"] = thing{"anyOf": []any{ref("slug"), all["held"].object()}}
	several := all["several-needs"]
	defs["need"] = thing{"anyOf": []any{ref("slug"), all["badge-need"].object(),
		several.just("all").object(), several.just("any").object()}}
	s["$defs"] = defs
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic(err) // this line is never reached, because JSON can encode all values of the schema
	}
	return append(b, '\n')
}

// object returns the schema of a mapping.
func (m mapping) object() thing {
	properties, required := thing{}, []string(nil)
	for _, k := range m.keys {
		properties[k.name] = describe(k.about, k.schema)
		if k.required {
			required = append(required, k.name)
		}
	}
	o := thing{"type": "object", "additionalProperties": false, "properties": properties}
	if required != nil {
		o["required"] = required
	}
	maps.Copy(o, m.rules)
	return o
}

// just returns the mapping with only the given key, which is required.
func (m mapping) just(name string) mapping {
	out := mapping{name: m.name}
	for _, k := range m.keys {
		if k.name == name {
			k.required = true
			out.keys = append(out.keys, k)
		}
	}
	return out
}

// thing is a part of a JSON Schema, as a map of keywords.
type thing = map[string]any

// valueForms returns the forms of single values. The forms have no description, because editors would show the form's
// description and hide the key's.
func valueForms() thing {
	length := thing{"type": "string", "pattern": yamlfile.DurationForm, "minLength": 1}
	return thing{
		"slug":     thing{"type": "string", "pattern": yamlfile.SlugForm},
		"length":   length,
		"duration": with(maps.Clone(length), "not", thing{"pattern": "^[0dhms]*$"}), // a positive duration
		"limit":    thing{"anyOf": []any{ref("duration"), thing{"const": "none"}}},
		"hours":    thing{"type": "string", "minLength": 1, "maxLength": maxHours},
		"moment":   thing{"type": "string", "pattern": momentForm},
		"minute":   thing{"type": "string", "pattern": minuteForm},
		"role":     oneOf(roleWords(policy.Roles())...),
		"line":     thing{"type": "string", "pattern": `\S`, "maxLength": maxLine},
		"card":     oneOf("number", "aes"),
	}
}

// with adds a keyword and its value to a schema.
func with(t thing, word string, v any) thing {
	t[word] = v
	return t
}

// ref returns a reference to a form under $defs.
func ref(name string) thing { return thing{"$ref": "#/$defs/" + name} }

// describe returns the schema t with the text that editors show for the key.
func describe(about string, t thing) thing { return with(maps.Clone(t), "description", about) }

// list returns the schema of a list of at least least entries. most is 0 if the reader has no upper limit.
func list(of thing, least, most int) thing {
	l := thing{"type": "array", "items": of}
	if least > 0 {
		l["minItems"] = least
	}
	if most > 0 {
		l["maxItems"] = most
	}
	return l
}

// orList returns the schema of one value, or of a list of values that is not empty.
func orList(of thing, most int) thing { return thing{"anyOf": []any{of, list(of, 1, most)}} }

// mapOf returns the schema of a mapping of ids to values of one form.
func mapOf(of thing) thing {
	return thing{"type": "object", "propertyNames": ref("slug"), "additionalProperties": of}
}

// oneIsRequired returns a schema in which the mapping must have at least one of these keys.
func oneIsRequired(keys ...string) thing {
	var forms []any
	for _, k := range keys {
		forms = append(forms, thing{"required": []string{k}})
	}
	return thing{"anyOf": forms}
}

// oneOf returns the schema of a value that is one of the words.
func oneOf(words ...string) thing { return thing{"enum": words} }

// codeWords returns all codes as words.
func codeWords() []string {
	var out []string
	for _, c := range policy.Codes() {
		out = append(out, string(c))
	}
	return out
}
