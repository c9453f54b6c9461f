package file

import (
	"encoding/json"
	"maps"

	"portillon/policy"
	"portillon/yamlfile"
)

// Schema is the JSON Schema (draft 2020-12) of a policy file, for editors. What it cannot say (that a badge is listed,
// that hours can be read) Parse says.
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
		panic(err) // the maps above hold nothing that JSON cannot encode
	}
	return append(b, '\n')
}

// object is the schema of a mapping.
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

// just is the mapping with one of its keys alone, which is required.
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

// thing is a piece of JSON Schema.
type thing = map[string]any

// valueForms are the forms of single values. They have no description of their own, for it would take the place of what
// a key says.
func valueForms() thing {
	length := thing{"type": "string", "pattern": yamlfile.DurationForm, "minLength": 1}
	return thing{
		"slug":     thing{"type": "string", "pattern": yamlfile.SlugForm},
		"length":   length,
		"duration": with(maps.Clone(length), "not", thing{"pattern": "^[0dhms]*$"}), // positive
		"limit":    thing{"anyOf": []any{ref("duration"), thing{"const": "none"}}},
		"hours":    thing{"type": "string", "minLength": 1, "maxLength": maxHours},
		"moment":   thing{"type": "string", "pattern": momentForm},
		"minute":   thing{"type": "string", "pattern": minuteForm},
		"role":     oneOf(roleWords(policy.Roles())...),
		"line":     thing{"type": "string", "pattern": `\S`, "maxLength": maxLine},
		"card":     oneOf("number", "aes"),
	}
}

// with adds a word and its value to a piece of schema.
func with(t thing, word string, v any) thing {
	t[word] = v
	return t
}

func ref(name string) thing { return thing{"$ref": "#/$defs/" + name} }

// describe is the schema t with what editors show beside the key.
func describe(about string, t thing) thing { return with(maps.Clone(t), "description", about) }

// list is one of at least so many things; most may be 0 where the reader sets no bound.
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

func orList(of thing, most int) thing { return thing{"anyOf": []any{of, list(of, 1, most)}} }

func mapOf(of thing) thing {
	return thing{"type": "object", "propertyNames": ref("slug"), "additionalProperties": of}
}

// oneIsRequired says that at least one of these keys must stand in the mapping.
func oneIsRequired(keys ...string) thing {
	var forms []any
	for _, k := range keys {
		forms = append(forms, thing{"required": []string{k}})
	}
	return thing{"anyOf": forms}
}

func oneOf(words ...string) thing { return thing{"enum": words} }

func codeWords() []string {
	var out []string
	for _, c := range policy.Codes() {
		out = append(out, string(c))
	}
	return out
}
